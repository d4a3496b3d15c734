//! Counting gas.

use std::cell::Cell;

use super::Gas;
use crate::state::StateError;

/// Counts gas up to a limit. It is off, and counts nothing, until [`Meter::start`].
///
/// Reading is refused behind the limit, writing is not, as whoever writes expects no refusal: between two reads an action writes a bounded
/// number of bounded values, and [`Meter::stop`] tells what was too much.
#[derive(Debug, Default)]
pub struct Meter {
    limit: Cell<Option<Gas>>,
    used: Cell<Gas>,
}

impl Meter {
    /// Counts from zero, up to `limit`.
    pub fn start(&self, limit: Gas) {
        self.limit.set(Some(limit));
        self.used.set(0);
    }

    /// Counts no further. Returns what was used, which may be more than the limit.
    pub fn stop(&self) -> Gas {
        self.limit.set(None);
        self.used.take()
    }

    /// What is left of the limit; none where nothing is counted.
    pub fn left(&self) -> Option<Gas> {
        self.limit.get().map(|limit| limit.saturating_sub(self.used.get()))
    }

    /// Counts `gas`.
    pub fn count(&self, gas: Gas) {
        if self.limit.get().is_some() {
            self.used.set(self.used.get().saturating_add(gas));
        }
    }

    /// Counts `gas`.
    ///
    /// # Errors
    /// [`StateError::OutOfGas`] when that is more than the limit.
    pub fn take(&self, gas: Gas) -> Result<(), StateError> {
        self.count(gas);
        match self.limit.get() {
            Some(limit) if self.used.get() > limit => Err(StateError::OutOfGas),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_counts_between_start_and_stop_and_refuses_behind_the_limit() {
        let meter = Meter::default();
        assert_eq!((meter.take(u64::MAX), meter.left(), meter.stop()), (Ok(()), None, 0));
        meter.start(10);
        assert_eq!(meter.left(), Some(10));
        assert_eq!(meter.take(10), Ok(()));
        meter.count(1);
        assert_eq!(meter.take(0), Err(StateError::OutOfGas));
        assert_eq!((meter.left(), meter.take(u64::MAX)), (Some(0), Err(StateError::OutOfGas)));
        assert_eq!(meter.stop(), u64::MAX);
        meter.start(1);
        assert_eq!((meter.take(1), meter.stop()), (Ok(()), 1));
    }
}
