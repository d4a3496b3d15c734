//! Keys of agents.

use datanet_types::{Address, AgentId};

use crate::state::DERIVED;

/// Prefix of all agents. Example: `agents/record/`
pub fn agents() -> String {
    "agents/record/".to_owned()
}

/// An agent. Example: `agents/record/0505050505050505050505050505050505050505050505050505050505050505`
pub fn agent(id: &AgentId) -> String {
    format!("{}{id}", agents())
}

/// Prefix of an agent's releases. Example:
/// `agents/release/0505050505050505050505050505050505050505050505050505050505050505/`
pub fn releases(agent: &AgentId) -> String {
    format!("agents/release/{agent}/")
}

/// One of an agent's releases, by its number from 0. Example:
/// `agents/release/0505050505050505050505050505050505050505050505050505050505050505/0000000003`
pub fn release(agent: &AgentId, number: u32) -> String {
    format!("{}{number:010}", releases(agent))
}

/// Prefix of the agents of an owner that are not retired. Example: `derived/agents/of/dn1qyqszqgpqyqszqgpqyqszqgpqyqszqgpxv98jv/`
pub fn all_of(owner: &Address) -> String {
    format!("{DERIVED}agents/of/{owner}/")
}

/// An agent of an owner. Example:
/// `derived/agents/of/dn1qyqszqgpqyqszqgpqyqszqgpqyqszqgpxv98jv/0505050505050505050505050505050505050505050505050505050505050505`
pub fn of(owner: &Address, id: &AgentId) -> String {
    format!("{}{id}", all_of(owner))
}

/// The agent whose account it is. Example: `derived/agents/account/dn1qyqszqgpqyqszqgpqyqszqgpqyqszqgpxv98jv`
pub fn by_account(account: &Address) -> String {
    format!("{DERIVED}agents/account/{account}")
}
