//! Where a running node is.

use datanet_types::NodeKey;
use serde::{Deserialize, Serialize};

/// What programs on this machine need to know of a running node; in its home as `run.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunFile {
    /// Its process.
    pub pid: u32,
    /// Where its interface is.
    pub api: String,
    /// Its name.
    pub name: String,
    /// Its key.
    pub node_key: NodeKey,
    /// Where the data network listens.
    pub p2p: Vec<String>,
    /// Where CometBFT's RPC listens.
    pub comet_rpc: Option<String>,
    /// Where CometBFT's peers connect.
    pub comet_p2p: Option<String>,
    /// CometBFT's process.
    pub comet_pid: Option<i32>,
}
