//! Talking to a running node: the client of `datanet-api`, whose errors are put into the words of the command line.

use anyhow::{Context, Result};
use datanet_api::{ClientError, Join, RunFile};
use datanet_config::Home;
use reqwest::{Method, RequestBuilder, Response};
use serde_json::Value;

use super::problem::in_words;

/// The node's no to a request.
#[derive(Debug, thiserror::Error)]
#[error("{words}")]
pub(super) struct Refused {
    /// Stable and machine-readable.
    pub code: String,
    words: String,
}

/// A client of the node of one home.
pub(super) struct Client {
    /// For what has a type.
    pub node: datanet_api::Client,
    join: Option<Join>,
}

impl Client {
    /// Finds the node that runs in `home`.
    pub(super) fn of(home: &Home) -> Result<Self> {
        let node = datanet_api::Client::of(home)?;
        Ok(Self { node, join: RunFile::read(home)?.join })
    }

    /// How a node on another machine joins the network of this one, if it can.
    pub(super) fn join(&self) -> Option<&Join> {
        self.join.as_ref()
    }

    /// A request to `path` with the token.
    pub(super) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.node.request(method, path)
    }

    /// GET, as JSON.
    pub(super) async fn get(&self, path: &str) -> Result<Value> {
        self.node.get(path).await.map_err(told)
    }

    /// GET with a query string, as JSON.
    pub(super) async fn get_with(&self, path: &str, query: &[(&str, String)]) -> Result<Value> {
        self.node.get_with(path, &query).await.map_err(told)
    }

    /// POST of JSON.
    pub(super) async fn post(&self, path: &str, body: &Value) -> Result<Value> {
        self.node.post(path, body).await.map_err(told)
    }

    /// Sends and reads JSON; a problem becomes an error in its own words.
    pub(super) async fn json(&self, request: RequestBuilder) -> Result<Value> {
        let response = self.send(request).await?;
        response.json().await.context("the node's answer is no JSON")
    }

    /// Sends; a problem becomes an error in its own words.
    pub(super) async fn send(&self, request: RequestBuilder) -> Result<Response> {
        self.node.send(request).await.map_err(told)
    }

    /// An address as given, or that of a key of this name on the node.
    pub(super) async fn address(&self, account: &str) -> Result<String> {
        if account.parse::<datanet_types::Address>().is_ok() {
            return Ok(account.to_owned());
        }
        let keys = self.node.keys().await.map_err(told)?;
        let found = keys.into_iter().find(|key| key.name == account);
        found.map(|key| key.address.to_string()).with_context(|| {
            format!("{account:?} is neither an address nor a key on this node; `datanet keys list` shows them")
        })
    }
}

/// An error as whoever types commands reads it.
pub(super) fn told(error: ClientError) -> anyhow::Error {
    match error {
        ClientError::Refused(problem) => Refused { words: in_words(&problem), code: problem.code }.into(),
        other => other.into(),
    }
}
