//! Validators, and the stake behind them.

use datanet_types::{Address, Amount, ConsensusAddress, ConsensusKey};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A validator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ValidatorView {
    /// Its address, which CometBFT shows too.
    #[schema(value_type = String)]
    pub id: ConsensusAddress,
    /// The key that signs for it.
    #[schema(value_type = String)]
    pub key: ConsensusKey,
    /// A name for people.
    pub name: String,
    /// The account that operates it.
    #[schema(value_type = String)]
    pub operator: Address,
    /// Base units that stand behind it.
    pub stake: Amount,
    /// Its voting power two blocks from now; 0 if it does not take part.
    pub power: u64,
    /// Share of its delegators' rewards that the operator keeps, in basis points.
    pub commission_bps: u32,
    /// What it is doing.
    pub status: ValidatorStatus,
    /// Until when it is in jail, in seconds since 1970, if it is.
    pub jailed_until: Option<u64>,
    /// Votes that it has missed in the present window of the chain's `liveness_window` blocks.
    pub missed: u64,
}

/// What a validator is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ValidatorStatus {
    /// It orders blocks.
    Active,
    /// Too little stands behind it.
    Waiting,
    /// It was away too often; its operator can bring it back.
    Jailed,
    /// It signed two histories and never comes back.
    Tombstoned,
}

/// Those with most behind them first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Validators {
    /// Up to 1,000 of them.
    pub validators: Vec<ValidatorView>,
}

/// This node's consensus key becomes a validator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewValidator {
    /// Name of the operating account on this node; the node's own if not given.
    #[serde(default)]
    pub account: Option<String>,
    /// Base units of the operator's own stake.
    pub amount: Amount,
    /// Share of its delegators' rewards that the operator keeps, in basis points; it can't be changed later. 0 if not given.
    #[serde(default)]
    pub commission_bps: u32,
    /// A name for people; the node's if not given.
    #[serde(default)]
    pub name: Option<String>,
}

/// Stake that comes or goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StakeChange {
    /// Name of the account on this node whose stake it is; the node's own if not given.
    #[serde(default)]
    pub account: Option<String>,
    /// Base units; of what is taken back or moved, more than is there means all of it.
    pub amount: Amount,
}

/// Stake that moves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StakeMove {
    /// Name of the account on this node whose stake it is; the node's own if not given.
    #[serde(default)]
    pub account: Option<String>,
    /// Base units; more than is there means all of it.
    pub amount: Amount,
    /// The validator that it goes to.
    #[schema(value_type = String)]
    pub to: ConsensusAddress,
}

/// In whose name something is done.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InTheNameOf {
    /// Name of the account on this node; the node's own if not given.
    #[serde(default)]
    pub account: Option<String>,
}

/// Somebody's stake on a validator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DelegationView {
    /// On which.
    #[schema(value_type = String)]
    pub validator: ConsensusAddress,
    /// Its name.
    pub name: String,
    /// Base units that it is worth now.
    pub amount: Amount,
    /// Of them, base units that were moved here and still answer for another validator: they stay as long.
    pub moved: Amount,
    /// Base units that it has earned and that can be withdrawn.
    pub earned: Amount,
}

/// An account's stakes on validators.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Delegations {
    /// Up to 1,000 of them, by validator.
    pub delegations: Vec<DelegationView>,
    /// Base units on their way back, with those that have left validators.
    pub unbonding: Vec<UnbondingView>,
}

/// Stake on its way back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UnbondingView {
    /// From which validator.
    #[schema(value_type = String)]
    pub validator: ConsensusAddress,
    /// Base units, as it is now.
    pub amount: Amount,
    /// Block time at which it arrives, in seconds since 1970.
    pub arrives: u64,
}

/// What was paid out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Rewards {
    /// Base units.
    pub amount: Amount,
    /// The transaction; none where nothing was earned.
    #[schema(value_type = Option<String>)]
    pub tx: Option<datanet_types::TxHash>,
}
