//! Models and the jobs that make them.

use futures::Stream;
use reqwest::{Method, Response};

use super::{Client, ClientResult, events};
use crate::fine_tuning::{FineTuningJob, JobUpdate, NewFineTuningJob, Page, PageParams};
use crate::models::{
    Deploy, Deployed, ExportFormat, ExportParams, ModelDetails, ModelList, NewModel, Pull, PullUpdate, Registered,
    Removed,
};

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

    /// A model in a form that others read, as a tar archive that is still to be read.
    ///
    /// # Errors
    /// See [`ClientError`](super::ClientError).
    pub async fn export_model(&self, id_or_name: &str, format: ExportFormat) -> ClientResult<Response> {
        let path = format!("/v1/models/{id_or_name}/export");
        self.send(self.request(Method::GET, &path).query(&ExportParams { format })).await
    }

    /// Has a model's files here, and tells how far they are.
    ///
    /// # Errors
    /// See [`ClientError`](super::ClientError).
    pub async fn pull_model(
        &self,
        id_or_name: &str,
    ) -> ClientResult<impl Stream<Item = ClientResult<PullUpdate>> + use<>> {
        let path = format!("/v1/models/{id_or_name}/pull");
        let response = self.send(self.request(Method::POST, &path).json(&Pull { stream: true })).await?;
        Ok(events::events(response, path))
    }

    /// Lets go of a model's files here.
    ///
    /// # Errors
    /// See [`ClientError`](super::ClientError).
    pub async fn remove_model_files(&self, id_or_name: &str) -> ClientResult<Removed> {
        self.delete(&format!("/v1/models/{id_or_name}/files")).await
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
