//! Agents: programs that decide for their owner, within limits that others enforce.
//!
//! An agent is a process of its own (`datanet agent run SPEC.toml`) that speaks to a node over its interface alone, with a token of its
//! own: what it can do is what that token can do, however it came to want it. It never has the operator's token and refuses to run with it.
//!
//! ```text
//!   feeds (folders, hosts of a list)   node (datanet-api)   questions
//!          └──────────────┬───────────────┘────────────────────┘
//!                       kinds       what is seen becomes choices, each with its cost and what it is worth
//!                         ▼
//!                       policy      which of them, if any: a pure function, or a model behind the guard
//!                         ▼
//!                       purse       journal: the intention is durable and within the budget before it is acted on
//!                         ▼
//!                       hands       the one place that acts: under the intention's own name, so that twice is once
//! ```
//! - [`spec`]: what an owner says of its agent; [`sample`]: one to begin with.
//! - [`journal`]: what was decided and what came of it; [`purse`]: budget and intentions; [`desk`], [`hands`]: carrying them out, once.
//! - [`guard`]: what a model may say to a tool; [`policy`]: who chooses.
//! - [`feeds`], [`web`]: material from folders and from hosts that were named.
//! - [`bench`](mod@bench): a datanet's records and held-out set with their vectors, as its judges see them.
//! - [`kinds`]: a buyer, a curator, a judge, a service.
//! - [`run()`]: from a spec to an agent that works until it is done or asked to stop; [`control`]: who runs, and asking it to stop.
//!
//! An account that the ledger knows as an agent's is a matter of [`purse::Limits`] alone: it holds what the token, the spec and, if the
//! account's key here is a sub-key, the ledger allow; nothing above it asks where a limit comes from.

pub mod bench;
pub mod control;
pub mod desk;
pub mod feeds;
pub mod guard;
pub mod hands;
pub mod journal;
pub mod kinds;
#[cfg(test)]
mod kit;
pub mod node;
pub mod policy;
pub mod purse;
mod run;
pub mod sample;
pub mod spec;
mod web;

pub use run::{JOURNAL, Summary, Told, run};
