//! Having a model write: the request, and the text as it comes.

use std::io::IsTerminal;

use anyhow::{Context, Result};
use datanet_api::server_sent;
use futures::StreamExt;
use reqwest::{Method, Response};
use serde_json::{Value, json};

use super::args::{CompleteArgs, DrawArgs};
use super::client::{Client, Refused};
use super::costs;
use super::explain::warn_of_taint;
use super::files::read_text;
use super::output::{self, Output, money, text};

/// Tokens that are written where nobody says how many.
const MAX_TOKENS: u32 = 128;

/// `complete`.
pub(super) async fn complete(client: &Client, args: CompleteArgs, output: Output) -> Result<()> {
    let writer = Writer::new(client, &args.model, args.how, output).await?;
    writer.once("/v1/completions", "prompt", args.prompt.into()).await
}

/// Asks one model to write, always in the same way.
pub(super) struct Writer<'a> {
    client: &'a Client,
    /// The model's id, or a name that leads to it.
    model: String,
    how: DrawArgs,
    /// `response_format`.
    format: Option<Value>,
    pub output: Output,
}

impl<'a> Writer<'a> {
    pub(super) async fn new(client: &'a Client, model: &str, mut how: DrawArgs, output: Output) -> Result<Self> {
        let format = format(&how)?;
        let model = client.model(model).await?;
        costs::of_answers(&client.get(&format!("/v1/models/{model}")).await?, 1, how.account.as_deref(), output);
        how.account = how.account.map(|account| client.leave(&account));
        Ok(Self { client, model, how, format, output })
    }

    /// Asks once and prints the answer: `what` is the field that holds `said`.
    pub(super) async fn once(&self, path: &str, what: &str, said: Value) -> Result<()> {
        let response = self.send(path, what, said).await?;
        if self.output.json {
            let value: Value = whole(response).await?;
            self.output.show(&value, |_| {});
            return Ok(());
        }
        let printed = print(response, &mut String::new(), self.is_data()).await?;
        self.print_end(&printed.last);
        let cut = printed.cut && self.format.is_some();
        anyhow::ensure!(!cut, "the answer was cut at its most tokens and is no whole JSON; raise --max-tokens");
        Ok(())
    }

    /// Whether what is printed is for a program: JSON that goes into a file or a pipe.
    pub(super) fn is_data(&self) -> bool {
        self.format.is_some() && !std::io::stdout().is_terminal()
    }

    /// Prints what an answer cost, and its proof.
    pub(super) fn print_end(&self, last: &Value) {
        let end = format!("fee {}   receipt {}", money(&last["fee"]), text(&last["receipt"]["id"]));
        if self.format.is_some() {
            say!("");
            note!("{end}");
        } else {
            say!("\n\n{end}");
        }
        warn_of_taint(last, &self.model.as_str().into());
    }

    /// Asks; the answer comes as a stream, unless it is for programs.
    pub(super) async fn send(&self, path: &str, what: &str, said: Value) -> Result<Response> {
        let limit = self.how.max_tokens.unwrap_or(MAX_TOKENS);
        let mut body = json!({ "model": self.model, what: said, "stream": !self.output.json, "max_tokens": limit });
        if let Some(temperature) = self.how.temperature {
            body["temperature"] = temperature.into();
        }
        if let Some(seed) = self.how.seed {
            body["seed"] = seed.into();
        }
        if let Some(format) = &self.format {
            body["response_format"] = format.clone();
        }
        if let Some(account) = &self.how.account {
            body["account"] = account.as_str().into();
        }
        let send = |body: &Value| self.client.send(self.client.request(Method::POST, path).json(body));
        match send(&body).await {
            // Nobody asked for so many: a model with less room writes what it has room for.
            Err(error) if self.how.max_tokens.is_none() && is_too_long(&error) => {
                body["max_tokens"] = Value::Null;
                send(&body).await
            }
            other => other,
        }
    }
}

/// What the answer is held to.
fn format(how: &DrawArgs) -> Result<Option<Value>> {
    let Some(path) = &how.json_schema else {
        return Ok(how.json_object.then(|| json!({ "type": "json_object" })));
    };
    let schema = serde_json::from_str::<serde_json::Map<String, Value>>(&read_text(path)?);
    let schema = schema.with_context(|| format!("{} is no JSON Schema, which is an object", path.display()))?;
    Ok(Some(json!({ "type": "json_schema", "json_schema": { "name": "schema", "schema": schema } })))
}

/// Whether what was said is more than the model reads.
pub(super) fn is_too_long(error: &anyhow::Error) -> bool {
    error.downcast_ref::<Refused>().is_some_and(|refused| refused.code == "context-too-long")
}

/// An answer that comes in one piece.
pub(super) async fn whole(response: Response) -> Result<Value> {
    response.json().await.context("the node's answer broke off, or is no JSON")
}

/// An answer that was printed.
pub(super) struct Printed {
    /// What the node says of it at its end.
    pub last: Value,
    /// Whether its tokens were used up before it was over.
    pub cut: bool,
}

/// Prints an answer as it comes and adds it to `said`. What is no data is printed so that it does no harm to a terminal.
pub(super) async fn print(response: Response, said: &mut String, is_data: bool) -> Result<Printed> {
    let mut events = std::pin::pin!(server_sent::events(response));
    let (mut last, mut cut) = (Value::Null, false);
    while let Some(event) = events.next().await {
        let data = event.context("the answer broke off")?;
        if data == "[DONE]" {
            continue;
        }
        let part: Value = serde_json::from_str(&data).context("the node sent a damaged event")?;
        anyhow::ensure!(!part["error"].is_object(), "{}", text(&part["error"]["message"]));
        let choice = &part["choices"][0];
        let piece = choice["delta"]["content"].as_str().or_else(|| choice["text"].as_str()).unwrap_or_default();
        said.push_str(piece);
        cut |= choice["finish_reason"] == "length";
        if is_data {
            output::piece(piece.as_bytes());
        } else {
            output::piece(text(&piece.into()).as_bytes());
        }
        if part["datanet"].is_object() {
            last = part["datanet"].clone();
        }
    }
    Ok(Printed { last, cut })
}
