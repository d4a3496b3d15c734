//! What can be wrong with a graph's structure.

/// Why a graph cannot be worked on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GraphError {
    /// The model holds no graph.
    #[error("the model holds no graph; export it again")]
    NoGraph,
    /// Two things in the graph write one name.
    #[error("value {0:?} is defined twice; give each value a name of its own")]
    Duplicate(String),
    /// A node reads a name that nothing writes.
    #[error("node {node} reads {value:?}, which nothing produces; export the model again")]
    Unproduced {
        /// The node, as [`crate::onnx::NodeProto::label`] has it.
        node: String,
        /// The name read.
        value: String,
    },
    /// An output of the graph that nothing writes, or a name asked for that is not there.
    #[error("the graph has no value {0:?}; list its values, names are case-sensitive")]
    NoValue(String),
    /// Nodes wait for each other.
    #[error("node {0} reads what is computed from its own output; a graph must have no cycle")]
    Cycle(String),
    /// A part of a graph needs an input that is not among those named.
    #[error("the part asked for also depends on input {0:?}; name it among the inputs")]
    MissingInput(String),
    /// The element type of a value at the border of a part cannot be told.
    #[error("the element type of {0:?} is not known; declare it in the graph's value_info")]
    Untyped(String),
    /// The shapes in the graph contradict each other.
    #[error("{0}")]
    Shape(String),
}
