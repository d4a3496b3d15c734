//! Making an epoch again from its receipts, as an auditor does: what was settled must follow from what was signed.
//!
//! The receipts must cover the money of each channel without gap and overlap, from what was charged before to what is taken
//! of its voucher; each must be there, signed by the node and of these very claims; and the leaves must be what they give, to the last unit. All of it
//! follows from the ledger and from signed bytes, so that every auditor finds the same. Whether an answer is what model and data give
//! is asked of a sample ([`crate::workers::auditor`]).

use std::collections::{BTreeMap, BTreeSet};

use datanet_ledger::component::audits::{self, Phase};
use datanet_ledger::component::settlement::{self, Epoch, Payment, Status};
use datanet_ledger::state::StateRead;
use datanet_types::amount::display;
use datanet_types::epoch::{EpochLeaf, EpochTotals};
use datanet_types::netting::{Debt, Nets};
use datanet_types::receipt::{AnswerRecord, MAX_ANSWER_RECORD_BYTES, ReceiptError, ReceiptHead};
use datanet_types::settled_receipt::SettledReceipt;
use datanet_types::sum_tree::SumProof;
use datanet_types::{Account, Amount, BlobHash, ReceiptId};
use futures::{StreamExt, stream};

use super::statements::Unread;
use super::{Billing, grounds, owed, statement};
use crate::db::accruals::{self, Earning, EarningKey, EarningLine};
use crate::error::{Code, ServiceError, ServiceResult};

/// Receipts fetched at once.
const SIDE_BY_SIDE: usize = 8;
/// Receipts held at once: a MiB each at most.
const AT_ONCE: usize = 64;

/// What came of making an epoch again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Repeated {
    /// It is what its receipts give.
    Same(Vec<SettledReceipt>),
    /// It is not, for this reason.
    Other(String),
    /// Nobody can tell, because of this.
    Unavailable(String),
    /// Its very statement is nowhere.
    Missing(String),
}

impl Billing {
    /// Makes an epoch again. Brings what is not here.
    ///
    /// # Errors
    /// When the ledger or the blob store here fails, which says nothing of the epoch.
    pub async fn repeat(&self, epoch: &Epoch) -> ServiceResult<Repeated> {
        let statement = match self.statements.whole(epoch).await {
            Ok(whole) => whole,
            Err(unread) if unread.bad => return Ok(Repeated::Other(unread.reason)),
            Err(unread) if unread.missing => {
                return Ok(Repeated::Missing(format!("its statement cannot be had: {}", unread.reason)));
            }
            Err(unread) => {
                return Ok(Repeated::Unavailable(format!("its statement cannot be had: {}", unread.reason)));
            }
        };
        let opening = match self.opening(epoch).await? {
            Ok(debts) => debts,
            Err(repeated) => return Ok(repeated),
        };
        let paid = settlement::payments(&self.chain.reader()?, &epoch.node, epoch.epoch)?;
        // Once it is final or void, the ledger does not know any more which stretch of a channel it was.
        let is_known = matches!(epoch.status(), Status::Open | Status::Audited);
        if is_known && let Err(why) = covers(&statement.receipts, &paid) {
            return Ok(Repeated::Other(why));
        }
        let mut sums = Sums::default();
        let fetched = stream::iter(statement.receipts.clone()).map(|settled| self.record(epoch, settled));
        let mut fetched = std::pin::pin!(fetched.buffered(SIDE_BY_SIDE).chunks(AT_ONCE));
        while let Some(records) = fetched.next().await {
            let records = match records.into_iter().collect::<Result<Vec<_>, _>>() {
                Ok(records) => records,
                Err(verdict) => return Ok(verdict),
            };
            let (chain, height) = (self.chain.clone(), epoch.height);
            // Look-ups for each contribution that an answer names.
            let added = tokio::task::spawn_blocking(move || sums.add_all(&chain.reader()?, &records, height)).await;
            sums = match added.map_err(|error| ServiceError::caused(Code::Statement, error))?? {
                Ok(sums) => sums,
                Err(why) => return Ok(Repeated::Other(why)),
            };
        }
        let sums = sums.closed(&self.chain.reader()?, &opening)?;
        Ok(match sums.agree(&statement.leaves, &statement.debts, epoch) {
            Ok(()) => Repeated::Same(statement.receipts),
            Err(why) => Repeated::Other(why),
        })
    }

    /// The debts that an epoch begins with.
    async fn opening(&self, epoch: &Epoch) -> ServiceResult<Result<Vec<Debt>, Repeated>> {
        if let Some(why) = unfounded(&self.chain.reader()?, epoch)? {
            return Ok(Err(why));
        }
        Ok(self.statements.debts(&epoch.node, epoch.carries.as_ref()).await.map_err(|unread| match unread {
            Unread { bad: true, reason, .. } => Repeated::Other(reason),
            // Its own statement is there: those who attested it answer for that one alone.
            Unread { reason, .. } => Repeated::Unavailable(reason),
        }))
    }

    /// What an epoch holds for the money that a receipt took, if that is another one; with its proof.
    ///
    /// # Errors
    /// When the epoch's statement cannot be had ([`Code::BlobUnavailable`]).
    pub async fn contradiction(
        &self,
        epoch: &Epoch,
        given: &ReceiptHead,
    ) -> ServiceResult<Option<(SettledReceipt, SumProof)>> {
        let unread = |unread: super::statements::Unread| ServiceError::new(Code::BlobUnavailable, unread.reason);
        self.statements.contradiction(epoch, given).await.map_err(unread)
    }

    /// Lets an epoch's statement that could not be had be asked for at once.
    pub fn forget_failures(&self, epoch: &Epoch) {
        self.statements.forget_failures(epoch);
    }

    /// A settled receipt's record, which must be what the statement says of it.
    async fn record(&self, epoch: &Epoch, settled: SettledReceipt) -> Result<AnswerRecord, Repeated> {
        let (id, limit) = (BlobHash(settled.receipt.0), MAX_ANSWER_RECORD_BYTES as u64);
        let gone = |error: &dyn std::fmt::Display| {
            Repeated::Unavailable(format!("receipt {} cannot be had: {error}", settled.receipt))
        };
        let _held = self.blobs.bring(&id, None, limit, &[epoch.node]).await.map_err(|error| gone(&error))?;
        let bytes = self.blobs.read(&id, limit).await.map_err(|error| gone(&error))?;
        let of = |why: String| Repeated::Other(format!("receipt {}: {why}", settled.receipt));
        let record = AnswerRecord::verify(&bytes, self.chain.id()).map_err(|error| match error {
            // Of a later version: others may know it.
            ReceiptError::Method(_) => Repeated::Unavailable(format!("receipt {}: {error}", settled.receipt)),
            error => of(error.to_string()),
        })?;
        if record.receipt.node != epoch.node {
            return Err(of(format!("it is signed by node {}", record.receipt.node)));
        }
        if SettledReceipt::of(&record) != Some(settled) {
            return Err(of("it does not say what the statement says of it".to_owned()));
        }
        if record.receipt.params != epoch.params {
            let (its, epochs) = (record.receipt.params, epoch.params);
            return Err(of(format!("it was given under version {its} of the parameters, and its epoch says {epochs}")));
        }
        if epoch.shares.split(record.receipt.fee) != record.receipt.split {
            return Err(of("its fee is not split by the fee shares".to_owned()));
        }
        match self.sale_contradiction(&record.receipt, epoch.height).await {
            Ok(None) => Ok(record),
            Ok(Some(why)) => Err(of(why)),
            Err(error) => Err(gone(&error)),
        }
    }
}

/// What an epoch is for the one whose debts it begins with, whatever its own receipts give: one that was found false leaves none that anybody may go on
/// with, nor does one that could not be shown; there may be an accident behind that.
fn unfounded<S: StateRead>(state: &S, epoch: &Epoch) -> ServiceResult<Option<Repeated>> {
    let Some(carried) = &epoch.carries else { return Ok(None) };
    let before = settlement::epoch(state, &epoch.node, carried.epoch)?;
    if !before.is_some_and(|before| before.status() == Status::Void && !before.unkept) {
        return Ok(None);
    }
    let found = audits::get(state, &epoch.node, carried.epoch)?.map(|audit| audit.phase());
    let debts = format!("it begins with the debts of epoch {}", carried.epoch);
    Ok(Some(match found {
        Some(Phase::Unavailable | Phase::Missing) => {
            Repeated::Unavailable(format!("{debts}, which could not be shown"))
        }
        _ => Repeated::Other(format!("{debts}, which was found false")),
    }))
}

/// Whether each channel's receipts lie one behind the other over all of what it paid.
fn covers(receipts: &[SettledReceipt], paid: &[Payment]) -> Result<(), String> {
    let mut ends: BTreeMap<_, (Amount, Amount)> =
        paid.iter().map(|one| (one.channel, (one.start(), one.cumulative))).collect();
    for receipt in receipts {
        let Some((next, _)) = ends.get_mut(&receipt.channel) else {
            return Err(format!("receipt {} is of channel {}, which paid nothing", receipt.receipt, receipt.channel));
        };
        let start = receipt.head().start();
        if start != *next {
            let (start, next) = (display(start), display(*next));
            return Err(format!("receipt {} begins at {start} of its channel, where {next} is next", receipt.receipt));
        }
        *next = receipt.cumulative;
    }
    match ends.iter().find(|(_, (next, end))| next != end) {
        Some((channel, (next, end))) => {
            let (next, end) = (display(*next), display(*end));
            Err(format!("channel {channel} paid up to {end}, and its receipts end at {next}"))
        }
        None => Ok(()),
    }
}

/// What receipts give together.
#[derive(Debug, Default)]
struct Sums {
    totals: EpochTotals,
    /// Answers that agents made theirs from.
    supplied: BTreeSet<ReceiptId>,
    lines: BTreeMap<EarningKey, Earning>,
    /// What is netted once all of them are known.
    nets: Nets,
    debts: Vec<Debt>,
}

impl Sums {
    /// With what these receipts give; the inner error says why one of them cannot be right.
    fn add_all<S: StateRead>(
        mut self,
        state: &S,
        records: &[AnswerRecord],
        height: u64,
    ) -> ServiceResult<Result<Self, String>> {
        for record in records {
            if let Some(supplier) = self.named_before(record) {
                let id = record.id();
                return Ok(Err(format!("receipt {id}: supplier {supplier} is named by another answer, too")));
            }
            if let Some(why) = grounds::contradiction(state, record, height)? {
                return Ok(Err(format!("receipt {}: {why}", record.id())));
            }
            let lines = owed::lines(state, &record.receipt)?;
            self.totals.add(&owed::totals(&record.receipt, &lines));
            self.add_lines(&lines);
            self.nets.add(&record.receipt, &record.output.influence);
        }
        Ok(Ok(self))
    }

    /// A supplier that stands on another receipt of the epoch already.
    fn named_before(&mut self, record: &AnswerRecord) -> Option<ReceiptId> {
        let mut named = record.receipt.sale.iter().flat_map(|sale| &sale.suppliers);
        named.find(|one| !self.supplied.insert(one.receipt)).map(|one| one.receipt)
    }

    fn add_lines(&mut self, lines: &[EarningLine]) {
        for (key, earning) in lines {
            accruals::add_line(self.lines.entry(key.clone()).or_default(), earning);
        }
    }

    /// With what was netted, after the debts that the epoch began with.
    fn closed<S: StateRead>(mut self, state: &S, opening: &[Debt]) -> ServiceResult<Self> {
        let netted = self.nets.net(opening);
        let lines = owed::netted(state, &netted)?;
        self.totals.unearned = self.totals.unearned.saturating_add(owed::unearned(&lines));
        self.add_lines(&lines);
        self.debts = netted.debts;
        Ok(self)
    }

    fn agree(self, said: &[EpochLeaf], debts: &[Debt], epoch: &Epoch) -> Result<(), String> {
        if self.totals != epoch.totals {
            return Err("the receipts do not sum to the totals on the ledger".to_owned());
        }
        if let Some(why) = other_debts(&self.debts, debts) {
            return Err(why);
        }
        let leaves = statement::leaves(&self.lines.into_iter().collect::<Vec<_>>());
        if leaves == said {
            return Ok(());
        }
        let known: BTreeMap<Account, Amount> = said.iter().map(|leaf| (leaf.account, leaf.amount)).collect();
        let wrong = leaves.iter().find(|leaf| known.get(&leaf.account) != Some(&leaf.amount));
        Err(match wrong {
            Some(EpochLeaf { account, amount }) => {
                let (earned, said) = (display(*amount), display(known.get(account).copied().unwrap_or_default()));
                format!("account {account} earned {earned} by the receipts, and its leaf says {said}")
            }
            None => "a leaf is of an account that earned nothing".to_owned(),
        })
    }
}

/// Which debt is not what the receipts leave, if one is not.
fn other_debts(found: &[Debt], said: &[Debt]) -> Option<String> {
    let of = |debts: &[Debt]| -> BTreeMap<_, u64> {
        debts.iter().map(|debt| ((debt.model, debt.contribution), debt.amount)).collect()
    };
    let (found, said) = (of(found), of(said));
    let key = found.keys().chain(said.keys()).find(|key| found.get(key) != said.get(key))?;
    let (found, said) = (found.get(key).copied().unwrap_or(0), said.get(key).copied().unwrap_or(0));
    let (model, contribution) = key;
    Some(format!("contribution {contribution} is left {found} in debt to model {model}, and its statement says {said}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use datanet_ledger::component::audits::Audit;
    use datanet_ledger::component::settlement::Carried;
    use datanet_ledger::state::{MemoryState, StateWrite};
    use datanet_types::epoch::FeeShares;
    use datanet_types::receipt::{Influence, Method, Receipt, Sale, Supplied};
    use datanet_types::{ChannelId, ContributionId, ModelId};

    use crate::db::accruals::EarningRole;

    fn receipt(channel: u8, cumulative: Amount, fee: Amount) -> SettledReceipt {
        SettledReceipt { channel: ChannelId([channel; 32]), cumulative, fee, ..SettledReceipt::default() }
    }

    #[test]
    fn no_supplier_stands_on_two_receipts_of_an_epoch() {
        let naming = |suppliers: &[u8]| {
            let one = |n: &u8| Supplied { receipt: ReceiptId([*n; 32]), ..Supplied::default() };
            let sale = Some(Sale { suppliers: suppliers.iter().map(one).collect(), ..Sale::default() });
            AnswerRecord { receipt: Receipt { sale, ..Receipt::default() }, ..AnswerRecord::default() }
        };
        let mut sums = Sums::default();
        assert_eq!(sums.named_before(&naming(&[1, 2])), None);
        assert_eq!(sums.named_before(&AnswerRecord::default()), None);
        assert_eq!(sums.named_before(&naming(&[3])), None);
        assert_eq!(sums.named_before(&naming(&[4, 2])), Some(ReceiptId([2; 32])));
    }

    fn payment(channel: u8, cumulative: Amount, amount: Amount) -> Payment {
        Payment { channel: ChannelId([channel; 32]), cumulative, amount, ..Payment::default() }
    }

    #[test]
    fn receipts_cover_all_of_the_money_and_none_of_it_twice() {
        let paid = [payment(1, 300, 200), payment(2, 50, 50)];
        let good = [receipt(1, 200, 100), receipt(1, 300, 100), receipt(2, 50, 50)];
        assert_eq!(covers(&good, &paid), Ok(()));
        let wrong: [(&[SettledReceipt], &str); 6] = [
            (&[receipt(1, 100, 100), receipt(1, 200, 100), receipt(2, 50, 50)], "begins at 0 DNT"),
            (&[receipt(1, 200, 100), receipt(2, 50, 50)], "its receipts end at"),
            (&[receipt(1, 200, 100), receipt(1, 250, 100), receipt(2, 50, 50)], "is next"),
            (&[receipt(1, 250, 150), receipt(1, 400, 150), receipt(2, 50, 50)], "its receipts end at"),
            (&[receipt(1, 300, 200), receipt(2, 50, 50), receipt(3, 50, 50)], "which paid nothing"),
            (&[], "its receipts end at"),
        ];
        for (receipts, words) in wrong {
            let why = covers(receipts, &paid).unwrap_err();
            assert!(why.contains(words), "{why}");
        }
    }

    /// Three answers of a model, netted after what contribution 1 owed before.
    fn netted() -> (Sums, Epoch) {
        let (state, model) = (MemoryState::default(), ModelId([7; 32]));
        let mut sums = Sums::default();
        for worth in [[100_000, 30_000, -5_000], [20_000, -90_000, 10_000], [-10_000, 5_000, 0]] {
            let method = Method::Influence as i32;
            let split = FeeShares::STANDARD.split(1_000);
            let receipt = Receipt { model, method, fee: 1_000, split, ..Receipt::default() };
            let moved = |(n, worth): (u8, i64)| Influence { contribution: ContributionId([n; 32]), value: 0, worth };
            let moved: Vec<Influence> = (1..).zip(worth).map(moved).collect();
            let lines = owed::lines(&state, &receipt).unwrap();
            sums.totals.add(&owed::totals(&receipt, &lines));
            sums.nets.add(&receipt, &moved);
        }
        let sums = sums.closed(&state, &[debt(1, 200_000)]).unwrap();
        let epoch = Epoch { totals: sums.totals, ..Epoch::default() };
        (sums, epoch)
    }

    fn debt(contribution: u8, amount: u64) -> Debt {
        Debt { model: ModelId([7; 32]), contribution: ContributionId([contribution; 32]), amount }
    }

    #[test]
    fn a_debt_that_is_dropped_invented_or_put_on_another_is_found() {
        let agree = |debts: &[Debt]| {
            let (sums, epoch) = netted();
            sums.agree(&[], debts, &epoch)
        };
        let honest = [debt(1, 90_000), debt(2, 55_000)];
        assert_eq!(agree(&honest), Ok(()));
        for (lie, words) in [
            (vec![debt(2, 55_000)], "is left 90000 in debt"),
            (vec![debt(1, 90_000), debt(2, 54_999)], "its statement says 54999"),
            (vec![debt(1, 90_000), debt(2, 55_000), debt(3, 1)], "is left 0 in debt"),
            (vec![debt(1, 90_000), debt(3, 55_000)], "is left 55000 in debt"),
            (vec![], "its statement says 0"),
        ] {
            let why = agree(&lie).unwrap_err();
            assert!(why.contains(words), "{why}");
        }
        let other = [debt(1, 90_000), Debt { model: ModelId([8; 32]), ..debt(2, 55_000) }];
        assert!(agree(&other).is_err(), "another model's");
    }

    #[test]
    fn who_goes_on_with_what_was_found_false_is_false_and_with_what_was_not_to_be_had_not_to_be_had() {
        let node = datanet_types::NodeKey([1; 32]);
        let carries = Some(Carried { epoch: 6, statement: BlobHash([6; 32]) });
        let epoch = Epoch { node, epoch: 7, carries, ..Epoch::default() };
        let mut state = MemoryState::default();
        let mut before = Epoch { node, epoch: 6, ..Epoch::default() };
        let mut found = |status: Status, unkept: bool, phase: Phase| {
            before.set_status(status);
            before.unkept = unkept;
            let mut audit = Audit { node, epoch: 6, ..Audit::default() };
            audit.set_phase(phase);
            state.put(settlement::state_key::epoch(&node, 6), &before);
            state.put(audits::state_key::audit(&node, 6), &audit);
            unfounded(&state, &epoch).unwrap()
        };
        assert_eq!(found(Status::Final, false, Phase::Upheld), None);
        assert_eq!(found(Status::Void, true, Phase::Undecided), None, "nobody kept it, and nobody found it false");
        assert!(matches!(found(Status::Void, false, Phase::False), Some(Repeated::Other(_))));
        assert!(matches!(found(Status::Void, false, Phase::Unavailable), Some(Repeated::Unavailable(_))));
        assert!(matches!(found(Status::Void, false, Phase::Missing), Some(Repeated::Unavailable(_))));
        assert_eq!(unfounded(&MemoryState::default(), &epoch).unwrap(), None, "forgotten");
    }

    #[test]
    fn what_is_netted_is_counted_once_whoever_there_is_to_earn() {
        let (sums, epoch) = netted();
        // Nobody of them is on this ledger: all that is to be claimed is the treasury's.
        assert_eq!(epoch.totals.unearned, epoch.totals.split.claimable());
        assert!(sums.lines.keys().all(|key| key.role == EarningRole::Treasury));
    }
}
