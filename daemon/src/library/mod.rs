//! The node's library: the records of contributions, their embeddings, and one index for each datanet.
//!
//! Records are read from blobs when needed and not kept. Embeddings cost minutes, so they are computed once for each
//! contribution and model and kept on disk until the contribution is refused or revoked. Indexes hold final contributions
//! only, and what models are trained on is read from the same blobs.

mod embeddings;
mod indexes;
pub mod licence;
mod read;
mod training;

pub use indexes::{MAX_INDEXED_RECORDS, SearchHit, SearchMode, index_error};
pub use licence::check_licence;
pub use read::{Batch, ReadError, ReadOptions};
pub use training::{TrainingData, TrainingRecord};

use std::collections::BTreeMap;
use std::path::PathBuf;

use datanet_inference::retrieval::{IndexPool, PoolLimits};
use datanet_types::BlobHash;
use tokio::sync::{Mutex, watch};

use crate::workers::steward::Holdout;

/// See the module.
pub struct Library {
    /// Embeddings on disk.
    embeddings_dir: PathBuf,
    /// Indexes on disk.
    index_dir: PathBuf,
    /// The indexes in use, and few others.
    indexes: IndexPool,
    /// Held-out sets by blob: every judgement in a datanet uses the same one.
    pub(crate) holdouts: Mutex<BTreeMap<BlobHash, Holdout>>,
    /// Contributions indexed since start: wakes those who wait for one.
    indexed: watch::Sender<u64>,
}

impl Library {
    /// A library over these folders, which must exist.
    pub fn new(embeddings_dir: PathBuf, index_dir: PathBuf) -> Self {
        Self {
            embeddings_dir,
            index_dir,
            indexes: IndexPool::new(PoolLimits::default()),
            holdouts: Mutex::default(),
            indexed: watch::Sender::new(0),
        }
    }
}
