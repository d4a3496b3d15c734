//! Serving encoders and classifiers: one base model, many adapters, any mix of them in one batch.
//!
//! ```text
//!  EncoderHandle ── tokenise, find the adapter ──► bounded queue ──► worker: one OS thread
//!       ▲                                                              │  batch: one padded length, one rank bucket
//!       │                                                              ▼
//!       └── head (logits, probabilities, label) ◄── vectors ◄── AdaptedSession: graph + bank of stacked adapters
//! ```
//!
//! [`EncoderService::spawn`] loads the model and starts the thread that owns the session; the cloneable
//! [`EncoderHandle`] loads and unloads adapters while it runs, and asks. The thread ends with the last handle.
//!
//! # Adapters
//! Two places hold adapters. The registry holds those that requests can name, up to a number; the bank holds those that
//! a batch can use at once, in stacked tensors that the runtime reads where they lie. Both make room by forgetting what
//! was used longest ago, and neither forgets what a waiting request needs. The graph gets slots where adapters need
//! them: while there is none it is the plain model.
//!
//! # Failures
//! A batch that fails runs again text by text, so one bad text fails alone; so does one whose vector is not finite. A
//! lost GPU is replaced by the processor, visibly in [`EncoderHandle::provider`].
//!
//! # How reproducible an answer is
//! A text is padded to a length that depends on nothing but the text, and an adapter to a rank that depends on nothing
//! but the adapter. The same batch gives the same bytes; other neighbours move a number of the (unit) vector by no more
//! than [`crate::engine::SAME_MACHINE_TOLERANCE`], which the tests assert for 32 adapters in one batch.

mod adapted;
mod bank;
mod config;
mod handle;
mod head;
mod network;
mod registry;
mod source;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod worker;

pub(crate) use adapted::AdaptedSession;
pub(crate) use bank::Loaded;
pub use bank::RANK_BUCKETS;
pub(crate) use config::check_bounds;
pub use config::{EncoderConfig, EncoderSource};
pub use handle::{Classified, EncodeRequest, Encoded, EncoderHandle};
pub use head::{Classification, Head};
pub use network::EncoderInfo;
pub use registry::AdapterKey;
pub(crate) use registry::{Entry, Registry};

use crate::engine::EngineError;
use crate::graph::adapt::AdaptError;
use crate::graph::adapter::AdapterError;
use crate::graph::build::BuildError;
use crate::graph::quantise::QuantiseError;
use crate::runtime::{Runtime, RuntimeError};

/// Why a service could not start or answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// ONNX Runtime cannot be loaded, refuses the model, or failed on a text.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// A setting makes no sense.
    #[error("serving setting {0}")]
    Config(String),
    /// The model folder cannot be used.
    #[error(transparent)]
    Model(#[from] BuildError),
    /// Its weights cannot be made smaller.
    #[error(transparent)]
    Quantise(#[from] QuantiseError),
    /// An ONNX file cannot be used.
    #[error("the ONNX model is not usable: {0}")]
    Onnx(String),
    /// The tokenizer cannot be used, or finds nothing in a text.
    #[error(transparent)]
    Text(#[from] EngineError),
    /// The adapter is damaged, or not one for this model.
    #[error(transparent)]
    Adapter(#[from] AdapterError),
    /// The model has no such modules, or none that can have adapters.
    #[error(transparent)]
    Adapt(#[from] AdaptError),
    /// The classification head is not one for this model.
    #[error("the classification head does not fit: {0}")]
    Head(String),
    /// The adapter's rank is too large.
    #[error("the adapter's rank is {rank}; ranks up to {limit} can be served")]
    Rank {
        /// Its rank.
        rank: usize,
        /// The largest that is served.
        limit: usize,
    },
    /// No adapter of that key is loaded.
    #[error("no adapter {0} is loaded; deploy its release first")]
    UnknownAdapter(AdapterKey),
    /// Neither the model nor the adapter has a classification head.
    #[error("there is nothing to classify with: the adapter has no head; ask with a classifier's adapter")]
    NoHead,
    /// All places for adapters are held by requests under way: try again later.
    #[error("all {limit} adapters are in use; try again in a moment")]
    AdaptersInUse {
        /// Places for adapters.
        limit: usize,
    },
    /// The queue is full: try again later.
    #[error("the queue is full ({limit} entries wait already); try again in a moment")]
    Overloaded {
        /// Entries that the queue holds.
        limit: usize,
    },
    /// More than the queue could ever hold.
    #[error("{texts} texts in one request are too many; send at most {limit}")]
    TooManyTexts {
        /// Texts sent.
        texts: usize,
        /// Texts that may be sent at once.
        limit: usize,
    },
    /// The model gave numbers that are not finite, or too few of them.
    #[error("the model failed on a text: {0}")]
    Output(String),
    /// The operating system gave no thread.
    #[error("cannot start the model's thread: {0}")]
    Thread(std::io::Error),
    /// The device is lost and the processor could not take over.
    #[error("the device is lost: {0}")]
    Lost(String),
    /// The thread has ended.
    #[error("the model's thread has stopped; see the log for the reason and restart the node")]
    Stopped,
}

impl ServeError {
    /// Whether nothing can be asked any more.
    pub fn is_fatal(&self) -> bool {
        matches!(self, Self::Lost(_) | Self::Stopped | Self::Thread(_))
    }

    /// Whether the same request may succeed in a moment (HTTP 429).
    pub fn is_overload(&self) -> bool {
        matches!(self, Self::Overloaded { .. } | Self::AdaptersInUse { .. })
            || matches!(self, Self::Text(EngineError::Overloaded { .. }))
    }
}

/// Starts services for encoders and classifiers; see [`EncoderService::spawn`].
#[derive(Debug)]
pub struct EncoderService;

impl EncoderService {
    /// Loads the model, runs it once, and starts the thread that serves it. Blocks for as long as loading takes: call it
    /// from `spawn_blocking` in asynchronous code.
    ///
    /// # Errors
    /// If a setting makes no sense, or the model, its tokenizer or a thread is not to be had. A missing GPU is no error:
    /// [`EncoderHandle::provider`] then tells what runs instead and why.
    pub fn spawn(runtime: &Runtime, config: EncoderConfig) -> Result<EncoderHandle, ServeError> {
        config.check()?;
        let opened = source::open(&config)?;
        let (network, tokenizer, info) = network::Network::load(runtime, opened, &config)?;
        handle::spawn(network, tokenizer, info, &config)
    }
}
