//! Agents: accounts in the hands of an owner that programs spend from, within limits, and that are paid for what they sell.
//!
//! ```text
//!   owner ── register_agent ─► account that no key controls ◄── grant_key, revoke_key, by the owner's keys: what runs it
//!                               │  purse: all its sub-keys together, a period ([`authority::purse`])
//!                               ├─ update_agent ─► the next release: card and suppliers
//!                               └─ retire_agent ─► its money is the owner's, no sub-key spends anything again
//!
//!   settled epochs: the node's part, where its account is an agent's, and leaves of the agent's income
//!        └─► floors of the release that held ([`paying`]) ─► suppliers: datanets, models, other agents; what is left is the agent's own
//! ```
//!
//! **Whose it is.** An agent's address follows from chain, owner and name, and no key is known for it. Whoever speaks for the owner speaks for it,
//! also after a rotation or a recovery ([`super::authority::speakers`]). It is in its owner's hands for good, also once it is retired: so whatever
//! comes later to its account is nobody else's.
//!
//! **Releases** are never changed: what an agent's earnings are divided by is what it said before the epoch was settled, and a supplier is named with
//! the release that it had. So nothing is ever behind itself, and all floors through all agents are worked out once, when a release
//! is made ([`lineage`]): who is paid is a list of at most [`MAX_PAYEES`].
//!
//! **What it has at stake** when it sells is its node's stake, like anybody's who sells: the node is registered by the agent's account.

pub mod action;
mod lineage;
mod paying;
pub mod state_key;

use datanet_types::{Address, AgentId, Asset, BlobHash};

use super::error::{ensure, refuse};
use super::{ActionError, TxContext};
use crate::code;
use crate::state::{StateError, StateRead, StateWrite};

pub use lineage::MAX_PAYEES;
pub use paying::in_force;
pub(super) use paying::{pass_on, pass_on_all};

/// A registered agent.
#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct Agent {
    /// Its id: the hash of chain, `owner` and `name`.
    #[prost(message, required, tag = "1")]
    pub id: AgentId,
    /// Its account, which follows from its id.
    #[prost(message, required, tag = "2")]
    pub account: Address,
    /// Who speaks for it.
    #[prost(message, required, tag = "3")]
    pub owner: Address,
    /// A name for people.
    #[prost(string, tag = "4")]
    pub name: String,
    /// Height of its registration.
    #[prost(uint64, tag = "5")]
    pub registered_height: u64,
    /// The number of its latest release, from 0.
    #[prost(uint32, tag = "6")]
    pub release: u32,
    /// Height at which it was retired; 0 if it was not.
    #[prost(uint64, tag = "7")]
    pub retired_height: u64,
}

impl Agent {
    /// Whether it runs.
    pub fn is_active(&self) -> bool {
        self.retired_height == 0
    }
}

/// What an agent said at a time that it is, and who has part in what it earns. It never changes.
#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct Release {
    /// Blob that says what it is and does.
    #[prost(message, required, tag = "1")]
    pub card: BlobHash,
    /// What it is made from, as it was named.
    #[prost(message, repeated, tag = "2")]
    pub suppliers: Vec<Supply>,
    /// Whom its earnings are divided among, ordered by asset, all floors through other agents worked out. What is left is its own.
    #[prost(message, repeated, tag = "3")]
    pub payees: Vec<Payee>,
    /// Height at which it was made. It holds for epochs that are settled in later blocks.
    #[prost(uint64, tag = "4")]
    pub height: u64,
}

/// What an agent is made from.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct Supply {
    /// A datanet, a model, or another agent.
    #[prost(oneof = "Asset", tags = "1, 2, 3")]
    pub asset: Option<Asset>,
    /// Its part of what the agent earns, in basis points.
    #[prost(uint32, tag = "10")]
    pub floor_bps: u32,
    /// Of another agent, the release that it had.
    #[prost(uint32, tag = "11")]
    pub release: u32,
}

/// Who has part in what an agent earns.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct Payee {
    /// A datanet, a model, or another agent.
    #[prost(oneof = "Asset", tags = "1, 2, 3")]
    pub asset: Option<Asset>,
    /// Parts in a million.
    #[prost(uint32, tag = "10")]
    pub ppm: u32,
}

/// An agent by id.
///
/// # Errors
/// When the store cannot be read.
pub fn get<S: StateRead>(state: &S, id: &AgentId) -> Result<Option<Agent>, StateError> {
    state.get(&state_key::agent(id))
}

/// Up to `limit` agents by id, from behind `after`.
///
/// # Errors
/// When the store cannot be read.
pub fn list<S: StateRead>(state: &S, after: Option<&AgentId>, limit: usize) -> Result<Vec<Agent>, StateError> {
    let after = after.map(state_key::agent);
    let entries = state.list(&state_key::agents(), after.as_deref(), limit)?;
    Ok(entries.into_iter().map(|(_, agent)| agent).collect())
}

/// Up to `limit` agents of an owner by id, from behind `after`; none that is retired.
///
/// # Errors
/// When the store cannot be read.
pub fn of_owner<S: StateRead>(
    state: &S,
    owner: &Address,
    after: Option<&AgentId>,
    limit: usize,
) -> Result<Vec<Agent>, StateError> {
    let after = after.map(|id| state_key::of(owner, id));
    let entries = state.list::<AgentId>(&state_key::all_of(owner), after.as_deref(), limit)?;
    entries.into_iter().map(|(_, id)| expect(state, &id)).collect()
}

/// The agent whose account it is, if it is one's.
///
/// # Errors
/// When the store cannot be read.
pub fn of_account<S: StateRead>(state: &S, account: &Address) -> Result<Option<Agent>, StateError> {
    match state.get::<AgentId>(&state_key::by_account(account))? {
        Some(id) => Ok(Some(expect(state, &id)?)),
        None => Ok(None),
    }
}

/// One of an agent's releases.
///
/// # Errors
/// When the store cannot be read.
pub fn release<S: StateRead>(state: &S, id: &AgentId, number: u32) -> Result<Option<Release>, StateError> {
    state.get(&state_key::release(id, number))
}

/// An agent that an index of the ledger's own says is there.
fn expect<S: StateRead>(state: &S, id: &AgentId) -> Result<Agent, StateError> {
    state.expect(state_key::agent(id), "an agent that is named and not there")
}

/// A release that an agent's record says is there.
fn expect_release<S: StateRead>(state: &S, id: &AgentId, number: u32) -> Result<Release, StateError> {
    state.expect(state_key::release(id, number), "an agent has had so many releases")
}

/// The agent, which must be there, the signer's, and not retired.
fn require_own<S: StateRead>(state: &S, id: &AgentId, ctx: &TxContext<'_>) -> Result<Agent, ActionError> {
    let Some(agent) = get(state, id)? else {
        return refuse(code::AGENT_UNKNOWN, format!("there is no agent {id}; look its id up in the list of agents"));
    };
    ensure(agent.owner == ctx.tx.signer, code::AGENT_FOREIGN, || {
        format!("agent {id} is owned by {}; only that account does this", agent.owner)
    })?;
    ensure(agent.is_active(), code::AGENT_RETIRED, || {
        format!("agent {id} was retired at height {}, for good; register another", agent.retired_height)
    })?;
    Ok(agent)
}

fn put<S: StateWrite>(state: &mut S, agent: &Agent) {
    state.put(state_key::agent(&agent.id), agent);
}
