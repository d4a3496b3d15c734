//! Why a network cannot be made or run.

use std::path::PathBuf;

use datanet_inference::graph::GraphError;
use datanet_inference::graph::adapt::AdaptError;
use datanet_inference::graph::build::BuildError;
use datanet_inference::graph::differentiate::DifferentiateError;
use datanet_inference::graph::quantise::QuantiseError;
use datanet_inference::runtime::RuntimeError;

use crate::data::{Task, TokenError};

/// Why a network cannot be made or run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NetworkError {
    /// The base model's folder.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// Cutting or extending its graph.
    #[error(transparent)]
    Structure(#[from] GraphError),
    /// Placing adapters.
    #[error("lora.targets and lora.layers do not fit the base: {0}")]
    Adapt(#[from] AdaptError),
    /// Differentiating.
    #[error(transparent)]
    Differentiate(#[from] DifferentiateError),
    /// Holding the base in 4 bits.
    #[error(transparent)]
    Quantise(#[from] QuantiseError),
    /// The runtime.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// Tokens.
    #[error(transparent)]
    Tokens(#[from] TokenError),
    /// The graph is not what it should be.
    #[error("the graph does not fit: {0}")]
    Graph(String),
    /// A text whose tokens have no loss.
    #[error("a written text cannot be attributed: {0}")]
    Written(String),
    /// The base is of the wrong kind.
    #[error("the base model cannot {task:?}; that task needs {wanted}")]
    Task {
        /// What is asked of it.
        task: Task,
        /// What would do.
        wanted: &'static str,
    },
    /// No module has such a name.
    #[error("no module of the base is called {targets:?} in the layers named; look at lora.targets and lora.layers")]
    NothingAdapted {
        /// The names.
        targets: Vec<String>,
    },
    /// An adapter of another network.
    #[error("the adapter does not fit this base and job: {0}")]
    Adapter(String),
    /// A theta of another length.
    #[error("theta has {found} numbers, the network {expected}")]
    Theta {
        /// Its length.
        found: usize,
        /// The parameters.
        expected: usize,
    },
    /// A sample that is not loaded.
    #[error("sample {sample} does not exist, {samples} are loaded")]
    Sample {
        /// The index.
        sample: usize,
        /// How many there are.
        samples: usize,
    },
    /// A file of the cache or of the weights.
    #[error("cannot use {folder}: {source}")]
    Cache {
        /// Where.
        folder: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}
