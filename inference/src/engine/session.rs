//! One ONNX Runtime session over the encoder's graph.

use std::path::Path;

use super::padding::Padding;
use super::{Embedding, EngineConfig, EngineError, Provider, Runtime};
use crate::graph::build::encoder::SENTENCE_EMBEDDING;
use crate::graph::build::{ATTENTION_MASK, INPUT_IDS};
use crate::onnx::ModelProto;
use crate::runtime::{RuntimeError, Session, Tensor};

/// The session with what is needed to feed it.
pub(super) struct Encoder {
    session: Session,
    dimensions: usize,
    padding: Padding,
}

impl Encoder {
    /// Hands the graph, whose weights may lie in files of the folder `weights`, to the runtime, on the device asked for or else on the processor.
    pub(super) fn load(
        runtime: &Runtime,
        config: &EngineConfig,
        graph: ModelProto,
        weights: &Path,
        dimensions: usize,
    ) -> Result<(Self, Provider), EngineError> {
        let session = Session::load(runtime, &graph, &config.session(Some(weights.to_owned())))?;
        let provider = session.provider().clone();
        let padding = Padding { step: config.length_step, max: usize::MAX };
        Ok((Self { session, dimensions, padding }, provider))
    }

    /// Padding never goes beyond this many tokens.
    pub(super) fn with_max_length(self, max_length: usize) -> Self {
        Self { padding: Padding { max: max_length, ..self.padding }, ..self }
    }

    /// Length to which a text of `tokens` tokens is padded: it depends on nothing but the text.
    pub(super) fn padded(&self, tokens: usize) -> usize {
        self.padding.length(tokens)
    }

    /// The vectors of texts of one padded length, in their order. The outer error is the whole batch's.
    pub(super) fn run(&mut self, texts: &[&[u32]]) -> Result<Vec<Result<Embedding, EngineError>>, EngineError> {
        let (ids, mask) = self.padding.tensors(texts).map_err(failed)?;
        let inputs = [(INPUT_IDS, &ids), (ATTENTION_MASK, &mask)];
        let outputs = self.session.run(&inputs, &[SENTENCE_EMBEDDING]).map_err(failed)?;
        let values = outputs.first().map_or(Ok(&[][..]), Tensor::floats).map_err(failed)?;
        if values.len() != texts.len() * self.dimensions {
            return Err(EngineError::Inference(format!("{} numbers for {} texts", values.len(), texts.len())));
        }
        Ok(values.chunks_exact(self.dimensions).map(vector).collect())
    }
}

fn vector(values: &[f32]) -> Result<Embedding, EngineError> {
    Embedding::from_unit(values.to_vec()).map_err(|error| EngineError::Inference(error.to_string()))
}

/// What goes wrong in a run concerns the batch, not the engine.
fn failed(error: RuntimeError) -> EngineError {
    EngineError::Inference(error.to_string())
}
