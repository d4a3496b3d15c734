//! A released model as files for those who have no node: an adapter for PEFT, a graph for ONNX Runtime.
//!
//! What is written computes what a node answers: the tokenizer travels with every form that reads texts by itself, and
//! [`card`] says what the model is, what it learnt from and how it is loaded.

mod card;

use std::path::{Path, PathBuf};

use datanet_api::models::ExportFormat;
use datanet_inference::graph::adapter::peft;
use datanet_inference::graph::build::encoder::SENTENCE_EMBEDDING;
use datanet_inference::graph::build::{ModelFolder, ONNX_FILE, Pooling, is_text_file, model_files};
use datanet_inference::graph::export::{self, ExportError, Numbers};
use datanet_inference::graph::quantise::Precision;
use datanet_inference::onnx::ModelProto;
use datanet_types::ModelId;
use datanet_types::release::{Origin, Release, Task};
use prost::Message as _;
use serde_json::json;
use tokio::task::spawn_blocking;

use super::Models;
use super::served::Made;
use crate::error::{Code, ServiceError, ServiceResult};

/// The adapter for ONNX Runtime, as a release has it.
const ONNX_ADAPTER: &str = "adapter.onnx_adapter";
/// The names of the classes, as a release has them.
const LABELS: &str = "labels.json";
const CONFIG: &str = "config.json";
const TOKENIZER: &str = "tokenizer.json";
const CARD: &str = "README.md";

/// A file of an export.
#[derive(Debug)]
pub struct Part {
    /// Its name: no folders, nothing hidden.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// What is in it.
    pub content: Content,
}

/// What is in a file.
#[derive(Debug)]
pub enum Content {
    /// This.
    Bytes(Vec<u8>),
    /// What an open file holds.
    File(std::fs::File),
}

/// The forms that a model has, the most usual first.
fn formats(release: &Release) -> &'static [ExportFormat] {
    match release.origin() {
        Origin::Adapter => &[ExportFormat::Peft, ExportFormat::Onnx, ExportFormat::OnnxAdapter],
        Origin::Scratch => &[ExportFormat::Transformers, ExportFormat::Onnx],
        Origin::Imported => &[ExportFormat::Onnx],
    }
}

fn check_format(release: &Release, format: ExportFormat) -> ServiceResult<()> {
    let formats = formats(release);
    if formats.contains(&format) {
        return Ok(());
    }
    let is = match release.origin() {
        Origin::Adapter => "an adapter, and no whole model",
        Origin::Scratch => "a whole model that was trained from nothing, and no adapter",
        Origin::Imported => "an ONNX file that was put up as it is",
    };
    let can = formats.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ");
    let detail = format!("model {} is {is}: it cannot be exported as {format}; export it as {can}", release.name);
    Err(ServiceError::new(Code::NotExportable, detail))
}

impl Models {
    /// The files of a released model in a form that others read.
    ///
    /// # Errors
    /// When it is not on the ledger ([`Code::UnknownModel`]) or has no files there ([`Code::NoRelease`]), does not have
    /// that form ([`Code::NotExportable`]), its release is not good ([`Code::BadRelease`], [`Code::BadAdapter`]), its
    /// files or its base cannot be had, or a file cannot be written.
    pub async fn export(&self, id: &ModelId, format: ExportFormat) -> ServiceResult<Vec<Part>> {
        let registered = self.chain.model_on_ledger(id)?.ok_or_else(|| {
            let detail = format!("no model {id} is on the ledger; `datanet model list` shows them");
            ServiceError::new(Code::UnknownModel, detail)
        })?;
        if !registered.record.release {
            let detail =
                format!("model {} is registered without its files: its folder is all of it", registered.record.name);
            return Err(ServiceError::new(Code::NoRelease, detail));
        }
        let release = self.release(id).await?;
        check_format(&release, format)?;
        // A graph with its weights is in memory while it is written.
        let _one_at_a_time = self.exporting.lock().await;
        let (release, folder) = self.release_folder(id).await?;
        let made = Made::of(&registered.record, &release)?;
        let base = match &release.base {
            Some(base) => self.base_by_id(base).await?.folder,
            None => folder.clone(),
        };
        let (precision, max_tokens) = (made.precision(), made.max_tokens());
        let spool = self.settings.released.clone();
        let written = spawn_blocking(move || {
            let opened = ModelFolder::open(&base).map_err(|error| bad(&release, &error.into()))?;
            let source = Source { manner: Manner::of(&opened, precision), release, folder, base, opened, max_tokens };
            let mut parts = source.write(format, &spool)?;
            let card = card::written(&registered, &source.release, format, &source.manner);
            parts.push(bytes(CARD, card.into_bytes()));
            Ok(parts)
        });
        written.await.map_err(|error| ServiceError::caused(Code::ModelFailed, error))?
    }
}

fn bad(release: &Release, error: &ExportError) -> ServiceError {
    ServiceError::new(Code::BadRelease, format!("model {} cannot be exported: {error}", release.name))
}

/// How a model reads and answers, as far as whoever loads it must know.
#[derive(Debug, Default)]
struct Manner {
    pooling: Pooling,
    lowercase: bool,
    precision: Precision,
    /// What is read of the graph of an encoder without a head.
    output: String,
}

impl Manner {
    fn of(base: &ModelFolder, precision: Precision) -> Self {
        let sentence = base.sentence();
        let output = SENTENCE_EMBEDDING.to_owned();
        Self { pooling: sentence.pooling, lowercase: sentence.lowercase, precision, output }
    }
}

/// A model's files, and how it is served.
struct Source {
    release: Release,
    folder: PathBuf,
    base: PathBuf,
    opened: ModelFolder,
    manner: Manner,
    max_tokens: usize,
}

impl Source {
    fn write(&self, format: ExportFormat, spool: &Path) -> ServiceResult<Vec<Part>> {
        match (format, self.release.origin()) {
            (ExportFormat::Peft, _) => self.peft(),
            (ExportFormat::Onnx, Origin::Imported) => {
                self.release.files.iter().map(|file| self.copied(&self.folder, &file.name)).collect()
            }
            (ExportFormat::Onnx, _) => self.onnx(Numbers::Inside, spool),
            (ExportFormat::OnnxAdapter, _) => {
                let mut parts = self.onnx(Numbers::Beside, spool)?;
                parts.push(self.copied(&self.folder, ONNX_ADAPTER)?);
                Ok(parts)
            }
            (ExportFormat::Transformers, _) => {
                [CONFIG, "model.safetensors", TOKENIZER].iter().map(|name| self.copied(&self.folder, name)).collect()
            }
        }
    }

    fn peft(&self) -> ServiceResult<Vec<Part>> {
        let mut names = vec![peft::CONFIG, peft::TENSORS];
        names.extend(self.release.file(LABELS).map(|_| LABELS));
        let mut parts: Vec<Part> =
            names.iter().map(|name| self.copied(&self.folder, name)).collect::<ServiceResult<_>>()?;
        parts.extend(self.texts()?);
        Ok(parts)
    }

    /// The graph with what else a reader of texts needs.
    fn onnx(&self, numbers: Numbers, spool: &Path) -> ServiceResult<Vec<Part>> {
        let failed = |error: ExportError| bad(&self.release, &error);
        let adapter = match self.release.origin() {
            Origin::Adapter => Some(peft::read(&self.folder).map_err(|error| failed(error.into()))?),
            Origin::Scratch | Origin::Imported => None,
        };
        let model = export::whole(&self.opened, adapter.as_ref(), numbers, self.manner.precision).map_err(failed)?;
        let config = match self.release.task() {
            Task::Generate => self.copied(&self.base, CONFIG)?,
            Task::Classify | Task::Embed => bytes(CONFIG, self.config()),
        };
        let mut parts = vec![spooled(ONNX_FILE, &model, spool)?, config];
        parts.extend(self.texts()?);
        Ok(parts)
    }

    /// What a node reads of an encoder's file when it takes it back, and so do others.
    fn config(&self) -> Vec<u8> {
        let labels = || self.release.labels.iter().enumerate();
        let mut config = json!({
            "hidden_size": self.opened.hidden_size(),
            "max_position_embeddings": self.max_tokens.min(self.opened.max_positions()),
        });
        if !self.release.labels.is_empty() {
            config["id2label"] = labels().map(|(class, label)| (class.to_string(), json!(label))).collect();
            config["label2id"] = labels().map(|(class, label)| (label.clone(), json!(class))).collect();
            config["problem_type"] = json!("single_label_classification");
        }
        format!("{config:#}\n").into_bytes()
    }

    /// The base's files that say how a text becomes tokens.
    fn texts(&self) -> ServiceResult<Vec<Part>> {
        let files = model_files(&self.base).map_err(|error| ServiceError::caused(Code::BadBaseModel, error))?;
        let further = files.further.iter().filter_map(|file| file.to_str()).filter(|name| is_text_file(name));
        std::iter::once(TOKENIZER).chain(further).map(|name| self.copied(&self.base, name)).collect()
    }

    fn copied(&self, folder: &Path, name: &str) -> ServiceResult<Part> {
        let io = |error: std::io::Error| ServiceError::io(&format!("cannot read {name} of the model"), &error);
        let file = std::fs::File::open(folder.join(name)).map_err(io)?;
        let size = file.metadata().map_err(io)?.len();
        Ok(Part { name: name.to_owned(), size, content: Content::File(file) })
    }
}

fn bytes(name: &str, bytes: Vec<u8>) -> Part {
    Part { name: name.to_owned(), size: bytes.len() as u64, content: Content::Bytes(bytes) }
}

/// The file of a graph, on disk while it is sent: whoever reads it slowly holds no memory.
fn spooled(name: &str, model: &ModelProto, spool: &Path) -> ServiceResult<Part> {
    use std::io::{Seek, Write};
    let io = |error: std::io::Error| ServiceError::io("cannot write the graph", &error);
    let encoded = model.encode_to_vec();
    std::fs::create_dir_all(spool).map_err(io)?;
    let mut file = tempfile::tempfile_in(spool).map_err(io)?;
    file.write_all(&encoded).and_then(|()| file.rewind()).map_err(io)?;
    Ok(Part { name: name.to_owned(), size: encoded.len() as u64, content: Content::File(file) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_model_is_not_is_refused_with_what_it_can_be() {
        use ExportFormat::{Onnx, OnnxAdapter, Peft, Transformers};
        for (origin, refused, says) in [
            (Origin::Adapter, vec![Transformers], "peft or onnx or onnx-adapter"),
            (Origin::Scratch, vec![Peft, OnnxAdapter], "transformers or onnx"),
            (Origin::Imported, vec![Peft, OnnxAdapter, Transformers], "export it as onnx"),
        ] {
            let release = Release { name: "owls".to_owned(), origin: origin as i32, ..Release::default() };
            for format in [Peft, Onnx, OnnxAdapter, Transformers] {
                match check_format(&release, format) {
                    Ok(()) => assert!(!refused.contains(&format), "{origin:?} {format}"),
                    Err(error) => {
                        assert!(refused.contains(&format) && error.code == Code::NotExportable, "{error}");
                        assert!(error.detail.contains(says) && error.detail.contains("owls"), "{error}");
                    }
                }
            }
        }
    }
}
