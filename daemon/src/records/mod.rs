//! The records of contributions: read out of their blobs, with their embeddings, the held-out sets they are judged against,
//! and one index for each datanet.
//!
//! Records are read from blobs when needed and not kept. Embeddings cost minutes, so they are computed once for each
//! contribution and model and kept on disk until the contribution is refused or revoked. Indexes hold final contributions
//! only, and what models are trained on is read from the same blobs.

mod embeddings;
mod export;
mod held_out;
mod holes;
mod indexes;
pub mod licence;
mod providers;
mod read;
mod reports;
mod training;

pub use export::{Export, Lines};
pub use held_out::{HeldOutSet, named_held_out};
pub use holes::Holes;
pub use indexes::{Ground, Indexes, MAX_INDEXED_RECORDS, SearchHit, index_error};
pub use licence::check_licence;
pub use providers::Providers;
pub use read::{Batch, ReadError, ReadOptions};
pub use training::{TrainingData, TrainingRecord};

use std::path::PathBuf;

use datanet_types::NodeKey;

use crate::blobs::BlobStore;
use crate::chain::Chain;
use crate::embedder::Embedder;

/// Reads records and what is computed of them; clones are cheap.
#[derive(Clone)]
pub struct Records {
    chain: Chain,
    blobs: BlobStore,
    embedder: Embedder,
    providers: Providers,
    /// This node: nobody to fetch from.
    node: NodeKey,
    /// Embeddings on disk; the folder is there.
    embeddings_dir: PathBuf,
    held_out: held_out::HeldOutSets,
}

impl Records {
    /// Over the blobs that are here or that `providers` are known to hold; embeddings are kept in `embeddings_dir`, which
    /// must exist.
    pub fn new(
        chain: Chain,
        blobs: BlobStore,
        embedder: Embedder,
        providers: Providers,
        node: NodeKey,
        embeddings_dir: PathBuf,
    ) -> Self {
        Self { chain, blobs, embedder, providers, node, embeddings_dir, held_out: held_out::HeldOutSets::default() }
    }
}
