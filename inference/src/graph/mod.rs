//! Writing ONNX graphs from Rust.
//!
//! - [`GraphBuilder`] gives fresh names, constants and one method per operator used.
//! - [`build`] turns a model folder (`config.json`, safetensors) into a graph.

pub mod build;
mod builder;
mod ops;

pub use builder::{GraphBuilder, Value};
