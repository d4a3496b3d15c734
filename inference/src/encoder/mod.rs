//! Encoders and classifiers: texts in, vectors or classes out; one base model, many adapters, any mix of them in one batch.
//!
//! ```text
//!  EncoderHandle ── tokenise, find the adapter ──► bounded queue ──► worker: one OS thread
//!       ▲                                                              │  batch: one padded length, one rank bucket
//!       │                                                              ▼
//!       └── head (logits, probabilities, label) ◄── vectors ◄── AdaptedSession: graph + bank of stacked adapters
//! ```
//!
//! [`EncoderService::spawn`] loads the model and starts the thread that owns the session; the cloneable
//! [`EncoderHandle`] tokenises on the caller's side, queues and awaits, and loads and unloads adapters meanwhile. The
//! thread ends with the last handle, after answering what was queued. A node's own embeddings are such a service without
//! adapters, whose graph scales its vectors itself ([`EncoderConfig::embedder`]).
//!
//! # Batches
//! A batch holds texts of one padded length only (see [`EncoderConfig::length_step`]), up to a token budget. Requests that
//! somebody waits for come before those of the background ([`EncoderHandle::embed_all`]), and entries whose caller has
//! left are dropped.
//!
//! A text longer than the model reads is refused, or cut where the caller says so ([`Long`]): records are judged and
//! found by how they begin, and nobody else's text is cut.
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
//! but the adapter, so that neighbours cannot reach a vector. The same batch gives the same bytes on one machine (same
//! library, same thread count). Another batch composition may split the matrix products differently: measured, that moves
//! a number of the unit vector by at most 7.5e-8, one unit in the last place; the tests assert
//! [`SAME_MACHINE_TOLERANCE`], for 32 adapters in one batch too. Other processors may use other kernels: a verifier
//! elsewhere should accept a cosine of at least [`MIN_COSINE_ELSEWHERE`].
//!
//! # Memory
//! The weights stay in the safetensors file, which the runtime maps: nodes on one machine share those pages, and no
//! copy of the file is ever held. What is private is the matrices packed for the processor's kernels and the
//! activations of one batch.

mod adapted;
mod bank;
mod batch;
mod config;
mod handle;
mod head;
mod model_id;
mod network;
mod padding;
mod registry;
mod source;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
pub(crate) mod tokenize;
mod worker;

pub(crate) use adapted::AdaptedSession;
pub(crate) use bank::Loaded;
pub use bank::RANK_BUCKETS;
pub(crate) use config::check_bounds;
pub use config::{EncoderConfig, EncoderSource};
pub use handle::{Classified, EncodeRequest, Encoded, EncoderHandle, Usage};
pub use head::{Classification, Head};
pub use model_id::folder_id;
pub use network::EncoderInfo;
pub use registry::AdapterKey;
pub(crate) use registry::{Entry, Registry};
pub use tokenize::{Long, check_vocabulary};

pub use crate::error::ServeError;

use crate::runtime::Runtime;

/// Largest absolute difference between two vectors of one text on one machine, whatever else was in the batch.
pub const SAME_MACHINE_TOLERANCE: f32 = 1e-6;

/// Smallest cosine between two vectors of one text computed on different machines or with different thread counts.
pub const MIN_COSINE_ELSEWHERE: f32 = 0.9999;

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
