//! A model's files, checked and turned into a graph whose outputs are known.

use std::path::{Path, PathBuf};

use super::{EncoderConfig, EncoderSource, ServeError};
use crate::engine::tokenize::TextTokenizer;
use crate::graph::build::{BuildError, ModelFolder, Storage};
use crate::graph::validate::{Limits, validate};
use crate::onnx::{DataType, Dim, ModelProto, ValueInfoProto};

/// The mean over a text's tokens, before it is scaled to unit length, in graphs built here.
const POOLED: &str = "pooled";

/// What is read off the graph, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// `[batch, hidden]`: a vector a text.
    Vector(String),
    /// `[batch, seq, hidden]`: a vector a token, of which the mean is taken.
    Tokens(String),
    /// `[batch, classes]`: the model is a classifier.
    Logits(String),
}

impl Reading {
    pub(crate) fn output(&self) -> &str {
        match self {
            Self::Vector(name) | Self::Tokens(name) | Self::Logits(name) => name,
        }
    }
}

/// A model that has passed every check and is not loaded yet.
pub(crate) struct Opened {
    pub(crate) graph: ModelProto,
    pub(crate) tokenizer: TextTokenizer,
    /// The folder in which weights lie that are not in the graph.
    pub(crate) weights: Option<PathBuf>,
    pub(crate) reading: Reading,
    pub(crate) token_types: bool,
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
    let tokenizer = TextTokenizer::read(&path.join("tokenizer.json"), max_tokens, folder.vocab_size())?;
    let mut graph = folder.encoder(Storage::Mapped)?;
    expose(&mut graph, POOLED, &[Dim::Symbol("batch"), Dim::Size(folder.hidden_size() as i64)]);
    Ok(Opened {
        graph,
        tokenizer,
        weights: Some(folder.weights_folder().to_owned()),
        reading: Reading::Vector(POOLED.to_owned()),
        token_types: false,
        name: name_of(path),
        max_tokens,
        labels: Vec::new(),
    })
}

fn open_onnx(model: &Path, tokenizer: &Path, labels: &[String], config: &EncoderConfig) -> Result<Opened, ServeError> {
    let read_error = |source| BuildError::Read { path: model.to_owned(), source };
    let limits = Limits::default();
    let size = std::fs::metadata(model).map_err(read_error)?.len();
    if size > limits.bytes {
        return Err(ServeError::Onnx(format!("it has {size} bytes, more than {}", limits.bytes)));
    }
    let bytes = std::fs::read(model).map_err(read_error)?;
    let graph = validate(&bytes, &limits).map_err(|error| ServeError::Onnx(error.to_string()))?;
    let (reading, token_types) = signature(&graph)?;
    // How many tokens the model knows is seen when it runs: a token beyond them fails its text.
    let tokenizer = TextTokenizer::read(tokenizer, config.max_text_tokens, usize::MAX)?;
    Ok(Opened {
        graph,
        tokenizer,
        weights: None,
        reading,
        token_types,
        name: name_of(model),
        max_tokens: config.max_text_tokens,
        labels: labels.to_vec(),
    })
}

/// Which output is read, and whether token types are wanted.
fn signature(model: &ModelProto) -> Result<(Reading, bool), ServeError> {
    let graph = model.graph.as_ref().ok_or_else(|| ServeError::Onnx("it has no graph".to_owned()))?;
    let constant = |name: &str| graph.initializer.iter().any(|tensor| tensor.name == name);
    let inputs: Vec<&str> =
        graph.input.iter().map(|input| input.name.as_str()).filter(|name| !constant(name)).collect();
    for needed in ["input_ids", "attention_mask"] {
        if !inputs.contains(&needed) {
            return Err(ServeError::Onnx(format!("it has no input {needed}; export it with that name")));
        }
    }
    if let Some(other) = inputs.iter().find(|name| !["input_ids", "attention_mask", "token_type_ids"].contains(name)) {
        return Err(ServeError::Onnx(format!("it wants an input {other}, which nobody gives")));
    }
    type Make = fn(String) -> Reading;
    let known: [(&str, Make); 5] = [
        ("logits", Reading::Logits),
        (POOLED, Reading::Vector),
        ("last_hidden_state", Reading::Tokens),
        ("token_embeddings", Reading::Tokens),
        ("sentence_embedding", Reading::Vector),
    ];
    let has = |name: &str| graph.output.iter().any(|output| output.name == name);
    let found = known.iter().find(|(name, _)| has(name)).map(|(name, make)| make((*name).to_owned()));
    let reading = found.ok_or_else(|| {
        ServeError::Onnx(
            "it has none of the outputs logits, pooled, last_hidden_state and sentence_embedding".to_owned(),
        )
    })?;
    Ok((reading, inputs.contains(&"token_type_ids")))
}

/// Makes an inner value of the graph an output as well.
fn expose(model: &mut ModelProto, value: &str, shape: &[Dim]) {
    let Some(graph) = model.graph.as_mut() else { return };
    if !graph.output.iter().any(|output| output.name == value) {
        graph.output.push(ValueInfoProto::tensor(value, DataType::Float, shape));
    }
}

fn name_of(path: &Path) -> String {
    path.file_stem().map_or_else(|| "model".to_owned(), |name| name.to_string_lossy().into_owned())
}
