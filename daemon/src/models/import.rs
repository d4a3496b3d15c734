//! Models that others have trained and exported to ONNX, put up as they are: a release without base and without data.
//!
//! Nothing is known of what such a model was trained on, so its answers are free, credited to nobody, and say so; every node
//! can compute them again from the release's files.

use std::path::{Path, PathBuf};

use datanet_api::models::Imported;
use datanet_inference::encoder::{EncoderConfig, EncoderService, EncoderSource};
use datanet_inference::graph::build::{
    BuildError, ModelFiles, ModelFolder, ONNX_FILE, is_exported, is_text_file, model_files,
};
use datanet_ledger::component::models::Model;
use datanet_types::release::{Origin, RELEASE_VERSION, Release, ReleaseFile, Task};
use tokio::task::spawn_blocking;

use super::Models;
use super::deploy::check_name;
use crate::error::{Code, ServiceError, ServiceResult};
use crate::records::check_licence;

/// Tokens of a text that a model put up as it is reads, or fewer where it knows fewer. Part of what its answers are, so
/// the same on every node.
pub(super) const MAX_TOKENS: usize = 512;

/// A licence for a model whose own is not stated.
pub const UNSTATED_LICENCE: &str = "LicenseRef-unstated";

/// A model to put up as it is.
#[derive(Debug, Clone)]
pub struct Import {
    /// Name of its folder within the node's models folder.
    pub folder: String,
    /// The name it gets.
    pub name: String,
    /// SPDX expression.
    pub licence: String,
    /// Name of the account on this node that will own it.
    pub account: String,
}

/// The files that such a model has, beside those that say how texts are read.
const FILES: [&str; 3] = ["config.json", ONNX_FILE, "tokenizer.json"];

/// The manifest of a model put up as it is claims nothing but its files; nor may its record on the ledger, so that it has no
/// price and no credits.
pub(super) fn check_imported(model: &Model, release: &Release) -> ServiceResult<()> {
    let known = |file: &ReleaseFile| FILES.contains(&file.name.as_str()) || is_text_file(&file.name);
    let plain = model.snapshots.is_empty() && release.task() != Task::Generate && release.files.iter().all(known);
    if plain {
        return Ok(());
    }
    let detail = "it is a model put up as it is, and claims data, a run or files that such a model does not have";
    Err(ServiceError::new(Code::BadRelease, detail))
}

impl Models {
    /// Checks an exported model, runs it once, keeps its files as blobs, and puts it on the ledger.
    ///
    /// # Errors
    /// When the name or licence is no good one ([`Code::BadName`], [`Code::BadLicence`]), the account or folder is not
    /// here ([`Code::UnknownKey`], [`Code::UnknownFolder`]), the folder is no exported model that runs here
    /// ([`Code::NotExported`], [`Code::BadModel`], [`Code::NoRuntime`]), the name is taken ([`Code::NameTaken`]), the
    /// ledger refuses the transaction or it is in no block in time, or the ledger, the blob store or the private store
    /// fails.
    pub async fn import_model(&self, import: Import) -> ServiceResult<Imported> {
        check_name(&import.name)?;
        check_licence(&import.licence)?;
        self.keyring.get(&import.account)?;
        let folder = self.model_folder(&import.folder)?;
        if !is_exported(&folder) {
            let detail = format!("{:?} {}", import.folder, why_not_exported(&folder));
            return Err(ServiceError::new(Code::NotExported, detail));
        }
        let (task, labels, dimensions) = self.tried(&folder).await?;
        self.check_free(&import.name).await?;
        let mut files = Vec::new();
        for path in released_files(&folder).map_err(|error| bad(&import.folder, &error.to_string()))? {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            files.push(self.keep_file(name, &path).await?);
        }
        files.sort_by(|a, b| a.name.cmp(&b.name));
        let release = Release {
            version: RELEASE_VERSION,
            name: import.name.clone(),
            task: task as i32,
            files,
            labels: labels.clone(),
            licence: import.licence,
            origin: Origin::Imported as i32,
            ..Release::default()
        };
        release.validate().map_err(|error| bad(&import.folder, &error.to_string()))?;
        let packed = self.keep_release(&release, &import.account).await?;
        self.register_release(&packed, &import.account).await?;
        let task = if task == Task::Classify { "classify" } else { "embed" };
        Ok(Imported { model: packed.model, name: import.name, task: task.to_owned(), labels, dimensions })
    }

    /// A folder of the models folder by its name alone: nothing outside it can be named.
    pub(super) fn model_folder(&self, name: &str) -> ServiceResult<PathBuf> {
        let models = self.folder();
        let entries = std::fs::read_dir(models).into_iter().flatten().flatten();
        let mut names: Vec<String> = entries
            .filter(|entry| entry.path().is_dir())
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect();
        if names.iter().any(|known| known == name) {
            return Ok(models.join(name));
        }
        names.sort();
        let known = if names.is_empty() { "no folder".to_owned() } else { names.join(", ") };
        let detail =
            format!("no folder {name:?} in {}, which holds {known}; put the model's folder there", models.display());
        Err(ServiceError::new(Code::UnknownFolder, detail))
    }

    /// Loads the model and runs it once: what it does, its labels, and the numbers in its output.
    async fn tried(&self, folder: &Path) -> ServiceResult<(Task, Vec<String>, usize)> {
        let runtime = self.runtime()?.clone();
        let mut config = EncoderConfig::new(EncoderSource::Folder(folder.to_owned()));
        config.threads = self.settings.inference.threads as usize;
        config.max_text_tokens = MAX_TOKENS;
        let started = spawn_blocking(move || EncoderService::spawn(&runtime, config)).await;
        let started = started.map_err(|error| ServiceError::caused(Code::ModelFailed, error))?;
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        let handle = started.map_err(|error| bad(&name, &error.to_string()))?;
        let (labels, dimensions) = (handle.model().labels.clone(), handle.model().dimensions);
        handle.shutdown().await;
        let task = if labels.is_empty() { Task::Embed } else { Task::Classify };
        Ok((task, labels, dimensions))
    }

    /// Whether nothing here and no release answers to a name.
    async fn check_free(&self, name: &str) -> ServiceResult<()> {
        let base = self.bases().await?.iter().any(|base| base.name == name);
        let deployed = self.db.model_names()?.iter().any(|named| named.name == name);
        let released = self.chain.ledger_models()?.iter().any(|model| model.release && model.name == name);
        let what = match (base, deployed, released) {
            (true, ..) => "a base model of this node",
            (_, true, _) => "what a deployed model answers to",
            (.., true) => "a model on the ledger",
            _ => return Ok(()),
        };
        Err(ServiceError::new(Code::NameTaken, format!("{name:?} is {what}; take another --name")))
    }
}

/// The files of a folder that decide what its model answers. Its list of modules is none of them: a model that was tried
/// is pooled as one without such a list is.
fn released_files(folder: &Path) -> Result<Vec<PathBuf>, BuildError> {
    let ModelFiles { model, further } = model_files(folder)?;
    let texts = further.into_iter().filter(|file| file.to_str().is_some_and(is_text_file));
    Ok(model.into_iter().chain(texts.map(|file| folder.join(file))).collect())
}

/// What a folder holds that is no exported model, and what to do.
fn why_not_exported(folder: &Path) -> String {
    let has = |name: &str| folder.join(name).exists();
    if has("model.safetensors") || has("model.safetensors.index.json") {
        return "is a model in safetensors, which is a base: train an adapter over it with `datanet train`, and put that \
                up instead"
            .to_owned();
    }
    // Exporters put several into a folder of their own.
    let graphs = ["", "onnx"].iter().flat_map(|inner| {
        let entries = std::fs::read_dir(folder.join(inner)).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        names.filter(|name| name.ends_with(".onnx")).map(|name| Path::new(inner).join(name).display().to_string())
    });
    let mut graphs: Vec<String> = graphs.collect();
    graphs.sort();
    if graphs.is_empty() {
        return format!("holds no {ONNX_FILE}; export the model to ONNX into it, with its tokenizer.json beside");
    }
    let found = graphs.iter().take(8).map(String::as_str).collect::<Vec<_>>().join(", ");
    format!("holds no {ONNX_FILE} but {found}; move the one that you want up into the folder itself as {ONNX_FILE}")
}

/// Why the folder of this name is no model that can be used.
fn bad(folder: &str, why: &str) -> ServiceError {
    ServiceError::new(Code::BadModel, format!("model folder {folder:?}: {why}"))
}

/// Whether a folder can be a base: one with an ONNX file is looked into, since strangers' files are refused for many reasons
/// and classifiers take no adapters.
pub(super) fn can_be_base(folder: &Path) -> bool {
    !is_exported(folder) || ModelFolder::open(folder).is_ok_and(|opened| !opened.is_classifier())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_without_a_graph_is_told_what_it_holds_instead() {
        let folder = tempfile::tempdir().unwrap();
        let why = || why_not_exported(folder.path());
        assert!(why().contains("export the model to ONNX"));
        std::fs::create_dir(folder.path().join("onnx")).unwrap();
        for graph in ["onnx/model.onnx", "model_quantized.onnx"] {
            std::fs::write(folder.path().join(graph), b"x").unwrap();
        }
        assert!(why().contains("but model_quantized.onnx, onnx/model.onnx; move"), "{}", why());
        std::fs::write(folder.path().join("model.safetensors"), b"x").unwrap();
        assert!(why().contains("`datanet train`") && !why().contains("onnx"));
    }
}
