//! Answers with their proof: found in records or given by models, charged, attributed, and checked again.
//!
//! - [`ask`]: from a datanet's records; [`classify`], [`complete`], `embed`: by deployed models.
//! - `explain`, `spans`: whose records moved an answer; [`attribution`]: an answer explained to people; [`background`]: what a receipt
//!   does not say.
//! - [`quote`]: what an answer would cost.
//! - `report`: what became of a contribution's records.
//! - [`verify`]: another node's receipt; `recompute`, `compare`: the answer computed again, and whether it is the same.

pub mod ask;
pub mod attribution;
pub mod background;
pub mod classify;
mod compare;
pub mod complete;
mod embed;
mod explain;
mod prompt;
pub mod quote;
mod recompute;
mod report;
mod spans;
pub mod trained;
mod verify;

use crate::billing::Billing;
use crate::blobs::BlobStore;
use crate::chain::Chain;
use crate::embedder::Embedder;
use crate::keyring::Identity;
use crate::models::Models;
use crate::records::{Indexes, Records};

/// Answers questions and checks answers; clones are cheap.
#[derive(Clone)]
pub struct Answers {
    /// The ledger.
    pub chain: Chain,
    /// Receipts of others.
    pub blobs: BlobStore,
    /// What answers quote.
    pub records: Records,
    /// What answers are found in.
    pub indexes: Indexes,
    /// The node's embedding model.
    pub embedder: Embedder,
    /// Models in memory.
    pub models: Models,
    /// What answers cost.
    pub billing: Billing,
    /// In whose name they are given.
    pub identity: Identity,
}
