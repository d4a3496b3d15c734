//! Trainings that others order and pay for: an adapter, trained on a datanet by an ordinary job of this node, and given for a receipt.
//!
//! ```text
//!  request ──bounds──▶ price ──reserve──▶ job, with its order ──▶ trained ──capture──▶ receipt, files for whoever has the order's id
//!                                            │   the voucher is held all the while, on disk too
//!                                            └──▶ failed, cancelled, too late, channel asked back: let go of, nothing is paid
//! ```
//! - [`wish`]: what may be asked for, and what it costs; `taken`: how it is ordered, and ordered again; [`seller`]: from the job's end to its payment,
//!   whatever happens to the node meanwhile.
//!
//! The payment engine is [`crate::billing`]'s, the job [`crate::training`]'s. Here they are tied together: an order is part of its job's record, so that
//! what pays and what is trained are written in one step.

pub mod seller;
mod taken;
pub mod wish;

use std::sync::Arc;

use datanet_config::ServingConfig;
use datanet_types::receipt::{AnswerRecord, MAX_ANSWER_RECORD_BYTES};
use datanet_types::release::{Release, ReleaseFile};
use datanet_types::{Amount, BlobHash, ReceiptId};
use tokio::sync::{Mutex, mpsc};

use crate::billing::Billing;
use crate::billing::purchase::Held;
use crate::blobs::BlobStore;
use crate::chain::Chain;
use crate::db::LocalStore;
use crate::db::jobs::{JobRecord, OrderEnd};
use crate::error::{Code, ServiceError, ServiceResult};
use crate::lanes::Lanes;
use crate::models::Models;
use crate::records::Records;
use crate::training::Training;

/// Orders on their way to the seller; it takes them at once.
const HANDED_OVER: usize = 16;

/// Takes orders and says how they do; a [`seller::TrainingSeller`] sees them to their end. Clones share what waits.
#[derive(Clone)]
pub struct Trainings {
    chain: Chain,
    db: LocalStore,
    blobs: BlobStore,
    billing: Billing,
    records: Records,
    models: Models,
    training: Training,
    config: ServingConfig,
    /// Held for a channel while something is ordered on it.
    channels: Lanes,
    sender: mpsc::Sender<Taken>,
    /// Until the seller takes it.
    receiver: Arc<Mutex<Option<mpsc::Receiver<Taken>>>>,
}

/// An order that was taken, with what pays.
struct Taken {
    job: u64,
    id: String,
    held: Held,
}

/// What orders are made over.
pub struct TrainingsParts {
    /// The ledger.
    pub chain: Chain,
    /// Where jobs and their orders are kept.
    pub db: LocalStore,
    /// Where releases lie.
    pub blobs: BlobStore,
    /// What pays.
    pub billing: Billing,
    /// What is learnt from.
    pub records: Records,
    /// Bases, and releases.
    pub models: Models,
    /// Jobs.
    pub training: Training,
    /// Prices and bounds.
    pub config: ServingConfig,
}

impl Trainings {
    /// Over these parts.
    pub fn new(parts: TrainingsParts) -> Self {
        let TrainingsParts { chain, db, blobs, billing, records, models, training, config } = parts;
        let (sender, receiver) = mpsc::channel(HANDED_OVER);
        let (channels, receiver) = (Lanes::default(), Arc::new(Mutex::new(Some(receiver))));
        Self { chain, db, blobs, billing, records, models, training, config, channels, sender, receiver }
    }

    /// A job that somebody has ordered, by its id, which nobody else knows.
    ///
    /// # Errors
    /// When there is none ([`Code::UnknownJob`]); a job that nobody has ordered is none here.
    pub fn ordered(&self, id: &str) -> ServiceResult<JobRecord> {
        let unknown = || {
            let detail = format!("nobody has ordered a training {id:.80?} here, or it is long over");
            ServiceError::new(Code::UnknownJob, detail)
        };
        match self.training.job(id) {
            Ok(job) if job.order.is_some() => Ok(job),
            Ok(_) => Err(unknown()),
            Err(error) if error.code == Code::UnknownJob => Err(unknown()),
            Err(error) => Err(error),
        }
    }

    /// What a receipt of this node took.
    async fn fee_of(&self, receipt: &ReceiptId) -> ServiceResult<Amount> {
        let bytes = self.blobs.read(&BlobHash(receipt.0), MAX_ANSWER_RECORD_BYTES as u64).await?;
        let record = AnswerRecord::verify(&bytes, self.chain.id());
        Ok(record.map_err(|error| ServiceError::caused(Code::BadReceipt, error))?.receipt.fee)
    }

    /// The manifest of what was ordered, if it is paid.
    ///
    /// # Errors
    /// When its manifest is not here any more ([`Code::UnknownModel`]), or a store fails.
    pub async fn manifest(&self, job: &JobRecord) -> ServiceResult<Option<Release>> {
        let paid = job.order.as_ref().is_some_and(|order| matches!(order.end, Some(OrderEnd::Paid { .. })));
        match (paid, &job.packed) {
            (true, Some(packed)) => self.models.release(&packed.model).await.map(Some),
            _ => Ok(None),
        }
    }

    /// A file of what was ordered, for whoever has the order's id, once it is paid.
    ///
    /// # Errors
    /// When there is no such order ([`Code::UnknownJob`]), it is not paid ([`Code::PaymentRequired`]), its release has no such file or has it no more
    /// ([`Code::UnknownModel`]), or a store fails.
    pub async fn file(&self, id: &str, name: &str) -> ServiceResult<(ReleaseFile, std::fs::File)> {
        let job = self.ordered(id)?;
        let Some(release) = self.manifest(&job).await? else {
            let detail = format!(
                "training {id} is not paid, so that there is nothing to fetch yet; GET /v1/trainings/{id} says how it does"
            );
            return Err(ServiceError::new(Code::PaymentRequired, detail));
        };
        let Some(file) = release.file(name) else {
            let names: Vec<&str> = release.files.iter().map(|file| file.name.as_str()).collect();
            let detail = format!("its release has no file {name:.80?}; it has {}", names.join(", "));
            return Err(ServiceError::new(Code::UnknownModel, detail));
        };
        Ok((file.clone(), self.blobs.export_file(&file.blob).await?))
    }
}
