//! What this node is and how it does.

use datanet_types::{Address, Amount, NodeKey};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A node at a glance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NodeStatus {
    /// The node's name.
    pub name: String,
    /// The software's version.
    pub version: String,
    /// The chain.
    pub chain_id: String,
    /// Last committed height.
    pub height: u64,
    /// Root of the ledger's state after it, hex.
    pub app_hash: String,
    /// Whether it is still fetching old blocks.
    pub catching_up: bool,
    /// `cometbft` or `solo`.
    pub engine: String,
    /// The node's key.
    #[schema(value_type = String)]
    pub node_key: NodeKey,
    /// The node's account.
    #[schema(value_type = String)]
    pub account: Address,
    /// Roles on the ledger; empty as long as the node is not registered.
    pub roles: Vec<String>,
    /// Peers connected on the data network.
    pub peers: usize,
    /// Peers connected to CometBFT.
    pub consensus_peers: usize,
    /// Where the data network listens.
    pub p2p: Vec<String>,
    /// Contributions whose bytes are here.
    pub contributions_held: u64,
    /// Longest contribution in bytes, as far as the ledger has it.
    pub max_contribution_bytes: u64,
    /// The embedding model.
    pub model: ModelStatus,
    /// Released models that answer here, and what runs them.
    pub deployed: Vec<DeployedStatus>,
    /// Jobs that wait or run.
    pub jobs: usize,
    /// Seconds since start.
    pub uptime_seconds: u64,
    /// What this chain takes for what is done on it.
    pub fees: Fees,
    /// Parts of the ledger that stand still, on every node, because it contradicts itself there; none if all is well.
    #[serde(default)]
    pub stopped: Vec<StoppedComponent>,
}

/// A part of the ledger that stands still.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StoppedComponent {
    /// Its name; the codespace of its codes.
    pub component: String,
    /// The height since which it does.
    pub height: u64,
    /// The key of the state under which the contradiction was found.
    pub key: String,
}

/// What a chain takes, in base units.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Fees {
    /// For every transaction, at least.
    pub transaction: Amount,
    /// With every contribution, for whoever judges it.
    pub review: Amount,
    /// That much more for each MiB of it after the first.
    #[serde(default)]
    pub review_per_mib: Amount,
    /// For each byte of a transaction; at least `transaction` with its gas.
    #[serde(default)]
    pub byte: Amount,
    /// For each thousand units of gas that a transaction takes.
    #[serde(default)]
    pub gas: Amount,
    /// Locked for a datanet, twice as much for each letter that its name is shorter than five.
    #[serde(default)]
    pub datanet_deposit: Amount,
    /// Locked or paid for each byte of a record that may stay on the ledger for ever.
    #[serde(default)]
    pub state_byte: Amount,
    /// The part of a bond that is lost when a contribution is refused, in basis points.
    pub bond_penalty_bps: u32,
}

/// A released model that answers here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeployedStatus {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What runs it, and why that.
    pub provider: String,
}

/// The embedding model, or why there is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ModelStatus {
    /// Its id.
    pub id: Option<String>,
    /// Its name.
    pub name: Option<String>,
    /// Numbers in a vector.
    pub dimensions: Option<usize>,
    /// What runs it, and why that.
    pub provider: String,
}

/// A connected peer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PeerView {
    /// Its node key.
    #[schema(value_type = String)]
    pub node_key: NodeKey,
    /// Where it listens.
    pub addrs: Vec<String>,
    /// What it runs.
    pub agent: String,
    /// Its name on the ledger.
    pub name: Option<String>,
    /// Its account on the ledger.
    #[schema(value_type = Option<String>)]
    pub account: Option<Address>,
}

/// All connected peers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Peers {
    /// By node key.
    pub peers: Vec<PeerView>,
}
