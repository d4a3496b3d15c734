//! A consistent view of one committed state.

use std::ops::Bound;
use std::sync::Arc;

use redb::{Database, ReadOnlyTable, ReadableDatabase, ReadableTable};

use super::tables::{CURRENT, HEAD, HISTORY, META, NODES, PREIMAGES, RESULTS, Replaced, Replacement, VERSIONS};
use super::{Head, NO_VERSION, StoreError, TreeUpdate, TxRecord, merkle};
use crate::state::{Changes, StateError, StateRead};

pub(super) struct Tables {
    pub(super) current: ReadOnlyTable<&'static str, &'static [u8]>,
    pub(super) preimages: ReadOnlyTable<[u8; 32], &'static str>,
    pub(super) nodes: ReadOnlyTable<&'static [u8], &'static [u8]>,
    pub(super) history: ReadOnlyTable<Replacement, Replaced>,
    pub(super) versions: ReadOnlyTable<u64, u64>,
    results: ReadOnlyTable<[u8; 32], &'static [u8]>,
}

/// The state as of one commit; cheap to clone, unmoved by later commits. Long-lived snapshots keep old pages from
/// being reused: hold one for a request, not for a life.
#[derive(Clone)]
pub struct Snapshot {
    head: Arc<Head>,
    pub(super) tables: Arc<Tables>,
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Snapshot").field("head", &self.head).finish_non_exhaustive()
    }
}

impl Snapshot {
    pub(super) fn open(database: &Database) -> Result<Self, StoreError> {
        let read = database.begin_read()?;
        let head = match read.open_table(META)?.get(HEAD)? {
            Some(bytes) => Head::read(bytes.value())?,
            None => Head::empty(),
        };
        let tables = Tables {
            current: read.open_table(CURRENT)?,
            preimages: read.open_table(PREIMAGES)?,
            nodes: read.open_table(NODES)?,
            history: read.open_table(HISTORY)?,
            versions: read.open_table(VERSIONS)?,
            results: read.open_table(RESULTS)?,
        };
        Ok(Self { head: Arc::new(head), tables: Arc::new(tables) })
    }

    /// Where the chain stands.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// The result of a transaction executed in one of the last [`KEPT_RESULTS`](super::KEPT_RESULTS) blocks.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn tx_result(&self, hash: &[u8; 32]) -> Result<Option<TxRecord>, StoreError> {
        self.tables.results.get(hash)?.map(|bytes| TxRecord::read(bytes.value())).transpose()
    }

    /// What of `changes` differs from this state.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn net(&self, changes: Changes) -> Result<Changes, StateError> {
        let mut net = Changes::new();
        for (key, value) in changes {
            if self.get_raw(&key)? != value {
                net.insert(key, value);
            }
        }
        Ok(net)
    }

    /// The tree after `changes` (as of [`Snapshot::net`]); `None` if there are none.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn tree_update(&self, changes: &Changes) -> Result<Option<TreeUpdate>, StoreError> {
        if changes.is_empty() {
            return Ok(None);
        }
        let version = self.head.next_version();
        let (root, batch) = merkle::update(self, changes, version)?;
        Ok(Some(TreeUpdate { version, batch, root }))
    }

    /// The value of `key` at `height` (`None`: this one) with an ICS23 proof of it, or of its absence.
    ///
    /// # Errors
    /// [`StoreError::NoSuchHeight`] when the state of `height` is not kept any more or not there yet, or when the store
    /// cannot be read.
    pub fn prove(&self, key: &str, height: Option<u64>) -> Result<merkle::Proof, StoreError> {
        let height = height.unwrap_or(self.head.height);
        let version = self.version_at(height)?;
        merkle::prove(self, key, version, height)
    }

    fn version_at(&self, height: u64) -> Result<u64, StoreError> {
        let (last, first) = (self.head.height, self.first_kept()?);
        let missing = StoreError::NoSuchHeight { height, first, last };
        if self.head.version == NO_VERSION || height > last || height < first {
            return Err(missing);
        }
        for entry in self.tables.versions.iter()?.rev() {
            let (version, since) = entry?;
            if since.value() <= height {
                return Ok(version.value());
            }
        }
        Err(missing)
    }

    fn first_kept(&self) -> Result<u64, StoreError> {
        Ok(self.tables.versions.first()?.map_or(0, |(_, height)| height.value()))
    }

    pub(super) fn current(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.tables.current.get(key)?.map(|value| value.value().to_vec()))
    }

    fn range(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        let start = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        let mut found = Vec::new();
        for entry in self.tables.current.range::<&str>((start, Bound::Unbounded))? {
            let (key, value) = entry?;
            if found.len() >= limit || !key.value().starts_with(prefix) {
                break;
            }
            found.push((key.value().to_owned(), value.value().to_vec()));
        }
        Ok(found)
    }
}

impl StateRead for Snapshot {
    fn get_raw(&self, key: &str) -> Result<Option<Vec<u8>>, StateError> {
        Ok(self.current(key)?)
    }

    fn scan(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<(String, Vec<u8>)>, StateError> {
        Ok(self.range(prefix, after, limit)?)
    }
}
