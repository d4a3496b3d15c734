//! What can be wrong with an adapter.

use std::path::PathBuf;

/// Why an adapter cannot be read, written or used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdapterError {
    /// A file could not be read or written.
    #[error("cannot use {path}: {source}; give a folder with adapter_config.json and adapter_model.safetensors")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// `adapter_config.json` is not what it should be.
    #[error("adapter_config.json is not usable: {0}")]
    Config(String),
    /// A kind of adapter, or a variation of LoRA, that is not known here.
    #[error("{0} is not supported; use plain LoRA without biases")]
    Unsupported(String),
    /// The file of tensors is damaged.
    #[error("the adapter's file is damaged: {0}; fetch it again")]
    Damaged(String),
    /// A name that appears twice.
    #[error("{0} appears twice; an adapter must hold it once")]
    Duplicate(String),
    /// A name that is no part of an adapter.
    #[error("{0:?} is no part of a LoRA adapter; remove it")]
    UnknownName(String),
    /// One of two factors is missing.
    #[error("module {0} lacks one of its two factors")]
    Unpaired(String),
    /// Sizes and lengths disagree.
    #[error("the sizes of {name} do not fit its numbers, or the adapter's rank")]
    Shape {
        /// The module or tensor.
        name: String,
    },
    /// A number that is not finite.
    #[error("{0} holds a number that is not finite; train again with a lower rate")]
    NotFinite(String),
    /// A rank outside the bounds.
    #[error("rank {0} is outside 1 to 4096")]
    Rank(usize),
    /// More than the bounds allow.
    #[error("the adapter is too large: {0}")]
    TooLarge(String),
    /// Nothing in it.
    #[error("the adapter holds no module")]
    Empty,
    /// A module that the model does not have in this size.
    #[error(
        "module {module} of the adapter has sizes {expected:?}, the model's {found:?}: it was made for another model"
    )]
    Misfit {
        /// The module.
        module: String,
        /// Its input and output in the adapter.
        expected: [usize; 2],
        /// Its input and output in the model; `None` if it is not there.
        found: Option<[usize; 2]>,
    },
}
