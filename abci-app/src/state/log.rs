//! What is changed over a state that stays untouched, with a way back.

use std::any::Any;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::rc::Rc;

use super::{Changes, Decoded, StateAttempt, StateError, StateRead, StateWrite, decode, is_derived, scan_start};
use crate::gas::{self, Gas, Meter};
use crate::store::Snapshot;

/// A point in a [`ChangeLog`] to come back to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Checkpoint(usize);

/// A write that can be taken back: the key, and the change before, if there was one.
type Undo = (String, Option<Option<Vec<u8>>>);

/// A value that was decoded, with its size in bytes.
type Message = (usize, Rc<dyn Any>);

/// Changes over a base, until somebody takes them ([`ChangeLog::into_changes`]) or drops them.
///
/// One log is a whole block's or a whole mempool's. A transaction's charge and its action begin at a checkpoint each: what was
/// refused is taken back to it. Everything that an action reads or writes passes through [`StateRead::get_raw`],
/// [`StateRead::get_decoded`], [`StateRead::scan`] and [`StateWrite::set_raw`] of this type, and nowhere else: there its gas is counted,
/// between the ends of [`ChangeLog::with_gas`].
///
/// ```text
///   base: Snapshot, which remembers what was read of it
///        ▲
///   changes: key -> new value or none ── undo: what each write replaced, oldest first
///                                               └── checkpoint() = how many writes; revert_to(n) pops down to n
/// ```
#[derive(Debug)]
pub struct ChangeLog<'a, B: StateRead = Snapshot> {
    base: &'a B,
    changes: Changes,
    undo: Vec<Undo>,
    /// Values that were decoded, of base and changes; gone once they are written.
    decoded: RefCell<BTreeMap<String, Message>>,
    meter: Meter,
}

impl<'a, B: StateRead> ChangeLog<'a, B> {
    /// A log without changes.
    pub fn new(base: &'a B) -> Self {
        Self::with_changes(base, Changes::new())
    }

    /// A log that starts with `changes`; there is no way back behind them.
    pub fn with_changes(base: &'a B, changes: Changes) -> Self {
        Self { base, changes, undo: Vec::new(), decoded: RefCell::default(), meter: Meter::default() }
    }

    /// The changes made.
    pub fn into_changes(self) -> Changes {
        self.changes
    }

    /// The changes that the base does not have already.
    ///
    /// # Errors
    /// When the base cannot be read.
    pub fn into_net(mut self) -> Result<Changes, StateError> {
        let changes = std::mem::take(&mut self.changes);
        let mut net = Changes::new();
        for (key, value) in changes {
            if self.base.get_raw(&key)? != value {
                net.insert(key, value);
            }
        }
        Ok(net)
    }

    /// Here. It holds until the log is taken back to an earlier one.
    pub fn checkpoint(&self) -> Checkpoint {
        Checkpoint(self.undo.len())
    }

    /// Takes back every write since `checkpoint`.
    pub fn revert_to(&mut self, checkpoint: Checkpoint) {
        while self.undo.len() > checkpoint.0 {
            let Some((key, before)) = self.undo.pop() else { return };
            self.decoded.get_mut().remove(&key);
            match before {
                Some(change) => self.changes.insert(key, change),
                None => self.changes.remove(&key),
            };
        }
    }

    /// Does `act` with `limit` of gas. Returns how much it used as well; if that is more than the limit, refuse what was done: its
    /// last writes may have gone beyond.
    pub fn with_gas<T>(&mut self, limit: Gas, act: impl FnOnce(&mut Self) -> T) -> (T, Gas) {
        self.meter.start(limit);
        let done = act(self);
        (done, self.meter.stop())
    }

    fn take_read(&self, bytes: usize) -> Result<(), StateError> {
        self.meter.take(gas::READ.saturating_add(gas::READ_BYTE.saturating_mul(bytes as u64)))
    }

    /// How many of `limit` entries are looked at before it is clear that the gas does not last for them: nobody reads a long list for
    /// the gas of a short one.
    fn most_entries(&self, limit: usize) -> usize {
        let paid = self.meter.left().and_then(|left| left.checked_div(gas::READ));
        let paid = paid.and_then(|entries| usize::try_from(entries).ok()).unwrap_or(usize::MAX);
        limit.min(paid.saturating_add(1))
    }

    /// What is changed, or else what lies below.
    fn value(&self, key: &str) -> Result<Option<Vec<u8>>, StateError> {
        match self.changes.get(key) {
            Some(change) => Ok(change.clone()),
            None => self.base.get_raw(key),
        }
    }
}

impl<B: StateRead> StateRead for ChangeLog<'_, B> {
    fn get_raw(&self, key: &str) -> Result<Option<Vec<u8>>, StateError> {
        let value = self.value(key)?;
        self.take_read(value.as_ref().map_or(0, Vec::len))?;
        Ok(value)
    }

    fn get_decoded<M: Decoded>(&self, key: &str) -> Result<Option<Rc<M>>, StateError> {
        let known = self.decoded.borrow().get(key).cloned();
        if let Some((bytes, message)) = known
            && let Ok(message) = message.downcast()
        {
            self.take_read(bytes)?;
            return Ok(Some(message));
        }
        let Some(bytes) = self.get_raw(key)? else { return Ok(None) };
        let message = Rc::new(decode::<M>(key, &bytes)?);
        self.decoded.borrow_mut().insert(key.to_owned(), (bytes.len(), message.clone()));
        Ok(Some(message))
    }

    fn scan(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<(String, Vec<u8>)>, StateError> {
        self.meter.take(gas::SCAN)?;
        let found = self.entries(prefix, after, self.most_entries(limit))?;
        found.iter().try_for_each(|(_, value)| self.take_read(value.len()))?;
        Ok(found)
    }
}

impl<B: StateRead> ChangeLog<'_, B> {
    /// What [`StateRead::scan`] finds, of what is changed and of what lies below.
    fn entries(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<(String, Vec<u8>)>, StateError> {
        let range = self.changes.range::<str, _>((scan_start(prefix, after), Bound::Unbounded));
        let mut changed = range.take_while(|(key, _)| key.starts_with(prefix)).peekable();
        let mut found = Vec::new();
        let mut behind = after.map(str::to_owned);
        while found.len() < limit {
            let asked = limit.saturating_sub(found.len());
            let page = self.base.scan(prefix, behind.as_deref(), asked)?;
            let last_page = page.len() < asked;
            behind = page.last().map(|(key, _)| key.clone());
            for (key, value) in page {
                while found.len() < limit
                    && let Some((new, change)) = changed.next_if(|(new, _)| **new < key)
                {
                    found.extend(change.clone().map(|value| (new.clone(), value)));
                }
                if found.len() >= limit {
                    return Ok(found);
                }
                let value =
                    changed.next_if(|(same, _)| **same == key).map_or(Some(value), |(_, change)| change.clone());
                found.extend(value.map(|value| (key, value)));
            }
            if last_page {
                let rest = changed.filter_map(|(key, change)| change.clone().map(|value| (key.clone(), value)));
                found.extend(rest.take(limit.saturating_sub(found.len())));
                break;
            }
        }
        Ok(found)
    }
}

impl<B: StateRead> StateWrite for ChangeLog<'_, B> {
    fn set_raw(&mut self, key: String, value: Option<Vec<u8>>) {
        let bytes = key.len().saturating_add(value.as_ref().map_or(0, Vec::len)) as u64;
        let write = if is_derived(&key) { gas::WRITE_DERIVED } else { gas::WRITE };
        self.meter.count(write.saturating_add(gas::WRITE_BYTE.saturating_mul(bytes)));
        self.decoded.get_mut().remove(&key);
        let before = self.changes.insert(key.clone(), value);
        self.undo.push((key, before));
    }
}

impl<B: StateRead> StateAttempt for ChangeLog<'_, B> {
    fn attempt<T, E>(&mut self, act: impl FnOnce(&mut Self) -> Result<T, E>) -> Result<T, E> {
        let before = self.checkpoint();
        act(self).inspect_err(|_| self.revert_to(before))
    }
}
