//! A base model, its adapters and its records, compiled to sessions that give losses and gradients.
//!
//! ```text
//!  records ──tokens──► frozen layers ──once──► hidden states ─┐
//!                                                             ▼
//!  theta ───────────────────────────────► adapted layers, head, objective ──► losses, gradients
//! ```
//!
//! The layers below the first adapter never change: each record goes through them once. The rest is one graph, with
//! theta as an input, differentiated twice: with one theta for the batch (the gradient's sum, fastest), and with one
//! for each row (a gradient a record, and batches that mix adapters).

mod compile;
mod continuation;
mod examples;
mod layout;
mod model;
mod objective;
mod prefix;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use datanet_inference::graph::GraphError;
use datanet_inference::graph::adapt::AdaptError;
use datanet_inference::graph::build::{Architecture, BuildError, LlamaConfig};
use datanet_inference::graph::differentiate::DifferentiateError;
use datanet_inference::graph::quantise::QuantiseError;
use datanet_inference::runtime::{Runtime, RuntimeError, Session, SessionConfig, Tensor};

use serde::{Deserialize, Serialize};

pub use layout::{HEAD_BIAS, HEAD_WEIGHT, Layout, Part};
pub(crate) use model::highest;

use crate::attribution::Rows;
use crate::data::{Dataset, Example, Task, TextTokens, TokenError};
use crate::job::Job;
use compile::{Blueprint, Kind};
use examples::{Block, Examples};
use objective::{LABELS, LOG_PROBABILITIES, POOLED, SIGNS, WEIGHTS};
use prefix::Prefix;

/// Rows that go through a graph at once where the caller gives more.
const CHUNK: usize = 32;

/// Tokens that go through a differentiated graph at once.
const TOKENS: usize = 8_192;

/// Bytes of a language model's sign tensor at once.
const SIGN_BYTES: usize = 64 << 20;

/// Why a network cannot be made or run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NetworkError {
    /// The base model's folder.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// Cutting or extending its graph.
    #[error(transparent)]
    Structure(#[from] GraphError),
    /// Placing adapters.
    #[error(transparent)]
    Adapt(#[from] AdaptError),
    /// Differentiating.
    #[error(transparent)]
    Differentiate(#[from] DifferentiateError),
    /// Holding the base in 4 bits.
    #[error(transparent)]
    Quantise(#[from] QuantiseError),
    /// The runtime.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// Tokens.
    #[error(transparent)]
    Tokens(#[from] TokenError),
    /// The graph is not what it should be.
    #[error("the graph does not fit: {0}")]
    Graph(String),
    /// The base is of the wrong kind.
    #[error("the base model cannot {task:?}; that task needs {wanted}")]
    Task {
        /// What is asked of it.
        task: Task,
        /// What would do.
        wanted: &'static str,
    },
    /// No module has such a name.
    #[error("no module of the base is called {targets:?} in the layers named; look at lora.targets and lora.layers")]
    NothingAdapted {
        /// The names.
        targets: Vec<String>,
    },
    /// An adapter of another network.
    #[error("the adapter does not fit this base and job: {0}")]
    Adapter(String),
    /// A theta of another length.
    #[error("theta has {found} numbers, the network {expected}")]
    Theta {
        /// Its length.
        found: usize,
        /// The parameters.
        expected: usize,
    },
    /// A sample that is not loaded.
    #[error("sample {sample} does not exist, {samples} are loaded")]
    Sample {
        /// The index.
        sample: usize,
        /// How many there are.
        samples: usize,
    },
    /// A file of the cache or of the weights.
    #[error("cannot use {folder}: {source}")]
    Cache {
        /// Where.
        folder: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// What a network is made from.
#[derive(Clone, Copy, Debug)]
pub struct NetworkConfig<'a> {
    /// What is trained.
    pub job: &'a Job,
    /// The base model's folder.
    pub base: &'a Path,
    /// Number of labels; 0 where the task has none.
    pub classes: usize,
    /// Where hidden states too large for memory may lie.
    pub cache: &'a Path,
    /// The runtime.
    pub runtime: &'a Runtime,
    /// How sessions run; the folder of weights is set here.
    pub session: &'a SessionConfig,
}

/// A network with its records loaded. Sessions are made when they are first needed.
#[derive(Debug)]
pub struct Network {
    task: Task,
    blueprint: Blueprint,
    tokens: TextTokens,
    max_tokens: usize,
    cache: PathBuf,
    examples: Option<Examples>,
    /// How many of them are learnt from; the others are held out.
    trained: usize,
    prefix: Option<Prefix>,
    sessions: Vec<(Kind, Session)>,
}

/// What holding the base in 4 bits has changed; it is part of a release.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct QuantisedBase {
    /// Bytes of the float weights.
    pub bytes_before: u64,
    /// Bytes of the weights as they are held.
    pub bytes_after: u64,
    /// Each weight that is held in 4 bits, with its error: |W - Q| / |W|.
    pub weights: Vec<(String, f64)>,
    /// Weights that stay float.
    pub kept: Vec<String>,
}

/// What a forward pass tells about samples.
#[derive(Clone, Debug, PartialEq)]
pub struct Forward {
    /// The loss of each sample: mean over its tokens for a language model.
    pub losses: Vec<f32>,
    /// Log-probabilities: of the classes, of the batch's pairs, or one for each next token, `[n, ..]`; rows of a
    /// language model are padded with 0.
    pub log_probabilities: Rows,
    /// Mean hidden state of each sample, `[n, hidden]`; no rows for a language model.
    pub pooled: Rows,
    /// Mean hidden state of each sample's pair.
    pub pairs: Rows,
    /// Tokens predicted in each sample of a language model.
    pub predicted: Vec<usize>,
}

impl Network {
    /// Compiles the job's network over its base, without records yet.
    ///
    /// # Errors
    /// [`NetworkError`].
    pub fn new(config: NetworkConfig<'_>) -> Result<Self, NetworkError> {
        let blueprint = Blueprint::adapted(config.job, config.base, config.classes, config.runtime, config.session)?;
        Self::over(blueprint, config.job, config.base, config.cache)
    }

    /// Compiles a decoder all of whose parameters are trained; `folder` holds its `tokenizer.json`.
    ///
    /// # Errors
    /// [`NetworkError`].
    pub fn scratch(
        job: &Job,
        decoder: &LlamaConfig,
        folder: &Path,
        runtime: &Runtime,
        session: &SessionConfig,
    ) -> Result<Self, NetworkError> {
        Self::over(Blueprint::scratch(decoder, runtime, session)?, job, folder, folder)
    }

    fn over(blueprint: Blueprint, job: &Job, folder: &Path, cache: &Path) -> Result<Self, NetworkError> {
        let max_tokens = job.max_tokens.min(blueprint.max_positions);
        Ok(Self {
            task: job.task,
            tokens: TextTokens::read(folder, max_tokens, blueprint.vocabulary)?,
            max_tokens,
            blueprint,
            cache: cache.to_owned(),
            examples: None,
            trained: 0,
            prefix: None,
            sessions: Vec::new(),
        })
    }

    /// Loads these records in place of any others; sample i is the i-th of them. Runs the frozen layers over each.
    ///
    /// # Errors
    /// [`NetworkError`].
    pub fn load(&mut self, examples: &[&Example]) -> Result<(), NetworkError> {
        let end = self.blueprint.end_token;
        let loaded = Examples::load(self.task, examples, &self.tokens, self.max_tokens, end)?;
        self.prefix = match self.blueprint.compile_prefix()? {
            Some((mut session, output)) => {
                Some(Prefix::compute(&mut session, &output, self.blueprint.hidden, &loaded, &self.cache)?)
            }
            None => None,
        };
        self.trained = loaded.len();
        self.examples = Some(loaded);
        Ok(())
    }

    /// Loads a data set: its training records first, then those held out.
    ///
    /// # Errors
    /// [`NetworkError`].
    pub fn load_data(&mut self, data: &Dataset) -> Result<(), NetworkError> {
        let all: Vec<&Example> = data.train.iter().chain(&data.held_out).collect();
        self.load(&all)?;
        self.trained = data.train.len();
        Ok(())
    }

    /// The held-out samples of the loaded data set.
    pub fn held_out(&self) -> Vec<usize> {
        (self.trained..self.samples()).collect()
    }

    /// What theta is made of.
    pub fn layout(&self) -> &Layout {
        &self.blueprint.layout
    }

    /// Samples loaded.
    pub fn samples(&self) -> usize {
        self.examples.as_ref().map_or(0, Examples::len)
    }

    /// The family of the base.
    pub fn architecture(&self) -> Architecture {
        self.blueprint.architecture
    }

    /// The task.
    pub fn task(&self) -> Task {
        self.task
    }

    /// The label of a sample.
    pub fn label(&self, sample: usize) -> Option<usize> {
        self.examples.as_ref().and_then(|examples| examples.label(sample))
    }

    /// What holding the base in 4 bits has changed, where it is held so.
    pub fn quantised(&self) -> Option<&QuantisedBase> {
        self.blueprint.quantised.as_ref()
    }

    /// The modules that are adapted, as the job or the family of the base names them.
    pub fn targets(&self) -> &[String] {
        self.blueprint.targets()
    }

    /// Losses and what they come from, without gradients. Sentence embeddings contrast with at most 31 others.
    ///
    /// # Errors
    /// [`NetworkError`].
    pub fn forward(&mut self, theta: &[f32], samples: &[usize]) -> Result<Forward, NetworkError> {
        self.check(theta)?;
        let mut all: Option<Forward> = None;
        for samples in samples.chunks(CHUNK) {
            let part = self.forward_chunk(theta, samples)?;
            match &mut all {
                None => all = Some(part),
                Some(all) => all.append(part),
            }
        }
        Ok(all.unwrap_or_else(Forward::empty))
    }

    fn forward_chunk(&mut self, theta: &[f32], samples: &[usize]) -> Result<Forward, NetworkError> {
        let block = self.block(samples)?;
        let weights = self.weights(&block, samples, &vec![0.0; samples.len()])?;
        let pooled = self.task != Task::Generate;
        let outputs: &[&str] = if pooled { &[LOG_PROBABILITIES, POOLED] } else { &[LOG_PROBABILITIES] };
        let theta = self.blueprint.layout.shared(theta)?;
        let theta: Vec<(String, Tensor)> = owned(theta);
        let results = self.run(Kind::Forward, &block, &theta, &weights, outputs)?;
        let logs = results[0].floats()?;
        let losses = self.losses_of(&block, samples, logs);
        let hidden = self.blueprint.hidden;
        let (mut own, mut pairs) = (Rows::none(hidden), Rows::none(hidden));
        if let Some(vectors) = results.get(1) {
            let (first, second) = vectors.floats()?.split_at(samples.len() * hidden);
            own = Rows { rows: samples.len(), columns: hidden, data: first.to_vec() };
            pairs = Rows { rows: second.len() / hidden, columns: hidden, data: second.to_vec() };
        }
        let columns = logs.len() / samples.len().max(1);
        let log_probabilities = Rows { rows: samples.len(), columns, data: logs.to_vec() };
        let predicted = self.predicted(&block);
        Ok(Forward { losses, log_probabilities, pooled: own, pairs, predicted })
    }

    /// The loss of each sample and the sum of `weights[i] * gradient of loss i`.
    ///
    /// # Errors
    /// [`NetworkError`].
    pub fn weighted_gradient(
        &mut self,
        theta: &[f32],
        samples: &[usize],
        weights: &[f32],
    ) -> Result<(Vec<f32>, Vec<f32>), NetworkError> {
        self.check(theta)?;
        // A contrast is between all records of a batch; others go through in parts that bound the memory.
        let chunk = if self.task == Task::Embed { samples.len() } else { TOKENS / self.max_tokens };
        let (mut losses, mut sum) = (Vec::with_capacity(samples.len()), vec![0.0; theta.len()]);
        for (samples, weights) in samples.chunks(chunk.max(1)).zip(weights.chunks(chunk.max(1))) {
            let block = self.block(samples)?;
            let negative: Vec<f32> = weights.iter().map(|weight| -weight).collect();
            let inputs = self.weights(&block, samples, &negative)?;
            let inputs_theta = owned(self.blueprint.layout.shared(theta)?);
            let results = self.gradients(Kind::Summed, &block, &inputs_theta, &inputs)?;
            losses.extend(self.losses_of(&block, samples, results[0].floats()?));
            let gradient = self.blueprint.layout.join(&results[1..])?;
            sum.iter_mut().zip(&gradient).for_each(|(sum, g)| *sum += g);
        }
        Ok((losses, sum))
    }

    /// The loss of each sample and the gradient of each loss.
    ///
    /// # Errors
    /// [`NetworkError`].
    pub fn gradients_of(&mut self, theta: &[f32], samples: &[usize]) -> Result<(Vec<f32>, Rows), NetworkError> {
        self.check(theta)?;
        let (mut losses, mut rows) = (Vec::with_capacity(samples.len()), Rows::none(theta.len()));
        let chunk = if self.task == Task::Embed { samples.len().max(1) } else { CHUNK };
        for samples in samples.chunks(chunk) {
            let block = self.block(samples)?;
            let weights = self.weights(&block, samples, &vec![-1.0; samples.len()])?;
            let stacked = owned(self.blueprint.layout.stacked(&vec![theta; block.rows.len()])?);
            let results = self.gradients(Kind::PerRow, &block, &stacked, &weights)?;
            losses.extend(self.losses_of(&block, samples, results[0].floats()?));
            let found = self.blueprint.layout.join_rows(&results[1..], block.rows.len())?;
            rows.append(self.pairs_added(found, samples.len()));
        }
        Ok((losses, rows))
    }

    /// Rows sum_k f_k sqrt(p_k) grad log p_k of a classifier, where `factors` holds f, `[samples, classes]`.
    ///
    /// # Errors
    /// [`NetworkError`].
    pub fn class_rows(&mut self, theta: &[f32], samples: &[usize], factors: &[f32]) -> Result<Rows, NetworkError> {
        self.check(theta)?;
        let classes = self.blueprint.classes();
        let mut rows = Rows::none(theta.len());
        for (samples, factors) in samples.chunks(CHUNK).zip(factors.chunks(CHUNK * classes.max(1))) {
            let block = self.block(samples)?;
            let shape = [samples.len(), classes];
            let inputs = vec![
                (WEIGHTS.to_owned(), Tensor::new(&shape, vec![0.0f32; samples.len() * classes])?),
                (SIGNS.to_owned(), Tensor::new(&shape, factors.to_vec())?),
            ];
            let stacked = owned(self.blueprint.layout.stacked(&vec![theta; samples.len()])?);
            let results = self.gradients(Kind::PerRow, &block, &stacked, &inputs)?;
            rows.append(self.blueprint.layout.join_rows(&results[1..], samples.len())?);
        }
        Ok(rows)
    }

    /// Rows sum_t sum_k e_tk sqrt(p_tk) grad log p_tk of a language model, divided by the root of each sample's
    /// tokens; `signs` draws the e of one sample, `[tokens, vocabulary]`, each 1 or -1.
    ///
    /// # Errors
    /// [`NetworkError`].
    pub fn token_rows(
        &mut self,
        theta: &[f32],
        samples: &[usize],
        mut signs: impl FnMut(usize, &mut [i8]),
    ) -> Result<Rows, NetworkError> {
        self.check(theta)?;
        let vocabulary = self.blueprint.vocabulary;
        let chunk = (SIGN_BYTES / (vocabulary * self.max_tokens).max(1)).clamp(1, CHUNK);
        let mut rows = Rows::none(theta.len());
        for samples in samples.chunks(chunk) {
            let block = self.block(samples)?;
            let predicted = self.predicted(&block);
            let mut all = vec![0i8; block.rows.len() * block.length * vocabulary];
            for (at, sample) in all.chunks_exact_mut(block.length * vocabulary).enumerate() {
                signs(samples[at], &mut sample[..predicted[at] * vocabulary]);
            }
            let inputs = vec![(SIGNS.to_owned(), Tensor::new(&[block.rows.len(), block.length, vocabulary], all)?)];
            let stacked = owned(self.blueprint.layout.stacked(&vec![theta; samples.len()])?);
            let results = self.gradients(Kind::TokenSigns, &block, &stacked, &inputs)?;
            let mut found = self.blueprint.layout.join_rows(&results, samples.len())?;
            for (at, tokens) in predicted.into_iter().enumerate() {
                let over = 1.0 / (tokens.max(1) as f32).sqrt();
                found.row_mut(at).iter_mut().for_each(|x| *x *= over);
            }
            rows.append(found);
        }
        Ok(rows)
    }

    /// What networks of different thetas say about one sample, in one mixed batch: losses and log-probabilities, one
    /// row a theta.
    ///
    /// # Errors
    /// [`NetworkError`]; sentence embeddings have no such answer.
    pub fn mixed(&mut self, thetas: &[&[f32]], sample: usize) -> Result<(Vec<f32>, Rows), NetworkError> {
        if self.task == Task::Embed {
            return Err(NetworkError::Graph("a sentence embedding alone has no loss".to_owned()));
        }
        thetas.iter().try_for_each(|theta| self.check(theta))?;
        let (mut losses, mut rows) = (Vec::new(), Rows::default());
        for thetas in thetas.chunks(CHUNK) {
            let samples = vec![sample; thetas.len()];
            let block = self.block(&samples)?;
            let weights = self.weights(&block, &samples, &vec![0.0; samples.len()])?;
            let stacked = owned(self.blueprint.layout.stacked(thetas)?);
            let results = self.run(Kind::PerRow, &block, &stacked, &weights, &[LOG_PROBABILITIES])?;
            let logs = results[0].floats()?;
            losses.extend(self.losses_of(&block, &samples, logs));
            rows.columns = logs.len() / thetas.len();
            rows.append(Rows { rows: thetas.len(), columns: rows.columns, data: logs.to_vec() });
        }
        Ok((losses, rows))
    }

    fn examples(&self) -> Result<&Examples, NetworkError> {
        self.examples.as_ref().ok_or(NetworkError::Sample { sample: 0, samples: 0 })
    }

    fn block(&self, samples: &[usize]) -> Result<Block, NetworkError> {
        let examples = self.examples()?;
        Ok(examples.block(examples.rows_of(samples)?))
    }

    fn check(&self, theta: &[f32]) -> Result<(), NetworkError> {
        let expected = self.blueprint.layout.parameters();
        if theta.len() == expected { Ok(()) } else { Err(NetworkError::Theta { found: theta.len(), expected }) }
    }

    /// The inputs of the objective that give sum of `factors[i]` * log-probability of sample i's target.
    fn weights(
        &self,
        block: &Block,
        samples: &[usize],
        factors: &[f32],
    ) -> Result<Vec<(String, Tensor)>, NetworkError> {
        let examples = self.examples()?;
        let count = samples.len();
        Ok(match self.task {
            Task::Classify => {
                let classes = self.blueprint.classes();
                let mut weights = vec![0.0; count * classes];
                for (at, (&sample, &factor)) in samples.iter().zip(factors).enumerate() {
                    if let Some(label) = examples.label(sample).filter(|label| *label < classes) {
                        weights[at * classes + label] = factor;
                    }
                }
                let signs = Tensor::new(&[count, classes], vec![0.0f32; count * classes])?;
                vec![(WEIGHTS.to_owned(), Tensor::new(&[count, classes], weights)?), (SIGNS.to_owned(), signs)]
            }
            Task::Embed => {
                let mut weights = vec![0.0; count * count];
                factors.iter().enumerate().for_each(|(at, &factor)| weights[at * count + at] = factor);
                vec![(WEIGHTS.to_owned(), Tensor::new(&[count, count], weights)?)]
            }
            Task::Generate => {
                let shape = [count, block.length];
                let (mut labels, mut weights) = (vec![0i64; count * block.length], vec![0.0f32; count * block.length]);
                for (at, (&row, &factor)) in block.rows.iter().zip(factors).enumerate() {
                    let targets = examples.targets(row);
                    let share = factor / targets.len().max(1) as f32;
                    for (place, &target) in targets.iter().enumerate() {
                        labels[at * block.length + place] = i64::from(target);
                        weights[at * block.length + place] = share;
                    }
                }
                vec![
                    (LABELS.to_owned(), Tensor::new(&shape, labels)?),
                    (WEIGHTS.to_owned(), Tensor::new(&shape, weights)?),
                ]
            }
        })
    }

    /// Each sample's loss, from the log-probabilities of its batch.
    fn losses_of(&self, block: &Block, samples: &[usize], logs: &[f32]) -> Vec<f32> {
        let columns = logs.len() / samples.len().max(1);
        let loss = |(at, &sample): (usize, &usize)| {
            let logs = &logs[at * columns..(at + 1) * columns];
            match self.task {
                Task::Classify => self.label(sample).and_then(|label| logs.get(label)).map_or(0.0, |log| -log),
                Task::Embed => -logs[at],
                Task::Generate => {
                    let tokens = self.examples.as_ref().map_or(0, |examples| examples.targets(block.rows[at]).len());
                    let sum: f64 = logs[..tokens].iter().map(|&log| f64::from(log)).sum();
                    (-sum / tokens.max(1) as f64) as f32
                }
            }
        };
        samples.iter().enumerate().map(loss).collect()
    }

    /// Tokens that a language model predicts in each row; nothing for other tasks.
    fn predicted(&self, block: &Block) -> Vec<usize> {
        match (&self.examples, self.task) {
            (Some(examples), Task::Generate) => block.rows.iter().map(|&row| examples.targets(row).len()).collect(),
            _ => Vec::new(),
        }
    }

    /// The rows of pairs added to those of their texts: what flows through either belongs to the record.
    fn pairs_added(&self, mut rows: Rows, samples: usize) -> Rows {
        if self.task == Task::Embed && rows.rows == 2 * samples {
            let (own, pairs) = rows.data.split_at_mut(samples * rows.columns);
            own.iter_mut().zip(pairs).for_each(|(own, pair)| *own += *pair);
            rows.data.truncate(samples * rows.columns);
            rows.rows = samples;
        }
        rows
    }

    /// Log-probabilities (not of [`Kind::TokenSigns`]), then the gradient of each part.
    fn gradients(
        &mut self,
        kind: Kind,
        block: &Block,
        theta: &[(String, Tensor)],
        objective: &[(String, Tensor)],
    ) -> Result<Vec<Tensor>, NetworkError> {
        let parts = self.blueprint.layout.parts();
        let names: Vec<String> = parts.iter().map(|part| compile::gradient(&part.input)).collect();
        let logs = (kind != Kind::TokenSigns).then_some(LOG_PROBABILITIES);
        let outputs: Vec<&str> = logs.into_iter().chain(names.iter().map(String::as_str)).collect();
        self.run(kind, block, theta, objective, &outputs)
    }

    fn run(
        &mut self,
        kind: Kind,
        block: &Block,
        theta: &[(String, Tensor)],
        objective: &[(String, Tensor)],
        outputs: &[&str],
    ) -> Result<Vec<Tensor>, NetworkError> {
        let shape = [block.rows.len(), block.length];
        let mut data = vec![("attention_mask".to_owned(), Tensor::new(&shape, block.mask.clone())?)];
        match (&self.prefix, &self.blueprint.prefix) {
            (Some(prefix), Some((_, name))) => data.push((name.clone(), prefix.gather(block)?)),
            _ => data.push(("input_ids".to_owned(), Tensor::new(&shape, block.ids.clone())?)),
        }
        let at = match self.sessions.iter().position(|(known, _)| *known == kind) {
            Some(at) => at,
            None => {
                self.sessions.push((kind, self.blueprint.compile(kind)?));
                self.sessions.len() - 1
            }
        };
        let session = &mut self.sessions[at].1;
        // A graph may have no use for one of these, for example a language model's signs in a forward pass.
        let known: Vec<String> = session.inputs().map(str::to_owned).collect();
        let inputs: Vec<(&str, &Tensor)> = data
            .iter()
            .chain(theta)
            .chain(objective)
            .filter(|(name, _)| known.contains(name))
            .map(|(name, tensor)| (name.as_str(), tensor))
            .collect();
        Ok(session.run(&inputs, outputs)?)
    }
}

impl Forward {
    fn empty() -> Self {
        let none = Rows::default;
        Self { losses: Vec::new(), log_probabilities: none(), pooled: none(), pairs: none(), predicted: Vec::new() }
    }

    fn append(&mut self, other: Self) {
        self.losses.extend(other.losses);
        self.predicted.extend(other.predicted);
        self.log_probabilities = wider(std::mem::take(&mut self.log_probabilities), other.log_probabilities);
        self.pooled.append(other.pooled);
        self.pairs.append(other.pairs);
    }
}

/// One below the other, both padded with zeros to the wider one's width.
fn wider(above: Rows, below: Rows) -> Rows {
    let columns = above.columns.max(below.columns);
    let mut all = Rows::zeros(above.rows + below.rows, columns);
    for (at, row) in above.iter().chain(below.iter()).enumerate() {
        all.row_mut(at)[..row.len()].copy_from_slice(row);
    }
    all
}

fn owned(tensors: Vec<(&str, Tensor)>) -> Vec<(String, Tensor)> {
    tensors.into_iter().map(|(name, tensor)| (name.to_owned(), tensor)).collect()
}
