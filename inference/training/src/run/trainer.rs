//! One step after another, the same whoever takes them: training, resuming, verifying, auditing, studying.

use std::borrow::Cow;

use super::TrainError;
use super::course::{Course, Ended, Gradient, Rhythm};
use super::state::{Best, State};
use crate::attribution::first_order::{self, Expected};
use crate::attribution::{Curvature, FirstOrder, Model, Replay, ReplayStep, Rows, clip, curvature, model};
use crate::optimiser::{self, AdamW, Update};

/// How records are followed while training.
#[derive(Clone, Debug, PartialEq)]
pub struct Following {
    /// The column of each training record.
    pub column_of: Vec<Option<usize>>,
    /// Number of columns.
    pub columns: usize,
    /// Rows of the curvature.
    pub curvature: Curvature,
    /// Whether records that are left out are followed too: what a weight above nothing would have done.
    pub left_out: bool,
}

/// A training under way.
pub struct Trainer<'a> {
    /// Where it stands.
    pub state: State,
    /// The derivatives by the columns, where they are followed.
    pub replay: Option<Replay>,
    /// Those of the best parameters.
    pub best_replay: Option<Replay>,
    model: &'a mut dyn Model,
    course: &'a Course,
    following: Option<Following>,
    removed: &'a [bool],
    /// Whether it looks at what first order misses.
    looking: bool,
}

/// What a batch says at the parameters before its step.
struct Found {
    losses: Vec<f32>,
    /// The mean gradient over the batch's size.
    mean: Vec<f32>,
    /// The gradient of each record, where records have one of their own.
    records: Option<Records>,
    /// How long the gradient of a record may be, where there is a bound.
    limit: Option<f32>,
    /// Records that are left out and followed all the same.
    beside: Option<Beside>,
}

/// Records of a batch that are left out, and the gradient of each.
struct Beside {
    records: Vec<usize>,
    gradients: Rows,
}

/// The gradients of a batch's records, and the factor that each was shortened by; no factors where there is no bound.
struct Records {
    gradients: Rows,
    factors: Vec<f32>,
}

impl<'a> Trainer<'a> {
    /// A training before its first step. Without `following` it costs nothing but the training itself.
    ///
    /// # Errors
    /// [`TrainError::Replay`] where the columns would not fit into memory.
    pub fn new(model: &'a mut dyn Model, course: &'a Course, following: Option<Following>) -> Result<Self, TrainError> {
        let parameters = course.initial.len();
        let state = State { theta: course.initial.clone(), optimiser: AdamW::new(parameters), ..State::default() };
        let replay = following.as_ref().map(|following| Replay::new(parameters, following.columns)).transpose();
        let replay = replay.map_err(|source| TrainError::Replay { step: 0, source })?;
        Ok(Self { state, replay, best_replay: None, model, course, following, removed: &[], looking: false })
    }

    /// The same without the records that `removed` says: true at their index.
    pub fn without(self, removed: &'a [bool]) -> Self {
        Self { removed, ..self }
    }

    /// The same, which looks at some steps at what first order misses, where records are followed: see [`first_order`].
    pub fn looking(self) -> Self {
        Self { looking: true, ..self }
    }

    /// Steps of the whole training.
    pub fn steps(&self) -> usize {
        self.course.schedule.len()
    }

    /// When it looks at itself.
    pub fn rhythm(&self) -> Rhythm {
        self.course.rhythm
    }

    /// Whether another step is left, and there is still patience for it.
    pub fn unfinished(&self) -> bool {
        let patience = self.course.rhythm.patience;
        self.state.step < self.steps() && (patience == 0 || self.evaluations_without_gain() < patience)
    }

    /// The learning rate of the next step.
    pub fn rate(&self) -> f32 {
        self.course.recipe.rate(self.state.step, self.steps())
    }

    /// One step; gives the batch's mean loss. A number that is not finite leaves the state as it was.
    ///
    /// # Errors
    /// [`TrainError`].
    pub fn step(&mut self) -> Result<f32, TrainError> {
        let course = self.course;
        let at = self.state.step;
        let Some(scheduled) = course.schedule.get(at) else { return Ok(f32::NAN) };
        let batch = self.kept(scheduled);
        let mut found = self.found(&batch, scheduled.len())?;
        let loss = found.losses.iter().sum::<f32>() / found.losses.len().max(1) as f32;
        self.finite(&batch, "loss", &[loss])?;
        self.finite(&batch, "gradient", &found.mean)?;
        found.beside = self.beside(scheduled, found.limit)?;
        let curvature = self.curvature(&batch, &found)?;
        let first_order = self.look_beyond(&batch, scheduled.len(), &found, curvature.as_ref())?;
        if let Some(limit) = course.recipe.clip {
            optimiser::clip(&mut found.mean, limit);
        }
        let update = self.update(&batch, &found.mean)?;
        self.follow(&batch, scheduled.len(), &found, curvature, update)?;
        self.state.losses.push(loss);
        self.state.first_order = first_order;
        self.state.step += 1;
        Ok(loss)
    }

    /// Every step that is left.
    pub(super) fn finish(&mut self) -> Result<(), TrainError> {
        while self.unfinished() {
            self.step()?;
            self.look()?;
        }
        Ok(())
    }

    /// Asks the held-out records where that is due after the steps done, and remembers the best parameters where
    /// patience wants them; gives their loss.
    ///
    /// # Errors
    /// [`TrainError::Model`], [`TrainError::NotFinite`].
    pub fn look(&mut self) -> Result<Option<f64>, TrainError> {
        let (rhythm, step) = (self.course.rhythm, self.state.step);
        if rhythm.evaluate == 0 || !(step.is_multiple_of(rhythm.evaluate) || step == self.steps()) {
            return Ok(None);
        }
        let loss = self.model.held_out_loss(&self.state.theta)?;
        self.finite(&[], "held-out loss", &[loss as f32])?;
        self.state.held_out.push((step, loss));
        if rhythm.patience > 0 && self.state.best.as_ref().is_none_or(|best| loss < best.loss) {
            self.state.best = Some(Best { step, loss, theta: self.state.theta.clone() });
            // One at a time: each is as large as all else together.
            self.best_replay = None;
            self.best_replay = self.replay.clone();
        }
        Ok(Some(loss))
    }

    /// What the training ends with, where it stands now. It gives the derivatives away.
    pub fn end(&mut self) -> Ended {
        let first_order = self.state.first_order;
        match &self.state.best {
            Some(best) if self.course.rhythm.patience > 0 => {
                let replay = self.best_replay.take();
                Ended { step: best.step, theta: best.theta.clone(), replay, first_order }
            }
            _ => {
                let replay = self.replay.take();
                Ended { step: self.state.step, theta: self.state.theta.clone(), replay, first_order }
            }
        }
    }

    fn evaluations_without_gain(&self) -> usize {
        let Some(best) = &self.state.best else { return 0 };
        self.state.held_out.iter().filter(|(step, _)| *step > best.step).count()
    }

    fn is_removed(&self, record: usize) -> bool {
        self.removed.get(record).copied().unwrap_or_default()
    }

    /// The records of a batch that are not left out.
    fn kept(&self, scheduled: &'a [usize]) -> Cow<'a, [usize]> {
        if scheduled.iter().any(|at| self.is_removed(*at)) {
            Cow::Owned(scheduled.iter().copied().filter(|at| !self.is_removed(*at)).collect())
        } else {
            Cow::Borrowed(scheduled)
        }
    }

    /// The gradient of a batch of which `batch` is left.
    fn found(&mut self, batch: &[usize], size: usize) -> Result<Found, TrainError> {
        let theta = &self.state.theta;
        if batch.is_empty() {
            let records = Records { gradients: Rows::none(theta.len()), factors: Vec::new() };
            return Ok(Found {
                losses: Vec::new(),
                mean: vec![0.0; theta.len()],
                records: Some(records),
                limit: None,
                beside: None,
            });
        }
        let bound = match self.course.gradient {
            Gradient::Summed if self.following.is_none() => {
                let (losses, sum) = self.model.loss_gradient_sum(theta, batch)?;
                return Ok(Found { losses, mean: model::mean(sum, size), records: None, limit: None, beside: None });
            }
            Gradient::Summed => None,
            Gradient::ByRecord { bound } => bound,
        };
        let (losses, mut gradients) = self.model.loss_gradients(theta, batch)?;
        let limit = bound.map(|multiple| clip::limit(&gradients, multiple));
        let factors = limit.map(|limit| clip::shorten_to(&mut gradients, limit)).unwrap_or_default();
        let mean = gradients.mean(size);
        Ok(Found { losses, mean, records: Some(Records { gradients, factors }), limit, beside: None })
    }

    /// The records of a batch that are left out and followed all the same, with what each would have added: shortened
    /// as those that are in, or to their own median where none is.
    fn beside(&mut self, scheduled: &[usize], limit: Option<f32>) -> Result<Option<Beside>, TrainError> {
        let records: Vec<usize> = scheduled.iter().copied().filter(|record| self.is_removed(*record)).collect();
        if records.is_empty() || !self.following.as_ref().is_some_and(|following| following.left_out) {
            return Ok(None);
        }
        let (_, mut gradients) = self.model.loss_gradients(&self.state.theta, &records)?;
        if let Gradient::ByRecord { bound: Some(multiple) } = self.course.gradient {
            let limit = limit.unwrap_or_else(|| clip::limit(&gradients, multiple));
            clip::shorten_to(&mut gradients, limit);
        }
        self.finite(&records, "gradient", &gradients.data)?;
        Ok(Some(Beside { records, gradients }))
    }

    /// The batch's curvature rows, for whoever follows it; none where they are the gradients themselves.
    fn curvature(&mut self, batch: &[usize], found: &Found) -> Result<Option<Rows>, TrainError> {
        let (Some(following), Some(Records { gradients, factors })) = (&self.following, &found.records) else {
            return Ok(None);
        };
        let kind = following.curvature;
        if batch.is_empty() {
            return Ok(None);
        }
        let shortened = factors.iter().any(|factor| *factor != 1.0);
        if kind == Curvature::TrueLabel && !shortened {
            return Ok(None);
        }
        let seed = curvature::step_seed(self.course.recipe.seed, self.state.step);
        let rows = curvature::rows(self.model, &self.state.theta, batch, gradients, kind, seed)?;
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

    /// What first order has missed with this step, looked at where that is due: takes the batch's gradient once more, at the
    /// parameters and with the records that are left without some of the columns.
    fn look_beyond(
        &mut self,
        batch: &[usize],
        size: usize,
        found: &Found,
        curvature: Option<&Rows>,
    ) -> Result<FirstOrder, TrainError> {
        let mut known = self.state.first_order;
        let (Some(replay), Some(following), Some(records)) = (&self.replay, &self.following, &found.records) else {
            return Ok(known);
        };
        let (step, recipe) = (self.state.step, &self.course.recipe);
        if !self.looking || !first_order::is_looked_at(step, self.course.schedule.len()) {
            return Ok(known);
        }
        let columns = first_order::drawn(recipe.seed, step, following.columns);
        let column = |record: &usize| following.column_of.get(*record).copied().flatten();
        let out: Vec<bool> = batch.iter().map(|record| column(record).is_some_and(|column| columns[column])).collect();
        let left: Vec<usize> = batch.iter().zip(&out).filter(|(_, out)| !**out).map(|(record, _)| *record).collect();
        let moved = first_order::moved(replay, &columns);
        let theta: Vec<f32> = self.state.theta.iter().zip(&moved).map(|(theta, moved)| theta - moved).collect();
        let mut there = Rows::none(theta.len());
        if !left.is_empty() {
            there = self.model.loss_gradients(&theta, &left)?.1;
        }
        if let Gradient::ByRecord { bound: Some(multiple) } = self.course.gradient {
            clip::shorten(&mut there, multiple);
        }
        let expected = Expected {
            batch: size,
            mean: &found.mean,
            gradients: &records.gradients,
            curvature: curvature.unwrap_or(&records.gradients),
            out: &out,
            moved: &moved,
        };
        let rate = recipe.rate(step, self.course.schedule.len());
        known.add(&expected, &there.mean(size), rate);
        Ok(known)
    }

    /// Moves the parameters; they and the optimiser stay as they were where a number is not finite.
    fn update(&mut self, batch: &[usize], mean: &[f32]) -> Result<Update, TrainError> {
        let before = (self.state.theta.clone(), self.state.optimiser.clone());
        let (at, steps) = (self.state.step, self.steps());
        let update = self.state.optimiser.step(&self.course.recipe, at, steps, &mut self.state.theta, mean);
        let finite = self
            .finite(batch, "weights", &self.state.theta)
            .and_then(|()| self.finite(batch, "optimiser's state", &self.state.optimiser.v));
        match finite {
            Ok(()) => Ok(update),
            Err(error) => {
                (self.state.theta, self.state.optimiser) = before;
                Err(error)
            }
        }
    }

    /// Carries the derivatives by the columns along, where they are followed: by the records that are in, and by those
    /// beside them.
    fn follow(
        &mut self,
        batch: &[usize],
        size: usize,
        found: &Found,
        curvature: Option<Rows>,
        update: Update,
    ) -> Result<(), TrainError> {
        let (Some(replay), Some(following), Some(records)) = (&mut self.replay, &self.following, &found.records) else {
            return Ok(());
        };
        let mut gradients = Cow::Borrowed(&records.gradients);
        let mut followed = batch.to_vec();
        if let Some(beside) = &found.beside {
            gradients.to_mut().append(beside.gradients.clone());
            followed.extend(&beside.records);
        }
        let columns: Vec<Option<usize>> =
            followed.iter().map(|&record| following.column_of.get(record).copied().flatten()).collect();
        let step = ReplayStep {
            gradients: &gradients,
            columns: &columns,
            curvature: curvature.as_ref().unwrap_or(&records.gradients),
            batch: size,
            mean: &found.mean,
            m: &self.state.optimiser.m,
            v: &self.state.optimiser.v,
            update,
            recipe: &self.course.recipe,
        };
        replay.step(step).map_err(|source| TrainError::Replay { step: self.state.step, source })
    }

    fn finite(&self, batch: &[usize], what: &'static str, numbers: &[f32]) -> Result<(), TrainError> {
        if numbers.iter().all(|x| x.is_finite()) {
            return Ok(());
        }
        Err(TrainError::NotFinite { what, step: self.state.step, records: batch.to_vec() })
    }
}

impl std::fmt::Debug for Trainer<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Trainer").field("step", &self.state.step).field("steps", &self.steps()).finish_non_exhaustive()
    }
}
