//! The course of a training: everything that decides it beside its records, and going through it in memory.
//!
//! A run, its resumption, its verification, the retrainings of its audit and a study all hold a course and take its steps
//! with [`Trainer::step`], so that what an audit retrains is what was trained.

use super::TrainError;
use super::trainer::{Following, Trainer};
use crate::attribution::{FirstOrder, Model, Replay};
use crate::{job, recipe::Recipe};

/// Everything that decides how a training goes, beside the data.
#[derive(Clone, Debug)]
pub struct Course {
    /// Rates, batch and seed, and how long the gradient of a batch may be.
    pub recipe: Recipe,
    /// theta before the first step.
    pub initial: Vec<f32>,
    /// The records of each step.
    pub schedule: Vec<Vec<usize>>,
    /// How the gradient of a batch is made.
    pub gradient: Gradient,
    /// When the held-out records are asked, and when that ends it.
    pub rhythm: Rhythm,
}

/// How the gradient of a batch is made. Both give the same to within rounding, where nothing is shortened.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Gradient {
    /// Summed by the network: the fastest.
    Summed,
    /// From one gradient a record, each shortened to `bound` times their median where there is a bound; see
    /// [`clip`](crate::attribution::clip). Whatever follows records needs these.
    ByRecord {
        /// The multiple of the median.
        bound: Option<f32>,
    },
}

/// When a training looks at itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rhythm {
    /// Steps between two evaluations; 0 for none.
    pub evaluate: usize,
    /// Evaluations without gain before the end; 0 for never.
    pub patience: usize,
    /// Steps between two checkpoints, where there are files; 0 for about ten in a run.
    pub checkpoint: usize,
}

impl From<&job::Evaluation> for Rhythm {
    fn from(evaluation: &job::Evaluation) -> Self {
        Self { evaluate: evaluation.every, patience: evaluation.early_stop, checkpoint: evaluation.checkpoint }
    }
}

/// What a training ends with.
#[derive(Clone, Debug)]
pub struct Ended {
    /// The step that the parameters are of: the last, or the best where the held-out records decide.
    pub step: usize,
    /// The parameters.
    pub theta: Vec<f32>,
    /// Their derivatives by the columns, where these were followed.
    pub replay: Option<Replay>,
    /// What first order missed on the way, where that was looked at.
    pub first_order: FirstOrder,
}

/// A training that was followed.
#[derive(Clone, Debug)]
pub struct Followed {
    /// theta at the end, to the bit what [`Course::train`] gives.
    pub theta: Vec<f32>,
    /// Its derivatives by the columns.
    pub replay: Replay,
    /// What first order missed on the way.
    pub first_order: FirstOrder,
}

impl Course {
    /// The course of the recipe over records `0..samples`, from one gradient a record, to its last step.
    pub fn new(recipe: Recipe, initial: Vec<f32>, samples: usize) -> Self {
        let schedule = recipe.schedule(samples);
        Self { recipe, initial, schedule, gradient: Gradient::ByRecord { bound: None }, rhythm: Rhythm::default() }
    }

    /// Trains without the records that `removed` says (true at their index; none where it is empty): they are missing
    /// from their batches, whose size B still divides the sum of the others, so that nothing else changes.
    ///
    /// # Errors
    /// [`TrainError`]: when the network cannot run, or a number is not finite.
    pub fn train(&self, model: &mut dyn Model, removed: &[bool]) -> Result<Vec<f32>, TrainError> {
        Ok(self.train_while(model, removed, &mut || true)?.unwrap_or_default())
    }

    /// As [`Course::train`], as long as `goes_on` says so before each step; `None` if it was stopped.
    ///
    /// # Errors
    /// As [`Course::train`].
    pub fn train_while(
        &self,
        model: &mut dyn Model,
        removed: &[bool],
        goes_on: &mut dyn FnMut() -> bool,
    ) -> Result<Option<Vec<f32>>, TrainError> {
        let mut trainer = Trainer::new(model, self, None)?.without(removed);
        while trainer.unfinished() {
            if !goes_on() {
                return Ok(None);
            }
            trainer.step()?;
            // What nobody reads and what ends nothing is not asked for.
            if self.rhythm.patience > 0 {
                trainer.look()?;
            }
        }
        Ok(Some(trainer.end().theta))
    }

    /// Trains on everything and follows it.
    ///
    /// # Errors
    /// As [`Course::train`], and when the replay is no longer finite.
    #[expect(clippy::expect_used, reason = "a training that follows ends with what it followed")]
    pub fn follow(&self, model: &mut dyn Model, following: Following) -> Result<Followed, TrainError> {
        let mut trainer = Trainer::new(model, self, Some(following))?.looking();
        trainer.finish()?;
        let Ended { theta, replay, first_order, .. } = trainer.end();
        Ok(Followed { theta, replay: replay.expect("a replay"), first_order })
    }
}
