//! One job after the other: the data, the run, the release. A job that the process left unfinished goes on first.
//!
//! The run has a thread of its own, at a low priority; this task writes down what it says. When the node stops, the run is
//! told to, keeps its last checkpoint, and goes on after the next start with the same bytes.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use datanet_training::job::Job;
use datanet_training::run::Event;
use datanet_training::verify::{Check, RunVerdict};
use datanet_types::ModelId;
use datanet_types::release::DataSnapshot;
use tokio_util::sync::CancellationToken;

use super::Training;
use super::data::Gathered;
use super::jobs::not_repeatable;
use super::progress::{apply, count, enter, event};
use super::runs::{self, BREATH, CHECKPOINT_PREFIX, Claimed, Run, RunEnd};
use crate::db::jobs::{EventLevel, JobFailure, JobRecord, JobState, Packed, Repetition};
use crate::db::now;
use crate::error::{Code, ErrorKind, ServiceError, ServiceResult};
use crate::models::release::RecordsFile;

/// How long a run may take to leave its step when the node stops.
const GRACE: Duration = Duration::from_secs(10);

/// Attempts at a job that may end with the whole node before it is given up: a job that ends it, by taking all memory
/// for instance, must not keep it from starting for ever. A checkpoint makes the count begin anew.
const ATTEMPTS: u32 = 3;

/// How an attempt at a job ended.
enum End {
    /// With a model.
    Released(ModelId),
    /// With a release that somebody else has ordered, and pays for before it is given.
    Made,
    /// A run was repeated, and compared with what was claimed.
    Repeated(RunVerdict),
    /// Somebody cancelled it.
    Cancelled,
    /// The node stops; it goes on after the next start.
    NodeStops,
    /// Without a model.
    Failed(ServiceError),
}

impl From<ServiceError> for End {
    fn from(error: ServiceError) -> Self {
        Self::Failed(error)
    }
}

/// Works through the jobs.
pub struct TrainingWorker {
    training: Training,
    /// Ends when the node stops.
    shutdown: CancellationToken,
}

impl TrainingWorker {
    /// A worker for the jobs of `training`, until `shutdown`.
    pub fn new(training: Training, shutdown: CancellationToken) -> Self {
        Self { training, shutdown }
    }

    /// Runs until the node stops.
    ///
    /// # Errors
    /// When the private store fails, so that what becomes of a job cannot be kept. A job that fails is no error.
    pub async fn run(self) -> anyhow::Result<()> {
        self.training.models.redeploy().await;
        while !self.shutdown.is_cancelled() {
            // Registered before looking, so that a job that comes in between wakes us.
            let woken = self.training.wake.notified();
            let jobs = if self.training.config.enabled { self.training.db.jobs()? } else { Vec::new() };
            let next = jobs.into_iter().rfind(|job| !job.state.is_over());
            match next {
                Some(job) => self.one(job).await?,
                None => tokio::select! {
                    () = woken => {}
                    () = self.shutdown.cancelled() => {}
                },
            }
        }
        Ok(())
    }

    async fn one(&self, job: JobRecord) -> ServiceResult<()> {
        let token = self.shutdown.child_token();
        *self.training.running.lock().unwrap_or_else(std::sync::PoisonError::into_inner) =
            Some((job.number, token.clone()));
        let resumed = job.started_at.is_some();
        let words = if resumed { "the node was started again; the job goes on" } else { "the job begins" };
        let job =
            self.training.change_and_tell(job.number, Some(event(EventLevel::Info, "message", words)), |job| {
                job.state = JobState::Running;
                job.started_at.get_or_insert_with(now);
                job.attempts = job.attempts.saturating_add(1);
                enter(&mut job.progress, "data");
            })?;
        let end = match job.cancel {
            true => End::Cancelled,
            false if job.attempts > ATTEMPTS => End::Failed(ServiceError::new(
                Code::NodeEnded,
                format!("the node ended {ATTEMPTS} times while it was at this job; its log and the system's say why"),
            )),
            false => self.attempt(&job, &token).await.unwrap_or_else(|end| end),
        };
        *self.training.running.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = None;
        self.conclude(&job, end)?;
        self.forget_old_runs().await
    }

    /// Data, run, release; each part only if it is not done yet.
    async fn attempt(&self, job: &JobRecord, token: &CancellationToken) -> Result<End, End> {
        if job.packed.is_some() && job.order.is_some() {
            return Ok(End::Made);
        }
        if let Some(packed) = job.packed {
            self.register(&packed, job, token).await?;
            return Ok(End::Released(packed.model));
        }
        let plan: Job = serde_json::from_value(job.job.clone())
            .map_err(|error| ServiceError::new(Code::Job, format!("the stored job does not read: {error}")))?;
        if let Some(repeats) = &job.repeats
            && let Some(gone) =
                self.training.chain.revoked_since(&self.training.chain.registered_model(&repeats.model)?)?
        {
            return Err(End::Failed(not_repeatable(&gone)));
        }
        let gathered = token
            .run_until_cancelled(self.training.gather(&job.snapshots, &plan, &mut self.reading(job)))
            .await
            .ok_or_else(|| self.stopped())??;
        self.say_what_is_learnt(job, &gathered)?;
        let claim = match &job.repeats {
            Some(repeats) => Some(self.claimed(job, repeats).await?),
            None => None,
        };
        let trained = match self.train(job, plan, &gathered, claim, token).await? {
            RunEnd::Trained(trained) => trained,
            RunEnd::Repeated(mut verdict) => {
                verdict.checks.extend(self.ownership(job, &gathered).await?);
                return Ok(End::Repeated(verdict));
            }
            RunEnd::Stopped => return Err(self.stopped()),
            RunEnd::Failed(error) => return Err(End::Failed(error)),
        };
        let packed = self.training.pack(job, &gathered, &trained).await?;
        self.training.change_and_tell(
            job.number,
            Some(event(EventLevel::Info, "message", "the model is packed")),
            |job| {
                job.packed = Some(packed);
                job.evaluation = Some(trained.evaluation.clone());
                enter(&mut job.progress, "release");
            },
        )?;
        if job.order.is_some() {
            return Ok(End::Made);
        }
        self.register(&packed, job, token).await?;
        Ok(End::Released(packed.model))
    }

    /// Puts a release on the ledger; while consensus can't be had, after the next block again.
    async fn register(&self, packed: &Packed, job: &JobRecord, token: &CancellationToken) -> Result<(), End> {
        let mut commits = self.training.chain.commits();
        loop {
            commits.mark_unchanged();
            match token
                .run_until_cancelled(self.training.models.register_release(packed, &job.account))
                .await
                .ok_or_else(|| self.stopped())?
            {
                Err(error) if matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::TimedOut) => {
                    tracing::warn!(job = %job.id, %error, "the release waits for the ledger");
                    let changed = token.run_until_cancelled(commits.changed()).await.ok_or_else(|| self.stopped())?;
                    changed.map_err(|_| End::NodeStops)?;
                }
                other => return Ok(other?),
            }
        }
    }

    /// The release that a job repeats, with its checkpoints where the run looks for them.
    async fn claimed(&self, job: &JobRecord, repeats: &Repetition) -> ServiceResult<Claimed> {
        let (_, release) = self.training.models.release_folder(&repeats.model).await?;
        let checkpoints = self.run_folder(&job.id).join("claimed");
        let (from, to) = (release.clone(), checkpoints.clone());
        let copied = tokio::task::spawn_blocking(move || -> std::io::Result<()> {
            std::fs::create_dir_all(&to)?;
            for entry in std::fs::read_dir(from)?.flatten() {
                let name = entry.file_name();
                if let Some(step) = name.to_str().and_then(|name| name.strip_prefix(CHECKPOINT_PREFIX)) {
                    std::fs::copy(entry.path(), to.join(step))?;
                }
            }
            Ok(())
        });
        let copied = copied.await.map_err(|error| ServiceError::caused(Code::Runs, error))?;
        copied.map_err(|error| ServiceError::io("cannot copy the checkpoints", &error))?;
        Ok(Claimed { release, checkpoints, stretches: repeats.stretches })
    }

    /// Whether a release credits its records to those who gave them: pay goes by it.
    async fn ownership(&self, job: &JobRecord, gathered: &Gathered) -> ServiceResult<Option<Check>> {
        let Some(repeats) = &job.repeats else { return Ok(None) };
        let (release, folder) = self.training.models.release_folder(&repeats.model).await?;
        let same =
            release.sources == gathered.sources && RecordsFile::read(&folder)? == RecordsFile::of(&gathered.records);
        Ok(Some(Check {
            name: "whose records they are".to_owned(),
            distance: f64::from(u8::from(!same)),
            allowed: 0.0,
        }))
    }

    /// Writes down how many contributions of how many were read, not oftener than anybody looks.
    fn reading(&self, job: &JobRecord) -> impl FnMut(u64, u64) + Send {
        let (training, number) = (self.training.clone(), job.number);
        let mut told: Option<Instant> = None;
        move |done, total| {
            if done < total && told.is_some_and(|told| told.elapsed() < BREATH) {
                return;
            }
            told = Some(Instant::now());
            let counted = training.change_and_tell(number, None, |job| count(&mut job.progress, done, total));
            if let Err(error) = counted {
                tracing::warn!(%error, "how far a job is could not be written down");
            }
        }
    }

    fn stopped(&self) -> End {
        if self.shutdown.is_cancelled() { End::NodeStops } else { End::Cancelled }
    }

    fn say_what_is_learnt(&self, job: &JobRecord, gathered: &Gathered) -> ServiceResult<()> {
        let (records, held_out) = (gathered.dataset.train.len(), gathered.dataset.held_out.len());
        let givers = gathered.sources.len();
        let message = format!("{records} records of {givers} contributors to learn from, {held_out} held out");
        let data = serde_json::json!({ "records": records, "contributors": givers, "held_out": held_out });
        self.training.tell(job.number, EventLevel::Info, "data", &message, data)?;
        Ok(())
    }

    async fn train(
        &self,
        job: &JobRecord,
        plan: Job,
        gathered: &Gathered,
        claim: Option<Claimed>,
        token: &CancellationToken,
    ) -> Result<RunEnd, End> {
        let base = match &job.base {
            Some(id) => self.training.models.base_by_id(id).await?.folder,
            None => PathBuf::new(),
        };
        let folder = self.run_folder(&job.id);
        std::fs::create_dir_all(&folder).map_err(|error| ServiceError::io("cannot make the run's folder", &error))?;
        let mut running = runs::start(Run {
            plan,
            data: gathered.dataset.clone(),
            snapshot: DataSnapshot::digest_of(&job.snapshots).to_hex(),
            base,
            runtime: self.training.models.runtime()?.clone(),
            session: self.training.models.session(self.training.config.threads as usize),
            folder,
            memory_limit: self.training.config.max_memory_mb.saturating_mul(1024 * 1024),
            stop: token.clone(),
            claim,
        })?;
        // A run leaves its step soon; an audit, or a lost device, must not hold up the node's end.
        let too_late = async {
            self.shutdown.cancelled().await;
            tokio::time::sleep(GRACE).await;
        };
        tokio::pin!(too_late);
        loop {
            let said = tokio::select! {
                said = running.events.recv() => said,
                () = &mut too_late => return Err(End::NodeStops),
            };
            let Some(said) = said else { break };
            let mut copy = self.training.job(&job.id)?;
            let event = apply(&said, &mut copy);
            let checkpoint = matches!(said, Event::Checkpoint { .. }) && copy.progress.step > 0;
            self.training.change_and_tell(job.number, event, |job| {
                job.progress = copy.progress;
                job.attempts = if checkpoint { 1 } else { job.attempts };
            })?;
        }
        running.end.await.map_err(|_| {
            End::Failed(ServiceError::new(Code::TrainingBrokeOff, "the training thread broke off; the log says more"))
        })
    }

    fn conclude(&self, job: &JobRecord, end: End) -> ServiceResult<()> {
        let (state, event, failure) = match &end {
            End::NodeStops => {
                self.training.db.change_job(job.number, None, |job| job.attempts = 0)?;
                return Ok(());
            }
            End::Released(model) => {
                let mut event = event(EventLevel::Info, "release", &format!("model {model} is released"));
                event.data = serde_json::json!({ "model": model });
                (JobState::Succeeded, event, None)
            }
            End::Made => {
                let told = "what was ordered is made; it is given once it is paid";
                (JobState::Succeeded, event(EventLevel::Info, "release", told), None)
            }
            End::Repeated(verdict) => {
                let words = if verdict.passed() { "the run is as claimed" } else { "the run is NOT as claimed" };
                let level = if verdict.passed() { EventLevel::Info } else { EventLevel::Warn };
                (JobState::Succeeded, event(level, "verdict", words), None)
            }
            End::Cancelled => (JobState::Cancelled, event(EventLevel::Warn, "message", "the job was cancelled"), None),
            End::Failed(error) => {
                tracing::warn!(job = %job.id, %error, "a fine-tuning job failed");
                let (code, message) = (error.code.to_string(), error.detail.clone());
                let failure = JobFailure { code, message, param: error.param.as_deref().map(str::to_owned) };
                (JobState::Failed, event(EventLevel::Error, "message", &error.detail), Some(failure))
            }
        };
        self.training.change_and_tell(job.number, Some(event), |job| {
            job.state = state;
            job.finished_at = Some(now());
            job.failure = failure;
            job.progress.seconds_left = None;
            match end {
                End::Released(model) => job.release = Some(model),
                End::Repeated(verdict) => job.verdict = Some(verdict_view(&verdict)),
                End::Made | End::Cancelled | End::NodeStops | End::Failed(_) => {}
            }
        })?;
        Ok(())
    }

    fn run_folder(&self, job: &str) -> PathBuf {
        self.training.runs.join(job)
    }

    /// Removes the folders of the oldest ended runs beyond `training.keep_runs`.
    async fn forget_old_runs(&self) -> ServiceResult<()> {
        let over = self.training.db.jobs()?.into_iter().filter(|job| job.state.is_over());
        let old = over.skip(self.training.config.keep_runs as usize).map(|job| self.run_folder(&job.id));
        let old: Vec<PathBuf> = old.filter(|folder| folder.exists()).collect();
        let removed = tokio::task::spawn_blocking(move || {
            for folder in old {
                if let Err(error) = std::fs::remove_dir_all(&folder) {
                    tracing::warn!(folder = %folder.display(), %error, "an old run's folder could not be removed");
                }
            }
        });
        removed.await.map_err(|error| ServiceError::caused(Code::Runs, error))
    }
}

fn verdict_view(verdict: &RunVerdict) -> serde_json::Value {
    let checks = verdict.checks.iter().map(|check| {
        serde_json::json!({
            "name": check.name, "distance": check.distance, "allowed": check.allowed, "passed": check.passed(),
        })
    });
    serde_json::json!({ "passed": verdict.passed(), "checks": checks.collect::<Vec<_>>() })
}
