//! From a job and its records to a network that is ready for the first step.

use std::path::{Path, PathBuf};

use datanet_inference::encoder::folder_id;
use datanet_inference::graph::build::LlamaConfig;

use super::course::{Course, Gradient};
use super::memory::resident;
use super::trainer::Following;
use super::{Setup, TrainError, scratch};
use crate::attribution::{Belonging, Curvature, Replay};
use crate::data::Dataset;
use crate::job::{CurvatureRows, Job, Method, Task};
use crate::network::{Network, NetworkConfig};

/// Most records that each get a column of their own; more share them, as [`Belonging::in_lots`] says.
const MAX_COLUMNS: usize = 2_000;

/// Most bytes of derivatives by column.
const MAX_COLUMN_BYTES: usize = 512 << 20;

/// Classes up to which each has a curvature row.
const FEW_CLASSES: usize = 8;

/// What pays: a column for each of what was given together.
#[derive(Clone, Debug)]
pub(crate) struct Paid {
    /// What the columns are called.
    pub names: Vec<String>,
    /// The column of each training record.
    pub column_of: Vec<usize>,
}

/// A network ready for the first step.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub network: Network,
    /// Bytes of the process before anything of the run was loaded.
    pub resident: u64,
    /// The parameters before the first step.
    pub start: Vec<f32>,
    /// Hash of the base, in hex.
    pub base: String,
    /// How records are followed.
    pub following: Option<Following>,
    /// How records, columns and sources belong together, where anything is attributed.
    pub belonging: Option<Belonging>,
    /// The columns of what pays, where anything is attributed.
    pub paid: Option<Paid>,
    /// The configuration of a decoder trained from nothing, and the folder of its tokenizer.
    pub decoder: Option<(LlamaConfig, PathBuf)>,
}

impl Prepared {
    /// Checks everything, compiles the network and loads the records.
    pub(crate) fn new(setup: &Setup<'_>) -> Result<Self, TrainError> {
        let (job, data) = (setup.job, setup.data);
        let resident = resident();
        job.check()?;
        data.check()?;
        if job.task != data.task {
            return Err(TrainError::Task { job: job.task, data: data.task });
        }
        std::fs::create_dir_all(setup.folder).map_err(|source| TrainError::files(setup.folder, source))?;
        let (mut network, decoder) = network(setup)?;
        let parameters = network.layout().parameters();
        let attributed = job.attribution.method != Method::None;
        let belonging = attributed.then(|| Belonging::in_lots(&data.runs(), most_columns(parameters).min(MAX_COLUMNS)));
        let paid = attributed.then(|| paid(data, parameters));
        let followed = job.attribution.method == Method::Influence;
        let following = belonging.as_ref().filter(|_| followed).map(|belonging| following(job, data, belonging));
        let columns = following.as_ref().map_or(0, |following| following.columns);
        let paying = paid.as_ref().filter(|_| followed).map_or(0, |paid| paid.names.len());
        check_memory(setup, parameters, (columns, paying))?;
        network.load_data(data)?;
        let start = network.layout().initial(job.recipe.seed);
        let base = match &decoder {
            Some((_, folder)) => scratch::hash(folder, &start)?,
            None => hex::encode(folder_id(setup.base)?),
        };
        Ok(Self { network, resident, start, base, following, belonging, paid, decoder })
    }

    /// What decides every step: of the run, of whoever takes it up or repeats it, and of the retrainings of its audit.
    pub(crate) fn course(&self, setup: &Setup<'_>) -> Course {
        let job = setup.job;
        let gradient = match &self.following {
            Some(_) => Gradient::ByRecord { bound: job.attribution.bound() },
            None => Gradient::Summed,
        };
        let rhythm = (&job.evaluation).into();
        Course { gradient, rhythm, ..Course::new(job.recipe.clone(), self.start.clone(), setup.data.train.len()) }
    }

    /// What tells this run from any other.
    pub(crate) fn fingerprint(&self, setup: &Setup<'_>) -> String {
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

fn check_memory(setup: &Setup<'_>, parameters: usize, (columns, paying): (usize, usize)) -> Result<(), TrainError> {
    let Some(limit) = setup.memory else { return Ok(()) };
    let (stops_early, halves) = (setup.job.evaluation.early_stop > 0, setup.job.attribution.halves);
    let needed = parameter_bytes(parameters as u64).saturating_add(followed_bytes(
        parameters,
        (columns, paying),
        halves,
        stops_early,
    ) as u64);
    let columns = columns.max(paying);
    if needed > limit { Err(TrainError::TooLarge { parameters, columns, needed, limit }) } else { Ok(()) }
}

/// What is followed at one time: the whole run; or one half, beside the tables of those before and of the whole run. Where it may stop early,
/// what was followed to the best parameters stays, too.
fn followed_bytes(parameters: usize, (columns, paying): (usize, usize), halves: usize, stops_early: bool) -> usize {
    let replay = |columns| Replay::memory(parameters, columns).saturating_mul(if stops_early { 2 } else { 1 });
    let table = |columns| parameters.saturating_mul(columns).saturating_mul(size_of::<u16>());
    let tables = table(paying).saturating_mul(halves).saturating_add(table(columns));
    replay(columns).max(replay(paying).saturating_add(tables))
}

/// What the network of adapters over a base is made from.
pub(super) fn config<'a>(setup: &'a Setup<'_>) -> NetworkConfig<'a> {
    let classes = if setup.job.task == Task::Classify { setup.data.labels.len() } else { 0 };
    NetworkConfig {
        job: setup.job,
        base: setup.base,
        classes,
        cache: setup.folder,
        runtime: &setup.runtime,
        session: &setup.session,
    }
}

fn network(setup: &Setup<'_>) -> Result<(Network, Option<(LlamaConfig, PathBuf)>), TrainError> {
    let job = setup.job;
    let Some(plan) = &job.scratch else {
        return Ok((Network::new(config(setup))?, None));
    };
    let folder = setup.folder.join("decoder");
    let decoder = scratch::begin(plan, setup.data, &folder)?;
    let network = Network::scratch(job, &decoder, &folder, &setup.runtime, &setup.session)?;
    Ok((network, Some((decoder, folder))))
}

/// Columns whose derivatives fit.
fn most_columns(parameters: usize) -> usize {
    MAX_COLUMN_BYTES / Replay::memory(parameters, 1).max(1)
}

/// What was given together pays by itself; where that is too much to follow, a source does, and shares it out by
/// records.
fn paid(data: &Dataset, parameters: usize) -> Paid {
    let (names, column_of) = data.given();
    if names.len() <= most_columns(parameters) {
        return Paid { names, column_of };
    }
    Paid { names: data.sources.iter().map(|source| source.name.clone()).collect(), column_of: data.columns() }
}

fn following(job: &Job, data: &Dataset, belonging: &Belonging) -> Following {
    Following {
        column_of: belonging.column_of.clone(),
        columns: belonging.columns(),
        curvature: curvature(job, data.labels.len()),
        left_out: false,
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

/// Where the checkpoints of a run's halves lie.
pub(crate) fn halves_folder(folder: &Path, half: usize) -> PathBuf {
    folder.join("halves").join(format!("{half:02}"))
}

/// Where a run's checkpoints lie.
pub(crate) fn checkpoint_folder(folder: &Path) -> PathBuf {
    folder.join("checkpoints")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_followed_in_halves_lies_beside_the_tables_of_those_before_and_of_the_whole_run() {
        // 12 bytes a number that is followed, 2 of a table.
        assert_eq!(followed_bytes(10, (100, 8), 2, false), 12 * 1_000);
        assert_eq!(followed_bytes(10, (100, 100), 2, false), (12 + 2 * 2 + 2) * 1_000);
        assert_eq!(followed_bytes(10, (100, 100), 6, true), (24 + 6 * 2 + 2) * 1_000);
        assert_eq!(followed_bytes(usize::MAX, (2, 2), 2, true), usize::MAX);
    }
}
