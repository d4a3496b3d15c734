//! Completions as OpenAI's clients ask for them, checked and in the node's own terms.
//!
//! Whether a field is known at all is said in [`fields`](super::fields).

use std::borrow::Cow;

use datanet_api::generate::{
    ChatRequest, CompletionRequest, Content, Message, OneOrMany, Part, ResponseFormat, Shared,
};
use datanet_inference::generate::MAX_SCHEMA_BYTES;
use datanet_types::Ppm;
use datanet_types::receipt::Sampling;

use crate::answers::complete::{ChatMessage, CompletionAsk, Prompt};
use crate::billing::Billing;
use crate::billing::payment::Payment;
use crate::error::{Code, ServiceError, ServiceResult};
use crate::http::extract::cut;
use crate::ppm;

/// Most stop texts, and the longest of them in bytes.
const MAX_STOPS: usize = 16;
const MAX_STOP_BYTES: usize = 256;
/// Most answers of one request.
const MAX_CHOICES: u32 = 8;
/// Longest prompt in bytes.
const MAX_PROMPT: usize = 1024 * 1024;

fn bad(param: impl Into<Cow<'static, str>>, detail: impl Into<String>) -> ServiceError {
    ServiceError::new(Code::BadParameter, detail).about(param)
}

/// A chat in the node's own terms.
pub(in crate::http) fn chat(request: ChatRequest, billing: &Billing) -> ServiceResult<CompletionAsk> {
    if request.messages.is_empty() {
        return Err(bad("messages", "send at least one message"));
    }
    let messages: ServiceResult<Vec<_>> =
        request.messages.into_iter().enumerate().map(|(index, message)| said(index, message)).collect();
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

fn said(index: usize, message: Message) -> ServiceResult<ChatMessage> {
    if !matches!(message.role.as_str(), "system" | "developer" | "user" | "assistant") {
        let place = format!("messages[{index}].role");
        let detail = format!("{place:?} is {:?}; it takes system, developer, user or assistant", cut(&message.role));
        return Err(bad(place, detail));
    }
    let content = match message.content {
        None => String::new(),
        Some(Content::Text(text)) => text,
        Some(Content::Parts(parts)) => {
            let place = |part: usize| format!("messages[{index}].content[{part}]");
            let texts = parts.into_iter().enumerate().map(|(number, part)| text_of(part, place(number)));
            texts.collect::<ServiceResult<String>>()?
        }
    };
    Ok(ChatMessage { role: message.role, content })
}

fn text_of(part: Part, place: String) -> ServiceResult<String> {
    if part.kind != "text" {
        let detail = format!("{place:?} is of type {:?}, which is not read; send text", cut(&part.kind));
        return Err(bad(format!("{place}.type"), detail));
    }
    part.text.ok_or_else(|| bad(format!("{place}.text"), format!("{place:?} has no text; send some, or leave it out")))
}

/// A completion in the node's own terms.
pub(in crate::http) fn completion(request: CompletionRequest, billing: &Billing) -> ServiceResult<CompletionAsk> {
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
        return Err(ServiceError::new(
            Code::PromptTooLong,
            format!("the prompt has {bytes} bytes; at most {MAX_PROMPT} bytes are read"),
        ));
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
    if logprobs.is_some_and(|top| top > 20) {
        let param = if matches!(prompt, Prompt::Chat(_)) { "top_logprobs" } else { "logprobs" };
        return Err(bad(param, format!("{param:?} is at most 20")));
    }
    let (sampling, seeded) = (sampling(&shared, newer_limit)?, shared.seed.is_some());
    let choices = choices(&shared)?;
    let user = shared.user.filter(|name| shared.voucher.is_none() && billing.has_account(name));
    let payment = billing.payment(shared.voucher, shared.account.or(user))?.quoted(shared.quote);
    pays_for_all(&payment, choices)?;
    Ok(CompletionAsk { model: shared.model, prompt, sampling, seeded, choices, logprobs, payment })
}

/// How many answers are asked for.
fn choices(shared: &Shared) -> ServiceResult<u32> {
    let asked = shared.n.unwrap_or(1);
    let choices = u32::try_from(asked).ok().filter(|choices| (1..=MAX_CHOICES).contains(choices));
    choices.ok_or_else(|| bad("n", format!("\"n\" is {asked}; it takes a whole number from 1 to {MAX_CHOICES}")))
}

/// A voucher or a transfer pays for one answer, whether it comes in the body or in a header.
fn pays_for_all(payment: &Payment, choices: u32) -> ServiceResult<()> {
    if choices > 1 && payment.pays_once() {
        let detail = "a voucher pays for one answer; send n: 1, or the name of a paying account";
        return Err(bad("voucher", detail));
    }
    Ok(())
}

fn sampling(shared: &Shared, newer_limit: Option<i64>) -> ServiceResult<Sampling> {
    let (param, limit) = match newer_limit {
        Some(limit) => ("max_completion_tokens", Some(limit)),
        None => ("max_tokens", shared.max_tokens),
    };
    let max_tokens = match limit.map(|limit| (limit, u32::try_from(limit))) {
        None => 0,
        Some((_, Ok(limit))) if limit >= 1 => limit,
        Some((limit, _)) => return Err(bad(param, format!("{param:?} is {limit}; it takes a whole number from 1"))),
    };
    let temperature = shared.temperature.unwrap_or(1.0);
    if !(0.0..=2.0).contains(&temperature) {
        return Err(bad("temperature", format!("\"temperature\" is {temperature}; it takes a number from 0 to 2")));
    }
    let top_p = shared.top_p.unwrap_or(1.0);
    if !(top_p > 0.0 && top_p <= 1.0) {
        return Err(bad("top_p", format!("\"top_p\" is {top_p}; it takes a number above 0 and at most 1")));
    }
    let stop = match &shared.stop {
        None => Vec::new(),
        Some(OneOrMany::One(text)) => vec![text.clone()],
        Some(OneOrMany::Many(texts)) => texts.clone(),
    };
    let fits = |text: &String| (1..=MAX_STOP_BYTES).contains(&text.len());
    if stop.len() > MAX_STOPS || !stop.iter().all(fits) {
        return Err(bad("stop", format!("\"stop\" takes up to {MAX_STOPS} texts of 1 to {MAX_STOP_BYTES} bytes")));
    }
    let seed = match shared.seed {
        Some(seed) => seed.cast_unsigned(),
        None => random_seed()?,
    };
    let json_schema = shared.response_format.as_ref().map(json_schema).transpose()?.flatten();
    // Rounded to what a receipt holds, so that another node draws the same.
    let (temperature, top_p) = (ppm::share(temperature), ppm::share(top_p).max(Ppm(1)));
    Ok(Sampling { max_tokens, temperature, top_p, seed, stop, json_schema })
}

/// The schema that an answer is held to, if it is to be JSON.
fn json_schema(format: &ResponseFormat) -> ServiceResult<Option<String>> {
    const PLACE: &str = "response_format.json_schema.schema";
    let given = format.json_schema.as_ref().and_then(|given| given.schema.as_ref());
    let schema = match (format.kind.as_str(), given) {
        ("text", None) => return Ok(None),
        ("json_object", None) => r#"{"type":"object"}"#.to_owned(),
        ("json_schema", Some(schema)) => {
            serde_json::to_string(schema).map_err(|error| ServiceError::caused(Code::Json, error))?
        }
        ("json_schema", None) => return Err(bad(PLACE, format!("{PLACE:?} is missing; send a JSON Schema"))),
        ("text" | "json_object", Some(_)) => {
            let detail = "\"response_format.json_schema\" needs the type json_schema; set it, or leave the schema out";
            return Err(bad("response_format.type", detail));
        }
        (kind, _) => {
            let detail = "it takes text, json_object or json_schema";
            return Err(bad("response_format.type", format!("\"response_format.type\" is {:?}; {detail}", cut(kind))));
        }
    };
    if schema.len() > MAX_SCHEMA_BYTES {
        let detail = format!("{PLACE:?} has {} bytes; at most {MAX_SCHEMA_BYTES} are read", schema.len());
        return Err(bad(PLACE, detail));
    }
    Ok(Some(schema))
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
    use datanet_types::voucher::SignedVoucher;

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
            (r#"{"model": "m", "n": 0}"#, "n"),
            (r#"{"model": "m", "n": -1}"#, "n"),
            (r#"{"model": "m", "n": 9}"#, "n"),
            (r#"{"model": "m", "stop": ["a", ""]}"#, "stop"),
        ] {
            let several = |shared: Shared| sampling(&shared, None).and(choices(&shared)).map(drop);
            let error = several(serde_json::from_str(text).unwrap()).unwrap_err();
            assert_eq!((error.code, error.param.as_deref()), (Code::BadParameter, Some(param)), "{text}");
        }
    }

    #[test]
    fn an_answer_is_held_to_json_where_that_is_asked_for_in_the_schemas_own_order() {
        let format = |text: &str| json_schema(&serde_json::from_str(text).unwrap());
        assert_eq!(format(r#"{"type": "text"}"#).unwrap(), None);
        assert_eq!(format(r#"{"type": "json_object"}"#).unwrap().unwrap(), r#"{"type":"object"}"#);
        let schema = r#"{"properties":{"zebra":{"type":"string"},"ape":{"type":"number"}}}"#;
        let given =
            format!(r#"{{"type": "json_schema", "json_schema": {{"name": "a", "strict": true, "schema": {schema}}}}}"#);
        assert_eq!(format(&given).unwrap().unwrap(), schema);
        for (text, param) in [
            (r#"{"type": "yaml"}"#, "response_format.type"),
            (r#"{"type": "json_schema"}"#, "response_format.json_schema.schema"),
            (r#"{"type": "json_schema", "json_schema": {"name": "a"}}"#, "response_format.json_schema.schema"),
            (r#"{"type": "json_object", "json_schema": {"schema": {}}}"#, "response_format.type"),
        ] {
            let error = format(text).unwrap_err();
            assert_eq!((error.code, error.param.as_deref()), (Code::BadParameter, Some(param)), "{error}");
        }
        let long =
            format!(r#"{{"type": "json_schema", "json_schema": {{"schema": {{"const": "{}"}}}}}}"#, "x".repeat(17_000));
        assert!(format(&long).unwrap_err().detail.contains("at most 16384"));
    }

    #[test]
    fn up_to_eight_answers_are_written_and_a_voucher_buys_one() {
        let count = |n: Option<i64>| choices(&Shared { n, ..Shared::default() }).unwrap();
        assert_eq!((count(None), count(Some(1)), count(Some(8))), (1, 1, 8));
        let voucher = Payment::by_voucher(SignedVoucher::default());
        assert!(pays_for_all(&voucher, 1).is_ok() && pays_for_all(&Payment::none(), 2).is_ok());
        assert_eq!(pays_for_all(&voucher, 2).unwrap_err().param.as_deref(), Some("voucher"));
    }

    #[test]
    fn chats_of_text_parts_are_read_and_images_are_not() {
        let read = |text: &str| said(1, serde_json::from_str(text).unwrap());
        let message =
            read(r#"{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}"#);
        assert_eq!(message.unwrap().content, "ab");
        for (text, param) in [
            (r#"{"role": "user", "content": [{"type": "image_url"}]}"#, "messages[1].content[0].type"),
            (r#"{"role": "user", "content": [{"type": "text"}]}"#, "messages[1].content[0].text"),
            (r#"{"role": "wizard", "content": "a"}"#, "messages[1].role"),
        ] {
            assert_eq!(read(text).unwrap_err().param.as_deref(), Some(param));
        }
    }
}
