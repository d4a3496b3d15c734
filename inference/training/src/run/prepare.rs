//! From a job and its records to a network that is ready for the first step.

use std::path::{Path, PathBuf};

use datanet_inference::engine::folder_id;
use datanet_inference::graph::build::LlamaConfig;

use super::trainer::{Following, Learner, Trainer};
use super::{Setup, TrainError, scratch};
use crate::attribution::{Belonging, Curvature, ModelError, Replay};
use crate::data::Dataset;
use crate::evaluate;
use crate::job::{CurvatureRows, Job, Method, Task};
use crate::network::{Network, NetworkConfig};

/// Most records that each get a column of their own; of more, the sources do.
const MAX_RECORD_COLUMNS: usize = 2_000;

/// Most bytes of derivatives by record.
const MAX_RECORD_BYTES: usize = 512 << 20;

/// Classes up to which each has a curvature row.
const FEW_CLASSES: usize = 8;

/// A network ready for the first step.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub network: Network,
    /// The parameters before the first step.
    pub start: Vec<f32>,
    /// Hash of the base, in hex.
    pub base: String,
    /// How records are followed.
    pub following: Option<Following>,
    /// How records, columns and sources belong together.
    pub belonging: Option<Belonging>,
    /// Whether each record has a column of its own.
    pub by_record: bool,
    /// The configuration of a decoder trained from nothing, and the folder of its tokenizer.
    pub decoder: Option<(LlamaConfig, PathBuf)>,
}

impl Prepared {
    /// Checks everything, compiles the network and loads the records.
    pub fn new(setup: &Setup<'_>) -> Result<Self, TrainError> {
        let (job, data) = (setup.job, setup.data);
        job.check()?;
        data.check()?;
        if job.task != data.task {
            return Err(TrainError::Task { job: job.task, data: data.task });
        }
        std::fs::create_dir_all(setup.folder).map_err(|source| TrainError::files(setup.folder, source))?;
        let (mut network, decoder) = network(setup)?;
        let parameters = network.layout().parameters();
        let by_record =
            data.train.len() <= MAX_RECORD_COLUMNS && Replay::memory(parameters, data.train.len()) <= MAX_RECORD_BYTES;
        check_memory(setup, parameters, by_record)?;
        network.load_data(data)?;
        let start = network.layout().initial(job.recipe.seed);
        let base = match &decoder {
            Some((_, folder)) => scratch::hash(folder, &start)?,
            None => hex::encode(folder_id(setup.base)?),
        };
        let followed = job.attribution.method == Method::Influence;
        let belonging = (job.attribution.method != Method::None).then(|| belonging(data, by_record));
        let following = belonging.as_ref().filter(|_| followed).map(|belonging| following(job, data, belonging));
        Ok(Self { network, start, base, following, belonging, by_record, decoder })
    }

    /// A training before its first step.
    pub fn trainer(&mut self, setup: &Setup<'_>) -> Result<Trainer<'_, Network>, TrainError> {
        let samples = setup.data.train.len();
        let following = self.following.clone();
        Trainer::new(&mut self.network, &setup.job.recipe, samples, self.start.clone(), following)
    }

    /// What tells this run from any other.
    pub fn fingerprint(&self, setup: &Setup<'_>) -> String {
        let mut hasher = blake3::Hasher::new_derive_key("datanet training 2026 run");
        for part in [setup.job.to_json().as_bytes(), &setup.data.digest(), self.base.as_bytes()] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        hasher.finalize().to_hex().to_string()
    }
}

/// The parameters as they were and are, their best, two moments, the gradient, and what the runtime is given of them.
const COPIES: u64 = 8;

/// Bytes that training so many parameters takes, activations aside.
pub fn parameter_bytes(parameters: u64) -> u64 {
    parameters.saturating_mul(COPIES * size_of::<f32>() as u64)
}

fn check_memory(setup: &Setup<'_>, parameters: usize, by_record: bool) -> Result<(), TrainError> {
    let Some(limit) = setup.memory else { return Ok(()) };
    let columns = match (setup.job.attribution.method, by_record) {
        (Method::Influence, true) => setup.data.train.len(),
        (Method::Influence, false) => setup.data.sources.len(),
        _ => 0,
    };
    let needed = parameter_bytes(parameters as u64).saturating_add(Replay::memory(parameters, columns) as u64);
    if needed > limit { Err(TrainError::TooLarge { parameters, columns, needed, limit }) } else { Ok(()) }
}

fn network(setup: &Setup<'_>) -> Result<(Network, Option<(LlamaConfig, PathBuf)>), TrainError> {
    let job = setup.job;
    let Some(plan) = &job.scratch else {
        let classes = if job.task == Task::Classify { setup.data.labels.len() } else { 0 };
        let config = NetworkConfig {
            job,
            base: setup.base,
            classes,
            cache: setup.folder,
            runtime: &setup.runtime,
            session: &setup.session,
        };
        return Ok((Network::new(config)?, None));
    };
    let folder = setup.folder.join("decoder");
    let decoder = scratch::begin(plan, setup.data, &folder)?;
    let network = Network::scratch(job, &decoder, &folder, &setup.runtime, &setup.session)?;
    Ok((network, Some((decoder, folder))))
}

fn belonging(data: &Dataset, by_record: bool) -> Belonging {
    let sources = data.columns();
    if by_record { Belonging::by_record(&sources) } else { Belonging::by_contributor(&sources, data.sources.len()) }
}

fn following(job: &Job, data: &Dataset, belonging: &Belonging) -> Following {
    Following {
        column_of: belonging.column_of.clone(),
        columns: belonging.columns(),
        curvature: curvature(job, data.labels.len()),
        clip: job.attribution.bound(),
    }
}

/// The curvature rows that a job asks for.
pub(crate) fn curvature(job: &Job, classes: usize) -> Curvature {
    match (job.attribution.curvature, job.task) {
        (CurvatureRows::All, _) => Curvature::All,
        (CurvatureRows::TrueLabel, _) => Curvature::TrueLabel,
        (CurvatureRows::Signs(count), _) => Curvature::Signs(count),
        (CurvatureRows::None, _) => Curvature::None,
        (CurvatureRows::Auto, Task::Classify) if classes <= FEW_CLASSES => Curvature::All,
        (CurvatureRows::Auto, Task::Classify) => Curvature::Signs(4),
        (CurvatureRows::Auto, Task::Embed) => Curvature::TrueLabel,
        (CurvatureRows::Auto, Task::Generate) => Curvature::Signs(8),
    }
}

impl Learner for Network {
    fn batch(&mut self, theta: &[f32], samples: &[usize]) -> Result<(Vec<f32>, Vec<f32>), ModelError> {
        self.weighted_gradient(theta, samples, &vec![1.0; samples.len()]).map_err(ModelError::new)
    }

    fn held_out_loss(&mut self, theta: &[f32]) -> Result<f64, ModelError> {
        evaluate::held_out_loss(self, theta).map_err(ModelError::new)
    }
}

/// Where a run's checkpoints lie.
pub(crate) fn checkpoint_folder(folder: &Path) -> PathBuf {
    folder.join("checkpoints")
}
