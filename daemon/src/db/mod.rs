//! What this node knows for itself and must not lose: its hidden judgements and findings, its idempotency keys, the vouchers it
//! was given, what became of each payment, and what it owes for its answers, the models it makes and serves, its API keys. One redb file; every acknowledged fact is durable first.
//!
//! Nothing here is consensus: the ledger would be the same without it, this node would be poorer.

mod commit;
mod table;

pub mod accruals;
pub mod asked;
pub mod deployments;
pub mod findings;
pub mod idempotency;
pub mod jobs;
pub mod judgements;
pub mod payments;
pub mod pulled;
pub mod receipts;
pub mod settling;
pub mod tokens;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use datanet_types::Digest;
use redb::{Database, DatabaseError, ReadableDatabase};
use tokio::runtime::{Handle, RuntimeFlavor};

use crate::error::{Code, ServiceError, ServiceResult};

/// The node's private store; clones share it.
#[derive(Clone)]
pub struct LocalStore {
    path: PathBuf,
    /// Nothing after a write that failed, on a full disk perhaps: the database refuses everything from then on, so it is
    /// let go, and opened again by whoever asks next.
    db: Arc<Mutex<Option<Arc<Database>>>>,
    /// What waits to be written together.
    writes: commit::Writes,
    /// Transactions written so far, for tests of how often the disk is waited for.
    commits: Arc<AtomicU64>,
}

impl std::fmt::Debug for LocalStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LocalStore")
    }
}

fn failed(error: impl std::fmt::Display) -> ServiceError {
    let text = error.to_string();
    if text.contains("No space left") {
        return ServiceError::new(Code::DiskFull, "the disk is full; free space and try again");
    }
    ServiceError::new(Code::LocalStore, format!("the node's private store failed: {text}"))
}

/// Seconds since 1970, for people.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// 32 random bytes that hide what this node commits to.
///
/// # Errors
/// When the system gives no randomness.
pub fn salt() -> ServiceResult<Digest> {
    let mut salt = [0; 32];
    getrandom::fill(&mut salt)
        .map_err(|error| ServiceError::new(Code::NoRandomness, format!("the system gives no randomness: {error}")))?;
    Ok(Digest(salt))
}

/// Runs what waits for the disk, and lets other tasks of this thread go elsewhere meanwhile.
fn may_block<T>(f: impl FnOnce() -> T) -> T {
    match Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(f),
        _ => f(),
    }
}

impl LocalStore {
    /// Opens or makes the store at `path`.
    ///
    /// # Errors
    /// When the file cannot be made, is damaged or open elsewhere ([`Code::LocalStore`]), or the disk is full
    /// ([`Code::DiskFull`]).
    pub fn open(path: &Path) -> ServiceResult<Self> {
        let db = opened(path)?;
        let db = Arc::new(Mutex::new(Some(Arc::new(db))));
        let store = Self { path: path.to_owned(), db, writes: commit::writes(), commits: Arc::default() };
        store.write(|tx| {
            findings::create(tx)?;
            judgements::create(tx)?;
            idempotency::create(tx)?;
            receipts::create(tx)?;
            asked::create(tx)?;
            payments::create(tx)?;
            accruals::create(tx)?;
            jobs::create(tx)?;
            deployments::create(tx)?;
            pulled::create(tx)?;
            tokens::create(tx)
        })?;
        Ok(store)
    }

    /// Runs `f` in one transaction that is durable when this returns; an error leaves nothing behind.
    fn write<T>(&self, f: impl FnOnce(&redb::WriteTransaction) -> ServiceResult<T>) -> ServiceResult<T> {
        may_block(|| {
            self.with(|db| {
                let tx = db.begin_write().map_err(failed)?;
                let value = f(&tx)?;
                tx.commit().map_err(failed)?;
                self.commits.fetch_add(1, Ordering::Relaxed);
                Ok(value)
            })
        })
    }

    fn read<T>(&self, f: impl FnOnce(&redb::ReadTransaction) -> ServiceResult<T>) -> ServiceResult<T> {
        self.with(|db| f(&db.begin_read().map_err(failed)?))
    }

    /// Runs `f` on the open database, and lets go of one that failed.
    fn with<T>(&self, f: impl FnOnce(&Database) -> ServiceResult<T>) -> ServiceResult<T> {
        let db = self.database()?;
        let result = f(&db);
        if let Err(error) = &result
            && matches!(error.code, Code::LocalStore | Code::DiskFull)
        {
            tracing::warn!(%error, "the node's private store is opened again");
            let mut open = self.db.lock().unwrap_or_else(PoisonError::into_inner);
            open.take_if(|open| Arc::ptr_eq(open, &db));
        }
        result
    }

    fn database(&self) -> ServiceResult<Arc<Database>> {
        let mut open = self.db.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(db) = &*open {
            return Ok(db.clone());
        }
        // One that is not there any more would be made anew, and empty.
        if !datanet_config::holds_something(&self.path) {
            return Err(failed(format!("{} is gone; stop the node and put it back", self.path.display())));
        }
        Ok(open.insert(Arc::new(opened(&self.path)?)).clone())
    }
}

fn opened(path: &Path) -> ServiceResult<Database> {
    redb::Database::builder().set_cache_size(8 * 1024 * 1024).create(path).map_err(|error| unopened(path, &error))
}

/// Why the store was not opened, by what mends it.
fn unopened(path: &Path, error: &DatabaseError) -> ServiceError {
    let path = path.display();
    let told = |detail: String| ServiceError::new(Code::LocalStore, detail);
    match error {
        DatabaseError::DatabaseAlreadyOpen => told(format!(
            "the private store {path} is taken: another node runs on this home, or this one lets go of it"
        )),
        DatabaseError::Storage(redb::StorageError::Io(io)) if io.kind() == std::io::ErrorKind::StorageFull => {
            failed(io)
        }
        // What is no database of redb's is told so as invalid data.
        DatabaseError::Storage(redb::StorageError::Io(io)) if io.kind() != std::io::ErrorKind::InvalidData => {
            told(format!("the private store {path} cannot be read: {io}; check its permissions and the disk"))
        }
        error => told(format!("the private store {path} is damaged or none ({error}); put it back from a backup")),
    }
}

#[cfg(test)]
mod tests {
    use datanet_types::ModelId;

    use super::*;

    #[test]
    fn a_store_that_is_none_is_named_with_the_way_on() {
        let dir = tempfile::tempdir().unwrap();
        let garbage = dir.path().join("local.redb");
        std::fs::write(&garbage, "not a database at all ".repeat(400)).unwrap();
        for (path, says) in [(garbage.as_path(), "is damaged or none"), (dir.path(), "cannot be read")] {
            let error = LocalStore::open(path).unwrap_err();
            assert!(error.detail.contains(&format!("{} {says}", path.display())), "{error}");
        }
        let _open = LocalStore::open(&dir.path().join("open.redb")).unwrap();
        let error = LocalStore::open(&dir.path().join("open.redb")).unwrap_err();
        assert!(error.detail.contains("another node"), "{error}");
    }

    #[test]
    fn a_store_whose_write_failed_is_opened_again_by_whoever_asks_next() {
        let dir = tempfile::tempdir().unwrap();
        let store = LocalStore::open(&dir.path().join("local.redb")).unwrap();
        let id = ModelId([7; 32]);
        store.keep_pulled(&id).unwrap();
        let full = || ServiceError::new(Code::DiskFull, "the disk is full");
        assert!(store.write(|_| Err::<(), _>(full())).is_err());
        assert!(store.db.lock().unwrap().is_none(), "a database that failed refuses everything from then on");
        assert_eq!(store.pulled().unwrap(), [id]);
        // Emptied meanwhile, it would begin anew.
        assert!(store.write(|_| Err::<(), _>(full())).is_err());
        std::fs::write(&store.path, "").unwrap();
        assert!(store.pulled().unwrap_err().detail.contains("is gone"));
    }
}
