//! Models on ONNX Runtime: texts to vectors and classes, and texts to more text.
//!
//! ```text
//!  encoder ──┐                          embeddings and classes; many adapters in one batch
//!            ├──► runtime ──► ONNX Runtime, on a processor or a GPU
//!  generate ─┘        ▲                 decoders with a key/value cache; many sequences in one batch
//!                     │
//!                   graph               config.json and safetensors to an ONNX graph; adapters, quantising
//! ```
//!
//! - [`runtime`] is the library behind four types, and where it lies.
//! - [`encoder`] answers with encoders and classifiers: one thread owns the session, handles queue, batch and await.
//! - [`generate`] does the same with decoders.
//! - [`graph`] and [`onnx`] are `datanet-graph`, which writes and rewrites what is run here.
//! - [`jinja`] is `datanet-jinja`, which runs the templates of chats.
//!
//! Nothing here knows the network, the ledger, or what records are.
//!
//! ```no_run
//! use datanet_inference::encoder::{EncoderConfig, EncoderService};
//! use datanet_inference::runtime::{Locations, Runtime};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let places = Locations::from_env()?;
//! let runtime = Runtime::init(&places.dylib)?;
//! let encoder = EncoderService::spawn(&runtime, EncoderConfig::embedder(places.model))?;
//! let (vectors, usage) = encoder.embed(vec!["a peer-to-peer network".to_owned()]).await?;
//! assert_eq!(vectors[0].dimensions(), encoder.model().dimensions);
//! println!("{} tokens", usage.tokens);
//! # Ok(())
//! # }
//! ```
#![deny(unreachable_pub)]

pub mod encoder;
mod error;
pub mod generate;
pub mod runtime;

pub use datanet_graph as graph;
pub use datanet_graph::onnx;
pub use datanet_jinja as jinja;
pub use error::ServeError;
