//! Reading the committed state.

use datanet_types::tx::TxHash;

use crate::app::CommitInfo;
use crate::state::{StateError, StateRead};
use crate::store::{Head, Proof, Snapshot, StoreError, TxRecord};

/// A consistent view of one committed state: all reads through one reader see the same height. Take a new one for each
/// request; an old one keeps disk pages from being reused.
#[derive(Debug, Clone)]
pub struct LedgerReader {
    snapshot: Snapshot,
}

impl LedgerReader {
    pub(crate) fn new(snapshot: Snapshot) -> Self {
        Self { snapshot: snapshot.aside() }
    }

    /// Where the chain stands.
    pub(crate) fn head(&self) -> &Head {
        self.snapshot.head()
    }

    /// Name of the chain; empty before the first commit.
    pub fn chain_id(&self) -> &str {
        &self.snapshot.head().chain_id
    }

    /// The height read; 0 before the first commit.
    pub fn height(&self) -> u64 {
        self.snapshot.head().height
    }

    /// Time of the last block of what is read, in seconds since 1970: what deadlines are compared with.
    pub fn block_seconds(&self) -> u64 {
        u64::try_from(self.snapshot.head().time_seconds).unwrap_or(0)
    }

    /// Root of the state read.
    pub fn app_hash(&self) -> [u8; 32] {
        self.snapshot.head().app_hash()
    }

    /// Height, app hash and time of the state read.
    pub fn commit_info(&self) -> CommitInfo {
        let head = self.snapshot.head();
        CommitInfo { height: head.height, app_hash: head.app_hash(), time_seconds: head.time_seconds }
    }

    /// The value of `key` at `height` (`None`: the height read) with an ICS23 proof of it or of its absence. The last
    /// [`crate::store::KEPT_VERSIONS`] blocks that changed something can be proved.
    ///
    /// # Errors
    /// [`StoreError::NotInTree`] for a key of derived state, [`StoreError::NoSuchHeight`] when the state of `height` is not kept any more or not there yet, or when the store
    /// cannot be read.
    pub fn prove(&self, key: &str, height: Option<u64>) -> Result<Proof, StoreError> {
        self.snapshot.prove(key, height)
    }

    /// The result of a transaction, if this node executed it in one of the last [`KEPT_RESULTS`](crate::store::KEPT_RESULTS) blocks.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn tx_result(&self, hash: &TxHash) -> Result<Option<TxRecord>, StoreError> {
        self.snapshot.tx_result(&hash.0)
    }
}

impl StateRead for LedgerReader {
    fn get_raw(&self, key: &str) -> Result<Option<Vec<u8>>, StateError> {
        self.snapshot.get_raw(key)
    }

    fn scan(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<(String, Vec<u8>)>, StateError> {
        self.snapshot.scan(prefix, after, limit)
    }
}
