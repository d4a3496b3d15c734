//! Where a running node is.

use std::path::PathBuf;

use datanet_config::{FileError, Home, read_text};
use datanet_types::NodeKey;
use serde::{Deserialize, Serialize};

use crate::ClientError;

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
    /// The Unix socket of CometBFT's RPC.
    pub comet_rpc: Option<PathBuf>,
    /// Where CometBFT's peers connect, as `id@host:port`.
    pub comet_p2p: Option<String>,
    /// How a node on another machine joins; `None` if only this machine can reach this node.
    #[serde(default)]
    pub join: Option<Join>,
    /// CometBFT's process.
    pub comet_pid: Option<i32>,
    /// Where its public face is, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public: Option<String>,
}

impl RunFile {
    /// That of the node which runs in `home`.
    ///
    /// # Errors
    /// When none runs there, or the file is cut short or another user's.
    pub fn read(home: &Home) -> Result<Self, ClientError> {
        let path = home.run_file();
        let text = read_text(&path).map_err(|error| match error {
            FileError::Missing(_) => ClientError::NotRunning { home: home.root().to_owned() },
            FileError::Empty(path) => ClientError::DamagedRunFile { path, state: "empty" },
            error => error.into(),
        })?;
        serde_json::from_str(&text).map_err(|_| ClientError::DamagedRunFile { path, state: "cut short" })
    }
}

/// How another machine joins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Join {
    /// The network's genesis, to be copied there.
    pub genesis: PathBuf,
    /// For its `p2p.bootstrap`.
    pub bootstrap: String,
    /// For its `consensus.persistent_peers`.
    pub persistent_peer: String,
}

impl Join {
    /// What to type there, one command a line, once the genesis is in the folder.
    pub fn commands(&self) -> [String; 2] {
        let Self { bootstrap, persistent_peer, .. } = self;
        [
            format!(
                "datanet init --public --name NAME --genesis genesis.json --set p2p.bootstrap={bootstrap} --set consensus.persistent_peers={persistent_peer}"
            ),
            "datanet start".to_owned(),
        ]
    }
}
