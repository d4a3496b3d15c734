//! The node as agents use it, over `/mcp`: in both revisions, by raw requests, so that what is refused can be sent too. The
//! official clients and the conformance suite are run by `.ci/mcp`.
//!
//! - [`agent`]: how requests are written. [`callers`]: who may call, and what a message may be. [`tools`]: bad arguments, and
//!   a life. [`prices`]: what is agreed to and what is not. [`strangers`]: their words. [`registered`]: agents on the ledger. [`tasks`]: long work. [`bridge`]:
//!   `datanet mcp`.

mod agent;
mod bridge;
mod callers;
mod owners;
mod paid;
mod prices;
mod registered;
mod strangers;
mod tasks;
mod tools;
