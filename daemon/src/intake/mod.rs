//! What enters the ledger with bytes of its own: datanets with their held-out sets, and contributions.
//!
//! The body streams through the checker and into the blob store at once: memory stays flat, and a bad record or one byte
//! too many ends the upload at that point. Only a body that is good to its end is kept; only what is kept is put on the
//! ledger; only then is it announced, and given to others.

mod again;
mod announcer;
mod datanet;
mod pending;
mod spool;
mod upload;

pub use announcer::Announcer;
pub use datanet::{AnnouncedHoldout, DatanetProposal, OpenedDatanet};
pub use pending::PendingUploads;
pub use spool::Spool;
pub use upload::{StoredUpload, Upload};

use std::sync::Arc;

use datanet_data::corpus::Summary;
use datanet_ledger::component::{contributions, datanets};
use datanet_types::action::Contribute;
use datanet_types::amount::display;
use datanet_types::record::{Format, record_root};
use datanet_types::tx::tx_hash;
use datanet_types::{Action, Address, Amount, BlobHash, ContributionId, DatanetId, Digest, NodeKey, TxHash};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::blobs::BlobStore;
use crate::chain::{Chain, Signed, unknown_datanet};
use crate::db::LocalStore;
use crate::db::idempotency::StoredReply;
use crate::error::{Code, ServiceError, ServiceResult};
use crate::keyring::AccountKey;
use crate::lanes::Lanes;

/// What a contributor asks for.
#[derive(Debug, Clone)]
pub struct IntakeRequest {
    /// To which datanet.
    pub datanet: DatanetId,
    /// How the bytes are written.
    pub format: Format,
    /// Who contributes.
    pub key: AccountKey,
    /// Base units to lock; the datanet's minimum if not given.
    pub bond: Option<Amount>,
    /// Makes a repeated upload harmless.
    pub idempotency_key: Option<String>,
}

/// What a contributor gets.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Accepted {
    /// The contribution.
    pub id: ContributionId,
    /// BLAKE3 of the bytes.
    pub blob: BlobHash,
    /// Bytes.
    pub size: u64,
    /// Records found.
    pub records: u64,
    /// Merkle root over the records, keyed by the contributor.
    pub record_root: Digest,
    /// The transaction that put it on the ledger.
    pub tx: TxHash,
    /// Always `storing`.
    pub state: String,
}

/// Longest idempotency key in bytes.
const MAX_KEY_BYTES: usize = 255;

/// Uploads whose bytes come in at once; more wait, and their senders with them. Each takes a thread for checking and
/// room for some chunks.
const TURNS: usize = 64;

/// Takes contributions in; clones share its bounds.
#[derive(Clone)]
pub struct Intake {
    chain: Chain,
    blobs: BlobStore,
    pending: PendingUploads,
    db: LocalStore,
    announcer: Announcer,
    node: NodeKey,
    /// Largest upload in bytes, as far as the ledger allows it.
    max_bytes: u64,
    /// One upload of the same contribution after the other.
    lanes: Lanes,
    /// Uploads whose bytes are coming in.
    turns: Arc<Semaphore>,
}

impl Intake {
    /// An intake whose uploads are `max_bytes` long at most.
    pub fn new(
        chain: Chain,
        blobs: BlobStore,
        db: LocalStore,
        announcer: Announcer,
        node: NodeKey,
        max_bytes: u64,
    ) -> Self {
        let lanes = Lanes::default();
        let pending = PendingUploads::new(chain.clone(), blobs.clone());
        let turns = Arc::new(Semaphore::new(TURNS));
        Self { chain, blobs, pending, db, announcer, node, max_bytes, lanes, turns }
    }

    /// Starts an upload: checks everything that can be checked before the first byte, and waits for its turn.
    ///
    /// # Errors
    /// When the idempotency key is empty or too long ([`Code::BadIdempotencyKey`]), there is no such datanet
    /// ([`Code::UnknownDatanet`]), the bond is below its smallest ([`Code::BondTooSmall`]), the ledger has no block yet
    /// or cannot be read, or the node stops ([`Code::ShuttingDown`]).
    pub async fn begin(&self, request: IntakeRequest) -> ServiceResult<Upload> {
        if request.idempotency_key.as_ref().is_some_and(|key| key.is_empty() || key.len() > MAX_KEY_BYTES) {
            return Err(ServiceError::new(
                Code::BadIdempotencyKey,
                format!("Idempotency-Key is 1 to {MAX_KEY_BYTES} bytes"),
            ));
        }
        let reader = self.chain.reader()?;
        let datanet = datanets::get(&reader, &request.datanet)?.ok_or_else(|| unknown_datanet(&request.datanet))?;
        let bond = request.bond.unwrap_or(datanet.min_bond);
        if bond < datanet.min_bond {
            return Err(ServiceError::new(
                Code::BondTooSmall,
                format!("bond is {}, this datanet wants at least {}", display(bond), display(datanet.min_bond)),
            ));
        }
        let params = self.chain.params()?;
        let limit = params.max_contribution_bytes.min(self.max_bytes);
        drop(reader);
        let turn = self.turn().await?;
        Ok(Upload::begin(self.blobs.clone(), request, datanet.schema, bond, limit, turn))
    }

    /// Puts a checked and stored upload on the ledger and announces it.
    ///
    /// # Errors
    /// When the account has given these bytes before and they were neither refused nor revoked
    /// ([`Code::AlreadyContributed`]), were refused as often as they may be ([`Code::RefusedForGood`]) or want a higher
    /// bond now ([`Code::BondTooSmall`]), another account took these records back ([`Code::ForeignContribution`]), the idempotency key was used for another upload
    /// ([`Code::IdempotencyKeyReused`]), the ledger refuses the transaction or it is in no block in time, or the ledger,
    /// the blob store or the private store fails. What the ledger has refused is let go of.
    pub async fn finish(&self, upload: StoredUpload) -> ServiceResult<Accepted> {
        let StoredUpload { request, bond, held, summary } = upload;
        let blob = BlobHash(held.hash());
        let id_of =
            |attempt| ContributionId::derive(self.chain.id(), &request.datanet, &request.key.address(), &blob, attempt);
        // An impatient client sends again while the first is under way: the second then finds what became of it.
        let _lane = self.lanes.hold(&id_of(0).0).await;
        let fingerprint = format!("{}/{bond}", id_of(0));
        if let Some(reply) = self.replay(&request, &fingerprint)? {
            return Ok(reply);
        }
        let attempt = again::next_attempt(&self.chain, &request.datanet, bond, id_of)?;
        again::refuse_taken_back(&self.chain, &request.datanet, &request.key.address(), &summary.root)?;
        let id = id_of(attempt);
        self.pending.keep(&id, &blob).await?;
        let signed = self.sign_contribution(&request, blob, bond, attempt, &summary)?;
        let accepted = Accepted {
            id,
            blob,
            size: summary.bytes,
            records: summary.records,
            record_root: record_root(&request.key.address(), &summary.root),
            tx: tx_hash(signed.bytes()),
            state: "storing".into(),
        };
        // Before it is sent: if this node dies or the client leaves meanwhile, the same key still finds its reply.
        self.remember(&request, fingerprint, &accepted)?;
        if let Err(error) = self.chain.execute_signed(signed).await {
            // Only what is certain never to be on the ledger is let go of: a transaction that was waited for in vain
            // may still be in a mempool.
            if error.is_ledgers_verdict() && contributions::get(&self.chain.reader()?, &id)?.is_none() {
                self.pending.let_go(&id, &blob).await?;
            }
            return Err(error);
        }
        if let Err(error) = self.pending.publish(&id, &blob).await {
            // It is on the ledger all the same.
            tracing::warn!(%error, contribution = %id, "its bytes are not given out yet; that is tried again after the next block");
        }
        self.announcer.announce(&request.datanet, &id, &blob, summary.bytes).await;
        Ok(accepted)
    }

    fn sign_contribution(
        &self,
        request: &IntakeRequest,
        blob: BlobHash,
        bond: Amount,
        attempt: u32,
        summary: &Summary,
    ) -> ServiceResult<Signed> {
        let action = Contribute {
            datanet: request.datanet,
            blob,
            size: summary.bytes,
            format: request.format as i32,
            records: summary.records,
            record_root: record_root(&request.key.address(), &summary.root),
            bond,
            origin: self.node,
            attempt,
        };
        self.chain.sign(&request.key, Action::Contribute(action))
    }

    /// The reply to an earlier upload with the same idempotency key, if that upload is on the ledger: a key whose upload
    /// failed is free again.
    fn replay(&self, request: &IntakeRequest, fingerprint: &str) -> ServiceResult<Option<Accepted>> {
        let Some(key) = &request.idempotency_key else { return Ok(None) };
        let Some(stored) = self.db.reply(&scoped(&request.key.address(), key))? else { return Ok(None) };
        let reply: Accepted =
            serde_json::from_value(stored.reply).map_err(|error| ServiceError::caused(Code::StoredReply, error))?;
        if contributions::get(&self.chain.reader()?, &reply.id)?.is_none() {
            return Ok(None);
        }
        if stored.request != fingerprint {
            return Err(ServiceError::new(
                Code::IdempotencyKeyReused,
                "this Idempotency-Key was used for another upload; use a new one",
            ));
        }
        Ok(Some(reply))
    }

    fn remember(&self, request: &IntakeRequest, fingerprint: String, reply: &Accepted) -> ServiceResult<()> {
        let Some(key) = &request.idempotency_key else { return Ok(()) };
        let reply = serde_json::to_value(reply).map_err(|error| ServiceError::caused(Code::Reply, error))?;
        let stored = StoredReply { request: fingerprint, reply };
        self.db.put_reply(&scoped(&request.key.address(), key), &stored)
    }

    async fn turn(&self) -> ServiceResult<OwnedSemaphorePermit> {
        let turn = self.turns.clone().acquire_owned().await;
        turn.map_err(|_| ServiceError::new(Code::ShuttingDown, "the node is shutting down"))
    }
}

fn scoped(who: &Address, key: &str) -> String {
    format!("{who}/{key}")
}
