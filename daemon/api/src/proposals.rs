//! Proposals, votes on them, and the rules that come.

use std::collections::BTreeMap;

use datanet_types::action::Choice;
use datanet_types::{Address, Amount, Digest};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a proposal does if it passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProposalKind {
    /// Nothing: that so many agree is all it says.
    Text,
    /// Parameters change.
    Params,
    /// The treasury pays.
    Spend,
    /// Other rules hold from a height on.
    Upgrade,
    /// The account that genesis named for the chain has no say any more.
    RetireAuthority,
    /// A component of the ledger runs again that stands still.
    Reset,
}

/// What is done if a proposal passes: a kind, and what that kind takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// What kind it is.
    pub kind: ProposalKind,
    /// `params`: names with their new numbers, such as `{"min_fee": 2000}`; one in a group has a dot in it, such as `fee_shares.node`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub numbers: Option<BTreeMap<String, u64>>,
    /// `spend`: who is paid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub to: Option<Address>,
    /// `spend`: base units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<Amount>,
    /// `upgrade`: the version of the rules, one more than the present.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// `upgrade`: the first height at which they hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub height: Option<u64>,
    /// `upgrade`: SHA-256 of the program for each platform, such as `x86_64-linux`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub binaries: Option<BTreeMap<String, Digest>>,
    /// `reset`: the component's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<String>,
}

/// Something to be put to the vote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewProposal {
    /// Name of the account on this node whose proposal it is, and which locks the deposit; the node's own if not given.
    #[serde(default)]
    pub account: Option<String>,
    /// What it is called, 1 to 128 bytes.
    pub title: String,
    /// Why, 1 to 4,096 bytes.
    pub reason: String,
    /// Base units that it may lock at most; if not given, what it takes as things stand.
    #[serde(default)]
    pub deposit: Option<Amount>,
    /// What is done if it passes.
    pub change: Change,
}

/// A vote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewVote {
    /// Name of the account on this node that votes, with all stake that it has behind validators; the node's own if not given.
    #[serde(default)]
    pub account: Option<String>,
    /// `yes`, `no`, `abstain`, or `veto`: against it, and against its having been put to the vote.
    #[schema(value_type = String)]
    pub choice: Choice,
}

/// What stake says of a proposal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TallyView {
    /// Base units for it.
    pub yes: Amount,
    /// Base units against it.
    pub no: Amount,
    /// Base units neither for nor against.
    pub abstain: Amount,
    /// Base units against it, and against its having been put to the vote.
    pub veto: Amount,
    /// Base units behind all validators that may take part.
    pub bonded: Amount,
}

/// A proposal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProposalView {
    /// Its number.
    pub number: u64,
    /// `voting`, `passed` (and waiting), `done`, `rejected`, `no_quorum`, `vetoed`, `lapsed` (those for it left before it was done) or `failed` (it could not be done any more).
    pub status: String,
    /// What it is called.
    pub title: String,
    /// Why.
    pub reason: String,
    /// Who put it to the vote.
    #[schema(value_type = String)]
    pub proposer: Address,
    /// Base units that were locked for it.
    pub deposit: Amount,
    /// Height at which it was put to the vote.
    pub height: u64,
    /// What is done if it passes.
    pub change: Change,
    /// Block time from which on validators vote for themselves alone, and no more for those who follow them.
    pub mark: u64,
    /// Block time at which the vote ends.
    pub ends: u64,
    /// Whether it is voted on a quarter longer, since it turned after its mark.
    pub extended: bool,
    /// Block time at which it is done; none where it has not passed, or is done.
    pub due: Option<u64>,
    /// What stake said, or says as things stand.
    pub tally: TallyView,
    /// Whether it would pass, or has passed, by that.
    pub passes: bool,
}

/// Proposals.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Proposals {
    /// Base units that putting something to the vote locks as things stand.
    pub deposit: Amount,
    /// Those that are voted on or wait, and those that are over and not forgotten, the latest first; 1,000 at most.
    pub proposals: Vec<ProposalView>,
}

/// Rules that come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UpgradeView {
    /// The version that holds.
    pub version: u64,
    /// The latest version that this node's program knows.
    pub knows: u64,
    /// What was voted and has not begun; none where nothing was.
    pub planned: Option<PlannedUpgrade>,
}

/// Rules that were voted and have not begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PlannedUpgrade {
    /// The proposal.
    pub proposal: u64,
    /// Their version.
    pub version: u64,
    /// The first height at which they hold.
    pub height: u64,
    /// SHA-256 of the program for each platform.
    #[schema(value_type = Object)]
    pub binaries: BTreeMap<String, Digest>,
}
