//! Proposals and votes: how those who have stake change the chain.
//!
//! What a proposal may do is said by its type. Parameters are names with numbers, so that none can hold an account or a datanet; nothing takes from,
//! freezes, mints to or judges anybody. One kind alone names an account, and only to give: a payment out of the treasury.

use crate::{Address, Amount, Digest};

/// Most bytes of a proposal's title.
pub const MAX_TITLE: usize = 128;
/// Most bytes of its reason.
pub const MAX_REASON: usize = 4 * 1024;
/// Most parameters that one proposal changes.
pub const MAX_NUMBERS: usize = 32;
/// Most binaries that an upgrade names.
pub const MAX_BINARIES: usize = 16;
/// Most bytes of a platform's name.
pub const MAX_PLATFORM: usize = 64;

/// Puts something to the vote, and locks a deposit for it.
#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct SubmitProposal {
    /// What it is called, 1 to [`MAX_TITLE`] bytes.
    #[prost(string, tag = "1")]
    pub title: String,
    /// Why, 1 to [`MAX_REASON`] bytes.
    #[prost(string, tag = "2")]
    pub reason: String,
    /// Base units that it may lock at most. It takes what the chain asks, which rises with what is voted on already.
    #[prost(uint64, tag = "3")]
    pub deposit: Amount,
    /// What is done if it passes.
    #[prost(oneof = "Proposed", tags = "10, 11, 12, 13, 14, 15")]
    pub proposed: Option<Proposed>,
}

/// What is done if a proposal passes.
#[derive(Clone, PartialEq, Eq, prost::Oneof, serde::Serialize, serde::Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Proposed {
    /// Nothing: that so many agree is all it says.
    #[prost(message, tag = "10")]
    Text(Resolution),
    /// Parameters change.
    #[prost(message, tag = "11")]
    Params(NewNumbers),
    /// The treasury pays.
    #[prost(message, tag = "12")]
    Spend(Payment),
    /// Other rules hold from a height on.
    #[prost(message, tag = "13")]
    Upgrade(Upgrade),
    /// The account that genesis named for the chain has no say any more.
    #[prost(message, tag = "14")]
    RetireAuthority(Retirement),
    /// A component of the ledger runs again that stands still.
    #[prost(message, tag = "15")]
    Reset(Restart),
}

impl Proposed {
    /// Its name, as in JSON and in events.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Text(_) => "text",
            Self::Params(_) => "params",
            Self::Spend(_) => "spend",
            Self::Upgrade(_) => "upgrade",
            Self::RetireAuthority(_) => "retire_authority",
            Self::Reset(_) => "reset",
        }
    }
}

/// Words alone.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct Resolution {}

/// The end of the chain's authority.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct Retirement {}

/// A component that is to run again.
#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct Restart {
    /// Its name.
    #[prost(string, tag = "1")]
    pub component: String,
}

/// Parameters with their new numbers.
#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct NewNumbers {
    /// 1 to [`MAX_NUMBERS`], in ascending order of their names.
    #[prost(message, repeated, tag = "1")]
    pub numbers: Vec<NewNumber>,
}

/// A parameter with its new number.
#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct NewNumber {
    /// Its name, such as `min_fee`; one in a group has a dot in it, such as `fee_shares.node`.
    #[prost(string, tag = "1")]
    pub name: String,
    /// What it becomes.
    #[prost(uint64, tag = "2")]
    pub value: u64,
}

/// A payment out of the treasury.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct Payment {
    /// Who is paid.
    #[prost(message, required, tag = "1")]
    pub to: Address,
    /// Base units, more than zero.
    #[prost(uint64, tag = "2")]
    pub amount: Amount,
}

/// Other rules, and the programs that know them.
#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct Upgrade {
    /// The version of the rules, one more than the present.
    #[prost(uint64, tag = "1")]
    pub version: u64,
    /// The first height at which they hold.
    #[prost(uint64, tag = "2")]
    pub height: u64,
    /// Up to [`MAX_BINARIES`], in ascending order of their platforms, one for each.
    #[prost(message, repeated, tag = "3")]
    pub binaries: Vec<Binary>,
}

/// A program for a platform.
#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct Binary {
    /// Such as `x86_64-linux`: 1 to [`MAX_PLATFORM`] small letters, digits, `-`, `_` and `.`.
    #[prost(string, tag = "1")]
    pub platform: String,
    /// Of its bytes.
    #[prost(message, required, tag = "2")]
    pub sha256: Digest,
}

/// A vote: with all stake that the account has behind validators when the vote ends. Said again, it takes the place of the one before.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct VoteProposal {
    /// The proposal's number.
    #[prost(uint64, tag = "1")]
    pub proposal: u64,
    /// A [`Choice`].
    #[prost(enumeration = "Choice", tag = "2")]
    #[serde(with = "choice_text")]
    pub choice: i32,
}

/// What somebody votes.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, prost::Enumeration, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
#[repr(i32)]
pub enum Choice {
    /// Neither, but it counts for the quorum.
    Abstain = 0,
    /// For it.
    Yes = 1,
    /// Against it.
    No = 2,
    /// Against it, and against its having been put to the vote: enough of these take its deposit.
    Veto = 3,
}

impl Choice {
    /// All there are.
    pub const ALL: [Self; 4] = [Self::Abstain, Self::Yes, Self::No, Self::Veto];

    /// Its name, as in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Abstain => "abstain",
            Self::Yes => "yes",
            Self::No => "no",
            Self::Veto => "veto",
        }
    }
}

crate::enum_text!(choice_text, super::Choice);

/// The chain's authority steps back, for good: what it did is votes' alone from then on.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct RetireAuthority {}
