//! Votes: how those who have stake behind validators change the chain.
//!
//! ```text
//!                       voting_seconds, of which the last quarter is the delegators'         timelock_seconds
//!   submit_proposal ─► voting ─── mark ─────────────── end ──┬─ passed ─► waits ─┬─ those who were for it are still there ─► done
//!      deposit            ▲ vote_proposal              │  ▲  │                  └─ they left ─► lapsed
//!                                                      │  │  ├─ against, or too few voted ─► rejected; the deposit goes back
//!                       it would not have passed then ─┘  │  └─ vetoed: the deposit is the treasury's
//!                            └── a quarter longer, once ──┘
//! ```
//!
//! **Whose votes count.** A vote is an account's, with all stake that it has behind validators at the end. What somebody has not voted with follows the
//! validator's operator, as that had voted until the mark. Nobody's stake is walked over to count: the shares that vote on something are summed by validator as they vote and as they
//! move ([`stakes`]), so that a tally reads a few records for each validator that may take part ([`tally`]), however many have voted, and stake that
//! moves is never counted twice.
//!
//! **What votes may do** is said by the type of what is proposed ([`datanet_types::action::Proposed`]): numbers among the parameters, a payment
//! out of the treasury within what a period may spend, other rules from a height on, the end of the authority, a component that runs again, or
//! nothing but words. A proposal is judged by the parameters at its height, whatever becomes of them meanwhile.

pub mod action;
mod carrying_out;
mod deciding;
mod stakes;
pub mod state_key;
mod tally;
pub mod upgrade;

use datanet_types::action::{Choice, Proposed};
use datanet_types::{Address, Amount, ModuleAddress};

use super::Params;
use crate::state::{StateError, StateRead};

pub(super) use deciding::step;
pub(super) use stakes::moves;
pub use stakes::{VotingStake, voting_stake};
pub use tally::{Tally, count};

/// Most proposals that are voted on or wait at a time.
pub const MAX_LIVE: usize = 32;
/// Proposals after which the deposit is twice as much.
const DOUBLES_EVERY: usize = 4;
/// The part of the voting time, one in so many, in which delegators have the last word.
const LATE_SHARE: u64 = 4;

/// How a proposal stands.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, prost::Enumeration, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
#[repr(i32)]
pub enum Status {
    /// It is voted on.
    Voting = 0,
    /// It has passed, and is done when its time has come.
    Passed = 1,
    /// It has passed, and is done.
    Done = 2,
    /// More were against it than may be.
    Rejected = 3,
    /// Too few voted.
    NoQuorum = 4,
    /// Enough were against its having been put to the vote.
    Vetoed = 5,
    /// It had passed, and too many of those who were for it left before it was done.
    Lapsed = 6,
    /// It had passed, and could not be done when its time had come.
    Failed = 7,
}

impl Status {
    /// Its name, as in JSON and in events.
    pub fn name(self) -> &'static str {
        match self {
            Self::Voting => "voting",
            Self::Passed => "passed",
            Self::Done => "done",
            Self::Rejected => "rejected",
            Self::NoQuorum => "no_quorum",
            Self::Vetoed => "vetoed",
            Self::Lapsed => "lapsed",
            Self::Failed => "failed",
        }
    }
}

/// A proposal.
#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct Proposal {
    /// Its number, from 1.
    #[prost(uint64, tag = "1")]
    pub number: u64,
    /// Who put it to the vote.
    #[prost(message, required, tag = "2")]
    pub proposer: Address,
    /// What it is called.
    #[prost(string, tag = "3")]
    pub title: String,
    /// Why.
    #[prost(string, tag = "4")]
    pub reason: String,
    /// Base units that are locked for it while it is voted on.
    #[prost(uint64, tag = "5")]
    pub deposit: Amount,
    /// Height at which it was put to the vote.
    #[prost(uint64, tag = "6")]
    pub height: u64,
    /// Block time from which on validators' votes for others are closed, in seconds since 1970.
    #[prost(uint64, tag = "7")]
    pub mark: u64,
    /// Block time at which the vote ends.
    #[prost(uint64, tag = "8")]
    pub ends: u64,
    /// Block time of what happens next to it: its mark, its end, its being done, its being forgotten.
    #[prost(uint64, tag = "9")]
    pub due: u64,
    /// What is done if it passes.
    #[prost(oneof = "Proposed", tags = "10, 11, 12, 13, 14, 15")]
    pub proposed: Option<Proposed>,
    /// How it stands.
    #[prost(enumeration = "Status", tag = "20")]
    status: i32,
    /// Whether its mark is behind it.
    #[prost(bool, tag = "21")]
    marked: bool,
    /// Whether it would have passed then.
    #[prost(bool, tag = "22")]
    passing: bool,
    /// Whether it was voted on a quarter longer.
    #[prost(bool, tag = "23")]
    pub extended: bool,
    /// What the vote came to.
    #[prost(message, optional, tag = "24")]
    pub tally: Option<Tally>,
}

impl Proposal {
    /// Whether its mark, from which on delegators have the last word, is behind it.
    pub fn is_marked(&self) -> bool {
        self.marked
    }

    /// Whether it takes more than an ordinary majority: what it does cannot be undone by another.
    pub fn is_strong(&self) -> bool {
        matches!(self.proposed, Some(Proposed::Spend(_) | Proposed::Upgrade(_) | Proposed::RetireAuthority(_)))
    }

    /// Seconds of the last part of its vote.
    fn late_seconds(params: &Params) -> u64 {
        params.voting_seconds / LATE_SHARE
    }
}

/// Somebody's vote.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct Vote {
    /// What the account votes with its own stake.
    #[prost(enumeration = "Choice", tag = "1")]
    choice: i32,
    /// What it had voted at the mark: a validator's operator votes so with the stake of those who do not vote.
    #[prost(enumeration = "Choice", optional, tag = "2")]
    lead: Option<i32>,
}

impl Vote {
    /// What the account votes with its own stake.
    pub fn own(&self) -> Choice {
        self.choice()
    }

    /// What it votes with the stake of those who follow it; none where it had not voted until the mark.
    pub fn for_others(&self) -> Option<Choice> {
        self.lead.and_then(|lead| Choice::try_from(lead).ok())
    }
}

/// A proposal; none if it was never there, or is forgotten.
///
/// # Errors
/// When the store cannot be read.
pub fn get<S: StateRead>(state: &S, number: u64) -> Result<Option<Proposal>, StateError> {
    state.get(&state_key::proposal(number))
}

/// Up to `limit` proposals by number, from behind `after`.
///
/// # Errors
/// When the store cannot be read.
pub fn list<S: StateRead>(state: &S, after: Option<u64>, limit: usize) -> Result<Vec<Proposal>, StateError> {
    let after = after.map(state_key::proposal);
    let entries = state.list(&state_key::proposals(), after.as_deref(), limit)?;
    Ok(entries.into_iter().map(|(_, proposal)| proposal).collect())
}

/// Somebody's vote on a proposal.
///
/// # Errors
/// When the store cannot be read.
pub fn vote<S: StateRead>(state: &S, number: u64, voter: &Address) -> Result<Option<Vote>, StateError> {
    state.get(&state_key::vote(number, voter))
}

/// The numbers of the proposals that are voted on or wait.
///
/// # Errors
/// When the store cannot be read.
pub fn live<S: StateRead>(state: &S) -> Result<Vec<u64>, StateError> {
    stakes::live(state)
}

/// What putting something to the vote locks as things stand.
///
/// # Errors
/// When the store cannot be read.
pub fn deposit<S: StateRead>(state: &S, params: &Params) -> Result<Amount, StateError> {
    let doubled = live(state)?.len().checked_div(DOUBLES_EVERY).unwrap_or(0);
    let doubled = u32::try_from(doubled).unwrap_or(u32::MAX);
    Ok(params.proposal_deposit.saturating_mul(1u64.checked_shl(doubled).unwrap_or(u64::MAX)))
}

/// The account that holds a proposal's deposit.
pub fn deposit_account(number: u64) -> ModuleAddress {
    ModuleAddress::of("proposal", &[&number.to_le_bytes()])
}
