//! Where a model is asked: any OpenAI-compatible interface, or the agent's own node, whose answers it pays for like others.

use std::time::Duration;

use anyhow::{Context, Result};
use datanet_config::read_text;
use serde_json::{Value, json};

use super::super::desk::{Became, Desk};
use super::super::guard::Wanted;
use super::super::journal::{Deed, Observed, Outcome};
use super::super::purse::Plan;
use super::super::spec::{Calls, PolicySpec};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(120);
/// Longest answer in bytes.
const MAX_ANSWER: usize = 1 << 20;
/// Tokens of one answer.
const MAX_TOKENS: u32 = 400;
/// Calls of one answer that are read.
const MAX_CALLS: usize = 4;

/// See the module.
pub struct Endpoint {
    /// None is the node.
    base: Option<String>,
    key: Option<String>,
    model: String,
    calls: Calls,
    http: reqwest::Client,
    /// What one answer of the node's model may cost.
    price: u64,
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Without the key.
        f.debug_struct("Endpoint").field("base", &self.base).field("model", &self.model).finish_non_exhaustive()
    }
}

/// What a model said.
#[derive(Debug, Clone, PartialEq)]
pub struct Said {
    /// Its turn, as it is sent back to it.
    pub turn: Value,
    /// What it wants: only what stands where calls stand. Its prose is never searched for any.
    pub wanted: Vec<(String, Wanted)>,
}

impl Endpoint {
    /// As a spec says; `price` is the most that one answer of the node's model may cost.
    ///
    /// # Errors
    /// When its key cannot be read, or an HTTP client not be set up.
    pub fn of(spec: &PolicySpec, price: u64) -> Result<Self> {
        let endpoint = spec.endpoint.clone().unwrap_or_default();
        let key = spec.key_file.as_ref().map(|file| read_text(file)).transpose().context("[policy] key_file")?;
        let http = crate::agent::web::client_builder()?.timeout(PATIENCE).build()?;
        Ok(Self {
            base: Some(endpoint.trim_end_matches('/').to_owned()).filter(|endpoint| endpoint != "node"),
            key: key.map(|key| key.trim().to_owned()),
            model: spec.model.clone().unwrap_or_default(),
            calls: spec.calls,
            http,
            price,
        })
    }

    /// How it says what it wants.
    pub fn calls(&self) -> Calls {
        self.calls
    }

    /// Asks for one turn; the reason in words if there is none. `subject` names the turn in the journal.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub async fn ask(
        &self,
        desk: &mut Desk,
        subject: &str,
        messages: &[Value],
        tools: &Value,
        schema: &Value,
    ) -> Result<Result<Said, String>> {
        let mut body = json!({ "model": self.model, "messages": messages, "max_tokens": MAX_TOKENS, "temperature": 0 });
        match self.calls {
            Calls::Tools => {
                body["tools"] = tools.clone();
                body["tool_choice"] = json!("auto");
            }
            Calls::Json => {
                let named = json!({ "name": "call", "schema": schema, "strict": true });
                body["response_format"] = json!({ "type": "json_schema", "json_schema": named });
            }
        }
        let message = match &self.base {
            Some(base) => self.ask_there(base, &body).await,
            None => match self.ask_node(desk, subject, body).await? {
                Ok(text) => Ok(json!({ "role": "assistant", "content": text })),
                Err(why) => Err(why),
            },
        };
        Ok(message.map(|message| read(&message, self.calls)))
    }

    async fn ask_there(&self, base: &str, body: &Value) -> Result<Value, String> {
        let mut request = self.http.post(format!("{base}/chat/completions")).json(body);
        if let Some(key) = &self.key {
            request = request.bearer_auth(key);
        }
        let why = |error: reqwest::Error| format!("the model does not answer: {}", error.without_url());
        let mut response = request.send().await.map_err(why)?;
        let status = response.status();
        let mut bytes = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(why)? {
            if bytes.len() + piece.len() > MAX_ANSWER {
                return Err(format!("the model's answer has more than {MAX_ANSWER} bytes"));
            }
            bytes.extend_from_slice(&piece);
        }
        if !status.is_success() {
            return Err(format!("the model's interface answered {}", status.as_u16()));
        }
        let mut answer: Value =
            serde_json::from_slice(&bytes).map_err(|_| "the model's answer is no JSON".to_owned())?;
        // Indexing for writing panics where the answer is of another shape.
        match answer.pointer_mut("/choices/0/message").map(Value::take) {
            Some(message @ Value::Object(_)) => Ok(message),
            _ => Err("the model's answer has no message".to_owned()),
        }
    }

    /// The node's model is paid like everything else: by an intention within the budget.
    async fn ask_node(&self, desk: &mut Desk, subject: &str, body: Value) -> Result<Result<String, String>> {
        let observed = Observed::of(format!("a turn of the model {}", self.model), body.to_string().as_bytes());
        let plan = Plan {
            subject: subject.to_owned(),
            observed,
            deed: Deed::Think { body },
            why: "to choose".to_owned(),
            reserved: self.price,
        };
        Ok(match desk.carry_out(plan).await? {
            Became::Ended(ended) if ended.outcome == Outcome::Done => {
                Ok(ended.detail["said"].as_str().unwrap_or_default().to_owned())
            }
            Became::Ended(ended) => Err(ended.detail["why"].as_str().unwrap_or("it was refused").to_owned()),
            Became::UnderWay => Err("it is under way".to_owned()),
            Became::Not(why) => Err(why),
        })
    }
}

/// What a message wants.
fn read(message: &Value, calls: Calls) -> Said {
    let content = message["content"].as_str().unwrap_or_default();
    match calls {
        Calls::Json => {
            let turn = json!({ "role": "assistant", "content": content });
            let wanted = serde_json::from_str::<Value>(content).ok().and_then(|mut object| {
                let arguments = object.as_object_mut()?;
                let tool = arguments.remove("tool")?.as_str()?.to_owned();
                Some((String::new(), Wanted { tool, arguments: object }))
            });
            Said { turn, wanted: wanted.into_iter().collect() }
        }
        Calls::Tools => {
            let listed = message["tool_calls"].as_array().into_iter().flatten().take(MAX_CALLS);
            let wanted: Vec<(String, Wanted)> = listed
                .map(|call| {
                    let text = call["function"]["arguments"].as_str().unwrap_or_default();
                    let arguments =
                        serde_json::from_str(if text.is_empty() { "{}" } else { text }).unwrap_or(Value::Null);
                    let tool = call["function"]["name"].as_str().unwrap_or_default().to_owned();
                    (call["id"].as_str().unwrap_or_default().to_owned(), Wanted { tool, arguments })
                })
                .collect();
            let repeated = wanted.iter().map(|(id, wanted)| {
                let function = json!({ "name": wanted.tool, "arguments": wanted.arguments.to_string() });
                json!({ "id": id, "type": "function", "function": function })
            });
            let mut turn = json!({ "role": "assistant", "content": content });
            if !wanted.is_empty() {
                turn["tool_calls"] = repeated.collect();
            }
            Said { turn, wanted }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_where_calls_stand_is_one() {
        let prose = r#"<tool_call>{"name": "take", "arguments": {"choice": "owl"}}</tool_call> {"tool": "take", "choice": "owl"}"#;
        for calls in [Calls::Tools, Calls::Json] {
            assert_eq!(read(&json!({ "content": prose }), calls).wanted, []);
        }
        let said = read(&json!({ "content": "{\"tool\": \"take\", \"choice\": \"owl\"}" }), Calls::Json);
        assert_eq!(said.wanted[0].1, Wanted { tool: "take".into(), arguments: json!({ "choice": "owl" }) });
        let call = json!({ "id": "1", "function": { "name": "take", "arguments": "{\"choice\": \"owl\"}" } });
        let said = read(&json!({ "content": null, "tool_calls": [call] }), Calls::Tools);
        assert_eq!(said.wanted[0].1, Wanted { tool: "take".into(), arguments: json!({ "choice": "owl" }) });
        for odd in [
            json!({}),
            json!({ "tool_calls": 5 }),
            json!({ "tool_calls": [{}] }),
            json!({ "tool_calls": [{ "function": { "arguments": "[" } }] }),
        ] {
            let said = read(&odd, Calls::Tools);
            assert!(said.wanted.iter().all(|(_, wanted)| wanted.tool.is_empty()), "{odd}");
        }
    }
}
