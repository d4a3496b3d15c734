//! Fine-tuning jobs and what happened in them.
//!
//! Jobs are kept by their number, so that they are listed in the order in which they were given; events by job and
//! number. A job that was running when the process ended is found here again and goes on.

use std::collections::BTreeMap;

use datanet_types::rate::Rate;
use datanet_types::release::DataSnapshot;
use datanet_types::voucher::SignedVoucher;
use datanet_types::{Amount, ChannelId, DatanetId, Digest, ModelId, ReceiptId};
use redb::{ReadableTable, WriteTransaction};

use super::{LocalStore, failed, table};
use crate::error::ServiceResult;

const JOBS: table::Table = redb::TableDefinition::new("jobs");
const NUMBERS: table::Table = redb::TableDefinition::new("job-numbers");
const EVENTS: table::Table = redb::TableDefinition::new("job-events");

/// What a job is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JobState {
    /// It waits for those before it.
    Queued,
    /// It trains.
    Running,
    /// Its model is released.
    Succeeded,
    /// It ended without a model; the error says why.
    Failed,
    /// Somebody cancelled it.
    Cancelled,
}

impl JobState {
    /// Whether it is over.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }
}

/// Why a job failed.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct JobFailure {
    /// Stable and machine-readable.
    pub code: String,
    /// For people: what went wrong and what to do.
    pub message: String,
    /// The parameter at fault, if one is.
    pub param: Option<String>,
}

/// How far a job is.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Progress {
    /// What it does, in a word or two.
    pub phase: String,
    /// Steps done in this phase: of training, retrainings, contributions read, records asked.
    pub step: u64,
    /// Steps in all; 0 as long as that is not known.
    pub steps: u64,
    /// Mean loss of the last step.
    pub loss: Option<f64>,
    /// Seconds until the phase is done, as it looks now.
    pub seconds_left: Option<f64>,
    /// Bytes of memory that the process holds.
    pub memory_bytes: Option<u64>,
    /// When steps of this phase were counted first, in seconds since 1970, and how many were done by then: what the time
    /// left is worked out from.
    #[serde(default)]
    pub counted_since: Option<(u64, u64)>,
}

/// A job that trains nothing new but repeats what somebody claims to have trained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Repetition {
    /// The released model.
    pub model: ModelId,
    /// So many stretches between checkpoints, drawn with this seed; all of the run if not given.
    pub stretches: Option<(usize, u64)>,
}

/// A release that is kept and not on the ledger yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Packed {
    /// The id that it will have.
    pub model: ModelId,
    /// The hash of its manifest.
    pub manifest: Digest,
}

/// What a job is trained for, where somebody else has ordered it: what pays, for what, and until when.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct TrainingOrder {
    /// What pays.
    pub voucher: SignedVoucher,
    /// Hash of what was asked.
    pub payload: Digest,
    /// The datanet.
    pub datanet: DatanetId,
    /// Of the ledger, when it was ordered.
    pub height: u64,
    /// The prices.
    pub rate: Rate,
    /// Steps that it takes at most.
    pub most_steps: u32,
    /// When it is ended if it is not done, in seconds since 1970.
    pub until: u64,
    /// What came of it; nothing as long as it waits, is trained, or is to be paid.
    pub end: Option<OrderEnd>,
}

/// What came of an order.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OrderEnd {
    /// It is paid, and its release may be fetched.
    Paid {
        /// The receipt.
        receipt: ReceiptId,
        /// What it cost, in base units.
        fee: Amount,
        /// When, in seconds since 1970.
        at: u64,
    },
    /// Nothing is paid, and nothing is given.
    Unpaid {
        /// Why.
        reason: String,
        /// When, in seconds since 1970.
        at: u64,
    },
}

impl TrainingOrder {
    /// Whether it waits, is trained, or is to be paid.
    pub fn is_open(&self) -> bool {
        self.end.is_none()
    }

    /// Whether it came to nothing.
    pub fn is_unpaid(&self) -> bool {
        matches!(self.end, Some(OrderEnd::Unpaid { .. }))
    }

    /// Whether what it made is still to be had: it is not over yet, or was paid at `since` or later.
    pub fn keeps_files(&self, since: u64) -> bool {
        match &self.end {
            None => true,
            Some(OrderEnd::Paid { at, .. }) => *at >= since,
            Some(OrderEnd::Unpaid { .. }) => false,
        }
    }

    /// Whether anything of it is remembered still.
    pub fn is_remembered(&self, since: u64) -> bool {
        match &self.end {
            None => true,
            Some(OrderEnd::Paid { at, .. } | OrderEnd::Unpaid { at, .. }) => *at >= since,
        }
    }
}

/// A job, as asked for and as it stands.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct JobRecord {
    /// `ftjob-` and 24 hexadecimal digits.
    pub id: String,
    /// Its number on this node, from 1.
    pub number: u64,
    /// Seconds since 1970.
    pub created_at: u64,
    /// When it started first.
    pub started_at: Option<u64>,
    /// When it was over.
    pub finished_at: Option<u64>,
    /// The base model as it was named.
    pub model: String,
    /// The base model's id; none for a model trained from nothing.
    pub base: Option<ModelId>,
    /// Name of the account on this node that will own the model.
    pub account: String,
    /// Part of the model's name.
    pub suffix: Option<String>,
    /// What the caller wants to remember.
    pub metadata: BTreeMap<String, String>,
    /// Whose run it repeats, if it is a verification.
    pub repeats: Option<Repetition>,
    /// What a verification found.
    pub verdict: Option<serde_json::Value>,
    /// The data, fixed when the job was given.
    pub snapshots: Vec<DataSnapshot>,
    /// How to train: `datanet_training::job::Job`.
    pub job: serde_json::Value,
    /// SPDX expression of the model's licence.
    pub licence: String,
    /// Where it is.
    pub state: JobState,
    /// How far.
    pub progress: Progress,
    /// Tokens read in training.
    pub trained_tokens: Option<u64>,
    /// The released model.
    pub release: Option<ModelId>,
    /// The model whose manifest is stored and which is not on the ledger yet: what a restart takes up.
    pub packed: Option<Packed>,
    /// The evaluation on the held-out set.
    pub evaluation: Option<serde_json::Value>,
    /// Why it failed.
    pub failure: Option<JobFailure>,
    /// Whether somebody wants it ended.
    pub cancel: bool,
    /// Number of its latest event.
    pub events: u64,
    /// How often it was begun since the last checkpoint or orderly stop.
    #[serde(default)]
    pub attempts: u32,
    /// Who pays for it, if it was ordered for pay.
    #[serde(default)]
    pub order: Option<TrainingOrder>,
}

impl JobRecord {
    /// A job that waits, of which nothing else is known yet.
    pub fn new(id: String, created_at: u64, job: serde_json::Value) -> Self {
        Self {
            id,
            number: 0,
            created_at,
            started_at: None,
            finished_at: None,
            model: String::new(),
            base: None,
            account: String::new(),
            suffix: None,
            metadata: BTreeMap::new(),
            repeats: None,
            verdict: None,
            snapshots: Vec::new(),
            job,
            licence: String::new(),
            state: JobState::Queued,
            progress: Progress::default(),
            trained_tokens: None,
            release: None,
            packed: None,
            evaluation: None,
            failure: None,
            cancel: false,
            events: 0,
            attempts: 0,
            order: None,
        }
    }

    /// The model's name for people: the suffix, or the first datanet's name and what the model does.
    pub fn name(&self) -> String {
        if let Some(suffix) = &self.suffix {
            return suffix.clone();
        }
        let datanet = self.job["data"]["datanets"][0].as_str().unwrap_or("model");
        let datanet: String =
            datanet.chars().filter(|c| c.is_ascii_alphanumeric() || "-_.".contains(*c)).take(48).collect();
        format!("{datanet}-{}", self.job["task"].as_str().unwrap_or("model"))
    }
}

/// How loud an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EventLevel {
    /// Worth knowing.
    Info,
    /// Worth looking at.
    Warn,
    /// The end of the job.
    Error,
}

/// Something that happened in a job.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct JobEvent {
    /// Its number in the job, from 1.
    pub number: u64,
    /// Seconds since 1970.
    pub created_at: u64,
    /// How loud.
    pub level: EventLevel,
    /// In words.
    pub message: String,
    /// `step`, `evaluation`, `checkpoint`, `attribution` or `message`.
    pub kind: String,
    /// In numbers.
    pub data: serde_json::Value,
}

pub(super) fn create(tx: &WriteTransaction) -> ServiceResult<()> {
    table::create(tx, JOBS)?;
    table::create(tx, NUMBERS)?;
    table::create(tx, EVENTS)
}

fn event_key(job: u64, event: u64) -> [u8; 16] {
    let mut key = [0; 16];
    key[..8].copy_from_slice(&job.to_be_bytes());
    key[8..].copy_from_slice(&event.to_be_bytes());
    key
}

impl LocalStore {
    /// Remembers a new job and numbers it.
    ///
    /// # Errors
    /// When the private store cannot be read or written; then nothing has changed.
    pub fn add_job(&self, mut job: JobRecord) -> ServiceResult<JobRecord> {
        self.write(|tx| {
            let last = {
                let table = tx.open_table(JOBS).map_err(failed)?;
                let last = table.last().map_err(failed)?;
                last.and_then(|(key, _)| key.value().try_into().ok()).map_or(0, u64::from_be_bytes)
            };
            job.number = last.saturating_add(1);
            table::put(tx, JOBS, &job.number.to_be_bytes(), &job)?;
            table::put(tx, NUMBERS, job.id.as_bytes(), &job.number)?;
            Ok(job)
        })
    }

    /// A job by its id.
    ///
    /// # Errors
    /// When the private store cannot be read.
    pub fn job(&self, id: &str) -> ServiceResult<Option<JobRecord>> {
        self.read(|tx| match table::get::<u64>(tx, NUMBERS, id.as_bytes())? {
            Some(number) => table::get(tx, JOBS, &number.to_be_bytes()),
            None => Ok(None),
        })
    }

    /// Whether a channel pays for a training that is ordered and not over.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn trains_on(&self, channel: &ChannelId) -> ServiceResult<bool> {
        let open = |order: &TrainingOrder| order.is_open() && order.voucher.channel == *channel;
        Ok(self.jobs()?.iter().any(|job| job.order.as_ref().is_some_and(open)))
    }

    /// All jobs, newest first.
    ///
    /// # Errors
    /// When the private store cannot be read.
    pub fn jobs(&self) -> ServiceResult<Vec<JobRecord>> {
        let latest: Vec<(Vec<u8>, JobRecord)> = self.read(|tx| table::latest(tx, JOBS, usize::MAX))?;
        Ok(latest.into_iter().map(|(_, job)| job).collect())
    }

    /// Changes a job by `change`, in one durable step, and appends `event` if there is one; the job as it is then.
    ///
    /// # Errors
    /// When the private store cannot be read or written; then nothing has changed.
    pub fn change_job(
        &self,
        number: u64,
        event: Option<JobEvent>,
        change: impl FnOnce(&mut JobRecord),
    ) -> ServiceResult<Option<JobRecord>> {
        self.write(|tx| {
            let key = number.to_be_bytes();
            let Some(mut job) = table::get_in::<JobRecord>(tx, JOBS, &key)? else { return Ok(None) };
            change(&mut job);
            if let Some(mut event) = event {
                job.events = job.events.saturating_add(1);
                event.number = job.events;
                table::put(tx, EVENTS, &event_key(number, event.number), &event)?;
            }
            table::put(tx, JOBS, &key, &job)?;
            Ok(Some(job))
        })
    }

    /// Forgets a job and all that happened in it.
    ///
    /// # Errors
    /// When the private store cannot be read or written; then nothing has changed.
    pub fn forget_job(&self, number: u64) -> ServiceResult<()> {
        self.write(|tx| {
            let key = number.to_be_bytes();
            let Some(job) = table::get_in::<JobRecord>(tx, JOBS, &key)? else { return Ok(()) };
            for event in 1..=job.events {
                table::remove(tx, EVENTS, &event_key(number, event))?;
            }
            table::remove(tx, NUMBERS, job.id.as_bytes())?;
            table::remove(tx, JOBS, &key)
        })
    }

    /// Up to `limit` events of a job behind number `after`, oldest first.
    ///
    /// # Errors
    /// When the private store cannot be read.
    pub fn job_events(&self, job: u64, after: u64, limit: usize) -> ServiceResult<Vec<JobEvent>> {
        let (from, to) = (event_key(job, after.saturating_add(1)), event_key(job, u64::MAX));
        self.read(|tx| table::between(tx, EVENTS, &from, &to, limit))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn job(id: &str) -> JobRecord {
        JobRecord {
            model: "minilm".to_owned(),
            account: "node".to_owned(),
            licence: "CC0-1.0".to_owned(),
            ..JobRecord::new(id.to_owned(), 1, serde_json::json!({}))
        }
    }

    fn event(message: &str) -> Option<JobEvent> {
        let (level, data) = (EventLevel::Info, serde_json::Value::Null);
        Some(JobEvent { number: 0, created_at: 1, level, message: message.to_owned(), kind: "message".into(), data })
    }

    #[test]
    fn jobs_survive_a_restart_with_their_events_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("local.redb");
        let store = LocalStore::open(&path).unwrap();
        let first = store.add_job(job("ftjob-a")).unwrap();
        let second = store.add_job(job("ftjob-b")).unwrap();
        assert_eq!((first.number, second.number), (1, 2));
        for text in ["one", "two", "three"] {
            store.change_job(1, event(text), |job| job.state = JobState::Running).unwrap().unwrap();
        }
        store.change_job(2, event("other"), |_| {}).unwrap().unwrap();
        drop(store);
        let store = LocalStore::open(&path).unwrap();
        assert_eq!(store.job("ftjob-a").unwrap().unwrap().state, JobState::Running);
        assert_eq!(store.jobs().unwrap().iter().map(|job| job.id.as_str()).collect::<Vec<_>>(), ["ftjob-b", "ftjob-a"]);
        let texts = |after, limit| -> Vec<String> {
            store.job_events(1, after, limit).unwrap().into_iter().map(|event| event.message).collect()
        };
        assert_eq!(texts(0, 10), ["one", "two", "three"]);
        assert_eq!(texts(1, 1), ["two"]);
        assert!(store.job("ftjob-c").unwrap().is_none());
        assert!(store.change_job(9, None, |_| {}).unwrap().is_none());
    }
}
