//! Quotes: what an answer costs, in a node's signed word.

use datanet_types::AgentId;
use datanet_types::quote::SignedQuote;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::ask::AskRequest;
use crate::classify::ClassifyRequest;
use crate::generate::{ChatRequest, CompletionRequest};

/// What is to be priced: exactly one of these. The name of a datanet or a model prices any question to it; a whole request, written as it
/// would be sent, that one alone.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct QuoteRequest {
    /// Any question to a datanet: its id or name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub datanet: Option<String>,
    /// Any question to a deployed model: its id or name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Any question to an agent that sells here: its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub agent: Option<AgentId>,
    /// This request to `/v1/ask`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ask: Option<AskRequest>,
    /// This request to `/v1/classify`, of one passage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classify: Option<ClassifyRequest>,
    /// This request to `/v1/completions`, for each of its answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completion: Option<CompletionRequest>,
    /// This request to `/v1/chat/completions`, for each of its answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chat: Option<ChatRequest>,
}

/// A price.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Quoted {
    /// To be sent as `quote` with the request: `{"node", "kind", "subject", "price", "payload", "expires_at", "rate", "signature"}`. Until it
    /// expires, each answer costs `price` base units at most, or nothing is charged. With a `rate` (`{"answer", "thousand"}`) it costs what
    /// that makes of the tokens that are written.
    #[schema(value_type = Object)]
    pub quote: SignedQuote,
}
