//! Requests as clients of either revision write them.

use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};

use crate::kit::Api;

/// The revision with a handshake.
pub const OLD: &str = "2025-11-25";
/// The one without.
pub const NEW: &str = "2026-07-28";

/// A client.
pub struct Agent<'a> {
    pub api: &'a Api,
    pub revision: &'static str,
    /// What it says that it can, in the revision where every request says it.
    pub capabilities: Value,
}

impl<'a> Agent<'a> {
    /// Of the revision with a handshake.
    pub fn old(api: &'a Api) -> Self {
        Self { api, revision: OLD, capabilities: json!({}) }
    }

    /// Of the one without, that can show forms and polls tasks.
    pub fn new(api: &'a Api) -> Self {
        let capabilities =
            json!({ "elicitation": { "form": {} }, "extensions": { "io.modelcontextprotocol/tasks": {} } });
        Self { api, revision: NEW, capabilities }
    }

    /// A request, not yet sent.
    pub fn request(&self, method: &str, mut params: Value) -> RequestBuilder {
        let name = params["name"].as_str().or(params["uri"].as_str()).or(params["taskId"].as_str()).map(str::to_owned);
        let mut request = post(self.api).header("mcp-protocol-version", self.revision);
        if self.revision == NEW {
            params["_meta"]["io.modelcontextprotocol/protocolVersion"] = json!(NEW);
            params["_meta"]["io.modelcontextprotocol/clientInfo"] = json!({ "name": "test", "version": "1" });
            params["_meta"]["io.modelcontextprotocol/clientCapabilities"] = self.capabilities.clone();
            request = request.header("mcp-method", method);
            if let Some(name) = name {
                request = request.header("mcp-name", name);
            }
        }
        request.json(&json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }))
    }

    /// The answer to a request: a result or an error.
    pub async fn send(&self, method: &str, params: Value) -> Value {
        messages(self.request(method, params).send().await.unwrap()).await.pop().expect("an answer")
    }

    /// The result of a request.
    pub async fn result(&self, method: &str, params: Value) -> Value {
        let answer = self.send(method, params).await;
        assert!(answer["error"].is_null(), "{method}: {answer:#}");
        answer["result"].clone()
    }

    /// The result of a tool, whatever it is.
    pub async fn call(&self, tool: &str, arguments: Value) -> Value {
        self.result("tools/call", json!({ "name": tool, "arguments": arguments })).await
    }

    /// What a tool gives; a refusal fails the test.
    pub async fn does(&self, tool: &str, arguments: Value) -> Value {
        given(tool, &self.call(tool, arguments).await)
    }

    /// A tool refuses, in these words.
    pub async fn refused(&self, tool: &str, arguments: Value, code: &str, says: &str) {
        is_refusal(&format!("{tool} {arguments}"), &self.call(tool, arguments.clone()).await, code, says);
    }
}

/// What a tool gave: the structure, which its text says too.
pub fn given(tool: &str, result: &Value) -> Value {
    assert_ne!(result["isError"], true, "{tool}: {result:#}");
    let structure = result["structuredContent"].clone();
    let text: Value = serde_json::from_str(result["content"][0]["text"].as_str().unwrap()).unwrap();
    assert_eq!(text, structure, "{tool}");
    structure
}

/// A tool's refusal, for the model to read.
pub fn is_refusal(what: &str, result: &Value, code: &str, says: &str) {
    assert_eq!(result["isError"], true, "{what}: {result:#}");
    assert_eq!(result["_meta"]["datanet/problem"]["code"], code, "{what}: {result:#}");
    let text = result["content"][0]["text"].as_str().unwrap();
    assert!(text.contains(says), "{what} should say {says:?}: {text}");
    assert!(result["structuredContent"].is_null(), "{what}: {result:#}");
}

/// An empty request with the token.
pub fn post(api: &Api) -> RequestBuilder {
    api.raw(Method::POST, "/mcp").header("accept", "application/json, text/event-stream")
}

/// All messages of an answer, the last of which is the result or the error.
pub async fn messages(response: Response) -> Vec<Value> {
    let streams = response.headers()["content-type"].to_str().unwrap().starts_with("text/event-stream");
    let text = response.text().await.unwrap();
    let read = |text: &str| serde_json::from_str(text).unwrap_or_else(|error| panic!("{error} in {text}"));
    if streams {
        text.lines()
            .filter_map(|line| line.strip_prefix("data:"))
            .map(str::trim)
            .filter(|data| !data.is_empty())
            .map(read)
            .collect()
    } else {
        vec![read(&text)]
    }
}
