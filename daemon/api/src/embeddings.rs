//! Embeddings in OpenAI's shape, so that its official clients work.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What to embed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EmbeddingsRequest {
    /// A text or a list of texts.
    pub input: Input,
    /// The model's name or id: the node's own or a deployed one; the node's own if not given.
    pub model: Option<String>,
    /// `float` or `base64` (little-endian 32-bit floats).
    #[serde(default)]
    pub encoding_format: EncodingFormat,
    /// Accepted if it is the model's own number.
    pub dimensions: Option<usize>,
}

/// One text or several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged, expecting = "a text or a list of texts")]
pub enum Input {
    /// One.
    One(String),
    /// Several.
    Many(Vec<String>),
}

/// How vectors are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum EncodingFormat {
    /// A list of numbers.
    #[default]
    Float,
    /// Little-endian 32-bit floats in base64: what the official clients ask for.
    Base64,
}

/// One vector.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct EmbeddingView {
    /// Always `embedding`.
    pub object: String,
    /// The text's place, from 0.
    pub index: usize,
    /// A list of numbers, or base64.
    pub embedding: serde_json::Value,
}

/// Tokens read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UsageView {
    /// Of the texts.
    pub prompt_tokens: usize,
    /// In all.
    pub total_tokens: usize,
}

/// All vectors, in the order of the texts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct EmbeddingsReply {
    /// Always `list`.
    pub object: String,
    /// One for each text.
    pub data: Vec<EmbeddingView>,
    /// The model as it was named.
    pub model: String,
    /// Tokens read.
    pub usage: UsageView,
    /// What other clients pass over.
    #[serde(default)]
    pub datanet: EmbeddingsExtension,
}

/// What stands beside OpenAI's fields.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EmbeddingsExtension {
    /// Whether data behind the model was revoked since it learnt from it.
    pub tainted: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_text_or_many_are_read_and_numbers_are_not() {
        let read = |text: &str| serde_json::from_str::<EmbeddingsRequest>(text);
        assert!(matches!(read(r#"{"input":"a"}"#).unwrap().input, Input::One(_)));
        assert!(matches!(
            read(r#"{"input":["a","b"],"model":"m","encoding_format":"base64"}"#).unwrap().input,
            Input::Many(_)
        ));
        assert!(read(r#"{"input":[1,2]}"#).is_err());
    }
}
