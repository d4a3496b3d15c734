//! What doing something took.

use std::cell::Cell;
use std::rc::Rc;

use crate::state::{Decoded, StateError, StateRead, StateWrite};

/// A state that counts what is read and written through it: nobody has to estimate beforehand what something will take, and no estimate
/// can be wrong.
pub(super) struct Counted<'a, S> {
    state: &'a mut S,
    work: Cell<u64>,
}

impl<'a, S> Counted<'a, S> {
    /// Nothing yet.
    pub(super) fn new(state: &'a mut S) -> Self {
        Self { state, work: Cell::new(0) }
    }

    /// Values that were read and written so far.
    pub(super) fn work(&self) -> u64 {
        self.work.get()
    }

    fn count(&self, values: u64) {
        self.work.set(self.work.get().saturating_add(values));
    }
}

impl<S: StateRead> StateRead for Counted<'_, S> {
    fn get_raw(&self, key: &str) -> Result<Option<Vec<u8>>, StateError> {
        self.count(1);
        self.state.get_raw(key)
    }

    fn scan(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<(String, Vec<u8>)>, StateError> {
        let found = self.state.scan(prefix, after, limit)?;
        self.count((found.len() as u64).saturating_add(1));
        Ok(found)
    }

    fn get_decoded<M: Decoded>(&self, key: &str) -> Result<Option<Rc<M>>, StateError> {
        self.count(1);
        self.state.get_decoded(key)
    }
}

impl<S: StateWrite> StateWrite for Counted<'_, S> {
    fn set_raw(&mut self, key: String, value: Option<Vec<u8>>) {
        self.count(1);
        self.state.set_raw(key, value);
    }
}
