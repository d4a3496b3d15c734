//! Everything a node computes about data: embeddings, judgements, retrieval.
//!
//! ```text
//!  corpus ──► judge ──► scores          records in, checked; duplicates, quality, usefulness
//!    │           ▲
//!    ▼           │ vectors
//!  engine ───────┴────► retrieval       texts to unit vectors; full text and neighbours fused, labels by vote
//!    ▲
//!  graph ◄── onnx                       config.json + safetensors to an ONNX graph; the file format
//! ```
//!
//! - [`corpus`] turns bytes of any format into checked, canonical records.
//! - [`judge`] scores a contribution and says why.
//! - [`onnx`] is the ONNX file format; [`graph`] writes graphs and builds BERT encoders from model folders.
//! - [`serve`] answers with encoders and classifiers under many adapters, [`generate`] with decoders.
//! - [`engine`] runs them on ONNX Runtime: one thread owns the session, handles queue, batch and await.
//!
//! Nothing here knows the network or the ledger. Scores leave this crate as integers.

pub mod engine;
pub mod generate;
pub mod runtime;
pub mod serve;

pub use datanet_graph as graph;
pub use datanet_graph::onnx;
