//! The files of a model folder: what their headers say, checked against their real lengths, and the numbers in them.
//!
//! Every file that changes what a model answers is read here and nowhere else, and [`model_files`] lists them all: what
//! makes a model's id is what makes its answers.

mod chat;
mod dialogue;
mod finite;
mod further;
mod inline;
pub(super) mod instead;
pub(super) mod json;
mod sentence;
mod weights;

use std::path::{Path, PathBuf};

pub use chat::ChatTemplate;
pub use dialogue::Dialogue;
pub use further::is_text_file;
pub use inline::inline;
pub use sentence::Sentence;
pub(crate) use weights::MAX_INLINE_BYTES;
pub use weights::{Storage, Weights};

use crate::build::BuildError;

/// Name of the file that an exporter writes.
pub const ONNX_FILE: &str = "model.onnx";

/// Whether a folder is one with an ONNX file and no weights in safetensors, which come first.
pub fn is_exported(folder: &Path) -> bool {
    let has = |name: &str| folder.join(name).exists();
    has(ONNX_FILE) && !has("model.safetensors") && !has("model.safetensors.index.json")
}

/// The files that a model's folder consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelFiles {
    /// In a fixed order: `config.json`, the weights (with their index where there are several), `tokenizer.json`. Of a
    /// folder with an ONNX file: `config.json` where it is there, `model.onnx`, `tokenizer.json`.
    pub model: Vec<PathBuf>,
    /// What else is there and changes what the model answers, by its path within the folder, in the order of the paths.
    pub further: Vec<PathBuf>,
}

/// The files that decide what the model in a folder answers. Whether the model's own exist and all are what they should
/// be is not looked at.
///
/// # Errors
/// [`BuildError::Read`] and [`BuildError::Damaged`], for the index; [`BuildError::File`], for the list of modules.
pub fn model_files(folder: &Path) -> Result<ModelFiles, BuildError> {
    let further = further::further_files(folder)?;
    let [config, tokenizer] = ["config.json", "tokenizer.json"].map(|file| folder.join(file));
    if is_exported(folder) {
        let config = Some(config).filter(|config| config.exists());
        let model = config.into_iter().chain([folder.join(ONNX_FILE), tokenizer]).collect();
        return Ok(ModelFiles { model, further });
    }
    let mut model = vec![config];
    model.extend(weights::files(folder)?);
    model.push(tokenizer);
    Ok(ModelFiles { model, further })
}
