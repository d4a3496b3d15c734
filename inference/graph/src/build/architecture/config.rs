//! `config.json` of a BERT-family encoder.

use std::path::Path;

use serde::Deserialize;

use super::Architecture;
use crate::build::BuildError;
use crate::build::folder::json::{parse, read};

/// The activation between two feed-forward matrices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// Exact Gaussian error linear unit.
    Gelu,
    /// Its tanh approximation.
    GeluTanh,
    /// Rectified linear unit.
    Relu,
    /// `x sigmoid(x)`.
    Silu,
}

/// What the graph of an encoder depends on; every field is within bounds that keep sizes sane.
#[derive(Clone, Debug, PartialEq)]
pub struct EncoderConfig {
    /// [`Architecture::Bert`], [`Architecture::DistilBert`] or [`Architecture::Roberta`].
    pub architecture: Architecture,
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
    /// Rows of the position table, 1 to 65,536.
    pub max_position_embeddings: usize,
    /// The row of the first token: RoBERTa keeps the rows up to that of its padding token to itself.
    pub first_position: usize,
    /// Rows of the token type table, 1 to 1,024; DistilBERT has none.
    pub type_vocab_size: usize,
    /// Added to the variance in layer normalisation.
    pub layer_norm_eps: f32,
    /// Activation of the feed-forward layer.
    pub activation: Activation,
}

#[derive(Deserialize)]
struct RawConfig {
    model_type: String,
    #[serde(alias = "dim")]
    hidden_size: usize,
    #[serde(alias = "n_layers")]
    num_hidden_layers: usize,
    #[serde(alias = "n_heads")]
    num_attention_heads: usize,
    #[serde(alias = "hidden_dim")]
    intermediate_size: usize,
    vocab_size: usize,
    max_position_embeddings: usize,
    #[serde(default = "one")]
    type_vocab_size: usize,
    #[serde(default = "default_epsilon")]
    layer_norm_eps: f32,
    #[serde(default = "default_activation", alias = "activation")]
    hidden_act: String,
    #[serde(default)]
    position_embedding_type: Option<String>,
    #[serde(default)]
    pad_token_id: Option<usize>,
    #[serde(default)]
    is_decoder: bool,
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

impl EncoderConfig {
    /// Reads and checks a `config.json`.
    ///
    /// # Errors
    /// If the file cannot be read, is not JSON, lacks a key, or states a size outside the bounds.
    pub fn read(path: &Path) -> Result<Self, BuildError> {
        Self::parse(&read(path)?)
    }

    /// Parses and checks the text of a `config.json`.
    ///
    /// # Errors
    /// As [`EncoderConfig::read`].
    pub fn parse(json: &[u8]) -> Result<Self, BuildError> {
        let raw: RawConfig = parse(json)?;
        let architecture = match raw.model_type.as_str() {
            "bert" => Architecture::Bert,
            "distilbert" => Architecture::DistilBert,
            "roberta" | "xlm-roberta" => Architecture::Roberta,
            _ => return Err(BuildError::UnsupportedModel(raw.model_type)),
        };
        if raw.position_embedding_type.as_deref().is_some_and(|positions| positions != "absolute") {
            return Err(BuildError::Config("only absolute position embeddings are supported".to_owned()));
        }
        if raw.is_decoder {
            let what = "is_decoder true is not supported: tokens would see those before them alone";
            return Err(BuildError::Config(what.to_owned()));
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
        epsilon("layer_norm_eps", raw.layer_norm_eps)?;
        let first_position = match architecture {
            Architecture::Roberta => raw.pad_token_id.unwrap_or(1).saturating_add(1),
            _ => 0,
        };
        if first_position >= raw.max_position_embeddings {
            return Err(BuildError::Config(format!("pad_token_id {} leaves no position", first_position - 1)));
        }
        Ok(Self {
            architecture,
            hidden_size: raw.hidden_size,
            num_hidden_layers: raw.num_hidden_layers,
            num_attention_heads: raw.num_attention_heads,
            intermediate_size: raw.intermediate_size,
            vocab_size: raw.vocab_size,
            max_position_embeddings: raw.max_position_embeddings,
            first_position,
            type_vocab_size: if architecture == Architecture::DistilBert { 0 } else { raw.type_vocab_size },
            layer_norm_eps: raw.layer_norm_eps,
            activation: activation(&raw.hidden_act)?,
        })
    }

    /// Longest input in tokens.
    pub fn max_positions(&self) -> usize {
        self.max_position_embeddings - self.first_position
    }
}

pub(super) fn activation(name: &str) -> Result<Activation, BuildError> {
    match name {
        "gelu" => Ok(Activation::Gelu),
        "gelu_new" | "gelu_pytorch_tanh" => Ok(Activation::GeluTanh),
        "relu" => Ok(Activation::Relu),
        "silu" => Ok(Activation::Silu),
        other => Err(BuildError::UnsupportedActivation(other.to_owned())),
    }
}

pub(super) fn epsilon(key: &str, value: f32) -> Result<(), BuildError> {
    if value > 0.0 && value < 1.0 {
        return Ok(());
    }
    Err(BuildError::Config(format!("{key} {value} is not between 0 and 1")))
}

pub(super) fn within(key: &str, value: usize, max: usize) -> Result<(), BuildError> {
    if (1..=max).contains(&value) {
        return Ok(());
    }
    Err(BuildError::Config(format!("{key} is {value}, outside 1 to {max}")))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn config(change: impl FnOnce(&mut serde_json::Value)) -> Result<EncoderConfig, BuildError> {
        let mut json = serde_json::json!({
            "model_type": "bert", "hidden_size": 384, "num_hidden_layers": 6, "num_attention_heads": 12,
            "intermediate_size": 1536, "vocab_size": 30522, "max_position_embeddings": 512, "type_vocab_size": 2,
            "layer_norm_eps": 1e-12, "hidden_act": "gelu"
        });
        change(&mut json);
        EncoderConfig::parse(json.to_string().as_bytes())
    }

    #[test]
    fn a_plain_config_is_read() {
        let config = config(|_| ()).unwrap();
        assert_eq!((config.hidden_size, config.activation, config.max_positions()), (384, Activation::Gelu, 512));
    }

    #[test]
    fn distilbert_has_keys_of_its_own_and_no_token_types() {
        let json = br#"{"model_type":"distilbert","dim":8,"n_layers":2,"n_heads":2,"hidden_dim":16,"vocab_size":9,
            "max_position_embeddings":4,"activation":"relu"}"#;
        let config = EncoderConfig::parse(json).unwrap();
        assert_eq!((config.hidden_size, config.type_vocab_size, config.activation), (8, 0, Activation::Relu));
    }

    #[test]
    fn roberta_counts_positions_after_its_padding_token() {
        let config = config(|c| {
            c["model_type"] = "roberta".into();
            c["max_position_embeddings"] = 514.into();
        });
        assert_eq!(config.unwrap().max_positions(), 512);
    }

    #[test]
    fn absurd_sizes_and_unknown_kinds_are_refused() {
        assert!(matches!(config(|c| c["hidden_size"] = 0.into()), Err(BuildError::Config(_))));
        assert!(matches!(config(|c| c["vocab_size"] = u64::MAX.into()), Err(BuildError::Config(_))));
        assert!(matches!(config(|c| c["num_attention_heads"] = 7.into()), Err(BuildError::Config(_))));
        assert!(matches!(config(|c| c["layer_norm_eps"] = 0.into()), Err(BuildError::Config(_))));
        assert!(matches!(config(|c| c["model_type"] = "t5".into()), Err(BuildError::UnsupportedModel(_))));
        assert!(matches!(config(|c| c["hidden_act"] = "swish".into()), Err(BuildError::UnsupportedActivation(_))));
        let relative = config(|c| c["position_embedding_type"] = "relative_key".into());
        assert!(matches!(relative, Err(BuildError::Config(_))));
        assert!(matches!(config(|c| c["is_decoder"] = true.into()), Err(BuildError::Config(_))));
        let padded = config(|c| {
            c["model_type"] = "roberta".into();
            c["pad_token_id"] = u64::MAX.into();
        });
        assert!(matches!(padded, Err(BuildError::Config(_))));
    }

    proptest! {
        #[test]
        fn garbage_is_an_error_and_never_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
            prop_assert!(EncoderConfig::parse(&bytes).is_err());
        }
    }
}
