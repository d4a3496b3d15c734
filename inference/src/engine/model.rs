//! A model folder, loaded and identified.

use std::fs::File;
use std::path::Path;

use super::session::Encoder;
use super::tokenize::TextTokenizer;
use super::{EngineConfig, EngineError, Provider, Runtime};
use crate::graph::build::{BertConfig, BuildError, Storage, Weights, bert};

/// Keeps ids of models apart from every other hash of the network.
const MODEL_ID_CONTEXT: &str = "datanet model id v1: config.json, model.safetensors, tokenizer.json";

/// What is being served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelInfo {
    /// BLAKE3 over a domain tag and the hashes of the folder's three files, so that nodes can tell whether they serve
    /// the same model.
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
        let paths = ["config.json", "model.safetensors", "tokenizer.json"].map(|file| folder.join(file));
        let [bert_config, safetensors, tokenizer] = &paths;
        let bert_config = BertConfig::read(bert_config)?;
        // The runtime reads no weights through a link that leads out of the folder it is given, as those of Hugging
        // Face's cache do: it gets the real folder.
        let real = safetensors.canonicalize();
        let real = real.map_err(|source| BuildError::Read { path: safetensors.clone(), source })?;
        let weights = Weights::open(&real)?;
        let max_tokens = config.max_text_tokens.min(bert_config.max_position_embeddings);
        let tokenizer = TextTokenizer::read(tokenizer, max_tokens, bert_config.vocab_size)?;
        let graph = bert::build(&bert_config, &weights, Storage::Mapped)?;
        let (encoder, provider) = Encoder::load(runtime, config, graph, &real, bert_config.hidden_size)?;
        let info = ModelInfo {
            id: model_id(&paths)?,
            name: folder.file_name().map_or_else(|| "model".to_owned(), |name| name.to_string_lossy().into_owned()),
            dimensions: bert_config.hidden_size,
            max_tokens,
            provider,
        };
        Ok(Self { info, tokenizer, encoder: encoder.with_max_length(bert_config.max_position_embeddings) })
    }
}

/// The id of the model in a folder, whatever it does: see [`ModelInfo::id`].
///
/// # Errors
/// [`EngineError::Model`], where a file cannot be read.
pub fn folder_id(folder: &Path) -> Result<[u8; 32], EngineError> {
    Ok(model_id(&["config.json", "model.safetensors", "tokenizer.json"].map(|file| folder.join(file)))?)
}

fn model_id(paths: &[impl AsRef<Path>]) -> Result<[u8; 32], BuildError> {
    let mut id = blake3::Hasher::new_derive_key(MODEL_ID_CONTEXT);
    for path in paths {
        let path = path.as_ref();
        let read_error = |source| BuildError::Read { path: path.to_owned(), source };
        let mut file = blake3::Hasher::new();
        file.update_reader(File::open(path).map_err(read_error)?).map_err(read_error)?;
        id.update(file.finalize().as_bytes());
    }
    Ok(*id.finalize().as_bytes())
}
