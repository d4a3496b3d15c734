//! What this node was promised and what it owes for it: vouchers by channel, earnings by account since the last
//! settlement, cumulative earnings behind it, and a settlement under way.
//!
//! One answer is one transaction: voucher, receipt number and earnings become durable together, before the caller
//! sees the answer. A settlement freezes what has accrued, survives crashes, and is finished or sent again.

use std::collections::BTreeMap;

use datanet_types::epoch::EpochTotals;
use datanet_types::voucher::SignedVoucher;
use datanet_types::{Address, Amount, ChannelId, ContributionId, DatanetId, ReceiptId};
use redb::WriteTransaction;

use super::{LocalStore, receipts, table};
use crate::error::{ServiceError, ServiceResult};

const VOUCHERS: table::Table = redb::TableDefinition::new("vouchers");
const OPEN: table::Table = redb::TableDefinition::new("accruals");
const CUMULATIVE: table::Table = redb::TableDefinition::new("cumulative");
const META: table::Table = redb::TableDefinition::new("serving");

const TOTALS: &[u8] = b"totals";
const SEQUENCE: &[u8] = b"sequence";
const SETTLING: &[u8] = b"settling";

/// Why an account earns.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum EarningRole {
    /// Its records carried the answer.
    Contributor,
    /// It owns the model that answered.
    Owner,
    /// It judged the contributions that carried the answer.
    Validator,
    /// What nobody else is there to earn, for example the share of a model without an owner.
    Treasury,
}

/// One line of what is owed: an account, why, and how much.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct EarningKey {
    /// Who earns.
    pub account: Address,
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
    /// Sum of the weights in those answers, in parts per million.
    pub weight: u64,
}

/// A line with its key.
pub type EarningLine = (EarningKey, Earning);

/// What an answer adds.
#[derive(Debug, Clone)]
pub struct Charge {
    /// The voucher that pays, unless the answer was free.
    pub voucher: Option<SignedVoucher>,
    /// What it must add up to: the last voucher's amount and the fee.
    pub expected: Amount,
    /// Fee and split of this one answer.
    pub totals: EpochTotals,
    /// Who earns.
    pub lines: Vec<EarningLine>,
}

/// A settlement under way: everything needed to send it again.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Settling {
    /// Its number.
    pub epoch: u64,
    /// Its totals.
    pub totals: EpochTotals,
    /// Its lines.
    pub lines: Vec<EarningLine>,
    /// The vouchers it redeems, ordered by channel.
    pub vouchers: Vec<SignedVoucher>,
    /// Every account's cumulative earnings with this node once settled, ordered by account.
    pub leaves: Vec<(Address, Amount)>,
}

pub(super) fn create(tx: &WriteTransaction) -> ServiceResult<()> {
    [VOUCHERS, OPEN, CUMULATIVE, META].into_iter().try_for_each(|name| table::create(tx, name))
}

/// An earning key as table key: text, because JSON is what tables hold anyway.
fn open_key(key: &EarningKey) -> ServiceResult<Vec<u8>> {
    serde_json::to_vec(key).map_err(super::failed)
}

impl LocalStore {
    /// The latest voucher of `channel`.
    pub fn voucher(&self, channel: &ChannelId) -> ServiceResult<Option<SignedVoucher>> {
        self.read(|tx| table::get(tx, VOUCHERS, &channel.0))
    }

    /// The number the next receipt gets, from 1.
    pub fn next_sequence(&self) -> ServiceResult<u64> {
        Ok(self.read(|tx| table::get::<u64>(tx, META, SEQUENCE))?.unwrap_or_default().saturating_add(1))
    }

    /// Records a paid answer. Refused, with nothing changed, if the voucher does not follow the last one or the
    /// sequence number was used.
    pub fn record_answer(&self, sequence: u64, receipt: &ReceiptId, charge: &Charge) -> ServiceResult<()> {
        self.write(|tx| {
            let last: u64 = table::get_in(tx, META, SEQUENCE)?.unwrap_or_default();
            if sequence != last.saturating_add(1) {
                return Err(ServiceError::conflict("stale-sequence", "another answer was recorded first; try again"));
            }
            table::put(tx, META, SEQUENCE, &sequence)?;
            receipts::insert(tx, sequence, receipt)?;
            if let Some(voucher) = &charge.voucher {
                put_voucher(tx, voucher, charge)?;
            }
            add_totals(tx, &charge.totals)?;
            charge.lines.iter().try_for_each(|(key, earning)| add_line(tx, key, earning))
        })
    }

    /// What has accrued since the last settlement.
    pub fn accrued(&self) -> ServiceResult<(EpochTotals, Vec<EarningLine>)> {
        self.read(|tx| {
            let lines: Vec<(Vec<u8>, Earning)> = table::all(tx, OPEN)?;
            Ok((table::get(tx, META, TOTALS)?.unwrap_or_default(), parse_lines(lines)?))
        })
    }

    /// The settlement under way.
    pub fn settling(&self) -> ServiceResult<Option<Settling>> {
        self.read(|tx| table::get(tx, META, SETTLING))
    }

    /// Freezes what has accrued as settlement `epoch`, redeeming `vouchers_of` the channels known here. `None` if
    /// nothing was charged. A settlement already under way is returned as it is.
    pub fn begin_settlement(
        &self,
        epoch: u64,
        charged_on_ledger: &BTreeMap<ChannelId, Amount>,
    ) -> ServiceResult<Option<Settling>> {
        self.write(|tx| {
            if let Some(settling) = table::get_in::<Settling>(tx, META, SETTLING)? {
                return Ok(Some(settling));
            }
            let totals: EpochTotals = table::get_in(tx, META, TOTALS)?.unwrap_or_default();
            if totals.fees == 0 {
                return Ok(None);
            }
            let lines = parse_lines(table::all_in(tx, OPEN)?)?;
            let vouchers = due_vouchers(tx, charged_on_ledger)?;
            let leaves = new_leaves(tx, &lines)?;
            for (key, _) in &lines {
                table::remove(tx, OPEN, &open_key(key)?)?;
            }
            table::remove(tx, META, TOTALS)?;
            let settling = Settling { epoch, totals, lines, vouchers, leaves };
            table::put(tx, META, SETTLING, &settling)?;
            Ok(Some(settling))
        })
    }

    /// The settlement is on the ledger: its leaves are now what accounts have earned.
    pub fn finish_settlement(&self, epoch: u64) -> ServiceResult<()> {
        self.write(|tx| {
            let Some(settling) = table::get_in::<Settling>(tx, META, SETTLING)? else { return Ok(()) };
            if settling.epoch != epoch {
                return Ok(());
            }
            for (account, cumulative) in &settling.leaves {
                table::put(tx, CUMULATIVE, &account.0, cumulative)?;
            }
            table::remove(tx, META, SETTLING)
        })
    }
}

fn put_voucher(tx: &WriteTransaction, voucher: &SignedVoucher, charge: &Charge) -> ServiceResult<()> {
    let last: Option<SignedVoucher> = table::get_in(tx, VOUCHERS, &voucher.channel.0)?;
    let last = last.map_or(0, |voucher| voucher.cumulative);
    let follows = voucher.cumulative > last && voucher.cumulative == charge.expected;
    if !follows {
        return Err(ServiceError::conflict(
            "stale-voucher",
            format!(
                "another answer was charged first: the channel stands at {last}; sign a voucher for {last} plus the price"
            ),
        ));
    }
    table::put(tx, VOUCHERS, &voucher.channel.0, voucher)
}

fn add_totals(tx: &WriteTransaction, more: &EpochTotals) -> ServiceResult<()> {
    let mut sum: EpochTotals = table::get_in(tx, META, TOTALS)?.unwrap_or_default();
    sum.answers = sum.answers.saturating_add(more.answers);
    sum.fees = sum.fees.saturating_add(more.fees);
    sum.split.node = sum.split.node.saturating_add(more.split.node);
    sum.split.owner = sum.split.owner.saturating_add(more.split.owner);
    sum.split.contributors = sum.split.contributors.saturating_add(more.split.contributors);
    sum.split.validators = sum.split.validators.saturating_add(more.split.validators);
    sum.split.treasury = sum.split.treasury.saturating_add(more.split.treasury);
    table::put(tx, META, TOTALS, &sum)
}

fn add_line(tx: &WriteTransaction, key: &EarningKey, more: &Earning) -> ServiceResult<()> {
    let table_key = open_key(key)?;
    let mut sum: Earning = table::get_in(tx, OPEN, &table_key)?.unwrap_or_default();
    sum.amount = sum.amount.saturating_add(more.amount);
    sum.answers = sum.answers.saturating_add(more.answers);
    sum.weight = sum.weight.saturating_add(more.weight);
    table::put(tx, OPEN, &table_key, &sum)
}

fn parse_lines(entries: Vec<(Vec<u8>, Earning)>) -> ServiceResult<Vec<EarningLine>> {
    entries
        .into_iter()
        .map(|(key, earning)| Ok((serde_json::from_slice(&key).map_err(super::failed)?, earning)))
        .collect()
}

fn due_vouchers(tx: &WriteTransaction, charged: &BTreeMap<ChannelId, Amount>) -> ServiceResult<Vec<SignedVoucher>> {
    let all: Vec<(Vec<u8>, SignedVoucher)> = table::all_in(tx, VOUCHERS)?;
    let due = |voucher: &SignedVoucher| charged.get(&voucher.channel).is_some_and(|paid| voucher.cumulative > *paid);
    Ok(all.into_iter().map(|(_, voucher)| voucher).filter(due).collect())
}

/// Everybody's cumulative earnings with `lines` added, ordered by account.
fn new_leaves(tx: &WriteTransaction, lines: &[EarningLine]) -> ServiceResult<Vec<(Address, Amount)>> {
    let before: Vec<(Vec<u8>, Amount)> = table::all_in(tx, CUMULATIVE)?;
    let mut leaves = BTreeMap::new();
    for (key, amount) in before {
        leaves.insert(Address::from_slice(&key)?, amount);
    }
    for (key, earning) in lines {
        let sum = leaves.entry(key.account).or_insert(0);
        *sum = sum.saturating_add(earning.amount);
    }
    Ok(leaves.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use datanet_types::epoch::FeeShares;
    use datanet_types::{Signature, SigningKey};

    fn store() -> (tempfile::TempDir, LocalStore) {
        let dir = tempfile::tempdir().unwrap();
        let store = LocalStore::open(&dir.path().join("local.redb")).unwrap();
        (dir, store)
    }

    fn charge(cumulative: u64, fee: u64) -> Charge {
        let voucher = SignedVoucher { channel: ChannelId([1; 32]), cumulative, signature: Signature::ZERO };
        let account = SigningKey::from_bytes(&[1; 32]).address();
        let split = FeeShares::STANDARD.split(fee);
        let key = EarningKey { account, role: EarningRole::Contributor, datanet: DatanetId::ZERO, contribution: None };
        Charge {
            voucher: Some(voucher),
            expected: cumulative,
            totals: EpochTotals { answers: 1, fees: fee, split },
            lines: vec![(key, Earning { amount: split.contributors, answers: 1, weight: 1_000_000 })],
        }
    }

    #[test]
    fn a_voucher_that_goes_backwards_changes_nothing() {
        let (_dir, store) = store();
        store.record_answer(1, &ReceiptId([1; 32]), &charge(100, 100)).unwrap();
        let before = store.accrued().unwrap();
        assert_eq!(store.record_answer(2, &ReceiptId([2; 32]), &charge(50, 100)).unwrap_err().code, "stale-voucher");
        assert_eq!(store.record_answer(2, &ReceiptId([2; 32]), &charge(100, 100)).unwrap_err().code, "stale-voucher");
        assert_eq!(store.accrued().unwrap(), before);
        assert_eq!(store.next_sequence().unwrap(), 2);
    }

    #[test]
    fn a_settlement_freezes_survives_and_finishes_once() {
        let (_dir, store) = store();
        store.record_answer(1, &ReceiptId([1; 32]), &charge(100, 100)).unwrap();
        let charged = BTreeMap::from([(ChannelId([1; 32]), 0)]);
        let first = store.begin_settlement(1, &charged).unwrap().unwrap();
        assert_eq!(first.totals.fees, 100);
        assert_eq!(first.leaves[0].1, 60);
        // An answer given meanwhile belongs to the next epoch; a repeated begin returns the same settlement.
        store.record_answer(2, &ReceiptId([2; 32]), &charge(200, 100)).unwrap();
        assert_eq!(store.begin_settlement(1, &charged).unwrap().unwrap(), first);
        store.finish_settlement(1).unwrap();
        store.finish_settlement(1).unwrap();
        let charged = BTreeMap::from([(ChannelId([1; 32]), 100)]);
        let second = store.begin_settlement(2, &charged).unwrap().unwrap();
        assert_eq!((second.totals.fees, second.leaves[0].1), (100, 120));
    }

    #[test]
    fn nothing_charged_is_nothing_to_settle() {
        let (_dir, store) = store();
        assert_eq!(store.begin_settlement(1, &BTreeMap::new()).unwrap(), None);
    }
}
