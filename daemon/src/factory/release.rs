//! Releases: packed from a run's files, put on the ledger, fetched from whoever has them, checked.

use std::path::{Path, PathBuf};

use datanet_ledger::component::models;
use datanet_training::attribution::Choice;
use datanet_training::job::{Job, Task};
use datanet_types::action::RegisterModel;
use datanet_types::release::{
    Attribution, MAX_RELEASE_BYTES, Metric, RELEASE_VERSION, Release, ReleaseFile, Task as ReleaseTask,
};
use datanet_types::{Action, BlobHash, ModelId};
use tokio::task::spawn_blocking;

use super::data::Gathered;
use super::runs::Trained;
use crate::error::{ServiceError, ServiceResult};
use crate::intake::blob_error;
use crate::local::jobs::JobRecord;
use crate::node::Core;

/// Name of the file that says which record each training example was.
pub const RECORDS_FILE: &str = "records.json";

/// Largest file of a release that is fetched, in bytes.
const MAX_FILE_BYTES: u64 = 64 * 1024 * 1024 * 1024;

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
    pub fn read(release: &Path) -> ServiceResult<Self> {
        let (path, io) =
            (release.join(RECORDS_FILE), |error| ServiceError::io("cannot read the model's records", &error));
        let length = std::fs::metadata(&path).map_err(io)?.len();
        if length > MAX_RECORDS_BYTES {
            let detail = format!("{RECORDS_FILE} has {length} bytes, more than {MAX_RECORDS_BYTES}");
            return Err(ServiceError::unprocessable("bad-release", detail));
        }
        let bytes = std::fs::read(&path).map_err(io)?;
        serde_json::from_slice(&bytes)
            .map_err(|error| ServiceError::unprocessable("bad-release", format!("{RECORDS_FILE}: {error}")))
    }

    /// The contribution that a training example is part of.
    pub fn contribution(&self, example: usize) -> Option<datanet_types::ContributionId> {
        let (place, _) = self.records.get(example)?;
        self.contributions.get(*place as usize).copied()
    }

    /// That of the records of a job.
    pub fn of(gathered: &Gathered) -> Self {
        let mut file = Self::default();
        for record in &gathered.records {
            if file.contributions.last() != Some(&record.contribution) {
                file.contributions.push(record.contribution);
            }
            let place = u32::try_from(file.contributions.len().saturating_sub(1)).unwrap_or(u32::MAX);
            file.records.push((place, record.record));
        }
        file
    }
}

impl Core {
    /// Stores a run's files and their manifest as blobs; the manifest's hash is the model's id.
    pub async fn pack(&self, job: &JobRecord, gathered: &Gathered, trained: &Trained) -> ServiceResult<ModelId> {
        let mut files = Vec::new();
        for (name, path) in &trained.files {
            files.push(self.keep_file(name.clone(), path).await?);
        }
        let records = serde_json::to_vec(&RecordsFile::of(gathered))
            .map_err(|error| ServiceError::internal("release", error.to_string()))?;
        let size = records.len() as u64;
        let hash = BlobHash(*blake3::hash(&records).as_bytes());
        let blob = self.keep_bytes(&file_tag(&hash), records).await?;
        files.push(ReleaseFile { name: RECORDS_FILE.to_owned(), blob, size });
        files.sort_by(|a, b| a.name.cmp(&b.name));
        let release = manifest(job, gathered, trained, files)?;
        release.validate().map_err(|error| ServiceError::internal("release", error.to_string()))?;
        self.keep_release(&release).await
    }

    /// Keeps a file of a release as a blob.
    pub(super) async fn keep_file(&self, name: String, path: &Path) -> ServiceResult<ReleaseFile> {
        let held = self.blobs().add_path(path).await.map_err(|error| blob_error(&error))?;
        let blob = BlobHash(held.hash());
        self.keep_blob(&file_tag(&blob), &blob).await?;
        Ok(ReleaseFile { name, blob, size: held.size() })
    }

    /// Keeps a manifest as a blob; gives its id.
    pub(super) async fn keep_release(&self, release: &Release) -> ServiceResult<ModelId> {
        let id = release.id();
        self.keep_bytes(&manifest_tag(&id), release.to_bytes()).await?;
        Ok(id)
    }

    /// Puts a packed release on the ledger for an account of this node; one that is there already is left as it is.
    pub async fn register_release(&self, id: &ModelId, account: &str) -> ServiceResult<()> {
        if models::get(&self.chain.reader()?, id)?.is_some() {
            return Ok(());
        }
        let release = self.release(id).await?;
        let key = self.keyring.get(account)?;
        // A base that nobody has registered has no owner to be paid.
        let base = match release.base {
            Some(base) => models::get(&self.chain.reader()?, &base)?.map(|model| model.id),
            None => None,
        };
        let action = RegisterModel {
            model: *id,
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
    pub async fn release(&self, id: &ModelId) -> ServiceResult<Release> {
        let (blob, limit) = (Release::blob_of(id), MAX_RELEASE_BYTES as u64);
        let _held = self.bring_blob(&blob, None, limit, &[]).await.map_err(|error| {
            ServiceError::not_found("unknown-model", format!("no node that this one knows has the model {id}: {error}"))
        })?;
        let bytes = self.read_bytes(&blob, limit).await?;
        Release::verify(&bytes, id).map_err(|error| {
            ServiceError::unprocessable(
                "bad-release",
                format!("{id} is the hash of something that is no model: {error}"),
            )
        })
    }

    /// A release's files in a folder of this node, fetched from whoever has them. The blob store checks every byte.
    pub async fn release_folder(&self, id: &ModelId) -> ServiceResult<(Release, PathBuf)> {
        let release = self.release(id).await?;
        let folder = self.home.released().join(id.to_hex());
        if folder.is_dir() {
            return Ok((release, folder));
        }
        self.keep_blob(&manifest_tag(id), &Release::blob_of(id)).await?;
        for file in &release.files {
            let _held = self.bring_blob(&file.blob, Some(file.size), MAX_FILE_BYTES, &[]).await?;
            self.keep_blob(&file_tag(&file.blob), &file.blob).await?;
        }
        let io = |error: std::io::Error| ServiceError::io("cannot write the model's files", &error);
        let parts = self.home.released().join(format!("{id}.part"));
        match std::fs::remove_dir_all(&parts) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(io(error)),
            _ => std::fs::create_dir_all(&parts).map_err(io)?,
        }
        for file in &release.files {
            self.blobs().export(file.blob.0, parts.join(&file.name)).await.map_err(|error| blob_error(&error))?;
        }
        // All of it or nothing: a folder that is there is whole.
        let (from, to) = (parts, folder.clone());
        let moved = spawn_blocking(move || finish_folder(&from, &to)).await;
        moved.map_err(|error| ServiceError::internal("release", error.to_string()))?.map_err(io)?;
        Ok((release, folder))
    }
}

fn finish_folder(from: &Path, to: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(from)? {
        std::fs::File::open(entry?.path())?.sync_all()?;
    }
    match std::fs::rename(from, to) {
        // Somebody else was faster, with the same bytes.
        Err(_) if to.is_dir() => std::fs::remove_dir_all(from),
        other => other,
    }
}

fn manifest(
    job: &JobRecord,
    gathered: &Gathered,
    trained: &Trained,
    files: Vec<ReleaseFile>,
) -> ServiceResult<Release> {
    let plan: Job = serde_json::from_value(job.job.clone())
        .map_err(|error| ServiceError::internal("job", format!("the stored job does not read: {error}")))?;
    let ppm = |value: f64| (value * 1e6).round() as i64;
    let mut evaluation: Vec<Metric> = trained
        .metrics
        .iter()
        .filter(|(name, value)| value.is_finite() && (1..=64).contains(&name.len()))
        .map(|(name, value)| Metric { name: name.clone(), value: ppm(*value) })
        .collect();
    evaluation.truncate(datanet_types::release::MAX_METRICS);
    let influence = files.iter().any(|file| file.name == "influence.safetensors");
    Ok(Release {
        version: RELEASE_VERSION,
        name: job.name(),
        task: release_task(plan.task) as i32,
        base: job.base,
        files,
        labels: gathered.dataset.labels.clone(),
        snapshots: job.snapshots.clone(),
        sources: gathered.sources.clone(),
        evaluation,
        attribution: influence.then(|| attribution(trained)),
        job: plan.to_json(),
        licence: job.licence.clone(),
    })
}

fn attribution(trained: &Trained) -> Attribution {
    let gate = trained.gate.as_ref();
    let ppm = |value: Option<f32>| (f64::from(value.unwrap_or(0.0)) * 1e6).round() as i64;
    let count = |value: Option<usize>| u32::try_from(value.unwrap_or(0)).unwrap_or(u32::MAX);
    let fallback = matches!(trained.choice, Some(Choice::GaussNewton { .. }));
    Attribution {
        method: if fallback { "gauss-newton" } else { "forward-replay" }.to_owned(),
        lds: ppm(gate.and_then(|gate| gate.lds)),
        leave_one_out: ppm(gate.and_then(|gate| gate.leave_one_out)),
        pay: ppm(gate.and_then(|gate| gate.pay)),
        subsets: count(gate.map(|gate| gate.subsets)),
        contributors: count(gate.map(|gate| gate.contributors)),
        passed: gate.is_some_and(|gate| gate.passed),
    }
}

fn release_task(task: Task) -> ReleaseTask {
    match task {
        Task::Classify => ReleaseTask::Classify,
        Task::Embed => ReleaseTask::Embed,
        Task::Generate => ReleaseTask::Generate,
    }
}

/// Files are shared by releases, so their tag is their hash.
fn file_tag(blob: &BlobHash) -> String {
    format!("release-file/{blob}")
}

fn manifest_tag(id: &ModelId) -> String {
    format!("release/{id}")
}

#[cfg(test)]
mod tests {
    use datanet_data::judge::RecordRef;
    use datanet_types::ContributionId;

    use super::*;

    #[test]
    fn records_are_written_shortly_and_in_order() {
        let at = |n: u8, record| RecordRef { contribution: ContributionId([n; 32]), record };
        let dataset = datanet_training::data::Dataset {
            task: Task::Generate,
            labels: Vec::new(),
            train: Vec::new(),
            held_out: Vec::new(),
            sources: Vec::new(),
        };
        let gathered = Gathered { dataset, sources: Vec::new(), records: vec![at(1, 0), at(1, 2), at(2, 0)] };
        let file = RecordsFile::of(&gathered);
        assert_eq!((file.contributions.len(), file.records), (2, vec![(0, 0), (0, 2), (1, 0)]));
    }
}
