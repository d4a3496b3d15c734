//! What stands in a journal.

use std::path::PathBuf;

use datanet_types::{AgentId, Amount, ChannelId, ContributionId, Digest, NodeKey, ReceiptId};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The version of the entries.
pub const VERSION: u32 = 1;

/// One line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "entry", rename_all = "kebab-case")]
pub enum Entry {
    /// A process begins to work.
    Began {
        /// [`VERSION`].
        version: u32,
        /// The agent's name.
        agent: String,
        /// What it does.
        kind: String,
        /// BLAKE3 of its spec.
        spec: Digest,
        /// Seconds since 1970.
        at: u64,
    },
    /// Something will be done.
    Intended(Box<Intended>),
    /// It was done, or will not be.
    Ended(Box<Ended>),
    /// Something was looked at, and nothing will be done.
    Passed(Box<Passed>),
}

/// Something that will be done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Intended {
    /// Its number, from 1.
    pub id: u64,
    /// Seconds since 1970.
    pub at: u64,
    /// What it is about: each is decided on once.
    pub subject: String,
    /// What was looked at.
    pub observed: Observed,
    /// What will be done.
    pub deed: Deed,
    /// Why.
    pub why: String,
    /// What the node knows it by, so that twice is once.
    pub key: String,
    /// The most that it may cost, in base units.
    pub reserved: Amount,
}

/// What was looked at: enough to know it again, not the thing itself, which strangers wrote.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    /// BLAKE3.
    pub hash: Digest,
    /// Bytes.
    pub bytes: u64,
    /// What it is, in our words.
    pub what: String,
}

impl Observed {
    /// These bytes.
    pub fn of(what: impl Into<String>, bytes: &[u8]) -> Self {
        Self { hash: Digest(*blake3::hash(bytes).as_bytes()), bytes: bytes.len() as u64, what: what.into() }
    }
}

/// What can be done. There is nothing else: no deed sends money to anybody, and none takes an address from what was read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "deed", rename_all = "kebab-case")]
pub enum Deed {
    /// Buys an answer.
    Ask(Ask),
    /// Gives records to a datanet.
    Contribute {
        /// The datanet's id.
        datanet: String,
        /// The file with the records, JSONL, in the agent's folder.
        file: PathBuf,
        /// Their BLAKE3.
        blob: Digest,
        /// Records.
        records: u64,
        /// Base units locked.
        bond: Amount,
    },
    /// Doubts a verdict.
    Challenge {
        /// The contribution.
        contribution: ContributionId,
        /// Base units put up.
        deposit: Amount,
    },
    /// Says on the ledger how good a node's answers were, by an epoch that the agent paid for.
    Rate(Rate),
    /// Buys what a sale needs, of the agent's own node.
    Supply(Supply),
    /// Says to a caller what was made for him: what it sells, or why it does not.
    Sell(Sell),
    /// Has the node's own model think.
    Think {
        /// The request to `/v1/chat/completions`, without who pays.
        body: Value,
    },
}

/// A question to a seller.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ask {
    /// What the spec calls the seller.
    pub seller: String,
    /// The datanet's or model's id on the ledger.
    pub of: String,
    /// Whether that is a model.
    pub model: bool,
    /// The question, or the passage.
    pub text: String,
    /// Whether it is a passage to be labelled.
    pub classify: bool,
    /// The right label, where the owner knows it: it is not sent, and the answer is held against it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub truth: Option<String>,
    /// How it is paid.
    pub payment: Payment,
    /// Whose node answers, where that is known: what is said of it later is said of this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<NodeKey>,
}

/// A word on a seller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rate {
    /// The serving node.
    pub node: NodeKey,
    /// Its epoch.
    pub epoch: u64,
    /// How good it was, from 0 to 10,000.
    pub score_bps: u32,
}

/// Something that is bought for a sale.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Supply {
    /// The sale's order: with `step` it is the payment's name.
    pub order: Digest,
    /// Which part of the skill it is for.
    pub step: Step,
    /// The datanet's or model's id on the ledger.
    pub of: String,
    /// The request, without who pays.
    pub body: Value,
}

/// A part of a composed skill.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// Passages out of a datanet.
    Search,
    /// A label by a model.
    Label,
    /// Words by a model.
    Write,
}

impl Step {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Search => "search",
            Self::Label => "label",
            Self::Write => "write",
        }
    }
}

/// What is said to a caller.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sell {
    /// The agent on the ledger.
    pub agent: AgentId,
    /// The sale's order.
    pub order: Digest,
    /// Base units that the caller is to pay.
    pub price: Amount,
    /// Base units that the suppliers took.
    pub cost: Amount,
    /// The answer, or why there is none.
    pub said: Result<String, String>,
    /// The receipts of what was bought for it.
    pub suppliers: Vec<ReceiptId>,
}

/// How an answer is paid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "kebab-case")]
pub enum Payment {
    /// By the agent's account on its own node.
    Account,
    /// By a voucher of the agent's own.
    Voucher {
        /// The channel.
        channel: ChannelId,
        /// All that is promised on it with this answer.
        cumulative: Amount,
    },
}

/// What came of something.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ended {
    /// Its number.
    pub id: u64,
    /// Seconds since 1970.
    pub at: u64,
    /// How it ended.
    pub outcome: Outcome,
    /// What it cost, in base units.
    pub captured: Amount,
    /// What there is to know of it.
    pub detail: Value,
}

/// How something ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It was done.
    Done,
    /// It was refused: nothing was done.
    Refused,
    /// Nobody can tell any more whether it was done; it counts as done, at the most that it may have cost.
    Unknown,
}

/// Something that was looked at in vain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Passed {
    /// Its number.
    pub id: u64,
    /// Seconds since 1970.
    pub at: u64,
    /// What it is about.
    pub subject: String,
    /// What was looked at.
    pub observed: Observed,
    /// Why nothing is done.
    pub why: String,
}
