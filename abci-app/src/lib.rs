//! The ledger: a deterministic state machine that CometBFT, or the in-process solo engine, drives.
//!
//! From the inside out:
//! - [`state`]: ordered text keys and overlays: all that a component ever sees of storage.
//! - [`gas`]: what that takes of everybody's time and disk.
//! - [`component`]: what transactions do, one folder a subject, one file an action.
//! - [`store`]: committed state on disk: a Jellyfish Merkle tree over redb, one durable write a block.
//! - [`app`]: the application: checks, proposals, blocks, commits. Synchronous, and free of ABCI types.
//! - [`handle`], [`reader`], [`query`]: how the rest of a node watches and reads the ledger.
//! - [`abci`]: the Unix-socket server for CometBFT. [`solo`]: the engine that needs no CometBFT.
//!
//! Nodes must agree to the bit, so clocks, floats, randomness and hash maps are banned here (`clippy.toml`), and a
//! transaction can fail only by a result code: an error of the application itself is fatal and stops the node.

#![deny(unreachable_pub)]
#![deny(clippy::float_arithmetic)]

pub mod abci;
pub mod app;
pub mod code;
pub mod component;
pub mod export;
pub mod gas;
pub mod handle;
pub mod query;
pub mod reader;
pub mod solo;
pub mod state;
pub mod store;

pub use app::{Application, CommitInfo, CommittedBlock, TxOutcome};
pub use handle::LedgerHandle;
pub use reader::LedgerReader;
