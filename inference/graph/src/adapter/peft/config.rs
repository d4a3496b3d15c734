//! `adapter_config.json`.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::super::{Adapter, AdapterError};
use crate::adapt::{ALL_LINEAR, bare_module};

/// What the adapter's numbers mean.
#[derive(Debug)]
pub(super) struct Config {
    pub base: String,
    pub rank: usize,
    /// Such that the factor is `alpha / rank`, whatever rule the file has for it.
    pub alpha: f32,
    /// `None` where a regular expression stands for them.
    pub targets: Option<Vec<String>>,
    /// Whether whole modules of the base's own class were trained.
    pub saves_modules: bool,
}

#[derive(Deserialize)]
struct RawConfig {
    peft_type: Option<String>,
    r: usize,
    lora_alpha: f32,
    #[serde(default)]
    base_model_name_or_path: Option<String>,
    #[serde(default)]
    target_modules: Option<Targets>,
    #[serde(default)]
    use_rslora: bool,
    #[serde(default)]
    bias: Option<String>,
    #[serde(default)]
    init_lora_weights: Value,
    /// Everything else, some of which changes what the numbers mean.
    #[serde(flatten)]
    rest: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Targets {
    List(Vec<String>),
    Expression(String),
}

/// Keys that must be absent, false, null, zero or empty: what they ask for is not plain LoRA.
const MUST_BE_UNSET: [&str; 16] = [
    "use_dora",
    "use_qalora",
    "use_bdlora",
    "fan_in_fan_out",
    "lora_bias",
    "rank_pattern",
    "alpha_pattern",
    "layer_replication",
    "trainable_token_indices",
    "target_parameters",
    "megatron_config",
    "alora_invocation_tokens",
    "arrow_config",
    "monteclora_config",
    "velora_config",
    "kasa_config",
];

/// Ways to begin that change the base model's own weights.
const CHANGES_BASE: [&str; 5] = ["pissa", "olora", "corda", "loftq", "lora_ga"];

impl Config {
    pub(super) fn parse(json: &[u8]) -> Result<Self, AdapterError> {
        let raw: RawConfig = serde_json::from_slice(json).map_err(|error| AdapterError::Config(error.to_string()))?;
        let unsupported = |what: String| Err(AdapterError::Unsupported(what));
        if raw.peft_type.as_deref() != Some("LORA") {
            return unsupported(format!("peft_type {:?}", raw.peft_type.unwrap_or_default()));
        }
        if raw.bias.as_deref().is_some_and(|bias| bias != "none") {
            return unsupported(format!("bias {:?}", raw.bias.unwrap_or_default()));
        }
        if let Some(key) = MUST_BE_UNSET.iter().find(|key| raw.rest.get(**key).is_some_and(is_set)) {
            return unsupported((*key).to_owned());
        }
        let start = raw.init_lora_weights.as_str().unwrap_or_default().to_ascii_lowercase();
        if CHANGES_BASE.iter().any(|kind| start.starts_with(kind)) {
            return unsupported(format!("init_lora_weights {start:?}"));
        }
        let alpha = if raw.use_rslora { raw.lora_alpha * (raw.r as f32).sqrt() } else { raw.lora_alpha };
        Ok(Self {
            saves_modules: raw.rest.get("modules_to_save").is_some_and(is_set),
            base: raw.base_model_name_or_path.unwrap_or_default(),
            rank: raw.r,
            alpha,
            targets: match raw.target_modules {
                Some(Targets::List(list)) => Some(list.iter().map(|target| bare_module(target).to_owned()).collect()),
                Some(Targets::Expression(text)) if text == ALL_LINEAR => Some(vec![text]),
                Some(Targets::Expression(_)) | None => None,
            },
        })
    }
}

fn is_set(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(flag) => *flag,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::Object(map) => !map.is_empty(),
    }
}

/// The text of the file. Targets are the modules' whole paths: PEFT then adapts exactly those.
pub(super) fn text(adapter: &Adapter, task: &str) -> String {
    let modules: Vec<&String> = adapter.modules.keys().collect();
    let alpha = if adapter.alpha.fract() == 0.0 { json!(adapter.alpha as i64) } else { json!(adapter.alpha) };
    let config = json!({
        "alpha_pattern": {},
        "auto_mapping": null,
        "base_model_name_or_path": adapter.base,
        "bias": "none",
        "fan_in_fan_out": false,
        "inference_mode": true,
        "init_lora_weights": true,
        "layers_pattern": null,
        "layers_to_transform": null,
        "lora_alpha": alpha,
        "lora_dropout": 0.0,
        "modules_to_save": null,
        "peft_type": "LORA",
        "r": adapter.rank,
        "rank_pattern": {},
        "revision": null,
        "target_modules": modules,
        "task_type": task,
        "use_dora": false,
        "use_rslora": false,
    });
    format!("{config:#}\n")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn config(change: impl FnOnce(&mut Value)) -> Result<Config, AdapterError> {
        let mut json = json!({
            "peft_type": "LORA", "r": 4, "lora_alpha": 8, "target_modules": ["query"], "bias": "none",
            "rank_pattern": {}, "use_dora": false, "megatron_config": null, "init_lora_weights": true
        });
        change(&mut json);
        Config::parse(json.to_string().as_bytes())
    }

    #[test]
    fn rank_stabilised_scaling_becomes_an_alpha_of_the_same_factor() {
        assert_eq!(config(|_| ()).unwrap().alpha, 8.0);
        assert_eq!(config(|c| c["use_rslora"] = true.into()).unwrap().alpha, 16.0);
    }

    #[test]
    fn other_kinds_of_adapters_are_refused_by_name() {
        for (key, value) in [
            ("peft_type", json!("IA3")),
            ("peft_type", Value::Null),
            ("bias", json!("all")),
            ("use_dora", json!(true)),
            ("rank_pattern", json!({ "query": 2 })),
            ("alpha_pattern", json!({ "query": 2 })),
            ("lora_bias", json!(true)),
            ("init_lora_weights", json!("pissa_niter_16")),
        ] {
            let error = config(|c| c[key] = value).unwrap_err();
            assert!(matches!(&error, AdapterError::Unsupported(what) if what.contains(key)), "{error}");
        }
        assert!(matches!(config(|c| c["r"] = json!(-1)), Err(AdapterError::Config(_))));
    }

    proptest! {
        #[test]
        fn garbage_is_an_error_and_never_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
            prop_assert!(Config::parse(&bytes).is_err());
        }
    }
}
