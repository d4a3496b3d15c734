//! The Datanet node: one process that contributes, judges, stores, searches, answers, attributes and pays.
//!
//! The map, from the outside in:
//! - [`cli`]: the `datanet` command; [`http`]: the interface on loopback.
//! - [`node`]: [`node::spawn`] starts everything, supervises it and stops it in order.
//! - [`intake`]: uploads; [`workers`]: what a node does by itself; [`serving`]: answers for pay.
//! - [`library`]: records, embeddings, indexes; [`models`]: the embedding engine.
//! - [`factory`]: training, releasing, deploying and asking models of its own.
//! - [`chain`]: the ledger as the node uses it; [`local`]: what only this node knows.
//! - [`init`], [`keyring`]: a node's home and keys; [`setup`], [`cometbft`]: what it needs beside itself.

pub mod chain;
pub mod cli;
pub mod cometbft;
pub mod error;
pub mod factory;
pub mod http;
pub mod init;
pub mod intake;
pub mod keyring;
pub mod library;
pub mod local;
pub mod loopback;
pub mod models;
pub mod node;
pub mod serving;
pub mod setup;
pub mod workers;

pub use node::{NodeHandle, NodeOptions, Tools, spawn};
