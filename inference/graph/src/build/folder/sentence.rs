//! What Sentence Transformers' files say of an encoder: how texts are read and how a text's vector is made.
//!
//! ```text
//!  modules.json ──► Transformer ── sentence_bert_config.json   max_seq_length, do_lower_case
//!              ├──► Pooling ────── 1_Pooling/config.json       one way of pooling
//!              └──► Normalize      vectors are of unit length here with it and without
//! ```
//!
//! What is not known here is refused by name: a vector that is made in another way looks like a good one.

use std::path::{Component, Path};

use serde::Deserialize;
use serde_json::{Map, Value};

use super::further::TOKENIZER_CONFIG;
use super::json::parse_optional;
use crate::build::{BuildError, Pooling};

/// The list of what a text passes through.
pub(super) const MODULES: &str = "modules.json";
/// What is said of all of them.
pub(super) const CONFIG_SENTENCE_TRANSFORMERS: &str = "config_sentence_transformers.json";
/// Names that the settings of the first module have had; the first that is there counts.
pub(super) const SENTENCE_CONFIGS: [&str; 7] = [
    "sentence_bert_config.json",
    "sentence_roberta_config.json",
    "sentence_distilbert_config.json",
    "sentence_camembert_config.json",
    "sentence_albert_config.json",
    "sentence_xlm-roberta_config.json",
    "sentence_xlnet_config.json",
];

/// How an encoder reads texts and makes vectors of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sentence {
    /// How a text's vector is made of its tokens'.
    pub pooling: Pooling,
    /// Whether the folder says so; else the mean is what is usual.
    pub pooling_stated: bool,
    /// Tokens of a text at most, special ones included; the model's own limit where nothing is said.
    pub max_tokens: Option<usize>,
    /// Whether texts are made lower case before they are read.
    pub lowercase: bool,
}

#[derive(Deserialize)]
struct Module {
    #[serde(default)]
    path: String,
    r#type: String,
}

impl Module {
    /// Its kind without the place where its maker keeps it.
    fn kind(&self) -> &str {
        self.r#type.rsplit('.').next().unwrap_or(&self.r#type)
    }
}

#[derive(Default, Deserialize)]
struct Settings {
    max_seq_length: Option<f64>,
    do_lower_case: Option<bool>,
}

#[derive(Default, Deserialize)]
struct TokenizerSettings {
    model_max_length: Option<f64>,
}

#[derive(Default, Deserialize)]
struct About {
    default_prompt_name: Option<String>,
}

impl Sentence {
    /// Reads what a folder says, and what is usual where it says nothing.
    ///
    /// # Errors
    /// [`BuildError::File`], which names the file and what of it is not supported or damaged.
    pub fn read(folder: &Path) -> Result<Self, BuildError> {
        let about: About = parse_optional(folder, CONFIG_SENTENCE_TRANSFORMERS)?.unwrap_or_default();
        if let Some(name) = about.default_prompt_name {
            let what = format!(
                "default_prompt_name {name:?} is not supported; set it to null and write the prompt before your texts"
            );
            return Err(BuildError::file(CONFIG_SENTENCE_TRANSFORMERS, what));
        }
        let settings = settings(folder)?;
        let tokenizer: TokenizerSettings = parse_optional(folder, TOKENIZER_CONFIG)?.unwrap_or_default();
        let pooling = match pooling_file(folder)? {
            Some(file) => Some(pooling(folder, &file)?),
            None => None,
        };
        Ok(Self {
            pooling: pooling.unwrap_or_default(),
            pooling_stated: pooling.is_some(),
            max_tokens: settings.max_seq_length.or(tokenizer.model_max_length).and_then(limit),
            lowercase: settings.do_lower_case.unwrap_or(false),
        })
    }
}

fn settings(folder: &Path) -> Result<Settings, BuildError> {
    for file in SENTENCE_CONFIGS {
        if let Some(settings) = parse_optional(folder, file)? {
            return Ok(settings);
        }
    }
    Ok(Settings::default())
}

/// A number of tokens; makers write absurdly large ones for none.
fn limit(tokens: f64) -> Option<usize> {
    (1.0..1e9).contains(&tokens).then_some(tokens as usize)
}

/// The file that says how the folder's model pools, if it has a list of modules; checks that they are those known here.
pub(super) fn pooling_file(folder: &Path) -> Result<Option<String>, BuildError> {
    let Some(modules) = parse_optional::<Vec<Module>>(folder, MODULES)? else { return Ok(None) };
    let refused = |what: String| Err(BuildError::file(MODULES, what));
    let kinds: Vec<&str> = modules.iter().map(Module::kind).collect();
    let (first, pooling) = match (kinds.as_slice(), modules.as_slice()) {
        (["Transformer", "Pooling"], [first, pooling])
        | (["Transformer", "Pooling", "Normalize"], [first, pooling, _]) => (first, pooling),
        _ => {
            return refused(format!(
                "the modules {} are not supported; Transformer, Pooling and Normalize are, in this order",
                kinds.join(", ")
            ));
        }
    };
    if !first.path.is_empty() {
        return refused(format!("the Transformer lies in {:?}; put its files beside modules.json", first.path));
    }
    let mut parts = Path::new(&pooling.path).components();
    if !matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None)) {
        return refused(format!("the path {:?} of Pooling is not that of a folder beside it", pooling.path));
    }
    Ok(Some(format!("{}/config.json", pooling.path.trim_end_matches('/'))))
}

fn pooling(folder: &Path, file: &str) -> Result<Pooling, BuildError> {
    let Some(config) = parse_optional::<Map<String, Value>>(folder, file)? else {
        return Err(BuildError::file(file, "it is missing; fetch the model again"));
    };
    let known = |mode: &str| match mode {
        "mean" | "mean_tokens" => Ok(Pooling::Mean),
        "cls" | "cls_token" => Ok(Pooling::Cls),
        "max" | "max_tokens" => Ok(Pooling::Max),
        "mean_sqrt_len" | "mean_sqrt_len_tokens" => Ok(Pooling::MeanSqrtLen),
        "lasttoken" => Ok(Pooling::LastToken),
        other => Err(BuildError::file(file, format!("the pooling mode {other:?} is not supported"))),
    };
    // Newer files name the mode, older ones have a key a mode.
    if let Some(mode) = config.get("pooling_mode").and_then(Value::as_str) {
        return known(mode);
    }
    let on = |value: &Value| value.as_bool().unwrap_or(false);
    let modes: Vec<&str> =
        config.iter().filter(|(_, value)| on(value)).filter_map(|(key, _)| key.strip_prefix("pooling_mode_")).collect();
    match modes.as_slice() {
        [mode] => known(mode),
        [] => Err(BuildError::file(file, "no pooling mode is switched on")),
        several => {
            let what = format!("the pooling modes {} side by side are not supported; use one", several.join(" and "));
            Err(BuildError::file(file, what))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn folder(files: &[(&str, Value)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("pool")).unwrap();
        for (name, json) in files {
            std::fs::write(folder.path().join(name), json.to_string()).unwrap();
        }
        folder
    }

    fn modules(kinds: &[&str]) -> Value {
        let path = |kind: &str| if kind == "Pooling" { "pool" } else { "" };
        let module =
            |kind: &&str| json!({ "type": format!("sentence_transformers.models.{kind}"), "path": path(kind) });
        kinds.iter().map(module).collect()
    }

    fn read(files: &[(&str, Value)]) -> Result<Sentence, BuildError> {
        Sentence::read(folder(files).path())
    }

    #[test]
    fn a_plain_folder_has_what_is_usual() {
        assert_eq!(read(&[]).unwrap(), Sentence::default());
    }

    #[test]
    fn every_mode_is_read_in_the_old_spelling_and_in_the_new_one() {
        for (old, new, expected) in [
            ("pooling_mode_mean_tokens", "mean", Pooling::Mean),
            ("pooling_mode_cls_token", "cls", Pooling::Cls),
            ("pooling_mode_max_tokens", "max", Pooling::Max),
            ("pooling_mode_mean_sqrt_len_tokens", "mean_sqrt_len_tokens", Pooling::MeanSqrtLen),
            ("pooling_mode_lasttoken", "lasttoken", Pooling::LastToken),
        ] {
            for config in [json!({ old: true, "pooling_mode_x": false }), json!({ "pooling_mode": new })] {
                let list = modules(&["Transformer", "Pooling", "Normalize"]);
                let sentence = read(&[(MODULES, list), ("pool/config.json", config)]).unwrap();
                assert_eq!((sentence.pooling, sentence.pooling_stated), (expected, true));
            }
        }
    }

    #[test]
    fn what_is_not_known_is_refused_by_file_and_name() {
        let list = || (MODULES, modules(&["Transformer", "Pooling"]));
        let pool = |config: Value| ("pool/config.json", config);
        for (files, names) in [
            (
                vec![list(), pool(json!({ "pooling_mode_weightedmean_tokens": true }))],
                ["pool/config.json", "weightedmean"],
            ),
            (
                vec![list(), pool(json!({ "pooling_mode_cls_token": true, "pooling_mode_max_tokens": true }))],
                ["cls", "max"],
            ),
            (vec![list(), pool(json!({}))], ["pool/config.json", "no pooling mode"]),
            (vec![list()], ["pool/config.json", "missing"]),
            (vec![(MODULES, modules(&["Transformer", "Pooling", "Dense"]))], [MODULES, "Dense"]),
            (vec![(MODULES, modules(&["Transformer"]))], [MODULES, "Transformer"]),
            (vec![(MODULES, modules(&["StaticEmbedding"]))], [MODULES, "StaticEmbedding"]),
            (
                vec![(MODULES, json!([{ "type": "Transformer", "path": "" }, { "type": "Pooling", "path": "../x" }]))],
                [MODULES, "../x"],
            ),
            (
                vec![(MODULES, json!([{ "type": "Transformer", "path": "0_T" }, { "type": "Pooling", "path": "p" }]))],
                [MODULES, "0_T"],
            ),
            (vec![(MODULES, json!({}))], [MODULES, "takes a list"]),
            (
                vec![(CONFIG_SENTENCE_TRANSFORMERS, json!({ "default_prompt_name": "query" }))],
                [CONFIG_SENTENCE_TRANSFORMERS, "query"],
            ),
            (vec![(SENTENCE_CONFIGS[0], json!([]))], [SENTENCE_CONFIGS[0], "takes an object"]),
        ] {
            let error = read(&files).unwrap_err().to_string();
            assert!(names.iter().all(|name| error.contains(name)), "{error}");
        }
    }

    #[test]
    fn the_limit_of_sentences_comes_before_that_of_the_tokenizer() {
        let of = |files: &[(&str, Value)]| read(files).unwrap().max_tokens;
        let tokenizer = (TOKENIZER_CONFIG, json!({ "model_max_length": 48 }));
        assert_eq!(of(std::slice::from_ref(&tokenizer)), Some(48));
        let settings = |json| (SENTENCE_CONFIGS[1], json);
        assert_eq!(of(&[tokenizer.clone(), settings(json!({ "max_seq_length": 32 }))]), Some(32));
        assert_eq!(of(&[tokenizer, settings(json!({ "max_seq_length": null }))]), Some(48));
        assert_eq!(of(&[(TOKENIZER_CONFIG, json!({ "model_max_length": 1e30 }))]), None);
        assert!(read(&[settings(json!({ "do_lower_case": true }))]).unwrap().lowercase);
    }
}
