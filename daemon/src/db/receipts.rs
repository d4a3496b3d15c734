//! The receipts this node issued, by number.

use datanet_types::ReceiptId;
use redb::WriteTransaction;

use super::{LocalStore, table};
use crate::error::ServiceResult;

const TABLE: table::Table = redb::TableDefinition::new("receipts");

pub(super) fn create(tx: &WriteTransaction) -> ServiceResult<()> {
    table::create(tx, TABLE)
}

pub(super) fn insert(tx: &WriteTransaction, sequence: u64, id: &ReceiptId) -> ServiceResult<()> {
    table::put(tx, TABLE, &sequence.to_be_bytes(), id)
}

impl LocalStore {
    /// Whether the receipt of this number was recorded.
    ///
    /// # Errors
    /// When the private store cannot be read.
    pub fn has_receipt(&self, number: u64) -> ServiceResult<bool> {
        Ok(self.read(|tx| table::get::<ReceiptId>(tx, TABLE, &number.to_be_bytes()))?.is_some())
    }

    /// Ids of the latest receipts, newest first.
    ///
    /// # Errors
    /// When the private store cannot be read.
    pub fn latest_receipts(&self, limit: usize) -> ServiceResult<Vec<(u64, ReceiptId)>> {
        let latest: Vec<(Vec<u8>, ReceiptId)> = self.read(|tx| table::latest(tx, TABLE, limit))?;
        let number = |key: &[u8]| key.try_into().map_or(0, u64::from_be_bytes);
        Ok(latest.into_iter().map(|(key, id)| (number(&key), id)).collect())
    }
}
