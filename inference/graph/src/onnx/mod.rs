//! The ONNX file format, declared by hand for [`prost`]: no code generator and no `protoc`.
//!
//! The messages carry every field of `onnx.proto` up to IR version 13, so that any real model decodes and is written
//! back with nothing lost. Scalars whose mere presence means something (`AttributeProto::i`, `TensorProto::raw_data`)
//! are `Option`s; byte fields are [`bytes::Bytes`], so decoding from a `Bytes` copies no weights.
//!
//! - [`model`]: models, graphs, nodes, attributes, functions.
//! - [`tensor`]: tensors and their element types.
//! - [`types`]: the types and shapes of values.
//! - [`sharding`]: multi-device annotations, kept so that they survive a round trip.
//!
//! Decoding is bounded by `prost` (nesting depth 100, lengths checked against the buffer); it says nothing about
//! whether a model makes sense.

pub mod model;
pub mod sharding;
pub mod tensor;
pub mod types;

pub use model::{
    AttributeProto, AttributeType, FunctionProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto,
    StringStringEntryProto, TensorAnnotation, TrainingInfoProto,
};
pub use tensor::{DataLocation, DataType, SparseTensorProto, TensorProto};
pub use types::{Dim, TensorShapeProto, TypeProto, ValueInfoProto};

/// The IR version that [`ModelProto`]s written here declare: the first that knows opset 20.
pub const IR_VERSION: i64 = 9;
