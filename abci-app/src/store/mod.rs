//! Committed state on disk.
//!
//! One redb database holds the present (`current`), the Jellyfish Merkle tree over what of it is authenticated (`nodes`), and as
//! much of the past as proofs need: for each of the last [`KEPT_VERSIONS`] versions, the nodes that later versions replaced; a
//! leaf carries its key and value. A *version* counts the blocks that changed something in the tree; a block that changed nothing
//! moves only the height, and one that changed derived state alone ([`crate::state::DERIVED`]) that and the height.
//! Everything a block does reaches the disk in one durable transaction, in [`Store::commit`].

mod head;
mod merkle;
mod node;
mod recent;
mod record;
mod snapshot;
mod tables;
mod update;
mod write;

use std::path::Path;

use redb::{Builder, Database, DatabaseError, StorageBackend, StorageError};

use crate::state::{Changes, StateError};

pub use head::{Head, NO_VERSION};
pub use merkle::{Proof, spec};
pub use record::{Attribute, EventRecord, TxRecord};
pub use snapshot::Snapshot;

use recent::Recent;

/// How many versions of the tree stay provable.
pub const KEPT_VERSIONS: u64 = 256;

/// Blocks for which the results of transactions are remembered: as many as CometBFT takes evidence for, a hundred times as many as anybody can
/// wait for a transaction ([`datanet_types::tx::MAX_TTL`]).
pub const KEPT_RESULTS: u64 = 100_000;

/// Bytes of pages that redb may cache: small, because an idle node should be.
pub const CACHE_BYTES: usize = 32 * 1024 * 1024;

/// Why the store failed. Always fatal for the node.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process holds the database.
    #[error("the ledger database {path} is taken; another node runs on this home: stop it, or name another --home")]
    Taken {
        /// Where it is.
        path: String,
    },
    /// The database could not be opened.
    #[error("the ledger database {path} is damaged or none ({reason}); put it back from a backup")]
    Open {
        /// Where it is.
        path: String,
        /// What redb says.
        reason: String,
    },
    /// The file could not be read or written.
    #[error("the ledger database {path} cannot be read: {reason}; check free disk space, its permissions and the disk")]
    File {
        /// Where it is.
        path: String,
        /// What the system says.
        reason: String,
    },
    /// Reading or writing failed.
    #[error("ledger database failed: {0}; check free disk space and the disk itself")]
    Database(String),
    /// What was read makes no sense.
    #[error("ledger database is corrupt: {0}; restore it from a backup or sync the node anew")]
    Corrupt(String),
    /// Derived state has no proofs and no past.
    #[error(
        "{key:?} is derived state, which is not in the tree: it has no proof and no past; ask for its latest value, without a \
         proof"
    )]
    NotInTree {
        /// What was asked for.
        key: String,
    },
    /// The state of that height is not kept any more, or not there yet.
    #[error("no state for height {height}; heights {first} to {last} can be proved")]
    NoSuchHeight {
        /// What was asked for.
        height: u64,
        /// The first height with a proof.
        first: u64,
        /// The last.
        last: u64,
    },
}

macro_rules! from_redb {
    ($($error:ty),*) => {
        $(impl From<$error> for StoreError {
            fn from(error: $error) -> Self {
                Self::Database(error.to_string())
            }
        })*
    };
}
from_redb!(redb::StorageError, redb::TableError, redb::TransactionError, redb::CommitError, redb::DatabaseError);

impl From<StoreError> for StateError {
    fn from(error: StoreError) -> Self {
        Self::Store(error.to_string())
    }
}

/// The tree after a block, computed but not written.
#[derive(Debug)]
pub struct TreeUpdate {
    version: u64,
    /// New nodes as they are stored: [`tables::path_key`] and row.
    nodes: Vec<(Vec<u8>, Vec<u8>)>,
    /// The nodes that this version does not have any more, as in [`tables::STALE`].
    stale: Vec<u8>,
    /// Root of the tree: the app hash.
    pub root: [u8; 32],
}

/// All that a block leaves on disk.
#[derive(Debug)]
pub struct BlockWrite {
    /// The chain, height, time and app hash to record; its version is set by the store.
    pub head: Head,
    /// What changed: new values, or `None` for deletions. No entry may repeat what is there already
    /// ([`crate::state::ChangeLog::into_net`]).
    pub changes: Changes,
    /// The tree over the changes; `None` exactly if none is to authenticated state.
    pub tree: Option<TreeUpdate>,
    /// Results of the block's transactions, for look-ups by hash over [`KEPT_RESULTS`] blocks; not part of the state.
    pub results: Vec<([u8; 32], TxRecord)>,
}

/// The database.
#[derive(Debug)]
pub struct Store {
    database: Database,
}

impl Store {
    /// Opens the database at `path`, or makes an empty one.
    ///
    /// # Errors
    /// [`StoreError::File`] when the file cannot be made, [`StoreError::Open`] when it is no such database,
    /// [`StoreError::Taken`] when another process holds it; or when its tables cannot be made.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let database = builder().create(path).map_err(|error| unopened(path, &error))?;
        Self::with_tables(database)
    }

    /// The same on a disk of one's own: for those who want to see each write and each sync, or the moments between them.
    ///
    /// # Errors
    /// As [`Store::open`], less what concerns the file.
    pub fn open_on(disk: impl StorageBackend) -> Result<Self, StoreError> {
        Self::with_tables(builder().create_with_backend(disk)?)
    }

    fn with_tables(database: Database) -> Result<Self, StoreError> {
        tables::create(&database)?;
        Ok(Self { database })
    }

    /// The committed state, as it is now and stays in this value. What is read of it is remembered, and goes on with what is committed over it.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn snapshot(&self) -> Result<Snapshot, StoreError> {
        Snapshot::open(&self.database, Recent::empty())
    }

    /// Writes a block over `before` in one durable transaction and returns the state after it.
    ///
    /// # Errors
    /// When the store cannot be written or read back.
    pub fn commit(&self, before: &Snapshot, block: BlockWrite) -> Result<Snapshot, StoreError> {
        write::commit(&self.database, before, &block)?;
        Snapshot::open(&self.database, before.recent.after(block.changes))
    }
}

fn builder() -> Builder {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE_BYTES);
    builder
}

/// Why a database was not opened, by what mends it.
fn unopened(path: &Path, error: &DatabaseError) -> StoreError {
    let (path, reason) = (path.display().to_string(), error.to_string());
    match error {
        DatabaseError::DatabaseAlreadyOpen => StoreError::Taken { path },
        // What is no database of redb's is told so as invalid data.
        DatabaseError::Storage(StorageError::Io(io)) if io.kind() != std::io::ErrorKind::InvalidData => {
            StoreError::File { path, reason }
        }
        _ => StoreError::Open { path, reason },
    }
}

#[cfg(test)]
mod tests;
