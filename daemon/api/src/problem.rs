//! Errors on the wire: RFC 9457 problem details.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A problem as clients see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// A name for this kind of problem: `urn:datanet:problem:` and the code.
    #[serde(rename = "type")]
    pub kind: String,
    /// The status in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// Stable and machine-readable.
    pub code: String,
    /// What is wrong and what to do.
    pub detail: String,
    /// The same as OpenAI's clients read it.
    pub error: OpenAiError,
}

/// An error in OpenAI's shape, beside the problem's own members.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OpenAiError {
    /// What is wrong and what to do.
    pub message: String,
    /// OpenAI's word for errors of this status.
    #[serde(rename = "type")]
    pub kind: String,
    /// OpenAI's code where there is one, else the problem's.
    pub code: String,
    /// The parameter at fault, where one is.
    pub param: Option<String>,
}
