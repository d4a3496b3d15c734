//! Which files of a model folder decide what the model answers, beside its weights.

use std::path::{Path, PathBuf};

use super::dialogue::{CHAT_TEMPLATE, GENERATION_CONFIG};
use super::sentence::{CONFIG_SENTENCE_TRANSFORMERS, MODULES, SENTENCE_CONFIGS, pooling_file};
use crate::build::BuildError;

/// What the tokenizer's maker says of it.
pub(super) const TOKENIZER_CONFIG: &str = "tokenizer_config.json";

/// Whether a file says how texts are read, whatever the graph: what an exported model carries beside it.
pub fn is_text_file(name: &str) -> bool {
    SENTENCE_CONFIGS.contains(&name) || name == TOKENIZER_CONFIG
}

/// Those files of a folder, by their paths within it, that may be there or not and change what the model answers.
pub(super) fn further_files(folder: &Path) -> Result<Vec<PathBuf>, BuildError> {
    let others = [MODULES, CONFIG_SENTENCE_TRANSFORMERS, CHAT_TEMPLATE, GENERATION_CONFIG, TOKENIZER_CONFIG];
    let mut files: Vec<PathBuf> = others.into_iter().chain(SENTENCE_CONFIGS).map(PathBuf::from).collect();
    files.extend(pooling_file(folder)?.map(PathBuf::from));
    files.retain(|file| folder.join(file).exists());
    files.sort();
    Ok(files)
}
