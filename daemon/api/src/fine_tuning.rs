//! Fine-tuning in OpenAI's shape: jobs, their events and their checkpoints, with our fields beside theirs.

use std::collections::BTreeMap;

use datanet_types::ModelId;
use datanet_types::release::DataSnapshot;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

/// A page of a list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PageParams {
    /// From behind the entry with this id.
    pub after: Option<String>,
    /// At most this many, 20 if not given.
    pub limit: Option<usize>,
    /// Events only: send them as they happen, as server-sent events, until the job is over.
    #[serde(default, deserialize_with = "crate::flag::flag")]
    pub stream: bool,
}

/// A page, as OpenAI's clients walk it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Page<T> {
    /// Always `list`.
    pub object: String,
    /// The entries, newest first.
    pub data: Vec<T>,
    /// Id of the first.
    pub first_id: Option<String>,
    /// Id of the last: send as `after` for the next page.
    pub last_id: Option<String>,
    /// Whether there is a next page.
    pub has_more: bool,
}

/// A job to create.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct NewFineTuningJob {
    /// The base model: the node's embedding model or one of its model folders, by name or id. `scratch`, with
    /// `job.task` "generate", trains a small decoder from nothing.
    #[serde(default)]
    pub model: String,
    /// Names or ids of the datanets to learn from, separated by commas. Either this or `datanets`.
    pub training_file: Option<String>,
    /// Not needed: the model is asked the datanet's held-out set. If given it must be one of the datanets.
    pub validation_file: Option<String>,
    /// Epochs, batch size, learning rate; `job.recipe` has more.
    pub hyperparameters: Option<Hyperparameters>,
    /// OpenAI's newer place for the same; only `supervised`.
    pub method: Option<TrainingMethod>,
    /// Up to 64 of `a-z A-Z 0-9 - _ .`, a part of the model's name.
    pub suffix: Option<String>,
    /// Same seed, same data, same machine: the same model.
    pub seed: Option<u64>,
    /// Up to 16 pairs to find the job again by.
    pub metadata: Option<BTreeMap<String, String>>,
    /// Extension: the datanets, each perhaps at an earlier state of its data.
    pub datanets: Option<Vec<DatanetChoice>>,
    /// Extension: the whole job as in a job file: `task`, `lora`, `recipe`, `data`, `attribution`, `evaluation`,
    /// `quantise`, `max_tokens`, `scratch`.
    #[schema(value_type = Option<Object>)]
    pub job: Option<Map<String, Value>>,
    /// Extension: name of the account on this node that will own the model; the node's own if not given.
    pub account: Option<String>,
    /// Extension: SPDX expression of the model's licence, whose form is checked; the datanet's if not given.
    pub licence: Option<String>,
}

/// A datanet, by name or id, and how much of its data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged, expecting = "a datanet is a name, or {\"datanet\": name, \"count\": final contributions}")]
pub enum DatanetChoice {
    /// All of it.
    Name(String),
    /// Its first final contributions.
    Snapshot {
        /// Name or id.
        datanet: String,
        /// So many of its final contributions, in ledger order.
        count: Option<u64>,
    },
}

/// The numbers that OpenAI's clients know.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Hyperparameters {
    /// Times that the data is gone through.
    #[serde(default)]
    pub n_epochs: Auto,
    /// Texts in a step.
    #[serde(default)]
    pub batch_size: Auto,
    /// The learning rate over the usual one.
    #[serde(default)]
    pub learning_rate_multiplier: Auto,
}

/// How to train, as newer clients say it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TrainingMethod {
    /// Only `supervised`.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// What goes with it.
    pub supervised: Option<Supervised>,
}

/// What goes with the supervised method.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Supervised {
    /// The same as in a job itself.
    pub hyperparameters: Option<Hyperparameters>,
}

/// A number, or "auto".
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(untagged, expecting = "a number or \"auto\"")]
pub enum Auto {
    /// This number.
    Number(f64),
    /// `auto`; no other word is taken.
    Word(String),
    /// The same as `auto`.
    #[default]
    Missing,
}

/// What a job is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum JobState {
    /// It waits for those before it.
    Queued,
    /// It trains.
    Running,
    /// Its model is released.
    Succeeded,
    /// It ended without a model; the error says why.
    Failed,
    /// Somebody cancelled it.
    Cancelled,
}

impl JobState {
    /// Whether it is over.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }
}

/// Why a job failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JobFailure {
    /// Stable and machine-readable.
    pub code: String,
    /// For people: what went wrong and what to do.
    pub message: String,
    /// The parameter at fault, if one is.
    pub param: Option<String>,
}

/// How far a job is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Progress {
    /// What it does, in a word or two.
    pub phase: String,
    /// Steps done in this phase: of training, contributions read, retrainings, records asked.
    pub step: u64,
    /// Steps of this phase in all; 0 where there are none, or they are not known yet.
    pub steps: u64,
    /// Mean loss of the last step.
    pub loss: Option<f64>,
    /// Seconds until the phase is done, as it looks now.
    pub seconds_left: Option<f64>,
    /// Bytes of memory that the process holds.
    pub memory_bytes: Option<u64>,
}

/// A fine-tuning job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FineTuningJob {
    /// Always `fine_tuning.job`.
    pub object: String,
    /// `ftjob-` and 24 hexadecimal digits.
    pub id: String,
    /// The base model as it was named.
    pub model: String,
    /// Seconds since 1970.
    pub created_at: u64,
    /// When it was over.
    pub finished_at: Option<u64>,
    /// When it will be done, as it looks now.
    pub estimated_finish: Option<u64>,
    /// The released model's id, by which it is deployed and asked.
    pub fine_tuned_model: Option<String>,
    /// Always `datanet`.
    pub organization_id: String,
    /// Always empty.
    pub result_files: Vec<String>,
    /// What it is at.
    pub status: JobState,
    /// The datanets that it learns from, separated by commas.
    pub training_file: String,
    /// Always absent.
    pub validation_file: Option<String>,
    /// Epochs, batch size, learning rate.
    #[schema(value_type = Object)]
    pub hyperparameters: Value,
    /// The same in OpenAI's newer place.
    #[schema(value_type = Object)]
    pub method: Value,
    /// Tokens trained on, once it is done.
    pub trained_tokens: Option<u64>,
    /// Always empty.
    pub integrations: Vec<String>,
    /// What it draws with.
    pub seed: u64,
    /// Why it failed.
    pub error: Option<JobFailure>,
    /// What the caller wants to remember.
    pub metadata: BTreeMap<String, String>,
    /// Extension: the same.
    #[schema(value_type = Option<String>)]
    pub release: Option<ModelId>,
    /// Extension: the name that leads to the model once it is deployed.
    pub name: String,
    /// Extension: the data, fixed when the job was given.
    #[schema(value_type = Vec<Object>)]
    pub snapshots: Vec<DataSnapshot>,
    /// Extension: everything else that was asked for.
    #[schema(value_type = Object)]
    pub job: Value,
    /// Extension: how far it is.
    pub progress: Progress,
    /// Extension: what the held-out set says.
    #[schema(value_type = Option<Object>)]
    pub evaluation: Option<Value>,
    /// Extension: the model whose training this job repeats, if it is a verification.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub verifies: Option<ModelId>,
    /// Extension: what the verification found: `passed`, and every comparison.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub verdict: Option<Value>,
    /// Extension: the model's owner, by the name of its key on this node.
    pub account: String,
}

/// How loud an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum EventLevel {
    /// Worth knowing.
    Info,
    /// Worth looking at.
    Warn,
    /// The end of the job.
    Error,
}

/// Something that happened in a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FineTuningEvent {
    /// Always `fine_tuning.job.event`.
    pub object: String,
    /// Its id, behind which a page can start.
    pub id: String,
    /// Seconds since 1970.
    pub created_at: u64,
    /// How loud.
    pub level: EventLevel,
    /// In words.
    pub message: String,
    /// `metrics` where `data` has numbers, else `message`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Numbers. `kind` says of what: `step`, `evaluation`, `checkpoint`, `attribution`.
    #[schema(value_type = Object)]
    pub data: Value,
}

/// What a job's stream tells.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum JobUpdate {
    /// The job, now and whenever it has changed.
    Job(Box<FineTuningJob>),
    /// Something that happened.
    Event(FineTuningEvent),
}

/// A state of the adapter from which training can go on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FineTuningCheckpoint {
    /// Always `fine_tuning.job.checkpoint`.
    pub object: String,
    /// Its id, behind which a page can start.
    pub id: String,
    /// Seconds since 1970.
    pub created_at: u64,
    /// The job's id.
    pub fine_tuning_job_id: String,
    /// Only whole runs are released; a checkpoint has no model of its own.
    pub fine_tuned_model_checkpoint: String,
    /// Steps done.
    pub step_number: u64,
    /// Numbers at that step.
    #[schema(value_type = Object)]
    pub metrics: Value,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_may_be_left_to_the_node() {
        let read = |text: &str| serde_json::from_str::<Hyperparameters>(text).unwrap();
        assert_eq!(read(r#"{"n_epochs": 2}"#).n_epochs, Auto::Number(2.0));
        assert_eq!(read(r#"{"n_epochs": "auto"}"#).n_epochs, Auto::Word("auto".to_owned()));
        assert_eq!(read("{}"), Hyperparameters::default());
    }
}
