//! From an upload to a contribution on the ledger.
//!
//! The body streams through the checker and into the blob store at once: memory stays flat, and a bad record or one byte
//! too many ends the upload at that point. Only a body that is good to its end is kept; only what is kept is put on the
//! ledger; only then is it announced.

mod upload;

pub use upload::Upload;

use datanet_inference::corpus::Summary;
use datanet_ledger::component::{contributions, datanets};
use datanet_types::action::Contribute;
use datanet_types::record::Format;
use datanet_types::{Action, Address, Amount, BlobHash, ContributionId, DatanetId, Digest, SigningKey, TxHash};

use crate::error::{ServiceError, ServiceResult};
use crate::local::idempotency::StoredReply;
use crate::node::Core;

/// What a contributor asks for.
#[derive(Debug, Clone)]
pub struct IntakeRequest {
    /// To which datanet.
    pub datanet: DatanetId,
    /// How the bytes are written.
    pub format: Format,
    /// Who contributes.
    pub key: SigningKey,
    /// Base units to lock; the datanet's minimum if not given.
    pub bond: Option<Amount>,
    /// Makes a repeated upload harmless.
    pub idempotency_key: Option<String>,
}

/// What a contributor gets.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct Accepted {
    /// The contribution.
    #[schema(value_type = String)]
    pub id: ContributionId,
    /// BLAKE3 of the bytes.
    #[schema(value_type = String)]
    pub blob: BlobHash,
    /// Bytes.
    pub size: u64,
    /// Records found.
    pub records: u64,
    /// Merkle root over the records.
    #[schema(value_type = String)]
    pub record_root: Digest,
    /// The transaction that put it on the ledger.
    #[schema(value_type = String)]
    pub tx: TxHash,
    /// Always `judging`.
    pub state: String,
}

/// Longest idempotency key in bytes.
const MAX_KEY_BYTES: usize = 255;

impl Core {
    /// Starts an upload: checks everything that can be checked before the first byte.
    pub fn begin_upload(&self, request: IntakeRequest) -> ServiceResult<Upload> {
        if request.idempotency_key.as_ref().is_some_and(|key| key.is_empty() || key.len() > MAX_KEY_BYTES) {
            return Err(ServiceError::bad_request(
                "bad-idempotency-key",
                format!("Idempotency-Key is 1 to {MAX_KEY_BYTES} bytes"),
            ));
        }
        let reader = self.chain.reader()?;
        let datanet = datanets::get(&reader, &request.datanet)?.ok_or_else(|| unknown_datanet(&request.datanet))?;
        let bond = request.bond.unwrap_or(datanet.min_bond);
        if bond < datanet.min_bond {
            return Err(ServiceError::unprocessable(
                "bond-too-small",
                format!("bond is {bond}, this datanet wants at least {}", datanet.min_bond),
            ));
        }
        let params = self.chain.params()?;
        let limit = params.max_contribution_bytes.min(self.config.api.max_upload_bytes);
        Ok(Upload::begin(self, request, datanet.schema, bond, limit))
    }

    /// Puts a checked and stored upload on the ledger and announces it.
    async fn finish_upload(&self, upload: upload::Finished) -> ServiceResult<Accepted> {
        let upload::Finished { request, bond, held, summary } = upload;
        let blob = BlobHash(held.hash());
        let contributor = request.key.address();
        let id = ContributionId::derive(self.chain.id(), &request.datanet, &contributor, &blob);
        let fingerprint = format!("{id}/{bond}");
        if let Some(reply) = self.replay(&request, &contributor, &fingerprint)? {
            return Ok(reply);
        }
        let tag = contribution_tag(&id);
        self.keep_blob(&tag, &blob).await?;
        let sent = self.put_on_ledger(&request, blob, bond, &summary, &id).await;
        let tx = match sent {
            Ok(tx) => tx,
            Err(error) => {
                if contributions::get(&self.chain.reader()?, &id)?.is_none() {
                    self.blobs().release(&tag).await.map_err(|error| blob_error(&error))?;
                }
                return Err(error);
            }
        };
        let accepted = Accepted {
            id,
            blob,
            size: summary.bytes,
            records: summary.records,
            record_root: summary.root,
            tx,
            state: "judging".into(),
        };
        self.remember(&request, &contributor, fingerprint, &accepted)?;
        self.announce(&request.datanet, &id, &blob, summary.bytes).await;
        Ok(accepted)
    }

    async fn put_on_ledger(
        &self,
        request: &IntakeRequest,
        blob: BlobHash,
        bond: Amount,
        summary: &Summary,
        id: &ContributionId,
    ) -> ServiceResult<TxHash> {
        if contributions::get(&self.chain.reader()?, id)?.is_some() {
            return Err(ServiceError::conflict(
                "already-contributed",
                format!("this account has given these bytes to this datanet before, as contribution {id}"),
            ));
        }
        let action = Contribute {
            datanet: request.datanet,
            blob,
            size: summary.bytes,
            format: request.format as i32,
            records: summary.records,
            record_root: summary.root,
            bond,
            origin: self.node_key(),
        };
        Ok(self.chain.execute(&request.key, Action::Contribute(action)).await?.hash)
    }

    /// The reply to an earlier upload with the same idempotency key.
    fn replay(&self, request: &IntakeRequest, who: &Address, fingerprint: &str) -> ServiceResult<Option<Accepted>> {
        let Some(key) = &request.idempotency_key else { return Ok(None) };
        let Some(stored) = self.local.reply(&scoped(who, key))? else { return Ok(None) };
        if stored.request != fingerprint {
            return Err(ServiceError::unprocessable(
                "idempotency-key-reused",
                "this Idempotency-Key was used for another upload; use a new one",
            ));
        }
        let reply = serde_json::from_value(stored.reply)
            .map_err(|error| ServiceError::internal("stored-reply", error.to_string()))?;
        Ok(Some(reply))
    }

    fn remember(
        &self,
        request: &IntakeRequest,
        who: &Address,
        fingerprint: String,
        reply: &Accepted,
    ) -> ServiceResult<()> {
        let Some(key) = &request.idempotency_key else { return Ok(()) };
        let reply = serde_json::to_value(reply).map_err(|error| ServiceError::internal("reply", error.to_string()))?;
        self.local.put_reply(&scoped(who, key), &StoredReply { request: fingerprint, reply })
    }
}

fn scoped(who: &Address, key: &str) -> String {
    format!("{who}/{key}")
}

/// The tag that keeps a contribution's bytes from being collected.
pub fn contribution_tag(id: &ContributionId) -> String {
    format!("contribution/{id}")
}

/// The tag that keeps a held-out set from being collected. It names the bytes, so that no other set can take its place.
pub fn holdout_tag(blob: &BlobHash) -> String {
    format!("holdout/{blob}")
}

/// There is no such datanet.
pub fn unknown_datanet(id: &impl std::fmt::Display) -> ServiceError {
    ServiceError::not_found("unknown-datanet", format!("no datanet {id}; `GET /v1/datanets` lists them"))
}

/// A failure of the blob store, with a full disk told apart.
pub fn blob_error(error: &(dyn std::error::Error + 'static)) -> ServiceError {
    let mut source = Some(error);
    while let Some(inner) = source {
        if let Some(io) = inner.downcast_ref::<std::io::Error>() {
            return ServiceError::io("blob store", io);
        }
        source = inner.source();
    }
    ServiceError::internal("blob-store", format!("the blob store failed: {error}"))
}
