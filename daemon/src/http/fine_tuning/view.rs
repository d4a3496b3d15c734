//! Jobs, events and checkpoints as callers see them: OpenAI's objects with our fields beside theirs.

use datanet_api::fine_tuning::{
    EventLevel, FineTuningCheckpoint, FineTuningEvent, FineTuningJob, JobFailure, JobState, Page, Progress,
};
use datanet_types::ModelId;
use serde_json::{Value, json};

use crate::db::jobs::{self, JobEvent, JobRecord};
use crate::error::{Code, ServiceError, ServiceResult};

impl From<JobRecord> for FineTuningJob {
    fn from(job: JobRecord) -> Self {
        let recipe = &job.job["recipe"];
        let hyperparameters = json!({
            "n_epochs": recipe["epochs"], "batch_size": recipe["batch"],
            "learning_rate_multiplier": multiplier(recipe),
        });
        let left = job.progress.seconds_left.filter(|_| job.state == jobs::JobState::Running);
        let names = job.job["data"]["datanets"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let training_file = names.collect::<Vec<_>>().join(",");
        Self {
            object: "fine_tuning.job".to_owned(),
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
            status: state(job.state),
            training_file,
            validation_file: None,
            method: json!({ "type": "supervised", "supervised": { "hyperparameters": hyperparameters } }),
            hyperparameters,
            trained_tokens: job.trained_tokens,
            integrations: Vec::new(),
            seed: recipe["seed"].as_u64().unwrap_or_default(),
            error: job.failure.map(failure),
            metadata: job.metadata,
            snapshots: job.snapshots,
            progress: progress(job.progress),
            evaluation: job.evaluation,
            account: job.account,
            verifies: job.repeats.map(|repeats| repeats.model),
            verdict: job.verdict,
            job: job.job,
        }
    }
}

fn state(state: jobs::JobState) -> JobState {
    match state {
        jobs::JobState::Queued => JobState::Queued,
        jobs::JobState::Running => JobState::Running,
        jobs::JobState::Succeeded => JobState::Succeeded,
        jobs::JobState::Failed => JobState::Failed,
        jobs::JobState::Cancelled => JobState::Cancelled,
    }
}

fn failure(jobs::JobFailure { code, message, param }: jobs::JobFailure) -> JobFailure {
    JobFailure { code, message, param }
}

fn progress(progress: jobs::Progress) -> Progress {
    let jobs::Progress { phase, step, steps, loss, seconds_left, memory_bytes, .. } = progress;
    Progress { phase, step, steps, loss, seconds_left, memory_bytes }
}

fn level(level: jobs::EventLevel) -> EventLevel {
    match level {
        jobs::EventLevel::Info => EventLevel::Info,
        jobs::EventLevel::Warn => EventLevel::Warn,
        jobs::EventLevel::Error => EventLevel::Error,
    }
}

/// The learning rate over the usual one.
fn multiplier(recipe: &Value) -> f64 {
    let usual = datanet_training::recipe::Recipe::default().learning_rate;
    crate::training::short(recipe["learning_rate"].as_f64().unwrap_or_default() as f32 / usual)
}

/// An event of the job with this id.
pub(super) fn event_of(job: &str, event: JobEvent) -> FineTuningEvent {
    let mut data = event.data;
    if let Value::Object(data) = &mut data {
        data.insert("kind".to_owned(), event.kind.clone().into());
    }
    FineTuningEvent {
        object: "fine_tuning.job.event".to_owned(),
        id: event_id(job, event.number),
        created_at: event.created_at,
        level: level(event.level),
        message: event.message,
        kind: if data.is_object() { "metrics" } else { "message" }.to_owned(),
        data: if data.is_object() { data } else { json!({}) },
    }
}

/// An event's id tells its job and number, so that a page can start behind it.
fn event_id(job: &str, number: u64) -> String {
    format!("ftevent-{}-{number}", job.trim_start_matches("ftjob-"))
}

/// The number in an event's id.
pub(super) fn event_number(id: &str) -> Option<u64> {
    id.strip_prefix("ftevent-")?.rsplit_once('-')?.1.parse().ok()
}

/// The checkpoint that an event tells of; `None` for other events.
pub(super) fn checkpoint_of(job: &str, event: &JobEvent) -> Option<FineTuningCheckpoint> {
    if event.kind != "checkpoint" {
        return None;
    }
    let step = event.data["step"].as_u64().unwrap_or_default();
    let short = job.trim_start_matches("ftjob-");
    Some(FineTuningCheckpoint {
        object: "fine_tuning.job.checkpoint".to_owned(),
        id: format!("ftckpt-{short}-{step}"),
        created_at: event.created_at,
        fine_tuning_job_id: job.to_owned(),
        fine_tuned_model_checkpoint: format!("{job}:step-{step}"),
        step_number: step,
        metrics: event.data.clone(),
    })
}

/// At most `limit` of `all`, from behind the one whose id is `after`.
///
/// # Errors
/// 422 where there is none with that id: from the beginning, a client would go round for ever.
pub(super) fn page<T>(
    all: Vec<T>,
    limit: usize,
    id: impl Fn(&T) -> String,
    after: Option<&str>,
) -> ServiceResult<Page<T>> {
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
    let (first_id, last_id) = (data.first().map(&id), data.last().map(&id));
    Ok(Page { object: "list".to_owned(), first_id, last_id, data, has_more })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_follow_one_another() {
        let page_after = |after: Option<&str>| page(vec![1, 2, 3], 2, u32::to_string, after).unwrap();
        let (first, second) = (page_after(None), page_after(Some("2")));
        assert_eq!((first.data, first.has_more, first.last_id.as_deref()), (vec![1, 2], true, Some("2")));
        assert_eq!((second.data, second.has_more), (vec![3], false));
        assert!(page_after(Some("3")).data.is_empty());
        assert!(page(vec![1, 2, 3], 2, u32::to_string, Some("4")).is_err());
    }

    #[test]
    fn an_events_id_tells_its_number() {
        assert_eq!(event_number(&event_id("ftjob-0a", 12)), Some(12));
        assert_eq!(event_number("ftevent-x"), None);
    }
}
