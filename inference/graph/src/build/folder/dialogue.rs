//! What a decoder's folder says of writing: the template of its chats, and where an answer ends.

use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::chat::ChatTemplate;
use super::further::TOKENIZER_CONFIG;
use super::json::{parse_optional, read_optional};
use crate::build::BuildError;

/// Where newer folders keep the template.
pub(super) const CHAT_TEMPLATE: &str = "chat_template.jinja";
/// Where an answer ends, and how its maker would draw it.
pub(super) const GENERATION_CONFIG: &str = "generation_config.json";

/// Keys that change what a model writes elsewhere and not here, where each request says how it is drawn.
const DRAWING: [&str; 17] = [
    "bad_words_ids",
    "epsilon_cutoff",
    "eta_cutoff",
    "forced_bos_token_id",
    "forced_eos_token_id",
    "max_new_tokens",
    "min_new_tokens",
    "min_p",
    "no_repeat_ngram_size",
    "num_beams",
    "repetition_penalty",
    "sequence_bias",
    "suppress_tokens",
    "temperature",
    "top_k",
    "top_p",
    "typical_p",
];

/// What a folder says of writing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dialogue {
    /// The template of its chats.
    pub chat_template: Option<ChatTemplate>,
    /// The tokens that end an answer, where `generation_config.json` says; they come before those of `config.json`.
    pub ends: Option<Vec<u32>>,
    /// Keys of `generation_config.json` that are not applied.
    pub not_applied: Vec<&'static str>,
}

#[derive(Default, Deserialize)]
struct TokenizerSettings {
    chat_template: Option<Templates>,
    #[serde(flatten)]
    others: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Templates {
    One(String),
    Named(Vec<Named>),
}

#[derive(Deserialize)]
struct Named {
    name: String,
    template: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(u32),
    More(Vec<u32>),
}

impl Dialogue {
    /// Reads what a folder says.
    ///
    /// # Errors
    /// [`BuildError::File`], which names the file and what is wrong with it.
    pub fn read(folder: &Path, vocabulary: usize) -> Result<Self, BuildError> {
        let generation: Map<String, Value> = parse_optional(folder, GENERATION_CONFIG)?.unwrap_or_default();
        let said = |key: &&str| generation.get(*key).is_some_and(|value| !value.is_null());
        Ok(Self {
            chat_template: chat_template(folder)?,
            ends: ends(&generation, vocabulary)?,
            not_applied: DRAWING.into_iter().filter(said).collect(),
        })
    }
}

fn ends(generation: &Map<String, Value>, vocabulary: usize) -> Result<Option<Vec<u32>>, BuildError> {
    let Some(value) = generation.get("eos_token_id").filter(|value| !value.is_null()) else { return Ok(None) };
    let bad = |what: String| BuildError::file(GENERATION_CONFIG, format!("eos_token_id {what}"));
    let ids = match serde_json::from_value(value.clone()) {
        Ok(OneOrMore::One(id)) => vec![id],
        Ok(OneOrMore::More(ids)) => ids,
        Err(_) => return Err(bad(format!("{value} is no token nor a list of tokens"))),
    };
    if let Some(id) = ids.iter().find(|&&id| id as usize >= vocabulary) {
        return Err(bad(format!("{id} is none of the {vocabulary} tokens that config.json states")));
    }
    Ok(Some(ids))
}

/// The template that transformers would use: the file of its own, or else that of the tokenizer, of several the one
/// called `default`.
fn chat_template(folder: &Path) -> Result<Option<ChatTemplate>, BuildError> {
    let settings: TokenizerSettings = parse_optional(folder, TOKENIZER_CONFIG)?.unwrap_or_default();
    if let Some(bytes) = read_optional(folder, CHAT_TEMPLATE)? {
        let text = String::from_utf8(bytes).map_err(|_| BuildError::file(CHAT_TEMPLATE, "it is not UTF-8"))?;
        return ChatTemplate::read(CHAT_TEMPLATE, &text, &settings.others).map(Some);
    }
    let template = match settings.chat_template {
        None => return Ok(None),
        Some(Templates::One(template)) => template,
        Some(Templates::Named(several)) => default_template(several)?,
    };
    ChatTemplate::read(TOKENIZER_CONFIG, &template, &settings.others).map(Some)
}

fn default_template(several: Vec<Named>) -> Result<String, BuildError> {
    let names = several.iter().map(|named| named.name.as_str()).collect::<Vec<_>>().join(", ");
    let found = several.into_iter().find(|named| named.name == "default");
    found.map(|named| named.template).ok_or_else(|| {
        let what = format!("chat_template has {names} and none called default; give one of them that name");
        BuildError::file(TOKENIZER_CONFIG, what)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(files: &[(&str, String)]) -> Result<Dialogue, BuildError> {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        Dialogue::read(folder.path(), 100)
    }

    fn template(files: &[(&str, String)]) -> Option<String> {
        read(files).unwrap().chat_template.map(|template| template.source().to_owned())
    }

    #[test]
    fn the_file_of_its_own_comes_before_the_tokenizers_and_default_before_other_names() {
        let one = (TOKENIZER_CONFIG, json!({ "chat_template": "one" }).to_string());
        assert_eq!(template(&[]), None);
        assert_eq!(template(std::slice::from_ref(&one)).unwrap(), "one");
        assert_eq!(template(&[one, (CHAT_TEMPLATE, "own".to_owned())]).unwrap(), "own");
        let list =
            json!({ "chat_template": [{ "name": "tools", "template": "t" }, { "name": "default", "template": "d" }] });
        assert_eq!(template(&[(TOKENIZER_CONFIG, list.to_string())]).unwrap(), "d");
    }

    #[test]
    fn one_end_or_several_are_read_and_what_is_not_applied_is_listed() {
        let of = |json: Value| read(&[(GENERATION_CONFIG, json.to_string())]).unwrap();
        assert_eq!(of(json!({ "eos_token_id": 7 })).ends, Some(vec![7]));
        assert_eq!(of(json!({ "eos_token_id": [7, 9] })).ends, Some(vec![7, 9]));
        assert_eq!(of(json!({ "eos_token_id": null, "top_k": null })), Dialogue::default());
        assert_eq!(of(json!({ "top_k": 20, "temperature": 0.7 })).not_applied, ["temperature", "top_k"]);
    }

    #[test]
    fn damaged_files_are_refused_by_name() {
        for (file, text, what) in [
            (TOKENIZER_CONFIG, "garbage", "fetch"),
            (TOKENIZER_CONFIG, r#"{"chat_template":3}"#, "chat_template"),
            (TOKENIZER_CONFIG, r#"{"chat_template":[{"name":"rag","template":"x"}]}"#, "rag"),
            (GENERATION_CONFIG, "[]", "takes an object"),
            (GENERATION_CONFIG, r#"{"eos_token_id":"</s>"}"#, "eos_token_id"),
            (GENERATION_CONFIG, r#"{"eos_token_id":[1,100]}"#, "100"),
        ] {
            let error = read(&[(file, text.to_owned())]).unwrap_err().to_string();
            assert!(error.contains(file) && (error.contains(what) || error.contains("Templates")), "{error}");
        }
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(CHAT_TEMPLATE), [0xff]).unwrap();
        assert!(Dialogue::read(folder.path(), 9).is_err());
    }
}
