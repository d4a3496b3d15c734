//! Accounts: what they own, what they earned and why.

use datanet_types::{Address, Amount, ContributionId, DatanetId, ModelId, NodeKey, Ppm, TxHash};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccountView {
    /// Where money is sent.
    #[schema(value_type = String)]
    pub address: Address,
    /// Base units.
    pub balance: Amount,
    /// Its name at genesis.
    pub name: Option<String>,
    /// Its node.
    #[schema(value_type = Option<String>)]
    pub node: Option<NodeKey>,
    /// Base units locked as its node's stake.
    pub stake: Amount,
    /// Base units of stake that were taken back and are on their way to the balance.
    #[serde(default)]
    pub unbonding: Amount,
    /// How well it judges, in basis points.
    pub reputation: Option<u32>,
}

/// How much the node's account is to have at stake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewStake {
    /// Base units in all: more is locked at once, what is taken back comes after the chain's unbonding time.
    pub stake: Amount,
}

/// What an account earned, in all epochs with money left and the latest of the others: 1,000 of a node, 4,096 in all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Earnings {
    /// Base units earned in settled epochs.
    pub earned: Amount,
    /// Base units claimed of it.
    pub claimed: Amount,
    /// Base units that a claim would pay now.
    pub claimable: Amount,
    /// Base units earned in epochs that can still be challenged: they can be claimed once those are final.
    #[serde(default)]
    pub pending: Amount,
    /// Block time from which some of that is final, in seconds since 1970.
    #[serde(default)]
    pub next_final: Option<u64>,
    /// Why.
    pub lines: Vec<EarningView>,
    /// Nodes whose statements could not be read now, so that sums are too small or lines are missing.
    pub missing: Vec<Missing>,
}

/// What is missing of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Missing {
    /// The serving node.
    #[schema(value_type = String)]
    pub node: NodeKey,
    /// Epochs that could not be read.
    pub epochs: u64,
    /// Why the latest of them could not.
    pub reason: String,
}

/// One reason for pay. What a contribution earned in an epoch by answers that pay each by itself and by those of each model that are netted are lines of
/// their own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EarningView {
    /// The serving node.
    #[schema(value_type = String)]
    pub node: NodeKey,
    /// Its epoch.
    pub epoch: u64,
    /// As what.
    pub role: EarningRole,
    /// The datanet asked.
    #[schema(value_type = String)]
    pub datanet: DatanetId,
    /// The contribution.
    #[schema(value_type = Option<String>)]
    pub contribution: Option<ContributionId>,
    /// Answers that rest on it; of what was netted, all of the model's in the epoch that it moved.
    pub answers: u64,
    /// Sum of its weights in those answers, in parts per million, where each paid by itself; absent where they were netted, or what is paid follows no
    /// contribution.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>)]
    pub weight_ppm_sum: Option<Ppm>,
    /// What it is in all of those answers together, where they were netted; absent where each paid by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub netted: Option<NettedView>,
    /// Base units.
    pub amount: Amount,
    /// The datanet or model that earned it for its owner, as `datanet:ID` or `model:ID`; absent where the account earned it itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asset: Option<String>,
    /// All of it in words.
    pub why: String,
}

/// What a contribution is in the answers of a model that were netted over an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NettedView {
    /// The model that answered; absent where the epoch has more reasons than a statement lists, and those of several models are one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub model: Option<ModelId>,
    /// The contribution's share of the model's fees, in parts per million: its part of all worth that was left above zero. Absent where `model` is, and
    /// where nobody was there to earn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>)]
    pub share_ppm: Option<Ppm>,
    /// What was left of its worth, harm and debts taken from help, in millionths of log-odds times base units of fees.
    pub worth_left: u64,
}

/// Why an account earns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum EarningRole {
    /// Its records carried the answer.
    Contributor,
    /// It owns the model that answered, or the datanet that was asked where nobody owns the model.
    Owner,
    /// It owns a model that the one that answered was made from, or a datanet that one of them was trained on.
    Lineage,
    /// It judged the contributions that carried the answer.
    Validator,
    /// It keeps the contributions that carried the answer, and had them judged.
    Storage,
    /// What nobody else is there to earn, for example the share of a model without an owner.
    Treasury,
}

/// Claims paid.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Claims {
    /// One for each serving node that paid, and each transaction: `{node, epochs, amount, tx}`.
    #[schema(value_type = Vec<Object>)]
    pub claims: Vec<Claimed>,
    /// Base units in all.
    pub total: Amount,
    /// Nodes that may owe something and did not pay all of it now, each with the reason.
    pub failed: Vec<NotClaimed>,
}

/// What a node did not pay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NotClaimed {
    /// The serving node.
    #[schema(value_type = String)]
    pub node: NodeKey,
    /// Epochs of it that did not pay.
    pub epochs: u64,
    /// Why not the latest of them, and what to do.
    pub reason: String,
}

/// What a node paid in one transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claimed {
    /// The serving node.
    pub node: NodeKey,
    /// Epochs of it.
    pub epochs: u64,
    /// Base units paid.
    pub amount: Amount,
    /// The transaction.
    pub tx: TxHash,
}

/// All money there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Supply {
    /// Base units over all accounts, counted one by one.
    pub supply: Amount,
    /// Base units made at genesis: the same, or the ledger is wrong.
    pub minted: Amount,
    /// The ledger's height when they were counted.
    pub height: u64,
}
