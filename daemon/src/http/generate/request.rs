//! Completions as OpenAI's clients ask for them, checked and in the node's own terms.
//!
//! Fields that would change the answer and are not supported are refused; those that would not are passed over.

use datanet_api::generate::{ChatRequest, CompletionRequest, Content, Message, OneOrMany, Shared};
use datanet_types::Ppm;
use datanet_types::receipt::Sampling;

use crate::answers::complete::{ChatMessage, CompletionAsk, Prompt};
use crate::billing::Billing;
use crate::error::{Code, ServiceError, ServiceResult};
use crate::ppm;

/// Most stop texts, and the longest of them in bytes.
const MAX_STOPS: usize = 16;
const MAX_STOP_BYTES: usize = 256;
/// Longest prompt in bytes.
const MAX_PROMPT: usize = 1024 * 1024;

fn bad(param: &'static str, detail: impl Into<String>) -> ServiceError {
    ServiceError::new(Code::BadParameter, detail).about(param)
}

/// A chat in the node's own terms.
pub(super) fn chat(request: ChatRequest, billing: &Billing) -> ServiceResult<CompletionAsk> {
    if request.tools.as_ref().is_some_and(|tools| !tools.is_empty()) {
        return Err(bad("tools", "tools are not supported; leave them out"));
    }
    if request.response_format.as_ref().is_some_and(|format| format["type"] != "text") {
        return Err(bad("response_format", "only text is answered; leave response_format out"));
    }
    if request.messages.is_empty() {
        return Err(bad("messages", "send at least one message"));
    }
    let messages: ServiceResult<Vec<_>> = request.messages.into_iter().map(said).collect();
    let messages = messages?;
    let length = messages.iter().map(|message| message.content.len()).fold(0, usize::saturating_add);
    check_length(length)?;
    if messages.iter().all(|message| message.content.trim().is_empty()) {
        return Err(ServiceError::new(Code::EmptyText, "nothing is said in the messages; send some words"));
    }
    let top = match (request.logprobs.unwrap_or(false), request.top_logprobs) {
        (true, top) => Some(top.unwrap_or(0)),
        (false, None | Some(0)) => None,
        (false, Some(_)) => return Err(bad("top_logprobs", "top_logprobs needs logprobs: true")),
    };
    asked(request.shared, billing, Prompt::Chat(messages), request.max_completion_tokens, top)
}

fn said(message: Message) -> ServiceResult<ChatMessage> {
    if !matches!(message.role.as_str(), "system" | "developer" | "user" | "assistant") {
        let detail = format!("role {:?} is not one of system, developer, user, assistant", message.role);
        return Err(bad("messages", detail));
    }
    let content = match message.content {
        None => String::new(),
        Some(Content::Text(text)) => text,
        Some(Content::Parts(parts)) => {
            if let Some(other) = parts.iter().find(|part| part.kind != "text") {
                return Err(bad("messages", format!("content of type {:?} is not read; send text", other.kind)));
            }
            parts.into_iter().filter_map(|part| part.text).collect()
        }
    };
    Ok(ChatMessage { role: message.role, content })
}

/// A completion in the node's own terms.
pub(super) fn completion(request: CompletionRequest, billing: &Billing) -> ServiceResult<CompletionAsk> {
    if request.echo || request.suffix.as_ref().is_some_and(|suffix| !suffix.is_empty()) {
        return Err(bad("echo", "echo and suffix are not supported; leave them out"));
    }
    if request.best_of.is_some_and(|best| best != 1) {
        return Err(bad("best_of", "best_of is 1"));
    }
    let mut prompts = request.prompt.into_vec();
    let prompt = match (prompts.pop(), prompts.is_empty()) {
        (Some(prompt), true) => prompt,
        _ => return Err(bad("prompt", "send one prompt a request")),
    };
    check_prompt(&prompt)?;
    asked(request.shared, billing, Prompt::Text(prompt), None, request.logprobs)
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

fn asked(
    shared: Shared,
    billing: &Billing,
    prompt: Prompt,
    newer_limit: Option<i64>,
    logprobs: Option<u32>,
) -> ServiceResult<CompletionAsk> {
    if shared.n.is_some_and(|n| n != 1) {
        return Err(bad("n", "n is 1: ask again for another answer"));
    }
    let penalty = |value: Option<f64>| value.is_some_and(|value| value != 0.0);
    let biased = shared.logit_bias.as_ref().is_some_and(|bias| bias.as_object().is_none_or(|map| !map.is_empty()));
    if penalty(shared.presence_penalty) || penalty(shared.frequency_penalty) || biased {
        return Err(bad("presence_penalty", "penalties and logit_bias are not supported; leave them out"));
    }
    if logprobs.is_some_and(|top| top > 20) {
        return Err(bad("logprobs", "at most the 20 likeliest tokens are sent"));
    }
    let (sampling, seeded) = (sampling(&shared, newer_limit)?, shared.seed.is_some());
    let user = shared.user.filter(|name| shared.voucher.is_none() && billing.has_account(name));
    let payment = billing.payment(shared.voucher, shared.account.or(user))?;
    Ok(CompletionAsk { model: shared.model, prompt, sampling, seeded, logprobs, payment })
}

fn sampling(shared: &Shared, newer_limit: Option<i64>) -> ServiceResult<Sampling> {
    let limit = newer_limit.or(shared.max_tokens);
    let max_tokens = match limit.map(u32::try_from) {
        None => 0,
        Some(Ok(limit)) if limit >= 1 => limit,
        Some(_) => return Err(bad("max_tokens", "max_tokens is a whole number from 1")),
    };
    let temperature = shared.temperature.unwrap_or(1.0);
    if !(0.0..=2.0).contains(&temperature) {
        return Err(bad("temperature", format!("temperature is {temperature}; it is a number from 0 to 2")));
    }
    let top_p = shared.top_p.unwrap_or(1.0);
    if !(top_p > 0.0 && top_p <= 1.0) {
        return Err(bad("top_p", format!("top_p is {top_p}; it is a number above 0 and at most 1")));
    }
    let stop = match &shared.stop {
        None => Vec::new(),
        Some(OneOrMany::One(text)) => vec![text.clone()],
        Some(OneOrMany::Many(texts)) => texts.clone(),
    };
    let fits = |text: &String| (1..=MAX_STOP_BYTES).contains(&text.len());
    if stop.len() > MAX_STOPS || !stop.iter().all(fits) {
        return Err(bad("stop", format!("stop is up to {MAX_STOPS} texts of 1 to {MAX_STOP_BYTES} bytes")));
    }
    let seed = match shared.seed {
        Some(seed) => seed.cast_unsigned(),
        None => random_seed()?,
    };
    // Rounded to what a receipt holds, so that another node draws the same.
    let (temperature, top_p) = (ppm::share(temperature), ppm::share(top_p).max(Ppm(1)));
    Ok(Sampling { max_tokens, temperature, top_p, seed, stop })
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

    fn read(text: &str) -> ServiceResult<Sampling> {
        sampling(&serde_json::from_str(text).unwrap(), None)
    }

    #[test]
    fn what_is_not_said_has_openais_defaults() {
        let asked = read(r#"{"model": "m", "seed": 7}"#).unwrap();
        assert_eq!((asked.max_tokens, asked.temperature, asked.top_p, asked.seed), (0, Ppm::ONE, Ppm::ONE, 7));
        assert!(read(r#"{"model": "m"}"#).unwrap().seed < 1 << 53);
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
            let error = read(text).unwrap_err();
            assert_eq!((error.code, error.param), (Code::BadParameter, Some(param)), "{text}");
        }
    }

    #[test]
    fn chats_of_text_parts_are_read_and_images_are_not() {
        let read = |text: &str| said(serde_json::from_str(text).unwrap());
        let message =
            read(r#"{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}"#);
        assert_eq!(message.unwrap().content, "ab");
        assert!(read(r#"{"role": "user", "content": [{"type": "image_url"}]}"#).is_err());
        assert!(read(r#"{"role": "wizard", "content": "a"}"#).is_err());
    }
}
