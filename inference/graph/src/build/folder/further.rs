//! Which files of a model folder decide what the model answers, beside its weights.

use std::path::{Path, PathBuf};

use super::dialogue::{CHAT_TEMPLATE, GENERATION_CONFIG};
use super::sentence::{CONFIG_SENTENCE_TRANSFORMERS, MODULES, SENTENCE_CONFIGS, pooling_file};
use crate::build::BuildError;

/// What the tokenizer's maker says of it.
pub(super) const TOKENIZER_CONFIG: &str = "tokenizer_config.json";

/// The files that say how texts are read, in the order in which they are looked for; the first of those about sentences
/// counts.
pub const TEXT_FILES: [&str; 8] = [
    SENTENCE_CONFIGS[0],
    SENTENCE_CONFIGS[1],
    SENTENCE_CONFIGS[2],
    SENTENCE_CONFIGS[3],
    SENTENCE_CONFIGS[4],
    SENTENCE_CONFIGS[5],
    SENTENCE_CONFIGS[6],
    TOKENIZER_CONFIG,
];

/// Those files of a folder, by their paths within it, that may be there or not and change what the model answers.
pub(super) fn further_files(folder: &Path) -> Result<Vec<PathBuf>, BuildError> {
    let others = [MODULES, CONFIG_SENTENCE_TRANSFORMERS, CHAT_TEMPLATE, GENERATION_CONFIG];
    let mut files: Vec<PathBuf> = others.into_iter().chain(TEXT_FILES).map(PathBuf::from).collect();
    files.extend(pooling_file(folder)?.map(PathBuf::from));
    files.retain(|file| folder.join(file).exists());
    files.sort();
    Ok(files)
}
