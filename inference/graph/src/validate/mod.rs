//! What a stranger's ONNX file may hold, decided before the runtime sees a byte of it.
//!
//! [`validate`] counts the parts of the encoded file, decodes it, and walks everything that it holds: graphs nested in
//! attributes, functions, dense and sparse tensors wherever they may stand. Data in other files are refused in each of
//! these places (the path would let a model read any file of this machine). Tensors hold exactly what they declare,
//! names are defined once and before they are read, operators are on a list, and no value of known size is larger than
//! the limit. What remains to the runtime is to compute.

mod functions;
mod graph;
mod operators;
mod tensors;
#[cfg(test)]
mod tests;
mod wire;

use std::collections::{BTreeSet, HashSet};
use std::ops::RangeInclusive;

use prost::Message;

use crate::model::{GraphError, Index};
use crate::onnx::{GraphProto, ModelProto};
use crate::shape::{self, ShapeError, Size};
use functions::Functions;
use graph::Walk;

/// What a model may be at most.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes of the file.
    pub bytes: u64,
    /// Messages, texts and byte strings in the file; they decide how much memory decoding takes.
    pub parts: u64,
    /// Nodes, those of subgraphs and functions included, also after every function call is written out.
    pub nodes: u64,
    /// Constants, those of subgraphs included.
    pub initialisers: u64,
    /// Graphs inside each other; the model's own is at depth 0.
    pub depth: u64,
    /// Bytes of one attribute's numbers and texts; its tensors count as tensors.
    pub attribute_bytes: u64,
    /// Elements of one tensor, and of one value as far as its size is known.
    pub elements: u64,
    /// Bytes of one name or text.
    pub name_bytes: u64,
    /// Functions that the model defines.
    pub functions: u64,
    /// Versions of the standard operators.
    pub opsets: RangeInclusive<i64>,
    /// Operators, as (domain, name), the standard domain being empty.
    pub operators: BTreeSet<(String, String)>,
}

impl Default for Limits {
    /// Room for the models that one machine serves, and the operators in `validate/operators.rs`.
    fn default() -> Self {
        let named = |domain: &'static str, names: &'static [&'static str]| {
            names.iter().map(move |name| (domain.to_owned(), (*name).to_owned()))
        };
        let operators = named("", operators::STANDARD)
            .chain(named("com.microsoft", operators::MICROSOFT))
            .chain(named("ai.onnx.ml", operators::CLASSICAL));
        Self {
            bytes: 2 << 30,
            parts: 2_000_000,
            nodes: 100_000,
            initialisers: 50_000,
            depth: 4,
            attribute_bytes: 16 << 20,
            elements: 1 << 30,
            name_bytes: 1024,
            functions: 256,
            opsets: 7..=24,
            operators: operators.collect(),
        }
    }
}

impl Limits {
    fn check(&self, found: u64, limit: u64, what: impl FnOnce() -> String) -> Result<(), ValidateError> {
        if found > limit { Err(ValidateError::Limit { what: what(), found, limit }) } else { Ok(()) }
    }

    fn allows(&self, domain: &str, operator: &str) -> bool {
        let domain = if domain == "ai.onnx" { "" } else { domain };
        self.operators.contains(&(domain.to_owned(), operator.to_owned()))
    }
}

/// Why a model is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ValidateError {
    /// The bytes are no ONNX model.
    #[error("this is no ONNX model: {0}; export it again, or fetch it again if it was cut off")]
    Decode(String),
    /// Something is larger than allowed.
    #[error("{what} is {found}, over the limit of {limit}; use a smaller model, or raise the limit")]
    Limit {
        /// What.
        what: String,
        /// How large it is, or how far it was counted.
        found: u64,
        /// How large it may be.
        limit: u64,
    },
    /// Data in another file.
    #[error("{0} keeps its data in another file; save the model with all data inside")]
    External(String),
    /// A tensor that is not what it declares.
    #[error("{place} {reason}; export the model again")]
    Tensor {
        /// The tensor.
        place: String,
        /// What is wrong.
        reason: String,
    },
    /// An operator that is not on the list.
    #[error(
        "node {node} uses operator {operator} of domain {domain:?}, which is not allowed; export the model with plain standard operators"
    )]
    Operator {
        /// The node.
        node: String,
        /// The operator's domain.
        domain: String,
        /// The operator.
        operator: String,
    },
    /// A node that is wrong otherwise.
    #[error("node {node} {reason}; export the model again")]
    Node {
        /// The node.
        node: String,
        /// What is wrong.
        reason: String,
    },
    /// A version of operators that is not allowed, missing or named twice.
    #[error(
        "the standard operators are of version {found}, where {oldest} to {newest} are allowed; export the model for one of these"
    )]
    Opset {
        /// What the model says.
        found: String,
        /// The oldest allowed.
        oldest: i64,
        /// The newest allowed.
        newest: i64,
    },
    /// A function that is wrong.
    #[error("function {name:?} {reason}; export the model without functions of its own")]
    Function {
        /// Its name.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// A graph that trains the model.
    #[error("the model brings a training graph; export it for inference")]
    Training,
    /// The graph is not sound.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// The shapes contradict each other.
    #[error(transparent)]
    Shape(#[from] ShapeError),
}

/// Decodes a model that comes from elsewhere, if nothing is wrong with it.
///
/// # Errors
/// [`ValidateError`]; each names the place and says what to do.
pub fn validate(bytes: &[u8], limits: &Limits) -> Result<ModelProto, ValidateError> {
    limits.check(bytes.len() as u64, limits.bytes, || "the size of the model in bytes".to_owned())?;
    let parts = wire::parts(bytes, limits.parts)
        .ok_or_else(|| ValidateError::Decode("it is not encoded as one, or cut off".to_owned()))?;
    limits.check(parts, limits.parts, || "the number of parts of the model".to_owned())?;
    let model = ModelProto::decode(bytes).map_err(|error| ValidateError::Decode(error.to_string()))?;
    check(&model, limits)?;
    Ok(model)
}

/// Checks a decoded model as [`validate`] does.
///
/// # Errors
/// [`ValidateError`].
pub fn check(model: &ModelProto, limits: &Limits) -> Result<(), ValidateError> {
    if !model.training_info.is_empty() {
        return Err(ValidateError::Training);
    }
    opset(model, limits)?;
    let graph = model.graph.as_ref().ok_or(GraphError::NoGraph)?;
    if graph.output.is_empty() {
        return Err(ValidateError::Decode("its graph has no output".to_owned()));
    }
    let functions = Functions::of(model, limits)?;
    let mut walk = Walk { limits, functions: &functions, nodes: 0, initialisers: 0 };
    walk.graph(graph, 0, &HashSet::new())?;
    functions.walk(&mut walk)?;
    limits.check(functions.expanded(graph)?, limits.nodes, || {
        "the number of nodes with functions written out".to_owned()
    })?;
    Index::new(graph)?;
    sizes(model, graph, limits)
}

fn opset(model: &ModelProto, limits: &Limits) -> Result<(), ValidateError> {
    let standard = |domain: &str| matches!(domain, "" | "ai.onnx");
    let imports =
        || model.opset_import.iter().chain(model.functions.iter().flat_map(|function| &function.opset_import));
    let fail =
        |found: String| ValidateError::Opset { found, oldest: *limits.opsets.start(), newest: *limits.opsets.end() };
    if let Some(import) = imports().find(|import| standard(&import.domain) && !limits.opsets.contains(&import.version))
    {
        return Err(fail(import.version.to_string()));
    }
    match model.opset_import.iter().filter(|import| standard(&import.domain)).count() {
        1 => Ok(()),
        0 => Err(fail("none".to_owned())),
        _ => Err(fail("several".to_owned())),
    }
}

/// Refuses values that are certainly too large, such as a constant filled to a terabyte when the graph is loaded.
fn sizes(model: &ModelProto, graph: &GraphProto, limits: &Limits) -> Result<(), ValidateError> {
    let shapes = shape::infer(model)?;
    for name in graph.node.iter().flat_map(|node| &node.output) {
        let Some(sizes) = shapes.get(name).and_then(|known| known.shape.as_ref()) else { continue };
        let known = sizes.iter().map(|size| match size {
            Size::Known(number) => u64::try_from(*number).unwrap_or(0),
            Size::Symbol(_) | Size::Unknown => 1,
        });
        let elements = known.fold(1u64, u64::saturating_mul);
        limits.check(elements, limits.elements, || format!("the number of elements of value {name:?}"))?;
    }
    Ok(())
}
