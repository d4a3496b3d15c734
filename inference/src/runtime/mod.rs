//! ONNX Runtime behind four types: the [`Runtime`] library, a [`Session`] over one graph, the [`Tensor`]s that go in
//! and come out, and the [`Provider`] that executes it.
//!
//! Everything that computes with a model (embedding, serving, training, attribution) goes through here, so that
//! determinism, memory and the choice of the device are settled once. [`Locations`] says where the library and the
//! default model lie.

mod library;
pub mod locate;
mod session;
mod tensor;

use std::path::PathBuf;

pub use library::Runtime;
pub use locate::{LocateError, Locations};
pub use session::{Session, SessionConfig};
pub use tensor::{Element, Tensor};

/// Where sessions run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Device {
    /// The processor.
    #[default]
    Cpu,
    /// An NVIDIA GPU, by its number; where it cannot be used the processor takes over and [`Provider`] says why.
    Cuda {
        /// The GPU's number.
        id: u32,
    },
}

/// Where a session was asked to run, and where it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provider {
    /// What the configuration names.
    pub requested: Device,
    /// What executes the graph.
    pub running: Device,
    /// Why the two differ.
    pub fallback: Option<String>,
}

/// Why the runtime did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RuntimeError {
    /// The library cannot be loaded.
    #[error(
        "cannot load ONNX Runtime from {path}: {reason}; run `datanet setup`, or set ORT_DYLIB_PATH to a libonnxruntime of version 1.31 or newer"
    )]
    Library {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// Another copy is loaded already.
    #[error("ONNX Runtime is already loaded from {loaded}, so {asked} cannot be; use one ORT_DYLIB_PATH in a process")]
    OtherLibrary {
        /// The one in use.
        loaded: PathBuf,
        /// The one asked for.
        asked: PathBuf,
    },
    /// The graph was refused.
    #[error("ONNX Runtime refused the model: {0}")]
    Refused(String),
    /// A tensor's numbers do not fill its shape, or are of another element type than asked for.
    #[error("tensor {0}")]
    Tensor(String),
    /// A run failed.
    #[error("ONNX Runtime failed: {0}")]
    Run(String),
    /// The device or the memory it needs is gone: the session is of no use any more.
    #[error("ONNX Runtime lost its device or ran out of memory: {0}")]
    Lost(String),
}

impl RuntimeError {
    /// Whether the session must be made anew; other errors concern one run only.
    pub fn is_fatal(&self) -> bool {
        matches!(self, Self::Lost(_) | Self::Library { .. } | Self::OtherLibrary { .. } | Self::Refused(_))
    }
}
