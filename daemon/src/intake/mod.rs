//! From an upload to a contribution on the ledger.
//!
//! The body streams through the checker and into the blob store at once: memory stays flat, and a bad record or one byte
//! too many ends the upload at that point. Only a body that is good to its end is kept; only what is kept is put on the
//! ledger; only then is it announced.

mod upload;

pub use upload::Upload;

use std::sync::Arc;

use datanet_data::corpus::Summary;
use datanet_ledger::component::{contributions, datanets};
use datanet_types::action::Contribute;
use datanet_types::record::Format;
use datanet_types::tx::tx_hash;
use datanet_types::{Action, Address, Amount, BlobHash, ContributionId, DatanetId, Digest, SigningKey, TxHash};
use tokio::sync::{Mutex, MutexGuard, OwnedSemaphorePermit, Semaphore};

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
    /// Starts an upload: checks everything that can be checked before the first byte, and waits for its turn.
    pub async fn begin_upload(&self, request: IntakeRequest) -> ServiceResult<Upload> {
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
        drop(reader);
        let turn = self.intake.turn().await?;
        Ok(Upload::begin(self, request, datanet.schema, bond, limit, turn))
    }

    /// Puts a checked and stored upload on the ledger and announces it.
    async fn finish_upload(&self, upload: upload::Finished) -> ServiceResult<Accepted> {
        let upload::Finished { request, bond, held, summary } = upload;
        let blob = BlobHash(held.hash());
        let id = ContributionId::derive(self.chain.id(), &request.datanet, &request.key.address(), &blob);
        // An impatient client sends again while the first is under way: the second then finds what became of it.
        let _lane = self.intake.lane(&id).await;
        let fingerprint = format!("{id}/{bond}");
        if let Some(reply) = self.replay(&request, &fingerprint)? {
            return Ok(reply);
        }
        self.refuse_known(&id)?;
        let tag = contribution_tag(&id);
        self.keep_blob(&tag, &blob).await?;
        let bytes = self.sign_contribution(&request, blob, bond, &summary)?;
        let accepted = Accepted {
            id,
            blob,
            size: summary.bytes,
            records: summary.records,
            record_root: summary.root,
            tx: tx_hash(&bytes),
            state: "judging".into(),
        };
        // Before it is sent: if this node dies or the client leaves meanwhile, the same key still finds its reply.
        self.remember(&request, fingerprint, &accepted)?;
        if let Err(error) = self.chain.execute_bytes(bytes).await {
            // Only what is certain never to be on the ledger is let go of: a transaction that was waited for in vain
            // may still be in a mempool.
            if error.is_ledgers_verdict() && contributions::get(&self.chain.reader()?, &id)?.is_none() {
                self.blobs().release(&tag).await.map_err(|error| blob_error(&error))?;
            }
            return Err(error);
        }
        self.announce(&request.datanet, &id, &blob, summary.bytes).await;
        Ok(accepted)
    }

    fn refuse_known(&self, id: &ContributionId) -> ServiceResult<()> {
        if contributions::get(&self.chain.reader()?, id)?.is_none() {
            return Ok(());
        }
        Err(ServiceError::conflict(
            "already-contributed",
            format!("this account has given these bytes to this datanet before, as contribution {id}"),
        ))
    }

    fn sign_contribution(
        &self,
        request: &IntakeRequest,
        blob: BlobHash,
        bond: Amount,
        summary: &Summary,
    ) -> ServiceResult<Vec<u8>> {
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
        self.chain.sign(&request.key, Action::Contribute(action))
    }

    /// The reply to an earlier upload with the same idempotency key, if that upload is on the ledger: a key whose upload
    /// failed is free again.
    fn replay(&self, request: &IntakeRequest, fingerprint: &str) -> ServiceResult<Option<Accepted>> {
        let Some(key) = &request.idempotency_key else { return Ok(None) };
        let Some(stored) = self.local.reply(&scoped(&request.key.address(), key))? else { return Ok(None) };
        let reply: Accepted = serde_json::from_value(stored.reply)
            .map_err(|error| ServiceError::internal("stored-reply", error.to_string()))?;
        if contributions::get(&self.chain.reader()?, &reply.id)?.is_none() {
            return Ok(None);
        }
        if stored.request != fingerprint {
            return Err(ServiceError::unprocessable(
                "idempotency-key-reused",
                "this Idempotency-Key was used for another upload; use a new one",
            ));
        }
        Ok(Some(reply))
    }

    fn remember(&self, request: &IntakeRequest, fingerprint: String, reply: &Accepted) -> ServiceResult<()> {
        let Some(key) = &request.idempotency_key else { return Ok(()) };
        let reply = serde_json::to_value(reply).map_err(|error| ServiceError::internal("reply", error.to_string()))?;
        let stored = StoredReply { request: fingerprint, reply };
        self.local.put_reply(&scoped(&request.key.address(), key), &stored)
    }
}

/// Enough that different contributions seldom wait for one another.
const LANES: usize = 256;

/// Uploads whose bytes come in at once; more wait, and their senders with them. Each takes a thread for checking and
/// room for some chunks.
const TURNS: usize = 64;

/// What uploads share.
pub struct Intake {
    /// One upload of the same contribution after the other.
    lanes: Vec<Mutex<()>>,
    /// Uploads whose bytes are coming in.
    turns: Arc<Semaphore>,
}

impl Default for Intake {
    fn default() -> Self {
        let lanes = std::iter::repeat_with(Mutex::default).take(LANES).collect();
        Self { lanes, turns: Arc::new(Semaphore::new(TURNS)) }
    }
}

impl Intake {
    async fn turn(&self) -> ServiceResult<OwnedSemaphorePermit> {
        let turn = self.turns.clone().acquire_owned().await;
        turn.map_err(|_| ServiceError::unavailable("shutting-down", "the node is shutting down"))
    }

    async fn lane(&self, id: &ContributionId) -> MutexGuard<'_, ()> {
        let [first, ..] = id.0;
        self.lanes[usize::from(first) % LANES].lock().await
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_apart_however_deep_it_is_wrapped() {
        let full = std::io::Error::new(std::io::ErrorKind::StorageFull, "no space");
        let wrapped = std::io::Error::other(full);
        let error = blob_error(&wrapped);
        assert_eq!((error.status, error.code), (507, "disk-full"), "{error}");
        let other = blob_error(&std::io::Error::other("a bad sector"));
        assert_eq!((other.status, other.code), (500, "io"));
    }
}
