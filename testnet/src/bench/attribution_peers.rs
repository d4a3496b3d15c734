//! Other people's attribution on the same adapters, records and queries: the influence methods of dattri as they ship
//! them, each in a process of its own, so that one that cannot run here is told of and does not keep the others from it.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use datanet_study::{Checkpoint, DigitsTask, PeerValues, Peers, StudyError};
use datanet_training::attribution::Rows;
use datanet_training::data::Example;
use datanet_training::job::Job;
use datanet_training::network::{HEAD_BIAS, HEAD_WEIGHT, Network};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::runtime::Handle;

use super::attribution_text::{TOKENS, Texts};
use super::train::tokenizer;
use crate::peer::{Python, PythonPackages};
use crate::ui::Ui;

/// The peers' program.
const PROGRAM: &str = include_str!("peers/attribute.py");
/// Threads of a peer.
const THREADS: &str = "2";
/// Methods, as the program and the table name them. Where a method has a damping and no default that runs, several.
const METHODS: [(&str, &str); 7] = [
    ("dattri-ekfac-1e-1", "dattri: EKFAC, damping .1"),
    ("dattri-ekfac-1e-3", "dattri: EKFAC, damping .001"),
    ("dattri-ekfac-1e-5", "dattri: EKFAC, damping .00001"),
    ("dattri-cg", "dattri: influence by conjugate gradients"),
    ("dattri-datainf", "dattri: DataInf"),
    ("dattri-tracin", "dattri: TracIn, 5 checkpoints"),
    ("dattri-trak", "dattri: TRAK, 5 checkpoints"),
];

/// A task as the program reads it.
pub(super) struct Handed<'a> {
    python: &'a Python,
    ui: &'a Ui,
    records: usize,
    queries: usize,
    job: Value,
    tensors: Vec<Tensor>,
    /// The trained tensors of a checkpoint.
    trained: Trained<'a>,
}

/// The trained tensors of parameters.
type Trained<'a> = Box<dyn Fn(&[f32]) -> Vec<Tensor> + 'a>;

/// A named tensor in the order that PyTorch has it.
struct Tensor {
    name: String,
    shape: Vec<usize>,
    dtype: Dtype,
    bytes: Vec<u8>,
}

impl Tensor {
    fn floats(name: impl Into<String>, shape: &[usize], numbers: &[f32]) -> Self {
        let bytes = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        Self { name: name.into(), shape: shape.to_vec(), dtype: Dtype::F32, bytes }
    }

    fn integers(name: impl Into<String>, shape: &[usize], numbers: impl IntoIterator<Item = usize>) -> Self {
        let bytes = numbers.into_iter().flat_map(|number| (number as i64).to_le_bytes()).collect();
        Self { name: name.into(), shape: shape.to_vec(), dtype: Dtype::I64, bytes }
    }
}

/// Brings the peers.
pub(super) async fn ready(ui: &Ui) -> Result<Python> {
    let step = ui.step(format!("the peers' packages ({})", PythonPackages::ATTRIBUTION.packages.join(", ")));
    match PythonPackages::ATTRIBUTION.ready().await {
        Ok(python) => {
            step.done("ready");
            Ok(python)
        }
        Err(error) => {
            step.failed(format!("{error:#}"));
            Err(error.context("the peers cannot be installed, so there is nothing to compare with"))
        }
    }
}

/// The digits' task.
pub(super) fn digits<'a>(python: &'a Python, task: &DigitsTask, ui: &'a Ui) -> Handed<'a> {
    let (network, points) = (task.model.network.clone(), &task.model.points);
    let (rank, scale) = network.lora();
    let mut tensors = Vec::new();
    let mut layers = 0;
    for (at, (weights, biases)) in network.frozen().enumerate() {
        let outputs = biases.len();
        tensors.push(Tensor::floats(format!("base.{at}.weight"), &[outputs, weights.len() / outputs], weights));
        tensors.push(Tensor::floats(format!("base.{at}.bias"), &[outputs], biases));
        layers = at + 1;
    }
    let records: Vec<usize> = (0..task.contributors.len()).collect();
    for (what, places) in [("records", &records), ("queries", &task.queries)] {
        let own = points.pick(places);
        let shape = [own.len(), own.features];
        tensors.push(Tensor::floats(format!("{what}.vectors"), &shape, &own.vectors));
        tensors.push(Tensor::integers(format!("{what}.labels"), &shape[..1], own.labels.iter().copied()));
    }
    let trained = move |theta: &[f32]| {
        let adapters = network.adapters(theta).into_iter().enumerate();
        let pairs = adapters.flat_map(|(at, (a, b))| {
            let [a_name, b_name] = ["A", "B"].map(|part| format!("{at}.{part}"));
            let a = Tensor::floats(a_name, &[rank, a.len() / rank], a);
            [a, Tensor::floats(b_name, &[b.len() / rank, rank], b)]
        });
        pairs.collect()
    };
    let job = json!({
        "kind": "tanh", "layers": layers, "rank": rank, "scale": scale, "classes": points.classes,
        "parameters": task.parameters(),
    });
    let (records, queries) = (records.len(), task.queries.len());
    Handed { python, ui, records, queries, job, tensors, trained: Box::new(trained) }
}

/// The texts' task.
pub(super) fn texts<'a>(
    python: &'a Python,
    texts: &'a Texts,
    job: &'a Job,
    network: &Network,
    ui: &'a Ui,
) -> Result<Handed<'a>> {
    let data = &texts.data;
    let mut tensors = tokens("records", &texts.model, &data.train)?;
    tensors.extend(tokens("queries", &texts.model, &data.held_out)?);
    let (layout, targets) = (network.layout().clone(), network.targets().to_vec());
    let told = json!({
        "kind": "transformer", "model": texts.model, "layers": job.lora.layers, "rank": job.lora.rank,
        "alpha": job.lora.alpha, "targets": targets, "classes": data.labels.len(),
        "parameters": layout.parameters(),
    });
    let trained = move |theta: &[f32]| {
        let adapter = layout.adapter(theta, &job.base, job.lora.alpha, &targets);
        let rank = adapter.rank;
        let pairs = adapter.modules.iter().flat_map(|(module, pair)| {
            let a = Tensor::floats(format!("{module}.A"), &[rank, pair.in_features], &pair.a);
            [a, Tensor::floats(format!("{module}.B"), &[pair.out_features, rank], &pair.b)]
        });
        let head = [(HEAD_WEIGHT, "head.weight"), (HEAD_BIAS, "head.bias")];
        let head = head.into_iter().filter_map(|(saved, name)| {
            adapter.saved.get(saved).map(|dense| Tensor::floats(name, &dense.shape, &dense.data))
        });
        pairs.chain(head).collect()
    };
    let (records, queries) = (data.train.len(), data.held_out.len());
    Ok(Handed { python, ui, records, queries, job: told, tensors, trained: Box::new(trained) })
}

/// Ids, masks and labels of the examples, all padded to the longest.
fn tokens(what: &str, model: &Path, examples: &[Example]) -> Result<Vec<Tensor>> {
    let tokenizer = tokenizer(model, TOKENS)?;
    let encode = |example: &Example| -> Result<Vec<usize>> {
        let encoded = tokenizer.encode(example.text.as_str(), true).map_err(|e| anyhow::anyhow!("{e}"))?;
        Ok(encoded.get_ids().iter().map(|id| *id as usize).collect())
    };
    let ids = examples.iter().map(encode).collect::<Result<Vec<_>>>()?;
    let longest = ids.iter().map(Vec::len).max().unwrap_or(0);
    let shape = [ids.len(), longest];
    let at = |of: &Vec<usize>, place: usize| of.get(place).copied();
    let padded = ids.iter().flat_map(|own| (0..longest).map(move |place| at(own, place).unwrap_or(0)));
    let mask = ids.iter().flat_map(|own| (0..longest).map(move |place| usize::from(place < own.len())));
    let labels: Option<Vec<usize>> = examples.iter().map(|example| example.label).collect();
    Ok(vec![
        Tensor::integers(format!("{what}.ids"), &shape, padded),
        Tensor::integers(format!("{what}.mask"), &shape, mask),
        Tensor::integers(format!("{what}.labels"), &shape[..1], labels.context("an example has no label")?),
    ])
}

impl Handed<'_> {
    /// Writes the task for the program.
    fn write(&self, folder: &Path, checkpoints: &[Checkpoint], losses: &[f32]) -> Result<()> {
        let mut job = self.job.clone();
        job["rates"] = checkpoints.iter().map(|checkpoint| checkpoint.rate).collect();
        job["losses"] = losses.into();
        std::fs::write(folder.join("job.json"), job.to_string())?;
        let trained = checkpoints.iter().enumerate().flat_map(|(at, checkpoint)| {
            let own = (self.trained)(&checkpoint.theta);
            own.into_iter().map(move |tensor| Tensor { name: format!("checkpoint.{at}.{}", tensor.name), ..tensor })
        });
        let trained: Vec<Tensor> = trained.collect();
        let views = self.tensors.iter().chain(&trained).map(|tensor| {
            Ok((tensor.name.as_str(), TensorView::new(tensor.dtype, tensor.shape.clone(), &tensor.bytes)?))
        });
        let views = views.collect::<Result<Vec<_>, safetensors::SafeTensorError>>()?;
        Ok(safetensors::serialize_to_file(views, None, &folder.join("task.safetensors"))?)
    }

    /// Runs one method.
    fn ask(&self, folder: &Path, method: &str) -> Result<(Rows, Told)> {
        let place = folder.to_str().context("the temporary folder has a name that is not UTF-8")?;
        let told = Handle::current().block_on(self.python.run(PROGRAM, &[place, THREADS, method]))?;
        let told: Told = serde_json::from_value(told)?;
        let bytes = std::fs::read(folder.join(format!("{method}.safetensors")))?;
        let tensors = SafeTensors::deserialize(&bytes)?;
        let values = tensors.tensor("values")?;
        let shape = [self.records, self.queries];
        ensure!(values.dtype() == Dtype::F32 && values.shape() == shape, "its values are not [records, queries]");
        let numbers = values.data().as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes));
        Ok((Rows { rows: self.records, columns: self.queries, data: numbers.collect() }, told))
    }
}

/// What the program prints.
#[derive(Deserialize)]
struct Told {
    seconds: f32,
    peak_bytes: f64,
}

impl Peers for Handed<'_> {
    fn values(&self, checkpoints: &[Checkpoint], losses: &[f32]) -> Result<Vec<PeerValues>, StudyError> {
        let peer = |error: anyhow::Error| StudyError::Peer(format!("{error:#}"));
        let folder = tempfile::tempdir().map_err(|error| peer(error.into()))?;
        self.write(folder.path(), checkpoints, losses).map_err(peer)?;
        let mut all = Vec::new();
        for (method, name) in METHODS {
            let step = self.ui.step(name);
            match self.ask(folder.path(), method) {
                Ok((values, Told { seconds, peak_bytes })) => {
                    step.done(format!("{seconds:.1} s, {:.0} MiB at most", peak_bytes / f64::from(1 << 20)));
                    all.push(PeerValues { method: name.to_owned(), values, seconds });
                }
                Err(error) => {
                    step.failed(format!("{error:#}"));
                }
            }
        }
        if all.is_empty() { Err(StudyError::Peer("none of them gave values".to_owned())) } else { Ok(all) }
    }
}
