//! Agents: accounts that programs spend from within limits, in the hands of an owner.

use datanet_types::{Address, AgentId, Amount, BlobHash, TxHash};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// An agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AgentView {
    /// Its id.
    #[schema(value_type = String)]
    pub id: AgentId,
    /// Its account, which no key of its own controls.
    #[schema(value_type = String)]
    pub account: Address,
    /// Who speaks for it.
    #[schema(value_type = String)]
    pub owner: Address,
    /// A name for people.
    pub name: String,
    /// The blob that says what it is and does.
    #[schema(value_type = String)]
    pub card: BlobHash,
    /// The number of its latest release, from 0.
    pub release: u32,
    /// What that is made from.
    pub suppliers: Vec<SupplierView>,
    /// Whom what it earns is divided among, all floors through other agents worked out. What is left is its own.
    pub payees: Vec<PayeeView>,
    /// Base units that its account has.
    pub balance: Amount,
    /// Base units by which all its sub-keys together may make it poorer in a period.
    pub budget: Amount,
    /// What of that is left in this one.
    pub left: Amount,
    /// Seconds of a period.
    pub period_seconds: u64,
    /// Height of its registration.
    pub registered_height: u64,
    /// Height at which it was retired; 0 if it was not.
    pub retired_height: u64,
}

/// What an agent is made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SupplierView {
    /// `datanet:ID`, `model:ID` or `agent:ID`.
    pub asset: String,
    /// Its part of what the agent earns in settled epochs, in basis points.
    pub floor_bps: u32,
    /// Of another agent, the release that it had when it was named.
    pub release: u32,
}

/// Who has part in what an agent earns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PayeeView {
    /// `datanet:ID`, `model:ID` or `agent:ID`.
    pub asset: String,
    /// Parts in a million.
    pub ppm: u32,
}

/// Several agents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Agents {
    /// By id.
    pub agents: Vec<AgentView>,
}

/// Which agents are listed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct AgentsParams {
    /// Only those of this account that are not retired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<String>)]
    pub owner: Option<Address>,
    /// Only those behind this one, by id: the last of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<String>)]
    pub after: Option<AgentId>,
    /// At most this many, 1 to 1,000; 1,000 if not given. On the public face 1 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

/// What an agent is to be made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSupplier {
    /// `datanet:ID`, `model:ID` or `agent:ID`.
    pub asset: String,
    /// Its part of what the agent earns in settled epochs, 1 to 10,000 basis points.
    pub floor_bps: u32,
}

/// An agent to register.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAgent {
    /// The name of the owner's key on the node; the node's own if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// A name for people, 1 to 64 bytes. An account gives it once.
    pub name: String,
    /// The blob that says what it is and does, by its hash.
    #[schema(value_type = String)]
    pub card: BlobHash,
    /// Up to 16; their floors sum to 10,000 at most.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub suppliers: Vec<NewSupplier>,
    /// Base units by which all its sub-keys together may make it poorer in a period, fees included.
    pub budget: Amount,
    /// Seconds of a period.
    pub period_seconds: u64,
    /// Base units that the owner gives it now.
    #[serde(default)]
    pub funds: Amount,
}

/// What of an agent is to be otherwise. What is left out stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangedAgent {
    /// The name of the owner's key on the node; the node's own if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Another card: the next release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub card: Option<BlobHash>,
    /// Other suppliers, all of them: the next release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suppliers: Option<Vec<NewSupplier>>,
    /// Another budget, which begins with nothing spent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<Amount>,
    /// Another period.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period_seconds: Option<u64>,
    /// Whether all its sub-keys end, at once.
    #[serde(default)]
    pub end_keys: bool,
}

/// An agent that was registered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RegisteredAgent {
    /// Its id.
    #[schema(value_type = String)]
    pub id: AgentId,
    /// Its account.
    #[schema(value_type = String)]
    pub account: Address,
    /// The transaction.
    #[schema(value_type = String)]
    pub tx: TxHash,
    /// Its height.
    pub height: u64,
}

/// A key that is to run an agent, within limits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAgentKey {
    /// The name of the owner's key on the node; the node's own if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// A public key, hex, or the name of a key on the node that signs for the agent's account.
    pub key: String,
    /// What it may do, by the names of actions.
    pub actions: Vec<String>,
    /// With whom: an account's address, `node:KEY`, `datanet:ID` or `validator:ADDRESS` each; with anybody if there is none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub counterparties: Vec<String>,
    /// Base units that it may spend in a period, at most what all of them may.
    pub budget: Amount,
    /// Seconds of a period.
    pub period_seconds: u64,
    /// Seconds until it ends.
    pub lasts_seconds: u64,
}

/// A key that is to run an agent no more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RevokedAgentKey {
    /// The name of the owner's key on the node; the node's own if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// A public key, hex, or the name of a key on the node.
    pub key: String,
}
