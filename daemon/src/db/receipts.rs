//! The receipts this node issued, by number.

use datanet_types::{Address, Amount, ReceiptId};
use redb::WriteTransaction;

use super::{LocalStore, table};
use crate::error::ServiceResult;

const TABLE: table::Table = redb::TableDefinition::new("receipts");
/// So many of the latest are looked at for those of some payers.
const LOOKED_AT: usize = 10_000;

/// A receipt as it is listed.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Issued {
    /// Its id.
    pub id: ReceiptId,
    /// Base units.
    pub fee: Amount,
    /// Whose channel paid; none if it was free.
    pub payer: Option<Address>,
}

pub(super) fn create(tx: &WriteTransaction) -> ServiceResult<()> {
    table::create(tx, TABLE)
}

pub(super) fn insert(tx: &WriteTransaction, sequence: u64, issued: &Issued) -> ServiceResult<()> {
    table::put(tx, TABLE, &sequence.to_be_bytes(), issued)
}

impl LocalStore {
    /// Whether the receipt of this number was recorded.
    ///
    /// # Errors
    /// When the private store cannot be read.
    pub fn has_receipt(&self, number: u64) -> ServiceResult<bool> {
        Ok(self.read(|tx| table::get::<Issued>(tx, TABLE, &number.to_be_bytes()))?.is_some())
    }

    /// The latest receipts, newest first.
    ///
    /// # Errors
    /// When the private store cannot be read.
    pub fn latest_receipts(&self, limit: usize) -> ServiceResult<Vec<(u64, Issued)>> {
        let latest: Vec<(Vec<u8>, Issued)> = self.read(|tx| table::latest(tx, TABLE, limit))?;
        let number = |key: &[u8]| key.try_into().map_or(0, u64::from_be_bytes);
        Ok(latest.into_iter().map(|(key, issued)| (number(&key), issued)).collect())
    }

    /// Those of the latest [`LOOKED_AT`] that one of `payers` paid for, newest first.
    ///
    /// # Errors
    /// When the private store cannot be read.
    pub fn receipts_of(&self, payers: &[Address], limit: usize) -> ServiceResult<Vec<(u64, Issued)>> {
        let paid_by = |issued: &Issued| issued.payer.is_some_and(|payer| payers.contains(&payer));
        let latest = self.latest_receipts(LOOKED_AT)?.into_iter();
        Ok(latest.filter(|(_, issued)| paid_by(issued)).take(limit).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_paid_sees_his_own_the_newest_first_and_nobody_elses() {
        let (_dir, store) = crate::db::accruals::tests::store();
        let payer = |n: u64| (!n.is_multiple_of(3)).then_some(Address([(n % 3) as u8; 20]));
        let issued = |n: u64| Issued { id: ReceiptId([n as u8; 32]), fee: n, payer: payer(n) };
        store.write(|tx| (1..=9).try_for_each(|n| insert(tx, n, &issued(n)))).unwrap();
        let of = |payers: &[u8], limit| -> Vec<u64> {
            let payers: Vec<_> = payers.iter().map(|n| Address([*n; 20])).collect();
            store.receipts_of(&payers, limit).unwrap().into_iter().map(|(number, _)| number).collect()
        };
        assert_eq!(of(&[1], 10), [7, 4, 1]);
        assert_eq!(of(&[1, 2], 3), [8, 7, 5]);
        assert!(of(&[3], 10).is_empty() && of(&[], 10).is_empty());
        assert_eq!(store.latest_receipts(2).unwrap(), [(9, issued(9)), (8, issued(8))]);
    }
}
