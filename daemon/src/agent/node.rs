//! The node that an agent works with, and the token that it works by.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use datanet_api::tokens::{Scope, TokenInfo};
use datanet_api::{Client, ClientError, RunFile};
use datanet_config::{Home, read_text};
use datanet_types::amount::display;
use datanet_types::{Address, NodeKey};
use reqwest::{Method, RequestBuilder};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::spec::{Kind, NodeSpec, Spec};

/// How long one call may take: an answer may wait for its turn.
const PATIENCE: Duration = Duration::from_secs(180);
/// Longest answer to a call with JSON, in bytes.
const MAX_ANSWER: usize = 64 << 20;

/// The node, as one token sees it.
#[derive(Debug, Clone)]
pub struct Node {
    /// Its interface.
    pub client: Client,
    /// The name of the account that pays and is paid.
    pub account: String,
    /// Its address.
    pub address: Address,
    /// The chain's id.
    pub chain: String,
    /// The node's key.
    pub key: NodeKey,
}

impl Node {
    /// Reaches the node of a spec, and makes sure that the token is the agent's own and has a limit.
    ///
    /// # Errors
    /// When the node does not answer, or the token can do too much or too little: what to make instead.
    pub async fn reach(spec: &Spec, kind: Kind) -> Result<Self> {
        let base = address(&spec.node)?;
        let make = |why: &str| {
            let (name, account, scopes) = (&spec.name, &spec.account, kind.scopes());
            let (amount, file) = (display(spec.budget.amount.0).replace(' ', ""), spec.node.token_file.display());
            let period = match spec.budget.period.seconds() {
                Some(_) => format!("/{}", spec.budget.period.name()),
                None => String::new(),
            };
            format!(
                "{why}; make one with `datanet token create {name} --scope {scopes} --account {account} --limit {amount}{period}` and put its secret into {file}"
            )
        };
        let secret = read_text(&spec.node.token_file).with_context(|| make("the agent has no token of its own"))?;
        let client = Client::new(&base, secret.trim().lines().next().unwrap_or_default())?.with_patience(PATIENCE);
        let token: TokenInfo = client.get("/v1/tokens/current").await?;
        if token.scopes.contains(&Scope::Admin) {
            bail!("{}", make("this is a token for everything, which an agent is not given"));
        }
        let missing: Vec<&str> =
            kind.scopes().split(',').filter(|name| !token.scopes.iter().any(|scope| scope.name() == *name)).collect();
        ensure!(missing.is_empty(), "{}", make(&format!("the token lacks the scope {}", missing.join(", "))));
        ensure!(token.limit.is_some(), "{}", make("the token has no limit"));
        let [address] = token.accounts.as_slice() else {
            bail!("{}", make("the token acts for more accounts than the agent's one"));
        };
        let status = client.status().await?;
        Ok(Self {
            client,
            account: spec.account.clone(),
            address: *address,
            chain: status.chain_id,
            key: status.node_key,
        })
    }

    /// `POST path` of JSON, under a name by which the node knows the call again.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn post_as<T: DeserializeOwned>(&self, path: &str, key: &str, body: &Value) -> Result<T, ClientError> {
        let request = self.client.request(Method::POST, path).header("idempotency-key", key).json(body);
        self.read(path, request.timeout(PATIENCE)).await
    }

    async fn read<T: DeserializeOwned>(&self, path: &str, request: RequestBuilder) -> Result<T, ClientError> {
        let response = self.client.send(request).await?;
        let broke_off = |source| ClientError::BrokeOff { base: self.client.base().to_owned(), source };
        let mut response = response;
        let mut bytes = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(broke_off)? {
            if bytes.len() + piece.len() > MAX_ANSWER {
                return Err(ClientError::LongEvent { path: path.to_owned(), limit: MAX_ANSWER });
            }
            bytes.extend_from_slice(&piece);
        }
        serde_json::from_slice(&bytes).map_err(|source| ClientError::Answer { path: path.to_owned(), source })
    }
}

/// Where the node of a spec listens.
fn address(spec: &NodeSpec) -> Result<String> {
    match (&spec.home, &spec.url) {
        (Some(home), None) => Ok(RunFile::read(&Home::new(home))?.api),
        (None, Some(url)) => {
            let parsed = reqwest::Url::parse(url).with_context(|| format!("[node] url = {url:?} is no address"))?;
            let local = match parsed.host_str() {
                Some("localhost") => true,
                Some(host) => {
                    host.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
                }
                None => false,
            };
            ensure!(
                local,
                "[node] url = {url:?}: an agent works with a node of its own machine, http://127.0.0.1:PORT; a token goes over no network in the clear"
            );
            Ok(url.clone())
        }
        _ => bail!("[node] says either home, the node's folder, or url, its address"),
    }
}
