//! Why a service could not start or answer, be it one that encodes or one that generates.

use crate::encoder::AdapterKey;
use crate::graph::adapt::AdaptError;
use crate::graph::adapter::AdapterError;
use crate::graph::build::BuildError;
use crate::graph::quantise::QuantiseError;
use crate::runtime::RuntimeError;

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
    /// The tokenizer cannot be used.
    #[error("tokenizer.json is not usable: {0}")]
    Tokenizer(String),
    /// The text has no tokens and the tokenizer adds none.
    #[error("a text without any token has no embedding; send some words")]
    NoTokens,
    /// The text has more tokens than the model reads.
    #[error(
        "text {} has {}{tokens} tokens, and the model reads {limit}; shorten it or send it in parts",
        text + 1,
        if *more { "more than " } else { "" }
    )]
    TooLong {
        /// Its place among the texts that were sent, from 0 on.
        text: usize,
        /// Its tokens, special tokens included.
        tokens: usize,
        /// Whether there are more that were not counted.
        more: bool,
        /// Tokens that the model reads.
        limit: usize,
    },
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
    /// The same of the text at another place among those that were sent.
    pub(crate) fn of_text(self, place: usize) -> Self {
        match self {
            Self::TooLong { tokens, more, limit, .. } => Self::TooLong { text: place, tokens, more, limit },
            other => other,
        }
    }

    /// Whether nothing can be asked any more.
    pub fn is_fatal(&self) -> bool {
        matches!(self, Self::Lost(_) | Self::Stopped | Self::Thread(_))
    }

    /// Whether the same request may succeed in a moment (HTTP 429).
    pub fn is_overload(&self) -> bool {
        matches!(self, Self::Overloaded { .. } | Self::AdaptersInUse { .. })
    }
}
