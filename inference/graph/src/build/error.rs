//! What can be wrong with a model folder.

use std::path::PathBuf;

use crate::model::GraphError;
use crate::validate::ValidateError;

/// Why no graph could be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// A file could not be read.
    #[error("cannot read {path}: {source}; run `datanet setup`, or point DATANET_MODEL at a complete model folder")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// `config.json` is not what it should be.
    #[error("config.json is not usable: {0}")]
    Config(String),
    /// Another file of the folder is damaged, or asks for something that is not known here.
    #[error("{file}: {what}")]
    File {
        /// Its path within the folder.
        file: String,
        /// What is wrong, and what helps.
        what: String,
    },
    /// The architecture is one that no graph is known for.
    #[error(
        "model type {0:?} is not supported; bert, distilbert, roberta, xlm-roberta, llama, mistral and qwen2 are, and \
         any model exported to ONNX"
    )]
    UnsupportedModel(String),
    /// An encoder was asked of a decoder's folder, or the other way round.
    #[error("model type {found:?} has no {wanted} graph; use a folder that holds {wanted}s")]
    WrongKind {
        /// The model's type.
        found: &'static str,
        /// `encoder` or `decoder`.
        wanted: &'static str,
    },
    /// An ONNX file that may not be used.
    #[error("model.onnx is refused: {0}")]
    Onnx(#[from] ValidateError),
    /// An ONNX file that is sound, but no encoder or classifier of texts.
    #[error("model.onnx cannot be used: {0}")]
    Export(String),
    /// Vectors, and so adapters, were asked of a classifier.
    #[error(
        "it is a classifier as it is (its output is logits), which is served and not adapted: import it with `datanet \
         model import`; to adapt it, export it with last_hidden_state instead"
    )]
    Classifier,
    /// A graph that is not sound.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// The activation function is not known.
    #[error("activation {0:?} is not supported; gelu, gelu_new, gelu_pytorch_tanh, relu and silu are")]
    UnsupportedActivation(String),
    /// A safetensors file, or the index of several, is damaged.
    #[error("safetensors file is damaged: {0}; fetch the model again")]
    Damaged(String),
    /// Another file lies where a safetensors file should.
    #[error("{file}: {what}")]
    Instead {
        /// Its name.
        file: String,
        /// What it is, and what helps.
        what: &'static str,
    },
    /// A tensor that the architecture needs is not in the file.
    #[error("tensor {0} is missing from the safetensors file; is it the model that config.json describes?")]
    MissingTensor(String),
    /// A tensor's shape is not what `config.json` says.
    #[error("tensor {name} has shape {found:?} where config.json calls for {expected:?}")]
    WrongShape {
        /// The tensor.
        name: String,
        /// Its shape.
        found: Vec<usize>,
        /// What it should be.
        expected: Vec<usize>,
    },
    /// A tensor's element type cannot be used.
    #[error("tensor {name} holds {found}; F32, F16 and BF16 weights are supported")]
    UnsupportedElement {
        /// The tensor.
        name: String,
        /// Its element type.
        found: String,
    },
    /// The model is too large to be written into one ONNX message.
    #[error("the weights take {bytes} bytes, over the 2 GB that one ONNX message can hold; keep them in their file")]
    TooLarge {
        /// Bytes of all weights.
        bytes: u64,
    },
}

impl BuildError {
    pub(super) fn file(file: &str, what: impl Into<String>) -> Self {
        Self::File { file: file.to_owned(), what: what.into() }
    }
}
