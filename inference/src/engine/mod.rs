//! The embedding engine: texts in, unit vectors out.
//!
//! [`Engine::spawn`] loads a model folder and starts one OS thread that owns the ONNX Runtime session; the cloneable
//! [`EngineHandle`] tokenises on the caller's side, queues and awaits. The thread ends when the last handle is
//! dropped, after answering what was queued.
//!
//! # Batches
//! A batch holds texts of one padded length only (see [`EngineConfig::length_step`]), up to a token budget. Waiting
//! requests come before background ones, and entries whose caller has left are dropped. A batch that fails is run
//! again text by text, so one bad text fails alone.
//!
//! # How reproducible a vector is
//! Every text is padded to a length that depends on nothing but the text, so the padding of its neighbours cannot
//! reach its vector. The same batch gives the same bytes on one machine (same library, same thread count). Another batch
//! composition may split the matrix products differently: measured, that moves a number by at most 7.5e-8, one unit in
//! the last place; the tests assert [`SAME_MACHINE_TOLERANCE`]. Padding and thread counts do no more. Other processors
//! may use other kernels: a verifier elsewhere should accept a cosine of at least [`MIN_COSINE_ELSEWHERE`].
//!
//! # Memory
//! The weights stay in the safetensors file, which the runtime maps: nodes on one machine share those pages, and no
//! copy of the file is ever held. What is private is the matrices packed for the processor's kernels and the
//! activations of one batch.

pub(crate) mod batch;
mod config;
mod handle;
pub mod locate;
mod model;
pub(crate) mod padding;
mod session;
#[cfg(test)]
mod tests;
pub(crate) mod tokenize;
mod worker;

pub use config::EngineConfig;
pub use handle::{EngineHandle, Usage};
pub use locate::{LocateError, Locations};
pub use model::{ModelInfo, folder_id};

use datanet_data::Embedding;

use crate::graph::build::BuildError;
use crate::runtime::RuntimeError;
pub use crate::runtime::{Device, Provider, Runtime};

/// Largest absolute difference between two vectors of one text on one machine, whatever else was in the batch.
pub const SAME_MACHINE_TOLERANCE: f32 = 1e-6;

/// Smallest cosine between two vectors of one text computed on different machines or with different thread counts.
pub const MIN_COSINE_ELSEWHERE: f32 = 0.9999;

/// Why the engine could not start or answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// ONNX Runtime cannot be loaded or refuses the model.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// A setting makes no sense.
    #[error("engine setting {0}")]
    Config(String),
    /// The model folder cannot be used.
    #[error(transparent)]
    Model(#[from] BuildError),
    /// The tokenizer cannot be used.
    #[error("tokenizer.json is not usable: {0}; fetch the model again")]
    Tokenizer(String),
    /// The operating system gave no thread.
    #[error("cannot start the engine's thread: {0}")]
    Thread(std::io::Error),
    /// The queue is full: try again later.
    #[error("the embedding queue is full ({limit} texts wait already); try again in a moment")]
    Overloaded {
        /// Texts that the queue holds.
        limit: usize,
    },
    /// More texts in one call than the queue holds.
    #[error("{texts} texts in one call, more than the {limit} that fit; split the call")]
    TooManyTexts {
        /// Texts in the call.
        texts: usize,
        /// Most that one call may have.
        limit: usize,
    },
    /// The text has no tokens and the tokenizer adds none.
    #[error("a text without any token has no embedding; send some words")]
    NoTokens,
    /// The model failed on this text.
    #[error("the model failed on a text: {0}")]
    Inference(String),
    /// The engine's thread has ended.
    #[error("the embedding engine has stopped; see the log for the reason and restart the node")]
    Stopped,
}

impl EngineError {
    /// Whether nothing can be embedded any more: the handle is of no further use.
    pub fn is_fatal(&self) -> bool {
        !matches!(self, Self::Overloaded { .. } | Self::TooManyTexts { .. } | Self::NoTokens | Self::Inference(_))
    }
}

/// Starts engines; see [`Engine::spawn`].
#[derive(Debug)]
pub struct Engine;

impl Engine {
    /// Loads the model folder and starts the thread that serves it. Blocks for some 0.3 s: call it from
    /// `spawn_blocking` in asynchronous code.
    ///
    /// # Errors
    /// If a setting makes no sense, ONNX Runtime or the model cannot be loaded, or no thread is to be had. A missing
    /// GPU is no error: [`ModelInfo::provider`] then tells what runs instead and why.
    pub fn spawn(config: EngineConfig) -> Result<EngineHandle, EngineError> {
        config.check()?;
        let runtime = Runtime::init(&config.dylib)?;
        let model = model::Model::load(&runtime, &config)?;
        handle::spawn(model, &config)
    }
}
