//! What a run tells while it goes on, and what it is told.

use super::memory::resident;
use crate::evaluate::Evaluation;

/// Progress of a run.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// The network is compiled and the records are loaded.
    Started {
        /// Steps of the whole run.
        steps: usize,
        /// Steps that an earlier, unfinished run has done.
        done: usize,
        /// Numbers that are trained.
        parameters: usize,
        /// Columns that influence is followed for; 0 where it is not.
        columns: usize,
    },
    /// A step is done.
    Step {
        /// Steps done.
        step: usize,
        /// Steps of the whole run.
        steps: usize,
        /// Mean loss of the batch before the step.
        loss: f32,
        /// Learning rate of the step.
        rate: f32,
        /// Estimate of the time that the remaining steps take, in seconds.
        seconds_left: f64,
        /// Bytes of the process in memory.
        memory_bytes: u64,
    },
    /// The held-out records were asked.
    Evaluated {
        /// Steps done.
        step: usize,
        /// Mean loss of the held-out records.
        loss: f64,
    },
    /// A checkpoint is on disk.
    Checkpoint {
        /// Steps done.
        step: usize,
        /// BLAKE3 of its file.
        hash: [u8; 32],
    },
    /// Another part of the work begins.
    Phase {
        /// `evaluation`, `halves`, `attribution`, `influence` or `writing`.
        name: &'static str,
    },
    /// How far the phase is that began last: records asked, as often as it asks them; steps of the halves, and of all
    /// retrainings of an audit.
    Counted {
        /// So many.
        done: usize,
        /// All of them.
        total: usize,
    },
    /// Something long goes on, of which there is nothing to tell; whoever wants it stopped can say so.
    Working,
    /// A retraining of the influence's audit is done.
    Attribution {
        /// Retrainings done.
        done: usize,
        /// All of them.
        total: usize,
    },
    /// The release is written.
    Finished {
        /// What the model knows.
        evaluation: Evaluation,
    },
}

/// What an observer wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// Go on.
    Continue,
    /// Write a checkpoint and stop.
    Stop,
}

/// Tells the time that is left.
#[derive(Debug)]
pub(super) struct Clock {
    begun: std::time::Instant,
    done: usize,
}

impl Clock {
    pub(super) fn start() -> Self {
        Self { begun: std::time::Instant::now(), done: 0 }
    }

    /// The event of a step just done.
    pub(super) fn step(&mut self, step: usize, steps: usize, loss: f32, rate: f32) -> Event {
        self.done += 1;
        let each = self.begun.elapsed().as_secs_f64() / self.done as f64;
        let seconds_left = each * (steps - step) as f64;
        Event::Step { step, steps, loss, rate, seconds_left, memory_bytes: resident() }
    }
}

/// Counts what a phase does.
pub(super) struct Meter<'a> {
    observer: &'a mut dyn FnMut(Event) -> Control,
    done: usize,
    total: usize,
}

impl<'a> Meter<'a> {
    /// The phase begins, in which so many records at least will be asked.
    pub(super) fn begin(observer: &'a mut dyn FnMut(Event) -> Control, name: &'static str, total: usize) -> Self {
        observer(Event::Phase { name });
        Self { observer, done: 0, total }
    }

    /// So many more will be asked than was known.
    pub(super) fn expect(&mut self, records: usize) {
        self.total += records;
    }

    /// So many more were asked.
    pub(super) fn add(&mut self, records: usize) {
        self.done = self.total.min(self.done + records);
        (self.observer)(Event::Counted { done: self.done, total: self.total });
    }
}
