//! From the first step, or the newest checkpoint, to the last.

use super::event::Clock;
use super::state::Checkpoints;
use super::trainer::{Learner, Trainer};
use super::{Control, Event, TrainError};
use crate::attribution::Replay;

/// Checkpoints that a run makes where the job names no distance.
const CHECKPOINTS: usize = 10;

/// When a run looks at itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rhythm {
    /// Steps between two evaluations; 0 for none.
    pub evaluate: usize,
    /// Evaluations without gain before the end; 0 for never.
    pub patience: usize,
    /// Steps between two checkpoints; 0 for about ten in a run.
    pub checkpoint: usize,
}

/// The parameters that a run ends with.
#[derive(Debug)]
pub struct Ended {
    /// The step that they are of.
    pub step: usize,
    /// The parameters.
    pub theta: Vec<f32>,
    /// Their derivatives by the columns.
    pub replay: Option<Replay>,
}

/// Takes up the newest checkpoint, if there is one; gives the steps done.
///
/// # Errors
/// [`TrainError::Files`], [`TrainError::OtherRun`].
pub fn resume<L: Learner>(trainer: &mut Trainer<'_, L>, checkpoints: &Checkpoints) -> Result<usize, TrainError> {
    let Some(found) = checkpoints.newest(trainer.replay.is_some())? else { return Ok(0) };
    let fits = found.state.theta.len() == trainer.state.theta.len();
    let same_shape = |own: &Option<Replay>, other: &Option<Replay>| match (own, other) {
        (Some(own), Some(other)) => own.columns() == other.columns() && own.parameters() == other.parameters(),
        (None, _) => true,
        (Some(_), None) => false,
    };
    if !fits || found.state.step > trainer.steps() || !same_shape(&trainer.replay, &found.replay) {
        return Err(TrainError::OtherRun { path: checkpoints.file(found.state.step) });
    }
    if trainer.replay.is_some() {
        trainer.replay = found.replay;
        trainer.best_replay = found.best_replay;
    }
    trainer.state = found.state;
    Ok(trainer.state.step)
}

/// Trains to the end.
///
/// # Errors
/// [`TrainError`]; a checkpoint of the last good state is on disk then.
pub fn drive<L: Learner>(
    trainer: &mut Trainer<'_, L>,
    checkpoints: &Checkpoints,
    rhythm: Rhythm,
    observer: &mut dyn FnMut(Event) -> Control,
) -> Result<Ended, TrainError> {
    let steps = trainer.steps();
    let distance = if rhythm.checkpoint > 0 { rhythm.checkpoint } else { steps.div_ceil(CHECKPOINTS).max(1) };
    let mut clock = Clock::start();
    let patient =
        |trainer: &Trainer<'_, L>| rhythm.patience == 0 || trainer.evaluations_without_gain() < rhythm.patience;
    if trainer.state.step == 0 {
        // The start is a checkpoint too: whoever verifies the first steps begins there.
        write(trainer, checkpoints, observer)?;
    }
    while trainer.unfinished() && patient(trainer) {
        let rate = trainer.rate();
        let loss = match trainer.step() {
            Ok(loss) => loss,
            Err(error @ TrainError::NotFinite { .. }) => {
                write(trainer, checkpoints, observer)?;
                return Err(error);
            }
            Err(error) => return Err(error),
        };
        let step = trainer.state.step;
        let mut control = observer(clock.step(step, steps, loss, rate));
        if rhythm.evaluate > 0 && (step.is_multiple_of(rhythm.evaluate) || step == steps) {
            let loss = trainer.evaluate(rhythm.patience > 0)?;
            control = stricter(control, observer(Event::Evaluated { step, loss }));
        }
        let last = step == steps || !patient(trainer);
        if step.is_multiple_of(distance) || last || control == Control::Stop {
            control = stricter(control, write(trainer, checkpoints, observer)?);
        }
        if control == Control::Stop && !last {
            return Err(TrainError::Stopped { step });
        }
    }
    let state = &trainer.state;
    Ok(match &state.best {
        Some(best) if rhythm.patience > 0 => {
            Ended { step: best.step, theta: best.theta.clone(), replay: trainer.best_replay.take() }
        }
        _ => Ended { step: state.step, theta: state.theta.clone(), replay: trainer.replay.take() },
    })
}

fn write<L: Learner>(
    trainer: &Trainer<'_, L>,
    checkpoints: &Checkpoints,
    observer: &mut dyn FnMut(Event) -> Control,
) -> Result<Control, TrainError> {
    let hash = checkpoints.write(&trainer.state, trainer.replay.as_ref(), trainer.best_replay.as_ref())?;
    Ok(observer(Event::Checkpoint { step: trainer.state.step, hash }))
}

fn stricter(a: Control, b: Control) -> Control {
    if a == Control::Stop { a } else { b }
}

#[cfg(test)]
#[path = "drive_tests.rs"]
mod tests;
