//! Training: from accepted data to a released model.
//!
//! ```text
//! jobs ──▶ worker ──▶ data ──▶ training (a thread of its own) ──▶ release ──▶ ledger and blobs
//! ```
//!
//! - `jobs`: what is asked for, checked before it waits; `worker`: one job at a time, resumed after a crash.
//! - [`data`], `shape`: the records behind a snapshot, ready to be learnt from.
//! - [`debts`]: contributions that stay in debt, which the next training leaves out.
//! - `runs`, `progress`: the run and what it says; `pack`: its files as a release.

pub mod data;
pub mod debts;
mod jobs;
mod pack;
mod progress;
mod runs;
mod shape;
mod worker;

pub use jobs::{DataChoice, NewJob};
pub use runs::TRANSCRIPT_FILE;
pub use worker::TrainingWorker;

use std::path::PathBuf;
use std::sync::Arc;

use datanet_config::TrainingConfig;
use tokio::sync::{Mutex, Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::billing::Billing;
use crate::chain::Chain;
use crate::db::LocalStore;
use crate::embedder::Embedder;
use crate::error::{Code, ServiceError, ServiceResult};
use crate::keyring::Keyring;
use crate::models::Models;
use crate::records::Records;

/// Takes jobs and says how they do; a [`TrainingWorker`] runs them. Clones share the queue.
#[derive(Clone)]
pub struct Training {
    chain: Chain,
    db: LocalStore,
    billing: Billing,
    records: Records,
    embedder: Embedder,
    models: Models,
    keyring: Keyring,
    config: TrainingConfig,
    /// Orders of others that may be open at once.
    most_orders: u32,
    /// Folder of the runs.
    runs: PathBuf,
    /// Wakes the worker: a job has come.
    wake: Arc<Notify>,
    /// Counts changes of jobs: wakes those who follow one.
    changes: watch::Sender<u64>,
    /// The job that runs, by number, and what ends it.
    running: Arc<std::sync::Mutex<Option<(u64, CancellationToken)>>>,
    /// Held while a job is taken, so that the queue's bound holds.
    taking: Arc<Mutex<()>>,
    /// Held by whoever lists debts.
    listing: Arc<Mutex<()>>,
}

/// What training is made over.
pub struct TrainingParts {
    /// The ledger.
    pub chain: Chain,
    /// Where jobs are kept.
    pub db: LocalStore,
    /// What contributions owe.
    pub billing: Billing,
    /// What is learnt from.
    pub records: Records,
    /// Finds paraphrases.
    pub embedder: Embedder,
    /// Bases, and where releases go.
    pub models: Models,
    /// Who owns what is made.
    pub keyring: Keyring,
    /// Bounds.
    pub config: TrainingConfig,
    /// Orders of others that may be open at once.
    pub most_orders: u32,
    /// Folder of the runs.
    pub runs: PathBuf,
}

impl Training {
    /// Training over these parts.
    pub fn new(parts: TrainingParts) -> Self {
        let TrainingParts { chain, db, billing, records, embedder, models, keyring, config, most_orders, runs } = parts;
        let (wake, running) = (Arc::default(), Arc::default());
        let (taking, listing) = (Arc::default(), Arc::default());
        let changes = watch::Sender::new(0);
        Self {
            chain,
            db,
            billing,
            records,
            embedder,
            models,
            keyring,
            config,
            most_orders,
            runs,
            wake,
            changes,
            running,
            taking,
            listing,
        }
    }

    /// Changes whenever a job does.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    fn changed(&self) {
        self.changes.send_modify(|count| *count = count.wrapping_add(1));
    }
}

/// A value as JSON, by way of text: in JSON's own numbers, which have 64 bits, .1 of 32 bits would be .10000000149011612.
pub(crate) fn as_json(value: &impl serde::Serialize) -> ServiceResult<serde_json::Value> {
    let text = serde_json::to_string(value);
    let read = text.and_then(|text| serde_json::from_str(&text));
    read.map_err(|error| ServiceError::caused(Code::Json, error))
}

/// The number of 64 bits that is written as one of 32 bits is.
pub(crate) fn short(number: f32) -> f64 {
    number.to_string().parse().unwrap_or_else(|_| f64::from(number))
}

#[cfg(test)]
mod tests {
    use datanet_training::job::{Job, Task};

    #[test]
    fn a_jobs_numbers_are_shown_as_they_were_written() {
        let job = Job::new("minilm-l6", Task::Classify);
        let json = super::as_json(&job).unwrap();
        assert_eq!(json["data"]["held_out"].to_string(), "0.1");
        assert_eq!(serde_json::from_value::<Job>(json).unwrap(), job);
    }
}
