//! Taking out what has accrued, channel by channel, for a settlement.

use std::collections::BTreeMap;

use datanet_types::Amount;
use datanet_types::epoch::EpochTotals;
use datanet_types::netting::Nets;
use datanet_types::settled_receipt::{MAX_ANSWERS, SettledReceipt};
use datanet_types::voucher::SignedVoucher;
use redb::WriteTransaction;

use super::{EarningLine, META, RECEIPTS, TOTALS, UNSETTLED, VERSIONS, VOUCHERS, lines, nets};
use crate::db::{failed, settling, table};
use crate::error::ServiceResult;

/// What has accrued on one channel.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Share {
    /// The channel's latest voucher.
    pub voucher: SignedVoucher,
    /// Sums of the answers.
    pub totals: EpochTotals,
    /// Who earns by single answers.
    pub lines: Vec<EarningLine>,
    /// What is netted with the epoch.
    #[serde(default)]
    pub nets: Nets,
    /// The answers' receipts, in the order in which they were paid.
    pub receipts: Vec<SettledReceipt>,
    /// The version of the chain's parameters that they were given under.
    pub params: u64,
}

impl Share {
    /// Up to which amount its channel is charged: what the last of its answers came to.
    pub fn taken(&self) -> Amount {
        self.receipts.last().map_or(self.voucher.cumulative, |receipt| receipt.cumulative)
    }
}

/// Adds up anew what is not settled: at a start, and whenever a settlement begins, loses a channel or ends.
pub(in crate::db) fn put_unsettled(tx: &WriteTransaction) -> ServiceResult<()> {
    let all: Vec<(Vec<u8>, EpochTotals)> = table::all_in(tx, TOTALS)?;
    let frozen = settling::frozen(tx)?.map_or(0, |settling| settling.totals().fees);
    let fees = all.iter().map(|(_, totals)| totals.fees).fold(frozen, Amount::saturating_add);
    table::put(tx, META, UNSETTLED, &fees)
}

/// Takes out what has accrued on up to `limit` channels, ordered by channel, as far as it is of one version of the parameters, of the oldest
/// there is, and as many answers as an epoch has, and `cover` is enough for. One that does not fit keeps no other from it.
pub(in crate::db) fn take(tx: &WriteTransaction, limit: usize, cover: Amount) -> ServiceResult<Vec<Share>> {
    let totals: Vec<(Vec<u8>, EpochTotals)> = table::first_in(tx, TOTALS, &[], usize::MAX)?;
    let versions: BTreeMap<Vec<u8>, u64> = table::first_in::<u64>(tx, VERSIONS, &[], usize::MAX)?.into_iter().collect();
    let oldest = versions.values().min().copied().unwrap_or_default();
    let of_oldest = |channel: &Vec<u8>| versions.get(channel).copied().unwrap_or_default() == oldest;
    let (mut answers, mut fees): (u64, Amount) = (0, 0);
    let fitting = totals.into_iter().filter(|(channel, _)| of_oldest(channel)).filter(|(_, totals)| {
        let sums = (answers.saturating_add(totals.answers), fees.saturating_add(totals.fees));
        let fits = sums.0 <= MAX_ANSWERS && sums.1 <= cover;
        if fits {
            (answers, fees) = sums;
        }
        fits
    });
    fitting.take(limit).map(|(channel, totals)| take_one(tx, &channel, totals)).collect()
}

fn take_one(tx: &WriteTransaction, channel: &[u8], totals: EpochTotals) -> ServiceResult<Share> {
    let voucher = table::get_in(tx, VOUCHERS, channel)?
        .ok_or_else(|| failed("a channel has accrued without a voucher: the store is damaged. Serve on under a new key: an old copy would sign again for money that was signed for"))?;
    let (lines, nets) = (lines::take(tx, channel)?, nets::take(tx, channel)?);
    let mut receipts = Vec::new();
    for (key, receipt) in table::first_in(tx, RECEIPTS, channel, usize::MAX)? {
        table::remove(tx, RECEIPTS, &key)?;
        receipts.push(receipt);
    }
    let params = table::get_in(tx, VERSIONS, channel)?.unwrap_or_default();
    table::remove(tx, VERSIONS, channel)?;
    table::remove(tx, TOTALS, channel)?;
    Ok(Share { voucher, totals, lines, nets, receipts, params })
}
