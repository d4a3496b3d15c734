//! Packing a run into a release: its files as blobs, and the manifest that names them.

use datanet_training::attribution::{self as measured, Choice};
use datanet_training::job::{Job, Task};
use datanet_types::release::{
    Attribution, Compared, Interval, Metric, Origin, RELEASE_VERSION, Release, ReleaseFile, Task as ReleaseTask,
};

use super::Training;
use super::data::Gathered;
use super::runs::Trained;
use crate::db::jobs::{JobRecord, Packed};
use crate::error::{Code, ServiceError, ServiceResult};
use crate::models::release::{RECORDS_FILE, RecordsFile};
use crate::ppm;

impl Training {
    /// Stores a run's files and their manifest as blobs.
    ///
    /// # Errors
    /// When a file cannot be read or stored, the account has no key here ([`Code::UnknownKey`]), the stored job does not read ([`Code::Job`]), or the manifest would not be
    /// good ([`Code::Release`]).
    pub async fn pack(&self, job: &JobRecord, gathered: &Gathered, trained: &Trained) -> ServiceResult<Packed> {
        let mut files = Vec::new();
        for (name, path) in &trained.files {
            files.push(self.models.keep_file(name.clone(), path).await?);
        }
        let records = serde_json::to_vec(&RecordsFile::of(&gathered.records))
            .map_err(|error| ServiceError::caused(Code::Release, error))?;
        files.push(self.models.keep_file_bytes(RECORDS_FILE.to_owned(), records).await?);
        files.sort_by(|a, b| a.name.cmp(&b.name));
        let release = manifest(job, gathered, trained, files)?;
        release.validate().map_err(|error| ServiceError::caused(Code::Release, error))?;
        self.models.keep_release(&release, &job.account).await
    }
}

fn manifest(
    job: &JobRecord,
    gathered: &Gathered,
    trained: &Trained,
    files: Vec<ReleaseFile>,
) -> ServiceResult<Release> {
    let plan: Job = serde_json::from_value(job.job.clone())
        .map_err(|error| ServiceError::new(Code::Job, format!("the stored job does not read: {error}")))?;
    let mut evaluation: Vec<Metric> = trained
        .metrics
        .iter()
        .filter(|(name, value)| value.is_finite() && (1..=64).contains(&name.len()))
        .map(|(name, value)| Metric { name: name.clone(), value: ppm::measure(*value) })
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
        attribution: influence.then(|| attribution(trained, plan.attribution.halves)),
        job: plan.to_json(),
        licence: job.licence.clone(),
        origin: if job.base.is_some() { Origin::Adapter } else { Origin::Scratch } as i32,
    })
}

fn attribution(trained: &Trained, halves: usize) -> Attribution {
    let gate = trained.gate.as_ref();
    let measure = |value: Option<f32>| ppm::measure(f64::from(value.unwrap_or(0.0)));
    let count = |value: Option<usize>| u32::try_from(value.unwrap_or(0)).unwrap_or(u32::MAX);
    let compared = trained.compared.iter().map(|one| Compared {
        method: one.method.name().to_owned(),
        lds: measure(one.gate.lds),
        leave_one_out: measure(one.gate.leave_one_out),
        pay: measure(one.gate.pay),
        passed: one.gate.passed,
        lds_interval: interval(one.gate.lds_interval),
        leave_one_out_interval: interval(one.gate.leave_one_out_interval),
    });
    // It is a figure of forward replay, and says nothing of what took its place.
    let replayed = trained.first_order.filter(|_| trained.choice.is_none_or(|choice| choice == Choice::Replay));
    Attribution {
        method: trained.choice.unwrap_or(Choice::Replay).name().to_owned(),
        lds: measure(gate.and_then(|gate| gate.lds)),
        leave_one_out: measure(gate.and_then(|gate| gate.leave_one_out)),
        pay: measure(gate.and_then(|gate| gate.pay)),
        subsets: count(gate.map(|gate| gate.subsets)),
        contributors: count(gate.map(|gate| gate.contributors)),
        passed: gate.is_some_and(|gate| gate.passed),
        compared: compared.collect(),
        lds_interval: gate.and_then(|gate| interval(gate.lds_interval)),
        leave_one_out_interval: gate.and_then(|gate| interval(gate.leave_one_out_interval)),
        halves: count(Some(halves)),
        first_order_error: replayed.map(|error| ppm::measure(f64::from(error))),
    }
}

fn interval(found: Option<measured::Interval>) -> Option<Interval> {
    let end = |end: f32| ppm::measure(f64::from(end));
    found.map(|found| Interval { low: end(found.low), high: end(found.high) })
}

fn release_task(task: Task) -> ReleaseTask {
    match task {
        Task::Classify => ReleaseTask::Classify,
        Task::Embed => ReleaseTask::Embed,
        Task::Generate => ReleaseTask::Generate,
    }
}
