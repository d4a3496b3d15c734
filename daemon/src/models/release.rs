//! Releases: packed from a run's files, put on the ledger, fetched from whoever has them, checked.

use std::path::{Path, PathBuf};

use datanet_data::judge::RecordRef;
use datanet_ledger::component::models;
use datanet_p2p::{HeldBlob, Tag, TagKind};
use datanet_types::action::RegisterModel;
use datanet_types::release::{MAX_RELEASE_BYTES, Release, ReleaseFile};
use datanet_types::{Action, BlobHash, Digest, ModelId};
use tokio::task::spawn_blocking;

use super::Models;
use crate::db::jobs::Packed;
use crate::error::{Code, ServiceError, ServiceResult};

/// Name of the file that says which record each training example was.
pub const RECORDS_FILE: &str = "records.json";

/// Largest file of a release that is fetched, in bytes.
pub(super) const MAX_FILE_BYTES: u64 = 64 * 1024 * 1024 * 1024;

/// Largest `records.json`: ten million records have less.
const MAX_RECORDS_BYTES: u64 = 1 << 28;

/// The training examples in order: contribution (by its place in `contributions`) and record.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct RecordsFile {
    /// All contributions that examples come from.
    pub contributions: Vec<datanet_types::ContributionId>,
    /// For each example the place of its contribution, and its position there.
    pub records: Vec<(u32, u64)>,
}

impl RecordsFile {
    /// That of a release's folder.
    ///
    /// # Errors
    /// When the file cannot be read, or is too long or not of that form ([`Code::BadRelease`]).
    pub fn read(release: &Path) -> ServiceResult<Self> {
        let (path, io) =
            (release.join(RECORDS_FILE), |error| ServiceError::io("cannot read the model's records", &error));
        let length = std::fs::metadata(&path).map_err(io)?.len();
        if length > MAX_RECORDS_BYTES {
            let detail = format!("{RECORDS_FILE} has {length} bytes, more than {MAX_RECORDS_BYTES}");
            return Err(ServiceError::new(Code::BadRelease, detail));
        }
        let bytes = std::fs::read(&path).map_err(io)?;
        serde_json::from_slice(&bytes)
            .map_err(|error| ServiceError::new(Code::BadRelease, format!("{RECORDS_FILE}: {error}")))
    }

    /// The contribution that a training example is part of.
    pub fn contribution(&self, example: usize) -> Option<datanet_types::ContributionId> {
        let (place, _) = self.records.get(example)?;
        self.contributions.get(*place as usize).copied()
    }

    /// That of these records.
    pub fn of(records: &[RecordRef]) -> Self {
        let mut file = Self::default();
        for record in records {
            if file.contributions.last() != Some(&record.contribution) {
                file.contributions.push(record.contribution);
            }
            let place = u32::try_from(file.contributions.len().saturating_sub(1)).unwrap_or(u32::MAX);
            file.records.push((place, record.record));
        }
        file
    }
}

impl Models {
    /// Keeps a file of a release as a blob.
    ///
    /// # Errors
    /// When the file cannot be read, the blob store fails, or the disk is full ([`Code::DiskFull`]).
    pub async fn keep_file(&self, name: String, path: &Path) -> ServiceResult<ReleaseFile> {
        let held = self.blobs.add_path(path).await?;
        let blob = BlobHash(held.hash());
        self.blobs.keep(&file_tag(&blob), &blob).await?;
        Ok(ReleaseFile { name, blob, size: held.size() })
    }

    /// Keeps a file of a release that is not on disk.
    ///
    /// # Errors
    /// When the blob store fails, or the disk is full ([`Code::DiskFull`]).
    pub async fn keep_file_bytes(&self, name: String, bytes: Vec<u8>) -> ServiceResult<ReleaseFile> {
        let (size, blob) = (bytes.len() as u64, BlobHash(*blake3::hash(&bytes).as_bytes()));
        self.blobs.keep_bytes(&file_tag(&blob), bytes).await?;
        Ok(ReleaseFile { name, blob, size })
    }

    /// Keeps the manifest of what an account of this node is to register.
    ///
    /// # Errors
    /// When the account has no key here ([`Code::UnknownKey`]), the blob store fails, or the disk is full
    /// ([`Code::DiskFull`]).
    pub async fn keep_release(&self, release: &Release, account: &str) -> ServiceResult<Packed> {
        let owner = self.keyring.get(account)?.address();
        let manifest = release.manifest();
        let packed = Packed { model: ModelId::derive(&owner, &manifest), manifest };
        self.blobs.keep_bytes(&manifest_tag(&packed.model), release.to_bytes()).await?;
        Ok(packed)
    }

    /// Puts a packed release on the ledger for an account of this node; one that is there already is left as it is.
    ///
    /// # Errors
    /// As [`Models::release`]; when the account has no key here ([`Code::UnknownKey`]), the ledger refuses the
    /// transaction or it is in no block in time, or the ledger has no block yet or cannot be read.
    pub async fn register_release(&self, packed: &Packed, account: &str) -> ServiceResult<()> {
        if models::get(&self.chain.reader()?, &packed.model)?.is_some() {
            return Ok(());
        }
        let release = self.manifest(&packed.model, &packed.manifest).await?;
        self.register_release_as(&release, packed, account).await
    }

    /// The same of a manifest that is at hand.
    pub(super) async fn register_release_as(
        &self,
        release: &Release,
        packed: &Packed,
        account: &str,
    ) -> ServiceResult<()> {
        if models::get(&self.chain.reader()?, &packed.model)?.is_some() {
            return Ok(());
        }
        let key = self.keyring.get(account)?;
        // A base that nobody has registered has no owner to be paid.
        let base = match release.base {
            Some(base) => self.registered_base(&base)?,
            None => None,
        };
        let action = RegisterModel {
            manifest: packed.manifest,
            name: release.name.clone(),
            parents: base.into_iter().collect(),
            datanets: release.snapshots.iter().map(|snapshot| snapshot.datanet).collect(),
            licence: release.licence.clone(),
            snapshots: release.snapshots.clone(),
            evaluation: release.evaluation.clone(),
            release: true,
        };
        self.chain.execute(&key, Action::RegisterModel(action)).await.map(|_| ())
    }

    /// The manifest of a release, from here or from whoever has it.
    ///
    /// # Errors
    /// When it is not on the ledger or no node that is connected has it ([`Code::UnknownModel`]), what has that hash is no manifest
    /// ([`Code::BadRelease`]), or the blob store fails.
    pub async fn release(&self, id: &ModelId) -> ServiceResult<Release> {
        self.manifest(id, &self.manifest_of(id)?).await
    }

    /// The hash of a release's manifest: the ledger has it, or the job that is about to put it there.
    fn manifest_of(&self, id: &ModelId) -> ServiceResult<Digest> {
        if let Some(model) = models::get(&self.chain.reader()?, id)?.filter(|model| model.release) {
            return Ok(model.manifest);
        }
        let mut packed = self.db.jobs()?.into_iter().filter_map(|job| job.packed);
        packed.find(|packed| packed.model == *id).map(|packed| packed.manifest).ok_or_else(|| {
            ServiceError::new(
                Code::UnknownModel,
                format!("no release {id} is on the ledger; `GET /v1/models` lists them"),
            )
        })
    }

    async fn manifest(&self, id: &ModelId, manifest: &Digest) -> ServiceResult<Release> {
        let (blob, limit) = (Release::blob_of(manifest), MAX_RELEASE_BYTES as u64);
        let _held = self.blobs.bring(&blob, None, limit, &[]).await.map_err(|error| {
            ServiceError::new(Code::UnknownModel, format!("no node that this one knows has the model {id}: {error}"))
        })?;
        let bytes = self.blobs.read(&blob, limit).await?;
        Release::verify(&bytes, manifest).map_err(|error| {
            let detail =
                format!("the ledger names {manifest} as the manifest of model {id}, and that is none: {error}");
            ServiceError::new(Code::BadRelease, detail)
        })
    }

    /// Has all files of a release here for as long as the result lives.
    async fn bring_files(&self, release: &Release) -> ServiceResult<Vec<HeldBlob>> {
        let mut held = Vec::new();
        for file in &release.files {
            held.push(self.blobs.bring(&file.blob, Some(file.size), MAX_FILE_BYTES, &[]).await?);
        }
        Ok(held)
    }

    /// Keeps a release and its files for others to fetch, as long as it is deployed or owned here.
    pub(super) async fn keep_for_others(&self, id: &ModelId) -> ServiceResult<()> {
        let release = self.release(id).await?;
        let _held = self.bring_files(&release).await?;
        self.blobs.keep_once(&manifest_tag(id), &Release::blob_of(&self.manifest_of(id)?)).await?;
        for file in &release.files {
            self.blobs.keep_once(&file_tag(&file.blob), &file.blob).await?;
        }
        Ok(())
    }

    /// A release's files in a folder of this node, fetched from whoever has them. The blob store checks every byte.
    ///
    /// # Errors
    /// As [`Models::release`]; when nobody gives one of the files ([`Code::BlobUnavailable`]), or the folder cannot be
    /// written.
    pub async fn release_folder(&self, id: &ModelId) -> ServiceResult<(Release, PathBuf)> {
        let release = self.release(id).await?;
        let folder = self.settings.released.join(id.to_hex());
        if folder.is_dir() {
            return Ok((release, folder));
        }
        let held = self.bring_files(&release).await?;
        let _one_at_a_time = self.unpacking.lock().await;
        // Others may have wanted the same meanwhile.
        if folder.is_dir() {
            return Ok((release, folder));
        }
        let io = |error: std::io::Error| ServiceError::io("cannot write the model's files", &error);
        let parts = self.settings.released.join(format!("{id}.part"));
        match std::fs::remove_dir_all(&parts) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(io(error)),
            _ => std::fs::create_dir_all(&parts).map_err(io)?,
        }
        for file in &release.files {
            self.blobs.export(&file.blob, &parts.join(&file.name)).await?;
        }
        drop(held);
        // All of it or nothing: a folder that is there is whole.
        let (from, to) = (parts, folder.clone());
        let moved = spawn_blocking(move || finish_folder(&from, &to)).await;
        moved.map_err(|error| ServiceError::caused(Code::Release, error))?.map_err(io)?;
        Ok((release, folder))
    }
}

fn finish_folder(from: &Path, to: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(from)? {
        std::fs::File::open(entry?.path())?.sync_all()?;
    }
    std::fs::rename(from, to)
}

/// Files are shared by releases, so their tag is their hash.
pub(super) fn file_tag(blob: &BlobHash) -> Tag {
    TagKind::ReleaseFile.tag(blob)
}

pub(super) fn manifest_tag(id: &ModelId) -> Tag {
    TagKind::Release.tag(id)
}

#[cfg(test)]
mod tests {
    use datanet_types::ContributionId;

    use super::*;

    #[test]
    fn records_are_written_shortly_and_in_order() {
        let at = |n: u8, record| RecordRef { contribution: ContributionId([n; 32]), record };
        let file = RecordsFile::of(&[at(1, 0), at(1, 2), at(2, 0)]);
        assert_eq!((file.contributions.len(), file.records), (2, vec![(0, 0), (0, 2), (1, 0)]));
    }
}
