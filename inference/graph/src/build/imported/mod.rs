//! Encoders and classifiers that come as ONNX files: checked, measured, and brought into the form of graphs built here.
//!
//! ```text
//!  model.onnx ──► validate ──► signature   which output is read, and as what
//!  config.json ───────┐        sizes       width, tokens known, longest input
//!                     └──────► canonical   inputs input_ids and attention_mask; pooled, or logits
//! ```
//!
//! What leaves this module has the inputs `input_ids` and `attention_mask`, int64 `[batch, seq]`, whatever the exporter
//! made of them: token types are zeros that the graph makes itself. An encoder has the value `pooled` and the outputs that
//! [`crate::build::encoder`] documents (`last_hidden_state` where the file has one vector a token), a classifier the output
//! `logits`. Weights lie in the graph, so that [`crate::build::Storage`] makes no difference.

mod canonical;
mod opset;
mod scores;
mod signature;
mod sizes;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use crate::build::folder::instead::instead;
use crate::build::folder::{ONNX_FILE, Sentence, json};
use crate::build::{BuildError, Pooling};
use crate::onnx::ModelProto;
use crate::shape;
use crate::validate::{Limits, validate};
pub use scores::Scores;
use signature::{Reading, Signature};
use sizes::Sizes;

/// Most classes that names are read for.
const MAX_LABELS: usize = 65_536;
/// Most bytes of a class's name.
const MAX_LABEL_BYTES: usize = 1_024;

/// What `config.json` may say of an ONNX file; everything else of it is passed over.
#[derive(Debug, Default, Deserialize)]
struct ExportConfig {
    #[serde(alias = "dim", alias = "d_model")]
    hidden_size: Option<usize>,
    #[serde(alias = "n_layers")]
    num_hidden_layers: Option<usize>,
    max_position_embeddings: Option<usize>,
    pad_token_id: Option<usize>,
    #[serde(default)]
    id2label: BTreeMap<String, String>,
    problem_type: Option<String>,
    function_to_apply: Option<String>,
    sentence_transformers: Option<CrossEncoderConfig>,
    sbert_ce_default_activation_function: Option<String>,
}

/// What Sentence Transformers writes into the `config.json` of a classifier.
#[derive(Debug, Default, Deserialize)]
struct CrossEncoderConfig {
    activation_fn: Option<String>,
}

impl ExportConfig {
    fn check(&self) -> Result<(), BuildError> {
        let bounds = [
            ("hidden_size", self.hidden_size, 1, 65_536),
            ("num_hidden_layers", self.num_hidden_layers, 0, 4_096),
            ("max_position_embeddings", self.max_position_embeddings, 1, 1 << 20),
        ];
        for (key, value, least, most) in bounds {
            if let Some(value) = value.filter(|value| !(least..=most).contains(value)) {
                return Err(BuildError::Config(format!("{key} is {value}, which is not within {least} and {most}")));
            }
        }
        Ok(())
    }

    /// Names of the classes in their order; empty where there are none.
    fn labels(&self) -> Result<Vec<String>, BuildError> {
        let bad = |what: &str| Err(BuildError::Config(format!("id2label {what}")));
        if self.id2label.len() > MAX_LABELS || self.id2label.values().any(|label| label.len() > MAX_LABEL_BYTES) {
            return bad("is too large");
        }
        let name = |class: usize| self.id2label.get(&class.to_string()).cloned();
        let labels: Vec<String> = (0..self.id2label.len()).map_while(name).collect();
        if labels.len() == self.id2label.len() { Ok(labels) } else { bad("does not count its classes from 0 on") }
    }
}

/// A checked ONNX file of an encoder or a classifier.
#[derive(Debug)]
pub struct Export {
    model: ModelProto,
    signature: Signature,
    sizes: Sizes,
    layers: usize,
    labels: Vec<String>,
    scores: Scores,
}

impl Export {
    /// Reads and checks an ONNX file with the inputs `input_ids`, `attention_mask` and perhaps `token_type_ids` (integers
    /// `[batch, seq]`) and one of the outputs `logits` `[batch, classes]`, `pooled` or `sentence_embedding`
    /// `[batch, hidden]`, and `last_hidden_state` or `token_embeddings` `[batch, seq, hidden]`, the first of them
    /// that it has being what is read. A `config.json` beside it is read where it is there.
    ///
    /// # Errors
    /// [`BuildError::Onnx`] for what [`validate`] refuses, [`BuildError::Export`] for another signature, and for a
    /// `config.json` that contradicts the graph.
    pub fn read(path: &Path) -> Result<Self, BuildError> {
        let read_error = |source| BuildError::Read { path: path.to_owned(), source };
        let limits = Limits::default();
        let about = std::fs::metadata(path).map_err(read_error)?;
        // A pipe or a device would be read for ever.
        if !about.is_file() {
            return Err(read_error(std::io::Error::other("it is no regular file")));
        }
        if about.len() > limits.bytes {
            let what = format!("it has {} bytes, more than {}; use a smaller model", about.len(), limits.bytes);
            return Err(BuildError::Export(what));
        }
        let bytes = std::fs::read(path).map_err(read_error)?;
        if bytes.is_empty() {
            return Err(BuildError::Export("it is empty; export it or fetch it again".to_owned()));
        }
        if let Some(what) = instead(&bytes) {
            return Err(BuildError::Instead { file: ONNX_FILE.to_owned(), what });
        }
        let model = validate(&bytes, &limits)?;
        let beside = path.with_file_name("config.json");
        let config = if beside.exists() { json::parse(&json::read(&beside)?)? } else { ExportConfig::default() };
        Self::of(model, &config)
    }

    fn of(model: ModelProto, config: &ExportConfig) -> Result<Self, BuildError> {
        config.check()?;
        let shapes = shape::infer(&model).map_err(crate::GraphError::from)?;
        let signature = Signature::of(&model, &shapes)?;
        let sizes = Sizes::of(&model, &shapes, &signature, config)?;
        let (labels, scores) = match &signature.reading {
            Reading::Logits(_) => (labels(config, sizes.width)?, Scores::of(config, sizes.width)?),
            Reading::Vector(_) | Reading::Tokens(_) => (Vec::new(), Scores::default()),
        };
        Ok(Self { model, signature, sizes, layers: config.num_hidden_layers.unwrap_or(0), labels, scores })
    }

    /// Whether it gives logits: then it is served as it is, and no adapter goes over it.
    pub fn is_classifier(&self) -> bool {
        matches!(self.signature.reading, Reading::Logits(_))
    }

    /// Numbers in a text's vector; of a classifier the number of its classes.
    pub fn width(&self) -> usize {
        self.sizes.width
    }

    /// Tokens known; `usize::MAX` where the graph does not show it.
    pub fn vocab_size(&self) -> usize {
        self.sizes.vocabulary
    }

    /// Longest input in tokens: the rows of the position table, or what `config.json` says if that is less; 512 where
    /// neither says anything.
    pub fn max_positions(&self) -> usize {
        self.sizes.positions
    }

    /// Layers as `config.json` has it; 0 where it does not say.
    pub fn layers(&self) -> usize {
        self.layers
    }

    /// Names of a classifier's classes: those of `config.json`, else `LABEL_0`, `LABEL_1`, as Hugging Face has it. Empty
    /// for an encoder.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// What its logits mean; without meaning for an encoder.
    pub fn scores(&self) -> Scores {
        self.scores
    }

    /// Whether texts' vectors are made as `sentence` says: the mean is taken here, any other way must be in the graph.
    pub(super) fn check_pooling(&self, sentence: &Sentence) -> Result<(), BuildError> {
        if !matches!(self.signature.reading, Reading::Tokens(_)) || sentence.pooling == Pooling::Mean {
            return Ok(());
        }
        let what = format!(
            "it gives a vector a token, and its folder asks for the pooling {:?}; export it with the output sentence_embedding",
            sentence.pooling
        );
        Err(BuildError::Export(what))
    }

    /// The encoder's graph, in the form of those built here.
    ///
    /// # Errors
    /// [`BuildError::Classifier`] for a classifier.
    pub fn encoder(&self) -> Result<ModelProto, BuildError> {
        if self.is_classifier() {
            return Err(BuildError::Classifier);
        }
        canonical::write(&self.model, &self.signature, &self.sizes)
    }

    /// The classifier's graph, with the output `logits`.
    ///
    /// # Errors
    /// [`BuildError::WrongKind`] for an encoder.
    pub fn classifier(&self) -> Result<ModelProto, BuildError> {
        if !self.is_classifier() {
            return Err(BuildError::WrongKind { found: "onnx", wanted: "classifier" });
        }
        canonical::write(&self.model, &self.signature, &self.sizes)
    }
}

fn labels(config: &ExportConfig, classes: usize) -> Result<Vec<String>, BuildError> {
    let named = config.labels()?;
    if named.is_empty() {
        return Ok((0..classes).map(|class| format!("LABEL_{class}")).collect());
    }
    if named.len() != classes {
        let what = format!("id2label of config.json names {} classes, its logits have {classes}", named.len());
        return Err(BuildError::Export(what));
    }
    Ok(named)
}
