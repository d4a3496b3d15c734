//! The node's HTTP interface from both sides: what is sent, and a client that sends it.
//!
//! One module a subject holds what is sent and answered there, in both directions: the node reads requests and writes
//! answers, programs the other way round. Ids, amounts and what is signed come from `datanet-types`; what the ledger keeps
//! has a shape of its own here, so that a program needs no ledger to talk to a node.
//!
//! - the node: [`status`], [`health`], [`keys`], [`tokens`], [`accounts`], [`transactions`];
//! - data: [`datanets`], [`contributions`], [`search`];
//! - models: [`models`], [`fine_tuning`], [`trainings`], [`classify`], [`generate`], [`embeddings`];
//! - answers: [`quotes`], [`ask`], [`receipts`], [`attributions`], [`channels`], [`epochs`];
//! - answers for callers without an account here: [`x402`];
//! - what is owned in parts: [`shares`];
//! - accounts that programs spend from, what those sell, and what is said of sellers: [`agents`], [`services`], [`sellers`];
//! - [`Problem`]: every refusal; [`Client`]: the caller's side; [`RunFile`]: where a node is; [`loopback`], [`server_sent`].
//!
//! ```
//! use datanet_api::ask::AskRequest;
//!
//! // The node fills in what is left out.
//! let request: AskRequest = serde_json::from_str(r#"{"datanet": "birds", "question": "what do owls eat?"}"#)?;
//! assert_eq!(request.neighbours, None);
//! # Ok::<(), serde_json::Error>(())
//! ```
#![deny(unreachable_pub)]

pub mod a2a;
pub mod accounts;
pub mod agents;
pub mod ask;
pub mod attributions;
pub mod channels;
pub mod classify;
mod client;
pub mod contributions;
pub mod datanets;
pub mod embeddings;
pub mod epochs;
pub mod fine_tuning;
mod flag;
pub mod generate;
pub mod health;
pub mod keys;
pub mod loopback;
pub mod models;
mod problem;
pub mod proposals;
pub mod quotes;
pub mod receipts;
pub mod report;
mod run_file;
pub mod search;
pub mod sellers;
pub mod server_sent;
pub mod services;
pub mod shares;
pub mod status;
pub mod tokens;
pub mod trainings;
pub mod transactions;
pub mod treasury;
pub mod validators;
pub mod x402;

pub use client::{Client, ClientError, ClientResult};
pub use problem::{OpenAiError, Problem};
pub use run_file::{Join, RunFile};
