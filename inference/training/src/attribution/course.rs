//! The course of a training: the same steps again, with records left out, or with the replay carried along.

use super::{
    clip, curvature,
    model::{Curvature, Model, ModelError, Rows, mean},
    replay::{Replay, ReplayError, ReplayStep},
};
use crate::{optimiser::AdamW, recipe::Recipe};

/// Why a course could not be run.
#[derive(Debug, thiserror::Error)]
pub enum CourseError {
    /// The network failed.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The replay failed.
    #[error(transparent)]
    Replay(#[from] ReplayError),
}

/// Everything that decides how a training goes, beside the data.
#[derive(Clone, Debug)]
pub struct Course {
    /// Rates, batch and seed.
    pub recipe: Recipe,
    /// theta before the first step.
    pub initial: Vec<f32>,
    /// The records of each step.
    pub schedule: Vec<Vec<usize>>,
    /// Per-record gradients are shortened to this multiple of their batch's median; see [`clip`].
    pub clip: Option<f32>,
}

/// A training that was followed.
#[derive(Clone, Debug)]
pub struct Followed {
    /// theta at the end, to the bit what [`Course::train`] gives.
    pub theta: Vec<f32>,
    /// One replay for each kind of curvature, in the order asked for.
    pub replays: Vec<Replay>,
}

impl Course {
    /// The course of the recipe over records `0..samples`.
    pub fn new(recipe: Recipe, initial: Vec<f32>, samples: usize) -> Self {
        let schedule = recipe.schedule(samples);
        Self { recipe, initial, schedule, clip: None }
    }

    /// Trains without the records that `removed` says (true at their index): they are missing from their batches, whose
    /// size B still divides the sum of the others, so that nothing else changes.
    ///
    /// # Errors
    /// When the network cannot run.
    pub fn train(&self, model: &mut dyn Model, removed: &[bool]) -> Result<Vec<f32>, ModelError> {
        Ok(self.train_while(model, removed, &mut || true)?.unwrap_or_default())
    }

    /// As [`Course::train`], as long as `goes_on` says so before each step; `None` if it was stopped.
    ///
    /// # Errors
    /// When the network cannot run.
    pub fn train_while(
        &self,
        model: &mut dyn Model,
        removed: &[bool],
        goes_on: &mut dyn FnMut() -> bool,
    ) -> Result<Option<Vec<f32>>, ModelError> {
        let mut theta = self.initial.clone();
        let mut optimiser = AdamW::new(theta.len());
        for (t, batch) in self.schedule.iter().enumerate() {
            if !goes_on() {
                return Ok(None);
            }
            let kept: Vec<usize> =
                batch.iter().copied().filter(|at| !removed.get(*at).copied().unwrap_or_default()).collect();
            let sum = if kept.is_empty() { vec![0.0; theta.len()] } else { self.gradient_sum(model, &theta, &kept)? };
            optimiser.step(&self.recipe, t, self.schedule.len(), &mut theta, &mean(sum, batch.len()));
        }
        Ok(Some(theta))
    }

    fn gradient_sum(&self, model: &mut dyn Model, theta: &[f32], samples: &[usize]) -> Result<Vec<f32>, ModelError> {
        let Some(multiple) = self.clip else { return model.gradient_sum(theta, samples) };
        let mut gradients = model.loss_gradients(theta, samples)?.1;
        clip::shorten(&mut gradients, multiple);
        Ok(gradients.sum())
    }

    /// Trains on everything and follows it: `column_of[i]` is record i's column among `columns`, and each kind of
    /// curvature gets a replay of its own over the same gradients.
    ///
    /// # Errors
    /// When the network cannot run, or the replay is no longer finite.
    pub fn follow(
        &self,
        model: &mut dyn Model,
        column_of: &[Option<usize>],
        columns: usize,
        kinds: &[Curvature],
    ) -> Result<Followed, CourseError> {
        let mut theta = self.initial.clone();
        let mut optimiser = AdamW::new(theta.len());
        let mut replays = kinds.iter().map(|_| Replay::new(theta.len(), columns)).collect::<Result<Vec<_>, _>>()?;
        for (t, batch) in self.schedule.iter().enumerate() {
            let mut gradients = model.loss_gradients(&theta, batch)?.1;
            let factors = self.clip.map(|multiple| clip::shorten(&mut gradients, multiple)).unwrap_or_default();
            let rows = self.curvature(model, &theta, batch, &gradients, &factors, kinds, t)?;
            let mean = gradients.mean(batch.len());
            let update = optimiser.step(&self.recipe, t, self.schedule.len(), &mut theta, &mean);
            let own: Vec<Option<usize>> = batch.iter().map(|at| column_of.get(*at).copied().flatten()).collect();
            for (replay, rows) in replays.iter_mut().zip(&rows) {
                replay.step(ReplayStep {
                    gradients: &gradients,
                    columns: &own,
                    curvature: rows.as_ref().unwrap_or(&gradients),
                    batch: batch.len(),
                    mean: &mean,
                    m: &optimiser.m,
                    v: &optimiser.v,
                    update,
                    recipe: &self.recipe,
                })?;
            }
        }
        Ok(Followed { theta, replays })
    }

    /// The rows of each kind; `None` where they are the gradients themselves.
    #[expect(clippy::too_many_arguments, reason = "a part of one loop, cut out for its length")]
    fn curvature(
        &self,
        model: &mut dyn Model,
        theta: &[f32],
        batch: &[usize],
        gradients: &Rows,
        factors: &[f32],
        kinds: &[Curvature],
        t: usize,
    ) -> Result<Vec<Option<Rows>>, ModelError> {
        let seed = curvature::step_seed(self.recipe.seed, t);
        let mut all = Vec::with_capacity(kinds.len());
        for kind in kinds {
            // The true label's rows of a shortened record would be its gradient, shortened by the root only.
            if *kind == Curvature::TrueLabel && factors.iter().all(|factor| *factor == 1.0) {
                all.push(None);
                continue;
            }
            let mut rows = curvature::rows(model, theta, batch, gradients, *kind, seed)?.into_owned();
            if *kind == Curvature::TrueLabel {
                let undone: Vec<f32> = factors.iter().map(|factor| 1.0 / factor).collect();
                clip::follow(&mut rows, &undone);
            } else {
                clip::follow(&mut rows, factors);
            }
            all.push(Some(rows));
        }
        Ok(all)
    }
}
