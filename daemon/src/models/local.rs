//! The files of released models on this node's disk: fetched before anybody is served with them, and let go of again.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use datanet_api::models::{PullProgress, Pulled, Removed};
use datanet_inference::graph::adapter::peft;
use datanet_inference::graph::build::ModelFolder;
use datanet_types::release::{Origin, Release};
use datanet_types::{BlobHash, ModelId};
use tokio::task::spawn_blocking;

use super::Models;
use super::release::{MAX_FILE_BYTES, file_tag, manifest_tag};
use super::served::Made;
use crate::error::{Code, ServiceError, ServiceResult};

impl Models {
    /// Has a released model's files here, checked, and keeps them until [`Models::remove_files`]. Nothing is loaded or
    /// served. `tell` is called whenever one has come.
    ///
    /// # Errors
    /// When it is not on the ledger ([`Code::UnknownModel`]) or has no files there ([`Code::NoRelease`]), its release is
    /// not good ([`Code::BadRelease`], [`Code::BadAdapter`]), nobody gives one of the files
    /// ([`Code::BlobUnavailable`]), the disk is full ([`Code::DiskFull`]), or a store fails.
    pub async fn pull(&self, id: &ModelId, mut tell: impl FnMut(PullProgress) + Send) -> ServiceResult<Pulled> {
        let registered = self.chain.registered_model(id)?;
        if !registered.release {
            let detail =
                format!("model {} is registered without its files, so there is nothing to fetch", registered.name);
            return Err(ServiceError::new(Code::NoRelease, detail));
        }
        let release = self.release(id).await?;
        Made::of(&registered, &release)?;
        let total = release.files.iter().map(|file| file.size).fold(0, u64::saturating_add);
        let (mut held, mut bytes) = (Vec::new(), 0_u64);
        let progress = |file: &str, files: usize, bytes: u64| PullProgress {
            file: file.to_owned(),
            files,
            of_files: release.files.len(),
            bytes,
            of_bytes: total,
        };
        for (number, file) in release.files.iter().enumerate() {
            tell(progress(&file.name, number, bytes));
            held.push(self.blobs.bring(&file.blob, Some(file.size), MAX_FILE_BYTES, &[]).await?);
            bytes = bytes.saturating_add(file.size);
        }
        tell(progress("", release.files.len(), bytes));
        let (_, folder) = self.release_folder(id).await?;
        check_files(&release, folder).await?;
        self.db.keep_pulled(id)?;
        self.keep_for_others(id).await?;
        drop(held);
        let base_here = match &release.base {
            Some(base) => self.base_by_id(base).await.is_ok(),
            None => true,
        };
        let (name, files) = (release.name.clone(), release.files.len());
        Ok(Pulled { model: *id, name, files, bytes, base: release.base, base_here })
    }

    /// Lets go of a model's files here. Other nodes keep theirs.
    ///
    /// # Errors
    /// When the model answers here, another is made over it, or a job needs it ([`Code::ModelInUse`]); when nothing of it
    /// is here ([`Code::UnknownModel`]); or when a store fails. Then nothing has changed.
    pub async fn remove_files(&self, id: &ModelId) -> ServiceResult<Removed> {
        let _no_deploying = self.deploying.lock().await;
        let _no_unpacking = self.unpacking.lock().await;
        self.check_unused(id)?;
        let folder = self.settings.released.join(id.to_hex());
        if self.blobs.kept(&manifest_tag(id)).await?.is_none() && !folder.is_dir() {
            let detail = format!("nothing of model {id} is kept here; `datanet model pull {id}` fetches it");
            return Err(ServiceError::new(Code::UnknownModel, detail));
        }
        let release = self.release(id).await?;
        self.db.forget_pulled(id)?;
        self.served.forget_visitor(id);
        self.drop_idle_engines().await;
        let unpacked = remove_folder(folder).await?;
        let mut ids = self.wanted_ids()?;
        ids.remove(id);
        let needed = self.files_of(&ids).await;
        let mut blobs = 0_u64;
        for file in release.files.iter().filter(|file| !needed.contains(&file.blob)) {
            let tag = file_tag(&file.blob);
            blobs = blobs.saturating_add(if self.blobs.kept(&tag).await?.is_some() { file.size } else { 0 });
            self.blobs.release(&tag).await?;
        }
        self.blobs.release(&manifest_tag(id)).await?;
        let files = release.files.len();
        Ok(Removed { model: *id, name: release.name, files, bytes: unpacked.saturating_add(blobs), bytes_later: blobs })
    }

    /// Why a model's files must stay, and what to do first.
    fn check_unused(&self, id: &ModelId) -> ServiceResult<()> {
        let in_use = |detail: String| Err(ServiceError::new(Code::ModelInUse, detail));
        if self.served.is_deployed(id) || self.is_kept_deployed(id)? {
            let named = self.db.model_names()?.into_iter().filter(|named| named.model == *id);
            let names = named.map(|named| format!("{:?}", named.name)).collect::<Vec<_>>().join(", ");
            let how = if names.is_empty() {
                "a name can be rolled back to it".to_owned()
            } else {
                format!("answers as {names}")
            };
            return in_use(format!("model {id} is deployed here ({how}): `datanet model undeploy {id}` first"));
        }
        if let Some(over) = self.served.all().into_iter().find(|served| served.base.id == *id) {
            let name = &over.release.name;
            return in_use(format!(
                "model {name}, which is deployed here, is made over it: `datanet model undeploy {name}` first"
            ));
        }
        let needs = |job: &crate::db::jobs::JobRecord| {
            let repeated = job.repeats.map(|repeats| repeats.model);
            let packed = job.packed.map(|packed| packed.model);
            (!job.state.is_over() && [job.base, packed, repeated].contains(&Some(*id)))
                || (job.order.is_some() && packed == Some(*id) && self.is_needed(job))
        };
        match self.db.jobs()?.into_iter().find(needs) {
            Some(job) => {
                let job = job.id;
                in_use(format!(
                    "job {job} needs model {id}: wait for it (`datanet jobs follow {job}`) or `datanet jobs cancel {job}` first"
                ))
            }
            None => Ok(()),
        }
    }

    /// The blobs that these releases consist of, as far as their manifests can be had.
    pub(super) async fn files_of(&self, ids: &BTreeSet<ModelId>) -> BTreeSet<BlobHash> {
        let mut files = BTreeSet::new();
        for id in ids {
            // What cannot be had now has no files here either.
            let Ok(release) = self.release(id).await else { continue };
            files.extend(release.files.iter().map(|file| file.blob));
        }
        files
    }
}

/// Whether an adapter or a whole model can be read; the blob store has checked every byte.
async fn check_files(release: &Release, folder: PathBuf) -> ServiceResult<()> {
    let adapter = release.origin() == Origin::Adapter;
    let checked = spawn_blocking(move || match adapter {
        true => peft::read(&folder).map(drop).map_err(|error| ServiceError::caused(Code::BadAdapter, error)),
        false => ModelFolder::open(&folder).map(drop).map_err(|error| ServiceError::caused(Code::BadRelease, error)),
    });
    checked.await.map_err(|error| ServiceError::caused(Code::Release, error))?
}

/// Removes the folder of a release; how many bytes were in it.
async fn remove_folder(folder: PathBuf) -> ServiceResult<u64> {
    let removed = spawn_blocking(move || match size_of(&folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error),
        Ok(bytes) => std::fs::remove_dir_all(&folder).map(|()| bytes),
    });
    let removed = removed.await.map_err(|error| ServiceError::caused(Code::Release, error))?;
    removed.map_err(|error| ServiceError::io("cannot remove the model's folder", &error))
}

fn size_of(folder: &Path) -> std::io::Result<u64> {
    let sizes = std::fs::read_dir(folder)?.map(|entry| Ok(entry?.metadata()?.len()));
    sizes.sum()
}
