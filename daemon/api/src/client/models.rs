//! Models and the jobs that make them.

use futures::Stream;
use reqwest::Method;

use super::{Client, ClientResult, events};
use crate::fine_tuning::{FineTuningJob, JobUpdate, NewFineTuningJob, Page, PageParams};
use crate::models::{Deploy, Deployed, ModelDetails, ModelList, NewModel, Registered};

impl Client {
    /// The node's own model, all on the ledger, and what is deployed here.
    ///
    /// # Errors
    /// See [`ClientError`](super::ClientError); so for all calls here.
    pub async fn models(&self) -> ClientResult<ModelList> {
        self.get("/v1/models").await
    }

    /// One model, by id or name.
    ///
    /// # Errors
    /// See [`ClientError`](super::ClientError).
    pub async fn model(&self, id_or_name: &str) -> ClientResult<ModelDetails> {
        self.get(&format!("/v1/models/{id_or_name}")).await
    }

    /// Puts the node's embedding model on the ledger.
    ///
    /// # Errors
    /// See [`ClientError`](super::ClientError).
    pub async fn register_model(&self, new: &NewModel) -> ClientResult<Registered> {
        self.post("/v1/models", new).await
    }

    /// Has the node fetch, check and serve a released model.
    ///
    /// # Errors
    /// See [`ClientError`](super::ClientError).
    pub async fn deploy(&self, model: &str, how: &Deploy) -> ClientResult<Deployed> {
        self.post(&format!("/v1/models/{model}/deploy"), how).await
    }

    /// Gives the node a fine-tuning job.
    ///
    /// # Errors
    /// See [`ClientError`](super::ClientError).
    pub async fn create_job(&self, new: &NewFineTuningJob) -> ClientResult<FineTuningJob> {
        self.post("/v1/fine_tuning/jobs", new).await
    }

    /// A page of jobs, newest first.
    ///
    /// # Errors
    /// See [`ClientError`](super::ClientError).
    pub async fn jobs(&self, params: &PageParams) -> ClientResult<Page<FineTuningJob>> {
        self.get_with("/v1/fine_tuning/jobs", params).await
    }

    /// A job as it stands.
    ///
    /// # Errors
    /// See [`ClientError`](super::ClientError).
    pub async fn job(&self, id: &str) -> ClientResult<FineTuningJob> {
        self.get(&format!("/v1/fine_tuning/jobs/{id}")).await
    }

    /// What happens in a job from behind the event `after` on, and the job itself whenever it changes, until it is over or
    /// the node goes away.
    ///
    /// # Errors
    /// See [`ClientError`](super::ClientError).
    pub async fn job_updates(
        &self,
        id: &str,
        after: Option<&str>,
    ) -> ClientResult<impl Stream<Item = ClientResult<JobUpdate>> + use<>> {
        let path = format!("/v1/fine_tuning/jobs/{id}/events");
        let params = PageParams { after: after.map(str::to_owned), limit: None, stream: true };
        let response = self.send(self.request(Method::GET, &path).query(&params)).await?;
        Ok(events::events(response, path))
    }
}
