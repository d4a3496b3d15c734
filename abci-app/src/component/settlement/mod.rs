//! Settlement: one transaction charges the channels of a serving node for all its answers and puts up a Merkle root;
//! whoever earned proves a leaf and is paid. The cost on the ledger does not grow with answers or earners.

pub mod action;
pub mod state_key;

use datanet_types::epoch::EpochTotals;
use datanet_types::{Address, Amount, BlobHash, Digest, NodeKey};

use super::accounts::Balance;
use crate::state::{StateError, StateRead, StateWrite};

/// Most vouchers in one transaction: each costs a signature check.
pub const MAX_VOUCHERS: usize = 256;

/// One settled epoch of a serving node.
#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct Epoch {
    /// The node.
    #[prost(message, required, tag = "1")]
    pub node: NodeKey,
    /// Its number, from 1.
    #[prost(uint64, tag = "2")]
    pub epoch: u64,
    /// Root over the cumulative earnings.
    #[prost(message, required, tag = "3")]
    pub root: Digest,
    /// Blob with the leaves and why they are what they are.
    #[prost(message, required, tag = "4")]
    pub statement: BlobHash,
    /// Where the epoch's money went.
    #[prost(message, required, tag = "5")]
    pub totals: EpochTotals,
    /// When.
    #[prost(uint64, tag = "6")]
    pub height: u64,
}

/// A serving node's settlement so far.
#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct Settlement {
    /// The latest epoch.
    #[prost(message, required, tag = "1")]
    pub latest: Epoch,
    /// Answers over all epochs.
    #[prost(uint64, tag = "2")]
    pub answers: u64,
    /// Base units charged over all epochs.
    #[prost(uint64, tag = "3")]
    pub fees: Amount,
    /// Base units that went to the pool over all epochs.
    #[prost(uint64, tag = "4")]
    pub pooled: Amount,
    /// Base units claimed from it.
    #[prost(uint64, tag = "5")]
    pub claimed: Amount,
}

/// A serving node's settlement so far; `None` before its first epoch.
///
/// # Errors
/// When the store cannot be read.
pub fn get<S: StateRead>(state: &S, node: &NodeKey) -> Result<Option<Settlement>, StateError> {
    state.get(&state_key::settlement(node))
}

/// One epoch of a node.
///
/// # Errors
/// When the store cannot be read.
pub fn epoch<S: StateRead>(state: &S, node: &NodeKey, number: u64) -> Result<Option<Epoch>, StateError> {
    state.get(&state_key::epoch(node, number))
}

/// Up to `limit` epochs of a node in order, from behind `after`.
///
/// # Errors
/// When the store cannot be read.
pub fn epochs<S: StateRead>(
    state: &S,
    node: &NodeKey,
    after: Option<u64>,
    limit: usize,
) -> Result<Vec<Epoch>, StateError> {
    let after = after.map(|number| state_key::epoch(node, number));
    let entries = state.list(&state_key::epochs(node), after.as_deref(), limit)?;
    Ok(entries.into_iter().map(|(_, epoch)| epoch).collect())
}

/// What an account has been paid out of a node's pool, in base units.
///
/// # Errors
/// When the store cannot be read.
pub fn claimed<S: StateRead>(state: &S, node: &NodeKey, account: &Address) -> Result<Amount, StateError> {
    Ok(state.get::<Balance>(&state_key::claimed(node, account))?.unwrap_or_default().amount)
}

/// The account that holds what a node has settled and nobody has claimed.
pub fn pool_account(node: &NodeKey) -> Address {
    Address::module("settlement", &[&node.0])
}

fn put<S: StateWrite>(state: &mut S, settlement: &Settlement) {
    state.put(state_key::settlement(&settlement.latest.node), settlement);
}
