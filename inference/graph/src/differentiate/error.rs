//! Why a graph has no derivative.

use crate::model::GraphError;
use crate::shape::ShapeError;

/// Why [`differentiate`](super::differentiate) gave no gradient graph.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DifferentiateError {
    /// The graph is not sound.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// Its shapes contradict each other.
    #[error(transparent)]
    Shape(#[from] ShapeError),
    /// The standard operators are of a version whose gradients cannot be written.
    #[error("the graph uses operator set {found}; convert it to version {needed} or later before it is differentiated")]
    Opset {
        /// The graph's version.
        found: i64,
        /// The first that will do.
        needed: i64,
    },
    /// A name that no value has.
    #[error("the graph has no value {0:?}; name an input, an initialiser or the output of a node")]
    NoValue(String),
    /// A value of integers, truth values or text.
    #[error("{0:?} is not a float value, so it has no gradient; name a float value")]
    NotFloat(String),
    /// The objective does not depend on a value.
    #[error(
        "{objective:?} does not depend on {wrt:?} through differentiable operators; leave {wrt:?} out, or check the graph"
    )]
    NotConnected {
        /// The value to be differentiated.
        objective: String,
        /// The value that it was to be differentiated by.
        wrt: String,
    },
    /// An operator without a rule lies between the objective and a value.
    #[error(
        "operator {operator} of node {node:?} has no gradient rule; write the node as simpler operators, or move what is trained behind it"
    )]
    NoRule {
        /// The node.
        node: String,
        /// Domain and operator.
        operator: String,
    },
    /// A known operator is used in a way that its rule does not cover.
    #[error("operator {operator} of node {node:?} cannot be differentiated here: {reason}")]
    Unsupported {
        /// The node.
        node: String,
        /// Domain and operator.
        operator: String,
        /// What is not covered, and what would be.
        reason: String,
    },
}
