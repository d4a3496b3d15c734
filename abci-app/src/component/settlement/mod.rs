//! Settlement: one transaction charges the channels of a serving node for all its answers and puts up a root; whoever
//! earned proves leaves and is paid. The cost on the ledger does not grow with answers or earners.
//!
//! Each epoch pays for itself: it has an [`escrow`] and a sum tree of its own, so that nothing a node settles later, and
//! nothing it promises to others, touches what was earned before.

pub mod action;
pub mod escrow;
pub mod state_key;

use datanet_types::epoch::{EpochTotals, FeeShares};
use datanet_types::sum_tree::SumNode;
use datanet_types::{Amount, BlobHash, Digest, NodeKey};

use crate::state::{StateError, StateRead, StateWrite};

/// Most vouchers in one transaction: each costs a signature check.
pub const MAX_VOUCHERS: usize = 256;
/// Most epochs that one claim is paid from: each costs a proof.
pub const MAX_ITEMS: usize = 64;

/// One settled epoch of a serving node.
#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct Epoch {
    /// The node.
    #[prost(message, required, tag = "1")]
    pub node: NodeKey,
    /// Its number, from 1.
    #[prost(uint64, tag = "2")]
    pub epoch: u64,
    /// Root over what accounts earned in it.
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
    /// Leaves under the root.
    #[prost(uint64, tag = "7")]
    pub accounts: u64,
    /// The shares that its fees were divided by.
    #[prost(message, required, tag = "8")]
    pub shares: FeeShares,
}

impl Epoch {
    /// The root of its sum tree.
    pub fn tree(&self) -> SumNode {
        SumNode { digest: self.root, sum: self.totals.claimable() }
    }
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
    /// Base units that went to the escrows of all epochs.
    #[prost(uint64, tag = "4")]
    pub escrowed: Amount,
    /// Base units claimed from them.
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

fn put<S: StateWrite>(state: &mut S, settlement: &Settlement) {
    state.put(state_key::settlement(&settlement.latest.node), settlement);
}
