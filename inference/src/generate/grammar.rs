//! Answers that are JSON: which tokens may come next.
//!
//! A schema is compiled to a grammar over bytes, and the vocabulary is a trie of bytes; after each token the tokens that keep the
//! answer a beginning of valid JSON are what remains of the trie. All others get the logit of what cannot be, before anything
//! is drawn. The compiling and the walk are `llguidance`'s, as in vLLM, SGLang and llama.cpp.
//!
//! Whoever asks may be a stranger, so a grammar's size, the work a token takes and the white space between two tokens of JSON are
//! bounded: a model that is not sure of itself would else write blanks until its tokens are used up.

use std::sync::Arc;

use llguidance::api::{ParserLimits, TopLevelGrammar};
use llguidance::{JsonCompileOptions, Matcher, ParserFactory};
use serde_json::{Map, Value};
use tokenizers::Tokenizer;
use toktrie::{ApproximateTokEnv, TokEnv, TokRxInfo, TokTrie};

use super::GenerateError;
use super::bytes::token_bytes;

/// Longest schema in bytes. A receipt carries it.
pub const MAX_SCHEMA_BYTES: usize = 16 * 1024;
/// What may stand between two tokens of JSON; a line break with its indentation finds room.
const BLANKS: &str = r"[\x20\x0A]{1,16}";
/// Most patterns of a schema: what several of them have in common can take any time to find out.
const MAX_PATTERNS: usize = 8;
/// From here on not every whole number is one of JSON's, and another than the one in the schema would be held to.
const EXACT: f64 = 9_007_199_254_740_992.0;
/// Longer tokens are never chosen: the trie has a bound.
const MAX_TOKEN_BYTES: usize = 512;
/// Most characters of what is wrong with a schema.
const MAX_REASON: usize = 300;

/// A model's vocabulary, ready for any grammar.
pub(super) struct Grammars {
    factory: ParserFactory,
}

impl Grammars {
    /// `ends` are the tokens with which the model ends an answer. Takes a moment for a large vocabulary.
    pub(super) fn new(tokenizer: &Tokenizer, vocabulary: usize, ends: &[u32]) -> Result<Self, GenerateError> {
        let size = u32::try_from(vocabulary).map_err(|error| refused(&error))?;
        let mut words: Vec<Vec<u8>> = (0..size).map(|id| word(tokenizer, id)).collect();
        // A trie wants a token that ends a text, which some models do not have.
        words.push(Vec::new());
        let mut trie = TokTrie::from(&TokRxInfo::new(size.saturating_add(1), size), &words);
        let ends: Vec<u32> = ends.iter().copied().filter(|&id| id < size).collect();
        if !ends.is_empty() {
            trie = trie.with_eos_tokens(&ends);
        }
        let env: TokEnv = Arc::new(ApproximateTokEnv::new(trie));
        let factory = ParserFactory::new_simple(&env).map_err(|error| refused(&error))?;
        Ok(Self { factory: bounded(factory) })
    }

    /// The grammar of a schema.
    ///
    /// # Errors
    /// [`GenerateError::Schema`] for what is no schema, cannot be followed or takes too much.
    pub(super) fn compile(&self, schema: &str) -> Result<Grammar, GenerateError> {
        if schema.len() > MAX_SCHEMA_BYTES {
            return Err(GenerateError::Schema(format!(
                "it has {} bytes; at most {MAX_SCHEMA_BYTES} are read",
                schema.len()
            )));
        }
        let mut schema: Map<String, Value> = serde_json::from_str(schema).map_err(|error| refused(&error))?;
        let mut patterns = 0;
        schema.iter().try_for_each(|(key, value)| look(key, value, &mut patterns)).map_err(GenerateError::Schema)?;
        let options =
            JsonCompileOptions { whitespace_pattern: Some(BLANKS.to_owned()), ..JsonCompileOptions::default() };
        let options = serde_json::to_value(options).map_err(|error| refused(&error))?;
        schema.insert("x-guidance".to_owned(), options);
        let parser = self.factory.create_parser(TopLevelGrammar::from_json_schema(Value::Object(schema)));
        let mut matcher = Matcher::new(Ok(parser.map_err(|error| refused(&error))?));
        // What cannot even begin is told before anything is paid.
        matcher.compute_mask_or_eos().map_err(|error| refused(&error))?;
        if !matcher.stop_reason().is_ok() || matcher.is_stopped() {
            return Err(GenerateError::Schema("nothing that is JSON can satisfy it".to_owned()));
        }
        Ok(Grammar { matcher })
    }
}

/// Refuses what would take any time, or be held to otherwise than it is written; in words.
fn look(key: &str, value: &Value, patterns: &mut usize) -> Result<(), String> {
    *patterns += match (key, value) {
        ("pattern", Value::String(_)) => 1,
        ("patternProperties", Value::Object(each)) => each.len(),
        _ => 0,
    };
    if *patterns > MAX_PATTERNS {
        return Err(format!("it has more than {MAX_PATTERNS} patterns; leave some out"));
    }
    match value {
        Value::Object(members) => members.iter().try_for_each(|(key, value)| look(key, value, patterns)),
        Value::Array(items) => items.iter().try_for_each(|item| look("", item, patterns)),
        Value::Number(number) if number.as_f64().is_none_or(|number| number.abs() >= EXACT) => Err(format!(
            "{key:?} has the number {number}, which programs that read JSON take for another; send it as a text"
        )),
        _ => Ok(()),
    }
}

/// The bytes of a token that can be part of an answer; none of one that cannot. A byte of all ones, which is in no text, marks
/// special tokens in a trie.
fn word(tokenizer: &Tokenizer, id: u32) -> Vec<u8> {
    let special = |token: &tokenizers::AddedToken| token.special;
    if tokenizer.get_added_vocabulary().get_added_tokens_decoder().get(&id).is_some_and(special) {
        return Vec::new();
    }
    let bytes = token_bytes(tokenizer, id, false);
    if bytes.len() > MAX_TOKEN_BYTES || bytes.contains(&TokTrie::SPECIAL_TOKEN_MARKER) { Vec::new() } else { bytes }
}

fn bounded(mut factory: ParserFactory) -> ParserFactory {
    *factory.limits_mut() = ParserLimits {
        max_lexer_states: 20_000,
        max_grammar_size: 50_000,
        precompute_large_lexemes: false,
        verbose_errors: false,
        ..ParserLimits::default()
    };
    factory.quiet();
    factory
}

/// What the library says to its own users, and what helps those who sent the schema.
const OURS: [(&str, &str); 4] = [
    ("NoExtension", "nothing that is JSON can satisfy it"),
    ("coerce_one_of", "the alternatives of its oneOf overlap; use anyOf"),
    ("in a registry", "a $ref leads out of it, and nothing is fetched; put what it names into $defs"),
    ("empty regex", "nothing that is JSON can satisfy it"),
];

fn refused(reason: &impl ToString) -> GenerateError {
    let reason = reason.to_string();
    let known = OURS.into_iter().find(|(theirs, _)| reason.contains(theirs));
    let words =
        known.map_or_else(|| reason.split_whitespace().collect::<Vec<_>>().join(" "), |(_, ours)| ours.to_owned());
    GenerateError::Schema(words.chars().take(MAX_REASON).collect())
}

/// Where an answer stands in its grammar.
pub(super) struct Grammar {
    matcher: Matcher,
}

impl std::fmt::Debug for Grammar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Grammar").finish_non_exhaustive()
    }
}

impl Grammar {
    /// The logits of what may come next, all others out of reach.
    ///
    /// # Errors
    /// [`GenerateError::Schema`] where the next token would take too much work, or the vocabulary has none.
    pub(super) fn allow(&mut self, logits: &[f32]) -> Result<Vec<f32>, GenerateError> {
        let allowed = self.matcher.compute_mask_or_eos().map_err(|error| refused(&error))?;
        let mut masked = vec![f32::NEG_INFINITY; logits.len()];
        let mut any = false;
        for (id, (&logit, masked)) in (0u32..).zip(logits.iter().zip(&mut masked)) {
            if (id as usize) < allowed.len() && allowed.is_allowed(id) {
                *masked = logit;
                any = true;
            }
        }
        if any { Ok(masked) } else { Err(refused(&"the model has no token with which it can go on")) }
    }

    /// The token that was chosen. Gives whether the answer is complete with it, so that nothing can follow.
    ///
    /// # Errors
    /// [`GenerateError::Schema`] for a token that was not allowed.
    pub(super) fn take(&mut self, id: u32) -> Result<bool, GenerateError> {
        self.matcher.consume_token(id).map_err(|error| refused(&error))?;
        Ok(self.matcher.is_stopped())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::sampling::{Sampler, SamplingParams};
    use super::super::testing::{tokenizer, with_special};
    use super::*;

    const VOCABULARY: usize = 400;

    fn grammars() -> Grammars {
        let tokenizer = with_special(&["<|end|>"]);
        let end = tokenizer.token_to_id("<|end|>").unwrap();
        Grammars::new(&tokenizer, VOCABULARY, &[end]).unwrap()
    }

    /// What comes of logits that say nothing: any answer that the grammar allows.
    fn written(grammars: &Grammars, schema: &Value, seed: u64) -> String {
        let tokenizer = with_special(&["<|end|>"]);
        let end = tokenizer.token_to_id("<|end|>").unwrap();
        let mut grammar = grammars.compile(&schema.to_string()).unwrap();
        let mut sampler = Sampler::new(&SamplingParams::default(), seed);
        // What closes is likelier, so that random answers end.
        let mut logits = vec![0.0; VOCABULARY];
        for closing in ["\"", "}", "]"] {
            logits[tokenizer.token_to_id(closing).unwrap() as usize] = 5.0;
        }
        let mut bytes = Vec::new();
        for _ in 0..2_000 {
            let id = sampler.pick(&grammar.allow(&logits).unwrap()).unwrap();
            if id == end {
                break;
            }
            bytes.extend(token_bytes(&tokenizer, id, bytes.is_empty()));
            if grammar.take(id).unwrap() {
                break;
            }
        }
        String::from_utf8(bytes).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn whatever_the_model_says_is_what_the_schema_asks_for(seed in any::<u64>()) {
            let grammars = grammars();
            let schema = json!({
                "type": "object",
                "properties": {
                    "name": { "type": "string", "maxLength": 20 },
                    "count": { "type": "integer", "minimum": 0, "maximum": 99 },
                    "kind": { "enum": ["safe", "unsafe"] },
                    "parts": { "type": "array", "items": { "type": "boolean" }, "maxItems": 3 },
                },
                "required": ["name", "count", "kind", "parts"],
                "additionalProperties": false,
            });
            let text = written(&grammars, &schema, seed);
            let value: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
            let keys: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
            prop_assert_eq!(keys, ["name", "count", "kind", "parts"]);
            prop_assert!(value["name"].as_str().unwrap().chars().count() <= 20);
            prop_assert!(value["count"].as_u64().unwrap() <= 99);
            prop_assert!(["safe", "unsafe"].contains(&value["kind"].as_str().unwrap()));
            prop_assert!(value["parts"].as_array().unwrap().len() <= 3);
        }
    }

    #[test]
    fn any_object_will_do_where_no_schema_is_given() {
        let text = written(&grammars(), &json!({ "type": "object" }), 3);
        assert!(serde_json::from_str::<Value>(&text).unwrap().is_object(), "{text}");
    }

    #[test]
    fn an_answer_ends_where_nothing_can_follow_also_of_a_model_without_an_end() {
        let tokenizer = tokenizer();
        let grammars = Grammars::new(&tokenizer, tokenizer.get_vocab_size(true), &[]).unwrap();
        let mut grammar = grammars.compile(r#"{"const":true}"#).unwrap();
        let mut done = false;
        for letter in ["t", "r", "u", "e"] {
            assert!(!done);
            let id = tokenizer.token_to_id(letter).unwrap();
            let logits = vec![0.0; tokenizer.get_vocab_size(true)];
            assert!(grammar.allow(&logits).unwrap()[id as usize].is_finite());
            done = grammar.take(id).unwrap();
        }
        assert!(done);
    }

    #[test]
    fn references_go_as_deep_as_they_are_long_and_rings_of_them_are_refused() {
        let chain = |links: usize| {
            let link = |at| format!(r##""d{at}":{{"$ref":"#/$defs/d{}"}}"##, at + 1);
            let links_of: Vec<String> = (0..links).map(link).collect();
            format!(r##"{{"$ref":"#/$defs/d0","$defs":{{{},"d{links}":{{"const":1}}}}}}"##, links_of.join(","))
        };
        let deep = chain(300);
        assert!(deep.len() < MAX_SCHEMA_BYTES);
        // As the service does it: on a thread with room for it.
        let compile = move || grammars().compile(&deep).map(drop).map_err(|error| error.to_string());
        let thread = std::thread::Builder::new().stack_size(256 << 20).spawn(compile).unwrap();
        thread.join().unwrap().unwrap();
        let ring = r##"{"$ref":"#/$defs/a","$defs":{"a":{"$ref":"#/$defs/b"},"b":{"$ref":"#/$defs/a"}}}"##;
        for ring in [ring, r##"{"$ref":"#"}"##] {
            let error = grammars().compile(ring).map(drop).unwrap_err().to_string();
            assert!(error.ends_with("nothing that is JSON can satisfy it"), "{error}");
        }
    }

    #[test]
    fn what_would_take_any_time_or_mean_another_number_is_refused_in_words() {
        let many: Vec<String> = (10..40).map(|n| format!(r#"{{"type":"string","pattern":"a.{{{n}}}b"}}"#)).collect();
        let many = format!(r#"{{"allOf":[{}]}}"#, many.join(","));
        for (schema, says) in [
            (many.as_str(), "more than 8 patterns"),
            (r#"{"enum":[1234567890123456789]}"#, "has the number 1234567890123456789"),
            (r#"{"type":"integer","minimum":9007199254740993}"#, "\"minimum\" has the number"),
            (r#"{"type":"string","pattern":"(oops"}"#, "regex parse error: (oops"),
            (r#"{"$ref":"https://example.org/a.json"}"#, "nothing is fetched"),
        ] {
            let error = grammars().compile(schema).map(drop).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
        grammars().compile(r#"{"const":null}"#).unwrap();
    }

    #[test]
    fn what_cannot_be_followed_is_refused_in_a_line() {
        let grammars = grammars();
        let deep = format!("{}{}", r#"{"items":"#.repeat(200), "true".to_owned() + &"}".repeat(200));
        let long = format!(r#"{{"const":"{}"}}"#, "x".repeat(MAX_SCHEMA_BYTES));
        let schemas = [
            "",
            "[]",
            "true",
            "{",
            r#"{"type":"objekt"}"#,
            r#"{"type":3}"#,
            r#"{"$ref":"https://example.org/a.json"}"#,
            r##"{"$ref":"#/nowhere"}"##,
            r#"{"type":"string","pattern":"("}"#,
            r#"{"minimum":2,"maximum":1,"type":"integer"}"#,
            &deep,
            &long,
        ];
        for schema in schemas {
            let error = grammars.compile(schema).map(drop).expect_err(&schema[..schema.len().min(60)]);
            let GenerateError::Schema(reason) = &error else { panic!("{error}") };
            assert!(!reason.is_empty() && reason.len() <= 4 * MAX_REASON && !reason.contains('\n'), "{reason}");
        }
    }

    proptest! {
        #[test]
        fn no_schema_panics(schema in "\\PC{0,64}", keys in prop::collection::vec("[a-z$]{1,12}", 0..4)) {
            let grammars = grammars();
            let _ = grammars.compile(&schema);
            let object: Map<String, Value> = keys.into_iter().map(|key| (key, json!(schema))).collect();
            let _ = grammars.compile(&Value::Object(object).to_string());
        }
    }
}
