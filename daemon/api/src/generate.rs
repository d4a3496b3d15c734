//! Text that a model writes: requests in OpenAI's shapes.
//!
//! What the node does not do has no field here: it is refused by name where it would change the answer.
//!
//! Answers have OpenAI's shapes too, whole or as a stream of parts, with our extension `datanet` beside theirs: `fee`,
//! `attribution`, `tainted`, `seed` and `receipt`. They are written and read as JSON values.

use datanet_types::quote::SignedQuote;
use datanet_types::voucher::SignedVoucher;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What both kinds of completions take.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Shared {
    /// A deployed model: its id, or a name that leads to it.
    pub model: String,
    /// Most tokens to write; what the model has room for, up to 256, if not given.
    pub max_tokens: Option<i64>,
    /// 0 to 2; 0 always takes the likeliest token. 1 if not given.
    pub temperature: Option<f64>,
    /// Draw from the likeliest tokens that make up this share; above 0, at most 1.
    pub top_p: Option<f64>,
    /// The same seed draws the same text.
    pub seed: Option<i64>,
    /// A text, or up to 16, at which the answer ends.
    pub stop: Option<OneOrMany>,
    /// Answers to write, 1 to 8; 1 if not given. Each is drawn with a seed of its own (that of the first, and one more for
    /// each that follows), and is charged and receipted like any other.
    pub n: Option<i64>,
    /// Hold the answer to JSON, or to a JSON Schema.
    pub response_format: Option<ResponseFormat>,
    /// Send the answer piece by piece, as server-sent events.
    #[serde(default)]
    pub stream: bool,
    /// `{"include_usage": true}` counts tokens at the end of a stream.
    pub stream_options: Option<StreamOptions>,
    /// Extension: pays; `{"channel", "cumulative", "signature"}`.
    #[schema(value_type = Option<Object>)]
    pub voucher: Option<SignedVoucher>,
    /// Extension: pays instead of a voucher; an account of this node with an open channel to it.
    pub account: Option<String>,
    /// Extension: this node's word on the price of each answer, from `/v1/quotes`; an answer costs no more, or is refused.
    #[schema(value_type = Option<Object>)]
    pub quote: Option<SignedQuote>,
    /// OpenAI's name for who asks. Where it is the name of an account of this node, that account pays, so that clients
    /// which know no extension can pay too.
    pub user: Option<String>,
}

impl Shared {
    /// Whether a stream ends with the count of tokens.
    pub fn wants_usage(&self) -> bool {
        self.stream_options.as_ref().is_some_and(|options| options.include_usage)
    }
}

/// What an answer looks like.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ResponseFormat {
    /// `text`, `json_object` for any JSON object, or `json_schema`.
    #[serde(rename = "type")]
    pub kind: String,
    /// With `json_schema`: the schema.
    pub json_schema: Option<JsonSchema>,
}

/// A JSON Schema and what OpenAI's clients send beside it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JsonSchema {
    /// Its name.
    pub name: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// Answers keep to the schema whether or not this is set.
    pub strict: Option<bool>,
    /// The schema, of up to 16 KiB. Properties are written in its order.
    #[schema(value_type = Option<Object>)]
    pub schema: Option<serde_json::Map<String, serde_json::Value>>,
}

/// What a stream carries beside the answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StreamOptions {
    /// The count of tokens, at the end.
    #[serde(default)]
    pub include_usage: bool,
}

/// One text or several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged, expecting = "a text or a list of texts")]
pub enum OneOrMany {
    /// One.
    One(String),
    /// Several.
    Many(Vec<String>),
}

impl Default for OneOrMany {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

impl OneOrMany {
    /// As a list.
    pub fn into_vec(self) -> Vec<String> {
        match self {
            Self::One(text) => vec![text],
            Self::Many(texts) => texts,
        }
    }
}

/// A chat to continue.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ChatRequest {
    /// What both kinds of completions take.
    #[serde(flatten)]
    pub shared: Shared,
    /// What was said so far, oldest first.
    pub messages: Vec<Message>,
    /// OpenAI's newer name of `max_tokens`.
    pub max_completion_tokens: Option<i64>,
    /// Whether to send the tokens' logarithmic probabilities.
    pub logprobs: Option<bool>,
    /// For each token so many of the likeliest, 0 to 20.
    pub top_logprobs: Option<u32>,
}

/// One turn.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Message {
    /// `system`, `developer`, `user` or `assistant`.
    pub role: String,
    /// A text, or a list of `{"type": "text", "text": …}`.
    pub content: Option<Content>,
}

/// What is said in a turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged, expecting = "a text or a list of text parts")]
pub enum Content {
    /// As one text.
    Text(String),
    /// In parts.
    Parts(Vec<Part>),
}

/// A part of what is said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Part {
    /// Only `text`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The text.
    pub text: Option<String>,
}

/// A text to continue.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CompletionRequest {
    /// What both kinds of completions take.
    #[serde(flatten)]
    pub shared: Shared,
    /// The text.
    pub prompt: OneOrMany,
    /// For each token so many of the likeliest with their logarithmic probabilities, 0 to 20.
    pub logprobs: Option<u32>,
}
