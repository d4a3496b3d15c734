//! A model folder, loaded and identified.

use std::fs::File;
use std::path::Path;

use super::session::Encoder;
use super::tokenize::TextTokenizer;
use super::{EngineConfig, EngineError, Provider, Runtime};
use crate::graph::build::{BuildError, ModelFolder, Storage, model_files};

/// Keeps ids of models apart from every other hash of the network.
const MODEL_ID_CONTEXT: &str = "datanet model id v1: config.json, model.safetensors, tokenizer.json";

/// What is being served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelInfo {
    /// BLAKE3 over a domain tag and the hashes of the folder's files ([`model_files`]), so that nodes can tell whether
    /// they serve the same model.
    pub id: [u8; 32],
    /// Name of the folder.
    pub name: String,
    /// Numbers in a vector.
    pub dimensions: usize,
    /// Tokens of a text that are read, special tokens included.
    pub max_tokens: usize,
    /// What runs it.
    pub provider: Provider,
}

/// A loaded model, ready to be served.
pub(super) struct Model {
    pub(super) info: ModelInfo,
    pub(super) tokenizer: TextTokenizer,
    pub(super) encoder: Encoder,
}

impl Model {
    pub(super) fn load(runtime: &Runtime, config: &EngineConfig) -> Result<Self, EngineError> {
        let folder = &config.model_dir;
        let opened = ModelFolder::open(folder)?;
        let (max_positions, dimensions) = (opened.max_positions(), opened.hidden_size());
        let max_tokens = config.max_text_tokens.min(max_positions);
        let tokenizer = TextTokenizer::read(&folder.join("tokenizer.json"), max_tokens, opened.vocab_size())?;
        let graph = opened.encoder(Storage::Mapped)?;
        let (encoder, provider) = Encoder::load(runtime, config, graph, opened.weights_folder(), dimensions)?;
        let info = ModelInfo {
            id: folder_id(folder)?,
            name: folder.file_name().map_or_else(|| "model".to_owned(), |name| name.to_string_lossy().into_owned()),
            dimensions,
            max_tokens,
            provider,
        };
        Ok(Self { info, tokenizer, encoder: encoder.with_max_length(max_positions) })
    }
}

/// The id of the model in a folder, whatever it does: see [`ModelInfo::id`].
///
/// # Errors
/// [`EngineError::Model`], where a file cannot be read.
pub fn folder_id(folder: &Path) -> Result<[u8; 32], EngineError> {
    Ok(model_id(&model_files(folder)?)?)
}

fn model_id(paths: &[impl AsRef<Path>]) -> Result<[u8; 32], BuildError> {
    let mut id = blake3::Hasher::new_derive_key(MODEL_ID_CONTEXT);
    for path in paths {
        let path = path.as_ref();
        let read_error = |source| BuildError::Read { path: path.to_owned(), source };
        // A pipe or a device would be read for ever.
        if !std::fs::metadata(path).map_err(read_error)?.is_file() {
            return Err(read_error(std::io::Error::other("it is no regular file")));
        }
        let mut file = blake3::Hasher::new();
        file.update_reader(File::open(path).map_err(read_error)?).map_err(read_error)?;
        id.update(file.finalize().as_bytes());
    }
    Ok(*id.finalize().as_bytes())
}
