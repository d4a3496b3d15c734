//! Vouchers that are spoken for, and answers that were paid: so that one payment is good for one answer, and for that one
//! again and again.

use datanet_types::{Amount, ChannelId, Digest, ReceiptId};
use redb::WriteTransaction;

use super::{LocalStore, now, table};
use crate::error::ServiceResult;

/// Channel to the question that its next voucher is bound to.
const BOUND: table::Table = redb::TableDefinition::new("bound_vouchers");
/// Channel and amount to the answer that the voucher of that amount has paid.
const PAID: table::Table = redb::TableDefinition::new("paid_answers");

/// How long a voucher stays bound to its question after the node has died over it, in seconds. Part of the answer may have been
/// seen, so it is not good for another one at once; a payer who has lost the question waits so long.
const BINDING: u64 = 600;

/// What a voucher is bound to.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Bound {
    /// The voucher's amount.
    pub cumulative: Amount,
    /// Hash of what was asked.
    pub asked: Digest,
    /// Seconds since 1970.
    at: u64,
}

/// An answer that was paid.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct PaidAnswer {
    /// Hash of what was asked.
    pub asked: Digest,
    /// Its receipt.
    pub receipt: ReceiptId,
}

pub(super) fn create(tx: &WriteTransaction) -> ServiceResult<()> {
    [BOUND, PAID].into_iter().try_for_each(|name| table::create(tx, name))
}

fn place(channel: &ChannelId, cumulative: Amount) -> Vec<u8> {
    [channel.0.as_slice(), &cumulative.to_be_bytes()].concat()
}

/// In the transaction that records the answer: the voucher is bound no more, and its answer can be had again.
pub(super) fn put_paid(
    tx: &WriteTransaction,
    channel: &ChannelId,
    cumulative: Amount,
    paid: &PaidAnswer,
) -> ServiceResult<()> {
    table::remove(tx, BOUND, &channel.0)?;
    table::put(tx, PAID, &place(channel, cumulative), paid)
}

impl LocalStore {
    /// Binds the voucher of `cumulative` on `channel` to what was `asked`; gives what it is bound to already, if that is
    /// something else and not given up yet.
    ///
    /// # Errors
    /// When the private store cannot be read or written; then nothing has changed.
    pub fn bind_voucher(
        &self,
        channel: &ChannelId,
        cumulative: Amount,
        asked: Digest,
    ) -> ServiceResult<Result<(), Bound>> {
        let at = now();
        self.write(|tx| {
            let bound: Option<Bound> = table::get_in(tx, BOUND, &channel.0)?;
            let holds = |bound: &Bound| {
                bound.cumulative == cumulative && bound.asked != asked && at.saturating_sub(bound.at) < BINDING
            };
            if let Some(bound) = bound.filter(holds) {
                return Ok(Err(bound));
            }
            table::put(tx, BOUND, &channel.0, &Bound { cumulative, asked, at }).map(Ok)
        })
    }

    /// The voucher is good for any question again: its answer has failed.
    ///
    /// # Errors
    /// When the private store cannot be read or written; then nothing has changed.
    pub fn unbind_voucher(&self, channel: &ChannelId) -> ServiceResult<()> {
        self.write(|tx| table::remove(tx, BOUND, &channel.0))
    }

    /// The answer that the voucher of `cumulative` on `channel` has paid.
    ///
    /// # Errors
    /// When the private store cannot be read.
    pub fn paid_answer(&self, channel: &ChannelId, cumulative: Amount) -> ServiceResult<Option<PaidAnswer>> {
        self.read(|tx| table::get(tx, PAID, &place(channel, cumulative)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_voucher_is_bound_to_its_question_across_restarts_until_it_fails() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("local.redb");
        let (channel, one, other) = (ChannelId([1; 32]), Digest([1; 32]), Digest([2; 32]));
        let store = LocalStore::open(&path).unwrap();
        assert!(store.bind_voucher(&channel, 100, one).unwrap().is_ok());
        drop(store);
        let store = LocalStore::open(&path).unwrap();
        assert!(store.bind_voucher(&channel, 100, one).unwrap().is_ok(), "the same question goes on");
        assert_eq!(store.bind_voucher(&channel, 100, other).unwrap().unwrap_err().asked, one);
        assert!(store.bind_voucher(&ChannelId([2; 32]), 100, other).unwrap().is_ok(), "another channel");
        store.unbind_voucher(&channel).unwrap();
        assert!(store.bind_voucher(&channel, 100, other).unwrap().is_ok());
    }
}
