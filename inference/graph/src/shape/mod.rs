//! Element types and symbolic shapes of all values of a graph.
//!
//! [`infer`] walks the graph once. Sizes are polynomials in the symbols that the inputs declare ([`extent`]), so that
//! `past+seq` is the same size wherever it comes from. Small integer tensors are followed entry by entry, symbols
//! included: a `Reshape` whose target is computed from `Shape`, `Gather` and `Concat` has a known result. A size of
//! which nothing is known gets a symbol of its own, beginning with `?`, which spreads to whatever has the same size.
//!
//! What is said holds wherever the graph runs at all and declared symbols are 1 or more; a symbolic slice bound is
//! taken to lie inside.
//! Operators without a rule have outputs of unknown type, or of the type that the graph declares for them.

mod create;
mod elementwise;
mod extent;
mod fact;
mod gather;
mod movement;
mod product;
mod reduce;
mod rules;
mod slice;
mod spatial;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use extent::Extent;
use fact::{Call, Fact};

use crate::model::{GraphError, Index};
use crate::onnx::types::{tensor_shape, type_proto};
use crate::onnx::{DataType, GraphProto, ModelProto, TensorShapeProto, TypeProto, ValueInfoProto};

/// Size of one axis.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Size {
    /// A number.
    Known(i64),
    /// A symbol, or a sum of products of symbols such as `past+seq`; equal texts are equal sizes.
    Symbol(Arc<str>),
    /// Nothing is known.
    Unknown,
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(number) => write!(f, "{number}"),
            Self::Symbol(symbol) => f.write_str(symbol),
            Self::Unknown => f.write_str("?"),
        }
    }
}

/// Type of a tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueType {
    /// Type of the elements.
    pub element: DataType,
    /// Sizes, outermost axis first; `None` where even their number is unknown.
    pub shape: Option<Vec<Size>>,
}

impl ValueType {
    /// Number of axes, where known.
    pub fn rank(&self) -> Option<usize> {
        self.shape.as_ref().map(Vec::len)
    }

    /// The type as a file declares it for a value called `name`.
    pub fn declare(&self, name: &str) -> ValueInfoProto {
        let dimension = |size: &Size| tensor_shape::Dimension {
            value: match size {
                Size::Known(number) => Some(tensor_shape::Value::DimValue(*number)),
                Size::Symbol(symbol) => Some(tensor_shape::Value::DimParam(symbol.to_string())),
                Size::Unknown => None,
            },
            denotation: String::new(),
        };
        let shape = self.shape.as_ref().map(|sizes| TensorShapeProto { dim: sizes.iter().map(dimension).collect() });
        let tensor = type_proto::Tensor { elem_type: self.element.into(), shape };
        let value = Some(type_proto::Value::TensorType(tensor));
        let r#type = Some(TypeProto { value, denotation: String::new() });
        ValueInfoProto { name: name.to_owned(), r#type, ..ValueInfoProto::default() }
    }
}

/// Why a graph has no consistent shapes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ShapeError {
    /// The graph is not sound.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// The inputs of a node cannot be what they are.
    #[error("node {node} cannot run: {reason}; check the shapes that the graph declares")]
    Contradiction {
        /// The node.
        node: String,
        /// What does not fit.
        reason: String,
    },
}

impl From<ShapeError> for GraphError {
    fn from(error: ShapeError) -> Self {
        match error {
            ShapeError::Graph(error) => error,
            other @ ShapeError::Contradiction { .. } => Self::Shape(other.to_string()),
        }
    }
}

/// Types of the values of a graph by name.
#[derive(Clone, Debug, Default)]
pub struct Shapes {
    types: HashMap<String, ValueType>,
    integers: HashMap<String, Vec<i64>>,
}

impl Shapes {
    /// The type of a value; `None` where its element type is unknown or nothing has that name.
    pub fn get(&self, name: &str) -> Option<&ValueType> {
        self.types.get(name)
    }

    /// The entries of a small integer or boolean value, row by row, where all are known.
    pub fn integers(&self, name: &str) -> Option<&[i64]> {
        self.integers.get(name).map(Vec::as_slice)
    }

    /// All values whose type is known.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &ValueType)> {
        self.types.iter().map(|(name, value)| (name.as_str(), value))
    }
}

/// Infers the types of all values of the model's graph; its nodes may be in any order. Subgraphs are not entered.
///
/// # Errors
/// [`ShapeError::Graph`] for a graph that is not sound, [`ShapeError::Contradiction`] where inputs cannot fit a node.
pub fn infer(model: &ModelProto) -> Result<Shapes, ShapeError> {
    let graph = model.graph.as_ref().ok_or(GraphError::NoGraph)?;
    let index = Index::new(graph)?;
    let declared = declared(graph);
    let mut facts: HashMap<&str, Fact> = HashMap::new();
    for input in &graph.input {
        facts.insert(&input.name, declared.get(input.name.as_str()).cloned().unwrap_or_default());
    }
    for tensor in &graph.initializer {
        facts.insert(&tensor.name, Fact::constant(tensor));
    }
    for &position in index.order() {
        let node = index.node(position);
        let call = Call { node, inputs: node.input.iter().map(|name| facts.get(name.as_str())).collect() };
        let contradiction = |reason| ShapeError::Contradiction { node: node.label(), reason };
        let mut found = rules::apply(&call).map_err(contradiction)?.into_iter();
        for name in &node.output {
            let fact = found.next().unwrap_or_default();
            if !name.is_empty() {
                facts.insert(name, settled(name, fact, declared.get(name.as_str())));
            }
        }
    }
    Ok(collect(facts))
}

/// What inputs, outputs and `value_info` say.
fn declared(graph: &GraphProto) -> HashMap<&str, Fact> {
    let values = graph.value_info.iter().chain(&graph.output).chain(&graph.input);
    values.filter_map(|value| Some((value.name.as_str(), declaration(value)?))).collect()
}

fn declaration(value: &ValueInfoProto) -> Option<Fact> {
    let Some(type_proto::Value::TensorType(tensor)) = &value.r#type.as_ref()?.value else { return None };
    let element = DataType::try_from(tensor.elem_type).ok().filter(|element| *element != DataType::Undefined);
    let extent = |(axis, dimension): (usize, &tensor_shape::Dimension)| match &dimension.value {
        Some(tensor_shape::Value::DimValue(number)) if *number >= 0 => Extent::known(*number),
        Some(tensor_shape::Value::DimParam(symbol)) if !symbol.is_empty() => Extent::parse(symbol),
        _ => fact::fresh(&value.name, axis),
    };
    let shape = tensor.shape.as_ref().map(|shape| shape.dim.iter().enumerate().map(extent).collect());
    Some(Fact::new(element, shape))
}

/// What was found, completed by what the file declares where nothing was.
fn settled(name: &str, mut found: Fact, declared: Option<&Fact>) -> Fact {
    let Some(declared) = declared else { return found };
    found.element = found.element.or(declared.element);
    match (&mut found.shape, &declared.shape) {
        (shape @ None, Some(_)) => shape.clone_from(&declared.shape),
        (Some(shape), Some(other)) if shape.len() == other.len() => {
            for (axis, (extent, other)) in shape.iter_mut().zip(other).enumerate() {
                if *extent == fact::fresh(name, axis) {
                    extent.clone_from(other);
                }
            }
        }
        _ => {}
    }
    found
}

fn collect(facts: HashMap<&str, Fact>) -> Shapes {
    let mut shapes = Shapes::default();
    for (name, fact) in facts {
        if let Some(numbers) = fact.numbers() {
            shapes.integers.insert(name.to_owned(), numbers);
        }
        let Some(element) = fact.element else { continue };
        let size = |extent: &Extent| match extent.number() {
            Some(number) => Size::Known(number),
            None => Size::Symbol(extent.to_string().into()),
        };
        let shape = fact.shape.map(|shape| shape.iter().map(size).collect());
        shapes.types.insert(name.to_owned(), ValueType { element, shape });
    }
    shapes
}
