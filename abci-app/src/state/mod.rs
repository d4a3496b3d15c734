//! Reading and writing state: ordered text keys, protobuf values.
//!
//! Components know only these traits. What stands behind them is a committed snapshot, what a block or the mempool changes over
//! it ([`ChangeLog`]), or a map in memory.
//!
//! State has two namespaces. What somebody may have to prove is *authenticated*: it is in the tree, and its past is kept for a
//! while. Indices and the memory against replay follow from the blocks like everything else and are read like everything else,
//! but nobody proves them: their keys begin with [`DERIVED`], and only a digest of what is written there reaches the tree
//! ([`crate::component::derived`]).

mod log;
#[cfg(test)]
mod tests;

use std::any::Any;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::rc::Rc;
use std::str::FromStr;

use prost::Message;

pub use log::{ChangeLog, Checkpoint};

/// What the keys of derived state begin with: they are in the store and not in the tree.
pub const DERIVED: &str = "derived/";

/// Whether `key` is one of derived state.
pub fn is_derived(key: &str) -> bool {
    key.starts_with(DERIVED)
}

/// Why state could not be read, or made no sense. But for gas no transaction is at fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    /// The database failed.
    #[error("state store failed: {0}")]
    Store(String),
    /// More was read and written than the gas allows: the one error here that is a transaction's fault, and that is never fatal, since
    /// nothing else is metered.
    #[error("out of gas")]
    OutOfGas,
    /// A stored value does not decode.
    #[error("state under {key:?} does not decode: {reason}")]
    Corrupt {
        /// The key.
        key: String,
        /// What is wrong.
        reason: String,
    },
    /// Records contradict each other: a fault in the ledger's rules, which all nodes meet at the same place. What was begun is taken
    /// back, and its component stops ([`crate::component::breaker`]).
    #[error("the ledger contradicts itself under {key:?}: {reason}")]
    Contradiction {
        /// The key of a record that is not there, or not as another says.
        key: String,
        /// What is wrong.
        reason: String,
    },
    /// It goes by rules that this program does not know.
    #[error(
        "the ledger goes on by version {theirs} of its rules, this program knows up to {ours}; install a newer one, which goes on from here"
    )]
    Newer {
        /// The version.
        theirs: u64,
        /// The latest known here.
        ours: u64,
    },
}

impl StateError {
    /// Whether the node must stop: the store is broken, here and perhaps nowhere else. A contradiction is everybody's.
    pub fn is_fatal(&self) -> bool {
        !matches!(self, Self::Contradiction { .. })
    }
}

/// A message that may be remembered beside its bytes.
pub trait Decoded: Message + Default + Any {}

impl<M: Message + Default + Any> Decoded for M {}

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

    /// The message under `key`, as [`StateRead::get`] finds it; a state that is read often decodes it once and again only when
    /// it was written.
    ///
    /// # Errors
    /// As [`StateRead::get`].
    fn get_decoded<M: Decoded>(&self, key: &str) -> Result<Option<Rc<M>>, StateError> {
        Ok(self.get(key)?.map(Rc::new))
    }

    /// The message under `key`, which must be there; `missing` says what is wrong if it is not.
    ///
    /// # Errors
    /// When the store cannot be read, there is no value, or it is no `M`.
    fn expect<M: Message + Default>(&self, key: String, missing: &str) -> Result<M, StateError> {
        self.get(&key)?.ok_or_else(|| StateError::Contradiction { key, reason: missing.to_owned() })
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

/// What stands between `prefix` and the next slash of a key, or its end.
///
/// # Errors
/// When `key` does not begin so, or what stands there is no `T`.
pub(crate) fn part_of_key<T: FromStr>(key: &str, prefix: &str) -> Result<T, StateError> {
    let part = key.strip_prefix(prefix).and_then(|rest| rest.split('/').next());
    part.and_then(|text| text.parse().ok()).ok_or_else(|| StateError::Corrupt {
        key: key.to_owned(),
        reason: format!("what follows {prefix:?} is not what belongs there"),
    })
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

/// State that can be taken back.
pub trait StateAttempt: StateWrite {
    /// Does `act`, and takes all that it wrote back if it fails.
    ///
    /// # Errors
    /// As `act`.
    fn attempt<T, E>(&mut self, act: impl FnOnce(&mut Self) -> Result<T, E>) -> Result<T, E>;
}

fn decode<M: Message + Default>(key: &str, bytes: &[u8]) -> Result<M, StateError> {
    M::decode(bytes).map_err(|error| StateError::Corrupt { key: key.to_owned(), reason: error.to_string() })
}

/// Changes: new values, or `None` for deletions, by key.
pub type Changes = BTreeMap<String, Option<Vec<u8>>>;

/// Where a scan of `prefix` from behind `after` begins.
pub(crate) fn scan_start<'a>(prefix: &'a str, after: Option<&'a str>) -> Bound<&'a str> {
    match after {
        Some(after) if after >= prefix => Bound::Excluded(after),
        _ => Bound::Included(prefix),
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
        let range = (scan_start(prefix, after), Bound::Unbounded);
        let found = self.0.range::<str, _>(range).take_while(|(key, _)| key.starts_with(prefix));
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

impl StateAttempt for MemoryState {
    fn attempt<T, E>(&mut self, act: impl FnOnce(&mut Self) -> Result<T, E>) -> Result<T, E> {
        let before = self.0.clone();
        act(self).inspect_err(|_| self.0 = before)
    }
}
