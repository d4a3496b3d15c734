//! Idempotency keys: an upload that is sent again with the same key is answered, not repeated.

use redb::WriteTransaction;

use super::{LocalStore, table};
use crate::error::ServiceResult;

const TABLE: table::Table = redb::TableDefinition::new("idempotency");

/// What a key was used for.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct StoredReply {
    /// Fingerprint of the request: the same key with another request is refused.
    pub request: String,
    /// The answer given then.
    pub reply: serde_json::Value,
}

pub(super) fn create(tx: &WriteTransaction) -> ServiceResult<()> {
    table::create(tx, TABLE)
}

impl LocalStore {
    /// Remembers the answer to the request with `key`.
    ///
    /// # Errors
    /// When the private store cannot be read or written; then nothing has changed.
    pub fn put_reply(&self, key: &str, reply: &StoredReply) -> ServiceResult<()> {
        self.write(|tx| table::put(tx, TABLE, key.as_bytes(), reply))
    }

    /// The answer given to `key` before.
    ///
    /// # Errors
    /// When the private store cannot be read.
    pub fn reply(&self, key: &str) -> ServiceResult<Option<StoredReply>> {
        self.read(|tx| table::get(tx, TABLE, key.as_bytes()))
    }
}
