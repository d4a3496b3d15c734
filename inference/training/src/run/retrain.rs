//! The retrainings of an audit, as many beside each other as there are threads and room.
//!
//! Each has a network of its own over the records that are loaded already, whose operators get one thread however many work
//! at once: a small model's step hardly uses a second one, and so the losses are the same to the bit on every number of
//! threads.

use std::ops::ControlFlow;

use datanet_inference::runtime::Device;

use super::course::Course;
use super::memory::{available, resident};
use super::prepare::{Prepared, parameter_bytes};
use super::{Control, Event, Setup, TrainError};
use crate::attribution::{Crew, Heard, Model, Retrainer, beside};
use crate::network::Network;

/// A retraining has shown most of what it takes after its first steps; its held-out answers take a little more.
const RESERVE: u64 = 2;

/// Somebody who takes the run's course again.
struct Worker<'a> {
    network: Network,
    course: &'a Course,
    answers: &'a [usize],
}

impl Retrainer for Worker<'_> {
    type Error = TrainError;

    fn retrain(&mut self, removed: &[bool], goes_on: &mut dyn FnMut() -> bool) -> Result<Option<Vec<f32>>, TrainError> {
        match self.course.train_while(&mut self.network, removed, goes_on) {
            Ok(Some(theta)) => Ok(Some(self.network.losses(&theta, self.answers)?)),
            Ok(None) => Ok(None),
            // A training that fails without some records is no reason to lose the one that did not: nothing can be
            // ranked by it, and the gate says so.
            Err(TrainError::NotFinite { .. }) => Ok(Some(vec![f32::NAN; self.answers.len()])),
            Err(error) => Err(error),
        }
    }
}

/// The losses of `answers` after retraining without each of `removed`; none where the observer ended it.
pub(super) fn losses(
    setup: &Setup<'_>,
    prepared: &Prepared,
    answers: &[usize],
    removed: &[Vec<bool>],
    observer: &mut dyn FnMut(Event) -> Control,
) -> Result<Option<Vec<Vec<f32>>>, TrainError> {
    // On a GPU one after another fills it; its operators have no threads.
    let (threads, at_once) = match setup.session.device {
        Device::Cpu => (1, setup.session.intra_threads()),
        Device::Cuda { .. } => (setup.session.threads, 1),
    };
    let course = prepared.course(setup);
    let before = resident();
    let hire = &mut || Worker { network: prepared.network.beside(threads), course: &course, answers };
    let most = &mut || {
        // Memory that others give back meanwhile must not make a large base look small.
        let least = parameter_bytes(prepared.start.len() as u64).saturating_add(prepared.network.weight_bytes());
        fitting(at_once, resident().saturating_sub(before).max(least), room(setup, prepared))
    };
    let mut count = Count::new(course.schedule.len(), removed.len());
    beside(removed, Crew { hire, most }, &mut |heard| count.tell(heard, observer))
}

/// Retrainings at once, of which the first takes `each` bytes and `room` are left beside it; where nobody knows, that
/// one alone.
fn fitting(at_once: usize, each: u64, room: u64) -> usize {
    let others = room / each.saturating_mul(RESERVE).max(1);
    at_once.min(usize::try_from(others).unwrap_or(usize::MAX).saturating_add(1)).max(1)
}

/// Bytes that the run may still take: of what it was granted, and at most half of what the machine has left.
fn room(setup: &Setup<'_>, prepared: &Prepared) -> u64 {
    let free = available() / 2;
    let taken = resident().saturating_sub(prepared.resident);
    setup.memory.map_or(free, |limit| limit.saturating_sub(taken).min(free))
}

/// How far all retrainings are together.
struct Count {
    /// Steps of each.
    steps: usize,
    /// Steps that each has begun.
    begun: Vec<usize>,
    /// Retrainings done.
    done: usize,
}

impl Count {
    fn new(steps: usize, retrainings: usize) -> Self {
        Self { steps, begun: vec![0; retrainings], done: 0 }
    }

    /// Tells the observer, and hears from it whether to go on.
    fn tell(&mut self, heard: Heard, observer: &mut dyn FnMut(Event) -> Control) -> ControlFlow<()> {
        let of = self.begun.len();
        let mut control = Control::Continue;
        match heard {
            Heard::Step { at } => self.begun[at] = self.steps.min(self.begun[at] + 1),
            Heard::Done { at } => {
                // One that ended early leaves the rest of its steps out.
                self.begun[at] = self.steps;
                self.done += 1;
                control = observer(Event::Attribution { done: self.done, total: of });
            }
        }
        if control == Control::Continue {
            control = observer(Event::Counted { done: self.begun.iter().sum(), total: self.steps * of });
        }
        if control == Control::Stop { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_work_at_once_as_there_are_threads_and_room() {
        assert_eq!(fitting(4, 100, 10_000), 4);
        assert_eq!(fitting(4, 100, 450), 3);
        assert_eq!(fitting(4, 100, 199), 1);
        assert_eq!((fitting(4, 100, 0), fitting(0, 0, 0), fitting(8, u64::MAX, u64::MAX)), (1, 1, 2));
    }

    #[test]
    fn steps_of_all_are_counted_together() {
        let mut count = Count::new(3, 2);
        let mut events = Vec::new();
        let heard = [
            Heard::Step { at: 0 },
            Heard::Step { at: 1 },
            Heard::Step { at: 0 },
            Heard::Done { at: 1 },
            Heard::Step { at: 0 },
            Heard::Done { at: 0 },
        ];
        for heard in heard {
            let told = count.tell(heard, &mut |event| {
                events.push(event);
                Control::Continue
            });
            assert!(told.is_continue());
        }
        let counted = |done| Event::Counted { done, total: 6 };
        let done = |done| Event::Attribution { done, total: 2 };
        let expected = [counted(1), counted(2), counted(3), done(1), counted(5), counted(6), done(2), counted(6)];
        assert_eq!(events, expected);
        assert!(count.tell(Heard::Step { at: 0 }, &mut |_| Control::Stop).is_break());
    }
}
