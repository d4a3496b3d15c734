//! A consistent view of one committed state.

use std::ops::Bound;
use std::sync::Arc;

use redb::{Database, ReadOnlyTable, ReadableDatabase, ReadableTable};

use super::recent::Recent;
use super::tables::{CURRENT, HEAD, META, NODES, RESULT_PLACES, RESULTS, VERSIONS};
use super::{Head, NO_VERSION, StoreError, TreeUpdate, TxRecord, merkle, update};
use crate::state::{Changes, StateError, StateRead, is_derived, scan_start};

pub(super) struct Tables {
    current: ReadOnlyTable<&'static [u8], &'static [u8]>,
    pub(super) nodes: ReadOnlyTable<&'static [u8], &'static [u8]>,
    versions: ReadOnlyTable<u64, u64>,
    results: ReadOnlyTable<u64, &'static [u8]>,
    result_places: ReadOnlyTable<[u8; 32], (u64, u32)>,
}

/// The state as of one commit; cheap to clone, unmoved by later commits. Long-lived snapshots keep old pages from
/// being reused: hold one for a request, not for a life.
#[derive(Clone)]
pub struct Snapshot {
    head: Arc<Head>,
    pub(super) tables: Arc<Tables>,
    pub(super) recent: Arc<Recent>,
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Snapshot").field("head", &self.head).finish_non_exhaustive()
    }
}

impl Snapshot {
    pub(super) fn open(database: &Database, recent: Recent) -> Result<Self, StoreError> {
        let read = database.begin_read()?;
        let head = match read.open_table(META)?.get(HEAD)? {
            Some(bytes) => Head::read(bytes.value())?,
            None => Head::empty(),
        };
        let tables = Tables {
            current: read.open_table(CURRENT)?,
            nodes: read.open_table(NODES)?,
            versions: read.open_table(VERSIONS)?,
            results: read.open_table(RESULTS)?,
            result_places: read.open_table(RESULT_PLACES)?,
        };
        Ok(Self { head: Arc::new(head), tables: Arc::new(tables), recent: Arc::new(recent) })
    }

    /// The same state for whoever reads on behalf of others: what they ask for is not remembered.
    pub(crate) fn aside(&self) -> Self {
        Self { recent: Arc::default(), ..self.clone() }
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
        let Some(place) = self.tables.result_places.get(hash)? else { return Ok(None) };
        let (height, at) = place.value();
        let block = self.tables.results.get(height)?;
        let block = block.ok_or_else(|| StoreError::Corrupt(format!("the results of block {height} are missing")))?;
        TxRecord::read_at(block.value(), at, height).map(Some)
    }

    /// The tree after `changes`, no entry of which may repeat what is there already; `None` if none is to authenticated state.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn tree_update(&self, changes: &Changes) -> Result<Option<TreeUpdate>, StoreError> {
        let authenticated = changes.iter().filter(|(key, _)| !is_derived(key));
        let mut authenticated = authenticated.map(|(key, value)| (key.as_str(), value.as_deref())).peekable();
        if authenticated.peek().is_none() {
            return Ok(None);
        }
        update::update(self, authenticated, self.head.next_version()).map(Some)
    }

    /// The value of `key` at `height` (`None`: this one) with an ICS23 proof of it, or of its absence.
    ///
    /// # Errors
    /// [`StoreError::NotInTree`] for a key of derived state, [`StoreError::NoSuchHeight`] when the state of `height` is not kept
    /// any more or not there yet, or when the store cannot be read.
    pub fn prove(&self, key: &str, height: Option<u64>) -> Result<merkle::Proof, StoreError> {
        if is_derived(key) {
            return Err(StoreError::NotInTree { key: key.to_owned() });
        }
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

    fn current(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.tables.current.get(key.as_bytes())?.map(|value| value.value().to_vec()))
    }

    fn range(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        let start = scan_start(prefix, after).map(str::as_bytes);
        let mut found = Vec::new();
        for entry in self.tables.current.range::<&[u8]>((start, Bound::Unbounded))? {
            let (key, value) = entry?;
            if found.len() >= limit || !key.value().starts_with(prefix.as_bytes()) {
                break;
            }
            let key = String::from_utf8(key.value().to_vec());
            let key = key.map_err(|error| StoreError::Corrupt(format!("a key that is no text: {error}")))?;
            found.push((key, value.value().to_vec()));
        }
        Ok(found)
    }
}

impl StateRead for Snapshot {
    fn get_raw(&self, key: &str) -> Result<Option<Vec<u8>>, StateError> {
        if let Some(known) = self.recent.get(key) {
            return Ok(known);
        }
        let value = self.current(key)?;
        self.recent.put(key, value.as_deref());
        Ok(value)
    }

    fn scan(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<(String, Vec<u8>)>, StateError> {
        Ok(self.range(prefix, after, limit)?)
    }
}
