//! From a job and a base model to the graphs that train it.

use std::collections::BTreeSet;
use std::path::Path;

use datanet_inference::graph::adapt::{AdaptError, AdaptSpec, Binding, LoraSlot, adapt, linear_modules};
use datanet_inference::graph::build::{Architecture, BuildError, DecoderForm, LlamaConfig, ModelFolder, Storage};
use datanet_inference::graph::differentiate::{differentiate, gradient_name};
use datanet_inference::graph::model::extract;
use datanet_inference::graph::quantise::{Precision, Scheme, check_eight_bit, eight_bit, quantise, weight_bytes};
use datanet_inference::onnx::ModelProto;
use datanet_inference::runtime::{Runtime, Session, SessionConfig};

use super::layout::Layout;
use super::{NetworkError, QuantisedBase, objective};
use crate::data::TextTokens;
use crate::job::{Job, Quantise, Task};

/// Neighbours that share a scale where the base is held in 4 bits: as QLoRA has it.
const QUANTISED_BLOCK: usize = 64;

/// The graphs of a network.
#[derive(Debug)]
pub(super) struct Blueprint {
    task: Task,
    /// The layers below the first adapter, and the value that they end with.
    pub prefix: Option<(ModelProto, String)>,
    /// The rest, without adapters.
    tail: ModelProto,
    spec: Option<AdaptSpec>,
    pub layout: Layout,
    pub architecture: Architecture,
    pub hidden: usize,
    pub vocabulary: usize,
    pub max_positions: usize,
    /// Whether texts are made lower case before they are read.
    pub lowercase: bool,
    /// What a text for a language model ends with.
    pub end_token: Option<u32>,
    classes: usize,
    temperature: f32,
    /// What holding the base in 4 bits has changed.
    pub quantised: Option<QuantisedBase>,
    /// The numbers that forward passes are computed in.
    precision: Precision,
    runtime: Runtime,
    session: SessionConfig,
}

/// What a session computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Log-probabilities and pooled vectors.
    Forward,
    /// The objective's gradient, summed over the batch.
    Summed,
    /// The objective's gradient for each row, which may each have another theta.
    PerRow,
    /// As [`Kind::PerRow`], of a language model's random combinations.
    TokenSigns,
}

impl Blueprint {
    /// Adapters on a frozen base.
    pub(super) fn adapted(
        job: &Job,
        base: &Path,
        classes: usize,
        runtime: &Runtime,
        session: &SessionConfig,
    ) -> Result<Self, NetworkError> {
        let folder = ModelFolder::open(base)?;
        let architecture = folder.architecture();
        let generate = job.task == Task::Generate;
        if generate != (architecture == Architecture::Llama) {
            let wanted = if generate { "a decoder" } else { "an encoder" };
            return Err(NetworkError::Task { task: job.task, wanted });
        }
        let (graph, session, quantised) = base_graph(job, &folder, session)?;
        let spec = spec(job, architecture, &graph)?;
        let slots = adapt(&graph, &spec)?.slots;
        if slots.is_empty() {
            return Err(NetworkError::NothingAdapted { targets: spec.targets });
        }
        // A file that somebody exported does not say where its layers begin.
        let first = if architecture == Architecture::Onnx { 0 } else { first_layer(&slots) };
        let (prefix, tail) = cut(&graph, first, job.task)?;
        let slots = adapt(&tail, &spec)?.slots;
        let hidden = folder.hidden_size();
        Ok(Self {
            task: job.task,
            prefix,
            tail,
            spec: Some(spec),
            layout: Layout::adapters(&slots, job.lora.rank, hidden, classes),
            architecture,
            hidden,
            vocabulary: folder.vocab_size(),
            max_positions: folder.max_positions(),
            lowercase: folder.sentence().lowercase,
            end_token: folder.ends().first().copied(),
            classes,
            temperature: job.temperature,
            quantised,
            precision: Precision::Float,
            runtime: runtime.clone(),
            session,
        })
    }

    /// The same as it is served: over the float base, its fixed weights made smaller where the job says so. For forward
    /// passes alone.
    pub(super) fn served(
        job: &Job,
        base: &Path,
        classes: usize,
        runtime: &Runtime,
        session: &SessionConfig,
    ) -> Result<Self, NetworkError> {
        let job = Job { quantise: Quantise::None, ..job.clone() };
        Ok(Self { precision: job.serve, ..Self::adapted(&job, base, classes, runtime, session)? })
    }

    /// A decoder all of whose parameters are trained.
    pub(super) fn scratch(
        config: &LlamaConfig,
        runtime: &Runtime,
        session: &SessionConfig,
    ) -> Result<Self, NetworkError> {
        Ok(Self {
            task: Task::Generate,
            prefix: None,
            tail: config.decoder_trainable()?,
            spec: None,
            layout: Layout::weights(config.tensors()),
            architecture: Architecture::Llama,
            hidden: config.hidden_size,
            vocabulary: config.vocab_size,
            max_positions: config.max_position_embeddings,
            lowercase: false,
            end_token: config.eos_token_ids.first().copied(),
            classes: 0,
            temperature: 1.0,
            quantised: None,
            precision: Precision::Float,
            runtime: runtime.clone(),
            session: session.clone(),
        })
    }

    /// Number of labels; 0 where the task has none.
    pub(super) fn classes(&self) -> usize {
        self.classes
    }

    /// The modules adapted.
    pub(super) fn targets(&self) -> &[String] {
        self.spec.as_ref().map_or(&[], |spec| &spec.targets)
    }

    /// Bytes of the weights that a session of the upper layers holds.
    pub(super) fn weight_bytes(&self) -> u64 {
        weight_bytes(&self.tail)
    }

    /// Loads a session of this kind, with other threads than the network's where some are named.
    pub(super) fn compile(&self, kind: Kind, threads: Option<usize>) -> Result<Session, NetworkError> {
        self.session(&self.model(kind)?, threads)
    }

    fn session(&self, model: &ModelProto, threads: Option<usize>) -> Result<Session, NetworkError> {
        let session = SessionConfig { threads: threads.unwrap_or(self.session.threads), ..self.session.clone() };
        if self.precision.is_float() {
            return Ok(Session::load(&self.runtime, model, &session)?);
        }
        let small = eight_bit::<NetworkError>(model, session.weights.as_deref())?.model;
        let session = SessionConfig { weights: None, ..session };
        Ok(Session::load(&self.runtime, &small, &session)?)
    }

    /// The graph of this kind.
    pub(super) fn model(&self, kind: Kind) -> Result<ModelProto, NetworkError> {
        let per_row = matches!(kind, Kind::PerRow | Kind::TokenSigns);
        let model = match &self.spec {
            Some(spec) => {
                let binding = if per_row { Binding::PerSample } else { Binding::Shared };
                adapt(&self.tail, &AdaptSpec { binding, ..spec.clone() })?.model
            }
            None => self.tail.clone(),
        };
        let model = match (self.task, kind) {
            (Task::Classify, _) => objective::classify(model, self.hidden, self.classes, per_row)?,
            (Task::Embed, _) => objective::contrast(model, self.hidden, self.temperature)?,
            (Task::Generate, Kind::TokenSigns) => objective::token_signs(model, self.vocabulary)?,
            (Task::Generate, _) => objective::next_token(model)?,
        };
        if kind == Kind::Forward {
            return Ok(model);
        }
        if !self.precision.is_float() {
            return Err(NetworkError::Graph("a model as it is served has no gradients".to_owned()));
        }
        let wrt: Vec<&str> = self.layout.parts().iter().map(|part| part.input.as_str()).collect();
        Ok(differentiate(&model, objective::OBJECTIVE, &wrt)?)
    }

    /// Loads the frozen layers.
    pub(super) fn compile_prefix(&self) -> Result<Option<(Session, String)>, NetworkError> {
        let Some((model, end)) = &self.prefix else { return Ok(None) };
        Ok(Some((self.session(model, None)?, end.clone())))
    }
}

/// The frozen base, held as the job says, and how its sessions find its weights.
fn base_graph(
    job: &Job,
    folder: &ModelFolder,
    session: &SessionConfig,
) -> Result<(ModelProto, SessionConfig, Option<QuantisedBase>), NetworkError> {
    let build = |storage| plain_graph(job.task, folder, storage);
    let mut session = session.clone();
    let scheme = match job.quantise {
        Quantise::None => {
            session.weights = Some(folder.weights_folder().to_owned());
            return Ok((build(Storage::Mapped)?, session, None));
        }
        Quantise::Int4 => Scheme::Int4 { block: QUANTISED_BLOCK },
        Quantise::Nf4 => Scheme::Nf4 { block: QUANTISED_BLOCK },
    };
    let mut quantised = quantise(&build(Storage::Inline)?, scheme, |_| true)?;
    let model = std::mem::take(&mut quantised.model);
    Ok((model, session, Some(quantised.into())))
}

/// What the base's weights lose in 8 bits.
pub(super) fn eight_bit_report(job: &Job, base: &Path) -> Result<QuantisedBase, NetworkError> {
    let folder = ModelFolder::open(base)?;
    Ok(eight_bit::<NetworkError>(&plain_graph(job.task, &folder, Storage::Inline)?, None)?.into())
}

fn plain_graph(task: Task, folder: &ModelFolder, storage: Storage) -> Result<ModelProto, BuildError> {
    match task {
        Task::Generate => folder.decoder(storage, DecoderForm::Full),
        Task::Classify | Task::Embed => folder.encoder(storage),
    }
}

/// Whether the base has the modules and layers that the job adapts, and knows every token of its tokenizer; no weight is
/// read for it.
///
/// # Errors
/// [`NetworkError`]; one about `lora.targets` or `lora.layers` lists what there is.
pub fn check_adapters(job: &Job, base: &Path) -> Result<(), NetworkError> {
    let folder = ModelFolder::open(base)?;
    TextTokens::read(
        base,
        job.max_tokens.min(folder.max_positions()),
        folder.vocab_size(),
        folder.sentence().lowercase,
    )?;
    let graph = plain_graph(job.task, &folder, Storage::Mapped)?;
    adapt(&graph, &spec(job, folder.architecture(), &graph)?)?;
    if job.serve.is_float() { Ok(()) } else { check_eight_bit(&graph) }
}

fn spec(job: &Job, architecture: Architecture, graph: &ModelProto) -> Result<AdaptSpec, AdaptError> {
    Ok(AdaptSpec {
        targets: targets(job, architecture, graph)?,
        layers: job.lora.layers.clone(),
        binding: Binding::Shared,
        scale: job.lora.scale(),
    })
}

/// The modules that the job adapts, or the usual ones of the family: queries and values.
fn targets(job: &Job, architecture: Architecture, graph: &ModelProto) -> Result<Vec<String>, AdaptError> {
    if !job.lora.targets.is_empty() {
        return Ok(job.lora.targets.clone());
    }
    let usual = match architecture {
        Architecture::Bert | Architecture::Roberta => ["query", "value"],
        Architecture::DistilBert => ["q_lin", "v_lin"],
        Architecture::Llama => ["q_proj", "v_proj"],
        Architecture::Onnx => return exported_targets(graph),
    };
    Ok(usual.map(str::to_owned).to_vec())
}

/// How families call their queries and values.
const QUERIES_AND_VALUES: [[&str; 2]; 4] =
    [["query", "value"], ["q_lin", "v_lin"], ["q_proj", "v_proj"], ["Wqkv", "Wqkv"]];

/// The queries and values of a graph that somebody exported, by the names of its modules; none where no name tells,
/// which adapting then refuses with a list of what there is.
fn exported_targets(graph: &ModelProto) -> Result<Vec<String>, AdaptError> {
    let modules = linear_modules(graph)?;
    let last: BTreeSet<&str> =
        modules.iter().map(|slot| slot.module.rsplit('.').next().unwrap_or(&slot.module)).collect();
    let found = QUERIES_AND_VALUES.iter().find_map(|names| {
        let named = |name: &&str| last.iter().any(|part| part.contains(name));
        let chosen = || last.iter().filter(|part| names.iter().any(|name| part.contains(name)));
        names.iter().all(named).then(|| chosen().map(|part| (*part).to_owned()).collect())
    });
    Ok(found.unwrap_or_default())
}

/// The first layer that is adapted; 0 where adapters lie outside the layers too.
fn first_layer(slots: &[LoraSlot]) -> usize {
    let layer = |slot: &LoraSlot| slot.module.split('.').find_map(|part| part.parse::<usize>().ok()).unwrap_or(0);
    slots.iter().map(layer).min().unwrap_or(0)
}

/// The frozen layers below layer `first`, if there are any, with the value that they end with; and the rest.
fn cut(
    graph: &ModelProto,
    first: usize,
    task: Task,
) -> Result<(Option<(ModelProto, String)>, ModelProto), NetworkError> {
    let outputs: &[&str] = match task {
        Task::Classify => &["pooled"],
        Task::Embed => &["pooled", "sentence_embedding"],
        Task::Generate => &["logits"],
    };
    if first == 0 {
        return Ok((None, extract(graph, &["input_ids", "attention_mask"], outputs)?));
    }
    let border = format!("hidden.{first}");
    let prefix = extract(graph, &["input_ids", "attention_mask"], &[&border])?;
    let tail = extract(graph, &[&border, "attention_mask"], outputs)?;
    Ok((Some((prefix, border)), tail))
}

/// The output that holds the gradient by a value.
pub(super) fn gradient(wrt: &str) -> String {
    gradient_name(wrt)
}
