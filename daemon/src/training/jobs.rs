//! Taking, finding and cancelling jobs.

use std::collections::BTreeMap;

use datanet_training::job::{Job, Scratch, Task};
use datanet_training::run::parameter_bytes;
use datanet_types::release::Origin;
use datanet_types::schema::FieldRole;
use datanet_types::{ContributionId, ModelId};

use super::Training;
use super::debts::LeftOut;
use crate::caller;
use crate::db::jobs::{EventLevel, JobEvent, JobRecord, JobState, OrderEnd, Repetition, TrainingOrder};
use crate::db::now;
use crate::error::{Code, ServiceError, ServiceResult};
use crate::models::base::check_base;
use crate::records::check_licence;

/// Longest part of a model's name that a caller chooses.
const MAX_SUFFIX: usize = 64;

/// Gas and bytes that registering a model takes at most.
const REGISTRATION_GAS: u64 = 4_000_000;
const REGISTRATION_BYTES: u64 = 16 * 1024;

/// A datanet, and how much of its history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataChoice {
    /// Name or id.
    pub datanet: String,
    /// Entries of its history; all if not given.
    pub count: Option<u64>,
}

/// A job to take.
#[derive(Debug, Clone)]
pub struct NewJob {
    /// How to train; checked.
    pub job: Job,
    /// On what; at least one.
    pub datanets: Vec<DataChoice>,
    /// Part of the model's name.
    pub suffix: Option<String>,
    /// What the caller wants to remember.
    pub metadata: BTreeMap<String, String>,
    /// Name of the account on this node that will own the model.
    pub account: String,
    /// SPDX expression of the model's licence; the first datanet's if not given.
    pub licence: Option<String>,
}

impl Training {
    /// Takes a job: durable when this returns. Everything that can be said without reading the data is said here.
    ///
    /// # Errors
    /// When this node takes no jobs ([`Code::TrainingDisabled`]), has no ONNX Runtime ([`Code::NoRuntime`]), or too
    /// many wait already ([`Code::TooManyJobs`]); when the job is not good or too large ([`Code::BadJob`],
    /// [`Code::BadLicence`], [`Code::JobTooLarge`]), leaves out what is not there ([`Code::BadJob`]) or all there is
    /// ([`Code::NoData`]), or its model would be called as a base is ([`Code::NameTaken`]); when the account, the base or a datanet is not there, the base
    /// does not fit ([`Code::BaseDoesNotFit`]), or a datanet has no data, lacks a field, or has a licence that the job
    /// does not name ([`Code::NoData`], [`Code::MissingField`], [`Code::LicenceNotAccepted`]).
    pub async fn create_job(&self, new: NewJob) -> ServiceResult<JobRecord> {
        self.check_ready()?;
        check_words(&new)?;
        let key = self.keyring.get(&new.account)?;
        let (record, left_out) = self.drafted(new).await?;
        self.check_name_of(&record).await?;
        // What the model's registration will cost when the job is over, and nobody asks any more.
        let hold = match key.spender() {
            Some(spender) => {
                let fee = self.chain.params()?.fee_of(REGISTRATION_GAS, REGISTRATION_BYTES);
                Some(spender.spend("train and register_model", key.address(), fee, None)?)
            }
            None => None,
        };
        let queued = self.queue(record).await?;
        if let Some(hold) = hold {
            hold.settle();
        }
        self.tell_left_out(queued, &left_out)
    }

    /// Takes a job that somebody else pays for: durable when this returns. Its release is registered by nobody here; it is whoever bought it that does.
    ///
    /// # Errors
    /// As [`Training::create_job`], but that no account of this node is needed.
    pub async fn create_order(&self, new: NewJob, order: TrainingOrder) -> ServiceResult<JobRecord> {
        self.check_ready()?;
        check_words(&new)?;
        let (mut record, left_out) = self.drafted(new).await?;
        // So that the operator sees who has his node train.
        record.metadata.insert("ordered_by_channel".to_owned(), order.voucher.channel.to_string());
        let queued = self.queue(JobRecord { order: Some(order), ..record }).await?;
        Ok(self.tell_left_out(queued.clone(), &left_out).unwrap_or(queued))
    }

    /// Whether jobs are run here.
    ///
    /// # Errors
    /// When this node takes no jobs ([`Code::TrainingDisabled`]) or has no ONNX Runtime ([`Code::NoRuntime`]).
    pub fn check_ready(&self) -> ServiceResult<()> {
        if !self.config.enabled {
            return Err(ServiceError::new(Code::TrainingDisabled, "this node takes no jobs; see training.enabled"));
        }
        self.models.runtime().map(drop)
    }

    /// Says in a job's events which contributions it leaves out as indebted.
    fn tell_left_out(&self, queued: JobRecord, left_out: &LeftOut) -> ServiceResult<JobRecord> {
        let Some(told) = left_out.told() else { return Ok(queued) };
        let ids: Vec<ContributionId> = left_out.in_debt.iter().map(|one| one.contribution).collect();
        self.tell(queued.number, EventLevel::Warn, "debts", &told, serde_json::json!({ "in_debt": ids }))
    }

    /// A job with all that follows from it and the ledger now, not queued yet.
    async fn drafted(&self, mut new: NewJob) -> ServiceResult<(JobRecord, LeftOut)> {
        let base = match new.job.scratch {
            Some(_) => None,
            None => Some(self.models.base(&new.job.base).await?),
        };
        if let Some(base) = &base {
            check_base(base, &new.job).await?;
        }
        self.check_memory(&new.job)?;
        let (mut snapshots, mut licence) = (Vec::new(), None);
        new.job.data.datanets.clear();
        for choice in &new.datanets {
            let datanet = self.chain.datanet_named(&choice.datanet)?;
            check_datanet(&datanet, &new.job)?;
            let snapshot = match (choice.count, new.job.data.height) {
                (None, Some(height)) => self.records.data_snapshot_at(&datanet.id, height)?,
                (count, _) => self.records.data_snapshot(&datanet.id, count)?,
            };
            if snapshot.count == 0 {
                return Err(ServiceError::new(
                    Code::NoData,
                    format!(
                        "datanet {} has no final contribution there, so there is nothing to learn from",
                        datanet.name
                    ),
                ));
            }
            snapshots.push(snapshot);
            new.job.data.datanets.push(datanet.name.clone());
            licence.get_or_insert(datanet.licence);
        }
        snapshots.sort_by_key(|snapshot| snapshot.datanet);
        datanet_types::release::validate_snapshots(&snapshots)
            .map_err(|error| ServiceError::caused(Code::BadJob, error))?;
        let left_out = self.fix_left_out(&mut new.job.data, &snapshots).await?;
        new.job.check().map_err(|error| ServiceError::caused(Code::BadJob, error))?;
        let job = super::as_json(&new.job)?;
        let record = JobRecord {
            model: base.as_ref().map_or_else(|| "scratch".to_owned(), |base| base.name.clone()),
            base: base.map(|base| base.id),
            account: new.account,
            suffix: new.suffix,
            metadata: new.metadata,
            snapshots,
            licence: new.licence.or(licence).unwrap_or_default(),
            ..JobRecord::new(format!("ftjob-{}", random_id()?), now(), job)
        };
        Ok((record, left_out))
    }

    /// Whether the model could be deployed under the name that it will have: after a run it is too late to say.
    async fn check_name_of(&self, record: &JobRecord) -> ServiceResult<()> {
        let name = record.name();
        if self.models.bases().await?.iter().all(|base| base.name != name) {
            return Ok(());
        }
        let detail =
            format!("{name:?} is a base model of this node, so no other answers to it here; take another suffix");
        Err(ServiceError::new(Code::NameTaken, detail))
    }

    /// Takes a job that repeats what a release claims: the whole run, or `stretches` of it between checkpoints.
    ///
    /// # Errors
    /// When this node takes no jobs ([`Code::TrainingDisabled`]), has no ONNX Runtime ([`Code::NoRuntime`]), or too
    /// many wait already ([`Code::TooManyJobs`]); when the model is not on the ledger or nobody gives its manifest
    /// ([`Code::UnknownModel`]), it was put up as it is ([`Code::NotTrained`]), or what it was trained on was taken
    /// back ([`Code::ContributionRevoked`]).
    pub async fn create_verification(&self, model: &ModelId, stretches: Option<usize>) -> ServiceResult<JobRecord> {
        self.check_ready()?;
        let registered = self.chain.registered_model(model)?;
        if let Some(taint) = self.chain.revoked_since(&registered)? {
            return Err(not_repeatable(&taint));
        }
        let release = self.models.release(model).await?;
        if release.origin() == Origin::Imported {
            let detail = format!("model {} was put up as it is, so there is no run to repeat", release.name);
            return Err(ServiceError::new(Code::NotTrained, detail));
        }
        let job = serde_json::from_str(&release.job).map_err(|error| {
            ServiceError::new(Code::BadRelease, format!("the release's job does not read: {error}"))
        })?;
        // Drawn now: whoever made the release up could not know where it will be looked at.
        let seed = || -> ServiceResult<u64> {
            let mut bytes = [0; 8];
            getrandom::fill(&mut bytes).map_err(|error| {
                ServiceError::new(Code::NoRandomness, format!("the system gives no randomness: {error}"))
            })?;
            Ok(u64::from_le_bytes(bytes))
        };
        let stretches = stretches.map(|count| Ok::<_, ServiceError>((count, seed()?))).transpose()?;
        let record = JobRecord {
            model: release.name.clone(),
            base: release.base,
            account: crate::keyring::NODE_ACCOUNT.to_owned(),
            repeats: Some(Repetition { model: *model, stretches }),
            snapshots: registered.snapshots,
            licence: release.licence.clone(),
            suffix: Some(format!("verify-{}", release.name).chars().take(MAX_SUFFIX).collect()),
            ..JobRecord::new(format!("ftjob-{}", random_id()?), now(), job)
        };
        self.queue(record).await
    }

    /// Whether a decoder trained from nothing fits into `training.max_memory_mb`; what is adapted is checked when it is
    /// loaded.
    fn check_memory(&self, job: &Job) -> ServiceResult<()> {
        let (limit, parameters) = (self.config.max_memory_mb, job.scratch.as_ref().map_or(0, Scratch::parameters));
        let needed = parameter_bytes(parameters) >> 20;
        if limit == 0 || needed <= limit {
            return Ok(());
        }
        Err(ServiceError::new(
            Code::JobTooLarge,
            format!(
                "training {parameters} parameters takes about {needed} MiB, and training.max_memory_mb is {limit}; make [scratch] smaller"
            ),
        ))
    }

    async fn queue(&self, record: JobRecord) -> ServiceResult<JobRecord> {
        let _one_at_a_time = self.taking.lock().await;
        let jobs = self.db.jobs()?;
        let waiting = jobs.iter().filter(|job| !job.state.is_over() && job.order.is_none()).count();
        if record.order.is_some() {
            self.check_orders(&jobs)?;
        } else if waiting >= self.config.max_queued as usize {
            return Err(ServiceError::new(
                Code::TooManyJobs,
                format!("{waiting} jobs wait already; cancel one, or raise training.max_queued"),
            ));
        }
        let job = self.db.add_job(record)?;
        self.wake.notify_one();
        // It is written down, and runs, whatever becomes of its events.
        let told = "the job waits for its turn";
        Ok(self.tell(job.number, EventLevel::Info, "message", told, serde_json::Value::Null).unwrap_or_else(|error| {
            tracing::warn!(%error, job = %job.id, "what a job does could not be written down");
            job
        }))
    }

    /// Whether another order may wait here: those of others have a bound of their own, so that they never fill the operator's queue.
    ///
    /// # Errors
    /// When as many wait as may ([`Code::TooManyJobs`]).
    pub fn check_orders(&self, jobs: &[JobRecord]) -> ServiceResult<()> {
        let open = |job: &&JobRecord| job.order.as_ref().is_some_and(TrainingOrder::is_open);
        let waiting = jobs.iter().filter(open).count();
        if waiting < self.most_orders as usize {
            return Ok(());
        }
        let detail = format!(
            "{waiting} trainings are ordered here already, as many as this node takes at once; try again later, or another node"
        );
        Err(ServiceError::new(Code::TooManyJobs, detail).again_in(60))
    }

    /// Writes down what came of a job that was ordered.
    ///
    /// # Errors
    /// When the job is gone ([`Code::JobLost`]), or the private store cannot be written.
    pub fn end_order(&self, job: u64, end: OrderEnd) -> ServiceResult<JobRecord> {
        let (level, told) = match &end {
            OrderEnd::Paid { receipt, .. } => (EventLevel::Info, format!("it is paid, by receipt {receipt}")),
            OrderEnd::Unpaid { reason, .. } => (EventLevel::Warn, format!("nothing is paid for it: {reason}")),
        };
        let event = super::progress::event(level, "message", &told);
        self.change_and_tell(job, Some(event), |job| {
            if let Some(order) = job.order.as_mut().filter(|order| order.is_open()) {
                order.end = Some(end);
            }
        })
    }

    /// All jobs, newest first.
    ///
    /// # Errors
    /// When the private store cannot be read.
    pub fn jobs(&self) -> ServiceResult<Vec<JobRecord>> {
        self.db.jobs()
    }

    /// Events of a job behind the one numbered `after`, `limit` at most, oldest first.
    ///
    /// # Errors
    /// When the private store cannot be read.
    pub fn job_events(&self, job: u64, after: u64, limit: usize) -> ServiceResult<Vec<JobEvent>> {
        self.db.job_events(job, after, limit)
    }

    /// A job.
    ///
    /// # Errors
    /// When there is none ([`Code::UnknownJob`]), or the private store cannot be read.
    pub fn job(&self, id: &str) -> ServiceResult<JobRecord> {
        self.db
            .job(id)?
            .ok_or_else(|| ServiceError::new(Code::UnknownJob, format!("there is no job {id:?} on this node")))
    }

    /// Ends a job. One that runs is over once it has left the step it is in.
    ///
    /// # Errors
    /// When there is none ([`Code::UnknownJob`]), it is over already ([`Code::JobOver`]) or another account's ([`Code::ForeignAccount`]), or the
    /// private store cannot be read or written.
    pub async fn cancel_job(&self, id: &str) -> ServiceResult<JobRecord> {
        let job = self.job(id)?;
        if let Ok(account) = self.keyring.address_of(&job.account) {
            caller::acts_for(&account)?;
        }
        if job.state.is_over() {
            return Err(ServiceError::new(Code::JobOver, format!("job {id} is over: it {}", job.state.word())));
        }
        let running = self.running.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
        let changed = match running.filter(|(number, _)| *number == job.number) {
            Some((_, token)) => {
                let changed = self.db.change_job(job.number, None, |job| job.cancel = true)?;
                token.cancel();
                changed
            }
            None => {
                let event = super::progress::event(EventLevel::Warn, "message", "cancelled before it began");
                self.db.change_job(job.number, Some(event), |job| {
                    job.cancel = true;
                    // It may have begun in this very moment: then the worker ends it.
                    if job.state == JobState::Queued {
                        job.state = JobState::Cancelled;
                        job.finished_at = Some(now());
                    }
                })?
            }
        };
        self.changed();
        self.wake.notify_one();
        Ok(changed.unwrap_or(job))
    }
}

impl JobState {
    /// The state as the end of a sentence.
    fn word(self) -> &'static str {
        match self {
            Self::Queued => "waits",
            Self::Running => "runs",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "was cancelled",
        }
    }
}

fn check_words(new: &NewJob) -> ServiceResult<()> {
    let bad = |detail: String| Err(ServiceError::new(Code::BadJob, detail));
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if let Some(suffix) = &new.suffix
        && (suffix.is_empty() || suffix.len() > MAX_SUFFIX || !suffix.chars().all(plain))
    {
        return bad(format!("suffix is 1 to {MAX_SUFFIX} letters, digits, hyphens, underscores or dots"));
    }
    if new.metadata.len() > 16 || new.metadata.iter().any(|(key, value)| key.len() > 64 || value.len() > 512) {
        return bad("metadata has at most 16 keys of 64 bytes with values of 512 bytes".to_owned());
    }
    new.licence.as_deref().map_or(Ok(()), check_licence)
}

/// Why a run cannot be repeated.
pub(super) fn not_repeatable(gone: &ContributionId) -> ServiceError {
    let detail = format!(
        "the run cannot be repeated: contribution {gone}, which the model was trained on, was taken back by its contributor"
    );
    ServiceError::new(Code::ContributionRevoked, detail)
}

/// Whether a datanet has what the job needs, and allows it.
fn check_datanet(datanet: &datanet_ledger::component::datanets::Datanet, job: &Job) -> ServiceResult<()> {
    let (name, data) = (&datanet.name, &job.data);
    if !data.licences.is_empty() && !data.licences.contains(&datanet.licence) {
        return Err(ServiceError::new(
            Code::LicenceNotAccepted,
            format!("datanet {name} is under {}, which data.licences does not name", datanet.licence),
        ));
    }
    let missing = |what: String| Err(ServiceError::new(Code::MissingField, what));
    let fields = &datanet.schema.fields;
    for field in [&data.text, &data.label, &data.pair].into_iter().flatten() {
        if !fields.iter().any(|known| known.name == *field) {
            return missing(format!("the records of datanet {name} have no field {field:?}"));
        }
    }
    let labelled = data.label.is_some() || fields.iter().any(|field| field.field_role() == Some(FieldRole::Label));
    match job.task {
        Task::Classify if !labelled => missing(format!(
            "the records of datanet {name} have no label, so no classifier can learn from them; name a field in data.label"
        )),
        Task::Embed if data.pair.is_none() && !labelled => missing(format!(
            "task embed needs data.pair = FIELD, the field with a text that means the same, or labels to pair records by; datanet {name} has none"
        )),
        Task::Embed => {
            let own = datanet.schema.text_field().map(|field| &field.name);
            match &data.pair {
                Some(pair) if data.text.as_ref().or(own) == Some(pair) => missing(format!(
                    "data.pair = {pair:?} is the text itself; name another field, with a text that means the same"
                )),
                Some(pair) if datanet.schema.label_field().is_some_and(|field| field.name == *pair) => missing(
                    format!("data.pair = {pair:?} is the label; leave data.pair out to pair records of the same label"),
                ),
                _ => Ok(()),
            }
        }
        _ => Ok(()),
    }
}

fn random_id() -> ServiceResult<String> {
    let mut bytes = [0; 12];
    getrandom::fill(&mut bytes)
        .map_err(|error| ServiceError::new(Code::NoRandomness, format!("the system gives no randomness: {error}")))?;
    Ok(hex::encode(bytes))
}
