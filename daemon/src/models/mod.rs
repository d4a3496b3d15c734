//! Models on this node: bases that others are made from, releases fetched and checked, and what answers in memory.
//!
//! - [`base`], `base_ids`: base models by name or id; [`import`]: exported models put up as they are.
//! - [`release`]: kept, registered, fetched and checked; `local`: pulled and let go of; [`served`], `deploy`: models in memory, rolling back; `names`:
//!   which model is meant; [`gate`]: what a release's audit says; [`export`]: for those who have no node.
//! - [`explainer`], [`corpus`]: what a model in memory has beside it, to say whose records moved its answers.

pub mod base;
mod base_ids;
mod bought;
pub mod corpus;
mod deploy;
pub mod errors;
pub mod explainer;
pub mod export;
pub mod gate;
pub mod import;
mod local;
mod names;
pub mod release;
pub mod served;
pub mod wanted;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use datanet_config::{InferenceConfig, ModelsConfig};
use datanet_inference::runtime::{Device, Runtime, SessionConfig};
use tokio::sync::Mutex;

use crate::blobs::BlobStore;
use crate::chain::Chain;
use crate::db::LocalStore;
use crate::embedder::Embedder;
use crate::error::{Code, ServiceError, ServiceResult};
use crate::keyring::Keyring;

/// How models are kept and run.
#[derive(Debug, Clone)]
pub struct ModelsSettings {
    /// Queues, batches, adapters at once.
    pub models: ModelsConfig,
    /// Device and threads.
    pub inference: InferenceConfig,
    /// Where base models lie.
    pub folder: PathBuf,
    /// Where the files of releases are unpacked.
    pub released: PathBuf,
    /// ONNX Runtime, or why there is none.
    pub runtime: Result<Runtime, String>,
}

/// The models of a node; clones share those in memory.
#[derive(Clone)]
pub struct Models {
    chain: Chain,
    blobs: BlobStore,
    db: LocalStore,
    embedder: Embedder,
    keyring: Keyring,
    settings: Arc<ModelsSettings>,
    /// Models in memory.
    pub served: Arc<served::Served>,
    /// The ids of base models.
    base_ids: Arc<base_ids::BaseIds>,
    /// Held while a model is deployed or taken down: one at a time.
    deploying: Arc<Mutex<()>>,
    /// Held while a release's files are put into their folder.
    unpacking: Arc<Mutex<()>>,
    /// Held while a model is written for others.
    exporting: Arc<Mutex<()>>,
}

impl Models {
    /// Models kept and run as `settings` say; none is in memory yet.
    pub fn new(
        chain: Chain,
        blobs: BlobStore,
        db: LocalStore,
        embedder: Embedder,
        keyring: Keyring,
        settings: ModelsSettings,
    ) -> Self {
        let settings = Arc::new(settings);
        Self {
            chain,
            blobs,
            db,
            embedder,
            keyring,
            settings,
            served: Arc::default(),
            base_ids: Arc::default(),
            deploying: Arc::default(),
            unpacking: Arc::default(),
            exporting: Arc::default(),
        }
    }

    /// ONNX Runtime.
    ///
    /// # Errors
    /// When there is none ([`Code::NoRuntime`]).
    pub fn runtime(&self) -> ServiceResult<&Runtime> {
        self.settings.runtime.as_ref().map_err(|reason| {
            ServiceError::new(Code::NoRuntime, format!("this node cannot run models: {reason}; run `datanet setup`"))
        })
    }

    /// Where base models lie.
    pub fn folder(&self) -> &Path {
        &self.settings.folder
    }

    /// A session of its own on the node's device, with so many threads.
    pub fn session(&self, threads: usize) -> SessionConfig {
        let device = match self.settings.inference.cuda_device() {
            Some(id) => Device::Cuda { id },
            None => Device::Cpu,
        };
        SessionConfig { device, threads, ..SessionConfig::default() }
    }
}
