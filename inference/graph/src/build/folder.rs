//! A Hugging Face model folder: what it holds, and its graphs.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{BuildError, DecoderForm, EncoderConfig, LlamaConfig, Storage, Weights, config, decoder, encoder};
use crate::onnx::ModelProto;

/// The families of models that graphs are known for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Architecture {
    /// BERT and MiniLM.
    Bert,
    /// DistilBERT.
    DistilBert,
    /// RoBERTa and XLM-RoBERTa.
    Roberta,
    /// Llama, Mistral and Qwen2 decoders.
    Llama,
}

impl Architecture {
    /// Its short name: `bert`, `distilbert`, `roberta` or `llama`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bert => "bert",
            Self::DistilBert => "distilbert",
            Self::Roberta => "roberta",
            Self::Llama => "llama",
        }
    }

    /// What stands before the names of tensors where the model is part of one for a task.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Bert => "bert.",
            Self::DistilBert => "distilbert.",
            Self::Roberta => "roberta.",
            Self::Llama => "model.",
        }
    }
}

#[derive(Debug)]
enum Config {
    Encoder(EncoderConfig),
    Decoder(LlamaConfig),
}

/// A model folder whose configuration and headers of weights have been checked.
#[derive(Debug)]
pub struct ModelFolder {
    folder: PathBuf,
    config: Config,
    weights: Weights,
}

#[derive(Deserialize)]
struct Kind {
    model_type: String,
}

impl ModelFolder {
    /// Reads `config.json` and the headers of `model.safetensors`, or of the files that `model.safetensors.index.json`
    /// names.
    ///
    /// # Errors
    /// [`BuildError`] if one of them cannot be read, is damaged, or is of a model that no graph is known for.
    pub fn open(folder: &Path) -> Result<Self, BuildError> {
        let json = config::read(&folder.join("config.json"))?;
        let kind: Kind = config::parse(&json)?;
        let config = match kind.model_type.as_str() {
            "bert" | "distilbert" | "roberta" | "xlm-roberta" => Config::Encoder(EncoderConfig::parse(&json)?),
            _ => Config::Decoder(LlamaConfig::parse(&json)?),
        };
        Ok(Self { folder: folder.to_owned(), config, weights: Weights::open_folder(folder)? })
    }

    /// What kind of model it is.
    pub fn architecture(&self) -> Architecture {
        match &self.config {
            Config::Encoder(config) => config.architecture,
            Config::Decoder(_) => Architecture::Llama,
        }
    }

    /// Width of the hidden state.
    pub fn hidden_size(&self) -> usize {
        match &self.config {
            Config::Encoder(config) => config.hidden_size,
            Config::Decoder(config) => config.hidden_size,
        }
    }

    /// Number of layers.
    pub fn layers(&self) -> usize {
        match &self.config {
            Config::Encoder(config) => config.num_hidden_layers,
            Config::Decoder(config) => config.num_hidden_layers,
        }
    }

    /// Tokens known.
    pub fn vocab_size(&self) -> usize {
        match &self.config {
            Config::Encoder(config) => config.vocab_size,
            Config::Decoder(config) => config.vocab_size,
        }
    }

    /// Longest input in tokens.
    pub fn max_positions(&self) -> usize {
        match &self.config {
            Config::Encoder(config) => config.max_positions(),
            Config::Decoder(config) => config.max_position_embeddings,
        }
    }

    /// The folder, as it was given: `tokenizer.json` lies in it.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The folder that the weights really lie in, links followed: what the runtime must be given with
    /// [`Storage::Mapped`].
    pub fn weights_folder(&self) -> &Path {
        self.weights.folder()
    }

    /// The encoder's configuration, if it is one.
    pub fn encoder_config(&self) -> Option<&EncoderConfig> {
        match &self.config {
            Config::Encoder(config) => Some(config),
            Config::Decoder(_) => None,
        }
    }

    /// The decoder's configuration, if it is one.
    pub fn decoder_config(&self) -> Option<&LlamaConfig> {
        match &self.config {
            Config::Encoder(_) => None,
            Config::Decoder(config) => Some(config),
        }
    }

    /// The encoder's graph, as [`encoder`] describes it.
    ///
    /// # Errors
    /// [`BuildError::WrongKind`] for a decoder; and if a tensor is not what the configuration calls for.
    pub fn encoder(&self, storage: Storage) -> Result<ModelProto, BuildError> {
        let wrong = || BuildError::WrongKind { found: self.architecture().name(), wanted: "encoder" };
        encoder::build(self.encoder_config().ok_or_else(wrong)?, &self.weights, storage)
    }

    /// The decoder's graph, as [`decoder`] describes it.
    ///
    /// # Errors
    /// [`BuildError::WrongKind`] for an encoder; and if a tensor is not what the configuration calls for.
    pub fn decoder(&self, storage: Storage, form: DecoderForm) -> Result<ModelProto, BuildError> {
        let wrong = || BuildError::WrongKind { found: self.architecture().name(), wanted: "decoder" };
        decoder::build(self.decoder_config().ok_or_else(wrong)?, &self.weights, storage, form)
    }
}
