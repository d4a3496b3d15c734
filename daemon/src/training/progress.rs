//! What is told of a job while it runs: events that stay, and how far it is.

use datanet_training::run::Event;
use serde_json::{Value, json};

use super::{Training, as_json, short};
use crate::db::jobs::{EventLevel, JobEvent, JobRecord, Progress};
use crate::db::now;
use crate::error::{Code, ServiceError, ServiceResult};

/// Steps of a run that become events; all of them would be a long list of nothing new.
const STEPS_TOLD: usize = 200;

/// The phase of real retraining.
const AUDIT: &str = "attribution";

/// An event without numbers.
pub(super) fn event(level: EventLevel, kind: &str, message: &str) -> JobEvent {
    JobEvent {
        number: 0,
        created_at: now(),
        level,
        message: message.to_owned(),
        kind: kind.to_owned(),
        data: Value::Null,
    }
}

impl Training {
    /// Writes down that something happened in a job, and wakes those who follow it.
    pub(super) fn tell(
        &self,
        job: u64,
        level: EventLevel,
        kind: &str,
        message: &str,
        data: Value,
    ) -> ServiceResult<JobRecord> {
        self.change_and_tell(job, Some(JobEvent { data, ..event(level, kind, message) }), |_| {})
    }

    /// Changes a job, perhaps with an event, in one durable step.
    pub(super) fn change_and_tell(
        &self,
        job: u64,
        event: Option<JobEvent>,
        change: impl FnOnce(&mut JobRecord),
    ) -> ServiceResult<JobRecord> {
        let changed = self.db.change_job(job, event, change)?;
        self.changed();
        changed.ok_or_else(|| ServiceError::new(Code::JobLost, format!("job number {job} is gone")))
    }
}

/// Whether a step of a run is worth an event that stays.
pub(super) fn is_told(step: usize, steps: usize) -> bool {
    step == steps || step.is_multiple_of(steps.div_ceil(STEPS_TOLD).max(1))
}

/// Another phase begins, unless it is the same: its steps are counted from the first.
pub(super) fn enter(progress: &mut Progress, phase: &str) {
    if progress.phase == phase {
        return;
    }
    phase.clone_into(&mut progress.phase);
    (progress.seconds_left, progress.counted_since) = (None, None);
    (progress.step, progress.steps) = (0, 0);
}

/// How far the phase is, and so how long it takes yet.
pub(super) fn count(progress: &mut Progress, done: u64, total: u64) {
    let (since, first) = *progress.counted_since.get_or_insert_with(|| (now(), done));
    (progress.step, progress.steps) = (done, total);
    progress.seconds_left = left(now().saturating_sub(since), done.saturating_sub(first), total.saturating_sub(done));
}

/// Seconds that `missing` steps take where `counted` took `seconds`; not known before there is one.
fn left(seconds: u64, counted: u64, missing: u64) -> Option<f64> {
    (counted > 0).then(|| seconds as f64 / counted as f64 * missing as f64)
}

/// Applies what a run says to a job's progress; the event that it makes, if it is worth one.
pub(super) fn apply(said: &Event, job: &mut JobRecord) -> Option<JobEvent> {
    let told =
        |kind: &str, message: &str, data: Value| Some(JobEvent { data, ..event(EventLevel::Info, kind, message) });
    let progress = &mut job.progress;
    match said {
        Event::Started { steps, done, columns, .. } => {
            enter(progress, "training");
            (progress.step, progress.steps) = (*done as u64, *steps as u64);
            let mut message = match done {
                0 => format!("training begins: {steps} steps"),
                done => format!("training goes on at step {done} of {steps}"),
            };
            if *columns > 0 {
                message.push_str(&format!(", the influence of {columns} columns is followed"));
            }
            told("message", &message, Value::Null)
        }
        Event::Step { step, steps, loss, rate, seconds_left, memory_bytes } => {
            (progress.step, progress.steps) = (*step as u64, *steps as u64);
            progress.loss = Some(short(*loss));
            progress.seconds_left = Some(*seconds_left);
            progress.memory_bytes = Some(*memory_bytes);
            if !is_told(*step, *steps) {
                return None;
            }
            let data = json!({
                "step": step, "total_steps": steps, "train_loss": short(*loss), "learning_rate": short(*rate),
                "seconds_left": seconds_left, "memory_bytes": memory_bytes,
            });
            told("step", &format!("step {step}/{steps}: training loss={loss:.4}"), data)
        }
        Event::Evaluated { step, loss } => {
            let message = format!("step {step}: validation loss={loss:.4}");
            told("evaluation", &message, json!({ "step": step, "valid_loss": loss }))
        }
        Event::Checkpoint { step, hash } => {
            let data = json!({ "step": step, "hash": hex::encode(hash) });
            told("checkpoint", &format!("checkpoint after step {step}"), data)
        }
        Event::Attribution { done, total } => {
            let (done, total) = (*done as u64, *total as u64);
            enter(progress, AUDIT);
            let message = format!("attribution is checked by retraining: {done} of {total}");
            told("attribution", &message, json!({ "done": done, "of": total }))
        }
        Event::Phase { name } => {
            enter(progress, name);
            None
        }
        Event::Counted { done, total } => {
            count(progress, *done as u64, *total as u64);
            None
        }
        Event::Finished { evaluation } => {
            told("evaluation", "training is done", as_json(evaluation).unwrap_or_default())
        }
        // Later versions may say more; what is not known here is not shown.
        _ => told("message", "training goes on", Value::Null),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_runs_tell_some_steps_and_always_the_last() {
        let mut job = crate::db::jobs::tests::job("ftjob-a");
        let mut told = Vec::new();
        for step in 1..=1_001 {
            let said = Event::Step { step, steps: 1_001, loss: 1.0, rate: 0.1, seconds_left: 1.0, memory_bytes: 1 };
            told.extend(apply(&said, &mut job).map(|_| step));
        }
        assert!(told.len() <= STEPS_TOLD + 1 && told.last() == Some(&1_001), "{}", told.len());
        assert_eq!((job.progress.step, job.progress.loss), (1_001, Some(1.0)));
    }

    #[test]
    fn every_phase_counts_for_itself() {
        let mut job = crate::db::jobs::tests::job("ftjob-a");
        let step = Event::Step { step: 9, steps: 9, loss: 1.0, rate: 0.1, seconds_left: 7.0, memory_bytes: 1 };
        apply(&step, &mut job);
        assert!(apply(&Event::Phase { name: "evaluation" }, &mut job).is_none());
        let at = job.progress.clone();
        assert_eq!((at.phase.as_str(), at.steps, at.seconds_left), ("evaluation", 0, None));
        assert!(apply(&Event::Counted { done: 32, total: 64 }, &mut job).is_none());
        assert_eq!((job.progress.step, job.progress.seconds_left), (32, None), "one says nothing of the rate");
        apply(&Event::Counted { done: 64, total: 64 }, &mut job);
        assert_eq!((job.progress.step, job.progress.seconds_left), (64, Some(0.0)));
        apply(&Event::Phase { name: AUDIT }, &mut job);
        assert_eq!((job.progress.step, job.progress.steps), (0, 0));
        apply(&Event::Counted { done: 1, total: 90 }, &mut job);
        assert_eq!((job.progress.steps, job.progress.seconds_left), (90, None), "one says nothing of the rate");
        let told = apply(&Event::Attribution { done: 2, total: 5 }, &mut job);
        assert!(told.is_some_and(|event| event.message.ends_with("2 of 5")));
        assert_eq!((job.progress.step, job.progress.steps), (1, 90), "retrainings beside each other end together");
        apply(&Event::Counted { done: 2, total: 90 }, &mut job);
        assert!(job.progress.seconds_left.is_some());
        assert_eq!(left(6, 2, 4), Some(12.0));
    }
}
