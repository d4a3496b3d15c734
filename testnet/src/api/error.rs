//! What can go wrong between this program and a node.

use serde::Deserialize;

/// A call that did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The node answered with a problem (RFC 9457).
    #[error("{} {}: {detail}", status, code.as_deref().unwrap_or("problem"))]
    Problem {
        /// HTTP status.
        status: u16,
        /// The problem's machine-readable code, if it has one.
        code: Option<String>,
        /// What happened and what to do.
        detail: String,
    },
    /// No answer, or half of one: the node is down, starting, or went away.
    #[error("cannot reach the node at {base}: {source}")]
    Transport {
        /// The node's address.
        base: String,
        /// What the HTTP client says.
        source: reqwest::Error,
    },
    /// The HTTP client cannot be set up.
    #[error("cannot set up an HTTP client: {0}")]
    Client(String),
    /// An answer that is not what the contract promises.
    #[error("the node's answer to {path} is not understood: {detail}")]
    Answer {
        /// The path that was called.
        path: String,
        /// What is wrong with the answer.
        detail: String,
    },
}

impl ApiError {
    /// The HTTP status, where there was an answer at all.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Problem { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// Whether the same call may succeed later or on another node: no answer, or overload.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Transport { .. } => true,
            Self::Problem { status, .. } => matches!(status, 429 | 503),
            Self::Client(_) | Self::Answer { .. } => false,
        }
    }
}

/// The body of a problem.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Problem {
    title: Option<String>,
    detail: Option<String>,
    code: Option<String>,
}

/// The error of an answer that is no success.
pub(super) fn problem(status: u16, body: &[u8]) -> ApiError {
    let problem: Problem = serde_json::from_slice(body).unwrap_or_default();
    let detail = problem
        .detail
        .or(problem.title)
        .unwrap_or_else(|| String::from_utf8_lossy(&body[..body.len().min(300)]).into_owned());
    ApiError::Problem { status, code: problem.code, detail }
}
