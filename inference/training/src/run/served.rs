//! What a model says in the form that nodes serve it in, beside what it said as it was trained.

use std::path::{Path, PathBuf};

use datanet_inference::graph::quantise::Precision;
use serde::{Deserialize, Serialize};

use super::prepare::config;
use super::{Prepared, Setup, TrainError};
use crate::attribution::Rows;
use crate::data::{Dataset, Task};
use crate::evaluate::{self, Evaluation, Measure};
use crate::network::{Network, QuantisedBase};

/// Name of the file with a [`Served`].
pub(super) const FILE: &str = "serving.json";

/// What the served form of a model costs; part of a release whose job asks for one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Served {
    /// The numbers that nodes compute in.
    pub precision: Precision,
    /// What the base's weights lose.
    #[serde(flatten)]
    pub weights: QuantisedBase,
    /// Held-out records asked.
    pub records: usize,
    /// Cosine of each record's mean hidden state in both forms: their mean. Language models have none.
    pub cosine: Option<f64>,
    /// The smallest of them.
    pub least_cosine: Option<f64>,
}

/// Records that [`served`] asks.
pub(super) fn asked(setup: &Setup<'_>) -> usize {
    let each = if setup.job.task == Task::Generate { 1 } else { 3 };
    if setup.job.serve.is_float() { 0 } else { each * setup.data.held_out.len() }
}

/// Asks the held-out records of the model as it will be served, adds what it says to `evaluation` as `served_...`, and
/// says what the form costs. Nothing where a model is served as it was trained.
pub(super) fn served(
    setup: &Setup<'_>,
    prepared: &mut Prepared,
    theta: &[f32],
    evaluation: &mut Evaluation,
    told: &mut dyn FnMut(usize),
) -> Result<Option<Served>, TrainError> {
    let Some((mut network, weights)) = Network::served(config(setup))? else { return Ok(None) };
    let asked = Dataset { train: Vec::new(), ..setup.data.clone() };
    network.load_data(&asked)?;
    let said = evaluate::evaluate(&mut network, &asked, theta, told)?;
    let renamed = |measure: Measure| Measure { name: format!("served_{}", measure.name), ..measure };
    evaluation.measures.extend(said.measures.into_iter().map(renamed));
    let cosines = match setup.job.task {
        Task::Generate => Vec::new(),
        Task::Classify | Task::Embed => {
            let (trained, small) = (prepared.network.held_out(), network.held_out());
            let trained = prepared.network.forward_telling(theta, &trained, told)?.pooled;
            cosines(&trained, &network.forward_telling(theta, &small, told)?.pooled)
        }
    };
    let mean = (!cosines.is_empty()).then(|| cosines.iter().sum::<f64>() / cosines.len() as f64);
    evaluation.measures.extend(mean.map(|value| Measure { name: "served_cosine".to_owned(), value }));
    Ok(Some(Served {
        precision: setup.job.serve,
        weights,
        records: said.records,
        cosine: mean,
        least_cosine: cosines.into_iter().min_by(f64::total_cmp),
    }))
}

/// Writes it into the release.
pub(super) fn write(served: &Served, folder: &Path, files: &mut Vec<(String, PathBuf)>) -> Result<(), TrainError> {
    let json = serde_json::to_vec_pretty(served).map_err(|error| TrainError::Release(error.to_string()))?;
    super::release::put(files, folder, FILE, &json)
}

fn cosines(one: &Rows, other: &Rows) -> Vec<f64> {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    let cosine = |(a, b): (&[f32], &[f32])| dot(a, b) / (dot(a, a) * dot(b, b)).sqrt().max(1e-30);
    one.iter().zip(other.iter()).map(cosine).collect()
}
