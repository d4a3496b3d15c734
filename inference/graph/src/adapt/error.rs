//! Why a graph cannot be adapted.

use crate::GraphError;
use crate::shape::ShapeError;

/// Why a graph cannot be adapted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdaptError {
    /// The graph is not sound.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// Its shapes contradict each other.
    #[error(transparent)]
    Shape(#[from] ShapeError),
    /// No target was named.
    #[error("no target is named; name modules such as {0}")]
    NoTargets(String),
    /// A target that matches no linear layer.
    #[error("no linear layer is called {target:?}; there are {known}")]
    Unmatched {
        /// The target.
        target: String,
        /// What there is, shortened.
        known: String,
    },
    /// A layer that no targeted module belongs to.
    #[error("no targeted module is in layer {layer}; those are in layers {known}")]
    NoLayer {
        /// The layer asked for.
        layer: usize,
        /// The layers there are.
        known: String,
    },
    /// The model has slots already.
    #[error("the model has adapter slots already ({0}); adapt the model it was made from")]
    Adapted(String),
    /// The layer sees all samples as one, so that none can have an adapter of its own.
    #[error(
        "module {module} reads {found} rows where the batch has {batch}: samples cannot be told apart; use a shared \
         adapter, or leave it out"
    )]
    Flattened {
        /// The module.
        module: String,
        /// Rows that it reads.
        found: String,
        /// Samples of the batch.
        batch: String,
    },
    /// The factor is not a number.
    #[error("scale {0} is not finite; give alpha / rank")]
    Scale(f32),
}
