//! The shapes of a node's answers, as far as this program reads them. Unknown fields are passed over, so that a node
//! may say more than its client knows.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// `GET /v1/status`.
#[derive(Debug, Clone, Deserialize)]
pub struct Status {
    /// The node's name.
    #[serde(default)]
    pub name: String,
    /// Height of the last block.
    pub height: u64,
    /// State hash after it, hex.
    #[serde(default)]
    pub app_hash: String,
    /// Whether it is still replaying blocks.
    #[serde(default)]
    pub catching_up: bool,
    /// The node's key, hex.
    #[serde(default)]
    pub node_key: String,
    /// The node's own account.
    #[serde(default)]
    pub account: String,
    /// How many gossip peers it has.
    #[serde(default)]
    pub peers: u64,
    /// Its roles on the ledger; none until it is registered there.
    #[serde(default)]
    pub roles: Vec<String>,
}

/// A key in a node's keyring.
#[derive(Debug, Clone, Deserialize)]
pub struct Key {
    /// Its name there.
    pub name: String,
    /// Its account, `dn1…`.
    pub address: String,
}

/// Where a contribution stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Not enough nodes have attested that they keep it.
    Storing,
    /// Scores are outstanding.
    Judging,
    /// Stored and accepted: it earns.
    Final,
    /// Refused.
    Refused,
    /// Taken back by its contributor.
    Revoked,
}

impl State {
    /// Whether nothing more happens to it.
    pub fn is_settled(self) -> bool {
        matches!(self, Self::Final | Self::Refused | Self::Revoked)
    }

    /// As it is written in tables and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Storing => "storing",
            Self::Judging => "judging",
            Self::Final => "final",
            Self::Refused => "refused",
            Self::Revoked => "revoked",
        }
    }
}

/// The four dimensions, in basis points (usefulness may be negative).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scores {
    /// Readable records that fit the schema.
    pub validity: i64,
    /// Language and substance.
    pub quality: i64,
    /// Not yet in the datanet.
    pub uniqueness: i64,
    /// What the held-out set gains.
    pub usefulness: i64,
}

/// `POST …/contributions`.
#[derive(Debug, Clone, Deserialize)]
pub struct Contributed {
    /// The contribution's id, hex.
    pub id: String,
    /// Bytes.
    #[serde(default)]
    pub size: u64,
    /// Records.
    #[serde(default)]
    pub records: u64,
}

/// `GET /v1/contributions/{id}`.
#[derive(Debug, Clone, Deserialize)]
pub struct Contribution {
    /// Its id, hex.
    pub id: String,
    /// Where it stands.
    pub state: State,
    /// The account that gave it.
    #[serde(default)]
    pub contributor: String,
    /// Records.
    #[serde(default)]
    pub records: u64,
    /// Nodes that attested storage.
    #[serde(default)]
    pub attestations: Value,
    /// Block time up to which its verdict can be challenged, in seconds since 1970; none once it is final.
    #[serde(default)]
    pub challenge_until: Option<u64>,
    /// The tally's medians, once there is one.
    #[serde(default)]
    pub scores: Option<Scores>,
    /// The combined score in basis points.
    #[serde(default)]
    pub combined: Option<i64>,
    /// What the combined score must reach.
    #[serde(default)]
    pub threshold: Option<i64>,
    /// Why it is where it is.
    #[serde(default)]
    pub reason: Option<String>,
    /// The validators drawn, with what they did.
    #[serde(default)]
    pub committee: Vec<Value>,
}

/// `POST /v1/ask`.
#[derive(Debug, Clone, Deserialize)]
pub struct Answer {
    /// The label by weighted vote.
    #[serde(default)]
    pub label: Option<String>,
    /// What it was answered from.
    #[serde(default)]
    pub passages: Vec<Passage>,
    /// The fee in base units.
    #[serde(default)]
    pub fee: u64,
    /// The receipt with its id.
    pub receipt: Receipt,
}

/// One passage behind an answer.
#[derive(Debug, Clone, Deserialize)]
pub struct Passage {
    /// The contribution it is from.
    pub contribution: String,
    /// Its share of the answer in parts per million.
    #[serde(default)]
    pub weight: u64,
}

/// A receipt, as far as it is read here.
#[derive(Debug, Clone, Deserialize)]
pub struct Receipt {
    /// Its id, hex.
    pub id: String,
    /// Who is paid for the data behind the answer.
    #[serde(default)]
    pub credits: Vec<Credit>,
}

/// One contribution's part in an answer.
#[derive(Debug, Clone, Deserialize)]
pub struct Credit {
    /// The contribution.
    pub contribution: String,
    /// Its share in parts per million.
    #[serde(default)]
    pub weight: u64,
}

/// `POST /v1/receipts/{id}/verify`.
#[derive(Debug, Clone, Deserialize)]
pub struct Verdict {
    /// `match`, `within` or `mismatch`.
    pub verdict: String,
    /// What differs, if anything.
    #[serde(default)]
    pub details: Value,
}

impl Verdict {
    /// Whether the receipt stands: recomputed equal, or within the stated tolerance.
    pub fn stands(&self) -> bool {
        matches!(self.verdict.as_str(), "match" | "within")
    }
}

/// `GET /v1/accounts/{address}/earnings`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Earnings {
    /// Everything earned so far, base units.
    pub earned: u64,
    /// Of it, already claimed.
    pub claimed: u64,
    /// Of it, claimable now.
    pub claimable: u64,
    /// Of it, not final yet as far as the node has seen blocks.
    pub pending: u64,
    /// For what.
    pub lines: Vec<EarningLine>,
    /// Nodes of whose statements some could not be read.
    pub missing: Vec<serde_json::Value>,
}

/// One reason for pay.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct EarningLine {
    /// The serving node.
    pub node: String,
    /// Its epoch.
    pub epoch: u64,
    /// `contributor`, `owner`, `validator`, …
    pub role: String,
    /// The datanet asked.
    pub datanet: String,
    /// The contribution that was used.
    pub contribution: Option<String>,
    /// In how many answers.
    pub answers: u64,
    /// Its shares of those answers, summed, in parts per million; 0 where they were netted.
    pub weight_ppm_sum: u64,
    /// What it is in all of them, where they were netted over their epoch.
    pub netted: Option<Netted>,
    /// Base units.
    pub amount: u64,
    /// In words.
    pub why: String,
}

/// A share of a model's fees in an epoch.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Netted {
    /// The model.
    pub model: String,
    /// The share, in parts per million.
    pub share_ppm: u64,
    /// What was left of its worth, in millionths.
    pub worth_left: u64,
}

/// `POST /v1/accounts/{address}/claim`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Claimed {
    /// Base units paid out by this call.
    pub total: u64,
}
