//! Datanets and contributions.

use datanet_types::ContributionId;
use futures::{Stream, StreamExt};
use reqwest::Method;

use super::{Client, ClientResult, UPLOAD, events};
use crate::contributions::{
    Accepted, ContributeParams, ContributionView, Contributions, ListParams, PageParams, RecordsPage, Revoked,
};
use crate::datanets::{
    ClosedDatanet, CreatedDatanet, DatanetView, Datanets, EXPORT_HEIGHT, EXPORT_RECORDS, ExportParams, NewDatanet,
    NewHoldout, RotatedHoldout,
};
use crate::epochs::{Challenged, InTheNameOf};
use crate::search::{Hits, SearchParams};

/// A piece of a stream.
type Bytes = Vec<u8>;

impl Client {
    /// All datanets.
    ///
    /// # Errors
    /// See [`ClientError`](super::ClientError); so for all calls here.
    pub async fn datanets(&self) -> ClientResult<Vec<DatanetView>> {
        Ok(self.get::<Datanets>("/v1/datanets").await?.datanets)
    }

    /// One datanet, by id or name.
    ///
    /// # Errors
    /// See [`ClientError`](super::ClientError).
    pub async fn datanet(&self, id_or_name: &str) -> ClientResult<DatanetView> {
        self.get(&format!("/v1/datanets/{id_or_name}")).await
    }

    /// Opens a datanet; returns once it is on the ledger.
    ///
    /// # Errors
    /// See [`ClientError`](super::ClientError).
    pub async fn create_datanet(&self, new: &NewDatanet) -> ClientResult<CreatedDatanet> {
        self.post("/v1/datanets", new).await
    }

    /// Ends a datanet of which nothing stayed: its deposit comes back.
    ///
    /// # Errors
    /// See [`ClientError`](super::ClientError).
    pub async fn close_datanet(&self, id_or_name: &str) -> ClientResult<ClosedDatanet> {
        self.post_nothing(&format!("/v1/datanets/{id_or_name}/close")).await
    }

    /// Announces a datanet's next held-out set.
    ///
    /// # Errors
    /// See [`ClientError`](super::ClientError).
    pub async fn rotate_holdout(&self, id_or_name: &str, new: &NewHoldout) -> ClientResult<RotatedHoldout> {
        self.post(&format!("/v1/datanets/{id_or_name}/holdout"), new).await
    }

    /// Gives a datanet a batch of records. With an idempotency key, sending them again is harmless.
    ///
    /// # Errors
    /// See [`ClientError`](super::ClientError).
    pub async fn contribute(
        &self,
        datanet: &str,
        params: &ContributeParams,
        media_type: &str,
        idempotency_key: &str,
        body: impl Into<reqwest::Body>,
    ) -> ClientResult<Accepted> {
        self.contribute_coded(datanet, params, media_type, None, idempotency_key, body).await
    }

    /// The same with a body that is compressed as `coding` says, such as `gzip`.
    ///
    /// # Errors
    /// See [`ClientError`](super::ClientError).
    pub async fn contribute_coded(
        &self,
        datanet: &str,
        params: &ContributeParams,
        media_type: &str,
        coding: Option<&str>,
        idempotency_key: &str,
        body: impl Into<reqwest::Body>,
    ) -> ClientResult<Accepted> {
        let path = format!("/v1/datanets/{datanet}/contributions");
        let request = self.request(Method::POST, &path).query(params);
        let mut request = request.header("content-type", media_type).header("idempotency-key", idempotency_key);
        if let Some(coding) = coding {
            request = request.header("content-encoding", coding);
        }
        let patience = self.patience.map(|patience| patience.saturating_mul(UPLOAD));
        self.call_within(request.body(body), &path, patience).await
    }

    /// All final records of a datanet, one JSON object a line, as they come; how many there are, and at which height.
    ///
    /// # Errors
    /// See [`ClientError`](super::ClientError); an item of the stream is an error where it breaks off.
    pub async fn export(
        &self,
        datanet: &str,
        params: &ExportParams,
    ) -> ClientResult<(u64, u64, impl Stream<Item = ClientResult<Bytes>> + use<>)> {
        let path = format!("/v1/datanets/{datanet}/records");
        let response = self.send(self.request(Method::GET, &path).query(params)).await?;
        let number = |name: &str| {
            let value = response.headers().get(name).and_then(|value| value.to_str().ok());
            value.and_then(|value| value.parse::<u64>().ok()).unwrap_or_default()
        };
        let (records, height) = (number(EXPORT_RECORDS), number(EXPORT_HEIGHT));
        Ok((records, height, self.pieces(response)))
    }

    /// The held-out set of a datanet, one JSON object a line, as it comes.
    ///
    /// # Errors
    /// See [`ClientError`](super::ClientError); an item of the stream is an error where it breaks off.
    pub async fn held_out_set(&self, datanet: &str) -> ClientResult<impl Stream<Item = ClientResult<Bytes>> + use<>> {
        let path = format!("/v1/datanets/{datanet}/holdout");
        let response = self.send(self.request(Method::GET, &path)).await?;
        Ok(self.pieces(response))
    }

    /// The pieces of an answer.
    fn pieces(&self, response: reqwest::Response) -> impl Stream<Item = ClientResult<Bytes>> + use<> {
        let client = self.clone();
        response.bytes_stream().map(move |piece| piece.map(Into::into).map_err(|source| client.failure(source)))
    }

    /// A page of a datanet's contributions, first come first.
    ///
    /// # Errors
    /// See [`ClientError`](super::ClientError).
    pub async fn contributions(&self, datanet: &str, params: &ListParams) -> ClientResult<Contributions> {
        self.get_with(&format!("/v1/datanets/{datanet}/contributions"), params).await
    }

    /// One contribution, with its judges' reports.
    ///
    /// # Errors
    /// See [`ClientError`](super::ClientError).
    pub async fn contribution(&self, id: &ContributionId) -> ClientResult<ContributionView> {
        self.get(&format!("/v1/contributions/{id}")).await
    }

    /// A contribution as it stands, and again whenever that changes, until it is settled or the node goes away.
    ///
    /// # Errors
    /// See [`ClientError`](super::ClientError).
    pub async fn contribution_events(
        &self,
        id: &ContributionId,
    ) -> ClientResult<impl Stream<Item = ClientResult<ContributionView>> + use<>> {
        let path = format!("/v1/contributions/{id}/events");
        let response = self.send(self.request(Method::GET, &path)).await?;
        Ok(events::events(response, path))
    }

    /// A page of a contribution's records.
    ///
    /// # Errors
    /// See [`ClientError`](super::ClientError).
    pub async fn records(&self, id: &ContributionId, params: &PageParams) -> ClientResult<RecordsPage> {
        self.get_with(&format!("/v1/contributions/{id}/records"), params).await
    }

    /// Challenges a contribution's verdict.
    ///
    /// # Errors
    /// See [`ClientError`](super::ClientError).
    pub async fn challenge_verdict(&self, id: &ContributionId, account: Option<String>) -> ClientResult<Challenged> {
        self.post(&format!("/v1/contributions/{id}/challenge"), &InTheNameOf { account }).await
    }

    /// Takes a contribution back.
    ///
    /// # Errors
    /// See [`ClientError`](super::ClientError).
    pub async fn revoke(&self, id: &ContributionId) -> ClientResult<Revoked> {
        self.post_nothing(&format!("/v1/contributions/{id}/revoke")).await
    }

    /// Searches one datanet or all.
    ///
    /// # Errors
    /// See [`ClientError`](super::ClientError).
    pub async fn search(&self, params: &SearchParams) -> ClientResult<Hits> {
        self.get_with("/v1/search", params).await
    }
}
