//! Base models: the node's embedding model, and the folders in which people have put others.

use std::path::{Path, PathBuf};

use datanet_inference::graph::build::{Architecture, BuildError, ModelFolder, Storage};
use datanet_ledger::component::models;
use datanet_training::job::{Job, Task};
use datanet_training::network::check_adapters;
use datanet_types::release::Origin;
use datanet_types::{Digest, ModelId};

use super::Models;
use super::base_ids::BaseIds;
use crate::error::{Code, ServiceError, ServiceResult};

/// A model that others are made from, on this node's disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base {
    /// BLAKE3 over its files: the same on every node.
    pub id: ModelId,
    /// Its folder's name.
    pub name: String,
    /// `config.json`, `model.safetensors` or `model.onnx`, `tokenizer.json`.
    pub folder: PathBuf,
}

impl Models {
    /// All base models of this node, the embedding model first.
    ///
    /// # Errors
    /// When looking through the models folder breaks off ([`Code::ModelsFolder`]); what is no model there is passed
    /// over.
    pub async fn bases(&self) -> ServiceResult<Vec<Base>> {
        let mut bases = Vec::new();
        if let (Ok(info), Some(folder)) = (self.embedder.info(), self.embedder.folder()) {
            bases.push(Base { id: ModelId(info.id), name: info.name, folder: folder.to_path_buf() });
        }
        let (folder, ids) = (self.folder().to_owned(), self.base_ids.clone());
        let listed = tokio::task::spawn_blocking(move || list(&folder, &ids)).await;
        bases.extend(listed.map_err(|error| ServiceError::caused(Code::ModelsFolder, error))?);
        Ok(bases)
    }

    /// The base model of this name or id: one that lies here, or a released model that is a base by itself.
    ///
    /// # Errors
    /// As [`Models::base_by_id`]; when several owners have a model of that name ([`Code::AmbiguousName`]), or its
    /// folder is no base model ([`Code::BadBaseModel`]).
    pub async fn base(&self, name_or_id: &str) -> ServiceResult<Base> {
        let bases = self.bases().await?;
        let names = bases.iter().map(|base| format!("{:?}", base.name)).collect::<Vec<_>>().join(", ");
        let found = bases.into_iter().find(|base| base.name == name_or_id || base.id.to_hex() == name_or_id);
        if let Some(base) = found {
            return Ok(base);
        }
        match self.model_named(name_or_id) {
            Ok(id) => self.base_by_id(&id).await,
            Err(error) if error.code == Code::UnknownModel => {
                self.check_folder(name_or_id).await?;
                Err(unknown(name_or_id, &names, self.folder()))
            }
            Err(error) => Err(error),
        }
    }

    /// The base model of this id: a folder of this node, or a released model that was trained from nothing.
    ///
    /// # Errors
    /// When there is none ([`Code::UnknownModel`]), it is an adapter ([`Code::BaseIsAnAdapter`]), its files cannot be
    /// had, or the ledger has no block yet or cannot be read.
    pub async fn base_by_id(&self, id: &ModelId) -> ServiceResult<Base> {
        if let Some(base) = self.bases().await?.into_iter().find(|base| base.id == *id) {
            return Ok(base);
        }
        let registered = models::get(&self.chain.reader()?, id)?;
        if registered.is_some_and(|model| model.release) {
            let (release, folder) = self.release_folder(id).await?;
            if release.origin() != Origin::Adapter {
                return Ok(Base { id: *id, name: release.name, folder });
            }
            return Err(ServiceError::new(
                Code::BaseIsAnAdapter,
                format!(
                    "model {} is an adapter; adapt what it adapts, {}",
                    release.name,
                    release.base.unwrap_or_default()
                ),
            ));
        }
        Err(unknown(&id.to_hex(), "others", self.folder()))
    }

    /// The model on the ledger that stands for a base: a release itself; of files that lie here, what an account of this node has
    /// registered. What others have registered of the same files is theirs to name: nobody can prove that he made them.
    ///
    /// # Errors
    /// When the ledger has no block yet or cannot be read.
    pub fn registered_base(&self, base: &ModelId) -> ServiceResult<Option<ModelId>> {
        let reader = self.chain.reader()?;
        let own = self.keyring.list().into_iter().map(|key| ModelId::derive(&key.address, &Digest(base.0)));
        for id in std::iter::once(*base).chain(own) {
            if models::get(&reader, &id)?.is_some() {
                return Ok(Some(id));
            }
        }
        Ok(None)
    }

    /// Why the folder of this name is no base model, if there is such a folder.
    async fn check_folder(&self, name: &str) -> ServiceResult<()> {
        let Ok(folder) = self.model_folder(name) else { return Ok(()) };
        let opened = tokio::task::spawn_blocking(move || ModelFolder::open(&folder)?.encoder(Storage::Mapped)).await;
        let opened = opened.map_err(|error| ServiceError::caused(Code::ModelsFolder, error))?;
        opened.map(|_| ()).map_err(|error| bad_base(name, &error))
    }
}

fn unknown(name: &str, known: &str, folder: &Path) -> ServiceError {
    ServiceError::new(
        Code::UnknownModel,
        format!("no base model {name:?} here; this node has {known}; put its folder into {}", folder.display()),
    )
}

/// The model folders in `folder`; what is no model, or one that nothing is made from, is passed over.
fn list(folder: &Path, ids: &BaseIds) -> Vec<Base> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut folders: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    folders.sort();
    let base = |folder: PathBuf| {
        let name = folder.file_name()?.to_str()?.to_owned();
        let id = ids.id(&folder).ok()??;
        Some(Base { id: ModelId(id), name, folder })
    };
    folders.into_iter().filter_map(base).collect()
}

/// Whether a model can be made into what a job asks for: its family, and the modules and layers that are adapted.
///
/// # Errors
/// When its folder is no base model ([`Code::BadBaseModel`]), or it cannot be made into that
/// ([`Code::BaseDoesNotFit`]).
pub async fn check_base(base: &Base, job: &Job) -> ServiceResult<()> {
    check_task(base, job.task)?;
    let (folder, job) = (base.folder.clone(), job.clone());
    let checked = tokio::task::spawn_blocking(move || check_adapters(&job, &folder)).await;
    let checked = checked.map_err(|error| ServiceError::caused(Code::ModelsFolder, error))?;
    checked.map_err(|error| ServiceError::new(Code::BaseDoesNotFit, format!("base model {}: {error}", base.name)))
}

fn bad_base(name: &str, error: &BuildError) -> ServiceError {
    ServiceError::new(Code::BadBaseModel, format!("base model {name}: {error}"))
}

/// Whether a model can be made into what is asked for, by its `config.json` or its ONNX file.
fn check_task(base: &Base, task: Task) -> ServiceResult<()> {
    let opened = ModelFolder::open(&base.folder).map_err(|error| bad_base(&base.name, &error))?;
    if opened.is_classifier() {
        return Err(bad_base(&base.name, &BuildError::Classifier));
    }
    let decoder = opened.architecture() == Architecture::Llama;
    if decoder == (task == Task::Generate) {
        return Ok(());
    }
    let (is, does) = if decoder { ("a decoder", "\"generate\"") } else { ("an encoder", "\"classify\" or \"embed\"") };
    Err(ServiceError::new(Code::BaseDoesNotFit, format!("{} is {is}: its task is {does}", base.name)))
}
