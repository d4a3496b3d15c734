//! What is known of the graph that is differentiated.

use std::collections::HashMap;

use super::DifferentiateError;
use crate::model::{GraphError, Index};
use crate::onnx::{DataType, ModelProto, NodeProto, TensorProto, ValueInfoProto};
use crate::shape::{Shapes, Size, ValueType};

/// The graph as it is before gradients are added.
pub(super) struct Forward<'a> {
    index: Index<'a>,
    nodes: Vec<&'a NodeProto>,
    shapes: Shapes,
    /// Float constants of one element.
    numbers: HashMap<&'a str, f32>,
}

impl<'a> Forward<'a> {
    /// Studies the model.
    pub(super) fn new(model: &'a ModelProto) -> Result<Self, DifferentiateError> {
        let shapes = crate::shape::infer(model)?;
        let graph = model.graph.as_ref().ok_or(GraphError::NoGraph)?;
        let index = Index::new(graph)?;
        let nodes = index.order().iter().map(|&position| index.node(position)).collect();
        let constant = |node: &'a NodeProto| {
            let tensor = node.attribute("value").filter(|_| node.op_type == "Constant")?.t.as_ref()?;
            Some((node.output.first()?.as_str(), tensor))
        };
        let tensors = graph.initializer.iter().map(|tensor| (tensor.name.as_str(), tensor));
        let numbers = (tensors.chain(graph.node.iter().filter_map(constant)))
            // An initialiser that is listed as an input is a default that a caller may replace.
            .filter(|(name, _)| graph.input.iter().all(|input| input.name != *name))
            .filter_map(|(name, tensor)| Some((name, number(tensor)?)))
            .collect();
        Ok(Self { index, nodes, shapes, numbers })
    }

    /// All nodes, each after those that it reads from.
    pub(super) fn nodes(&self) -> &[&'a NodeProto] {
        &self.nodes
    }

    /// The node that writes the value.
    pub(super) fn producer(&self, value: &str) -> Option<&'a NodeProto> {
        self.index.producer(value).map(|position| self.index.node(position))
    }

    /// The nodes that read the value.
    pub(super) fn consumers(&self, value: &str) -> impl Iterator<Item = &'a NodeProto> {
        self.index.consumers(value).iter().map(|&position| self.index.node(position))
    }

    /// The entries of a small integer or truth value that is the same in every run; a scalar is a list of one.
    pub(super) fn integers(&self, value: &str) -> Option<&[i64]> {
        self.shapes.integers(value)
    }

    /// A constant of one float.
    pub(super) fn number(&self, value: &str) -> Option<f32> {
        self.numbers.get(value).copied()
    }

    /// The value's shape, if its rank is known.
    pub(super) fn shape(&self, value: &str) -> Option<&[Size]> {
        self.shapes.get(value)?.shape.as_deref()
    }

    /// The value's element type, if known.
    pub(super) fn element(&self, value: &str) -> Option<DataType> {
        self.shapes.get(value).map(|value| value.element).filter(|element| *element != DataType::Undefined)
    }

    /// False where the value is known to hold integers, truth values or text.
    pub(super) fn may_be_float(&self, value: &str) -> bool {
        use DataType::{Bfloat16, Double, Float, Float16};
        self.element(value).is_none_or(|element| matches!(element, Float | Float16 | Bfloat16 | Double))
    }

    /// A graph output of the type of the value `like`.
    pub(super) fn declare(&self, name: &str, like: &str) -> ValueInfoProto {
        match self.shapes.get(like) {
            Some(known) => known.declare(name),
            None => ValueType { element: DataType::Float, shape: None }.declare(name),
        }
    }
}

/// The one element of a float tensor.
fn number(tensor: &TensorProto) -> Option<f32> {
    if tensor.data_type != i32::from(DataType::Float) || tensor.dims.iter().product::<i64>() != 1 {
        return None;
    }
    match tensor.raw_data.as_deref() {
        Some(raw) => raw.first_chunk().map(|bytes| f32::from_le_bytes(*bytes)),
        None => tensor.float_data.first().copied(),
    }
}
