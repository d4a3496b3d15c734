//! Reading and writing state: ordered text keys, protobuf values.
//!
//! Components know only these traits. What stands behind them is a committed snapshot, a block's changes over it
//! ([`Overlay`]), one transaction's changes over those, or a map in memory.

use std::collections::BTreeMap;
use std::ops::Bound;

use prost::Message;

/// Why state could not be read. Always fatal: the store is broken, no transaction is at fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    /// The database failed.
    #[error("state store failed: {0}")]
    Store(String),
    /// A stored value does not decode.
    #[error("state under {key:?} does not decode: {reason}")]
    Corrupt {
        /// The key.
        key: String,
        /// What is wrong.
        reason: String,
    },
}

/// Read access.
pub trait StateRead {
    /// The raw value under `key`.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn get_raw(&self, key: &str) -> Result<Option<Vec<u8>>, StateError>;

    /// Up to `limit` entries whose key starts with `prefix` and is greater than `after` (if given), in key order.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn scan(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<(String, Vec<u8>)>, StateError>;

    /// The message under `key`.
    ///
    /// # Errors
    /// When the store cannot be read, or the value is no `M`.
    fn get<M: Message + Default>(&self, key: &str) -> Result<Option<M>, StateError> {
        self.get_raw(key)?.map(|bytes| decode(key, &bytes)).transpose()
    }

    /// The message under `key`, which must be there; `missing` says what is wrong if it is not.
    ///
    /// # Errors
    /// When the store cannot be read, there is no value, or it is no `M`.
    fn expect<M: Message + Default>(&self, key: String, missing: &str) -> Result<M, StateError> {
        self.get(&key)?.ok_or_else(|| StateError::Corrupt { key, reason: missing.to_owned() })
    }

    /// Up to `limit` messages under `prefix`, in key order, from behind `after`.
    ///
    /// # Errors
    /// When the store cannot be read, or a value is no `M`.
    fn list<M: Message + Default>(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, M)>, StateError> {
        let entries = self.scan(prefix, after, limit)?;
        entries.into_iter().map(|(key, bytes)| decode(&key, &bytes).map(|value| (key, value))).collect()
    }
}

/// Write access. Writes become visible to reads on the same state at once.
pub trait StateWrite: StateRead {
    /// Sets or (`None`) deletes.
    fn set_raw(&mut self, key: String, value: Option<Vec<u8>>);

    /// Stores a message.
    fn put<M: Message>(&mut self, key: String, value: &M) {
        self.set_raw(key, Some(value.encode_to_vec()));
    }

    /// Removes what is under `key`.
    fn delete(&mut self, key: String) {
        self.set_raw(key, None);
    }
}

fn decode<M: Message + Default>(key: &str, bytes: &[u8]) -> Result<M, StateError> {
    M::decode(bytes).map_err(|error| StateError::Corrupt { key: key.to_owned(), reason: error.to_string() })
}

/// Changes: new values, or `None` for deletions, by key.
pub type Changes = BTreeMap<String, Option<Vec<u8>>>;

/// Changes over a base that stays untouched until somebody applies them: a throw-away fork.
#[derive(Debug)]
pub struct Overlay<'a, S: StateRead + ?Sized> {
    base: &'a S,
    changes: Changes,
}

impl<'a, S: StateRead + ?Sized> Overlay<'a, S> {
    /// An overlay without changes.
    pub fn new(base: &'a S) -> Self {
        Self { base, changes: Changes::new() }
    }

    /// An overlay that starts with `changes`.
    pub fn with_changes(base: &'a S, changes: Changes) -> Self {
        Self { base, changes }
    }

    /// The changes made.
    pub fn into_changes(self) -> Changes {
        self.changes
    }
}

impl<S: StateRead + ?Sized> StateRead for Overlay<'_, S> {
    fn get_raw(&self, key: &str) -> Result<Option<Vec<u8>>, StateError> {
        match self.changes.get(key) {
            Some(change) => Ok(change.clone()),
            None => self.base.get_raw(key),
        }
    }

    fn scan(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<(String, Vec<u8>)>, StateError> {
        let changed = changes_under(&self.changes, prefix, after);
        // Every deletion may hide one entry of the base, so that many more are asked for.
        let hidden = changed.iter().filter(|(_, value)| value.is_none()).count();
        let base = self.base.scan(prefix, after, limit.saturating_add(hidden))?;
        let mut merged: BTreeMap<String, Option<Vec<u8>>> =
            base.into_iter().map(|(key, value)| (key, Some(value))).collect();
        merged.extend(changed.into_iter().map(|(key, value)| (key.clone(), value.clone())));
        Ok(merged.into_iter().filter_map(|(key, value)| value.map(|v| (key, v))).take(limit).collect())
    }
}

fn changes_under<'c>(
    changes: &'c Changes,
    prefix: &str,
    after: Option<&str>,
) -> Vec<(&'c String, &'c Option<Vec<u8>>)> {
    let start = match after {
        Some(after) if after >= prefix => Bound::Excluded(after.to_owned()),
        _ => Bound::Included(prefix.to_owned()),
    };
    changes.range((start, Bound::Unbounded)).take_while(|(key, _)| key.starts_with(prefix)).collect()
}

impl<S: StateRead + ?Sized> StateWrite for Overlay<'_, S> {
    fn set_raw(&mut self, key: String, value: Option<Vec<u8>>) {
        self.changes.insert(key, value);
    }
}

/// State in memory: for tests of components, and for simulating without a store.
#[derive(Debug, Clone, Default)]
pub struct MemoryState(pub BTreeMap<String, Vec<u8>>);

impl StateRead for MemoryState {
    fn get_raw(&self, key: &str) -> Result<Option<Vec<u8>>, StateError> {
        Ok(self.0.get(key).cloned())
    }

    fn scan(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<(String, Vec<u8>)>, StateError> {
        let start = match after {
            Some(after) if after >= prefix => Bound::Excluded(after.to_owned()),
            _ => Bound::Included(prefix.to_owned()),
        };
        let found = self.0.range((start, Bound::Unbounded)).take_while(|(key, _)| key.starts_with(prefix));
        Ok(found.take(limit).map(|(key, value)| (key.clone(), value.clone())).collect())
    }
}

impl StateWrite for MemoryState {
    fn set_raw(&mut self, key: String, value: Option<Vec<u8>>) {
        match value {
            Some(value) => self.0.insert(key, value),
            None => self.0.remove(&key),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base() -> MemoryState {
        let mut state = MemoryState::default();
        for key in ["a/1", "a/2", "a/3", "b/1"] {
            state.set_raw(key.into(), Some(key.as_bytes().to_vec()));
        }
        state
    }

    #[test]
    fn a_scan_sees_changes_and_deletions_over_the_base() {
        let base = base();
        let mut overlay = Overlay::new(&base);
        overlay.delete("a/1".into());
        overlay.set_raw("a/25".into(), Some(vec![9]));
        let keys = |after, limit| -> Vec<String> {
            overlay.scan("a/", after, limit).unwrap().into_iter().map(|(key, _)| key).collect()
        };
        assert_eq!(keys(None, 9), ["a/2", "a/25", "a/3"]);
        assert_eq!(keys(None, 1), ["a/2"]);
        assert_eq!(keys(Some("a/2"), 9), ["a/25", "a/3"]);
        assert_eq!(base.scan("a/", None, 9).unwrap().len(), 3);
    }
}
