//! A settlement under way, and what was settled before.
//!
//! A settlement freezes what has accrued, survives crashes, and is finished or sent again. A channel that can't pay
//! any more, because its payer has closed it, is left out: the rest must not wait for it for ever.

use std::collections::BTreeMap;

use datanet_ledger::component::settlement::MAX_VOUCHERS;
use datanet_types::epoch::EpochTotals;
use datanet_types::netting::Nets;
use datanet_types::settled_receipt::SettledReceipt;
use datanet_types::voucher::SignedVoucher;
use datanet_types::{Amount, ChannelId};
use redb::WriteTransaction;

use super::accruals::{self, Earning, EarningKey, EarningLine, META, Share};
use super::{LocalStore, asked, table};
use crate::error::ServiceResult;

const SETTLING: &[u8] = b"frozen";

/// A settlement under way: everything needed to send it again.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Settling {
    /// Its number.
    pub epoch: u64,
    /// What each channel pays for, ordered by channel.
    pub shares: Vec<Share>,
}

impl Settling {
    /// Sums over all channels.
    pub fn totals(&self) -> EpochTotals {
        let mut sum = EpochTotals::default();
        self.shares.iter().for_each(|share| sum.add(&share.totals));
        sum
    }

    /// The version of the chain's parameters that all of it was given under.
    pub fn params(&self) -> u64 {
        self.shares.first().map_or(0, |share| share.params)
    }

    /// Who earns by single answers, over all channels.
    pub fn lines(&self) -> Vec<EarningLine> {
        let mut sums: BTreeMap<EarningKey, Earning> = BTreeMap::new();
        for (key, earning) in self.shares.iter().flat_map(|share| &share.lines) {
            accruals::add_line(sums.entry(key.clone()).or_default(), earning);
        }
        sums.into_iter().collect()
    }

    /// What is netted, over all channels.
    pub fn nets(&self) -> Nets {
        let mut sum = Nets::default();
        self.shares.iter().for_each(|share| sum.merge(&share.nets));
        sum
    }

    /// The receipts of all answers, ordered by channel and amount.
    pub fn receipts(&self) -> Vec<SettledReceipt> {
        self.shares.iter().flat_map(|share| share.receipts.clone()).collect()
    }

    /// The vouchers to redeem, ordered by channel.
    pub fn vouchers(&self) -> Vec<SignedVoucher> {
        self.shares.iter().map(|share| share.voucher.clone()).collect()
    }

    /// Up to which amount each of their channels is charged; nothing where that is all that they promise.
    pub fn taken(&self) -> Vec<Amount> {
        let all = self.shares.iter().all(|share| share.taken() == share.voucher.cumulative);
        if all { Vec::new() } else { self.shares.iter().map(Share::taken).collect() }
    }
}

impl LocalStore {
    /// The settlement under way.
    ///
    /// # Errors
    /// When the private store cannot be read.
    pub fn settling(&self) -> ServiceResult<Option<Settling>> {
        self.read(|tx| table::get(tx, META, SETTLING))
    }

    /// Freezes what has accrued as settlement `epoch`, as much as one transaction takes. `charged` is what the ledger
    /// has charged on the channels that are open there, `cover` the fees that the node's stake answers for. `None` if nothing is there to
    /// charge.
    ///
    /// A settlement already under way is taken up again. Call this only if the ledger that `charged` was read from
    /// does not have it.
    ///
    /// # Errors
    /// When the private store cannot be read or written; then nothing has changed.
    pub fn begin_settlement(
        &self,
        epoch: u64,
        charged: &BTreeMap<ChannelId, Amount>,
        cover: Amount,
    ) -> ServiceResult<Option<Settling>> {
        self.write(|tx| {
            let (epoch, mut shares) = match table::get_in::<Settling>(tx, META, SETTLING)? {
                Some(settling) => (settling.epoch, payable(settling.shares, charged)),
                None => (epoch, Vec::new()),
            };
            // All of a full batch may be lost; what lies behind it is not.
            while shares.is_empty() {
                let taken = accruals::take(tx, MAX_VOUCHERS, cover)?;
                if taken.is_empty() {
                    table::remove(tx, META, SETTLING)?;
                    accruals::put_unsettled(tx)?;
                    return Ok(None);
                }
                shares = payable(taken, charged);
            }
            let settling = Settling { epoch, shares };
            table::put(tx, META, SETTLING, &settling)?;
            accruals::put_unsettled(tx)?;
            Ok(Some(settling))
        })
    }

    /// The settlement is on the ledger.
    ///
    /// # Errors
    /// When the private store cannot be read or written; then nothing has changed.
    pub fn finish_settlement(&self, epoch: u64) -> ServiceResult<()> {
        self.write(|tx| {
            let Some(settling) = table::get_in::<Settling>(tx, META, SETTLING)? else { return Ok(()) };
            if settling.epoch != epoch {
                return Ok(());
            }
            table::remove(tx, META, SETTLING)?;
            asked::add(tx, &settling.nets())?;
            accruals::put_unsettled(tx)
        })
    }
}

/// The settlement under way, as this transaction sees it.
pub(super) fn frozen(tx: &WriteTransaction) -> ServiceResult<Option<Settling>> {
    table::get_in(tx, META, SETTLING)
}

/// Those whose channel can pay what has accrued on it. The ledger takes all of a settlement or nothing.
fn payable(shares: Vec<Share>, charged: &BTreeMap<ChannelId, Amount>) -> Vec<Share> {
    let can_pay = |share: &Share| {
        let voucher = &share.voucher;
        let adds = charged.get(&voucher.channel).and_then(|charged| share.taken().checked_sub(*charged));
        let good = adds == Some(share.totals.fees);
        if !good {
            let (channel, fees) = (voucher.channel, share.totals.fees);
            tracing::warn!(%channel, fees, "the channel was closed before it was settled; what it owed is lost");
        }
        good
    };
    shares.into_iter().filter(can_pay).collect()
}

#[cfg(test)]
mod tests {
    use super::super::accruals::tests::{charge, record, store};
    use super::*;

    fn ledger(charged: &[(u16, Amount)]) -> BTreeMap<ChannelId, Amount> {
        charged.iter().map(|(n, amount)| (charge(*n, 0, 0).voucher.unwrap().channel, *amount)).collect()
    }

    #[test]
    fn a_settlement_freezes_survives_and_finishes_once() {
        let (_dir, store) = store();
        record(&store, &charge(1, 100, 100)).unwrap();
        let first = store.begin_settlement(1, &ledger(&[(1, 0)]), Amount::MAX).unwrap().unwrap();
        assert_eq!((first.totals().fees, first.lines()[0].1.amount), (100, 60));
        // An answer given meanwhile belongs to the next epoch; a repeated begin returns the same settlement.
        record(&store, &charge(1, 200, 100)).unwrap();
        assert_eq!(store.begin_settlement(1, &ledger(&[(1, 0)]), Amount::MAX).unwrap().unwrap(), first);
        store.finish_settlement(1).unwrap();
        store.finish_settlement(1).unwrap();
        let second = store.begin_settlement(2, &ledger(&[(1, 100)]), Amount::MAX).unwrap().unwrap();
        assert_eq!((second.totals().fees, second.lines()[0].1.amount), (100, 60), "of this epoch alone");
    }

    #[test]
    fn nothing_charged_is_nothing_to_settle() {
        let (_dir, store) = store();
        assert_eq!(store.begin_settlement(1, &BTreeMap::new(), Amount::MAX).unwrap(), None);
    }

    #[test]
    fn a_channel_that_its_payer_closed_does_not_hold_up_the_others() {
        let (_dir, store) = store();
        record(&store, &charge(1, 100, 100)).unwrap();
        record(&store, &charge(2, 100, 100)).unwrap();
        let settling = store.begin_settlement(1, &ledger(&[(2, 0)]), Amount::MAX).unwrap().unwrap();
        assert_eq!((settling.vouchers().len(), settling.totals().fees, settling.lines()[0].1.amount), (1, 100, 60));
    }

    #[test]
    fn a_channel_that_its_payer_closes_while_a_settlement_is_under_way_falls_out_of_it() {
        let (_dir, store) = store();
        record(&store, &charge(1, 100, 100)).unwrap();
        record(&store, &charge(2, 100, 100)).unwrap();
        let both = store.begin_settlement(1, &ledger(&[(1, 0), (2, 0)]), Amount::MAX).unwrap().unwrap();
        assert_eq!((both.totals().fees, both.lines()[0].1.answers), (200, 2));
        let one = store.begin_settlement(1, &ledger(&[(1, 0)]), Amount::MAX).unwrap().unwrap();
        assert_eq!((one.epoch, one.totals().fees, one.lines()[0].1.amount), (1, 100, 60));
        assert_eq!(store.begin_settlement(1, &BTreeMap::new(), Amount::MAX).unwrap(), None);
        assert_eq!(store.settling().unwrap(), None);
    }

    #[test]
    fn more_channels_than_one_transaction_takes_are_settled_one_after_the_other() {
        let (_dir, store) = store();
        let channels: Vec<(u16, Amount)> = (0..300).map(|n| (n, 0)).collect();
        for (n, _) in &channels {
            record(&store, &charge(*n, 100, 100)).unwrap();
        }
        let first = store.begin_settlement(1, &ledger(&channels), Amount::MAX).unwrap().unwrap();
        assert_eq!((first.vouchers().len(), first.totals().fees), (MAX_VOUCHERS, 25_600));
        store.finish_settlement(1).unwrap();
        let second = store.begin_settlement(2, &ledger(&channels), Amount::MAX).unwrap().unwrap();
        assert_eq!((second.vouchers().len(), second.lines()[0].1.amount), (300 - MAX_VOUCHERS, 2_640));
    }
}
