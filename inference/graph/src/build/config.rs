//! `config.json` of a BERT-family encoder.

use std::path::Path;

use serde::Deserialize;

use super::BuildError;

/// Far above any real `config.json`.
const MAX_CONFIG_BYTES: u64 = 1 << 20;

/// The activation between the two feed-forward matrices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// Exact Gaussian error linear unit.
    Gelu,
    /// Its tanh approximation.
    GeluTanh,
    /// Rectified linear unit.
    Relu,
}

/// What the graph of a BERT encoder depends on; every field is within bounds that keep sizes sane.
#[derive(Clone, Debug, PartialEq)]
pub struct BertConfig {
    /// Width of the hidden state, 1 to 8,192; a multiple of `num_attention_heads`.
    pub hidden_size: usize,
    /// Layers, 1 to 256.
    pub num_hidden_layers: usize,
    /// Attention heads.
    pub num_attention_heads: usize,
    /// Width of the feed-forward layer, 1 to 65,536.
    pub intermediate_size: usize,
    /// Tokens known, 1 to 4,194,304.
    pub vocab_size: usize,
    /// Longest input in tokens, 1 to 65,536.
    pub max_position_embeddings: usize,
    /// Rows of the token type table, 1 to 1,024.
    pub type_vocab_size: usize,
    /// Added to the variance in layer normalisation.
    pub layer_norm_eps: f32,
    /// Activation of the feed-forward layer.
    pub activation: Activation,
}

#[derive(Deserialize)]
struct RawConfig {
    model_type: String,
    hidden_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    intermediate_size: usize,
    vocab_size: usize,
    max_position_embeddings: usize,
    #[serde(default = "one")]
    type_vocab_size: usize,
    #[serde(default = "default_epsilon")]
    layer_norm_eps: f32,
    #[serde(default = "default_activation")]
    hidden_act: String,
    #[serde(default = "default_positions")]
    position_embedding_type: Option<String>,
}

fn one() -> usize {
    1
}

fn default_epsilon() -> f32 {
    1e-12
}

fn default_activation() -> String {
    "gelu".to_owned()
}

fn default_positions() -> Option<String> {
    Some("absolute".to_owned())
}

impl BertConfig {
    /// Reads and checks a `config.json`.
    ///
    /// # Errors
    /// If the file cannot be read, is not JSON, lacks a key, or states a size outside the bounds.
    pub fn read(path: &Path) -> Result<Self, BuildError> {
        let read_error = |source| BuildError::Read { path: path.to_owned(), source };
        let bytes = std::fs::metadata(path).map_err(read_error)?.len();
        if bytes > MAX_CONFIG_BYTES {
            return Err(BuildError::Config(format!("it has {bytes} bytes, more than {MAX_CONFIG_BYTES}")));
        }
        Self::parse(&std::fs::read(path).map_err(read_error)?)
    }

    /// Parses and checks the text of a `config.json`.
    ///
    /// # Errors
    /// As [`BertConfig::read`].
    pub fn parse(json: &[u8]) -> Result<Self, BuildError> {
        let raw: RawConfig = serde_json::from_slice(json).map_err(|error| BuildError::Config(error.to_string()))?;
        if raw.model_type != "bert" {
            return Err(BuildError::UnsupportedModel(raw.model_type));
        }
        if raw.position_embedding_type.as_deref().is_some_and(|positions| positions != "absolute") {
            return Err(BuildError::Config("only absolute position embeddings are supported".to_owned()));
        }
        within("hidden_size", raw.hidden_size, 8_192)?;
        within("num_hidden_layers", raw.num_hidden_layers, 256)?;
        within("num_attention_heads", raw.num_attention_heads, 1_024)?;
        within("intermediate_size", raw.intermediate_size, 65_536)?;
        within("vocab_size", raw.vocab_size, 1 << 22)?;
        within("max_position_embeddings", raw.max_position_embeddings, 65_536)?;
        within("type_vocab_size", raw.type_vocab_size, 1_024)?;
        if !raw.hidden_size.is_multiple_of(raw.num_attention_heads) {
            return Err(BuildError::Config(format!(
                "hidden_size {} is not a multiple of num_attention_heads {}",
                raw.hidden_size, raw.num_attention_heads
            )));
        }
        if !(raw.layer_norm_eps > 0.0 && raw.layer_norm_eps < 1.0) {
            return Err(BuildError::Config(format!("layer_norm_eps {} is not between 0 and 1", raw.layer_norm_eps)));
        }
        Ok(Self {
            hidden_size: raw.hidden_size,
            num_hidden_layers: raw.num_hidden_layers,
            num_attention_heads: raw.num_attention_heads,
            intermediate_size: raw.intermediate_size,
            vocab_size: raw.vocab_size,
            max_position_embeddings: raw.max_position_embeddings,
            type_vocab_size: raw.type_vocab_size,
            layer_norm_eps: raw.layer_norm_eps,
            activation: activation(&raw.hidden_act)?,
        })
    }
}

fn activation(name: &str) -> Result<Activation, BuildError> {
    match name {
        "gelu" => Ok(Activation::Gelu),
        "gelu_new" | "gelu_pytorch_tanh" => Ok(Activation::GeluTanh),
        "relu" => Ok(Activation::Relu),
        other => Err(BuildError::UnsupportedActivation(other.to_owned())),
    }
}

fn within(key: &str, value: usize, max: usize) -> Result<(), BuildError> {
    if (1..=max).contains(&value) {
        return Ok(());
    }
    Err(BuildError::Config(format!("{key} is {value}, outside 1 to {max}")))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn config(change: impl FnOnce(&mut serde_json::Value)) -> Result<BertConfig, BuildError> {
        let mut json = serde_json::json!({
            "model_type": "bert", "hidden_size": 384, "num_hidden_layers": 6, "num_attention_heads": 12,
            "intermediate_size": 1536, "vocab_size": 30522, "max_position_embeddings": 512, "type_vocab_size": 2,
            "layer_norm_eps": 1e-12, "hidden_act": "gelu"
        });
        change(&mut json);
        BertConfig::parse(json.to_string().as_bytes())
    }

    #[test]
    fn a_plain_config_is_read() {
        let config = config(|_| ()).unwrap();
        assert_eq!((config.hidden_size, config.activation), (384, Activation::Gelu));
    }

    #[test]
    fn absurd_sizes_and_unknown_kinds_are_refused() {
        assert!(matches!(config(|c| c["hidden_size"] = 0.into()), Err(BuildError::Config(_))));
        assert!(matches!(config(|c| c["vocab_size"] = u64::MAX.into()), Err(BuildError::Config(_))));
        assert!(matches!(config(|c| c["num_attention_heads"] = 7.into()), Err(BuildError::Config(_))));
        assert!(matches!(config(|c| c["num_hidden_layers"] = (-1).into()), Err(BuildError::Config(_))));
        assert!(matches!(config(|c| c["model_type"] = "t5".into()), Err(BuildError::UnsupportedModel(_))));
        assert!(matches!(config(|c| c["hidden_act"] = "swish".into()), Err(BuildError::UnsupportedActivation(_))));
        let relative = config(|c| c["position_embedding_type"] = "relative_key".into());
        assert!(matches!(relative, Err(BuildError::Config(_))));
    }

    proptest! {
        #[test]
        fn garbage_is_an_error_and_never_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
            prop_assert!(BertConfig::parse(&bytes).is_err());
        }
    }
}
