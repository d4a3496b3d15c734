//! What stands on the pages of a statement: entries one behind the other, in their order and in the one encoding that there is of them.
//!
//! No page says of which epoch it is: what two epochs say alike is one blob. The index says it, and each leaf of a tree is of one epoch alone.

use std::fmt;

use datanet_types::codec::decode_canonical;
use datanet_types::epoch::EpochLeaf;
use datanet_types::netting::Debt;
use datanet_types::paged_tree::PAGE_LEAVES;
use datanet_types::settled_receipt::SettledReceipt;
use datanet_types::sum_tree::SumNode;
use datanet_types::{
    Account, Address, Amount, ChannelId, ContributionId, DatanetId, ModelId, ModuleAddress, NodeKey, Ppm,
};
use prost::Message;

use super::index::{Head, Index};
use crate::db::accruals::{EarnedBy, Earning, EarningKey, EarningLine, EarningRole};

/// What a statement has pages of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// What accounts earned: the leaves of one root on the ledger.
    Leaves,
    /// Why: what each account earned, by role, datanet, contribution and kind of answers.
    Lines,
    /// The answers that it was earned with: the leaves of the other root.
    Receipts,
    /// What contributions harmed beyond what they helped: what the node's next epoch begins with.
    Debts,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Leaves => "leaves",
            Self::Lines => "lines",
            Self::Receipts => "receipts",
            Self::Debts => "debts",
        })
    }
}

/// The epoch that leaves are of.
#[derive(Debug, Clone, Copy)]
pub struct Of<'a> {
    /// The chain.
    pub chain_id: &'a str,
    /// The serving node.
    pub node: &'a NodeKey,
    /// Its epoch.
    pub epoch: u64,
}

/// Where an entry stands, as an index says of the first and the last of a page.
pub trait Place: Ord + Copy + fmt::Debug + Send + Sync + 'static {
    /// Its bytes.
    fn to_bytes(self) -> Vec<u8>;

    /// Reads them.
    ///
    /// # Errors
    /// When it is none: why, in words.
    fn from_bytes(bytes: &[u8]) -> Result<Self, String>;
}

/// What pages hold.
pub trait Entry: Clone + PartialEq + Send + Sync + Sized + 'static {
    /// Where it stands. Lines of one account stand at one place, over as many pages as it takes.
    type Place: Place;
    /// Which part it is of.
    const PART: Part;
    /// Bytes of one on its page, at most: of each field its key and longest value, and the length of all.
    const MAX_BYTES: u64;

    /// Where it stands.
    fn place(&self) -> Self::Place;
    /// Whether it stands before `next`, and is another.
    fn is_before(&self, next: &Self) -> bool;
    /// What it adds to the sum of its page, which is in base units.
    fn amount(&self) -> Amount;
    /// The leaf in the tree of its part, if there is one.
    fn leaf(&self, of: &Of<'_>) -> Option<SumNode>;
    /// A page of these.
    fn encode(entries: &[Self]) -> Vec<u8>;
    /// Reads a page; nothing of it is checked but its form.
    ///
    /// # Errors
    /// When the bytes are no page of such entries: why, in words.
    fn decode(bytes: &[u8]) -> Result<Vec<Self>, String>;
    /// What an index says of the pages of its part.
    fn heads(index: &Index) -> &[Head<Self::Place>];
    /// How many there are in all of a statement.
    fn count(index: &Index) -> u64;
}

/// Bytes of a page, at most.
pub const fn max_page_bytes<E: Entry>() -> u64 {
    E::MAX_BYTES.saturating_mul(PAGE_LEAVES)
}

fn decode<M: Message + Default>(bytes: &[u8], limit: u64) -> Result<M, String> {
    decode_canonical(bytes, usize::try_from(limit).unwrap_or(usize::MAX)).map_err(|error| error.to_string())
}

impl Place for Account {
    fn to_bytes(self) -> Vec<u8> {
        self.as_bytes().to_vec()
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, String> {
        match bytes.len() {
            Address::LEN => Address::from_slice(bytes).map(Self::User).map_err(|error| error.to_string()),
            ModuleAddress::LEN => ModuleAddress::from_slice(bytes).map(Self::Module).map_err(|error| error.to_string()),
            other => Err(format!("{other} bytes are no account")),
        }
    }
}

impl Place for (ChannelId, Amount) {
    fn to_bytes(self) -> Vec<u8> {
        [self.0.0.as_slice(), &self.1.to_be_bytes()].concat()
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, String> {
        let none = || format!("{} bytes are no place of a receipt", bytes.len());
        let (channel, amount) = bytes.split_at_checked(ChannelId::LEN).ok_or_else(none)?;
        let amount = amount.try_into().map_err(|_| none())?;
        Ok((ChannelId::from_slice(channel).map_err(|error| error.to_string())?, Amount::from_be_bytes(amount)))
    }
}

#[derive(Clone, PartialEq, Message)]
struct LeafForm {
    #[prost(bytes = "vec", tag = "1")]
    account: Vec<u8>,
    #[prost(uint64, tag = "2")]
    amount: Amount,
}

#[derive(Clone, PartialEq, Message)]
struct LeafPage {
    #[prost(message, repeated, tag = "1")]
    leaves: Vec<LeafForm>,
}

impl Entry for EpochLeaf {
    type Place = Account;
    const PART: Part = Part::Leaves;
    const MAX_BYTES: u64 = (2 + 32) + 11 + 2;

    fn place(&self) -> Account {
        self.account
    }

    fn is_before(&self, next: &Self) -> bool {
        self.account < next.account
    }

    fn amount(&self) -> Amount {
        self.amount
    }

    fn leaf(&self, of: &Of<'_>) -> Option<SumNode> {
        Some(self.node(of.chain_id, of.node, of.epoch))
    }

    fn encode(entries: &[Self]) -> Vec<u8> {
        let form = |leaf: &Self| LeafForm { account: leaf.account.to_bytes(), amount: leaf.amount };
        LeafPage { leaves: entries.iter().map(form).collect() }.encode_to_vec()
    }

    fn decode(bytes: &[u8]) -> Result<Vec<Self>, String> {
        let leaf = |form: LeafForm| -> Result<Self, String> {
            Ok(Self { account: Account::from_bytes(&form.account)?, amount: form.amount })
        };
        decode::<LeafPage>(bytes, max_page_bytes::<Self>())?.leaves.into_iter().map(leaf).collect()
    }

    fn heads(index: &Index) -> &[Head<Account>] {
        &index.leaves
    }

    fn count(index: &Index) -> u64 {
        index.accounts
    }
}

/// As it stands on pages: never to be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, prost::Enumeration)]
#[repr(i32)]
enum RoleForm {
    Contributor = 0,
    Owner = 1,
    Lineage = 2,
    Validator = 3,
    Storage = 4,
    Treasury = 5,
}

impl From<EarningRole> for RoleForm {
    fn from(role: EarningRole) -> Self {
        match role {
            EarningRole::Contributor => Self::Contributor,
            EarningRole::Owner => Self::Owner,
            EarningRole::Lineage => Self::Lineage,
            EarningRole::Validator => Self::Validator,
            EarningRole::Storage => Self::Storage,
            EarningRole::Treasury => Self::Treasury,
        }
    }
}

impl From<RoleForm> for EarningRole {
    fn from(role: RoleForm) -> Self {
        match role {
            RoleForm::Contributor => Self::Contributor,
            RoleForm::Owner => Self::Owner,
            RoleForm::Lineage => Self::Lineage,
            RoleForm::Validator => Self::Validator,
            RoleForm::Storage => Self::Storage,
            RoleForm::Treasury => Self::Treasury,
        }
    }
}

#[derive(Clone, PartialEq, Message)]
struct LineForm {
    #[prost(bytes = "vec", tag = "1")]
    account: Vec<u8>,
    #[prost(enumeration = "RoleForm", tag = "2")]
    role: i32,
    #[prost(message, required, tag = "3")]
    datanet: DatanetId,
    #[prost(message, optional, tag = "4")]
    contribution: Option<ContributionId>,
    #[prost(uint64, tag = "5")]
    amount: Amount,
    #[prost(uint64, tag = "6")]
    answers: u64,
    #[prost(uint64, tag = "7")]
    weights_ppm: u64,
    #[prost(message, optional, tag = "8")]
    netted: Option<NettedForm>,
}

/// What a line says that was earned by netted answers.
#[derive(Clone, PartialEq, Message)]
struct NettedForm {
    #[prost(message, optional, tag = "1")]
    model: Option<ModelId>,
    #[prost(uint64, tag = "2")]
    share_ppm: u64,
    #[prost(uint64, tag = "3")]
    left: u64,
}

#[derive(Clone, PartialEq, Message)]
struct LinePage {
    #[prost(message, repeated, tag = "1")]
    lines: Vec<LineForm>,
}

impl From<&EarningLine> for LineForm {
    fn from((key, earning): &EarningLine) -> Self {
        Self {
            account: key.account.to_bytes(),
            role: RoleForm::from(key.role).into(),
            datanet: key.datanet,
            contribution: key.contribution,
            amount: earning.amount,
            answers: earning.answers,
            weights_ppm: earning.weights.0,
            netted: match key.by {
                EarnedBy::Answers => None,
                EarnedBy::Netted(model) => Some(NettedForm { model, share_ppm: earning.share.0, left: earning.left }),
            },
        }
    }
}

impl LineForm {
    fn line(self) -> Result<EarningLine, String> {
        let role = RoleForm::try_from(self.role).map_err(|_| format!("{} is no role", self.role))?;
        let (account, role) = (Account::from_bytes(&self.account)?, EarningRole::from(role));
        let (by, netted) = match self.netted {
            None => (EarnedBy::Answers, NettedForm::default()),
            Some(_) if self.weights_ppm > 0 => return Err("a line of netted answers has weights of answers".into()),
            Some(netted) => (EarnedBy::Netted(netted.model), netted),
        };
        let key = EarningKey { account, role, datanet: self.datanet, contribution: self.contribution, by };
        let (weights, share) = (Ppm(self.weights_ppm), Ppm(netted.share_ppm));
        Ok((key, Earning { amount: self.amount, answers: self.answers, weights, share, left: netted.left }))
    }
}

impl Entry for EarningLine {
    type Place = Account;
    const PART: Part = Part::Lines;
    /// Those that were netted are the longest: they have no weights, and instead of these a model, a share and what was left.
    const MAX_BYTES: u64 = (2 + 32) + 2 + 36 + 36 + 2 * 11 + (2 + 36 + 2 * 11) + 3;

    fn place(&self) -> Account {
        self.0.account
    }

    fn is_before(&self, next: &Self) -> bool {
        self.0 < next.0
    }

    /// What the treasury has is no leaf's.
    fn amount(&self) -> Amount {
        if self.0.role == EarningRole::Treasury { 0 } else { self.1.amount }
    }

    /// They are no tree: the index says which they are, and leaves what they sum to.
    fn leaf(&self, _: &Of<'_>) -> Option<SumNode> {
        None
    }

    fn encode(entries: &[Self]) -> Vec<u8> {
        LinePage { lines: entries.iter().map(LineForm::from).collect() }.encode_to_vec()
    }

    fn decode(bytes: &[u8]) -> Result<Vec<Self>, String> {
        decode::<LinePage>(bytes, max_page_bytes::<Self>())?.lines.into_iter().map(LineForm::line).collect()
    }

    fn heads(index: &Index) -> &[Head<Account>] {
        &index.lines
    }

    fn count(index: &Index) -> u64 {
        index.line_count
    }
}

#[derive(Clone, PartialEq, Message)]
struct ReceiptPage {
    #[prost(message, repeated, tag = "1")]
    receipts: Vec<SettledReceipt>,
}

impl Entry for SettledReceipt {
    type Place = (ChannelId, Amount);
    const PART: Part = Part::Receipts;
    const MAX_BYTES: u64 = 3 * 36 + 2 * 11 + 3;

    fn place(&self) -> Self::Place {
        self.order()
    }

    fn is_before(&self, next: &Self) -> bool {
        self.order() < next.order()
    }

    fn amount(&self) -> Amount {
        self.fee
    }

    fn leaf(&self, of: &Of<'_>) -> Option<SumNode> {
        Some(self.node(of.chain_id, of.node, of.epoch))
    }

    fn encode(entries: &[Self]) -> Vec<u8> {
        ReceiptPage { receipts: entries.to_vec() }.encode_to_vec()
    }

    fn decode(bytes: &[u8]) -> Result<Vec<Self>, String> {
        Ok(decode::<ReceiptPage>(bytes, max_page_bytes::<Self>())?.receipts)
    }

    fn heads(index: &Index) -> &[Head<Self::Place>] {
        &index.receipts
    }

    fn count(index: &Index) -> u64 {
        index.totals.answers
    }
}

impl Place for (ModelId, ContributionId) {
    fn to_bytes(self) -> Vec<u8> {
        [self.0.0, self.1.0].concat()
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, String> {
        let none = || format!("{} bytes are no place of a debt", bytes.len());
        let (model, contribution) = bytes.split_at_checked(ModelId::LEN).ok_or_else(none)?;
        let model = ModelId::from_slice(model).map_err(|error| error.to_string())?;
        Ok((model, ContributionId::from_slice(contribution).map_err(|error| error.to_string())?))
    }
}

#[derive(Clone, PartialEq, Message)]
struct DebtPage {
    #[prost(message, repeated, tag = "1")]
    debts: Vec<Debt>,
}

impl Entry for Debt {
    type Place = (ModelId, ContributionId);
    const PART: Part = Part::Debts;
    const MAX_BYTES: u64 = 2 * 36 + 11 + 2;

    fn place(&self) -> Self::Place {
        (self.model, self.contribution)
    }

    fn is_before(&self, next: &Self) -> bool {
        self.place() < next.place()
    }

    /// They are no money.
    fn amount(&self) -> Amount {
        0
    }

    /// Nobody claims by them: whoever makes the epoch again finds them.
    fn leaf(&self, _: &Of<'_>) -> Option<SumNode> {
        None
    }

    fn encode(entries: &[Self]) -> Vec<u8> {
        DebtPage { debts: entries.to_vec() }.encode_to_vec()
    }

    fn decode(bytes: &[u8]) -> Result<Vec<Self>, String> {
        let debts = decode::<DebtPage>(bytes, max_page_bytes::<Self>())?.debts;
        if debts.iter().any(|debt| debt.amount == 0) { Err("a debt is of nothing".into()) } else { Ok(debts) }
    }

    fn heads(index: &Index) -> &[Head<Self::Place>] {
        &index.debts
    }

    fn count(index: &Index) -> u64 {
        index.debt_count
    }
}
