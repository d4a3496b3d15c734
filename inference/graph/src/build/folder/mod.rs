//! The files of a model folder: what their headers say, checked against their real lengths, and the numbers in them.

mod finite;
mod inline;
pub(super) mod json;
mod weights;

use std::path::Path;

pub use inline::inline;
pub(crate) use weights::MAX_INLINE_BYTES;
pub use weights::{Storage, Weights, model_files};

/// Name of the file that an exporter writes.
pub const ONNX_FILE: &str = "model.onnx";

/// Whether a folder is one with an ONNX file and no weights in safetensors, which come first.
pub fn is_exported(folder: &Path) -> bool {
    let has = |name: &str| folder.join(name).exists();
    has(ONNX_FILE) && !has("model.safetensors") && !has("model.safetensors.index.json")
}
