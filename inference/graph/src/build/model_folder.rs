//! A Hugging Face model folder: what it holds, and its graphs.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::architecture::{Architecture, DecoderForm, EncoderConfig, LlamaConfig, decoder, encoder};
use super::folder::{Dialogue, ONNX_FILE, Sentence, Storage, Weights, is_exported, json};
use super::{BuildError, Export, Scores};
use crate::onnx::ModelProto;

#[derive(Debug)]
enum Config {
    Encoder(EncoderConfig, Weights),
    Decoder(LlamaConfig, Weights),
    Export(Box<Export>),
}

/// A model folder whose configuration and headers of weights, or whose ONNX file, have been checked.
#[derive(Debug)]
pub struct ModelFolder {
    folder: PathBuf,
    config: Config,
    sentence: Sentence,
    dialogue: Dialogue,
}

#[derive(Deserialize)]
struct Kind {
    model_type: String,
}

impl Config {
    fn open(folder: &Path) -> Result<Self, BuildError> {
        if is_exported(folder) {
            let export = Export::read(&folder.join(ONNX_FILE))?;
            return Ok(Self::Export(Box::new(export)));
        }
        let bytes = json::read(&folder.join("config.json"))?;
        let kind: Kind = json::parse(&bytes)?;
        let weights = || Weights::open_folder(folder);
        Ok(match kind.model_type.as_str() {
            "bert" | "distilbert" | "roberta" | "xlm-roberta" => {
                Self::Encoder(EncoderConfig::parse(&bytes)?, weights()?)
            }
            _ => Self::Decoder(LlamaConfig::parse(&bytes)?, weights()?),
        })
    }
}

impl ModelFolder {
    /// Reads `config.json` and the headers of `model.safetensors`, or of the files that `model.safetensors.index.json`
    /// names, and what else [`super::model_files`] lists. Where there are no safetensors, a `model.onnx` is read and
    /// checked as [`Export::read`] does.
    ///
    /// # Errors
    /// [`BuildError`] if one of them cannot be read, is damaged, or is of a model that no graph is known for.
    pub fn open(folder: &Path) -> Result<Self, BuildError> {
        let mut opened = Self {
            folder: folder.to_owned(),
            config: Config::open(folder)?,
            sentence: Sentence::default(),
            dialogue: Dialogue::default(),
        };
        match &opened.config {
            Config::Encoder(..) => opened.sentence = Sentence::read(folder)?,
            Config::Export(export) => {
                opened.sentence = Sentence::read(folder)?;
                export.check_pooling(&opened.sentence)?;
            }
            Config::Decoder(config, _) => opened.dialogue = Dialogue::read(folder, config.vocab_size)?,
        }
        Ok(opened)
    }

    /// How an encoder reads texts and makes vectors of them.
    pub fn sentence(&self) -> &Sentence {
        &self.sentence
    }

    /// What the folder says of writing.
    pub fn dialogue(&self) -> &Dialogue {
        &self.dialogue
    }

    /// The tokens that end an answer of a decoder: those of `generation_config.json`, to which chat models often add
    /// some, or else those of `config.json`.
    pub fn ends(&self) -> &[u32] {
        let stated = self.decoder_config().map_or(&[][..], |config| &config.eos_token_ids);
        self.dialogue.ends.as_deref().unwrap_or(stated)
    }

    /// What the logits of a classifier mean.
    pub fn scores(&self) -> Scores {
        match &self.config {
            Config::Export(export) => export.scores(),
            Config::Encoder(..) | Config::Decoder(..) => Scores::default(),
        }
    }

    /// What kind of model it is.
    pub fn architecture(&self) -> Architecture {
        match &self.config {
            Config::Encoder(config, _) => config.architecture,
            Config::Decoder(..) => Architecture::Llama,
            Config::Export(_) => Architecture::Onnx,
        }
    }

    /// Width of the hidden state; of a classifier ([`ModelFolder::is_classifier`]) the number of its classes.
    pub fn hidden_size(&self) -> usize {
        match &self.config {
            Config::Encoder(config, _) => config.hidden_size,
            Config::Decoder(config, _) => config.hidden_size,
            Config::Export(export) => export.width(),
        }
    }

    /// Number of layers; of an ONNX file as [`Export::layers`] says.
    pub fn layers(&self) -> usize {
        match &self.config {
            Config::Encoder(config, _) => config.num_hidden_layers,
            Config::Decoder(config, _) => config.num_hidden_layers,
            Config::Export(export) => export.layers(),
        }
    }

    /// Tokens known; of an ONNX file as [`Export::vocab_size`] says.
    pub fn vocab_size(&self) -> usize {
        match &self.config {
            Config::Encoder(config, _) => config.vocab_size,
            Config::Decoder(config, _) => config.vocab_size,
            Config::Export(export) => export.vocab_size(),
        }
    }

    /// Longest input in tokens: what the model has positions for (of an ONNX file as [`Export::max_positions`] says), or
    /// what [`Sentence::max_tokens`] says if that is less.
    pub fn max_positions(&self) -> usize {
        let positions = match &self.config {
            Config::Encoder(config, _) => config.max_positions(),
            Config::Decoder(config, _) => config.max_position_embeddings,
            Config::Export(export) => export.max_positions(),
        };
        self.sentence.max_tokens.map_or(positions, |said| said.min(positions))
    }

    /// Whether it classifies by itself: then it is served as it is, and has no [`ModelFolder::encoder`].
    pub fn is_classifier(&self) -> bool {
        matches!(&self.config, Config::Export(export) if export.is_classifier())
    }

    /// Names of the classes of a classifier; empty for anything else.
    pub fn labels(&self) -> &[String] {
        match &self.config {
            Config::Export(export) => export.labels(),
            Config::Encoder(..) | Config::Decoder(..) => &[],
        }
    }

    /// The folder, as it was given: `tokenizer.json` lies in it.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The folder that the weights really lie in, links followed: what the runtime must be given with
    /// [`Storage::Mapped`].
    pub fn weights_folder(&self) -> &Path {
        match &self.config {
            Config::Encoder(_, weights) | Config::Decoder(_, weights) => weights.folder(),
            Config::Export(_) => &self.folder,
        }
    }

    /// The encoder's configuration, if it is one that a graph is built for.
    pub fn encoder_config(&self) -> Option<&EncoderConfig> {
        match &self.config {
            Config::Encoder(config, _) => Some(config),
            Config::Decoder(..) | Config::Export(_) => None,
        }
    }

    /// The decoder's configuration, if it is one.
    pub fn decoder_config(&self) -> Option<&LlamaConfig> {
        match &self.config {
            Config::Decoder(config, _) => Some(config),
            Config::Encoder(..) | Config::Export(_) => None,
        }
    }

    /// The encoder's graph, as [`encoder`] describes it. The weights of an ONNX file stay in the graph, whatever `storage`
    /// says.
    ///
    /// # Errors
    /// [`BuildError::WrongKind`] for a decoder, [`BuildError::Classifier`] for a classifier; and if a tensor is not what
    /// the configuration calls for.
    pub fn encoder(&self, storage: Storage) -> Result<ModelProto, BuildError> {
        match &self.config {
            Config::Encoder(config, weights) => encoder::build(config, weights, storage, self.sentence.pooling),
            Config::Export(export) => export.encoder(),
            Config::Decoder(..) => Err(self.wrong("encoder")),
        }
    }

    /// The graph of a classifier as it is, with the output `logits` `[batch, classes]`.
    ///
    /// # Errors
    /// [`BuildError::WrongKind`] for anything but a classifier.
    pub fn classifier(&self) -> Result<ModelProto, BuildError> {
        match &self.config {
            Config::Export(export) => export.classifier(),
            Config::Encoder(..) | Config::Decoder(..) => Err(self.wrong("classifier")),
        }
    }

    /// The decoder's graph, as [`decoder`] describes it.
    ///
    /// # Errors
    /// [`BuildError::WrongKind`] for an encoder; and if a tensor is not what the configuration calls for.
    pub fn decoder(&self, storage: Storage, form: DecoderForm) -> Result<ModelProto, BuildError> {
        match &self.config {
            Config::Decoder(config, weights) => decoder::build(config, weights, storage, form),
            Config::Encoder(..) | Config::Export(_) => Err(self.wrong("decoder")),
        }
    }

    fn wrong(&self, wanted: &'static str) -> BuildError {
        BuildError::WrongKind { found: self.architecture().name(), wanted }
    }
}
