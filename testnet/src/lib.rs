//! Local networks of real nodes: started, perturbed, demonstrated, measured.
//!
//! - [`data`]: real passages to contribute, judge by and ask about;
//! - [`network`]: nodes as processes, from empty homes to agreement, and down again;
//! - [`api`]: a client of a node's HTTP API, as anybody would write one;
//! - [`demo`]: the main job from contribution to pay, and an economy of agents;
//! - [`mod@bench`]: each interface against the bare library underneath it;
//! - [`peer`]: other people's software to compare with and to be used by;
//! - [`scene`]: what scenarios on a network share; [`tour`]: the ledger, and agents on it, told in steps, each of them checked;
//! - [`application`]: the ledger alone, as CometBFT drives it;
//! - [`cli`]: `cargo testnet up|down|logs|status|demo|tour|bench`.
#![deny(unreachable_pub)]

pub mod api;
pub mod application;
pub mod bench;
pub mod cli;
pub mod data;
pub mod demo;
mod learning;
pub mod network;
pub mod node;
pub mod peer;
pub mod scene;
mod signals;
pub mod tour;
pub mod ui;
