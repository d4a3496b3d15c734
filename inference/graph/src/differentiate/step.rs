//! What a rule sees of its node, and the words it writes gradients with.

use super::DifferentiateError;
use super::accumulate::Gradients;
use super::forward::Forward;
use super::path::Path;
use crate::onnx::{AttributeProto, DataType, NodeProto};
use crate::shape::Size;
use crate::{GraphBuilder, Value};

/// One node of the forward graph while its rule runs.
pub(super) struct Step<'a> {
    /// Where the gradient's nodes go.
    pub(super) graph: &'a mut GraphBuilder,
    /// What is known of the forward graph.
    pub(super) forward: &'a Forward<'a>,
    pub(super) node: &'a NodeProto,
    pub(super) path: &'a Path,
    /// Gradients of the node's outputs, where the objective depends on them.
    pub(super) incoming: Vec<Option<Value>>,
    pub(super) gradients: &'a mut Gradients,
}

/// What a rule gives back.
pub(super) type Outcome = Result<(), DifferentiateError>;

/// The node and its gradients.
impl Step<'_> {
    /// Whether input `at` is there.
    pub(super) fn has(&self, at: usize) -> bool {
        self.node.input.get(at).is_some_and(|name| !name.is_empty())
    }

    /// Whether a gradient of input `at` is of use.
    pub(super) fn wants(&self, at: usize) -> bool {
        self.node.input.get(at).is_some_and(|name| self.path.contains(name))
    }

    /// Input `at`.
    pub(super) fn x(&self, at: usize) -> Result<Value, DifferentiateError> {
        let name = self.node.input.get(at).map_or("", String::as_str);
        self.graph.value(name).ok_or_else(|| self.unsupported(&format!("input {at} is missing; give it")))
    }

    /// Output `at`.
    pub(super) fn y(&self, at: usize) -> Result<Value, DifferentiateError> {
        let name = self.node.output.get(at).map_or("", String::as_str);
        self.graph.value(name).ok_or_else(|| self.unsupported(&format!("output {at} is missing; name it")))
    }

    /// The gradient of the first output, of that output's shape; an error if another output has one too, which only
    /// rules that look at `incoming` can deal with.
    pub(super) fn dy(&self) -> Result<Value, DifferentiateError> {
        if self.incoming.iter().skip(1).any(Option::is_some) {
            return Err(self.unsupported("only its first output may lead to the objective; compute the others apart"));
        }
        self.incoming.first().cloned().flatten().ok_or_else(|| self.unsupported("its first output has no gradient"))
    }

    /// Contributes `gradient`, which has the shape of input `at`, to that input.
    pub(super) fn give(&mut self, at: usize, gradient: Value) {
        if self.wants(at) {
            let name = self.node.input.get(at).map_or("", String::as_str);
            self.gradients.add(name, gradient);
        }
    }

    /// The error for a use of the operator that its rule does not cover.
    pub(super) fn unsupported(&self, reason: &str) -> DifferentiateError {
        DifferentiateError::Unsupported {
            node: name(self.node).to_owned(),
            operator: operator(self.node),
            reason: reason.to_owned(),
        }
    }
}

/// How errors name the node: its name, or its first output.
pub(super) fn name(node: &NodeProto) -> &str {
    if node.name.is_empty() { node.output.first().map_or("", String::as_str) } else { &node.name }
}

/// The operator's name with its domain.
pub(super) fn operator(node: &NodeProto) -> String {
    if node.domain.is_empty() { node.op_type.clone() } else { format!("{}.{}", node.domain, node.op_type) }
}

/// Attributes and constants.
impl Step<'_> {
    /// An integer attribute.
    pub(super) fn int(&self, name: &str) -> Option<i64> {
        self.node.attribute(name)?.i
    }

    /// A list of integers.
    pub(super) fn ints(&self, name: &str) -> Option<Vec<i64>> {
        self.node.attribute(name).map(|attribute| attribute.ints.clone())
    }

    /// A float attribute, or what it is when left out.
    pub(super) fn float(&self, name: &str, default: f32) -> f32 {
        self.node.attribute(name).and_then(|attribute| attribute.f).unwrap_or(default)
    }

    /// A text attribute.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.node.attribute(name)?.s.as_deref().and_then(|text| std::str::from_utf8(text).ok())
    }

    /// The attributes as they are, for a node of the same kind.
    pub(super) fn attributes(&self) -> Vec<AttributeProto> {
        self.node.attribute.clone()
    }

    /// Input `at`, if it is a constant list of integers.
    pub(super) fn constant_ints(&self, at: usize) -> Option<Vec<i64>> {
        self.forward.integers(self.node.input.get(at)?).map(<[i64]>::to_vec)
    }

    /// The shape of input `at`, if its rank is known.
    pub(super) fn shape(&self, at: usize) -> Option<Vec<Size>> {
        self.forward.shape(self.node.input.get(at)?).map(<[Size]>::to_vec)
    }

    /// The shape of output `at`, if its rank is known.
    pub(super) fn shape_of_output(&self, at: usize) -> Option<Vec<Size>> {
        self.forward.shape(self.node.output.get(at)?).map(<[Size]>::to_vec)
    }

    /// The rank of input `at`, which the rule cannot do without.
    pub(super) fn rank(&self, at: usize) -> Result<usize, DifferentiateError> {
        let known = self.shape(at).map(|shape| shape.len());
        known.ok_or_else(|| self.unsupported(&format!("the rank of input {at} is not known; declare its shape")))
    }

    /// `axis` of input `at`, counted from the front.
    pub(super) fn axis(&self, at: usize, axis: i64) -> Result<usize, DifferentiateError> {
        if let Ok(axis) = usize::try_from(axis) {
            return Ok(axis);
        }
        let rank = self.rank(at)?;
        usize::try_from(axis + rank as i64).map_err(|_| self.unsupported("its axis lies outside the shape"))
    }

    /// The element type of the node's floats.
    pub(super) fn element(&self) -> DataType {
        let known = |names: &[String]| names.first().and_then(|name| self.forward.element(name));
        known(&self.node.output).unwrap_or(DataType::Float)
    }
}

/// Words for writing gradients.
impl Step<'_> {
    /// A node without attributes.
    pub(super) fn op(&mut self, op_type: &str, inputs: &[&Value]) -> Value {
        self.graph.op(op_type, inputs, Vec::new())
    }

    /// `a * b`.
    pub(super) fn mul(&mut self, a: &Value, b: &Value) -> Value {
        self.graph.mul(a, b)
    }

    /// A scalar of the node's float type.
    pub(super) fn number(&mut self, number: f32) -> Value {
        let scalar = self.graph.scalar(number);
        match self.element() {
            DataType::Float => scalar,
            // A cast of a constant is folded at load.
            other => self.graph.cast(&scalar, other),
        }
    }

    /// `x * number`.
    pub(super) fn scale(&mut self, x: &Value, number: f32) -> Value {
        if number == 1.0 {
            return x.clone();
        }
        let number = self.number(number);
        self.graph.mul(x, &number)
    }

    /// `x + number`.
    pub(super) fn shift(&mut self, x: &Value, number: f32) -> Value {
        let number = self.number(number);
        self.graph.add(x, &number)
    }

    /// `yes` where `condition`, `no` elsewhere.
    pub(super) fn choose(&mut self, condition: &Value, yes: &Value, no: &Value) -> Value {
        self.op("Where", &[condition, yes, no])
    }

    /// `x` where `condition`, 0 elsewhere.
    pub(super) fn only(&mut self, condition: &Value, x: &Value) -> Value {
        let zero = self.number(0.0);
        self.choose(condition, x, &zero)
    }

    /// The shape of a value, as a list of integers computed when the graph runs.
    pub(super) fn shape_of(&mut self, value: &Value) -> Value {
        self.op("Shape", &[value])
    }

    /// Zeros of the node's float type, in the shape of `value`.
    pub(super) fn zeros_like(&mut self, value: &Value) -> Value {
        let (shape, zero) = (self.shape_of(value), self.number(0.0));
        self.op("Expand", &[&zero, &shape])
    }

    /// Sums over the last axes `axes`, which stay as size 1.
    pub(super) fn sum(&mut self, x: &Value, axes: &[i64]) -> Value {
        self.graph.reduce_sum(x, axes, true)
    }

    /// A list of integers as one value, out of lists of integers.
    pub(super) fn joined(&mut self, parts: &[&Value]) -> Value {
        match parts {
            [one] => (*one).clone(),
            _ => self.graph.op("Concat", parts, vec![AttributeProto::int("axis", 0)]),
        }
    }

    /// A name for an output that a node is still to be given. It is made by writing a node and taking it back.
    pub(super) fn fresh(&mut self, op_type: &str) -> Value {
        let value = self.graph.op(op_type, &[], Vec::new());
        self.graph.nodes_mut().pop();
        value
    }

    /// `x` cut along `axis` into `count` parts of the given sizes.
    pub(super) fn split(&mut self, x: &Value, sizes: &Value, axis: i64, count: usize) -> Vec<Value> {
        let parts: Vec<Value> = (0..count).map(|_| self.fresh("Split")).collect();
        self.graph.op("Split", &[x, sizes], vec![AttributeProto::int("axis", axis)]);
        if let Some(node) = self.graph.nodes_mut().last_mut() {
            node.output = parts.iter().map(|part| part.name().to_owned()).collect();
        }
        parts
    }
}
