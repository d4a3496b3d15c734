//! ONNX graphs as data: read, check, build, transform, write. Nothing here executes them.
//!
//! ```text
//!  build ──► model ──► adapt ──► differentiate      a model folder to a graph; LoRA slots; gradients
//!              │  ▲       └────► quantise           4-bit and 8-bit weights
//!              ▼  │
//!  validate, shape       onnx                       what a stranger's file may hold; symbolic shapes; the file format
//! ```
//!
//! - [`onnx`] is the file format; [`GraphBuilder`] writes graphs node by node.
//! - [`model`] answers who writes and reads each value, and cuts graphs.
//! - [`shape`] infers element types and symbolic shapes.
//! - [`adapt`] gives linear layers LoRA slots; [`adapter`] reads and writes what goes into them.
//! - [`validate`] decides what a stranger's file may hold.
//! - [`quantise`] makes weights smaller and tells what that costs in precision.
//! - [`export`] writes a base, an adapter and a head as one graph.
//! - [`build`] turns a model folder (`config.json`, safetensors) into a graph.
//!
//! ```
//! use datanet_graph::GraphBuilder;
//! use datanet_graph::onnx::{DataType, Dim};
//!
//! let mut graph = GraphBuilder::new("twice", 20);
//! let x = graph.input("x", DataType::Float, &[Dim::Symbol("n")]);
//! let twice = graph.add(&x, &x);
//! graph.output(&twice, "y", DataType::Float, &[Dim::Symbol("n")]);
//! let model = graph.finish();
//! assert!(model.graph.unwrap().node.iter().any(|node| node.op_type == "Add"));
//! ```
#![deny(unreachable_pub)]

pub mod adapt;
pub mod adapter;
pub mod build;
mod builder;
pub mod differentiate;
pub mod export;
pub mod model;
pub mod onnx;
mod ops;
pub mod quantise;
pub mod shape;
#[cfg(test)]
pub(crate) mod testing;
pub mod validate;

pub use builder::{GraphBuilder, Value};
pub use model::GraphError;
