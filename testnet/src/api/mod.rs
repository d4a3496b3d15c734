//! A client of a node's HTTP API, as anybody would write one: JSON, a bearer token, server-sent events. It shares no
//! types with the daemon, so it also checks that the contract is kept.

mod error;
mod events;
mod factory;
mod types;

use std::time::Duration;

use bytes::Bytes;
use futures::Stream;
use reqwest::{Method, RequestBuilder, Response};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

pub use error::ApiError;
pub use factory::{Classified, FineTuningJob, JobUpdate};
pub use types::*;

/// The longest wait for an upload to be taken in, of any size.
const UPLOAD_PATIENCE: Duration = Duration::from_secs(1_800);

/// What a call gives.
pub type ApiResult<T> = Result<T, ApiError>;

/// The longest wait for one answer: uploads and first embeddings on a busy machine take their time.
const PATIENCE: Duration = Duration::from_secs(180);

/// A caller of one node. Cheap to clone; calls may run at the same time.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    token: String,
}

impl Client {
    /// A client of the node at `base` (`http://127.0.0.1:PORT`) with the token of its home.
    ///
    /// # Errors
    /// When the HTTP client cannot be set up.
    pub fn new(base: &str, token: &str) -> ApiResult<Self> {
        let base = base.trim_end_matches('/').to_owned();
        let http = datanet_api::loopback::client_builder()
            .map_err(|error| ApiError::Client(error.to_string()))?
            .connect_timeout(Duration::from_secs(5))
            .build()
            .map_err(|source| ApiError::Transport { base: base.clone(), source })?;
        Ok(Self { http, base, token: token.trim().to_owned() })
    }

    /// The node's address.
    pub fn base(&self) -> &str {
        &self.base
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base)).bearer_auth(&self.token)
    }

    async fn send(&self, request: RequestBuilder) -> ApiResult<Response> {
        let transport = |source| ApiError::Transport { base: self.base.clone(), source };
        let response = request.send().await.map_err(transport)?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status().as_u16();
        let body = response.bytes().await.map_err(transport)?;
        Err(error::problem(status, &body))
    }

    async fn call<T: DeserializeOwned>(&self, request: RequestBuilder, path: &str) -> ApiResult<T> {
        self.call_within(request, path, PATIENCE).await
    }

    async fn call_within<T: DeserializeOwned>(
        &self,
        request: RequestBuilder,
        path: &str,
        patience: Duration,
    ) -> ApiResult<T> {
        let response = self.send(request.timeout(patience)).await?;
        let body = response.bytes().await.map_err(|source| ApiError::Transport { base: self.base.clone(), source })?;
        serde_json::from_slice(&body)
            .map_err(|error| ApiError::Answer { path: path.to_owned(), detail: error.to_string() })
    }

    /// `GET path`.
    ///
    /// # Errors
    /// See [`ApiError`]; so for all calls.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> ApiResult<T> {
        self.call(self.request(Method::GET, path), path).await
    }

    /// `POST path` with a JSON body.
    ///
    /// # Errors
    /// When the node does not answer, answers with a problem, or is not understood.
    pub async fn post<T: DeserializeOwned>(&self, path: &str, body: &Value) -> ApiResult<T> {
        self.call(self.request(Method::POST, path).json(body), path).await
    }

    /// Whether the node says that it is ready; false also where it cannot be reached.
    pub async fn is_ready(&self) -> bool {
        let request = self.http.get(format!("{}/health/ready", self.base)).timeout(Duration::from_secs(5));
        self.send(request).await.is_ok()
    }

    /// Where the node stands.
    ///
    /// # Errors
    /// When the node does not answer, answers with a problem, or is not understood.
    pub async fn status(&self) -> ApiResult<Status> {
        self.get("/v1/status").await
    }

    /// The key of that name, made if need be.
    ///
    /// # Errors
    /// When the node does not answer, answers with a problem, or is not understood.
    pub async fn key(&self, name: &str) -> ApiResult<Key> {
        #[derive(serde::Deserialize)]
        struct Keys {
            keys: Vec<Key>,
        }
        let existing = self.get::<Keys>("/v1/keys").await?.keys.into_iter().find(|k| k.name == name);
        match existing {
            Some(key) => Ok(key),
            None => self.post("/v1/keys", &json!({ "name": name })).await,
        }
    }

    /// Sends base units from a key of this node; returns once that is in a block.
    ///
    /// # Errors
    /// When the node does not answer, answers with a problem, or is not understood.
    pub async fn transfer(&self, from: &str, to: &str, amount: u64) -> ApiResult<Value> {
        self.post("/v1/transfers", &json!({ "from": from, "to": to, "amount": amount })).await
    }

    /// Makes a datanet; returns its id.
    ///
    /// # Errors
    /// When the node does not answer, answers with a problem, or is not understood.
    pub async fn create_datanet(&self, datanet: &Value) -> ApiResult<String> {
        let path = "/v1/datanets";
        let made: Value = self.post(path, datanet).await?;
        id_of(&made, "id", path)
    }

    /// Registers the node's embedding model on the ledger; returns the model's id.
    ///
    /// # Errors
    /// When the node does not answer, answers with a problem, or is not understood.
    pub async fn register_model(&self, name: &str, licence: &str) -> ApiResult<String> {
        let path = "/v1/models";
        let made: Value = self.post(path, &json!({ "name": name, "licence": licence })).await?;
        id_of(&made, "model", path)
    }

    /// Uploads a contribution for a key of this node.
    ///
    /// # Errors
    /// When the node does not answer, answers with a problem, or is not understood.
    pub async fn contribute(
        &self,
        datanet: &str,
        account: &str,
        media_type: &str,
        idempotency_key: &str,
        body: impl Into<reqwest::Body>,
    ) -> ApiResult<Contributed> {
        let path = format!("/v1/datanets/{datanet}/contributions");
        let request = self
            .request(Method::POST, &path)
            .query(&[("account", account)])
            .header("content-type", media_type)
            .header("idempotency-key", idempotency_key)
            .body(body);
        self.call_within(request, &path, UPLOAD_PATIENCE).await
    }

    /// One contribution.
    ///
    /// # Errors
    /// When the node does not answer, answers with a problem, or is not understood.
    pub async fn contribution(&self, id: &str) -> ApiResult<Contribution> {
        self.get(&format!("/v1/contributions/{id}")).await
    }

    /// Every change of a contribution from now on, beginning with how it stands; ends when it is settled or the node
    /// goes away.
    ///
    /// # Errors
    /// When the node does not answer, or answers with a problem; what goes wrong later is in the stream.
    pub async fn contribution_events(
        &self,
        id: &str,
    ) -> ApiResult<impl Stream<Item = ApiResult<Contribution>> + use<>> {
        let path = format!("/v1/contributions/{id}/events");
        let response = self.send(self.request(Method::GET, &path).header("accept", "text/event-stream")).await?;
        Ok(events::events(response, path))
    }

    /// Opens a channel from a key of this node to `node` (hex key; none: this node); returns the channel's id.
    ///
    /// # Errors
    /// When the node does not answer, answers with a problem, or is not understood.
    pub async fn open_channel(&self, account: &str, node: Option<&str>, deposit: u64) -> ApiResult<String> {
        let mut body = json!({ "account": account, "deposit": deposit });
        if let Some(node) = node {
            body["node"] = json!(node);
        }
        let path = "/v1/channels";
        let made: Value = self.post(path, &body).await?;
        match &made["channel"] {
            Value::Object(channel) => id_of(&Value::Object(channel.clone()), "id", path),
            _ => id_of(&made, "channel", path),
        }
    }

    /// Classifies a text over a datanet, paid from `account`'s channel with this node.
    ///
    /// # Errors
    /// When the node does not answer, answers with a problem, or is not understood.
    pub async fn ask(&self, datanet: &str, text: &str, account: &str) -> ApiResult<Answer> {
        self.post("/v1/ask", &json!({ "datanet": datanet, "text": text, "account": account })).await
    }

    /// The record behind a receipt.
    ///
    /// # Errors
    /// When the node does not answer, answers with a problem, or is not understood.
    pub async fn receipt(&self, id: &str) -> ApiResult<Value> {
        self.get(&format!("/v1/receipts/{id}")).await
    }

    /// Has this node recompute an answer.
    ///
    /// # Errors
    /// When the node does not answer, answers with a problem, or is not understood.
    pub async fn verify_receipt(&self, id: &str) -> ApiResult<Verdict> {
        self.post(&format!("/v1/receipts/{id}/verify"), &json!({})).await
    }

    /// Has this node check an answer record that the caller brings, as bytes.
    ///
    /// # Errors
    /// When the node does not answer, answers with a problem, or is not understood.
    pub async fn check_record(&self, record: Vec<u8>) -> ApiResult<Verdict> {
        let path = "/v1/receipts/check";
        let request = self.request(Method::POST, path).header("content-type", "application/octet-stream").body(record);
        self.call(request, path).await
    }

    /// Settles what this node served; `None` when there is nothing to settle.
    ///
    /// # Errors
    /// When the node does not answer, answers with a problem, or is not understood.
    pub async fn settle(&self) -> ApiResult<Option<Value>> {
        match self.post("/v1/epochs/settle", &json!({})).await {
            Ok(settled) => Ok(Some(settled)),
            Err(error) if error.status() == Some(409) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What this node has settled, the latest first.
    ///
    /// # Errors
    /// When the node does not answer, answers with a problem, or is not understood.
    pub async fn own_epochs(&self) -> ApiResult<Vec<Value>> {
        let node = self.status().await?.node_key;
        let mut epochs: Value = self.get(&format!("/v1/epochs?node={node}")).await?;
        Ok(epochs["epochs"].as_array_mut().map(std::mem::take).unwrap_or_default())
    }

    /// What an account owns, in base units.
    ///
    /// # Errors
    /// When the node does not answer, answers with a problem, or is not understood.
    pub async fn balance(&self, address: &str) -> ApiResult<u64> {
        let path = format!("/v1/accounts/{address}");
        let account: Value = self.get(&path).await?;
        account["balance"].as_u64().ok_or_else(|| ApiError::Answer { path, detail: "no balance".to_owned() })
    }

    /// What an account earned, and for what.
    ///
    /// # Errors
    /// When the node does not answer, answers with a problem, or is not understood.
    pub async fn earnings(&self, address: &str) -> ApiResult<Earnings> {
        self.get(&format!("/v1/accounts/{address}/earnings")).await
    }

    /// Claims everything an account of this node can claim.
    ///
    /// # Errors
    /// When the node does not answer, answers with a problem, or is not understood.
    pub async fn claim(&self, address: &str) -> ApiResult<Claimed> {
        self.post(&format!("/v1/accounts/{address}/claim"), &json!({})).await
    }

    /// The sum of all accounts, in base units.
    ///
    /// # Errors
    /// When the node does not answer, answers with a problem, or is not understood.
    pub async fn supply(&self) -> ApiResult<u64> {
        let path = "/v1/supply";
        let answer: Value = self.get(path).await?;
        answer["supply"]
            .as_u64()
            .ok_or_else(|| ApiError::Answer { path: path.to_owned(), detail: "no supply".to_owned() })
    }

    /// Embeds texts; returns the raw answer body in OpenAI's shape (vectors as base64, as the official clients ask).
    ///
    /// # Errors
    /// When the node does not answer, or answers with a problem.
    pub async fn embeddings(&self, model: &str, texts: &[String]) -> ApiResult<Bytes> {
        let body = json!({ "model": model, "input": texts, "encoding_format": "base64" });
        let response = self.send(self.request(Method::POST, "/v1/embeddings").json(&body).timeout(PATIENCE)).await?;
        response.bytes().await.map_err(|source| ApiError::Transport { base: self.base.clone(), source })
    }
}

fn id_of(answer: &Value, field: &str, path: &str) -> ApiResult<String> {
    let id = answer[field].as_str().map(str::to_owned);
    id.ok_or_else(|| ApiError::Answer { path: path.to_owned(), detail: format!("no {field}") })
}
