//! Agents: accounts that no key of their own controls, and what those who paid say of sellers.

use crate::asset::Asset;
use crate::{AgentId, Amount, BlobHash, NodeKey};

/// Most assets that an agent names as its suppliers.
pub const MAX_SUPPLIERS: usize = 16;

/// What an agent is made from, and what of its earnings that has at least.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct Supplier {
    /// A datanet, a model, or another agent.
    #[prost(oneof = "Asset", tags = "1, 2, 3")]
    pub asset: Option<Asset>,
    /// Its part of what the agent earns in settled epochs, in basis points, 1 to 10,000.
    #[prost(uint32, tag = "10")]
    pub floor_bps: u32,
}

/// Makes an account that no key of its own controls: the signer owns it, and whoever speaks for the signer speaks for it. What runs it is
/// sub-keys, granted on that account.
#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct RegisterAgent {
    /// A name for people, 1 to 64 bytes; with chain and owner it makes the agent's id. It is given once.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Blob that says what it is and does.
    #[prost(message, required, tag = "2")]
    pub card: BlobHash,
    /// What it is made from, up to [`MAX_SUPPLIERS`], each once; their floors sum to 10,000 basis points at most.
    #[prost(message, repeated, tag = "3")]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub suppliers: Vec<Supplier>,
    /// Base units by which all its sub-keys together may make its account poorer in one period, fees included; more than zero.
    #[prost(uint64, tag = "4")]
    pub budget: Amount,
    /// Seconds of a period. The first begins with the block of the registration; what is left of one is not carried into the next.
    #[prost(uint64, tag = "5")]
    pub period_seconds: u64,
    /// Base units that the owner gives it now.
    #[prost(uint64, tag = "6")]
    #[serde(default)]
    pub funds: Amount,
}

impl RegisterAgent {
    /// The id of the agent that `owner` registers with this on `chain_id`.
    pub fn id(&self, chain_id: &str, owner: &crate::Address) -> AgentId {
        AgentId::derive(chain_id, owner, &self.name)
    }
}

/// Says anew what an agent of the signer's is and may spend. Another card or other suppliers are its next release; another budget begins with
/// nothing spent.
#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct UpdateAgent {
    /// Which.
    #[prost(message, required, tag = "1")]
    pub agent: AgentId,
    /// As [`RegisterAgent::card`].
    #[prost(message, required, tag = "2")]
    pub card: BlobHash,
    /// As [`RegisterAgent::suppliers`].
    #[prost(message, repeated, tag = "3")]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub suppliers: Vec<Supplier>,
    /// As [`RegisterAgent::budget`].
    #[prost(uint64, tag = "4")]
    pub budget: Amount,
    /// As [`RegisterAgent::period_seconds`].
    #[prost(uint64, tag = "5")]
    pub period_seconds: u64,
    /// Whether all its sub-keys end, at once.
    #[prost(bool, tag = "6")]
    #[serde(default)]
    pub end_keys: bool,
}

/// Ends an agent of the signer's for good: its money goes to the owner, its sub-keys end, and none spends anything of it again.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct RetireAgent {
    /// Which.
    #[prost(message, required, tag = "1")]
    pub agent: AgentId,
}

/// Says how good what a serving node sold was. Whose vouchers were settled in an epoch that is final may say so once, for a while.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct RateSeller {
    /// The serving node.
    #[prost(message, required, tag = "1")]
    pub node: NodeKey,
    /// Its epoch that the signer paid for.
    #[prost(uint64, tag = "2")]
    pub epoch: u64,
    /// From 0 to 10,000 basis points.
    #[prost(uint32, tag = "3")]
    pub score_bps: u32,
}
