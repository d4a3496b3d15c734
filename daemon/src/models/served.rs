//! Models in memory: deployed ones, and a few others that receipts are being checked with.
//!
//! A base model is loaded once for all adapters over it; adapters share its batches. What is not needed any more is
//! dropped with its last user.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use datanet_inference::encoder::{AdapterKey, EncoderConfig, EncoderHandle, EncoderService, EncoderSource};
use datanet_inference::generate::{GenerateConfig, GenerateHandle, GenerateService};
use datanet_inference::graph::adapter::peft;
use datanet_inference::graph::quantise::Precision;
use datanet_inference::runtime::{Device, Provider};
use datanet_ledger::component::models::Model;
use datanet_training::job::Job;
use datanet_types::release::{Origin, Release, Task};
use datanet_types::{ContributionId, ModelId};
use tokio::sync::{Mutex, OnceCell};
use tokio::task::spawn_blocking;

use super::Models;
use super::base::Base;
use super::corpus::Corpus;
use super::errors::{generate_error, serve_error};
use super::explainer::ExplainHandle;
use super::import::{MAX_TOKENS, check_imported};
use crate::error::{Code, ServiceError, ServiceResult};

/// Models that are not deployed and stay in memory for those who check receipts.
const VISITORS: usize = 4;

/// What runs a model.
#[derive(Debug, Clone)]
pub enum Engine {
    /// An encoder with this adapter, or a model put up as it is.
    Encoder(EncoderHandle, Option<AdapterKey>),
    /// A decoder, perhaps with an adapter.
    Decoder(GenerateHandle, Option<AdapterKey>),
}

/// How a model was made, as far as it matters for serving it.
#[derive(Debug, Clone)]
pub enum Made {
    /// By this job.
    Trained(Box<Job>),
    /// Elsewhere: it was put up as it is.
    Imported,
}

impl Made {
    pub(super) fn of(model: &Model, release: &Release) -> ServiceResult<Self> {
        if release.origin() == Origin::Imported {
            check_imported(model, release)?;
            return Ok(Self::Imported);
        }
        let job = serde_json::from_str(&release.job).map_err(|error| {
            ServiceError::new(Code::BadRelease, format!("the release's job does not read: {error}"))
        })?;
        Ok(Self::Trained(job))
    }

    /// Tokens read of a text.
    pub(super) fn max_tokens(&self) -> usize {
        match self {
            Self::Trained(job) => job.max_tokens,
            Self::Imported => MAX_TOKENS,
        }
    }

    /// The numbers that it computes in.
    pub fn precision(&self) -> Precision {
        match self {
            Self::Trained(job) => job.serve,
            Self::Imported => Precision::default(),
        }
    }

    /// Contributions of its snapshots that it did not learn from.
    pub fn without(&self) -> BTreeSet<ContributionId> {
        match self {
            Self::Trained(job) => job.data.without.iter().copied().collect(),
            Self::Imported => BTreeSet::new(),
        }
    }

    /// Records of each of its snapshots that it was trained on at most.
    pub fn max_records(&self) -> u64 {
        match self {
            Self::Trained(job) => job.data.max_records as u64,
            Self::Imported => 0,
        }
    }
}

/// A model in memory.
#[derive(Debug)]
pub struct ServedModel {
    /// Its record on the ledger.
    pub model: Model,
    /// Its manifest.
    pub release: Release,
    /// How it was made.
    pub made: Made,
    /// Its files.
    pub folder: PathBuf,
    /// What it adapts; a model trained from nothing is its own base.
    pub base: Base,
    /// What runs it.
    pub engine: Engine,
    /// Whose records moved an answer; started with the first that wants to know.
    pub(super) explainer: Mutex<Option<ExplainHandle>>,
    /// The data behind it, to find repetitions in; built with the first answer that wants to know.
    pub corpus: OnceCell<Arc<Corpus>>,
}

impl ServedModel {
    /// What it does.
    pub fn task(&self) -> Task {
        self.release.task()
    }

    /// Whether it was trained with influence, so that its answers say whose records moved them.
    pub fn is_attributed(&self) -> bool {
        self.release.file(super::explainer::TABLE_FILE).is_some()
    }

    /// Whether it gives vectors: a classifier does where it is an adapter over an encoder.
    pub fn embeds(&self) -> bool {
        match (self.task(), &self.engine) {
            (Task::Embed, _) | (Task::Classify, Engine::Encoder(_, Some(_))) => true,
            (Task::Classify | Task::Generate, _) => false,
        }
    }

    /// Tokens that a text of it has at most where so many are wanted; 0 wants no number. 0 where it writes none.
    pub fn most_tokens(&self, wanted: u32) -> u32 {
        match &self.engine {
            Engine::Decoder(handle, _) => {
                let most = handle.most_tokens((wanted > 0).then_some(wanted as usize));
                u32::try_from(most).unwrap_or(u32::MAX)
            }
            Engine::Encoder(..) => 0,
        }
    }

    /// What executes it now, and why if that is not what was asked for.
    pub fn provider(&self) -> Provider {
        match &self.engine {
            Engine::Encoder(handle, _) => handle.provider(),
            Engine::Decoder(handle, _) => handle.provider(),
        }
    }

    /// Takes the adapter out of its service.
    fn unload(&self) {
        match &self.engine {
            Engine::Encoder(handle, Some(key)) => handle.unload(key),
            Engine::Decoder(handle, Some(key)) => handle.unload(key),
            Engine::Encoder(_, None) | Engine::Decoder(_, None) => false,
        };
    }

    /// Puts the adapter back into its service, which forgets those used longest ago.
    ///
    /// # Errors
    /// When the adapter's files cannot be read or do not fit ([`Code::BadAdapter`]), all places for adapters are in use
    /// ([`Code::ModelBusy`]), or the service has stopped ([`Code::ModelStopped`]).
    pub async fn reload(&self) -> ServiceResult<()> {
        match &self.engine {
            Engine::Encoder(handle, Some(key)) => {
                let (adapter, labels) = (read_adapter(&self.folder).await?, self.release.labels.clone());
                handle.load_adapter(*key, adapter, labels).await.map_err(|error| serve_error(&error))
            }
            Engine::Decoder(handle, Some(key)) => {
                let loaded = handle.load_adapter(*key, read_adapter(&self.folder).await?).await;
                loaded.map_err(|error| generate_error(&error))
            }
            Engine::Encoder(_, None) | Engine::Decoder(_, None) => Ok(()),
        }
    }
}

/// All models in memory.
#[derive(Default)]
pub struct Served {
    deployed: RwLock<BTreeMap<ModelId, Arc<ServedModel>>>,
    visitors: std::sync::Mutex<VecDeque<Arc<ServedModel>>>,
    /// The lock is held while one is loaded, so that none is loaded twice.
    engines: Mutex<Engines>,
}

/// Base models by id and numbers computed in, and encoders by the tokens they read.
#[derive(Default)]
struct Engines {
    encoders: BTreeMap<(ModelId, Precision, usize), EncoderHandle>,
    decoders: BTreeMap<(ModelId, Precision), GenerateHandle>,
}

impl Served {
    /// A model in memory.
    pub fn get(&self, id: &ModelId) -> Option<Arc<ServedModel>> {
        self.deployed.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    /// All deployed models.
    pub fn all(&self) -> Vec<Arc<ServedModel>> {
        self.deployed.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// Whether a model is deployed.
    pub fn is_deployed(&self, id: &ModelId) -> bool {
        self.get(id).is_some()
    }

    /// Models in memory and their bases.
    pub(super) fn in_use(&self) -> Vec<ModelId> {
        let visitors = self.visitors.lock().unwrap_or_else(PoisonError::into_inner);
        let all = self.all().into_iter().chain(visitors.iter().cloned());
        all.flat_map(|served| [served.model.id, served.base.id]).collect()
    }

    pub(super) fn insert(&self, served: Arc<ServedModel>) {
        self.deployed.write().unwrap_or_else(PoisonError::into_inner).insert(served.model.id, served);
    }

    /// Forgets a deployed model, and frees its adapter unless a receipt is being checked with it.
    pub(super) fn remove(&self, id: &ModelId) {
        let gone = self.deployed.write().unwrap_or_else(PoisonError::into_inner).remove(id);
        if let Some(gone) = gone.filter(|_| self.visitor(id).is_none()) {
            gone.unload();
        }
    }

    /// A model that somebody checks a receipt with.
    pub(super) fn visitor(&self, id: &ModelId) -> Option<Arc<ServedModel>> {
        let visitors = self.visitors.lock().unwrap_or_else(PoisonError::into_inner);
        visitors.iter().find(|visitor| visitor.model.id == *id).cloned()
    }

    /// Forgets a model that receipts were checked with.
    pub(super) fn forget_visitor(&self, id: &ModelId) {
        let mut visitors = self.visitors.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = visitors.iter().position(|visitor| visitor.model.id == *id)
            && let Some(gone) = visitors.remove(place)
        {
            gone.unload();
        }
    }

    /// Keeps it for others who check; says whether one had to go for it.
    fn visit(&self, served: Arc<ServedModel>) -> bool {
        let mut visitors = self.visitors.lock().unwrap_or_else(PoisonError::into_inner);
        visitors.retain(|visitor| visitor.model.id != served.model.id);
        visitors.push_back(served);
        let full = visitors.len() > VISITORS;
        while visitors.len() > VISITORS {
            if let Some(gone) = visitors.pop_front().filter(|gone| !self.is_deployed(&gone.model.id)) {
                gone.unload();
            }
        }
        full
    }
}

impl Models {
    /// A model to compute with, deployed or not: loaded if it must be.
    ///
    /// # Errors
    /// When it is not on the ledger ([`Code::UnknownModel`]) or has no files there ([`Code::NoRelease`]), its release
    /// is not good ([`Code::BadRelease`], [`Code::BadAdapter`]), its files or its base cannot be had, there is no ONNX
    /// Runtime ([`Code::NoRuntime`]), or it does not load.
    pub async fn in_memory(&self, id: &ModelId) -> ServiceResult<Arc<ServedModel>> {
        let served = &self.served;
        if let Some(found) = served.get(id).or_else(|| served.visitor(id)) {
            return Ok(found);
        }
        let loaded = Arc::new(self.load_model(id).await?);
        if served.visit(loaded.clone()) {
            self.drop_idle_engines().await;
        }
        Ok(loaded)
    }

    /// Whether a model is in memory.
    pub fn is_in_memory(&self, id: &ModelId) -> bool {
        self.served.get(id).or_else(|| self.served.visitor(id)).is_some()
    }

    /// Fetches a model, checks it, and loads it.
    pub(super) async fn load_model(&self, id: &ModelId) -> ServiceResult<ServedModel> {
        let model = self.chain.registered_model(id)?;
        if !model.release {
            return Err(ServiceError::new(
                Code::NoRelease,
                format!("model {} is registered without its files, so it can only serve where they lie", model.name),
            ));
        }
        let (release, folder) = self.release_folder(id).await?;
        let made = Made::of(&model, &release)?;
        let base = match &release.base {
            Some(base) => self.base_by_id(base).await?,
            None => Base { id: *id, name: release.name.clone(), folder: folder.clone() },
        };
        let engine = match Task::try_from(release.task) {
            Ok(Task::Classify | Task::Embed) => self.encoder(&base, &release, &made, &folder, id).await?,
            Ok(Task::Generate) => self.decoder(&base, &release, &made, &folder, id).await?,
            Err(_) => return Err(ServiceError::new(Code::BadRelease, "the release's task is not known here")),
        };
        Ok(ServedModel {
            model,
            release,
            made,
            folder,
            base,
            engine,
            explainer: Mutex::default(),
            corpus: OnceCell::new(),
        })
    }

    async fn encoder(
        &self,
        base: &Base,
        release: &Release,
        made: &Made,
        folder: &std::path::Path,
        id: &ModelId,
    ) -> ServiceResult<Engine> {
        let handle = {
            let mut engines = self.served.engines.lock().await;
            let (runtime, config) = (self.runtime()?.clone(), self.encoder_config(base, made));
            let start = move || EncoderService::spawn(&runtime, config).map_err(|error| serve_error(&error));
            running(&mut engines.encoders, (base.id, made.precision(), made.max_tokens()), start).await?
        };
        if matches!(made, Made::Imported) {
            // What the manifest says is what the file does, so that no other node sees another model.
            let same =
                handle.model().labels == release.labels && release.labels.is_empty() == (release.task() == Task::Embed);
            if same {
                return Ok(Engine::Encoder(handle, None));
            }
            drop(handle);
            self.drop_idle_engines().await;
            let detail = "its labels or task are not those of its model";
            return Err(ServiceError::new(Code::BadRelease, detail));
        }
        let (key, adapter) = (AdapterKey(id.0), read_adapter(folder).await?);
        handle.load_adapter(key, adapter, release.labels.clone()).await.map_err(|error| serve_error(&error))?;
        Ok(Engine::Encoder(handle, Some(key)))
    }

    async fn decoder(
        &self,
        base: &Base,
        release: &Release,
        made: &Made,
        folder: &std::path::Path,
        id: &ModelId,
    ) -> ServiceResult<Engine> {
        let handle = {
            let mut engines = self.served.engines.lock().await;
            let (runtime, config) = (self.runtime()?.clone(), self.decoder_config(base, made));
            let start = move || GenerateService::spawn(&runtime, &config).map_err(|error| generate_error(&error));
            running(&mut engines.decoders, (base.id, made.precision()), start).await?
        };
        if release.origin() == Origin::Scratch {
            return Ok(Engine::Decoder(handle, None));
        }
        let (key, adapter) = (AdapterKey(id.0), read_adapter(folder).await?);
        let loaded = handle.load_adapter(key, adapter).await;
        loaded.map_err(|error| generate_error(&error))?;
        Ok(Engine::Decoder(handle, Some(key)))
    }

    /// Drops base models that no model in memory runs on.
    pub(super) async fn drop_idle_engines(&self) {
        let served = &self.served;
        let mut engines = served.engines.lock().await;
        let deployed: Vec<_> =
            served.deployed.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect();
        let visitors: Vec<_> = served.visitors.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect();
        let used = |id: &ModelId, precision: &Precision| {
            let mut models = deployed.iter().chain(&visitors);
            models.any(|served| served.base.id == *id && served.made.precision() == *precision)
        };
        engines.encoders.retain(|(id, precision, _), _| used(id, precision));
        engines.decoders.retain(|(id, precision), _| used(id, precision));
    }

    fn encoder_config(&self, base: &Base, made: &Made) -> EncoderConfig {
        let models = &self.settings.models;
        let mut config = EncoderConfig::new(EncoderSource::Folder(base.folder.clone()));
        if let Some(id) = self.settings.inference.cuda_device() {
            config = config.on_cuda(id);
        }
        config.threads = self.settings.inference.threads as usize;
        if models.max_batch_tokens > 0 {
            config.max_batch_tokens = models.max_batch_tokens as usize;
        }
        config.queue_depth = models.queue_depth as usize;
        config.max_text_tokens = made.max_tokens();
        config.precision = made.precision();
        config.bank_slots = models.bank_slots as usize;
        config
    }

    fn decoder_config(&self, base: &Base, made: &Made) -> GenerateConfig {
        let models = &self.settings.models;
        let mut config = GenerateConfig::new(base.folder.clone());
        if let Some(id) = self.settings.inference.cuda_device() {
            config.device = Device::Cuda { id };
        }
        config.precision = made.precision();
        config.threads = self.settings.inference.threads as usize;
        config.max_sequences = models.max_streams as usize;
        config.queue_depth = models.queue_depth as usize;
        config.bank_slots = models.bank_slots as usize;
        config
    }
}

/// The engine that runs under `key`; started, which takes a while, where there is none.
async fn running<K: Ord, H: Clone + Send + 'static>(
    engines: &mut BTreeMap<K, H>,
    key: K,
    start: impl FnOnce() -> ServiceResult<H> + Send + 'static,
) -> ServiceResult<H> {
    if let Some(handle) = engines.get(&key) {
        return Ok(handle.clone());
    }
    let started = spawn_blocking(start).await.map_err(|error| ServiceError::caused(Code::ModelFailed, error))?;
    let handle = started?;
    engines.insert(key, handle.clone());
    Ok(handle)
}

async fn read_adapter(folder: &std::path::Path) -> ServiceResult<Arc<datanet_inference::graph::adapter::Adapter>> {
    let folder = folder.to_path_buf();
    let read = spawn_blocking(move || peft::read(&folder)).await;
    let read = read.map_err(|error| ServiceError::caused(Code::ModelFailed, error))?;
    let adapter = read.map_err(|error| ServiceError::caused(Code::BadAdapter, error))?;
    Ok(Arc::new(adapter))
}
