//! Every field of OpenAI's requests for text, and of the servers that speak its language, with what becomes of it here.

use Fate::{Holds, Ignored, Taken, Unless};
use datanet_api::generate::{ChatRequest, CompletionRequest, Shared};
use serde_json::{Map, Value};

use crate::error::{Code, ServiceResult};
use crate::http::extract::fields::harmless::{empty, none, off, on, one, zero};
use crate::http::extract::fields::{Fate, Field, Fields, TEXT};
use crate::http::extract::{Shape, read};

const SAMPLING: &str = "is not supported: tokens are drawn by temperature, top_p and seed alone, so that others \
    can draw them again; leave it out";
const TOOLS: &str = "is not supported: models here call no tools; leave it out, or describe the tools in a message";
const FORM: &str = "is not supported: send response_format, with json_object, or with a JSON Schema as json_schema, \
    or leave it out";
const LENGTH: &str = "is not supported: an answer ends at max_tokens, at a text of stop, or where the model ends it; \
    leave it out";
const TEMPLATE: &str = "is not supported: a chat is written in the model's own form; leave it out";
const THINKING: &str = "is not supported: models here do not reason before they answer; leave it out";
const SEVERAL: &str = "is not supported: every answer that is written is given; leave it out, or send n for several";
const MEDIA: &str = "is not supported: text alone is read and written; leave it out";
const SHOWN: &str = "is not supported: only tokens of the answer are shown; leave it out";

impl Shape for ChatRequest {
    const FIELDS: Fields = Fields(&[SHARED, CHAT]);

    fn shaped(body: Map<String, Value>) -> ServiceResult<Self> {
        shaped(Value::Object(body))
    }
}

impl Shape for CompletionRequest {
    const FIELDS: Fields = Fields(&[SHARED, COMPLETION]);

    fn shaped(body: Map<String, Value>) -> ServiceResult<Self> {
        shaped(Value::Object(body))
    }
}

/// The shared part is flattened into the rest, where serde loses the paths of what is wrong: so it is read first.
fn shaped<T: serde::de::DeserializeOwned>(body: Value) -> ServiceResult<T> {
    read::<Shared, _>(&body, Code::BadField)?;
    read(body, Code::BadField)
}

static STREAM_OPTIONS: Fields = Fields(&[&[
    ("include_usage", Taken),
    ("include_obfuscation", Ignored),
    ("continuous_usage_stats", Unless(off, "is not supported: tokens are counted at a stream's end; leave it out")),
]]);

static RESPONSE_FORMAT: Fields = Fields(&[&[
    ("type", Taken),
    ("json_schema", Holds(&JSON_SCHEMA)),
    ("schema", Unless(none, "is not known here; send it as response_format.json_schema.schema, or leave it out")),
]]);

static JSON_SCHEMA: Fields =
    Fields(&[&[("name", Taken), ("description", Taken), ("strict", Taken), ("schema", Taken)]]);

/// Of both kinds of requests.
const SHARED: &[Field] = &[
    ("model", Taken),
    ("max_tokens", Taken),
    ("temperature", Taken),
    ("top_p", Taken),
    ("seed", Taken),
    ("stop", Taken),
    ("n", Taken),
    ("stream", Taken),
    ("stream_options", Holds(&STREAM_OPTIONS)),
    ("voucher", Taken),
    ("account", Taken),
    ("quote", Taken),
    ("user", Taken),
    // Of OpenAI's own, for its bookkeeping or speed.
    ("metadata", Ignored),
    ("store", Ignored),
    ("service_tier", Ignored),
    ("safety_identifier", Ignored),
    ("prompt_cache_key", Ignored),
    ("prompt_cache_retention", Ignored),
    ("prediction", Ignored),
    // Of other servers' own, likewise.
    ("cache_prompt", Ignored),
    ("keep_alive", Ignored),
    ("priority", Ignored),
    ("request_id", Ignored),
    ("id_slot", Ignored),
    ("slot_id", Ignored),
    // OpenAI's.
    ("presence_penalty", Unless(zero, SAMPLING)),
    ("frequency_penalty", Unless(zero, SAMPLING)),
    ("logit_bias", Unless(empty, SAMPLING)),
    // Sampling elsewhere.
    ("top_k", Unless(|k| *k == 0 || *k == -1, SAMPLING)),
    ("top_a", Unless(zero, SAMPLING)),
    ("min_p", Unless(zero, SAMPLING)),
    ("typical_p", Unless(one, SAMPLING)),
    ("tfs_z", Unless(one, SAMPLING)),
    ("repetition_penalty", Unless(one, SAMPLING)),
    ("repeat_penalty", Unless(one, SAMPLING)),
    ("repeat_last_n", Unless(none, SAMPLING)),
    ("length_penalty", Unless(one, SAMPLING)),
    ("no_repeat_ngram_size", Unless(zero, SAMPLING)),
    ("mirostat", Unless(zero, SAMPLING)),
    ("mirostat_tau", Unless(none, SAMPLING)),
    ("mirostat_eta", Unless(none, SAMPLING)),
    ("dynatemp_range", Unless(zero, SAMPLING)),
    ("dry_multiplier", Unless(zero, SAMPLING)),
    ("xtc_probability", Unless(zero, SAMPLING)),
    ("bad_words", Unless(empty, SAMPLING)),
    ("allowed_token_ids", Unless(none, SAMPLING)),
    ("logits_processors", Unless(empty, SAMPLING)),
    ("samplers", Unless(none, SAMPLING)),
    ("use_beam_search", Unless(off, SAMPLING)),
    ("early_stopping", Unless(off, SAMPLING)),
    (
        "options",
        Unless(empty, "is not supported: send temperature, top_p, seed, stop and max_tokens beside it instead"),
    ),
    (
        "extra_body",
        Unless(empty, "is a client's own: what stands in it goes beside model, not into a field of its own"),
    ),
    // Where an answer ends, elsewhere.
    ("min_tokens", Unless(zero, LENGTH)),
    ("ignore_eos", Unless(off, LENGTH)),
    ("stop_token_ids", Unless(empty, LENGTH)),
    ("n_predict", Unless(none, "is not known here; send max_tokens instead")),
    ("num_predict", Unless(none, "is not known here; send max_tokens instead")),
    ("max_new_tokens", Unless(none, "is not known here; send max_tokens instead")),
    ("include_stop_str_in_output", Unless(off, LENGTH)),
    ("truncate_prompt_tokens", Unless(none, "is not supported: a prompt is read whole or refused; leave it out")),
    // What an answer looks like, elsewhere.
    ("guided_json", Unless(none, FORM)),
    ("guided_regex", Unless(none, FORM)),
    ("guided_choice", Unless(none, FORM)),
    ("guided_grammar", Unless(none, FORM)),
    ("guided_decoding_backend", Ignored),
    ("guided_whitespace_pattern", Unless(none, FORM)),
    ("structured_outputs", Unless(empty, FORM)),
    ("structural_tag", Unless(none, FORM)),
    ("regex", Unless(none, FORM)),
    ("ebnf", Unless(none, FORM)),
    ("grammar", Unless(empty, FORM)),
    ("json_schema", Unless(empty, FORM)),
    ("format", Unless(empty, FORM)),
    ("response_format", Holds(&RESPONSE_FORMAT)),
    ("skip_special_tokens", Unless(on, SHOWN)),
    ("spaces_between_special_tokens", Unless(on, SHOWN)),
    ("prompt_logprobs", Unless(none, SHOWN)),
    ("return_tokens_as_token_ids", Unless(off, SHOWN)),
    ("return_token_ids", Unless(off, SHOWN)),
    (
        "echo",
        Unless(off, "is not supported: the prompt is not repeated; leave it out and put the prompt before the answer"),
    ),
];

static MESSAGE: Fields = Fields(&[&[
    ("role", Taken),
    ("content", Taken),
    ("name", Ignored),
    // What our own and others' answers carry, sent back with the conversation.
    ("refusal", Ignored),
    ("annotations", Ignored),
    ("reasoning", Ignored),
    ("reasoning_content", Ignored),
    ("cache_control", Ignored),
    ("id", Ignored),
    ("tool_calls", Unless(empty, TOOLS)),
    ("tool_call_id", Unless(empty, TOOLS)),
    ("function_call", Unless(empty, TOOLS)),
    ("audio", Unless(none, MEDIA)),
    ("images", Unless(empty, MEDIA)),
    ("prefix", Unless(off, "is not supported: the model's turn is begun anew; leave it out")),
]]);

/// Of chats.
const CHAT: &[Field] = &[
    ("messages", Holds(&MESSAGE)),
    ("max_completion_tokens", Taken),
    ("logprobs", Taken),
    ("top_logprobs", Taken),
    ("tools", Unless(empty, TOOLS)),
    ("tool_choice", Unless(|choice| choice == "none" || choice == "auto", TOOLS)),
    // Says something of tools, of which there are none.
    ("parallel_tool_calls", Ignored),
    ("functions", Unless(empty, TOOLS)),
    ("function_call", Unless(|call| call == "none" || call == "auto", TOOLS)),
    ("web_search_options", Unless(none, TOOLS)),
    ("modalities", Unless(|kinds| *kinds == serde_json::json!(["text"]), MEDIA)),
    ("audio", Unless(none, MEDIA)),
    ("reasoning_effort", Unless(|effort| effort == "none", THINKING)),
    ("reasoning", Unless(empty, THINKING)),
    ("include_reasoning", Unless(off, THINKING)),
    ("enable_thinking", Unless(off, THINKING)),
    ("thinking", Unless(|thinking| thinking["type"] == "disabled", THINKING)),
    ("think", Unless(off, THINKING)),
    ("verbosity", Unless(|how| how == "medium", "is not supported: ask for a short or a long answer in a message")),
    ("add_generation_prompt", Unless(on, TEMPLATE)),
    ("continue_final_message", Unless(off, TEMPLATE)),
    ("add_special_tokens", Unless(off, TEMPLATE)),
    ("chat_template", Unless(none, TEMPLATE)),
    ("chat_template_kwargs", Unless(empty, TEMPLATE)),
    ("documents", Unless(empty, "is not supported: put what is to be read into a message")),
    ("best_of", Unless(one, SEVERAL)),
    ("prompt", Unless(none, "belongs to /v1/completions; send messages here")),
    ("input", Unless(none, "belongs to another interface; send messages here")),
    ("system", Unless(none, "is not known here; send a message with the role system")),
];

/// Of plain completions.
const COMPLETION: &[Field] = &[
    ("prompt", TEXT),
    ("logprobs", Taken),
    ("suffix", Unless(empty, "is not supported: texts are only continued; leave it out")),
    ("best_of", Unless(one, SEVERAL)),
    ("add_special_tokens", Unless(on, TEMPLATE)),
    ("messages", Unless(none, "belongs to /v1/chat/completions; send prompt here")),
    ("max_completion_tokens", Unless(none, "belongs to /v1/chat/completions; send max_tokens here")),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;
    use crate::error::ServiceError;
    use crate::http::extract::fields::check;

    fn read_as<T: Shape>(body: Value) -> Result<T, ServiceError> {
        let Value::Object(body) = body else { unreachable!("tests send objects") };
        check(&T::FIELDS, &body)?;
        T::shaped(body)
    }

    fn with(mut base: Value, field: &str, value: Value) -> Value {
        base[field] = value;
        base
    }

    fn chat() -> Value {
        json!({ "model": "m", "messages": [{ "role": "user", "content": "hi" }] })
    }

    fn text() -> Value {
        json!({ "model": "m", "prompt": "hi" })
    }

    fn names(value: &impl serde::Serialize) -> BTreeSet<String> {
        serde_json::to_value(value).unwrap().as_object().unwrap().keys().cloned().collect()
    }

    #[test]
    fn what_is_said_to_be_read_is_read() {
        let taken = |fields: &Fields| fields.taken().map(str::to_owned).collect::<BTreeSet<_>>();
        assert_eq!(taken(&ChatRequest::FIELDS), names(&ChatRequest::default()));
        assert_eq!(taken(&CompletionRequest::FIELDS), names(&CompletionRequest::default()));
        assert_eq!(taken(&STREAM_OPTIONS), names(&datanet_api::generate::StreamOptions::default()));
        assert_eq!(taken(&MESSAGE), names(&datanet_api::generate::Message::default()));
        assert_eq!(taken(&RESPONSE_FORMAT), names(&datanet_api::generate::ResponseFormat::default()));
        assert_eq!(taken(&JSON_SCHEMA), names(&datanet_api::generate::JsonSchema::default()));
    }

    #[test]
    fn no_field_has_two_fates() {
        for fields in [
            &ChatRequest::FIELDS,
            &CompletionRequest::FIELDS,
            &STREAM_OPTIONS,
            &MESSAGE,
            &RESPONSE_FORMAT,
            &JSON_SCHEMA,
        ] {
            let all: Vec<&str> = fields.0.iter().flat_map(|part| part.iter()).map(|(name, _)| *name).collect();
            assert_eq!(all.len(), all.iter().collect::<BTreeSet<_>>().len());
        }
    }

    #[test]
    fn what_would_change_the_answer_is_refused_by_name() {
        for (field, value) in [
            ("tools", json!([{ "type": "function" }])),
            ("tool_choice", json!("required")),
            ("functions", json!([{ "name": "look" }])),
            ("function_call", json!({ "name": "look" })),
            ("guided_regex", json!("a+")),
            ("best_of", json!(2)),
            ("logit_bias", json!({ "50": -100 })),
            ("presence_penalty", json!(0.5)),
            ("frequency_penalty", json!(-1)),
            ("modalities", json!(["text", "audio"])),
            ("audio", json!({ "voice": "alloy" })),
            ("top_k", json!(1)),
            ("min_p", json!(0.5)),
            ("repetition_penalty", json!(1.3)),
            ("guided_json", json!({})),
            ("min_tokens", json!(3)),
            ("ignore_eos", json!(true)),
            ("reasoning_effort", json!("high")),
        ] {
            let error = read_as::<ChatRequest>(with(chat(), field, value)).unwrap_err();
            assert_eq!((error.code, error.param.as_deref()), (Code::BadParameter, Some(field)));
            assert!(error.detail.contains(field) && error.detail.contains("leave it out"), "{error}");
        }
        for (field, value) in [("suffix", json!("end")), ("best_of", json!(3)), ("echo", json!(true))] {
            let error = read_as::<CompletionRequest>(with(text(), field, value)).unwrap_err();
            assert_eq!((error.code, error.param.as_deref()), (Code::BadParameter, Some(field)));
        }
        for ids in [json!([1, 2]), json!([[1, 2]])] {
            let error = read_as::<CompletionRequest>(with(text(), "prompt", ids)).unwrap_err();
            assert!(error.param.as_deref() == Some("prompt") && error.detail.contains("send the text"), "{error}");
        }
    }

    #[test]
    fn what_asks_for_nothing_else_is_taken() {
        for (field, value) in [
            ("tools", json!([])),
            ("tool_choice", json!("auto")),
            ("function_call", json!("none")),
            ("response_format", json!({ "type": "text" })),
            ("n", json!(1)),
            ("logit_bias", json!({})),
            ("presence_penalty", json!(0)),
            ("modalities", json!(["text"])),
            ("top_k", json!(-1)),
            ("repetition_penalty", json!(1)),
            ("metadata", json!({ "run": "7" })),
            ("store", json!(true)),
            ("service_tier", json!("auto")),
            ("parallel_tool_calls", json!(true)),
            ("user", json!("someone")),
        ] {
            read_as::<ChatRequest>(with(chat(), field, value)).unwrap();
        }
        let said = json!([{ "role": "assistant", "content": "hi", "refusal": "no", "tool_calls": [], "name": "bot" }]);
        read_as::<ChatRequest>(with(chat(), "messages", said)).unwrap();
    }

    #[test]
    fn what_is_of_the_wrong_type_is_named_also_in_the_shared_part() {
        for (field, value, param, says) in [
            ("max_tokens", json!(6.5), "max_tokens", "is 6.5; it takes a whole number"),
            ("temperature", json!("0.7"), "temperature", "the text \"0.7\"; it takes a number"),
            ("stream", json!("true"), "stream", "it takes true or false"),
            ("stream_options", json!({ "include_usage": 1 }), "stream_options.include_usage", "true or false"),
            ("stop", json!([1]), "stop", "a text or a list of texts"),
            ("voucher", json!({ "channel": "12" }), "voucher.channel", ""),
            ("messages", json!([{ "role": 3 }]), "messages[0].role", "it takes a text"),
            ("messages", json!("hi"), "messages", "it takes a list"),
            ("logprobs", json!(3), "logprobs", "true or false"),
        ] {
            let error = read_as::<ChatRequest>(with(chat(), field, value)).unwrap_err();
            assert_eq!((error.code, error.param.as_deref()), (Code::BadField, Some(param)), "{error}");
            assert!(error.detail.contains(says) && error.detail.contains(param), "{error}");
        }
    }

    #[test]
    fn what_nobody_knows_is_refused_with_what_was_meant() {
        let error = read_as::<ChatRequest>(with(chat(), "temprature", json!(1))).unwrap_err();
        assert!(error.detail.contains("did you mean \"temperature\"?"), "{error}");
        let nested = json!([{ "role": "user", "contents": "hi" }]);
        let error = read_as::<ChatRequest>(with(chat(), "messages", nested)).unwrap_err();
        assert_eq!(error.param.as_deref(), Some("messages[0].contents"));
        let error = read_as::<CompletionRequest>(with(text(), "wibble", json!(1))).unwrap_err();
        assert_eq!((error.code, error.param.as_deref()), (Code::BadParameter, Some("wibble")));
    }
}
