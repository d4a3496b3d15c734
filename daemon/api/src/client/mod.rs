//! A client of one node, for programs on its machine.
//!
//! One typed method for each thing that programs do; [`Client::get`] and [`Client::post`] for everything else. A refusal
//! is the node's own [`Problem`](crate::Problem).

mod answers;
mod data;
mod error;
mod events;
mod ledger;
mod models;

use std::time::Duration;

use datanet_config::Home;
use reqwest::{Method, RequestBuilder, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use error::ClientError;

use crate::{RunFile, loopback};

/// What a call gives.
pub type ClientResult<T> = Result<T, ClientError>;

/// The longest wait for a connection, which leads nowhere but to this machine.
const CONNECT: Duration = Duration::from_secs(5);

/// So many times its usual patience a client has with an upload, which may be of any size.
const UPLOAD: u32 = 10;

/// A caller of one node. Cheap to clone; calls may run at the same time.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    token: String,
    patience: Option<Duration>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Without the token, which must not be in a log.
        f.debug_struct("Client").field("base", &self.base).finish_non_exhaustive()
    }
}

impl Client {
    /// A client of the node at `base` (`http://127.0.0.1:PORT`) with the token of its home.
    ///
    /// # Errors
    /// [`ClientError::Setup`].
    pub fn new(base: &str, token: &str) -> ClientResult<Self> {
        let setup = |error: Box<dyn std::error::Error + Send + Sync>| ClientError::Setup(error);
        let builder = loopback::client_builder().map_err(|error| setup(error.into()))?;
        let http = builder.connect_timeout(CONNECT).build().map_err(|error| setup(error.into()))?;
        let base = base.trim_end_matches('/').to_owned();
        Ok(Self { http, base, token: token.trim().to_owned(), patience: None })
    }

    /// A client of the node that runs in `home`.
    ///
    /// # Errors
    /// When none runs there, or when the home's files can't be read.
    pub fn of(home: &Home) -> ClientResult<Self> {
        let path = home.run_file();
        let text = std::fs::read_to_string(&path)
            .map_err(|source| ClientError::NotRunning { home: home.root().to_owned(), source })?;
        let run: RunFile =
            serde_json::from_str(&text).map_err(|source| ClientError::DamagedRunFile { path, source })?;
        let path = home.api_token();
        let token = std::fs::read_to_string(&path).map_err(|source| ClientError::NoToken { path, source })?;
        Self::new(&run.api, &token)
    }

    /// The same client, which waits so long for an answer and no longer; for uploads, ten times that. Streams of events
    /// have no end of their own.
    #[must_use]
    pub fn with_patience(self, patience: Duration) -> Self {
        Self { patience: Some(patience), ..self }
    }

    /// The node's address.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// A request to `path` with the token.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base)).bearer_auth(&self.token)
    }

    /// Sends a request of [`Client::request`]; anything but success is an error.
    ///
    /// # Errors
    /// See [`ClientError`]; so for all calls.
    pub async fn send(&self, request: RequestBuilder) -> ClientResult<Response> {
        let response = request.send().await.map_err(|source| self.unreachable(source))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status().as_u16();
        let body = response.bytes().await.map_err(|source| self.unreachable(source))?;
        Err(error::refusal(status, &body))
    }

    /// `GET path`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> ClientResult<T> {
        self.call(self.request(Method::GET, path), path).await
    }

    /// `GET path` with a query string.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn get_with<T: DeserializeOwned>(&self, path: &str, query: &impl Serialize) -> ClientResult<T> {
        self.call(self.request(Method::GET, path).query(query), path).await
    }

    /// `POST path` with a JSON body.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> ClientResult<T> {
        self.call(self.request(Method::POST, path).json(body), path).await
    }

    /// `DELETE path`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn delete<T: DeserializeOwned>(&self, path: &str) -> ClientResult<T> {
        self.call(self.request(Method::DELETE, path), path).await
    }

    /// `POST path` without a body.
    async fn post_nothing<T: DeserializeOwned>(&self, path: &str) -> ClientResult<T> {
        self.call(self.request(Method::POST, path), path).await
    }

    async fn call<T: DeserializeOwned>(&self, request: RequestBuilder, path: &str) -> ClientResult<T> {
        self.call_within(request, path, self.patience).await
    }

    async fn call_within<T: DeserializeOwned>(
        &self,
        request: RequestBuilder,
        path: &str,
        patience: Option<Duration>,
    ) -> ClientResult<T> {
        let request = match patience {
            Some(patience) => request.timeout(patience),
            None => request,
        };
        let body = self.send(request).await?.bytes().await.map_err(|source| self.unreachable(source))?;
        serde_json::from_slice(&body).map_err(|source| ClientError::Answer { path: path.to_owned(), source })
    }

    fn unreachable(&self, source: reqwest::Error) -> ClientError {
        ClientError::Unreachable { base: self.base.clone(), source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_home_without_a_node_says_how_to_start_one() {
        let home = tempfile::tempdir().unwrap();
        let error = Client::of(&Home::new(home.path())).unwrap_err();
        assert!(matches!(error, ClientError::NotRunning { .. }) && error.to_string().contains("`datanet start`"));
    }

    #[test]
    fn a_clients_token_is_not_shown() {
        let client = Client::new("http://127.0.0.1:1/", "secret\n").unwrap();
        assert_eq!((client.base(), client.token.as_str()), ("http://127.0.0.1:1", "secret"));
        assert!(!format!("{client:?}").contains("secret"));
    }
}
