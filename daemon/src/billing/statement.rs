//! The public account book of a serving node: for each epoch what everybody earned and why, in pages.
//!
//! ```text
//!   the ledger ── statement ──► index ─┬─► leaves: 1,024 accounts and what they earned      a full subtree of the epoch's tree each
//!              ── root, receipts ──┘   ├─► lines: 1,024 reasons, ordered by account         what an account's say sums to its leaf
//!                                      ├─► receipts: 1,024 answers, ordered by channel      a full subtree of the other tree each
//!                                      └─► debts: 1,024 of them, by model and contribution  what the next epoch begins with
//! ```
//!
//! Whoever wants to know of one account fetches the [`Index`] and the page that it names for the account, and has with that the proof
//! of its leaf; why it is so is on one page more, or on as many as the account has thousands of reasons. Whoever keeps or audits an epoch fetches all
//! pages, a few at a time, and holds each against the index and the roots. Pages say nothing of their epoch ([`page`]), so that what two statements say
//! alike is one blob.

mod explained;
mod index;
mod page;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use datanet_ledger::component::settlement::Carried;
use datanet_types::epoch::{EpochLeaf, EpochTotals};
use datanet_types::netting::{Debt, MAX_DEBTS};
use datanet_types::paged_tree::PAGE_LEAVES;
use datanet_types::settled_receipt::SettledReceipt;
use datanet_types::sum_tree::{self, SumNode, SumOverflow};
use datanet_types::{Account, Amount, BlobHash, NodeKey, Ppm};

pub(super) use explained::Explained;
pub use index::{Head, Index, MAX_INDEX_BYTES, MAX_LINES, MAX_STATEMENT_BYTES, PageName};
pub use page::{Entry, Of, Part, Place, max_page_bytes};

use super::owed;
use crate::db::accruals::{self, EarnedBy, Earning, EarningKey, EarningLine, EarningRole};
use crate::db::settling::Settling;
use crate::error::{Code, ServiceError, ServiceResult};

/// What a statement says, before it is in pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// The chain.
    pub chain_id: String,
    /// The serving node.
    pub node: NodeKey,
    /// Number of the epoch, from 1.
    pub epoch: u64,
    /// The epoch's sums.
    pub totals: EpochTotals,
    /// What accounts earned in this epoch, ordered by account: the leaves of the root on the ledger.
    pub leaves: Vec<EpochLeaf>,
    /// Why: what each account earned in this epoch, by role, datanet, contribution and kind of answers, ordered.
    pub lines: Vec<EarningLine>,
    /// The receipts of its answers, ordered by channel and amount: the leaves of the other root on the ledger. Each can be fetched by its
    /// id, and `leaves` follow from them.
    pub receipts: Vec<SettledReceipt>,
    /// The statement whose debts it began with.
    pub carries: Option<Carried>,
    /// What contributions harmed beyond what they helped, by model and contribution: what the node's next epoch begins with.
    pub debts: Vec<Debt>,
}

/// What an epoch's netting came to.
#[derive(Debug, Clone, Default)]
pub struct Closing {
    /// The statement whose debts it began with.
    pub carries: Option<Carried>,
    /// Who earns by what was netted.
    pub lines: Vec<EarningLine>,
    /// What is owed at its end.
    pub debts: Vec<Debt>,
}

/// A statement as it is stored: each of these is a blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paged {
    /// What the ledger names.
    pub index: Vec<u8>,
    /// What the index names, in its order.
    pub pages: Vec<Vec<u8>>,
}

impl Paged {
    /// The hash on the ledger.
    pub fn hash(&self) -> BlobHash {
        BlobHash(*blake3::hash(&self.index).as_bytes())
    }
}

impl Statement {
    /// The statement of a settlement, with what of it was netted.
    pub fn of(chain_id: &str, node: NodeKey, settling: &Settling, closing: Closing) -> Self {
        let Closing { carries, lines: netted, debts } = closing;
        let mut totals = settling.totals();
        totals.unearned = totals.unearned.saturating_add(owed::unearned(&netted));
        let mut lines: BTreeMap<EarningKey, Earning> = BTreeMap::new();
        for (key, earning) in settling.lines().into_iter().chain(netted) {
            accruals::add_line(lines.entry(key).or_default(), &earning);
        }
        let lines: Vec<EarningLine> = lines.into_iter().collect();
        Self {
            chain_id: chain_id.to_owned(),
            node,
            epoch: settling.epoch,
            totals,
            leaves: leaves(&lines),
            lines: fewer(lines, MAX_LINES),
            receipts: settling.receipts(),
            carries,
            debts,
        }
    }

    /// Its index and pages.
    ///
    /// # Errors
    /// When something of it sums to more than there can be, or there are too many reasons ([`Code::Statement`]).
    pub fn paged(&self) -> ServiceResult<Paged> {
        let line_count = self.lines.len() as u64;
        if line_count > MAX_LINES {
            let detail = format!(
                "an epoch with {line_count} reasons for pay has more than the {MAX_LINES} that a statement lists; settle more often"
            );
            return Err(ServiceError::new(Code::Statement, detail));
        }
        let debt_count = self.debts.len() as u64;
        if debt_count > MAX_DEBTS {
            let detail = format!("{debt_count} contributions are in debt, and a statement lists {MAX_DEBTS}");
            return Err(ServiceError::new(Code::Statement, detail));
        }
        let mut pages = Vec::new();
        let index = Index {
            chain_id: self.chain_id.clone(),
            node: self.node,
            epoch: self.epoch,
            totals: self.totals,
            accounts: self.accounts(),
            line_count,
            leaves: self.part(&self.leaves, &mut pages)?,
            lines: self.part(&self.lines, &mut pages)?,
            receipts: self.part(&self.receipts, &mut pages)?,
            carries: self.carries,
            debt_count,
            debts: self.part(&self.debts, &mut pages)?,
        };
        Ok(Paged { index: index.to_bytes(), pages })
    }

    fn part<E: Entry>(&self, entries: &[E], pages: &mut Vec<Vec<u8>>) -> ServiceResult<Vec<Head<E::Place>>> {
        let mut heads = Vec::new();
        for entries in entries.chunks(usize::try_from(PAGE_LEAVES).unwrap_or(usize::MAX)) {
            let page = E::encode(entries);
            let head = Head::of(entries, &page, &self.name());
            heads.push(head.map_err(|reason| ServiceError::new(Code::Statement, reason))?);
            pages.push(page);
        }
        Ok(heads)
    }

    fn name(&self) -> Of<'_> {
        Of { chain_id: &self.chain_id, node: &self.node, epoch: self.epoch }
    }

    /// The root of the tree over the leaves, with their sum.
    ///
    /// # Errors
    /// When they sum to more than there can be.
    pub fn tree(&self) -> Result<SumNode, SumOverflow> {
        sum_tree::root(&self.nodes(&self.leaves))
    }

    /// The tree over its receipts, with the sum of their fees.
    ///
    /// # Errors
    /// When they sum to more than there can be.
    pub fn receipts_tree(&self) -> Result<SumNode, SumOverflow> {
        sum_tree::root(&self.nodes(&self.receipts))
    }

    fn nodes<E: Entry>(&self, entries: &[E]) -> Vec<SumNode> {
        entries.iter().filter_map(|entry| entry.leaf(&self.name())).collect()
    }

    /// Leaves in it.
    pub fn accounts(&self) -> u64 {
        self.leaves.len() as u64
    }
}

/// What each account earned by these, ordered by account. What nobody earned is in the totals.
pub(super) fn leaves(lines: &[EarningLine]) -> Vec<EpochLeaf> {
    let mut leaves: BTreeMap<Account, Amount> = BTreeMap::new();
    for (key, earning) in lines.iter().filter(|(key, _)| key.role != EarningRole::Treasury) {
        let sum = leaves.entry(key.account).or_insert(0);
        *sum = sum.saturating_add(earning.amount);
    }
    let leaf = |(account, amount)| EpochLeaf { account, amount };
    leaves.into_iter().map(leaf).filter(|leaf| leaf.amount > 0).collect()
}

/// The same lines if they are no more than `most`; else those of all contributions in one, and of all models that were netted, so that an epoch that
/// may be settled has a statement.
fn fewer(lines: Vec<EarningLine>, most: u64) -> Vec<EarningLine> {
    if lines.len() as u64 <= most {
        return lines;
    }
    let mut sums: BTreeMap<EarningKey, Earning> = BTreeMap::new();
    for (mut key, mut earning) in lines {
        key.contribution = None;
        if let EarnedBy::Netted(_) = key.by {
            // Shares of what several models left are no share of anything.
            (key.by, earning.share) = (EarnedBy::Netted(None), Ppm::ZERO);
        }
        accruals::add_line(sums.entry(key).or_default(), &earning);
    }
    sums.into_iter().collect()
}
