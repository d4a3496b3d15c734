//! One step after another, the same whoever takes them: training, resuming and verifying.

use super::TrainError;
use super::state::{Best, State};
use crate::attribution::{Curvature, Model, ModelError, Replay, ReplayStep, Rows, clip, curvature, model};
use crate::optimiser::{self, AdamW};
use crate::recipe::Recipe;

/// A network that also says how well it does while it learns.
pub trait Learner: Model {
    /// The losses of a batch and the sum of their gradients.
    ///
    /// # Errors
    /// When the network cannot run.
    fn batch(&mut self, theta: &[f32], samples: &[usize]) -> Result<(Vec<f32>, Vec<f32>), ModelError>;

    /// The mean loss of the held-out records.
    ///
    /// # Errors
    /// When the network cannot run.
    fn held_out_loss(&mut self, theta: &[f32]) -> Result<f64, ModelError>;
}

/// How records are followed while training.
#[derive(Clone, Debug, PartialEq)]
pub struct Following {
    /// The column of each training record.
    pub column_of: Vec<Option<usize>>,
    /// Number of columns.
    pub columns: usize,
    /// Rows of the curvature.
    pub curvature: Curvature,
    /// Gradients of records are shortened to this multiple of their batch's median.
    pub clip: Option<f32>,
}

/// A training under way.
#[derive(Debug)]
pub struct Trainer<'a, L: Learner> {
    /// The network.
    pub learner: &'a mut L,
    /// Where it stands.
    pub state: State,
    /// The derivatives by the columns, where they are followed.
    pub replay: Option<Replay>,
    /// Those of the best parameters.
    pub best_replay: Option<Replay>,
    recipe: Recipe,
    schedule: Vec<Vec<usize>>,
    following: Option<Following>,
}

impl<'a, L: Learner> Trainer<'a, L> {
    /// A training before its first step. Without `following` it costs nothing but the training itself.
    ///
    /// # Errors
    /// [`TrainError::Replay`] where the columns would not fit into memory.
    pub fn new(
        learner: &'a mut L,
        recipe: &Recipe,
        samples: usize,
        start: Vec<f32>,
        following: Option<Following>,
    ) -> Result<Self, TrainError> {
        let parameters = start.len();
        let state = State { theta: start, optimiser: AdamW::new(parameters), ..State::default() };
        let replay = following.as_ref().map(|following| Replay::new(parameters, following.columns)).transpose();
        let replay = replay.map_err(|source| TrainError::Replay { step: 0, source })?;
        let schedule = recipe.schedule(samples);
        Ok(Self { learner, state, replay, best_replay: None, recipe: recipe.clone(), schedule, following })
    }

    /// Steps of the whole training.
    pub fn steps(&self) -> usize {
        self.schedule.len()
    }

    /// Whether another step is left.
    pub fn unfinished(&self) -> bool {
        self.state.step < self.schedule.len()
    }

    /// The learning rate of the next step.
    pub fn rate(&self) -> f32 {
        self.recipe.rate(self.state.step, self.steps())
    }

    /// One step; gives the batch's mean loss. A number that is not finite leaves the state as it was.
    ///
    /// # Errors
    /// [`TrainError`].
    pub fn step(&mut self) -> Result<f32, TrainError> {
        let at = self.state.step;
        let Some(batch) = self.schedule.get(at).cloned() else { return Ok(f32::NAN) };
        let followed = self.following.is_some();
        let (losses, gradients, mut mean) = if followed { self.each(&batch)? } else { self.summed(&batch)? };
        let loss = losses.iter().sum::<f32>() / losses.len().max(1) as f32;
        self.finite(&batch, "loss", &[loss])?;
        self.finite(&batch, "gradient", &mean)?;
        let curvature = match &gradients {
            Some(gradients) => self.curvature(&batch, gradients)?,
            None => None,
        };
        if let Some(limit) = self.recipe.clip {
            optimiser::clip(&mut mean, limit);
        }
        let (theta, optimiser) = (self.state.theta.clone(), self.state.optimiser.clone());
        let update = self.state.optimiser.step(&self.recipe, at, self.schedule.len(), &mut self.state.theta, &mean);
        let weights = self.finite(&batch, "weights", &self.state.theta);
        if let Err(error) = weights.and_then(|()| self.finite(&batch, "optimiser's state", &self.state.optimiser.v)) {
            (self.state.theta, self.state.optimiser) = (theta, optimiser);
            return Err(error);
        }
        if let (Some(replay), Some(following), Some((gradients, _))) = (&mut self.replay, &self.following, &gradients) {
            let columns: Vec<Option<usize>> =
                batch.iter().map(|&record| following.column_of.get(record).copied().flatten()).collect();
            let step = ReplayStep {
                gradients,
                columns: &columns,
                curvature: curvature.as_ref().unwrap_or(gradients),
                batch: batch.len(),
                mean: &mean,
                m: &self.state.optimiser.m,
                v: &self.state.optimiser.v,
                update,
                recipe: &self.recipe,
            };
            replay.step(step).map_err(|source| TrainError::Replay { step: at, source })?;
        }
        self.state.losses.push(loss);
        self.state.step += 1;
        Ok(loss)
    }

    /// Asks the held-out records, and remembers the best parameters where `keep_best`.
    ///
    /// # Errors
    /// [`TrainError::Model`], [`TrainError::NotFinite`].
    pub fn evaluate(&mut self, keep_best: bool) -> Result<f64, TrainError> {
        let loss = self.learner.held_out_loss(&self.state.theta)?;
        self.finite(&[], "held-out loss", &[loss as f32])?;
        self.state.held_out.push((self.state.step, loss));
        if keep_best && self.state.best.as_ref().is_none_or(|best| loss < best.loss) {
            self.state.best = Some(Best { step: self.state.step, loss, theta: self.state.theta.clone() });
            self.best_replay = self.replay.clone();
        }
        Ok(loss)
    }

    /// Evaluations since the best one.
    pub fn evaluations_without_gain(&self) -> usize {
        let Some(best) = &self.state.best else { return 0 };
        self.state.held_out.iter().filter(|(step, _)| *step > best.step).count()
    }

    #[expect(clippy::type_complexity, reason = "losses, what is known of each record, the mean gradient")]
    fn summed(&mut self, batch: &[usize]) -> Result<(Vec<f32>, Option<(Rows, Vec<f32>)>, Vec<f32>), TrainError> {
        let (losses, sum) = self.learner.batch(&self.state.theta, batch)?;
        Ok((losses, None, model::mean(sum, batch.len())))
    }

    #[expect(clippy::type_complexity, reason = "losses, what is known of each record, the mean gradient")]
    fn each(&mut self, batch: &[usize]) -> Result<(Vec<f32>, Option<(Rows, Vec<f32>)>, Vec<f32>), TrainError> {
        let (losses, mut gradients) = self.learner.loss_gradients(&self.state.theta, batch)?;
        let multiple = self.following.as_ref().and_then(|following| following.clip);
        let factors = multiple.map(|multiple| clip::shorten(&mut gradients, multiple)).unwrap_or_default();
        let mean = gradients.mean(batch.len());
        Ok((losses, Some((gradients, factors)), mean))
    }

    /// The batch's curvature rows; none where they are the gradients themselves.
    fn curvature(&mut self, batch: &[usize], found: &(Rows, Vec<f32>)) -> Result<Option<Rows>, TrainError> {
        let (gradients, factors) = found;
        let Some(following) = &self.following else { return Ok(None) };
        let kind = following.curvature;
        let shortened = factors.iter().any(|factor| *factor != 1.0);
        if kind == Curvature::TrueLabel && !shortened {
            return Ok(None);
        }
        let seed = curvature::step_seed(self.recipe.seed, self.state.step);
        let rows = curvature::rows(self.learner, &self.state.theta, batch, gradients, kind, seed)?;
        let mut rows = rows.into_owned();
        if kind == Curvature::TrueLabel {
            // The gradients were shortened by the factor, these rows are only by its root.
            let undone: Vec<f32> = factors.iter().map(|factor| 1.0 / factor).collect();
            clip::follow(&mut rows, &undone);
        } else {
            clip::follow(&mut rows, factors);
        }
        Ok(Some(rows))
    }

    fn finite(&self, batch: &[usize], what: &'static str, numbers: &[f32]) -> Result<(), TrainError> {
        if numbers.iter().all(|x| x.is_finite()) {
            return Ok(());
        }
        Err(TrainError::NotFinite { what, step: self.state.step, records: batch.to_vec() })
    }
}
