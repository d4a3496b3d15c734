//! What is told of a job while it runs: events that stay, and how far it is.

use serde_json::{Value, json};

use super::Training;
use crate::db::jobs::{EventLevel, JobEvent, JobRecord};
use crate::db::now;
use crate::error::{Code, ServiceError, ServiceResult};

/// Steps of a run that become events; all of them would be a long list of nothing new.
pub(super) const STEPS_TOLD: usize = 200;

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

/// What a training run says, in the daemon's own terms.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Report {
    /// It has begun, or goes on.
    Started {
        /// The step it goes on from; 0 at the beginning.
        step: usize,
        /// Steps in all.
        steps: usize,
        /// Columns whose influence is followed.
        columns: usize,
    },
    /// A step is done.
    Step {
        /// Its number, from 1.
        step: usize,
        /// Steps in all.
        steps: usize,
        /// Mean loss over its records.
        loss: f32,
        /// Its learning rate.
        rate: f32,
        /// Until the last step, as it looks.
        seconds_left: f64,
        /// What the process holds.
        memory_bytes: u64,
    },
    /// Something else: what kind, in words, in numbers.
    Other(&'static str, String, Value),
}

impl Report {
    /// Applies the report to a job's progress; the event that it makes, if it is worth one.
    pub(super) fn apply(&self, job: &mut JobRecord) -> Option<JobEvent> {
        match self {
            Self::Started { step, steps, columns } => {
                job.progress.phase = "training".to_owned();
                (job.progress.step, job.progress.steps) = (*step as u64, *steps as u64);
                let mut message = match step {
                    0 => format!("training begins: {steps} steps"),
                    step => format!("training goes on at step {step} of {steps}"),
                };
                if *columns > 0 {
                    message.push_str(&format!(", the influence of {columns} columns is followed"));
                }
                Some(event(EventLevel::Info, "message", &message))
            }
            Self::Step { step, steps, loss, rate, seconds_left, memory_bytes } => {
                let progress = &mut job.progress;
                (progress.step, progress.steps) = (*step as u64, *steps as u64);
                progress.loss = Some(super::short(*loss));
                progress.seconds_left = Some(*seconds_left);
                progress.memory_bytes = Some(*memory_bytes);
                let every = steps.div_ceil(STEPS_TOLD).max(1);
                if !step.is_multiple_of(every) && step != steps {
                    return None;
                }
                let data = json!({
                    "step": step, "total_steps": steps, "train_loss": super::short(*loss), "learning_rate": super::short(*rate),
                    "seconds_left": seconds_left, "memory_bytes": memory_bytes,
                });
                let message = format!("step {step}/{steps}: training loss={loss:.4}");
                Some(JobEvent { data, ..event(EventLevel::Info, "step", &message) })
            }
            Self::Other(kind, message, data) => {
                if *kind == "attribution" {
                    job.progress.phase = "attribution".to_owned();
                    let count = |name: &str| data[name].as_u64().unwrap_or_default();
                    (job.progress.step, job.progress.steps) = (count("done"), count("of"));
                }
                Some(JobEvent { data: data.clone(), ..event(EventLevel::Info, kind, message) })
            }
        }
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
            let report = Report::Step { step, steps: 1_001, loss: 1.0, rate: 0.1, seconds_left: 1.0, memory_bytes: 1 };
            told.extend(report.apply(&mut job).map(|_| step));
        }
        assert!(told.len() <= STEPS_TOLD + 1 && told.last() == Some(&1_001), "{}", told.len());
        assert_eq!((job.progress.step, job.progress.loss), (1_001, Some(1.0)));
    }
}
