//! Jobs, events and checkpoints as callers see them: OpenAI's objects with our fields beside theirs.

use std::collections::BTreeMap;

use datanet_types::ModelId;
use datanet_types::release::DataSnapshot;
use serde_json::{Value, json};

use crate::db::jobs::{EventLevel, JobEvent, JobFailure, JobRecord, JobState, Progress};
use crate::error::{Code, ServiceError, ServiceResult};

/// A fine-tuning job.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub struct FineTuningJob {
    object: &'static str,
    id: String,
    /// The base model as it was named.
    model: String,
    created_at: u64,
    finished_at: Option<u64>,
    /// When it will be done, as it looks now.
    estimated_finish: Option<u64>,
    /// The released model's id, by which it is deployed and asked.
    fine_tuned_model: Option<String>,
    organization_id: String,
    result_files: Vec<String>,
    status: JobState,
    training_file: String,
    validation_file: Option<String>,
    #[schema(value_type = Object)]
    hyperparameters: Value,
    #[schema(value_type = Object)]
    method: Value,
    trained_tokens: Option<u64>,
    integrations: Vec<String>,
    seed: u64,
    error: Option<JobFailure>,
    metadata: BTreeMap<String, String>,
    /// Extension: the same.
    #[schema(value_type = Option<String>)]
    release: Option<ModelId>,
    /// Extension: the name that leads to the model once it is deployed.
    name: String,
    /// Extension: the data, fixed when the job was given.
    #[schema(value_type = Vec<Object>)]
    snapshots: Vec<DataSnapshot>,
    /// Extension: everything else that was asked for.
    #[schema(value_type = Object)]
    job: Value,
    /// Extension: how far it is.
    progress: Progress,
    /// Extension: what the held-out set says.
    #[schema(value_type = Option<Object>)]
    evaluation: Option<Value>,
    /// Extension: the model whose training this job repeats, if it is a verification.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    verifies: Option<ModelId>,
    /// Extension: what the verification found: `passed`, and every comparison.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    verdict: Option<Value>,
    /// Extension: the model's owner, by the name of its key on this node.
    account: String,
}

impl From<JobRecord> for FineTuningJob {
    fn from(job: JobRecord) -> Self {
        let recipe = &job.job["recipe"];
        let hyperparameters = json!({
            "n_epochs": recipe["epochs"], "batch_size": recipe["batch"],
            "learning_rate_multiplier": multiplier(recipe),
        });
        let left = job.progress.seconds_left.filter(|_| job.state == JobState::Running);
        let names = job.job["data"]["datanets"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let training_file = names.collect::<Vec<_>>().join(",");
        Self {
            object: "fine_tuning.job",
            fine_tuned_model: job.release.as_ref().map(ModelId::to_hex),
            name: job.name(),
            release: job.release,
            estimated_finish: left.map(|left| crate::db::now().saturating_add(left as u64)),
            id: job.id,
            model: job.model,
            created_at: job.created_at,
            finished_at: job.finished_at,
            organization_id: "datanet".to_owned(),
            result_files: Vec::new(),
            status: job.state,
            training_file,
            validation_file: None,
            method: json!({ "type": "supervised", "supervised": { "hyperparameters": hyperparameters } }),
            hyperparameters,
            trained_tokens: job.trained_tokens,
            integrations: Vec::new(),
            seed: recipe["seed"].as_u64().unwrap_or_default(),
            error: job.failure,
            metadata: job.metadata,
            snapshots: job.snapshots,
            progress: job.progress,
            evaluation: job.evaluation,
            account: job.account,
            verifies: job.repeats.map(|repeats| repeats.model),
            verdict: job.verdict,
            job: job.job,
        }
    }
}

/// The learning rate over the usual one.
fn multiplier(recipe: &Value) -> f64 {
    let usual = datanet_training::recipe::Recipe::default().learning_rate;
    crate::training::short(recipe["learning_rate"].as_f64().unwrap_or_default() as f32 / usual)
}

/// Something that happened in a job.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub struct FineTuningEvent {
    object: &'static str,
    id: String,
    created_at: u64,
    level: EventLevel,
    message: String,
    /// `metrics` where `data` has numbers, else `message`.
    #[serde(rename = "type")]
    kind: &'static str,
    /// Numbers. `kind` says of what: `step`, `evaluation`, `checkpoint`, `attribution`.
    #[schema(value_type = Object)]
    data: Value,
}

impl FineTuningEvent {
    /// An event of the job with this id.
    pub fn of(job: &str, event: JobEvent) -> Self {
        let mut data = event.data;
        if let Value::Object(data) = &mut data {
            data.insert("kind".to_owned(), event.kind.clone().into());
        }
        Self {
            object: "fine_tuning.job.event",
            id: event_id(job, event.number),
            created_at: event.created_at,
            level: event.level,
            message: event.message,
            kind: if data.is_object() { "metrics" } else { "message" },
            data: if data.is_object() { data } else { json!({}) },
        }
    }
}

/// An event's id tells its job and number, so that a page can start behind it.
pub fn event_id(job: &str, number: u64) -> String {
    format!("ftevent-{}-{number}", job.trim_start_matches("ftjob-"))
}

/// The number in an event's id.
pub fn event_number(id: &str) -> Option<u64> {
    id.strip_prefix("ftevent-")?.rsplit_once('-')?.1.parse().ok()
}

/// A state of the adapter from which training can go on.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub struct FineTuningCheckpoint {
    object: &'static str,
    id: String,
    created_at: u64,
    fine_tuning_job_id: String,
    /// Only whole runs are released; a checkpoint has no model of its own.
    fine_tuned_model_checkpoint: String,
    step_number: u64,
    #[schema(value_type = Object)]
    metrics: Value,
}

impl FineTuningCheckpoint {
    /// The checkpoint that an event tells of; `None` for other events.
    pub fn of(job: &str, event: &JobEvent) -> Option<Self> {
        if event.kind != "checkpoint" {
            return None;
        }
        let step = event.data["step"].as_u64().unwrap_or_default();
        let short = job.trim_start_matches("ftjob-");
        Some(Self {
            object: "fine_tuning.job.checkpoint",
            id: format!("ftckpt-{short}-{step}"),
            created_at: event.created_at,
            fine_tuning_job_id: job.to_owned(),
            fine_tuned_model_checkpoint: format!("{job}:step-{step}"),
            step_number: step,
            metrics: event.data.clone(),
        })
    }
}

/// A page, as OpenAI's clients walk it.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub struct Page<T> {
    object: &'static str,
    data: Vec<T>,
    first_id: Option<String>,
    last_id: Option<String>,
    has_more: bool,
}

impl<T> Page<T> {
    /// At most `limit` of `all`, from behind the one whose id is `after`.
    ///
    /// # Errors
    /// 422 where there is none with that id: from the beginning, a client would go round for ever.
    pub fn of(all: Vec<T>, limit: usize, id: impl Fn(&T) -> String, after: Option<&str>) -> ServiceResult<Self> {
        let start = match after {
            None => 0,
            Some(after) => all.iter().position(|item| id(item) == after).map_or_else(
                || Err(ServiceError::new(Code::UnknownCursor, format!("nothing here has the id {after:.80}"))),
                |place| Ok(place.saturating_add(1)),
            )?,
        };
        let rest = all.into_iter().skip(start);
        let mut data: Vec<T> = rest.take(limit.saturating_add(1)).collect();
        let has_more = data.len() > limit;
        data.truncate(limit);
        Ok(Self { object: "list", first_id: data.first().map(&id), last_id: data.last().map(&id), data, has_more })
    }
}

impl FineTuningJob {
    /// Its id.
    pub fn id(&self) -> String {
        self.id.clone()
    }
}

impl FineTuningEvent {
    /// Its id.
    pub fn id(&self) -> String {
        self.id.clone()
    }
}

impl FineTuningCheckpoint {
    /// Its id.
    pub fn id(&self) -> String {
        self.id.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_follow_one_another() {
        let page = |after: Option<&str>| Page::of(vec![1, 2, 3], 2, u32::to_string, after).unwrap();
        let (first, second) = (page(None), page(Some("2")));
        assert_eq!((first.data, first.has_more, first.last_id.as_deref()), (vec![1, 2], true, Some("2")));
        assert_eq!((second.data, second.has_more), (vec![3], false));
        assert!(page(Some("3")).data.is_empty());
        assert!(Page::of(vec![1, 2, 3], 2, u32::to_string, Some("4")).is_err());
    }

    #[test]
    fn an_events_id_tells_its_number() {
        assert_eq!(event_number(&event_id("ftjob-0a", 12)), Some(12));
        assert_eq!(event_number("ftevent-x"), None);
    }
}
