//! What this node was promised and what it owes for it: vouchers, and the earnings since the last settlement.
//!
//! One answer is one transaction: voucher, receipt number and earnings become durable together, before the caller
//! sees the answer. Earnings are kept channel by channel, so that one that pays no more takes nobody else's along.

mod lines;
mod nets;
mod take;

use datanet_types::epoch::EpochTotals;
use datanet_types::netting::Nets;
use datanet_types::settled_receipt::{MAX_ANSWERS, SettledReceipt};
use datanet_types::voucher::SignedVoucher;
use datanet_types::{Address, Amount, ChannelId, ReceiptId};
use redb::WriteTransaction;

pub(crate) use lines::add_line;
pub use lines::{EarnedBy, Earning, EarningKey, EarningLine, EarningRole};
pub use take::Share;
pub(super) use take::{put_unsettled, take};

use super::payments::{self, Spending};
use super::receipts::{self, Issued};
use super::{LocalStore, table};
use crate::error::{Code, ServiceError, ServiceResult};

/// Channel to its latest voucher.
const VOUCHERS: table::Table = redb::TableDefinition::new("vouchers");
/// Channel to the base units that answers have taken of it, where that is known: else all that its latest voucher promises.
const TAKEN: table::Table = redb::TableDefinition::new("channel_taken");
/// Channel, then what was taken of it after the answer (big-endian, so that they are in order), to the answer's receipt.
const RECEIPTS: table::Table = redb::TableDefinition::new("channel_receipts");
/// Channel to the version of the chain's parameters that what has accrued on it was given under: an epoch is of one.
const VERSIONS: table::Table = redb::TableDefinition::new("channel_params");
/// Channel to the sums of what has accrued on it.
const TOTALS: table::Table = redb::TableDefinition::new("channel_totals");
pub(super) const META: table::Table = redb::TableDefinition::new("serving");

const SEQUENCE: &[u8] = b"sequence";
/// Sum of the fees that no epoch on the ledger holds, those of a settlement under way included: so that nobody adds them up for each answer.
const UNSETTLED: &[u8] = b"unsettled";

/// What an answer adds.
#[derive(Debug, Clone)]
pub struct Charge {
    /// Whose channel pays; none if the answer was free.
    pub payer: Option<Address>,
    /// The voucher that pays, unless the answer was free.
    pub voucher: Option<SignedVoucher>,
    /// What is taken of the channel with it: what was before, and the fee.
    pub taken: Amount,
    /// The payment that is spent with it, by each of its names by which the answer can be had again.
    pub spends: Vec<Spending>,
    /// Fee and split of this one answer.
    pub totals: EpochTotals,
    /// Who earns by it alone.
    pub lines: Vec<EarningLine>,
    /// What of it is netted with its epoch.
    pub nets: Nets,
    /// What is settled of its receipt; none if it was free.
    pub settled: Option<SettledReceipt>,
    /// [`datanet_types::receipt::Receipt::params`].
    pub params: u64,
}

pub(super) fn create(tx: &WriteTransaction) -> ServiceResult<()> {
    [VOUCHERS, TAKEN, RECEIPTS, VERSIONS, TOTALS, META].into_iter().try_for_each(|name| table::create(tx, name))?;
    lines::create(tx)?;
    nets::create(tx)?;
    put_unsettled(tx)
}

impl LocalStore {
    /// The latest voucher of `channel`.
    ///
    /// # Errors
    /// When the private store cannot be read.
    pub fn voucher(&self, channel: &ChannelId) -> ServiceResult<Option<SignedVoucher>> {
        self.read(|tx| table::get(tx, VOUCHERS, &channel.0))
    }

    /// Base units that answers have taken of `channel`.
    ///
    /// # Errors
    /// When the private store cannot be read.
    pub fn taken(&self, channel: &ChannelId) -> ServiceResult<Amount> {
        match self.read(|tx| table::get(tx, TAKEN, &channel.0))? {
            Some(taken) => Ok(taken),
            None => Ok(self.voucher(channel)?.map_or(0, |voucher| voucher.cumulative)),
        }
    }

    /// The highest number of a receipt so far; 0 if there is none.
    ///
    /// # Errors
    /// When the private store cannot be read.
    pub fn last_sequence(&self) -> ServiceResult<u64> {
        Ok(self.read(|tx| table::get::<u64>(tx, META, SEQUENCE))?.unwrap_or_default())
    }

    /// Records an answer; durable when this returns, together with others that are recorded meanwhile. Numbers may be left out: an answer
    /// that fails takes its own along.
    ///
    /// # Errors
    /// When the voucher does not follow the last one, or its payment is spent ([`Code::StaleVoucher`]), what has accrued on its channel must
    /// be settled first ([`Code::Unsettled`]), or the private store cannot be read or written; then nothing has changed.
    pub async fn record_answer(&self, sequence: u64, receipt: ReceiptId, charge: Charge) -> ServiceResult<()> {
        self.commit(move |tx| put_answer(tx, sequence, &receipt, &charge)).await
    }

    /// Base units of fees that no epoch on the ledger holds yet, those of a settlement under way included.
    ///
    /// # Errors
    /// When the private store cannot be read.
    pub fn unsettled_fees(&self) -> ServiceResult<Amount> {
        Ok(self.read(|tx| table::get(tx, META, UNSETTLED))?.unwrap_or_default())
    }

    /// Most answers that have accrued on one channel.
    ///
    /// # Errors
    /// When the private store cannot be read.
    pub fn longest_accrual(&self) -> ServiceResult<u64> {
        let all: Vec<(Vec<u8>, EpochTotals)> = self.read(|tx| table::all(tx, TOTALS))?;
        Ok(all.iter().map(|(_, totals)| totals.answers).max().unwrap_or_default())
    }

    /// The version of the parameters that what has accrued on a channel was given under, if something has.
    ///
    /// # Errors
    /// When the private store cannot be read.
    pub fn accruing_under(&self, channel: &ChannelId) -> ServiceResult<Option<u64>> {
        self.read(|tx| table::get(tx, VERSIONS, &channel.0))
    }

    /// Whether something has accrued under other parameters than those of version `present`: nothing is added to it, and it goes first.
    ///
    /// # Errors
    /// When the private store cannot be read.
    pub fn accrued_before(&self, present: u64) -> ServiceResult<bool> {
        let all: Vec<(Vec<u8>, u64)> = self.read(|tx| table::all(tx, VERSIONS))?;
        Ok(all.iter().any(|(_, version)| *version != present))
    }

    /// The channels on which something has accrued.
    ///
    /// # Errors
    /// When the private store cannot be read.
    pub fn accruing(&self) -> ServiceResult<Vec<ChannelId>> {
        let all: Vec<(Vec<u8>, EpochTotals)> = self.read(|tx| table::all(tx, TOTALS))?;
        all.iter().map(|(channel, _)| Ok(ChannelId::from_slice(channel)?)).collect()
    }
}

fn put_answer(tx: &WriteTransaction, sequence: u64, receipt: &ReceiptId, charge: &Charge) -> ServiceResult<()> {
    let last: u64 = table::get_in(tx, META, SEQUENCE)?.unwrap_or_default();
    table::put(tx, META, SEQUENCE, &sequence.max(last))?;
    let issued = Issued { id: *receipt, fee: charge.totals.fees, payer: charge.payer };
    receipts::insert(tx, sequence, &issued)?;
    // A free answer pays nobody.
    let Some(voucher) = &charge.voucher else { return Ok(()) };
    put_version(tx, &voucher.channel, charge.params)?;
    put_voucher(tx, voucher, charge)?;
    charge.spends.iter().try_for_each(|spending| payments::spend(tx, spending, receipt))?;
    let mut sum: EpochTotals = table::get_in(tx, TOTALS, &voucher.channel.0)?.unwrap_or_default();
    sum.add(&charge.totals);
    if sum.answers > MAX_ANSWERS {
        return Err(ServiceError::new(
            Code::Unsettled,
            format!(
                "{MAX_ANSWERS} answers on this channel are not settled yet, as many as may be; ask again once they are"
            ),
        ));
    }
    if let Some(settled) = &charge.settled {
        let key = [voucher.channel.0.as_slice(), &settled.cumulative.to_be_bytes()].concat();
        table::put(tx, RECEIPTS, &key, settled)?;
    }
    table::put(tx, TOTALS, &voucher.channel.0, &sum)?;
    let unsettled: Amount = table::get_in(tx, META, UNSETTLED)?.unwrap_or_default();
    table::put(tx, META, UNSETTLED, &unsettled.saturating_add(charge.totals.fees))?;
    nets::put(tx, &voucher.channel, &charge.nets)?;
    lines::put(tx, &voucher.channel, &charge.lines)
}

/// Why a channel takes no answer under other parameters than what it owes already.
pub fn params_changed() -> ServiceError {
    ServiceError::new(
        Code::Unsettled,
        "the chain's parameters have changed, and what this channel owes is settled by the former first; ask again in a moment",
    )
}

/// What has accrued on a channel is of one version: else its voucher would be for answers of two, and an epoch is of one.
fn put_version(tx: &WriteTransaction, channel: &ChannelId, params: u64) -> ServiceResult<()> {
    match table::get_in::<u64>(tx, VERSIONS, &channel.0)? {
        Some(before) if before == params => Ok(()),
        Some(_) => Err(params_changed()),
        None => table::put(tx, VERSIONS, &channel.0, &params),
    }
}

/// A voucher promises more than the one before, or is that one, and covers what is taken with it, which only grows.
fn put_voucher(tx: &WriteTransaction, voucher: &SignedVoucher, charge: &Charge) -> ServiceResult<()> {
    let last: Option<SignedVoucher> = table::get_in(tx, VOUCHERS, &voucher.channel.0)?;
    let promised = last.as_ref().map_or(0, |voucher| voucher.cumulative);
    let before = table::get_in(tx, TAKEN, &voucher.channel.0)?.unwrap_or(promised);
    let newer = voucher.cumulative > promised || last.as_ref() == Some(voucher);
    if !newer || charge.taken <= before || charge.taken > voucher.cumulative {
        return Err(ServiceError::new(
            Code::StaleVoucher,
            format!(
                "another answer was charged first: {before} of the channel are taken and {promised} promised; sign a voucher for {promised} plus the price"
            ),
        ));
    }
    table::put(tx, TAKEN, &voucher.channel.0, &charge.taken)?;
    table::put(tx, VOUCHERS, &voucher.channel.0, voucher)
}

#[cfg(test)]
pub(super) mod tests;
