//! What this node knows for itself and must not lose: its hidden judgements, its idempotency keys, the vouchers it
//! was given and what it owes for its answers, the models it makes and serves. One redb file; every acknowledged fact is durable first.
//!
//! Nothing here is consensus: the ledger would be the same without it, this node would be poorer.

mod table;

pub mod accruals;
pub mod deployments;
pub mod idempotency;
pub mod jobs;
pub mod judgements;
pub mod pulled;
pub mod receipts;
pub mod reservations;
pub mod settling;

use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use redb::ReadableDatabase;
use tokio::runtime::{Handle, RuntimeFlavor};

use crate::error::{Code, ServiceError, ServiceResult};

/// The node's private store; clones share it.
#[derive(Clone)]
pub struct LocalStore {
    db: Arc<redb::Database>,
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
        let db = redb::Database::builder().set_cache_size(8 * 1024 * 1024).create(path).map_err(failed)?;
        let store = Self { db: Arc::new(db) };
        store.write(|tx| {
            judgements::create(tx)?;
            idempotency::create(tx)?;
            receipts::create(tx)?;
            reservations::create(tx)?;
            accruals::create(tx)?;
            settling::create(tx)?;
            jobs::create(tx)?;
            deployments::create(tx)?;
            pulled::create(tx)
        })?;
        Ok(store)
    }

    /// Runs `f` in one transaction that is durable when this returns; an error leaves nothing behind.
    fn write<T>(&self, f: impl FnOnce(&redb::WriteTransaction) -> ServiceResult<T>) -> ServiceResult<T> {
        may_block(|| {
            let tx = self.db.begin_write().map_err(failed)?;
            let value = f(&tx)?;
            tx.commit().map_err(failed)?;
            Ok(value)
        })
    }

    fn read<T>(&self, f: impl FnOnce(&redb::ReadTransaction) -> ServiceResult<T>) -> ServiceResult<T> {
        f(&self.db.begin_read().map_err(failed)?)
    }
}
