//! The Datanet node: one process that contributes, judges, stores, searches, answers, attributes and pays.
//!
//! The map, from the outside in; arrows point one way, and what stands lower knows nothing of what stands higher:
//! ```text
//!   cli        node ── spawns, supervises; alone knows all
//!               │
//!   http     workers          faces, and what a node does by itself
//!     └───┬─────┘
//!   training   answers        make models; answer with them, and check answers
//!         │    │    │
//!       models │  billing   intake
//!           records           records, embeddings, held-out sets, indexes
//!              │
//!   blobs   embedder   chain   db   keyring
//! ```
//! - [`cli`]: the `datanet` command; [`http`]: the interface, on loopback and for strangers, and [`mcp`] over it for agents; [`node`]: [`node::spawn`] starts everything.
//! - [`intake`]: what enters with bytes of its own; [`workers`]: what a node does by itself.
//! - [`authority`]: who speaks for the accounts of this node; [`caller`]: who is answered, and with which of them; [`tokens`]: what programs may do.
//! - [`answers`], [`billing`]: answers, and what they cost and earn; [`sales`]: what agents sell here; [`training`], [`models`]: making models, and running them; [`trainings`]: making them for whoever pays.
//! - [`records`], [`blobs`], [`embedder`], [`chain`], [`db`], [`keyring`]: the ground.
//! - [`agent`]: programs that decide for their owner: clients of a node, in processes of their own.
//! - `a2a`: the card by which other agents find the node; `quoted`: words of strangers; `jcs`, `jws`: what is signed in others' words.
//! - [`upgrade`]: rules that come, and the program that knows them.
//! - [`preflight`]: what must be right around a node before it opens anything; [`init`]: a node's home; [`cometbft`]: what orders its ledger; [`status`]: a node at a glance.
//!
//! What is sent over the interface, and a client of it, is the crate `datanet-api`; what brings a node's tools,
//! `datanet-setup`.
#![deny(unreachable_pub)]

mod a2a;
pub mod agent;
mod amounts;
pub mod answers;
pub mod audits;
pub mod authority;
pub mod billing;
pub mod blobs;
pub mod caller;
pub mod chain;
pub mod cli;
pub mod cometbft;
pub mod db;
pub mod embedder;
pub mod error;
mod failpoint;
mod group;
pub mod http;
pub mod init;
pub mod intake;
mod jcs;
mod jws;
pub mod keyring;
mod lanes;
pub mod mcp;
pub mod models;
pub mod node;
mod ppm;
pub mod preflight;
mod quoted;
pub mod records;
pub mod sales;
pub mod status;
pub mod tokens;
pub mod training;
pub mod trainings;
pub mod upgrade;
pub mod workers;
pub mod x402;

pub use node::{NodeHandle, NodeOptions, Tools, spawn};
