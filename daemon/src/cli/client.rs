//! Talking to a running node.

use std::path::Path;

use anyhow::{Context, Result, bail};
use datanet_config::Home;
use reqwest::{Method, RequestBuilder, Response};
use serde_json::Value;

use super::problem::in_words;
use crate::http::Problem;
use crate::init::api_token;
use crate::node::{Join, RunFile};

/// The node's no to a request.
#[derive(Debug, thiserror::Error)]
#[error("{words}")]
pub struct Refused {
    /// Stable and machine-readable.
    pub code: String,
    words: String,
}

/// A client of the node of one home.
pub struct Client {
    http: reqwest::Client,
    base: String,
    token: String,
    join: Option<Join>,
}

impl Client {
    /// Finds the node that runs in `home`.
    pub fn of(home: &Home) -> Result<Self> {
        let path = home.run_file();
        let text = std::fs::read_to_string(&path).with_context(|| {
            format!("no node runs in {}; start one with `datanet start`, or pass --home", home.root().display())
        })?;
        let run: RunFile = serde_json::from_str(&text).with_context(|| format!("{} is damaged", path.display()))?;
        let http = crate::loopback::client_builder()?.build()?;
        Ok(Self { http, base: run.api, token: api_token(home)?, join: run.join })
    }

    /// How a node on another machine joins the network of this one, if it can.
    pub fn join(&self) -> Option<&Join> {
        self.join.as_ref()
    }

    /// A request to `path` with the token.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base)).bearer_auth(&self.token)
    }

    /// GET, as JSON.
    pub async fn get(&self, path: &str) -> Result<Value> {
        self.json(self.request(Method::GET, path)).await
    }

    /// GET with a query string, as JSON.
    pub async fn get_with(&self, path: &str, query: &[(&str, String)]) -> Result<Value> {
        self.json(self.request(Method::GET, path).query(query)).await
    }

    /// POST of JSON.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Value> {
        self.json(self.request(Method::POST, path).json(body)).await
    }

    /// Sends and reads JSON; a problem becomes an error in its own words.
    pub async fn json(&self, request: RequestBuilder) -> Result<Value> {
        let response = self.send(request).await?;
        response.json().await.context("the node's answer is no JSON")
    }

    /// Sends; a problem becomes an error in its own words.
    pub async fn send(&self, request: RequestBuilder) -> Result<Response> {
        let response = request
            .send()
            .await
            .with_context(|| format!("the node at {} does not answer; is it running?", self.base))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let text = response.text().await.unwrap_or_default();
        match serde_json::from_str::<Problem>(&text) {
            Ok(problem) => Err(Refused { words: in_words(&problem), code: problem.code }.into()),
            Err(_) => bail!("the node answered {status}: {text}"),
        }
    }

    /// An address as given, or that of a key of this name on the node.
    pub async fn address(&self, account: &str) -> Result<String> {
        if account.parse::<datanet_types::Address>().is_ok() {
            return Ok(account.to_owned());
        }
        let keys = self.get("/v1/keys").await?;
        let found = keys["keys"].as_array().into_iter().flatten().find(|key| key["name"] == account);
        let address = found.and_then(|key| key["address"].as_str());
        address.map(str::to_owned).with_context(|| {
            format!("{account:?} is neither an address nor a key on this node; `datanet keys list` shows them")
        })
    }
}

/// Reads a file for sending, with an error that names it.
pub fn read_text(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}
