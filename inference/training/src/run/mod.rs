//! A run: from a job and its records to the files of a release.
//!
//! ```text
//!  Setup ──► prepare ──► drive ◄──► checkpoints        compiled once; one step after another; whole files only
//!               │          │
//!               └─ course ─┴─ trainer                  what decides every step; the step, for everybody who trains
//!                          │
//!                          ├──► halves                 the same again on random halves, for what pays
//!                          ├──► influence              tables by record, source and what was given; audit (retrain); fallback
//!                          ├──► served                 what the form that nodes serve costs
//!                          └──► release                adapter or decoder, tables, transcript
//! ```
//!
//! The same setup gives the same bytes, whether it ran in one go, was stopped and started again, or was killed: the
//! order of the records and every random number come from the job's seed, and a checkpoint holds the whole state.

mod blame;
mod course;
mod drive;
mod error;
mod event;
mod halves;
mod influence;
mod memory;
mod moves;
mod prepare;
mod release;
mod retrain;
pub(crate) mod scratch;
mod served;
mod state;
mod trainer;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use datanet_inference::runtime::{Runtime, SessionConfig};

pub use course::{Course, Ended, Followed, Gradient, Rhythm};
pub use drive::{drive, resume};
pub use error::TrainError;
use event::Meter;
pub use event::{Control, Event};
pub use influence::LeftOut;
pub use memory::resident;
pub(crate) use prepare::Prepared;
use prepare::checkpoint_folder;
pub use prepare::parameter_bytes;
#[cfg(test)]
pub(crate) use scratch::begin as begin_decoder;
pub use served::Served;
pub use state::{Best, Checkpoint, Checkpoints, State, write_whole};
pub use trainer::{Following, Trainer};

use crate::attribution::{Choice, Compared, Gate};
use crate::data::Dataset;
use crate::evaluate::{self, Evaluation};
use crate::job::Job;
use crate::transcript::{self, CheckpointHash, HeldOut, Transcript};

/// Everything that a run is made from.
#[derive(Clone, Debug)]
pub struct Setup<'a> {
    /// What to train.
    pub job: &'a Job,
    /// The records.
    pub data: &'a Dataset,
    /// Root of the ledger's snapshot that they come from; it goes into the transcript.
    pub snapshot: &'a str,
    /// The base model's folder; not looked at where the job trains a decoder from nothing.
    pub base: &'a Path,
    /// The runtime.
    pub runtime: Runtime,
    /// How sessions run.
    pub session: SessionConfig,
    /// Bytes of memory that the run may take; it ends before its first step where that is too little, as far as the
    /// number of parameters tells.
    pub memory: Option<u64>,
    /// Where checkpoints and the release go. An unfinished run there is taken up.
    pub folder: &'a Path,
}

/// A finished run.
#[derive(Clone, Debug, PartialEq)]
pub struct RunOutcome {
    /// The release's files: names, and where they lie.
    pub files: Vec<(String, PathBuf)>,
    /// What the model knows.
    pub evaluation: Evaluation,
    /// The influence's audit, where the job asked for one.
    pub gate: Option<Gate>,
    /// What the influence tables come from, where there are some.
    pub attribution: Option<Choice>,
    /// The first-order error of forward replay along the run, where records were followed; see
    /// [`FirstOrder::error`](crate::attribution::FirstOrder::error).
    pub first_order: Option<f32>,
    /// What the audit says of every method that was tried.
    pub compared: Vec<Compared>,
    /// What the sources that the audit left out really did, beside what the tables say.
    pub left_out: Vec<LeftOut>,
    /// What happened.
    pub transcript: Transcript,
    /// Steps taken in this call; fewer than the run's where an earlier one was taken up.
    pub steps: usize,
    /// Time that these steps took, checkpoints and evaluations included, in seconds.
    pub seconds: f64,
}

/// Runs a job to its release in `setup.folder/release`.
///
/// # Errors
/// [`TrainError`]. What was learnt lies in `setup.folder/checkpoints` then, and the same call goes on from there.
pub fn train(setup: &Setup<'_>, observer: &mut dyn FnMut(Event) -> Control) -> Result<RunOutcome, TrainError> {
    let mut prepared = Prepared::new(setup)?;
    let checkpoints = Checkpoints::open(&checkpoint_folder(setup.folder), prepared.fingerprint(setup))?;
    let (ended, mut paper, steps, seconds) = learn(setup, &mut prepared, &checkpoints, observer)?;
    let (evaluation, served) = examine(setup, &mut prepared, &ended.theta, observer)?;
    let Ended { theta, replay, step, first_order } = ended;
    let influence =
        influence::influence(setup, &mut prepared, influence::Whole { theta: &theta, step, replay }, observer)?;
    observer(Event::Phase { name: "writing" });
    let folder = setup.folder.join("release");
    std::fs::create_dir_all(&folder).map_err(|source| TrainError::files(&folder, source))?;
    let mut files = release::model(setup, &prepared, &theta, &folder)?;
    if let Some(served) = &served {
        served::write(served, &folder, &mut files)?;
    }
    if let Some(influence) = &influence {
        let (table, pay) = release::tables(influence, &folder, &mut files)?;
        (paper.attribution, paper.table, paper.pay) = (Some(influence.choice), Some(table), Some(pay));
        paper.halves = influence.halves.clone();
    }
    release::papers(&paper, &folder, &mut files)?;
    observer(Event::Finished { evaluation: evaluation.clone() });
    Ok(RunOutcome {
        files,
        evaluation,
        gate: influence.as_ref().and_then(|influence| influence.gate),
        attribution: influence.as_ref().map(|influence| influence.choice),
        first_order: first_order.error(),
        compared: influence.as_ref().map(|influence| influence.compared.clone()).unwrap_or_default(),
        left_out: influence.map(|influence| influence.left_out).unwrap_or_default(),
        transcript: paper,
        steps,
        seconds,
    })
}

/// Asks the held-out records of the model, of its base, and of the form that it is served in.
fn examine(
    setup: &Setup<'_>,
    prepared: &mut Prepared,
    theta: &[f32],
    observer: &mut dyn FnMut(Event) -> Control,
) -> Result<(Evaluation, Option<Served>), TrainError> {
    let has_base = prepared.decoder.is_none();
    let beside = if has_base { evaluate::compared(setup.data) } else { 0 };
    let total = setup.data.held_out.len() + beside + served::asked(setup);
    let mut meter = Meter::begin(observer, "evaluation", total);
    let mut told = |records| meter.add(records);
    let mut evaluation = evaluate::evaluate(&mut prepared.network, setup.data, theta, &mut told)?;
    if has_base {
        let start = prepared.start.clone();
        evaluate::compare(&mut evaluation, &mut prepared.network, setup.data, &start, &mut told)?;
    }
    let served = served::served(setup, prepared, theta, &mut evaluation, &mut told)?;
    Ok((evaluation, served))
}

/// The training itself, and its transcript.
fn learn(
    setup: &Setup<'_>,
    prepared: &mut Prepared,
    checkpoints: &Checkpoints,
    observer: &mut dyn FnMut(Event) -> Control,
) -> Result<(Ended, Transcript, usize, f64), TrainError> {
    let (base, parameters) = (prepared.base.clone(), prepared.start.len());
    let columns = prepared.following.as_ref().map_or(0, |following| following.columns);
    let course = prepared.course(setup);
    let mut trainer = Trainer::new(&mut prepared.network, &course, prepared.following.clone())?.looking();
    let done = resume(&mut trainer, checkpoints)?;
    let started = Event::Started { steps: trainer.steps(), done, parameters, columns };
    if observer(started) == Control::Stop {
        return Err(TrainError::Stopped { step: done });
    }
    let begun = std::time::Instant::now();
    let ended = drive(&mut trainer, checkpoints, observer).map_err(|error| blame::blame(setup, error))?;
    let seconds = begun.elapsed().as_secs_f64();
    let state = &trainer.state;
    let paper = Transcript {
        version: transcript::VERSION,
        engine: transcript::engine(&setup.runtime),
        job: setup.job.clone(),
        snapshot: setup.snapshot.to_owned(),
        base,
        data: hex::encode(setup.data.digest()),
        records: setup.data.train.len(),
        parameters,
        steps: trainer.steps(),
        released_step: ended.step,
        losses: state.losses.clone(),
        held_out: state.held_out.iter().map(|&(step, loss)| HeldOut { step, loss }).collect(),
        checkpoints: hashes(checkpoints)?,
        theta: transcript::theta_hash(&ended.theta),
        attribution: None,
        table: None,
        halves: Vec::new(),
        pay: None,
    };
    Ok((ended, paper, state.step - done, seconds))
}

fn hashes(checkpoints: &Checkpoints) -> Result<Vec<CheckpointHash>, TrainError> {
    let hash = |step: usize| {
        let path = checkpoints.file(step);
        let bytes = std::fs::read(&path).map_err(|source| TrainError::files(&path, source))?;
        Ok(CheckpointHash { step, hash: blake3::hash(&bytes).to_hex().to_string() })
    };
    checkpoints.steps()?.into_iter().map(hash).collect()
}
