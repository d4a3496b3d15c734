//! One ONNX Runtime session over the encoder's graph.

use std::path::Path;

use ort::ep;
use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};
use ort::session::{HasSelectedOutputs, OutputSelector, RunOptions, Session};
use ort::value::Tensor;
use prost::Message;

use super::{Device, Embedding, EngineConfig, EngineError, Provider, Runtime};
use crate::graph::build::bert::{ATTENTION_MASK, INPUT_IDS, SENTENCE_EMBEDDING};
use crate::onnx::ModelProto;

/// A serialised graph, and the file that its weights may lie in.
struct Graph<'a> {
    bytes: Vec<u8>,
    weights: &'a Path,
}

/// The session with what is needed to feed it.
pub(super) struct Encoder {
    session: Session,
    options: RunOptions<HasSelectedOutputs>,
    dimensions: usize,
    max_length: usize,
    length_step: usize,
}

impl Encoder {
    /// Hands the graph, whose weights may lie in the file `weights`, to the runtime, on the device asked for or else on the processor.
    pub(super) fn load(
        runtime: &Runtime,
        config: &EngineConfig,
        graph: ModelProto,
        weights: &Path,
        dimensions: usize,
    ) -> Result<(Self, Provider), EngineError> {
        let (session, provider) = commit(runtime, config, &Graph { bytes: graph.encode_to_vec(), weights })?;
        let selector = OutputSelector::no_default().with(SENTENCE_EMBEDDING);
        let options = RunOptions::new().map_err(refused)?.with_outputs(selector);
        let length_step = config.length_step;
        Ok((Self { session, options, dimensions, max_length: usize::MAX, length_step }, provider))
    }

    /// Padding never goes beyond this many tokens.
    pub(super) fn with_max_length(self, max_length: usize) -> Self {
        Self { max_length, ..self }
    }

    /// Length to which a text of `tokens` tokens is padded: it depends on nothing but the text.
    pub(super) fn padded(&self, tokens: usize) -> usize {
        tokens.next_multiple_of(self.length_step).min(self.max_length).max(tokens)
    }

    /// The vectors of texts of one padded length, in their order. The outer error is the whole batch's.
    pub(super) fn run(&mut self, texts: &[&[u32]]) -> Result<Vec<Result<Embedding, EngineError>>, EngineError> {
        let length = texts.iter().map(|text| self.padded(text.len())).max().unwrap_or(0);
        let shape = [texts.len(), length];
        let (mut ids, mut mask) = (vec![0i64; texts.len() * length], vec![0i64; texts.len() * length]);
        for (row, text) in texts.iter().enumerate() {
            for (column, &id) in text.iter().enumerate() {
                ids[row * length + column] = i64::from(id);
                mask[row * length + column] = 1;
            }
        }
        let inputs = ort::inputs![
            INPUT_IDS => Tensor::from_array((shape, ids)).map_err(failed)?,
            ATTENTION_MASK => Tensor::from_array((shape, mask)).map_err(failed)?,
        ];
        let outputs = self.session.run_with_options(inputs, &self.options).map_err(failed)?;
        let output = outputs.get(SENTENCE_EMBEDDING).ok_or_else(|| EngineError::Inference("no output".to_owned()))?;
        let (_, values) = output.try_extract_tensor::<f32>().map_err(failed)?;
        if values.len() != texts.len() * self.dimensions {
            return Err(EngineError::Inference(format!("{} numbers for {} texts", values.len(), texts.len())));
        }
        Ok(values.chunks_exact(self.dimensions).map(vector).collect())
    }
}

fn vector(values: &[f32]) -> Result<Embedding, EngineError> {
    Embedding::from_unit(values.to_vec()).map_err(|error| EngineError::Inference(error.to_string()))
}

fn refused<R>(error: ort::Error<R>) -> EngineError {
    EngineError::Session(error.message().to_owned())
}

fn failed<R>(error: ort::Error<R>) -> EngineError {
    EngineError::Inference(error.message().to_owned())
}

fn commit(runtime: &Runtime, config: &EngineConfig, graph: &Graph<'_>) -> Result<(Session, Provider), EngineError> {
    let mut provider = Provider { requested: config.device, running: config.device, fallback: None };
    if let Device::Cuda { id } = config.device {
        match commit_on_cuda(runtime, config, graph, id) {
            Ok(session) => return Ok((session, provider)),
            Err(EngineError::Session(reason)) => {
                tracing::warn!(%reason, "no CUDA: the model runs on the processor");
                provider.running = Device::Cpu;
                provider.fallback = Some(reason);
            }
            Err(error) => return Err(error),
        }
    }
    let session = builder(runtime, config, graph.weights)?.commit_from_memory(&graph.bytes).map_err(refused)?;
    Ok((session, provider))
}

fn commit_on_cuda(
    runtime: &Runtime,
    config: &EngineConfig,
    graph: &Graph<'_>,
    id: u32,
) -> Result<Session, EngineError> {
    let id = i32::try_from(id).map_err(|_| EngineError::Session(format!("there is no GPU {id}")))?;
    let cuda = ep::CUDA::default().with_device_id(id).build().error_on_failure();
    let builder = builder(runtime, config, graph.weights)?.with_execution_providers([cuda]).map_err(refused)?;
    { builder }.commit_from_memory(&graph.bytes).map_err(refused)
}

fn builder(runtime: &Runtime, config: &EngineConfig, weights: &Path) -> Result<SessionBuilder, EngineError> {
    let folder = weights.parent().and_then(Path::to_str).ok_or_else(|| {
        EngineError::Config("model_dir is not UTF-8; move the model to a folder with a plain name".to_owned())
    })?;
    SessionBuilder::new(runtime.environment())
        .map_err(refused)?
        .with_optimization_level(GraphOptimizationLevel::All)
        .map_err(refused)?
        .with_intra_threads(config.intra_threads())
        .map_err(refused)?
        .with_inter_threads(1)
        .map_err(refused)?
        // Spinning burns a core while idle, and halves the speed where nodes share cores.
        .with_intra_op_spinning(false)
        .map_err(refused)?
        .with_inter_op_spinning(false)
        .map_err(refused)?
        // Receipts are recomputed: the same text must give the same bytes.
        .with_deterministic_compute(true)
        .map_err(refused)?
        // Every batch has another shape, so remembered memory plans would only pile up.
        .with_memory_pattern(false)
        .map_err(refused)?
        .with_config_entry("session.model_external_initializers_file_folder_path", folder)
        .map_err(refused)
}
