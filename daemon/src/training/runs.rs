//! A training run on a thread of its own, at a low priority, and what it says.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use datanet_inference::runtime::{Runtime, SessionConfig};
use datanet_training::attribution::{Choice, Compared, Finding, Gate, Thresholds, why};
use datanet_training::data::Dataset;
use datanet_training::job::Job;
use datanet_training::run::{self, Control, Event, LeftOut, RunOutcome, Setup, TrainError};
use datanet_training::transcript::Transcript;
use datanet_training::verify::{self, Claim, Extent, RunVerdict, Tolerance, VerifyError};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::as_json;
use super::progress::is_told;
use crate::error::{Code, ServiceError, ServiceResult};

/// Events that may wait to be written down.
const EVENTS: usize = 64;
/// Steps that nobody will read of later are told as often as this.
pub(super) const BREATH: Duration = Duration::from_millis(500);

/// Name of the file with a run's claims.
pub const TRANSCRIPT_FILE: &str = "transcript.json";
/// Folder of a run's checkpoints, and what their names begin with in a release.
pub(super) const CHECKPOINTS: &str = "checkpoints";
pub(super) const CHECKPOINT_PREFIX: &str = "checkpoint-";
/// Checkpoints travel with a release up to these bounds: beyond, a run is repeated as a whole.
const MAX_CHECKPOINT_BYTES: u64 = 64 * 1024 * 1024;
const MAX_CHECKPOINTS: usize = 32;

/// What to train, on what, how.
pub(super) struct Run {
    pub plan: Job,
    pub data: Dataset,
    /// The ledger's digest over the data, for the transcript.
    pub snapshot: String,
    pub base: PathBuf,
    pub runtime: Runtime,
    pub session: SessionConfig,
    pub folder: PathBuf,
    /// Bytes of the process beyond which the run ends; 0 for no bound.
    pub memory_limit: u64,
    pub stop: CancellationToken,
    /// What is claimed of this run, if it is a repetition.
    pub claim: Option<Claimed>,
}

/// A release whose run is repeated.
pub(super) struct Claimed {
    /// Folder of its files.
    pub release: PathBuf,
    /// Folder of its checkpoints.
    pub checkpoints: PathBuf,
    /// Stretches and the seed that draws them; the whole run if not given.
    pub stretches: Option<(usize, u64)>,
}

/// A run under way.
pub(super) struct Running {
    /// What it says, in order; ends with the run.
    pub events: mpsc::Receiver<Event>,
    /// How it ended.
    pub end: oneshot::Receiver<RunEnd>,
}

/// How a run ended.
pub(super) enum RunEnd {
    /// With a model.
    Trained(Box<Trained>),
    /// It was repeated, and compared.
    Repeated(RunVerdict),
    /// It was told to stop; the last checkpoint is kept.
    Stopped,
    /// Without a model.
    Failed(ServiceError),
}

/// What a run leaves.
#[derive(Debug, Clone)]
pub struct Trained {
    /// The files of the release: name and place.
    pub files: Vec<(String, PathBuf)>,
    /// What the held-out set says, by name.
    pub metrics: Vec<(String, f64)>,
    /// The same for people.
    pub evaluation: serde_json::Value,
    /// How answers are attributed, if they are.
    pub choice: Option<Choice>,
    /// How far that is to be trusted, if it was audited.
    pub gate: Option<Gate>,
    /// The same of every method that was tried.
    pub compared: Vec<Compared>,
    /// The first-order error of forward replay along the run, where records were followed.
    pub first_order: Option<f32>,
}

/// Starts a run.
pub(super) fn start(run: Run) -> ServiceResult<Running> {
    let (sender, events) = mpsc::channel(EVENTS);
    let (done, end) = oneshot::channel();
    let body = move || {
        lower_priority();
        let ended = execute(run, &sender);
        // Whoever waited is gone with the node; the checkpoint is on disk.
        let _ = done.send(ended);
    };
    std::thread::Builder::new()
        .name("train".to_owned())
        .spawn(body)
        .map_err(|error| ServiceError::new(Code::NoThread, format!("the system gives no thread: {error}")))?;
    Ok(Running { events, end })
}

/// Those who ask come before those who train. The threads that the runtime makes for the run inherit it. Linux alone
/// has priorities for single threads; elsewhere `training.threads` is the means.
fn lower_priority() {
    let Ok(own) = std::fs::read_link("/proc/thread-self") else { return };
    let Some(thread) = own.file_name().and_then(|name| name.to_str()) else { return };
    let lowered = std::process::Command::new("renice").args(["-n", "10", "-p", thread]).output();
    if let Err(error) = lowered {
        tracing::debug!(%error, "training runs at the usual priority");
    }
}

fn execute(run: Run, sender: &mpsc::Sender<Event>) -> RunEnd {
    let mut over = None;
    // What the node holds for other purposes is not the job's.
    let before = run::resident();
    let mut told = Instant::now();
    let mut observer = |event: Event| {
        if event == Event::Working {
            return if run.stop.is_cancelled() { Control::Stop } else { Control::Continue };
        }
        if run.memory_limit > 0 && grows(&event) {
            let held = run::resident().saturating_sub(before);
            if held > run.memory_limit {
                over = Some(held);
                return Control::Stop;
            }
        }
        let passing = match &event {
            Event::Step { step, steps, .. } => !is_told(*step, *steps),
            Event::Counted { done, total } => done != total,
            _ => false,
        };
        if !passing || told.elapsed() >= BREATH {
            told = Instant::now();
            if sender.blocking_send(event).is_err() {
                return Control::Stop;
            }
        }
        if run.stop.is_cancelled() { Control::Stop } else { Control::Continue }
    };
    let setup = Setup {
        job: &run.plan,
        data: &run.data,
        snapshot: &run.snapshot,
        memory: (run.memory_limit > 0).then_some(run.memory_limit),
        base: &run.base,
        runtime: run.runtime.clone(),
        session: run.session.clone(),
        folder: &run.folder,
    };
    let result = match &run.claim {
        None => run::train(&setup, &mut observer).map(|outcome| RunEnd::Trained(Box::new(trained(&run, outcome)))),
        Some(claimed) => repeat(&setup, claimed, &mut observer).map(RunEnd::Repeated),
    };
    match (result, over) {
        (_, Some(bytes)) => RunEnd::Failed(ServiceError::new(
            Code::OutOfMemory,
            format!(
                "the job takes {} MiB, more than training.max_memory_mb; make recipe.batch or max_tokens smaller, or raise the bound",
                bytes >> 20
            ),
        )),
        (Ok(end), None) => end,
        (Err(TrainError::Stopped { .. }), None) => RunEnd::Stopped,
        (Err(error), None) => RunEnd::Failed(train_error(&error)),
    }
}

/// Whether what was done last takes memory: steps of the run, and of its halves and retrainings, several of which may go on at once.
fn grows(event: &Event) -> bool {
    matches!(event, Event::Step { .. } | Event::Counted { .. })
}

fn repeat(
    setup: &Setup<'_>,
    claimed: &Claimed,
    observer: &mut dyn FnMut(Event) -> Control,
) -> Result<RunVerdict, TrainError> {
    let path = claimed.release.join(TRANSCRIPT_FILE);
    let damaged = |reason: String| TrainError::Damaged { path: path.clone(), reason };
    let text = std::fs::read_to_string(&path).map_err(|error| damaged(error.to_string()))?;
    let transcript = Transcript::from_json(&text).map_err(|error| damaged(error.to_string()))?;
    let claim = Claim { transcript: &transcript, release: &claimed.release, checkpoints: Some(&claimed.checkpoints) };
    let extent = match claimed.stretches {
        Some((count, seed)) => Extent::Intervals { count, seed },
        None => Extent::Whole,
    };
    verify::verify(setup, claim, extent, Tolerance::default(), observer).map_err(|error| match error {
        VerifyError::Train(error) => error,
        other => TrainError::Release(other.to_string()),
    })
}

fn trained(run: &Run, outcome: RunOutcome) -> Trained {
    let metrics: Vec<(String, f64)> =
        outcome.evaluation.measures.iter().map(|measure| (measure.name.clone(), measure.value)).collect();
    let mut evaluation: serde_json::Map<String, serde_json::Value> =
        metrics.iter().map(|(name, value)| (name.clone(), (*value).into())).collect();
    evaluation.insert("held_out".to_owned(), outcome.evaluation.records.into());
    evaluation.insert("seconds".to_owned(), outcome.seconds.into());
    if let Some(gate) = &outcome.gate {
        evaluation.insert("attribution".to_owned(), audit(gate, &outcome));
    }
    let mut files = outcome.files;
    files.extend(checkpoints(&run.folder.join(CHECKPOINTS)));
    let RunOutcome { attribution: choice, gate, compared, first_order, .. } = outcome;
    Trained { files, metrics, evaluation: evaluation.into(), choice, gate, compared, first_order }
}

/// What an audit found, for people.
fn audit(gate: &Gate, outcome: &RunOutcome) -> serde_json::Value {
    #[derive(serde::Serialize)]
    struct Audit<'a> {
        #[serde(flatten)]
        gate: &'a Gate,
        #[serde(flatten)]
        finding: Finding,
        /// As releases call it.
        method: Option<&'static str>,
        /// Why this one.
        why: Option<String>,
        damping: Option<f32>,
        /// Of forward replay, told along the run.
        #[serde(skip_serializing_if = "Option::is_none")]
        first_order_error: Option<f32>,
        compared: Vec<Figures<'a>>,
        left_out: &'a [LeftOut],
    }
    #[derive(serde::Serialize)]
    struct Figures<'a> {
        method: &'static str,
        #[serde(flatten)]
        gate: &'a Gate,
    }
    let finding = gate.finding(&Thresholds::PUBLISHED);
    let compared: Vec<Figures<'_>> =
        outcome.compared.iter().map(|one| Figures { method: one.method.name(), gate: &one.gate }).collect();
    let names: Vec<&str> = compared.iter().map(|one| one.method).collect();
    let method = outcome.attribution.as_ref().map(Choice::name);
    let why = method.map(|method| why(method, &names, finding.verdict));
    let damping = match outcome.attribution {
        Some(Choice::GaussNewton { damping }) => Some(damping),
        _ => None,
    };
    let first_order_error = outcome.first_order.filter(|_| outcome.attribution == Some(Choice::Replay));
    let left_out = &outcome.left_out;
    let audit = Audit { gate, finding, method, why, damping, first_order_error, compared, left_out };
    as_json(&audit).unwrap_or_default()
}

/// The checkpoints as files of the release, so that others can repeat a part of the run; none if they are too large.
fn checkpoints(folder: &Path) -> Vec<(String, PathBuf)> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut files: Vec<(String, PathBuf, u64)> = entries
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok().filter(|name| name.ends_with(".safetensors"))?;
            Some((format!("{CHECKPOINT_PREFIX}{name}"), entry.path(), entry.metadata().ok()?.len()))
        })
        .collect();
    let bytes = files.iter().map(|(_, _, size)| *size).fold(0, u64::saturating_add);
    if bytes > MAX_CHECKPOINT_BYTES || files.len() > MAX_CHECKPOINTS {
        return Vec::new();
    }
    files.sort();
    files.into_iter().map(|(name, path, _)| (name, path)).collect()
}

/// A failure of a run. What the data or the job can mend is told apart from what this node must.
fn train_error(error: &TrainError) -> ServiceError {
    let detail = error.to_string();
    match error {
        TrainError::Job(_) | TrainError::Task { .. } | TrainError::TooLarge { .. } => {
            ServiceError::new(Code::BadJob, detail)
        }
        TrainError::Data(_) | TrainError::Tokens(_) => ServiceError::new(Code::BadData, detail),
        TrainError::NotFinite { .. } => ServiceError::new(Code::NotFinite, detail),
        TrainError::Build(_) | TrainError::BadBase { .. } | TrainError::BaseAnswer { .. } => {
            ServiceError::new(Code::BadBase, detail)
        }
        TrainError::Files { source, .. } => ServiceError::io("the run's files", source),
        _ => ServiceError::new(Code::TrainingFailed, detail),
    }
}
