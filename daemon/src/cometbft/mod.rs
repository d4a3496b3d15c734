//! CometBFT as a supervised child: its home, its start and stop, and the few calls we make to it.
//!
//! CometBFT orders transactions; our ledger executes them over a Unix socket. It is a program of its own, so a node
//! writes its files, starts it, notices when it dies and stops it. Nothing here reads its output to learn anything:
//! what we need to know comes over its RPC, which is a Unix socket of the node's and is never passed on raw.
//!
//! - [`home`]: the folder: keys ([`keys`]), genesis ([`genesis`]), `config.toml` ([`settings`], [`template`]).
//! - [`child`]: start, supervision, stop; [`stale`] ends what a crashed node has left running, [`half_made`] removes
//!   what it had begun.
//! - [`log`]: its log, copied to a bounded file. [`port`]: where its peers connect.
//! - [`rpc`]: the client.

mod child;
mod error;
mod genesis;
mod half_made;
mod home;
mod keys;
mod log;
mod port;
mod rpc;
mod settings;
mod stale;
mod template;

pub use child::{CometBft, CometExit, CometHandle, CometSpec};
pub use error::CometError;
pub(crate) use genesis::rfc3339;
pub use genesis::{CometGenesis, CometValidator};
pub use home::CometHome;
pub use keys::{CometKey, NodeId};
pub use rpc::{BroadcastOutcome, RpcClient, RpcError, RpcStatus};
pub use settings::{CometPeer, CometSettings, CometTiming, ProxyApp};

#[cfg(test)]
mod tests;
