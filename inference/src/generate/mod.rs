//! Generating text with a decoder: many sequences at once, each with its own adapter and its own way of sampling.
//!
//! ```text
//!  GenerateHandle ── tokenise, check ──► bounded queue ──► worker: one OS thread
//!        ▲                                                    │ admit: rows, cache and adapter slots allow
//!        │                                                    ▼
//!   GenerateStream ◄── text ◄── sampling ◄── logits ◄── Prefill (prompts, piece by piece) ──► Group (one token a step)
//! ```
//!
//! # Continuous batches
//! The sequences under way share one key/value cache, one row each, and take their steps together. One that ends leaves
//! its row free, and the next to come takes it in place; the others are moved only where a longer prompt needs
//! a wider cache, or when much of it is padding. Prompts are read beside that, a bounded number of tokens between two
//! steps. A sequence is let in only if the cache cannot outgrow its bound before the sequence ends.
//!
//! # Special tokens
//! What the form of a chat writes may be special tokens, what people write in a message is not ([`PromptText`]). They are
//! no part of an answer's text, and a stop string finds them all the same. A prompt that a model's template has written
//! gets no further ones from the tokenizer: the template writes them all.
//!
//! # JSON
//! An answer with a schema ([`SamplingParams::json_schema`]) is drawn among the tokens that keep it valid.
//!
//! # How reproducible a text is
//! Sampling is a pure function of the logits and the seed. The logits of a sequence differ by rounding with what else is
//! in the batch (a test bounds it by 1e-5 of the largest logit), so the same seed gives the same text unless two tokens are
//! that close. An answer from elsewhere is therefore checked token by token ([`GenerateRequest::claimed`]): each of its tokens is taken, whatever
//! would have been drawn here, and its distance from that is told ([`Apart`]). Other kernels give none but tiny distances, in 8 bits now and then
//! a small one; another model, other weights or another adapter soon give a large one.
//!
//! # Failures
//! A step that fails is repeated sequence by sequence, and prompts likewise, so that one fails alone. A lost GPU is
//! replaced by the processor; the cache lies in the host's memory and survives.

mod apart;
mod bytes;
mod cache;
mod chat;
mod config;
mod decoder;
mod event;
mod grammar;
mod group;
mod handle;
mod nucleus;
mod prefill;
mod prompt;
mod sampling;
mod sequence;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod text;
mod worker;

pub use apart::{Apart, DRAW_TOLERANCE, TIP_TOLERANCE};
pub use chat::{ChatForm, Message, Role};
pub use config::GenerateConfig;
pub use decoder::DecoderInfo;
pub use event::{Alternative, Completion, FinishReason, GenerateEvent, GenerateStream, GenerateUsage, TokenLogprobs};
pub use grammar::MAX_SCHEMA_BYTES;
pub use handle::{GenerateHandle, GenerateRequest, Prompt};
pub use prompt::PromptText;
pub use sampling::{MAX_FORM_STOPS, MAX_STOP_BYTES, MAX_STOPS, MAX_TOP_LOGPROBS, SamplingParams};

use crate::encoder::ServeError;
use crate::jinja::TemplateError;
use crate::runtime::Runtime;

/// Why nothing is generated.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GenerateError {
    /// What can happen to any service: loading, adapters, overload, a failing model.
    #[error(transparent)]
    Serve(ServeError),
    /// A sampling value makes no sense.
    #[error("{0}")]
    Sampling(String),
    /// An answer cannot be held to its JSON schema.
    #[error("the JSON schema cannot be followed: {0}")]
    Schema(String),
    /// An answer that is checked cannot have been given.
    #[error("the answer {0}")]
    Claimed(String),
    /// The prompt cannot be used.
    #[error("the prompt {0}")]
    Prompt(String),
    /// The model's chat template does not take the conversation.
    #[error(transparent)]
    Template(TemplateError),
    /// The prompt alone is too long.
    #[error("the prompt has more than the {context} tokens that the model can read; shorten it")]
    PromptTooLong {
        /// Tokens that the model reads.
        context: usize,
    },
    /// The prompt and the answer together are too long.
    #[error("a prompt of {prompt} tokens and an answer of {answer} exceed the context of {context}; ask for less")]
    ContextExceeded {
        /// Tokens of the prompt.
        prompt: usize,
        /// Tokens asked for.
        answer: usize,
        /// Tokens that the model reads.
        context: usize,
    },
    /// Tokens could not be turned into text, or text into tokens.
    #[error("the tokenizer failed: {0}")]
    Text(String),
    /// The thread has ended.
    #[error("generation has stopped; see the log for the reason and restart the node")]
    Stopped,
}

impl From<ServeError> for GenerateError {
    fn from(error: ServeError) -> Self {
        match error {
            ServeError::TooLong { limit, .. } => Self::PromptTooLong { context: limit },
            other => Self::Serve(other),
        }
    }
}

impl GenerateError {
    /// Whether nothing can be generated any more.
    pub fn is_fatal(&self) -> bool {
        match self {
            Self::Serve(error) => error.is_fatal(),
            Self::Stopped => true,
            _ => false,
        }
    }

    /// Whether the same request may succeed in a moment (HTTP 429).
    pub fn is_overload(&self) -> bool {
        matches!(self, Self::Serve(error) if error.is_overload())
    }
}

/// Starts services that generate text; see [`GenerateService::spawn`].
#[derive(Debug)]
pub struct GenerateService;

impl GenerateService {
    /// Loads the model and starts the thread that serves it. Blocks for as long as loading takes: call it from
    /// `spawn_blocking` in asynchronous code.
    ///
    /// # Errors
    /// If a setting makes no sense, or the model, its tokenizer or a thread is not to be had.
    pub fn spawn(runtime: &Runtime, config: &GenerateConfig) -> Result<GenerateHandle, GenerateError> {
        config.check()?;
        handle::spawn(decoder::Decoder::open(runtime, config)?, config)
    }
}
