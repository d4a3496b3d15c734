//! Talking to a running node: the client of `datanet-api`, whose errors are put into the words of the command line.

use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result};
use datanet_api::{ClientError, Join, RunFile};
use datanet_config::Home;
use reqwest::{Method, RequestBuilder, Response};
use serde_json::Value;

use super::nearest::nearest;
use super::output::Output;
use super::problem::in_words;
use crate::keyring::NODE_ACCOUNT;

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
    /// Where it runs.
    pub home: Home,
    join: Option<Join>,
    /// Names that were typed and left to the node to find.
    left: Mutex<Vec<String>>,
}

impl Client {
    /// Finds the node that runs in `home`.
    pub(super) fn of(home: &Home) -> Result<Self> {
        let node = datanet_api::Client::of(home)?;
        Ok(Self { node, home: home.clone(), join: RunFile::read(home)?.join, left: Mutex::default() })
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

    /// DELETE, as JSON.
    pub(super) async fn delete(&self, path: &str) -> Result<Value> {
        self.node.delete(path).await.map_err(told)
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
        let found = keys.iter().find(|key| key.name == account);
        found.map(|key| key.address.to_string()).with_context(|| {
            let meant = nearest(account, keys.iter().map(|key| key.name.as_str()));
            let meant = meant.map(|near| format!("; did you mean {near:?}?")).unwrap_or_default();
            format!("{account:?} is neither an address nor a key on this node{meant}; `datanet keys list` shows them")
        })
    }

    /// Leaves a name to the node to find.
    pub(super) fn leave(&self, typed: &str) -> String {
        self.left.lock().unwrap_or_else(PoisonError::into_inner).push(typed.to_owned());
        typed.to_owned()
    }

    /// Where no account was named, tells people in whose name something was done.
    pub(super) async fn tell_account(&self, named: Option<&str>, output: Output) {
        if named.is_none() && !output.json {
            let own = self.address(NODE_ACCOUNT).await.unwrap_or_default();
            note!("done in the name of this node's own account {own}; --account NAME takes another");
        }
    }

    /// The same error, with the name that may have been meant where the node knows none of a name that was typed.
    pub(super) async fn suggest(&self, error: anyhow::Error) -> anyhow::Error {
        let Some(refused) = error.downcast_ref::<Refused>() else { return error };
        let (path, list) = match refused.code.as_str() {
            "unknown-datanet" => ("/v1/datanets", "datanets"),
            "unknown-model" => ("/v1/models", "data"),
            "unknown-key" => ("/v1/keys", "keys"),
            _ => return error,
        };
        let Ok(all) = self.get(path).await else { return error };
        let entries = all[list].as_array().into_iter().flatten();
        let several = entries.clone().flat_map(|entry| entry["names"].as_array().into_iter().flatten());
        let names: Vec<&str> = entries.map(|entry| &entry["name"]).chain(several).filter_map(Value::as_str).collect();
        let left = self.left.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let unknown = left.iter().filter(|typed| !names.contains(&typed.as_str()));
        match unknown.filter_map(|typed| nearest(typed, names.iter().copied())).next() {
            Some(near) => {
                Refused { words: format!("{}; did you mean {near:?}?", refused.words), code: refused.code.clone() }
                    .into()
            }
            None => error,
        }
    }
}

/// An error as whoever types commands reads it.
pub(super) fn told(error: ClientError) -> anyhow::Error {
    match error {
        ClientError::Refused(problem) => Refused { words: in_words(&problem), code: problem.code }.into(),
        other => other.into(),
    }
}
