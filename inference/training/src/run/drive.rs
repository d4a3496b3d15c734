//! From the first step, or the newest checkpoint, to the last.

use super::event::Clock;
use super::state::Checkpoints;
use super::trainer::Trainer;
use super::{Control, Ended, Event, TrainError};
use crate::attribution::Replay;

/// Checkpoints that a run makes where the job names no distance.
const CHECKPOINTS: usize = 10;

/// Takes up the newest checkpoint, if there is one; gives the steps done.
///
/// # Errors
/// [`TrainError::Files`], [`TrainError::OtherRun`].
pub fn resume(trainer: &mut Trainer<'_>, checkpoints: &Checkpoints) -> Result<usize, TrainError> {
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
pub fn drive(
    trainer: &mut Trainer<'_>,
    checkpoints: &Checkpoints,
    observer: &mut dyn FnMut(Event) -> Control,
) -> Result<Ended, TrainError> {
    let steps = trainer.steps();
    let distance = match trainer.rhythm().checkpoint {
        0 => steps.div_ceil(CHECKPOINTS).max(1),
        distance => distance,
    };
    let mut clock = Clock::start();
    if trainer.state.step == 0 {
        // The start is a checkpoint too: whoever verifies the first steps begins there.
        write(trainer, checkpoints, observer)?;
    }
    while trainer.unfinished() {
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
        if let Some(loss) = trainer.look()? {
            control = stricter(control, observer(Event::Evaluated { step, loss }));
        }
        let last = !trainer.unfinished();
        if step.is_multiple_of(distance) || last || control == Control::Stop {
            control = stricter(control, write(trainer, checkpoints, observer)?);
        }
        if control == Control::Stop && !last {
            return Err(TrainError::Stopped { step });
        }
    }
    Ok(trainer.end())
}

fn write(
    trainer: &Trainer<'_>,
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
mod tests;
