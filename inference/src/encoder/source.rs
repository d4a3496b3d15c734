//! A model's files, checked and turned into a graph whose output is known.

use std::path::{Path, PathBuf};

use super::model_id::{folder_id, model_id};
use super::tokenize::{self, TextTokenizer};
use super::{EncoderConfig, EncoderSource, ServeError};
use crate::graph::build::decoder::LOGITS;
use crate::graph::build::encoder::{POOLED, SENTENCE_EMBEDDING};
use crate::graph::build::{Export, ModelFolder, Scores, Storage};
use crate::onnx::{DataType, Dim, ModelProto, ValueInfoProto};

/// What is read off the graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// `[batch, hidden]`: a text's tokens pooled, before the vector is scaled to unit length.
    Pooled,
    /// `[batch, hidden]`: the same at unit length.
    Unit,
    /// `[batch, classes]`: the model is a classifier, whose logits mean this.
    Logits(Scores),
}

impl Reading {
    pub(crate) fn output(self) -> &'static str {
        match self {
            Self::Pooled => POOLED,
            Self::Unit => SENTENCE_EMBEDDING,
            Self::Logits(_) => LOGITS,
        }
    }
}

/// A model that has passed every check and is not loaded yet.
pub(crate) struct Opened {
    /// Tells it from every other model.
    pub(crate) id: [u8; 32],
    pub(crate) graph: ModelProto,
    pub(crate) tokenizer: TextTokenizer,
    /// The folder in which weights lie that are not in the graph.
    pub(crate) weights: Option<PathBuf>,
    pub(crate) reading: Reading,
    pub(crate) name: String,
    /// Tokens of a text that are read.
    pub(crate) max_tokens: usize,
    pub(crate) labels: Vec<String>,
}

pub(crate) fn open(config: &EncoderConfig) -> Result<Opened, ServeError> {
    match &config.source {
        EncoderSource::Folder(folder) => open_folder(folder, config),
        EncoderSource::Onnx { model, tokenizer, labels } => open_onnx(model, tokenizer, labels, config),
    }
}

fn open_folder(path: &Path, config: &EncoderConfig) -> Result<Opened, ServeError> {
    let folder = ModelFolder::open(path)?;
    let max_tokens = config.max_text_tokens.min(folder.max_positions());
    let vocabulary = folder.vocab_size();
    let reading = tokenize::Reading { max_tokens, vocabulary, lowercase: folder.sentence().lowercase };
    let tokenizer = TextTokenizer::read(&path.join("tokenizer.json"), reading)?;
    let (graph, reading) = match folder.is_classifier() {
        true => (folder.classifier()?, Reading::Logits(folder.scores())),
        false => read(folder.encoder(Storage::Mapped)?, folder.hidden_size(), config),
    };
    if !matches!(reading, Reading::Logits(_)) && !folder.sentence().pooling_stated {
        tracing::info!(folder = %path.display(), "the folder has no modules.json: the mean over a text's tokens is its vector");
    }
    Ok(Opened {
        id: folder_id(path)?,
        graph,
        tokenizer,
        weights: Some(folder.weights_folder().to_owned()),
        reading,
        name: name_of(path),
        max_tokens,
        labels: folder.labels().to_vec(),
    })
}

fn open_onnx(model: &Path, tokenizer: &Path, labels: &[String], config: &EncoderConfig) -> Result<Opened, ServeError> {
    let export = Export::read(model)?;
    let max_tokens = config.max_text_tokens.min(export.max_positions());
    let id = model_id(&[model, tokenizer])?;
    let reading = tokenize::Reading { max_tokens, vocabulary: export.vocab_size(), lowercase: false };
    let tokenizer = TextTokenizer::read(tokenizer, reading)?;
    let (graph, reading) = match export.is_classifier() {
        true => (export.classifier()?, Reading::Logits(export.scores())),
        false => read(export.encoder()?, export.width(), config),
    };
    let labels = if labels.is_empty() { export.labels() } else { labels };
    let labels = labels.to_vec();
    Ok(Opened { id, graph, tokenizer, weights: None, reading, name: name_of(model), max_tokens, labels })
}

/// What is read of an encoder, and the graph that gives it.
fn read(model: ModelProto, width: usize, config: &EncoderConfig) -> (ModelProto, Reading) {
    if config.unit { (model, Reading::Unit) } else { (pooled(model, width), Reading::Pooled) }
}

/// Makes the pooled vector, an inner value of the graph, an output as well.
fn pooled(mut model: ModelProto, width: usize) -> ModelProto {
    if let Some(graph) = model.graph.as_mut() {
        let shape = [Dim::Symbol("batch"), Dim::Size(width as i64)];
        graph.output.push(ValueInfoProto::tensor(POOLED, DataType::Float, &shape));
    }
    model
}

fn name_of(path: &Path) -> String {
    path.file_stem().map_or_else(|| "model".to_owned(), |name| name.to_string_lossy().into_owned())
}
