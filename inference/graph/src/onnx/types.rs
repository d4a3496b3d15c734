//! The types and shapes of values.

use super::model::StringStringEntryProto;
use super::tensor::DataType;

/// A named value with its type.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ValueInfoProto {
    /// Name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Type.
    #[prost(message, optional, tag = "2")]
    pub r#type: Option<TypeProto>,
    /// Free text.
    #[prost(string, tag = "3")]
    pub doc_string: String,
    /// Named remarks.
    #[prost(message, repeated, tag = "4")]
    pub metadata_props: Vec<StringStringEntryProto>,
}

impl ValueInfoProto {
    /// A dense tensor with this element type and shape.
    pub fn tensor(name: &str, element: DataType, shape: &[Dim]) -> Self {
        Self { name: name.to_owned(), r#type: Some(TypeProto::tensor(element, shape)), ..Self::default() }
    }
}

/// A type.
#[derive(Clone, PartialEq, prost::Message)]
pub struct TypeProto {
    /// The type itself.
    #[prost(oneof = "type_proto::Value", tags = "1, 4, 5, 7, 8, 9")]
    pub value: Option<type_proto::Value>,
    /// A standard meaning, such as `IMAGE`.
    #[prost(string, tag = "6")]
    pub denotation: String,
}

impl TypeProto {
    /// A dense tensor with this element type and shape.
    pub fn tensor(element: DataType, shape: &[Dim]) -> Self {
        let shape = TensorShapeProto { dim: shape.iter().map(Dim::to_proto).collect() };
        let tensor = type_proto::Tensor { elem_type: element.into(), shape: Some(shape) };
        Self { value: Some(type_proto::Value::TensorType(tensor)), denotation: String::new() }
    }
}

/// The choices inside [`TypeProto`].
pub mod type_proto {
    use super::{TensorShapeProto, TypeProto};

    /// The kinds of types.
    #[derive(Clone, PartialEq, prost::Oneof)]
    pub enum Value {
        /// A dense tensor.
        #[prost(message, tag = "1")]
        TensorType(Tensor),
        /// A sequence.
        #[prost(message, tag = "4")]
        SequenceType(Box<Sequence>),
        /// A map.
        #[prost(message, tag = "5")]
        MapType(Box<Map>),
        /// A type that only its domain understands.
        #[prost(message, tag = "7")]
        OpaqueType(Opaque),
        /// A sparse tensor.
        #[prost(message, tag = "8")]
        SparseTensorType(Tensor),
        /// A value that may be absent.
        #[prost(message, tag = "9")]
        OptionalType(Box<Sequence>),
    }

    /// A tensor's element type and shape; dense and sparse tensors are written alike.
    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Tensor {
        /// A [`DataType`](super::DataType).
        #[prost(enumeration = "super::DataType", tag = "1")]
        pub elem_type: i32,
        /// Shape; absent where even the rank is unknown.
        #[prost(message, optional, tag = "2")]
        pub shape: Option<TensorShapeProto>,
    }

    /// A sequence or an optional: both are written as one element type.
    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Sequence {
        /// Type of the element.
        #[prost(message, optional, boxed, tag = "1")]
        pub elem_type: Option<Box<TypeProto>>,
    }

    /// A map.
    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Map {
        /// A [`DataType`](super::DataType).
        #[prost(enumeration = "super::DataType", tag = "1")]
        pub key_type: i32,
        /// Type of the values.
        #[prost(message, optional, boxed, tag = "2")]
        pub value_type: Option<Box<TypeProto>>,
    }

    /// A type that only its domain understands.
    #[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
    pub struct Opaque {
        /// Domain.
        #[prost(string, tag = "1")]
        pub domain: String,
        /// Name.
        #[prost(string, tag = "2")]
        pub name: String,
    }
}

/// A shape.
#[derive(Clone, PartialEq, prost::Message)]
pub struct TensorShapeProto {
    /// Axes, outermost first.
    #[prost(message, repeated, tag = "1")]
    pub dim: Vec<tensor_shape::Dimension>,
}

/// The parts of a [`TensorShapeProto`].
pub mod tensor_shape {
    /// One axis.
    #[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
    pub struct Dimension {
        /// Size; absent where unknown.
        #[prost(oneof = "Value", tags = "1, 2")]
        pub value: Option<Value>,
        /// A standard meaning, such as `DATA_BATCH`.
        #[prost(string, tag = "3")]
        pub denotation: String,
    }

    /// Size of an axis.
    #[derive(Clone, PartialEq, Eq, Hash, prost::Oneof)]
    pub enum Value {
        /// A number.
        #[prost(int64, tag = "1")]
        DimValue(i64),
        /// A symbol; equal symbols are equal sizes.
        #[prost(string, tag = "2")]
        DimParam(String),
    }
}

/// Size of an axis, as graph code writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dim {
    /// A number.
    Size(i64),
    /// A symbol, such as `batch`; equal symbols are equal sizes.
    Symbol(&'static str),
}

impl Dim {
    fn to_proto(&self) -> tensor_shape::Dimension {
        let value = match self {
            Self::Size(size) => tensor_shape::Value::DimValue(*size),
            Self::Symbol(symbol) => tensor_shape::Value::DimParam((*symbol).to_owned()),
        };
        tensor_shape::Dimension { value: Some(value), denotation: String::new() }
    }
}
