//! What can go wrong with CometBFT's home and process.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use datanet_config::FileError;

use super::{CometExit, RpcError};

/// Why CometBFT could not be prepared, started or stopped.
#[derive(Debug, thiserror::Error)]
pub enum CometError {
    /// A file of the home could not be read or written.
    #[error("cannot {action} {path}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which path.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file of the home cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// A key file cannot be read, or is empty.
    #[error("{error}; restore it from a backup, or use a new home")]
    NoKey {
        /// Why not.
        error: FileError,
    },
    /// A key file is not what CometBFT writes.
    #[error(
        "{path} is cut short or no ed25519 key file of CometBFT ({detail}); restore it from a backup, or use a new home"
    )]
    BadKey {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// The validator's memory of what it has signed is gone, but not its blocks.
    #[error(
        "{path} is {state} although this validator has blocks: signing without it could sign twice and be slashed; \
         restore it, or remove the whole folder {data} to synchronise again"
    )]
    LostSignState {
        /// The file.
        path: PathBuf,
        /// `missing`, `empty` or `cut short`.
        state: &'static str,
        /// The data folder.
        data: PathBuf,
    },
    /// The home has a genesis of another chain.
    #[error("{path} belongs to chain {found:?}, wanted {wanted:?}; use another home for another chain")]
    OtherChain {
        /// The genesis file.
        path: PathBuf,
        /// The chain it is of.
        found: String,
        /// The chain wanted.
        wanted: String,
    },
    /// The program could not be run.
    #[error("cannot run {program}: {source}; run datanet setup, or set DATANET_COMETBFT=/path/to/cometbft")]
    Spawn {
        /// The program.
        program: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A port that the configuration names is in use.
    #[error(
        "{0}, where CometBFT's peers connect, is in use; stop what uses it, or write another port into \
         consensus.p2p_listen (0 picks one)"
    )]
    PortTaken(SocketAddr),
    /// No port is free, or the address is not this machine's.
    #[error("cannot listen on {address} for CometBFT's peers: {source}; correct consensus.p2p_listen")]
    NoPort {
        /// What the configuration names.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The client of its RPC cannot be set up.
    #[error(transparent)]
    Client(RpcError),
    /// It ended before it answered.
    #[error("cometbft did not start: {0}")]
    Died(CometExit),
    /// It did not answer in time, and was stopped.
    #[error("cometbft did not answer within {seconds} s; its log is {log}")]
    NotReady {
        /// How long we waited.
        seconds: u64,
        /// The log file.
        log: PathBuf,
    },
    /// The node is shutting down.
    #[error("cometbft was not started because the node is shutting down")]
    ShuttingDown,
    /// An earlier CometBFT of this home cannot be ended.
    #[error("cometbft with pid {pid} still runs on this home and cannot be ended: {detail}; end it by hand")]
    Stale {
        /// Its process id.
        pid: i32,
        /// Why not.
        detail: String,
    },
}

impl CometError {
    /// For `map_err`: what was tried on which path.
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io { action, path, source }
    }
}
