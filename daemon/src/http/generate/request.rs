//! Completions as OpenAI's clients ask for them, checked and in the node's own terms.
//!
//! Fields that would change the answer and are not supported are refused; those that would not are passed over.

use datanet_types::receipt::Sampling;
use datanet_types::voucher::SignedVoucher;
use serde_json::Value;

use crate::answers::complete::{ChatMessage, CompletionAsk, Prompt};
use crate::billing::Billing;
use crate::error::{Code, ServiceError, ServiceResult};

/// Most stop texts, and the longest of them in bytes.
const MAX_STOPS: usize = 16;
const MAX_STOP_BYTES: usize = 256;
/// Longest prompt in bytes.
const MAX_PROMPT: usize = 1024 * 1024;
/// One in parts per million.
const MILLION: f64 = 1e6;

/// What both kinds of completions take.
#[derive(Debug, Default, serde::Deserialize, utoipa::ToSchema)]
pub struct Shared {
    /// A deployed model: its id, or a name that leads to it.
    model: String,
    /// Most tokens to write; what the model has room for, up to 256, if not given.
    max_tokens: Option<i64>,
    /// 0 to 2; 0 always takes the likeliest token. 1 if not given.
    temperature: Option<f64>,
    /// Draw from the likeliest tokens that make up this share; above 0, at most 1.
    top_p: Option<f64>,
    /// The same seed draws the same text.
    seed: Option<i64>,
    /// A text, or up to 16, at which the answer ends.
    #[schema(value_type = Option<Object>)]
    stop: Option<OneOrMany>,
    /// Send the answer piece by piece, as server-sent events.
    #[serde(default)]
    pub stream: bool,
    /// `{"include_usage": true}` counts tokens at the end of a stream.
    #[schema(value_type = Option<Object>)]
    stream_options: Option<StreamOptions>,
    /// Only 1.
    n: Option<u32>,
    /// Not supported; 0.
    presence_penalty: Option<f64>,
    /// Not supported; 0.
    frequency_penalty: Option<f64>,
    /// Not supported.
    #[schema(value_type = Option<Object>)]
    logit_bias: Option<Value>,
    /// Extension: pays; `{"channel", "cumulative", "signature"}`.
    #[schema(value_type = Option<Object>)]
    voucher: Option<SignedVoucher>,
    /// Extension: pays instead of a voucher; an account of this node with an open channel to it.
    account: Option<String>,
    /// OpenAI's name for who asks. Where it is the name of an account of this node, that account pays, so that clients
    /// which know no extension can pay too.
    user: Option<String>,
}

#[derive(Debug, Default, serde::Deserialize)]
struct StreamOptions {
    #[serde(default)]
    include_usage: bool,
}

/// One text or several.
#[derive(Debug, serde::Deserialize)]
#[serde(untagged, expecting = "a text or a list of texts")]
pub enum OneOrMany {
    /// One.
    One(String),
    /// Several.
    Many(Vec<String>),
}

impl OneOrMany {
    /// As a list.
    pub fn into_vec(self) -> Vec<String> {
        match self {
            Self::One(text) => vec![text],
            Self::Many(texts) => texts,
        }
    }
}

/// A chat to continue.
#[derive(Debug, serde::Deserialize, utoipa::ToSchema)]
pub struct ChatRequest {
    #[serde(flatten)]
    pub(super) shared: Shared,
    /// What was said so far, oldest first.
    messages: Vec<Message>,
    /// OpenAI's newer name of `max_tokens`.
    max_completion_tokens: Option<i64>,
    /// Whether to send the tokens' logarithmic probabilities.
    logprobs: Option<bool>,
    /// For each token so many of the likeliest, 0 to 20.
    top_logprobs: Option<u32>,
    /// Not supported.
    #[schema(value_type = Option<Vec<Object>>)]
    tools: Option<Vec<Value>>,
    /// Only `{"type": "text"}`.
    #[schema(value_type = Option<Object>)]
    response_format: Option<Value>,
}

/// One turn.
#[derive(Debug, serde::Deserialize, utoipa::ToSchema)]
pub struct Message {
    /// `system`, `developer`, `user` or `assistant`.
    role: String,
    /// A text, or a list of `{"type": "text", "text": …}`.
    #[schema(value_type = Object)]
    content: Option<Content>,
}

#[derive(Debug, serde::Deserialize)]
#[serde(untagged, expecting = "a text or a list of text parts")]
enum Content {
    Text(String),
    Parts(Vec<Part>),
}

#[derive(Debug, serde::Deserialize)]
struct Part {
    #[serde(rename = "type")]
    kind: String,
    text: Option<String>,
}

/// A text to continue.
#[derive(Debug, serde::Deserialize, utoipa::ToSchema)]
pub struct CompletionRequest {
    #[serde(flatten)]
    pub(super) shared: Shared,
    /// The text.
    #[schema(value_type = Object)]
    prompt: OneOrMany,
    /// For each token so many of the likeliest with their logarithmic probabilities, 0 to 20.
    logprobs: Option<u32>,
    /// Not supported.
    #[serde(default)]
    echo: bool,
    /// Not supported.
    suffix: Option<String>,
    /// Only 1.
    best_of: Option<u32>,
}

fn bad(param: &'static str, detail: impl Into<String>) -> ServiceError {
    ServiceError::new(Code::BadParameter, detail).about(param)
}

impl ChatRequest {
    /// The chat in the node's own terms.
    pub fn into_ask(self, billing: &Billing) -> ServiceResult<CompletionAsk> {
        if self.tools.as_ref().is_some_and(|tools| !tools.is_empty()) {
            return Err(bad("tools", "tools are not supported; leave them out"));
        }
        if self.response_format.as_ref().is_some_and(|format| format["type"] != "text") {
            return Err(bad("response_format", "only text is answered; leave response_format out"));
        }
        if self.messages.is_empty() {
            return Err(bad("messages", "send at least one message"));
        }
        let messages: ServiceResult<Vec<_>> = self.messages.into_iter().map(Message::check).collect();
        let messages = messages?;
        let length = messages.iter().map(|message| message.content.len()).fold(0, usize::saturating_add);
        check_length(length)?;
        if messages.iter().all(|message| message.content.trim().is_empty()) {
            return Err(ServiceError::new(Code::EmptyText, "nothing is said in the messages; send some words"));
        }
        let top = match (self.logprobs.unwrap_or(false), self.top_logprobs) {
            (true, top) => Some(top.unwrap_or(0)),
            (false, None | Some(0)) => None,
            (false, Some(_)) => return Err(bad("top_logprobs", "top_logprobs needs logprobs: true")),
        };
        self.shared.into_ask(billing, Prompt::Chat(messages), self.max_completion_tokens, top)
    }
}

impl Message {
    fn check(self) -> ServiceResult<ChatMessage> {
        if !matches!(self.role.as_str(), "system" | "developer" | "user" | "assistant") {
            let detail = format!("role {:?} is not one of system, developer, user, assistant", self.role);
            return Err(bad("messages", detail));
        }
        let content = match self.content {
            None => String::new(),
            Some(Content::Text(text)) => text,
            Some(Content::Parts(parts)) => {
                if let Some(other) = parts.iter().find(|part| part.kind != "text") {
                    return Err(bad("messages", format!("content of type {:?} is not read; send text", other.kind)));
                }
                parts.into_iter().filter_map(|part| part.text).collect()
            }
        };
        Ok(ChatMessage { role: self.role, content })
    }
}

impl CompletionRequest {
    /// The completion in the node's own terms.
    pub fn into_ask(self, billing: &Billing) -> ServiceResult<CompletionAsk> {
        if self.echo || self.suffix.as_ref().is_some_and(|suffix| !suffix.is_empty()) {
            return Err(bad("echo", "echo and suffix are not supported; leave them out"));
        }
        if self.best_of.is_some_and(|best| best != 1) {
            return Err(bad("best_of", "best_of is 1"));
        }
        let mut prompts = self.prompt.into_vec();
        let prompt = match (prompts.pop(), prompts.is_empty()) {
            (Some(prompt), true) => prompt,
            _ => return Err(bad("prompt", "send one prompt a request")),
        };
        check_prompt(&prompt)?;
        self.shared.into_ask(billing, Prompt::Text(prompt), None, self.logprobs)
    }
}

/// An empty prompt is refused, though some models could begin from nothing: nobody pays for an answer to no question.
fn check_prompt(prompt: &str) -> ServiceResult<()> {
    if prompt.trim().is_empty() {
        return Err(ServiceError::new(Code::EmptyText, "the prompt is empty; send some words"));
    }
    check_length(prompt.len())
}

fn check_length(bytes: usize) -> ServiceResult<()> {
    if bytes > MAX_PROMPT {
        return Err(ServiceError::new(Code::PromptTooLong, format!("a prompt is at most {MAX_PROMPT} bytes")));
    }
    Ok(())
}

impl Shared {
    /// Whether a stream ends with the count of tokens.
    pub fn wants_usage(&self) -> bool {
        self.stream_options.as_ref().is_some_and(|options| options.include_usage)
    }

    fn into_ask(
        self,
        billing: &Billing,
        prompt: Prompt,
        newer_limit: Option<i64>,
        logprobs: Option<u32>,
    ) -> ServiceResult<CompletionAsk> {
        if self.n.is_some_and(|n| n != 1) {
            return Err(bad("n", "n is 1: ask again for another answer"));
        }
        let penalty = |value: Option<f64>| value.is_some_and(|value| value != 0.0);
        let biased = self.logit_bias.as_ref().is_some_and(|bias| bias.as_object().is_none_or(|map| !map.is_empty()));
        if penalty(self.presence_penalty) || penalty(self.frequency_penalty) || biased {
            return Err(bad("presence_penalty", "penalties and logit_bias are not supported; leave them out"));
        }
        if logprobs.is_some_and(|top| top > 20) {
            return Err(bad("logprobs", "at most the 20 likeliest tokens are sent"));
        }
        let (sampling, seeded) = (self.sampling(newer_limit)?, self.seed.is_some());
        let user = self.user.filter(|name| self.voucher.is_none() && billing.has_account(name));
        let payment = billing.payment(self.voucher, self.account.or(user))?;
        Ok(CompletionAsk { model: self.model, prompt, sampling, seeded, logprobs, payment })
    }

    fn sampling(&self, newer_limit: Option<i64>) -> ServiceResult<Sampling> {
        let limit = newer_limit.or(self.max_tokens);
        let max_tokens = match limit.map(u32::try_from) {
            None => 0,
            Some(Ok(limit)) if limit >= 1 => limit,
            Some(_) => return Err(bad("max_tokens", "max_tokens is a whole number from 1")),
        };
        let temperature = self.temperature.unwrap_or(1.0);
        if !(0.0..=2.0).contains(&temperature) {
            return Err(bad("temperature", format!("temperature is {temperature}; it is a number from 0 to 2")));
        }
        let top_p = self.top_p.unwrap_or(1.0);
        if !(top_p > 0.0 && top_p <= 1.0) {
            return Err(bad("top_p", format!("top_p is {top_p}; it is a number above 0 and at most 1")));
        }
        let stop = match &self.stop {
            None => Vec::new(),
            Some(OneOrMany::One(text)) => vec![text.clone()],
            Some(OneOrMany::Many(texts)) => texts.clone(),
        };
        let fits = |text: &String| (1..=MAX_STOP_BYTES).contains(&text.len());
        if stop.len() > MAX_STOPS || !stop.iter().all(fits) {
            return Err(bad("stop", format!("stop is up to {MAX_STOPS} texts of 1 to {MAX_STOP_BYTES} bytes")));
        }
        let seed = match self.seed {
            Some(seed) => seed.cast_unsigned(),
            None => random_seed()?,
        };
        // Rounded to what a receipt holds, so that another node draws the same.
        let ppm = |value: f64| (value * MILLION).round() as u32;
        Ok(Sampling { max_tokens, temperature: ppm(temperature), top_p: ppm(top_p).max(1), seed, stop })
    }
}

/// A seed below 2^53, so that JSON's numbers hold it.
fn random_seed() -> ServiceResult<u64> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes)
        .map_err(|error| ServiceError::new(Code::NoRandomness, format!("the system gives no randomness: {error}")))?;
    Ok(u64::from_le_bytes(bytes) >> 11)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sampling(text: &str) -> ServiceResult<Sampling> {
        serde_json::from_str::<Shared>(text).unwrap().sampling(None)
    }

    #[test]
    fn what_is_not_said_has_openais_defaults() {
        let said = sampling(r#"{"model": "m", "seed": 7}"#).unwrap();
        assert_eq!((said.max_tokens, said.temperature, said.top_p, said.seed), (0, 1_000_000, 1_000_000, 7));
        assert!(sampling(r#"{"model": "m"}"#).unwrap().seed < 1 << 53);
    }

    #[test]
    fn absurd_values_are_named() {
        for (text, param) in [
            (r#"{"model": "m", "temperature": 2.5}"#, "temperature"),
            (r#"{"model": "m", "temperature": -1}"#, "temperature"),
            (r#"{"model": "m", "top_p": 0}"#, "top_p"),
            (r#"{"model": "m", "max_tokens": 0}"#, "max_tokens"),
            (r#"{"model": "m", "max_tokens": -4}"#, "max_tokens"),
            (r#"{"model": "m", "stop": ""}"#, "stop"),
            (r#"{"model": "m", "stop": ["a", ""]}"#, "stop"),
        ] {
            let error = sampling(text).unwrap_err();
            assert_eq!((error.code, error.param), (Code::BadParameter, Some(param)), "{text}");
        }
    }

    #[test]
    fn chats_of_text_parts_are_read_and_images_are_not() {
        let read = |text: &str| serde_json::from_str::<Message>(text).unwrap().check();
        let message =
            read(r#"{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}"#);
        assert_eq!(message.unwrap().content, "ab");
        assert!(read(r#"{"role": "user", "content": [{"type": "image_url"}]}"#).is_err());
        assert!(read(r#"{"role": "wizard", "content": "a"}"#).is_err());
    }
}
