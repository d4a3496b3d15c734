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

mod buckets;
mod compile;
mod continuation;
mod error;
mod examples;
mod forward;
mod gradients;
mod layout;
mod model;
mod objective;
mod part;
mod prefix;
mod target;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use datanet_inference::graph::build::{Architecture, LlamaConfig};
use datanet_inference::graph::quantise::{Quantised, WeightReport};
use datanet_inference::runtime::{Runtime, Session, SessionConfig, Tensor};
use serde::{Deserialize, Serialize};

pub use compile::check_adapters;
pub use error::NetworkError;
pub use forward::Forward;
pub use layout::{HEAD_BIAS, HEAD_WEIGHT, Layout, Part};
pub(crate) use model::highest;

use crate::data::{Dataset, Example, Task, TextTokens};
use crate::job::Job;
use compile::{Blueprint, Kind};
use examples::{Block, Examples};
use prefix::Prefix;

/// Rows that go through a graph at once where the caller gives more.
const CHUNK: usize = 32;

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

/// What holding the base in fewer bits has changed; it is part of a release.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct QuantisedBase {
    /// Bytes of the float weights.
    pub bytes_before: u64,
    /// Bytes of the weights as they are held.
    pub bytes_after: u64,
    /// The weights that are held so, with what each costs.
    pub weights: Vec<WeightReport>,
    /// Weights that stay float.
    pub kept: Vec<String>,
}

impl From<Quantised> for QuantisedBase {
    fn from(quantised: Quantised) -> Self {
        Self {
            bytes_before: quantised.bytes_before,
            bytes_after: quantised.bytes_after,
            weights: quantised.report,
            kept: quantised.kept.into_iter().map(|kept| kept.name).collect(),
        }
    }
}

/// A network with its records loaded. Sessions are made when they are first needed.
#[derive(Debug)]
pub struct Network {
    task: Task,
    blueprint: Arc<Blueprint>,
    /// Threads of an operator, where they are others than the blueprint's.
    threads: Option<usize>,
    tokens: Arc<TextTokens>,
    max_tokens: usize,
    cache: PathBuf,
    examples: Option<Arc<Examples>>,
    /// How many of them are learnt from; the others are held out.
    trained: usize,
    prefix: Option<Arc<Prefix>>,
    /// The frozen layers' session, where it is kept for the next records.
    frozen: Option<(Session, String)>,
    keeps_frozen: bool,
    sessions: Vec<(Kind, Session)>,
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

    /// Compiles the job's network as nodes serve it, for forward passes alone; beside it what its base has lost. Nothing for
    /// a model that is served as it was trained.
    ///
    /// # Errors
    /// [`NetworkError`].
    pub fn served(config: NetworkConfig<'_>) -> Result<Option<(Self, QuantisedBase)>, NetworkError> {
        let NetworkConfig { job, base, classes, cache, runtime, session } = config;
        if job.serve.is_float() {
            return Ok(None);
        }
        let lost = compile::eight_bit_report(job, base)?;
        let blueprint = Blueprint::served(job, base, classes, runtime, session)?;
        Ok(Some((Self::over(blueprint, job, base, cache)?, lost)))
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
            tokens: Arc::new(TextTokens::read(folder, max_tokens, blueprint.vocabulary, blueprint.lowercase)?),
            max_tokens,
            blueprint: Arc::new(blueprint),
            threads: None,
            cache: cache.to_owned(),
            examples: None,
            trained: 0,
            prefix: None,
            frozen: None,
            keeps_frozen: false,
            sessions: Vec::new(),
        })
    }

    /// The same network over the same records for somebody who works beside this one: what is loaded is shared, sessions
    /// are its own, with so many threads in an operator (0 as [`SessionConfig::threads`] has it).
    #[must_use]
    pub fn beside(&self, threads: usize) -> Self {
        Self {
            task: self.task,
            blueprint: Arc::clone(&self.blueprint),
            threads: Some(threads),
            tokens: Arc::clone(&self.tokens),
            max_tokens: self.max_tokens,
            cache: self.cache.clone(),
            examples: self.examples.clone(),
            trained: self.trained,
            prefix: self.prefix.clone(),
            frozen: None,
            keeps_frozen: false,
            sessions: Vec::new(),
        }
    }

    /// Lets its sessions go, and their memory with them; whoever asks it next has them loaded again.
    pub fn rest(&mut self) {
        self.sessions.clear();
    }

    /// Bytes that each of its sessions holds at least: those of the weights above the frozen layers.
    pub fn weight_bytes(&self) -> u64 {
        self.blueprint.weight_bytes()
    }

    /// Keeps the frozen layers loaded from now on, for whoever loads other records again and again. A training loads its
    /// records once, and has better use for the memory.
    pub fn keep_frozen(&mut self) {
        self.keeps_frozen = true;
    }

    /// Loads these records in place of any others; sample i is the i-th of them. Runs the frozen layers over each.
    ///
    /// # Errors
    /// [`NetworkError`].
    pub fn load(&mut self, examples: &[&Example]) -> Result<(), NetworkError> {
        let end = self.blueprint.end_token;
        self.hold(Examples::load(self.task, examples, &self.tokens, self.max_tokens, end)?)
    }

    /// Takes records in place of any others, and runs the frozen layers over each.
    fn hold(&mut self, loaded: Examples) -> Result<(), NetworkError> {
        let frozen = match self.frozen.take() {
            Some(kept) => Some(kept),
            None => self.blueprint.compile_prefix()?,
        };
        self.prefix = match frozen {
            Some((mut session, output)) => {
                let states = Prefix::compute(&mut session, &output, self.blueprint.hidden, &loaded, &self.cache)?;
                self.frozen = self.keeps_frozen.then_some((session, output));
                Some(Arc::new(states))
            }
            None => None,
        };
        self.trained = loaded.len();
        self.examples = Some(Arc::new(loaded));
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
        self.examples.as_deref().map_or(0, Examples::len)
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

    /// What samples mean: equal numbers where pairs of sentence embeddings link them.
    pub fn meanings(&self, samples: &[usize]) -> Vec<usize> {
        let meaning = |sample: &usize| self.examples.as_ref().map_or(*sample, |examples| examples.meaning(*sample));
        samples.iter().map(meaning).collect()
    }

    /// What holding the base in 4 bits has changed, where it is held so.
    pub fn quantised(&self) -> Option<&QuantisedBase> {
        self.blueprint.quantised.as_ref()
    }

    /// The modules that are adapted, as the job or the family of the base names them.
    pub fn targets(&self) -> &[String] {
        self.blueprint.targets()
    }

    fn examples(&self) -> Result<&Examples, NetworkError> {
        self.examples.as_deref().ok_or(NetworkError::Sample { sample: 0, samples: 0 })
    }

    fn block(&self, samples: &[usize]) -> Result<Block, NetworkError> {
        let examples = self.examples()?;
        Ok(examples.block(examples.rows_of(samples)?))
    }

    fn check(&self, theta: &[f32]) -> Result<(), NetworkError> {
        let expected = self.blueprint.layout.parameters();
        if theta.len() == expected { Ok(()) } else { Err(NetworkError::Theta { found: theta.len(), expected }) }
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
                let session = self.blueprint.compile(kind, self.threads)?;
                self.sessions.push((kind, session));
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

fn owned(tensors: Vec<(&str, Tensor)>) -> Vec<(String, Tensor)> {
    tensors.into_iter().map(|(name, tensor)| (name.to_owned(), tensor)).collect()
}
