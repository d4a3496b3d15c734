//! From a Hugging Face model folder to an ONNX graph.
//!
//! [`BertConfig`] reads and bounds `config.json`; [`Weights`] reads and checks the header of a safetensors file without
//! loading it; [`bert`] writes the graph. Every check is made before a tensor is touched, so a hostile folder costs no
//! more than reading its headers.

pub mod bert;
mod config;
mod weights;

pub use config::{Activation, BertConfig};
pub use weights::{Storage, Weights};

/// Why no graph could be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// A file could not be read.
    #[error("cannot read {path}: {source}; run `datanet setup`, or point DATANET_MODEL at a complete model folder")]
    Read {
        /// The file.
        path: std::path::PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// `config.json` is not what it should be.
    #[error("config.json is not usable: {0}; fetch the model again")]
    Config(String),
    /// The architecture is one that no graph is known for.
    #[error("model type {0:?} is not supported; use a model of type \"bert\", or one exported to ONNX")]
    UnsupportedModel(String),
    /// The activation function is not known.
    #[error("activation {0:?} is not supported; gelu, gelu_new, gelu_pytorch_tanh and relu are")]
    UnsupportedActivation(String),
    /// The safetensors file is damaged.
    #[error("safetensors file is damaged: {0}; fetch the model again")]
    Damaged(String),
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
