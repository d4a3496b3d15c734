//! What this node was promised and what it owes for it: vouchers, and the earnings since the last settlement.
//!
//! One answer is one transaction: voucher, receipt number and earnings become durable together, before the caller
//! sees the answer. Earnings are kept channel by channel, so that one that pays no more takes nobody else's along.

use std::collections::BTreeMap;

use datanet_types::epoch::EpochTotals;
use datanet_types::netting::Nets;
use datanet_types::settled_receipt::{MAX_ANSWERS, SettledReceipt};
use datanet_types::voucher::SignedVoucher;
use datanet_types::{Account, Address, Amount, ChannelId, ContributionId, DatanetId, Ppm, ReceiptId};
use redb::WriteTransaction;

use super::payments::{self, Spending};
use super::receipts::{self, Issued};
use super::{LocalStore, settling, table};
use crate::error::{Code, ServiceError, ServiceResult};

/// Channel to its latest voucher.
const VOUCHERS: table::Table = redb::TableDefinition::new("vouchers");
/// Channel to the base units that answers have taken of it, where that is known: else all that its latest voucher promises.
const TAKEN: table::Table = redb::TableDefinition::new("channel_taken");
/// Channel, then [`EarningKey`], to what has accrued on it.
const LINES: table::Table = redb::TableDefinition::new("channel_accruals");
/// Channel, then what was taken of it after the answer (big-endian, so that they are in order), to the answer's receipt.
const RECEIPTS: table::Table = redb::TableDefinition::new("channel_receipts");
/// Channel to the version of the chain's parameters that what has accrued on it was given under: an epoch is of one.
const VERSIONS: table::Table = redb::TableDefinition::new("channel_params");
/// Channel to what its answers did not settle by themselves: it is netted with all of their epoch.
const NETS: table::Table = redb::TableDefinition::new("channel_nets");
/// Channel to the sums of what has accrued on it.
const TOTALS: table::Table = redb::TableDefinition::new("channel_totals");
pub(super) const META: table::Table = redb::TableDefinition::new("serving");

const SEQUENCE: &[u8] = b"sequence";
/// Sum of the fees that no epoch on the ledger holds, those of a settlement under way included: so that nobody adds them up for each answer.
const UNSETTLED: &[u8] = b"unsettled";

/// Why an account earns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EarningRole {
    /// Its records carried the answer.
    Contributor,
    /// It is the model that answered, or the datanet that was asked where nobody owns the model: its owners earn.
    Owner,
    /// It is a model that the one that answered was made from, or a datanet that one of them was trained on: its owners earn.
    Lineage,
    /// It judged the contributions that carried the answer.
    Validator,
    /// It keeps the contributions that carried the answer, and had them judged.
    Storage,
    /// What nobody else is there to earn, for example the share of a model without an owner.
    Treasury,
}

/// One line of what is owed: an account, why, and how much.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct EarningKey {
    /// Who earns.
    pub account: Account,
    /// As what.
    pub role: EarningRole,
    /// In which datanet.
    pub datanet: DatanetId,
    /// Through which contribution, for contributors and validators.
    pub contribution: Option<ContributionId>,
}

/// How much, over how many answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Earning {
    /// Base units.
    pub amount: Amount,
    /// Answers counted.
    pub answers: u64,
    /// Sum of the weights in those answers; of what was netted, the share of what was left.
    pub weight: Ppm,
    /// What was left of its worth over those answers, debts included, in base units times millionths; 0 where nothing was netted.
    #[serde(default)]
    pub net: u64,
}

/// A line with its key.
pub type EarningLine = (EarningKey, Earning);

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

pub(super) fn create(tx: &WriteTransaction) -> ServiceResult<()> {
    [VOUCHERS, TAKEN, LINES, RECEIPTS, VERSIONS, NETS, TOTALS, META]
        .into_iter()
        .try_for_each(|name| table::create(tx, name))?;
    put_unsettled(tx)
}

/// A line as table key: the channel, then text, because JSON is what tables hold anyway.
fn line_key(channel: &ChannelId, key: &EarningKey) -> ServiceResult<Vec<u8>> {
    let text = serde_json::to_vec(key).map_err(super::failed)?;
    Ok([channel.0.as_slice(), &text].concat())
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
    put_nets(tx, &voucher.channel, &charge.nets)?;
    charge.lines.iter().try_for_each(|(key, earning)| put_line(tx, &voucher.channel, key, earning))
}

fn put_nets(tx: &WriteTransaction, channel: &ChannelId, more: &Nets) -> ServiceResult<()> {
    if more.is_empty() {
        return Ok(());
    }
    let mut sum: Nets = table::get_in(tx, NETS, &channel.0)?.unwrap_or_default();
    sum.merge(more);
    table::put(tx, NETS, &channel.0, &sum)
}

/// Adds up anew what is not settled: at a start, and whenever a settlement begins, loses a channel or ends.
pub(super) fn put_unsettled(tx: &WriteTransaction) -> ServiceResult<()> {
    let all: Vec<(Vec<u8>, EpochTotals)> = table::all_in(tx, TOTALS)?;
    let frozen = settling::frozen(tx)?.map_or(0, |settling| settling.totals().fees);
    let fees = all.iter().map(|(_, totals)| totals.fees).fold(frozen, Amount::saturating_add);
    table::put(tx, META, UNSETTLED, &fees)
}

/// Takes out what has accrued on up to `limit` channels, ordered by channel, as far as it is of one version of the parameters, of the oldest
/// there is, and as many answers as an epoch has, and `cover` is enough for. One that does not fit keeps no other from it.
pub(super) fn take(tx: &WriteTransaction, limit: usize, cover: Amount) -> ServiceResult<Vec<Share>> {
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
        .ok_or_else(|| super::failed("a channel has accrued without a voucher: the store is damaged. Serve on under a new key: an old copy would sign again for money that was signed for"))?;
    let mut lines = Vec::new();
    for (key, earning) in table::first_in(tx, LINES, channel, usize::MAX)? {
        table::remove(tx, LINES, &key)?;
        let text = key.strip_prefix(channel).unwrap_or_default();
        lines.push((serde_json::from_slice(text).map_err(super::failed)?, earning));
    }
    let mut receipts = Vec::new();
    for (key, receipt) in table::first_in(tx, RECEIPTS, channel, usize::MAX)? {
        table::remove(tx, RECEIPTS, &key)?;
        receipts.push(receipt);
    }
    let nets = table::get_in(tx, NETS, channel)?.unwrap_or_default();
    table::remove(tx, NETS, channel)?;
    let params = table::get_in(tx, VERSIONS, channel)?.unwrap_or_default();
    table::remove(tx, VERSIONS, channel)?;
    table::remove(tx, TOTALS, channel)?;
    Ok(Share { voucher, totals, lines, nets, receipts, params })
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

/// Adds a line to a line of the same key.
pub(crate) fn add_line(sum: &mut Earning, more: &Earning) {
    sum.amount = sum.amount.saturating_add(more.amount);
    sum.answers = sum.answers.saturating_add(more.answers);
    sum.weight = sum.weight.saturating_add(more.weight);
    sum.net = sum.net.saturating_add(more.net);
}

fn put_line(tx: &WriteTransaction, channel: &ChannelId, key: &EarningKey, more: &Earning) -> ServiceResult<()> {
    let table_key = line_key(channel, key)?;
    let mut sum: Earning = table::get_in(tx, LINES, &table_key)?.unwrap_or_default();
    add_line(&mut sum, more);
    table::put(tx, LINES, &table_key, &sum)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use datanet_types::epoch::FeeShares;
    use datanet_types::{Signature, SigningKey};

    pub(in crate::db) fn store() -> (tempfile::TempDir, LocalStore) {
        let dir = tempfile::tempdir().unwrap();
        let store = LocalStore::open(&dir.path().join("local.redb")).unwrap();
        (dir, store)
    }

    pub(in crate::db) fn charge(channel: u16, cumulative: u64, fee: u64) -> Charge {
        let mut id = [0; 32];
        id[..2].copy_from_slice(&channel.to_be_bytes());
        let voucher = SignedVoucher { channel: ChannelId(id), cumulative, signature: Signature::ZERO };
        let account = SigningKey::from_bytes(&[1; 32]).address().into();
        let split = FeeShares::STANDARD.split(fee);
        let key = EarningKey { account, role: EarningRole::Contributor, datanet: DatanetId::ZERO, contribution: None };
        Charge {
            payer: Some(Address([1; 20])),
            voucher: Some(voucher),
            taken: cumulative,
            spends: Vec::new(),
            totals: EpochTotals { answers: 1, fees: fee, split, unearned: split.claimable() - split.contributors },
            lines: vec![(key, Earning { amount: split.contributors, answers: 1, weight: Ppm::ONE, net: 0 })],
            nets: Nets::default(),
            settled: Some(SettledReceipt { channel: ChannelId(id), cumulative, fee, ..SettledReceipt::default() }),
            params: 0,
        }
    }

    fn last(tx: &WriteTransaction) -> ServiceResult<u64> {
        Ok(table::get_in::<u64>(tx, META, SEQUENCE)?.unwrap_or_default())
    }

    /// Records it as the next answer.
    pub(in crate::db) fn record(store: &LocalStore, charge: &Charge) -> ServiceResult<()> {
        store.write(|tx| put_answer(tx, last(tx)? + 1, &ReceiptId([1; 32]), charge))
    }

    #[test]
    fn a_voucher_that_goes_backwards_changes_nothing() {
        let (_dir, store) = store();
        record(&store, &charge(1, 100, 100)).unwrap();
        assert_eq!(record(&store, &charge(1, 50, 100)).unwrap_err().code, Code::StaleVoucher);
        assert_eq!(record(&store, &charge(1, 100, 100)).unwrap_err().code, Code::StaleVoucher);
        assert_eq!(store.last_sequence().unwrap(), 1);
        let taken = store.write(|tx| take(tx, 10, Amount::MAX)).unwrap();
        assert_eq!((taken.len(), taken[0].totals.fees, taken[0].lines[0].1.amount), (1, 100, 60));
        assert_eq!(taken[0].receipts, [charge(1, 100, 100).settled.unwrap()]);
        assert_eq!(store.accruing().unwrap(), []);
    }

    #[test]
    fn what_was_promised_ahead_and_not_used_pays_for_the_next_answer_and_no_more_is_charged_than_was_used() {
        let (_dir, store) = store();
        // 100 were promised, and 40 used.
        let part = |promised: u64, taken: u64, fee| {
            let mut part = Charge { taken, ..charge(1, promised, fee) };
            part.settled.as_mut().unwrap().cumulative = taken;
            part
        };
        let channel = charge(1, 0, 0).voucher.unwrap().channel;
        record(&store, &part(100, 40, 40)).unwrap();
        assert_eq!(store.taken(&channel).unwrap(), 40);
        for (stale, why) in [
            (part(100, 40, 0), "nothing is taken with it"),
            (part(90, 60, 20), "an older voucher"),
            (part(110, 111, 71), "more than it promises"),
        ] {
            assert_eq!(record(&store, &stale).unwrap_err().code, Code::StaleVoucher, "{why}");
        }
        record(&store, &part(100, 60, 20)).unwrap();
        record(&store, &part(130, 70, 10)).unwrap();
        let taken = store.write(|tx| take(tx, 10, Amount::MAX)).unwrap();
        assert_eq!((taken[0].taken(), taken[0].voucher.cumulative, taken[0].totals.fees), (70, 130, 70));
        assert_eq!(store.taken(&channel).unwrap(), 70, "settled or not");
    }

    #[test]
    fn what_accrues_is_kept_and_taken_by_channel() {
        let (_dir, store) = store();
        for (channel, cumulative) in [(2, 100), (1, 50), (2, 200), (3, 7)] {
            record(&store, &charge(channel, cumulative, 50)).unwrap();
        }
        let taken = store.write(|tx| take(tx, 2, Amount::MAX)).unwrap();
        let amounts: Vec<_> = taken.iter().map(|share| (share.totals.fees, share.lines[0].1.amount)).collect();
        assert_eq!(amounts, [(50, 30), (100, 60)]);
        assert_eq!(taken[1].receipts.iter().map(|receipt| receipt.cumulative).collect::<Vec<_>>(), [100, 200]);
        assert_eq!(store.accruing().unwrap().len(), 1);
    }

    #[test]
    fn no_more_is_taken_than_the_stake_covers_and_what_does_not_fit_keeps_no_other_from_it() {
        let (_dir, store) = store();
        for (channel, fee) in [(1, 500), (2, 50), (3, 50), (4, 50)] {
            record(&store, &charge(channel, fee, fee)).unwrap();
        }
        assert_eq!(store.unsettled_fees().unwrap(), 650);
        let taken = store.write(|tx| take(tx, 10, 100).and_then(|taken| put_unsettled(tx).map(|()| taken))).unwrap();
        assert_eq!((taken.len(), store.unsettled_fees().unwrap()), (2, 550));
        assert_eq!(store.write(|tx| take(tx, 10, 49)).unwrap().len(), 0);
        assert_eq!(store.write(|tx| take(tx, 10, 500)).unwrap()[0].totals.fees, 500);
    }

    #[test]
    fn what_was_given_under_former_parameters_is_settled_first_and_by_itself() {
        let (_dir, store) = store();
        let under = |channel, cumulative, params| Charge { params, ..charge(channel, cumulative, 100) };
        record(&store, &under(1, 100, 4)).unwrap();
        record(&store, &under(2, 100, 5)).unwrap();
        assert!(store.accrued_before(5).unwrap());
        let error = record(&store, &under(1, 200, 5)).unwrap_err();
        assert_eq!(error.code, Code::Unsettled, "{error}");
        let taken = |params| {
            let shares = store.write(|tx| take(tx, 10, Amount::MAX)).unwrap();
            assert!(shares.iter().all(|share| share.params == params), "{shares:?}");
            shares.len()
        };
        assert_eq!(taken(4), 1);
        record(&store, &under(1, 200, 5)).unwrap();
        assert!(!store.accrued_before(5).unwrap());
        assert_eq!(taken(5), 2);
    }

    #[test]
    fn a_free_answer_is_numbered_and_pays_nobody() {
        let (_dir, store) = store();
        let free = Charge {
            payer: None,
            voucher: None,
            taken: 0,
            spends: Vec::new(),
            totals: EpochTotals::default(),
            lines: vec![],
            nets: Nets::default(),
            settled: None,
            params: 0,
        };
        record(&store, &free).unwrap();
        assert_eq!((store.last_sequence().unwrap(), store.accruing().unwrap()), (1, vec![]));
    }
}
