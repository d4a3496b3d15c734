//! The model factory: fine-tuning jobs, deployments, answers of fine-tuned models.

use datanet_types::receipt::Influence;
use futures::{Stream, StreamExt as _};
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{ApiError, ApiResult, Client, Receipt, events};

/// A fine-tuning job.
#[derive(Debug, Clone, Deserialize)]
pub struct FineTuningJob {
    /// Its id, `ftjob-…`.
    pub id: String,
    /// `queued`, `running`, `succeeded`, `failed` or `cancelled`.
    pub status: String,
    /// The name by which the model is asked, once released.
    #[serde(default)]
    pub fine_tuned_model: Option<String>,
    /// The released model's id.
    #[serde(default)]
    pub release: Option<String>,
    /// How far it is.
    #[serde(default)]
    pub progress: Value,
    /// What the held-out set says.
    #[serde(default)]
    pub evaluation: Value,
    /// Why it failed.
    #[serde(default)]
    pub error: Value,
}

impl FineTuningJob {
    /// Whether it is over.
    pub fn is_over(&self) -> bool {
        matches!(self.status.as_str(), "succeeded" | "failed" | "cancelled")
    }
}

/// What a job's stream tells.
#[derive(Debug, Clone)]
pub enum JobUpdate {
    /// The job as it stands.
    Job(Box<FineTuningJob>),
    /// Something that happened: `message`, and numbers in `data`.
    Event(Value),
}

/// An answer of a classifier.
#[derive(Debug, Clone, Deserialize)]
pub struct Classified {
    /// The winning label.
    pub label: String,
    /// The proof, with the contributions behind the answer.
    pub receipt: Receipt,
    /// What each contribution did to it, where that was asked for.
    #[serde(default)]
    pub influence: Option<Vec<Influence>>,
}

impl Client {
    /// Gives the node a fine-tuning job.
    ///
    /// # Errors
    /// When the node does not answer, answers with a problem, or is not understood.
    pub async fn create_job(&self, job: &Value) -> ApiResult<FineTuningJob> {
        self.post("/v1/fine_tuning/jobs", job).await
    }

    /// A job as it stands.
    ///
    /// # Errors
    /// When the node does not answer, answers with a problem, or is not understood.
    pub async fn job(&self, id: &str) -> ApiResult<FineTuningJob> {
        self.get(&format!("/v1/fine_tuning/jobs/{id}")).await
    }

    /// What happens in a job until it is over.
    ///
    /// # Errors
    /// When the node does not answer, or answers with a problem; what goes wrong later is in the stream.
    pub async fn job_updates(&self, id: &str) -> ApiResult<impl Stream<Item = ApiResult<JobUpdate>> + use<>> {
        let path = format!("/v1/fine_tuning/jobs/{id}/events?stream=true");
        let response = self.send(self.request(Method::GET, &path).header("accept", "text/event-stream")).await?;
        Ok(events::events::<Value>(response, path.clone()).map(move |update| decode(update?, &path)))
    }

    /// Has the node fetch, check and load a released model.
    ///
    /// # Errors
    /// When the node does not answer, answers with a problem, or is not understood.
    pub async fn deploy(&self, model: &str) -> ApiResult<Value> {
        self.post(&format!("/v1/models/{model}/deploy"), &json!({})).await
    }

    /// Classifies a text by a deployed model, paid from `account`'s channel with this node.
    ///
    /// # Errors
    /// When the node does not answer, answers with a problem, or is not understood.
    pub async fn classify(&self, model: &str, text: &str, account: &str) -> ApiResult<Classified> {
        self.classified(json!({ "model": model, "input": text, "account": account })).await
    }

    /// The same, with what each contribution did to the answer.
    ///
    /// # Errors
    /// As [`Client::classify`].
    pub async fn classify_explained(&self, model: &str, text: &str, account: &str) -> ApiResult<Classified> {
        self.classified(json!({ "model": model, "input": text, "account": account, "explain": true })).await
    }

    async fn classified(&self, body: Value) -> ApiResult<Classified> {
        let path = "/v1/classify";
        let answer: Value = self.post(path, &body).await?;
        // One input, one result; the results are a list all the same.
        let first = answer["data"].get(0).cloned().unwrap_or(answer);
        serde_json::from_value(first)
            .map_err(|error| ApiError::Answer { path: path.to_owned(), detail: error.to_string() })
    }
}

fn decode(update: Value, path: &str) -> ApiResult<JobUpdate> {
    if update["object"] != "fine_tuning.job" {
        return Ok(JobUpdate::Event(update));
    }
    let job = serde_json::from_value(update)
        .map_err(|error| ApiError::Answer { path: path.to_owned(), detail: error.to_string() })?;
    Ok(JobUpdate::Job(Box::new(job)))
}
