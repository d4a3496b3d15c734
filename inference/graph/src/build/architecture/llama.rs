//! `config.json` of a Llama-family decoder.

use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::config::{activation, epsilon, within};
use super::{Activation, Rotary};
use crate::build::BuildError;
use crate::build::folder::json::{parse, read};

/// Which projections of the attention have biases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttentionBias {
    /// None.
    None,
    /// Query, key and value, as Qwen2 has it.
    Inputs,
    /// Those and the output.
    All,
}

/// What the graph of a Llama-family decoder depends on; every field is within bounds that keep sizes sane.
#[derive(Clone, Debug, PartialEq)]
pub struct LlamaConfig {
    /// Tokens known, 1 to 4,194,304.
    pub vocab_size: usize,
    /// Width of the hidden state, 1 to 32,768.
    pub hidden_size: usize,
    /// Width of the feed-forward layer, 1 to 262,144.
    pub intermediate_size: usize,
    /// Layers, 1 to 256.
    pub num_hidden_layers: usize,
    /// Heads of the queries, 1 to 1,024.
    pub num_attention_heads: usize,
    /// Heads of the keys and values; divides the former.
    pub num_key_value_heads: usize,
    /// Numbers in a head, even, 2 to 1,024.
    pub head_dim: usize,
    /// Longest context in tokens, 1 to 16,777,216; that of a sliding window where there is one, within which it makes
    /// no difference.
    pub max_position_embeddings: usize,
    /// Added to the mean square in normalisation.
    pub rms_norm_eps: f32,
    /// Positions.
    pub rotary: Rotary,
    /// Biases of the attention.
    pub attention_bias: AttentionBias,
    /// Whether the feed-forward matrices have biases.
    pub mlp_bias: bool,
    /// Whether the head is the embedding table.
    pub tie_word_embeddings: bool,
    /// Activation of the gate.
    pub activation: Activation,
    /// The token that texts begin with.
    pub bos_token_id: Option<u32>,
    /// The tokens that end a text, at most 64.
    pub eos_token_ids: Vec<u32>,
}

#[derive(Deserialize)]
struct RawConfig {
    model_type: String,
    vocab_size: usize,
    hidden_size: usize,
    intermediate_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    num_key_value_heads: Option<usize>,
    head_dim: Option<usize>,
    max_position_embeddings: usize,
    #[serde(default = "default_epsilon")]
    rms_norm_eps: f32,
    rope_theta: Option<f64>,
    rope_scaling: Option<Value>,
    rope_parameters: Option<Value>,
    partial_rotary_factor: Option<f64>,
    sliding_window: Option<usize>,
    use_sliding_window: Option<bool>,
    #[serde(default)]
    attention_bias: bool,
    #[serde(default)]
    mlp_bias: bool,
    #[serde(default)]
    tie_word_embeddings: bool,
    #[serde(default = "default_activation")]
    hidden_act: String,
    bos_token_id: Option<u32>,
    eos_token_id: Option<OneOrMany>,
    quantization_config: Option<Value>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "the number of a token, or a list of them")]
enum OneOrMany {
    One(u32),
    Many(Vec<u32>),
}

fn default_epsilon() -> f32 {
    1e-6
}

fn default_activation() -> String {
    "silu".to_owned()
}

impl LlamaConfig {
    /// Reads and checks a `config.json`.
    ///
    /// # Errors
    /// If the file cannot be read, is not JSON, lacks a key, states a size outside the bounds, or something that no
    /// graph is known for.
    pub fn read(path: &Path) -> Result<Self, BuildError> {
        Self::parse(&read(path)?)
    }

    /// Parses and checks the text of a `config.json`.
    ///
    /// # Errors
    /// As [`LlamaConfig::read`].
    pub fn parse(json: &[u8]) -> Result<Self, BuildError> {
        let raw: RawConfig = parse(json)?;
        if !["llama", "mistral", "qwen2"].contains(&raw.model_type.as_str()) {
            return Err(BuildError::UnsupportedModel(raw.model_type));
        }
        if raw.quantization_config.is_some() {
            return Err(BuildError::Config("quantised folders are not supported; fetch the float model".to_owned()));
        }
        let attention_bias = match (raw.model_type.as_str(), raw.attention_bias) {
            ("qwen2", _) => AttentionBias::Inputs,
            (_, true) => AttentionBias::All,
            (_, false) => AttentionBias::None,
        };
        // Each family has its own rule for whether a window that is stated counts.
        let window = raw.sliding_window.filter(|_| match raw.model_type.as_str() {
            "mistral" => raw.use_sliding_window != Some(false),
            "qwen2" => raw.use_sliding_window == Some(true),
            _ => false,
        });
        let rotary = Rotary::of_config(raw.rope_theta, raw.rope_scaling, raw.rope_parameters)?;
        if raw.partial_rotary_factor.is_some_and(|part| part != 1.0) {
            return Err(BuildError::Config("partial_rotary_factor other than 1 is not supported".to_owned()));
        }
        let config = Self {
            vocab_size: raw.vocab_size,
            hidden_size: raw.hidden_size,
            intermediate_size: raw.intermediate_size,
            num_hidden_layers: raw.num_hidden_layers,
            num_attention_heads: raw.num_attention_heads,
            num_key_value_heads: raw.num_key_value_heads.unwrap_or(raw.num_attention_heads),
            head_dim: raw.head_dim.unwrap_or(raw.hidden_size / raw.num_attention_heads.max(1)),
            max_position_embeddings: window.map_or(raw.max_position_embeddings, |w| w.min(raw.max_position_embeddings)),
            rms_norm_eps: raw.rms_norm_eps,
            rotary,
            attention_bias,
            mlp_bias: raw.mlp_bias,
            tie_word_embeddings: raw.tie_word_embeddings,
            activation: activation(&raw.hidden_act)?,
            bos_token_id: raw.bos_token_id,
            eos_token_ids: match raw.eos_token_id {
                None => Vec::new(),
                Some(OneOrMany::One(id)) => vec![id],
                Some(OneOrMany::Many(ids)) => ids,
            },
        };
        config.check()?;
        let mut ends = config.eos_token_ids.iter();
        if let Some(id) = ends.find(|&&id| id as usize >= config.vocab_size) {
            let what = format!("eos_token_id {id} is none of its {} tokens (vocab_size)", config.vocab_size);
            return Err(BuildError::Config(what));
        }
        Ok(config)
    }

    /// Checks every bound.
    ///
    /// # Errors
    /// [`BuildError::Config`], which names the key.
    pub fn check(&self) -> Result<(), BuildError> {
        within("vocab_size", self.vocab_size, 1 << 22)?;
        within("hidden_size", self.hidden_size, 1 << 15)?;
        within("intermediate_size", self.intermediate_size, 1 << 18)?;
        within("num_hidden_layers", self.num_hidden_layers, 256)?;
        within("num_attention_heads", self.num_attention_heads, 1_024)?;
        within("num_key_value_heads", self.num_key_value_heads, self.num_attention_heads)?;
        within("head_dim", self.head_dim, 1_024)?;
        within("max_position_embeddings", self.max_position_embeddings, 1 << 24)?;
        epsilon("rms_norm_eps", self.rms_norm_eps)?;
        if !self.num_attention_heads.is_multiple_of(self.num_key_value_heads) {
            return Err(BuildError::Config(format!(
                "num_attention_heads {} is not a multiple of num_key_value_heads {}",
                self.num_attention_heads, self.num_key_value_heads
            )));
        }
        if !self.head_dim.is_multiple_of(2) {
            return Err(BuildError::Config(format!("head_dim {} is odd", self.head_dim)));
        }
        if self.eos_token_ids.len() > 64 {
            return Err(BuildError::Config(format!("it has {} end tokens", self.eos_token_ids.len())));
        }
        Ok(())
    }

    /// The text of a `config.json` that says this, as transformers reads it.
    pub fn to_json(&self) -> Value {
        let qwen = self.attention_bias == AttentionBias::Inputs;
        let (kind, class) = if qwen { ("qwen2", "Qwen2ForCausalLM") } else { ("llama", "LlamaForCausalLM") };
        let mut config = Map::new();
        let mut set = |key: &str, value: Value| config.insert(key.to_owned(), value);
        set("architectures", json!([class]));
        set("model_type", kind.into());
        set("vocab_size", self.vocab_size.into());
        set("hidden_size", self.hidden_size.into());
        set("intermediate_size", self.intermediate_size.into());
        set("num_hidden_layers", self.num_hidden_layers.into());
        set("num_attention_heads", self.num_attention_heads.into());
        set("num_key_value_heads", self.num_key_value_heads.into());
        set("head_dim", self.head_dim.into());
        set("max_position_embeddings", self.max_position_embeddings.into());
        // Through its shortest decimal form: 1e-6 stays 1e-6.
        set("rms_norm_eps", self.rms_norm_eps.to_string().parse::<f64>().map_or(Value::Null, Value::from));
        set("attention_bias", (self.attention_bias == AttentionBias::All).into());
        set("mlp_bias", self.mlp_bias.into());
        set("tie_word_embeddings", self.tie_word_embeddings.into());
        set("hidden_act", self.activation.name().into());
        set("bos_token_id", self.bos_token_id.into());
        set(
            "eos_token_id",
            match self.eos_token_ids.as_slice() {
                [] => Value::Null,
                [id] => (*id).into(),
                ids => ids.into(),
            },
        );
        set("torch_dtype", "float32".into());
        self.rotary.write(&mut config);
        Value::Object(config)
    }

    /// Every tensor of the model's safetensors file, with its shape, in the order of the computation.
    pub fn tensors(&self) -> Vec<(String, Vec<usize>)> {
        let (hidden, inner) = (self.hidden_size, self.intermediate_size);
        let mut tensors = vec![("model.embed_tokens.weight".to_owned(), vec![self.vocab_size, hidden])];
        for layer in 0..self.num_hidden_layers {
            let mut linear = |name: &str, [output, input]: [usize; 2], bias: bool| {
                tensors.push((format!("model.layers.{layer}.{name}.weight"), vec![output, input]));
                if bias {
                    tensors.push((format!("model.layers.{layer}.{name}.bias"), vec![output]));
                }
            };
            for (name, shape, bias) in self.projections() {
                linear(name, shape, bias);
            }
            linear("mlp.gate_proj", [inner, hidden], self.mlp_bias);
            linear("mlp.up_proj", [inner, hidden], self.mlp_bias);
            linear("mlp.down_proj", [hidden, inner], self.mlp_bias);
            for name in ["input_layernorm", "post_attention_layernorm"] {
                tensors.push((format!("model.layers.{layer}.{name}.weight"), vec![hidden]));
            }
        }
        tensors.push(("model.norm.weight".to_owned(), vec![hidden]));
        if !self.tie_word_embeddings {
            tensors.push(("lm_head.weight".to_owned(), vec![self.vocab_size, hidden]));
        }
        tensors
    }

    /// The attention's projections: name, `[out, in]`, whether there is a bias.
    pub(super) fn projections(&self) -> [(&'static str, [usize; 2], bool); 4] {
        let (hidden, head) = (self.hidden_size, self.head_dim);
        let (queries, keys) = (self.num_attention_heads * head, self.num_key_value_heads * head);
        let inputs = self.attention_bias != AttentionBias::None;
        [
            ("self_attn.q_proj", [queries, hidden], inputs),
            ("self_attn.k_proj", [keys, hidden], inputs),
            ("self_attn.v_proj", [keys, hidden], inputs),
            ("self_attn.o_proj", [hidden, queries], self.attention_bias == AttentionBias::All),
        ]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn config(change: impl FnOnce(&mut Value)) -> Result<LlamaConfig, BuildError> {
        let mut json = json!({
            "model_type": "llama", "vocab_size": 32000, "hidden_size": 64, "intermediate_size": 172,
            "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 2048,
            "rms_norm_eps": 1e-5, "rope_theta": 500000.0, "eos_token_id": [2, 3], "bos_token_id": 1
        });
        change(&mut json);
        LlamaConfig::parse(json.to_string().as_bytes())
    }

    #[test]
    fn what_is_written_is_read_back() {
        for change in [
            |_: &mut Value| (),
            |c: &mut Value| c["model_type"] = "qwen2".into(),
            |c: &mut Value| c["attention_bias"] = true.into(),
            |c: &mut Value| c["rope_scaling"] = json!({ "rope_type": "linear", "factor": 4.0 }),
            |c: &mut Value| c["eos_token_id"] = Value::Null,
            |c: &mut Value| c["head_dim"] = 32.into(),
        ] {
            let config = config(change).unwrap();
            assert_eq!(LlamaConfig::parse(config.to_json().to_string().as_bytes()).unwrap(), config);
        }
        assert_eq!(config(|_| ()).unwrap().to_json()["rms_norm_eps"], 1e-5);
    }

    #[test]
    fn a_sliding_window_bounds_the_context() {
        let sliding = config(|c| {
            c["model_type"] = "mistral".into();
            c["sliding_window"] = 128.into();
        });
        assert_eq!(sliding.unwrap().max_position_embeddings, 128);
        for (kind, used, context) in [
            ("qwen2", json!(true), 128),
            ("qwen2", json!(false), 2048),
            ("qwen2", Value::Null, 2048),
            ("mistral", Value::Null, 128),
            ("mistral", json!(false), 2048),
            ("llama", Value::Null, 2048),
        ] {
            let read = config(|c| {
                c["model_type"] = kind.into();
                c["use_sliding_window"] = used.clone();
                c["sliding_window"] = 128.into();
            });
            assert_eq!(read.unwrap().max_position_embeddings, context, "{kind} {used}");
        }
    }

    #[test]
    fn absurd_sizes_and_unknown_kinds_are_refused() {
        for (key, value) in [
            ("num_key_value_heads", json!(3)),
            ("num_key_value_heads", json!(0)),
            ("num_attention_heads", json!(0)),
            ("head_dim", json!(3)),
            ("vocab_size", json!(u64::MAX)),
            ("hidden_size", json!(0)),
            ("rms_norm_eps", json!(0)),
            ("rope_scaling", json!({ "rope_type": "yarn" })),
            ("quantization_config", json!({})),
        ] {
            assert!(matches!(config(|c| c[key] = value), Err(BuildError::Config(_))), "{key}");
        }
        for (key, value, says) in [
            (
                "eos_token_id",
                json!("256"),
                r#"eos_token_id is "256"; it takes the number of a token, or a list of them"#,
            ),
            ("eos_token_id", json!(-1), "the number of a token"),
            ("eos_token_id", json!([2, 32000]), "eos_token_id 32000 is none of its 32000 tokens"),
            ("hidden_size", json!("32"), r#"hidden_size is "32"; it takes a whole number"#),
            ("rope_scaling", json!("linear"), r#"is "linear"; it takes an object"#),
        ] {
            let said = config(|c| c[key] = value).unwrap_err().to_string();
            assert!(said.contains(says) && !said.contains("fetch"), "{said}");
        }
        assert!(matches!(config(|c| c["model_type"] = "gemma".into()), Err(BuildError::UnsupportedModel(_))));
    }

    proptest! {
        #[test]
        fn garbage_is_an_error_and_never_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
            prop_assert!(LlamaConfig::parse(&bytes).is_err());
        }
    }
}
