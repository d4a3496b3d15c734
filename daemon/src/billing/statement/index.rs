//! The index of a statement: of each page its hash, what it sums to, its root, and where it begins and ends.
//!
//! It is the blob that the ledger names. From it alone follows whether the pages can give the roots on the ledger, and which page an account is on;
//! and of a page and its place in the index, whether it is the one meant. So whoever wants one leaf fetches the index and one page.

use std::collections::BTreeSet;
use std::ops::Range;

use datanet_ledger::component::settlement::{Carried, Epoch};
use datanet_types::codec::decode_canonical;
use datanet_types::epoch::{EpochLeaf, EpochTotals, MAX_ACCOUNTS};
use datanet_types::netting::{Debt, MAX_DEBTS};
use datanet_types::paged_tree::{self, leaves_on, pages};
use datanet_types::receipt::ReceiptHead;
use datanet_types::settled_receipt::{MAX_ANSWERS, SettledReceipt};
use datanet_types::sum_tree::{self, SumNode, SumProof};
use datanet_types::{Account, Amount, BlobHash, ChannelId, ContributionId, Digest, ModelId, NodeKey};
use prost::Message;

use super::page::{Entry, Of, Part, Place, max_page_bytes};
use crate::db::accruals::EarningLine;

/// Most lines of a statement: the ledger bounds accounts and answers, and not how many reasons there are.
pub const MAX_LINES: u64 = 1 << 19;
/// Longest index, in bytes: of the largest epoch, whose 256 pages of leaves, 512 of lines, 64 of receipts and 128 of debts take some 140 KiB of it.
pub const MAX_INDEX_BYTES: u64 = 160 * 1024;
/// Longest statement, in bytes: the index and all pages.
pub const MAX_STATEMENT_BYTES: u64 = MAX_INDEX_BYTES
    + pages(MAX_ACCOUNTS) * max_page_bytes::<EpochLeaf>()
    + pages(MAX_LINES) * max_page_bytes::<EarningLine>()
    + pages(MAX_ANSWERS) * max_page_bytes::<SettledReceipt>()
    + pages(MAX_DEBTS) * max_page_bytes::<Debt>();

/// 6: before it, a line was of netted answers and of others together.
const VERSION: u32 = 6;

/// What an index says of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head<P> {
    /// The page.
    pub blob: BlobHash,
    /// Its length.
    pub bytes: u64,
    /// Its root in the tree of its part, with the sum of its amounts; of lines, which are no tree, the sum alone.
    pub root: SumNode,
    /// Where its first entry stands.
    pub first: P,
    /// Where its last one does.
    pub last: P,
}

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// The chain.
    pub chain_id: String,
    /// The serving node.
    pub node: NodeKey,
    /// Number of the epoch, from 1.
    pub epoch: u64,
    /// The epoch's sums.
    pub totals: EpochTotals,
    /// Accounts that earned: leaves of one root on the ledger.
    pub accounts: u64,
    /// Reasons.
    pub line_count: u64,
    pub(super) leaves: Vec<Head<Account>>,
    pub(super) lines: Vec<Head<Account>>,
    pub(super) receipts: Vec<Head<(ChannelId, Amount)>>,
    /// The statement whose debts this one begins with.
    pub carries: Option<Carried>,
    /// What contributions owe at its end.
    pub debt_count: u64,
    pub(super) debts: Vec<Head<(ModelId, ContributionId)>>,
}

#[derive(Clone, PartialEq, Message)]
struct HeadForm {
    #[prost(message, required, tag = "1")]
    blob: BlobHash,
    #[prost(uint64, tag = "2")]
    bytes: u64,
    #[prost(message, optional, tag = "3")]
    root: Option<Digest>,
    #[prost(uint64, tag = "4")]
    sum: Amount,
    #[prost(bytes = "vec", tag = "5")]
    first: Vec<u8>,
    #[prost(bytes = "vec", tag = "6")]
    last: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct IndexForm {
    #[prost(uint32, tag = "1")]
    version: u32,
    #[prost(string, tag = "2")]
    chain_id: String,
    #[prost(message, required, tag = "3")]
    node: NodeKey,
    #[prost(uint64, tag = "4")]
    epoch: u64,
    #[prost(message, required, tag = "5")]
    totals: EpochTotals,
    #[prost(uint64, tag = "6")]
    accounts: u64,
    #[prost(uint64, tag = "7")]
    line_count: u64,
    #[prost(message, repeated, tag = "8")]
    leaves: Vec<HeadForm>,
    #[prost(message, repeated, tag = "9")]
    lines: Vec<HeadForm>,
    #[prost(message, repeated, tag = "10")]
    receipts: Vec<HeadForm>,
    #[prost(message, optional, tag = "11")]
    carries: Option<Carried>,
    #[prost(uint64, tag = "12")]
    debt_count: u64,
    #[prost(message, repeated, tag = "13")]
    debts: Vec<HeadForm>,
}

impl<P: Place> Head<P> {
    /// What an index says of a page with these entries, of which there is at least one.
    pub(super) fn of<E: Entry<Place = P>>(entries: &[E], page: &[u8], of: &Of<'_>) -> Result<Self, String> {
        let (first, last) = entries.first().zip(entries.last()).ok_or("a page holds something")?;
        let (blob, bytes) = (BlobHash(*blake3::hash(page).as_bytes()), page.len() as u64);
        Ok(Self { blob, bytes, root: root(entries, of)?, first: first.place(), last: last.place() })
    }

    fn form(&self) -> HeadForm {
        let root = (self.root.digest != Digest::ZERO).then_some(self.root.digest);
        let (first, last) = (self.first.to_bytes(), self.last.to_bytes());
        HeadForm { blob: self.blob, bytes: self.bytes, root, sum: self.root.sum, first, last }
    }

    fn read(form: HeadForm) -> Result<Self, String> {
        let root = SumNode { digest: form.root.unwrap_or_default(), sum: form.sum };
        let (first, last) = (P::from_bytes(&form.first)?, P::from_bytes(&form.last)?);
        Ok(Self { blob: form.blob, bytes: form.bytes, root, first, last })
    }
}

/// What these sum to, with the root over them where they are leaves of a tree.
fn root<E: Entry>(entries: &[E], of: &Of<'_>) -> Result<SumNode, String> {
    let leaves: Vec<SumNode> = entries.iter().filter_map(|entry| entry.leaf(of)).collect();
    if !leaves.is_empty() {
        return sum_tree::root(&leaves).map_err(|error| error.to_string());
    }
    let sum = entries.iter().try_fold(0, |sum: Amount, entry| sum.checked_add(entry.amount()));
    Ok(SumNode { digest: Digest::ZERO, sum: sum.ok_or_else(|| sum_tree::SumOverflow.to_string())? })
}

fn roots<P>(heads: &[Head<P>]) -> Vec<SumNode> {
    heads.iter().map(|head| head.root).collect()
}

/// The pages on which something at `place` may be.
fn around<P: Ord>(heads: &[Head<P>], place: &P) -> Range<usize> {
    let first = heads.partition_point(|head| head.last < *place);
    first..heads.partition_point(|head| head.first <= *place).max(first)
}

impl Index {
    /// The bytes stored as a blob.
    pub fn to_bytes(&self) -> Vec<u8> {
        let form = IndexForm {
            version: VERSION,
            chain_id: self.chain_id.clone(),
            node: self.node,
            epoch: self.epoch,
            totals: self.totals,
            accounts: self.accounts,
            line_count: self.line_count,
            leaves: self.leaves.iter().map(Head::form).collect(),
            lines: self.lines.iter().map(Head::form).collect(),
            receipts: self.receipts.iter().map(Head::form).collect(),
            carries: self.carries,
            debt_count: self.debt_count,
            debts: self.debts.iter().map(Head::form).collect(),
        };
        form.encode_to_vec()
    }

    /// Reads an index and checks that it is the one meant: chain, node and epoch, as many pages as there must be, in order and each once, and
    /// both trees that the ledger holds. Whether the pages are what it says is for [`Index::read`] to say.
    ///
    /// # Errors
    /// Which of it is not so, in words.
    pub fn parse(bytes: &[u8], chain_id: &str, epoch: &Epoch) -> Result<Self, String> {
        let index = Self::of_form(form(bytes, chain_id, &epoch.node, epoch.epoch)?, |form| {
            if (form.totals, form.accounts) != (epoch.totals, epoch.accounts) {
                return Err("the statement does not give the root on the ledger: its totals are others".into());
            }
            Ok(())
        })?;
        index.check(epoch).map(|()| index)
    }

    /// Reads the index of a statement that its hash alone names: of an epoch that the ledger may have forgotten. What it says of money is not looked at.
    ///
    /// # Errors
    /// When it is no index of that epoch, or its pages are not in order; in words.
    pub fn of_hash(bytes: &[u8], chain_id: &str, node: &NodeKey, epoch: u64) -> Result<Self, String> {
        Self::of_form(form(bytes, chain_id, node, epoch)?, |_| Ok(()))
    }

    fn of_form(form: IndexForm, good: impl Fn(&IndexForm) -> Result<(), String>) -> Result<Self, String> {
        good(&form)?;
        let IndexForm { totals, accounts, line_count, carries, debt_count, .. } = form;
        if accounts > MAX_ACCOUNTS || totals.answers > MAX_ANSWERS {
            return Err("the statement has more accounts or answers than an epoch".into());
        }
        if line_count > MAX_LINES || debt_count > MAX_DEBTS {
            return Err(format!(
                "the statement has {line_count} lines and {debt_count} debts, and {MAX_LINES} and {MAX_DEBTS} are the most"
            ));
        }
        Ok(Self {
            leaves: heads::<EpochLeaf>(form.leaves, accounts)?,
            lines: heads::<EarningLine>(form.lines, line_count)?,
            receipts: heads::<SettledReceipt>(form.receipts, totals.answers)?,
            debts: heads::<Debt>(form.debts, debt_count)?,
            chain_id: form.chain_id,
            node: form.node,
            epoch: form.epoch,
            totals,
            accounts,
            line_count,
            carries,
            debt_count,
        })
    }

    /// What it says of its pages, together and against the ledger.
    fn check(&self, epoch: &Epoch) -> Result<(), String> {
        if self.carries != epoch.carries {
            return Err("the statement begins with the debts of another epoch than the ledger says".into());
        }
        let all: Vec<BlobHash> = self.pages().map(|page| page.blob).collect();
        if all.iter().collect::<BTreeSet<_>>().len() != all.len() {
            return Err("the statement names a page twice".into());
        }
        let (tree, own) = (epoch.tree(), sum_tree::root(&roots(&self.leaves)).map_err(|error| error.to_string())?);
        if own.sum != tree.sum {
            return Err(format!(
                "the statement promises {} where {} were settled, so nothing can be claimed",
                own.sum, tree.sum
            ));
        }
        if own != tree {
            return Err("the statement does not give the root on the ledger".into());
        }
        if sum_tree::root(&roots(&self.receipts)).ok() != Some(epoch.receipts_tree()) {
            return Err("the statement's receipts do not give the root on the ledger".into());
        }
        let reasons = self.lines.iter().try_fold(0, |sum: Amount, head| sum.checked_add(head.root.sum));
        match reasons {
            Some(reasons) if reasons == tree.sum => Ok(()),
            _ => Err("the statement's lines do not sum to what was earned".into()),
        }
    }

    /// All of its pages: leaves, then lines, then receipts, then debts.
    pub fn pages(&self) -> impl Iterator<Item = PageName> {
        fn named<E: Entry>(index: &Index) -> impl Iterator<Item = PageName> {
            let heads = E::heads(index);
            let (part, of) = (E::PART, heads.len());
            heads.iter().enumerate().map(move |(number, head)| PageName {
                part,
                number,
                of,
                blob: head.blob,
                bytes: head.bytes,
            })
        }
        named::<EpochLeaf>(self).chain(named::<EarningLine>(self)).chain(named::<SettledReceipt>(self)).chain(named::<
            Debt,
        >(
            self
        ))
    }

    /// A page, as it is called.
    pub fn page<E: Entry>(&self, number: usize) -> Option<PageName> {
        let heads = E::heads(self);
        let head = heads.get(number)?;
        Some(PageName { part: E::PART, number, of: heads.len(), blob: head.blob, bytes: head.bytes })
    }

    /// Bytes of all pages and of itself.
    pub fn total_bytes(&self) -> u64 {
        self.pages().map(|page| page.bytes).fold(self.to_bytes().len() as u64, u64::saturating_add)
    }

    /// The page of leaves on which an account is, if it is on any.
    pub fn leaf_page(&self, account: &Account) -> Option<usize> {
        around(&self.leaves, account).next()
    }

    /// The pages with an account's lines.
    pub fn line_pages(&self, account: &Account) -> Range<usize> {
        around(&self.lines, account)
    }

    /// The pages with receipts that take some of the money that a receipt took.
    pub fn receipt_pages(&self, given: &ReceiptHead) -> Range<usize> {
        let Some(channel) = given.channel else { return 0..0 };
        let first = self.receipts.partition_point(|head| head.last <= (channel, given.start()));
        // The one that takes the last of it may reach further.
        let last = self.receipts.partition_point(|head| head.last < (channel, given.cumulative));
        first..last.saturating_add(1).min(self.receipts.len()).max(first)
    }

    /// Reads a page, which must be the one that is named here: its entries in order, and what they give.
    ///
    /// # Errors
    /// Which of it is not so, in words.
    pub fn read<E: Entry>(&self, number: usize, bytes: &[u8]) -> Result<Vec<E>, String> {
        let head = E::heads(self).get(number).ok_or("there is no such page")?;
        let (entries, wanted) = (E::decode(bytes)?, leaves_on(number as u64, E::count(self)));
        if entries.len() as u64 != wanted {
            return Err(format!("it has {} entries where {wanted} belong", entries.len()));
        }
        if !entries.is_sorted_by(E::is_before) {
            return Err("its entries are not ordered, each once".into());
        }
        let found = Head::of(&entries, bytes, &self.of())?;
        if (found.first, found.last) != (head.first, head.last) {
            return Err("it does not begin and end where the index says".into());
        }
        if found.root != head.root {
            return Err("it does not give the root or the sum that the index says".into());
        }
        Ok(entries)
    }

    /// What an account earned, with its proof, if it is among the leaves of a page that was read.
    pub fn prove(&self, page: usize, leaves: &[EpochLeaf], account: &Account) -> Option<(Amount, SumProof)> {
        let at = leaves.binary_search_by(|leaf| leaf.account.cmp(account)).ok()?;
        Some((leaves.get(at)?.amount, self.prove_at((page, at), leaves)?))
    }

    /// A receipt on a page that was read which takes some of the same money as `given` and is another, with its proof.
    pub fn contradiction(
        &self,
        page: usize,
        receipts: &[SettledReceipt],
        given: &ReceiptHead,
    ) -> Option<(SettledReceipt, SumProof)> {
        let at = receipts.iter().position(|settled| settled.head().contradicts(given))?;
        Some((*receipts.get(at)?, self.prove_at((page, at), receipts)?))
    }

    fn prove_at<E: Entry>(&self, at: (usize, usize), entries: &[E]) -> Option<SumProof> {
        let leaves: Vec<SumNode> = entries.iter().filter_map(|entry| entry.leaf(&self.of())).collect();
        paged_tree::prove(at, &leaves, &roots(E::heads(self)), E::count(self)).ok()?
    }

    fn of(&self) -> Of<'_> {
        Of { chain_id: &self.chain_id, node: &self.node, epoch: self.epoch }
    }
}

/// The form of an index of this chain, node and epoch.
fn form(bytes: &[u8], chain_id: &str, node: &NodeKey, epoch: u64) -> Result<IndexForm, String> {
    let limit = usize::try_from(MAX_INDEX_BYTES).unwrap_or(usize::MAX);
    let form: IndexForm = decode_canonical(bytes, limit).map_err(|error| format!("not a statement: {error}"))?;
    if form.version != VERSION {
        return Err(format!("statement version {} is not {VERSION}", form.version));
    }
    if form.chain_id != chain_id || (form.node, form.epoch) != (*node, epoch) {
        return Err("the statement is of another chain, node or epoch".into());
    }
    Ok(form)
}

/// What the index says of the pages of a part that has `count` entries: as many pages as that takes, none longer than one may be, and each behind the
/// one before.
fn heads<E: Entry>(forms: Vec<HeadForm>, count: u64) -> Result<Vec<Head<E::Place>>, String> {
    let (part, found, wanted) = (E::PART, forms.len(), pages(count));
    if found as u64 != wanted {
        return Err(format!("the statement has {found} pages of {part} where {wanted} hold all {count} of them"));
    }
    let read = |form| Head::<E::Place>::read(form).map_err(|error| format!("not a statement: {error}"));
    let heads: Vec<_> = forms.into_iter().map(read).collect::<Result<_, _>>()?;
    if heads.iter().any(|head| head.bytes == 0 || head.bytes > max_page_bytes::<E>()) {
        return Err(format!("a page of the statement's {part} is empty or longer than any page"));
    }
    // Lines of one account may go on over the end of a page.
    let follow = |a: &Head<E::Place>, b: &Head<E::Place>| match E::PART {
        Part::Lines => a.last <= b.first,
        Part::Leaves | Part::Receipts | Part::Debts => a.last < b.first,
    };
    if !heads.iter().all(|head| head.first <= head.last) || !heads.is_sorted_by(follow) {
        return Err(format!("the pages of the statement's {part} are not ordered"));
    }
    Ok(heads)
}

/// A page, as findings name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageName {
    /// Of what.
    pub part: Part,
    /// Its number, from 0.
    pub number: usize,
    /// Pages of that part.
    pub of: usize,
    /// Its hash.
    pub blob: BlobHash,
    /// Its length.
    pub bytes: u64,
}

impl std::fmt::Display for PageName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "page {} of {} of its {} (blob {})", self.number.saturating_add(1), self.of, self.part, self.blob)
    }
}
