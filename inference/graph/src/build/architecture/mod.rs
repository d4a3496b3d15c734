//! The families of models that graphs are written for here: their configurations, and their graphs.

mod config;
pub mod decoder;
pub mod encoder;
mod llama;
mod names;
mod operators;
mod parameters;
mod rotary;

pub use config::{Activation, EncoderConfig};
pub use decoder::DecoderForm;
pub use llama::{AttentionBias, LlamaConfig};
pub use rotary::{Rotary, RotaryScaling};

/// The families of models that graphs are known for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Architecture {
    /// BERT and MiniLM.
    Bert,
    /// DistilBERT.
    DistilBert,
    /// RoBERTa and XLM-RoBERTa.
    Roberta,
    /// Llama, Mistral and Qwen2 decoders.
    Llama,
    /// Whatever encoder or classifier somebody exported to `model.onnx`.
    Onnx,
}

impl Architecture {
    /// Its short name: `bert`, `distilbert`, `roberta`, `llama` or `onnx`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bert => "bert",
            Self::DistilBert => "distilbert",
            Self::Roberta => "roberta",
            Self::Llama => "llama",
            Self::Onnx => "onnx",
        }
    }

    /// What stands before the names of tensors where the model is part of one for a task.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Bert => "bert.",
            Self::DistilBert => "distilbert.",
            Self::Roberta => "roberta.",
            Self::Llama => "model.",
            Self::Onnx => "",
        }
    }
}
