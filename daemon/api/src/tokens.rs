//! API keys: what a program may do on a node, in whose name, and for how much.

use std::collections::BTreeSet;

use datanet_types::{Address, Amount};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Something that a token may be good for. None contains another, but that `admin` is all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// To look at the ledger, datanets, contributions, models, receipts and accounts.
    Read,
    /// To search records.
    Search,
    /// To buy answers, to open, fill and close the channels that pay for them, and to say how good they were.
    Ask,
    /// To open datanets, contribute, take back and challenge.
    Contribute,
    /// To train, import, deploy and fetch models.
    Train,
    /// To move money: transfers, stakes on validators, claims, signed transactions.
    Spend,
    /// All of these, and the node itself: keys, tokens, its stake, settling, the chain's authority.
    Admin,
}

impl Scope {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Read, Self::Search, Self::Ask, Self::Contribute, Self::Train, Self::Spend, Self::Admin];

    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Search => "search",
            Self::Ask => "ask",
            Self::Contribute => "contribute",
            Self::Train => "train",
            Self::Spend => "spend",
            Self::Admin => "admin",
        }
    }
}

impl std::fmt::Display for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for Scope {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|scope| scope.name() == text)
            .ok_or_else(|| format!("there is no scope {text:?}; there are {}", Self::ALL.map(Self::name).join(", ")))
    }
}

/// How often a limit begins anew, by the clock in UTC: at each full hour, at midnight, or as Thursday begins, which is where 1970 began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Period {
    /// Each hour.
    Hour,
    /// Each day.
    Day,
    /// Each week.
    Week,
    /// Never: it is for as long as the token lasts.
    Total,
}

impl Period {
    /// Its length in seconds; none if it never begins anew.
    pub fn seconds(self) -> Option<u64> {
        match self {
            Self::Hour => Some(3_600),
            Self::Day => Some(86_400),
            Self::Week => Some(7 * 86_400),
            Self::Total => None,
        }
    }

    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Total => "total",
        }
    }
}

/// The most that a token may spend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenLimit {
    /// Base units, fees included.
    pub amount: Amount,
    /// In which time.
    pub period: Period,
}

/// A token to make.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewToken {
    /// What to call it: 1 to 64 of `a-z A-Z 0-9 - _ .`; a name that no other token has.
    pub name: String,
    /// What it is good for; at least one.
    pub scopes: BTreeSet<Scope>,
    /// The accounts in whose name it acts, by their names on the node or by address; all that are on the node if none is given. With one, that
    /// one pays for whoever names nobody.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accounts: Vec<String>,
    /// The most that it may spend; no more than there is, if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<TokenLimit>,
    /// Seconds until it ends; never by itself if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lasts_seconds: Option<u64>,
}

/// What is known of a token. Its secret is not: the node keeps a hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TokenInfo {
    /// Its id, the part of the secret that is none; `operator` for what stands in the node's api-token file.
    pub id: String,
    /// What it is called.
    pub name: String,
    /// What it is good for.
    pub scopes: BTreeSet<Scope>,
    /// The accounts in whose name it acts; all if there is none.
    #[schema(value_type = Vec<String>)]
    pub accounts: Vec<Address>,
    /// The most that it may spend.
    pub limit: Option<TokenLimit>,
    /// Base units of it that are left until it begins anew.
    pub left: Option<Amount>,
    /// When the limit begins anew, in seconds since 1970.
    pub renews_at: Option<u64>,
    /// When it was made, in seconds since 1970.
    pub created_at: Option<u64>,
    /// When it ends by itself.
    pub expires_at: Option<u64>,
    /// When it ended.
    pub ended_at: Option<u64>,
    /// `active`, `expired` or `revoked`.
    pub state: String,
}

/// All tokens, those that have ended among them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Tokens {
    /// In the order in which they were made.
    pub tokens: Vec<TokenInfo>,
}

/// A token just made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CreatedToken {
    /// The secret, to be sent as a bearer token. It is shown this once.
    pub secret: String,
    /// The rest.
    pub token: TokenInfo,
}

/// Which part of the log to read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct LogParams {
    /// Only what is older than the entry of this number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<u64>,
    /// How many, 1 to 1,000; 100 if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

/// Something that happened to a token or was done with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogEntry {
    /// Its number: one more than that of the entry before.
    pub number: u64,
    /// Seconds since 1970.
    pub at: u64,
    /// The token's id; empty where a token was sent that is none.
    pub token: String,
    /// What the token is called.
    pub name: String,
    /// `created`, `revoked`, `expired`, `spent`, `given-back` or `refused`.
    pub event: String,
    /// What was done or refused.
    pub detail: String,
    /// The account that paid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub account: Option<Address>,
    /// Base units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<Amount>,
    /// How often the same happened since the entry before that says so; refusals are told once a minute.
    pub times: u64,
}

/// The latest of what was done with tokens.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TokenLog {
    /// The latest first. The node keeps the last 10,000.
    pub entries: Vec<LogEntry>,
}
