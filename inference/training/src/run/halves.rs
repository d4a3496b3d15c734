//! Training on random halves of the records, so that pay follows the worth of records and not the margin that the last
//! of them adds.
//!
//! ```text
//!  draw ──► half 0 ──► half 1 ──► ...            one after another, each with its own checkpoints and the step of all training
//!             │          │
//!             └──────────┴──► Table              columns of what was given together, those that are out followed too
//! ```
//!
//! They run one after another: the runtime and the replay use all threads of the machine already.

use super::course::{Course, Ended, Gradient, Rhythm};
use super::drive::{drive, resume};
use super::prepare::{Paid, Prepared, curvature, halves_folder};
use super::state::Checkpoints;
use super::trainer::{Following, Trainer};
use super::{Control, Event, Setup, TrainError};
use crate::attribution::halves::draw;
use crate::attribution::{Curvature, Model, Table};
use crate::transcript::{self, HalfRun};

/// What the halves of a run left.
#[derive(Debug)]
pub(super) struct Halves {
    /// The half of each training: true at the records that were left out.
    pub left_out: Vec<Vec<bool>>,
    /// What each ended with.
    pub thetas: Vec<Vec<f32>>,
    /// What was followed in each, where it was.
    pub tables: Vec<Table>,
    /// What the transcript says of each.
    pub runs: Vec<HalfRun>,
}

/// Trains on all halves, or goes on with them.
pub(super) fn halves(
    setup: &Setup<'_>,
    prepared: &mut Prepared,
    paid: &Paid,
    observer: &mut dyn FnMut(Event) -> Control,
) -> Result<Halves, TrainError> {
    observer(Event::Phase { name: "halves" });
    let job = setup.job;
    let left_out = draw(job.recipe.seed, setup.data.train.len(), job.attribution.halves);
    let following = prepared.following.as_ref().map(|_| following(paid, curvature(job, setup.data.labels.len())));
    let course = of_halves(&prepared.course(setup));
    let (mut tables, mut thetas, mut runs) = (Vec::new(), Vec::new(), Vec::new());
    for (at, out) in left_out.iter().enumerate() {
        let fingerprint = format!("{} half {at}", prepared.fingerprint(setup));
        let checkpoints = Checkpoints::open(&halves_folder(setup.folder, at), fingerprint)?.newest_only();
        let mut trainer = Trainer::new(&mut prepared.network, &course, following.clone())?.without(out);
        resume(&mut trainer, &checkpoints)?;
        let (steps, halves) = (trainer.steps(), left_out.len());
        let mut told = |event| match event {
            Event::Step { step, .. } => observer(Event::Counted { done: at * steps + step, total: halves * steps }),
            _ => observer(Event::Working),
        };
        let ended = drive(&mut trainer, &checkpoints, &mut told)?;
        // One that ended early leaves the rest of its steps out.
        observer(Event::Counted { done: (at + 1) * steps, total: halves * steps });
        if let Some(replay) = &ended.replay {
            let told = |source| TrainError::Replay { step: ended.step, source };
            tables.push(replay.table(paid.names.clone()).map_err(told)?);
        }
        let records = out.iter().filter(|out| !**out).count();
        runs.push(HalfRun { records, theta: transcript::theta_hash(&ended.theta) });
        thetas.push(ended.theta);
    }
    Ok(Halves { left_out, thetas, tables, runs })
}

/// Every record is followed in every half, in or out: see [`halves`](crate::attribution::halves).
fn following(paid: &Paid, curvature: Curvature) -> Following {
    let column_of = paid.column_of.iter().map(|column| Some(*column)).collect();
    Following { column_of, columns: paid.names.len(), curvature, left_out: true }
}

/// The course of a half: the run's, but that what nobody reads and what ends nothing is not asked for.
fn of_halves(course: &Course) -> Course {
    let evaluate = if course.rhythm.patience > 0 { course.rhythm.evaluate } else { 0 };
    Course { rhythm: Rhythm { evaluate, ..course.rhythm }, ..course.clone() }
}

impl Course {
    /// Trains on `count` random halves of the records as a run does that is to be paid by, where records that are left out are
    /// followed too; `ended` hears what each ended with.
    ///
    /// # Errors
    /// As [`Course::follow`].
    pub fn each_half(
        &self,
        model: &mut dyn Model,
        following: &Following,
        count: usize,
        ended: &mut dyn FnMut(Ended),
    ) -> Result<(), TrainError> {
        debug_assert!(
            matches!(self.gradient, Gradient::ByRecord { .. }),
            "records are followed by their own gradients"
        );
        let course = of_halves(self);
        for out in draw(self.recipe.seed, following.column_of.len(), count) {
            let mut trainer = Trainer::new(model, &course, Some(following.clone()))?.without(&out);
            trainer.finish()?;
            ended(trainer.end());
        }
        Ok(())
    }
}
