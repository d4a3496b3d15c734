//! The Model Context Protocol as a client of revision 2026-07-28 speaks it: one request, one answer, over plain HTTP.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

const REVISION: &str = "2026-07-28";

/// A client of one node.
#[derive(Debug, Clone)]
pub struct Mcp {
    base: String,
    token: String,
    http: reqwest::Client,
}

impl Mcp {
    /// Of the node at `base`, by this token.
    ///
    /// # Errors
    /// When the HTTP client cannot be set up.
    pub fn new(base: &str, token: &str) -> Result<Self> {
        let http = datanet_api::loopback::client_builder()?.build()?;
        Ok(Self { base: base.to_owned(), token: token.to_owned(), http })
    }

    /// What a tool gives.
    ///
    /// # Errors
    /// When it refuses, in its own words.
    pub async fn call(&self, tool: &str, arguments: Value) -> Result<Value> {
        let meta = json!({
            "io.modelcontextprotocol/protocolVersion": REVISION,
            "io.modelcontextprotocol/clientInfo": { "name": "tour", "version": "1" },
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        let params = json!({ "name": tool, "arguments": arguments, "_meta": meta });
        let request = self.http.post(format!("{}/mcp", self.base)).bearer_auth(&self.token);
        let request = request
            .header("accept", "application/json, text/event-stream")
            .header("mcp-protocol-version", REVISION)
            .header("mcp-method", "tools/call")
            .header("mcp-name", tool)
            .json(&json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params }));
        let text = request.send().await?.text().await?;
        let answer = last(&text).with_context(|| format!("{tool}: no answer in {text:?}"))?;
        let result = &answer["result"];
        ensure!(answer["error"].is_null() && result["isError"] != true, "{tool}: {answer}");
        Ok(result["structuredContent"].clone())
    }
}

/// The last message of an answer, which came as JSON or as a stream of it.
fn last(text: &str) -> Option<Value> {
    let streamed =
        text.lines().filter_map(|line| line.strip_prefix("data:")).map(str::trim).rfind(|data| !data.is_empty());
    serde_json::from_str(streamed.unwrap_or(text)).ok()
}
