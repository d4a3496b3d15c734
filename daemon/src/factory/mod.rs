//! The model factory: from accepted data to a released model, and from a release to paid, attributed answers.
//!
//! ```text
//! jobs ──▶ worker ──▶ data ──▶ training (a thread of its own) ──▶ release ──▶ ledger and blobs
//!                                                                               │
//! classify, complete, explain ◀── served ◀── deploy ◀───────────────────────────┘
//! ```
//!
//! - `jobs`: what is asked for, checked before it waits; `worker`: one job at a time, resumed after a crash.
//! - [`base`], `base_ids`: base models by name or id; [`data`]: the records behind a snapshot.
//! - [`release`]: packing, registering, fetching and checking; [`served`], `deploy`: models in memory, rolling back; `names`:
//!   which model is meant; [`gate`]: what its audit says.
//! - [`classify`], [`complete`]: answers; `explain`, `spans`: whose records moved them; [`answers`]: the same for receipts
//!   that are checked; [`attribution`]: an answer explained to people.

pub mod answers;
pub mod attribution;
pub mod base;
mod base_ids;
pub mod classify;
pub mod complete;
pub mod data;
mod deploy;
mod embed;
mod explain;
pub mod gate;
pub mod import;
mod jobs;
mod names;
mod progress;
pub mod release;
mod runs;
pub mod served;
mod shape;
mod spans;
mod worker;

pub use jobs::{DataChoice, NewJob};
pub use worker::run;

use std::time::{SystemTime, UNIX_EPOCH};

use datanet_inference::runtime::Runtime;
use tokio::sync::{Mutex, Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::error::{ServiceError, ServiceResult};

/// What the factory shares.
pub struct Factory {
    /// ONNX Runtime, or why there is none.
    runtime: Result<Runtime, String>,
    /// Wakes the worker: a job has come.
    wake: Notify,
    /// Counts changes of jobs: wakes those who follow one.
    changes: watch::Sender<u64>,
    /// The job that runs, by number, and what ends it.
    running: std::sync::Mutex<Option<(u64, CancellationToken)>>,
    /// Held while a job is taken, so that the queue's bound holds.
    taking: Mutex<()>,
    /// Models in memory.
    pub served: served::Served,
    /// The ids of base models.
    base_ids: base_ids::BaseIds,
    /// Held while a model is deployed or taken down: one at a time.
    deploying: Mutex<()>,
}

impl Factory {
    /// A factory over this runtime.
    pub fn new(runtime: Result<Runtime, String>) -> Self {
        Self {
            runtime,
            wake: Notify::new(),
            changes: watch::Sender::new(0),
            running: std::sync::Mutex::default(),
            taking: Mutex::default(),
            served: served::Served::default(),
            base_ids: base_ids::BaseIds::default(),
            deploying: Mutex::default(),
        }
    }

    /// ONNX Runtime, or an error that says how to get it.
    pub fn runtime(&self) -> ServiceResult<&Runtime> {
        self.runtime.as_ref().map_err(|reason| {
            ServiceError::unavailable(
                "no-runtime",
                format!("this node cannot run models: {reason}; run `datanet setup`"),
            )
        })
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
    read.map_err(|error| ServiceError::internal("json", error.to_string()))
}

/// The number of 64 bits that is written as one of 32 bits is.
pub(crate) fn short(number: f32) -> f64 {
    number.to_string().parse().unwrap_or_else(|_| f64::from(number))
}

/// Seconds since 1970, for people.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
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
