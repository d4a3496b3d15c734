//! What can go wrong between a program and a node.

use std::path::PathBuf;

use crate::Problem;

/// A call that did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The node said no, and why.
    #[error("{}", .0.detail)]
    Refused(Box<Problem>),
    /// Something said no that is not a node.
    #[error("the node answered {status}: {body}")]
    Unexplained {
        /// The HTTP status.
        status: u16,
        /// The beginning of what it said.
        body: String,
    },
    /// No answer, or half of one: the node is down, starting, or went away.
    #[error("the node at {base} does not answer; is it running?")]
    Unreachable {
        /// The node's address.
        base: String,
        /// What the HTTP client says.
        source: reqwest::Error,
    },
    /// An answer that is not what was asked for: the node is of another version.
    #[error("the node's answer to {path} is not understood")]
    Answer {
        /// The path that was called.
        path: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// An event that nothing would fit in.
    #[error("the node's answer to {path} has an event of over {limit} bytes")]
    LongEvent {
        /// The path that was called.
        path: String,
        /// How much would have been read.
        limit: usize,
    },
    /// No node runs in a home.
    #[error("no node runs in {}; start one with `datanet start`, or pass --home", home.display())]
    NotRunning {
        /// The home.
        home: PathBuf,
        /// Why its run file can't be read.
        source: std::io::Error,
    },
    /// A run file that is none.
    #[error("{} is damaged", path.display())]
    DamagedRunFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// A home without a token.
    #[error("cannot read {}; run `datanet init` first", path.display())]
    NoToken {
        /// The file.
        path: PathBuf,
        /// Why it can't be read.
        source: std::io::Error,
    },
    /// The HTTP client cannot be set up.
    #[error("cannot set up an HTTP client")]
    Setup(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl ClientError {
    /// Why the node said no, if it did.
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Refused(problem) => Some(problem),
            _ => None,
        }
    }

    /// The HTTP status, where there was an answer at all.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Refused(problem) => Some(problem.status),
            Self::Unexplained { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// Whether the same call may succeed later or on another node: no answer, or overload.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unreachable { .. }) || matches!(self.status(), Some(429 | 503))
    }
}

/// The error of an answer that is no success.
pub(super) fn refusal(status: u16, body: &[u8]) -> ClientError {
    /// So much of what is no problem is told.
    const TOLD: usize = 300;
    match serde_json::from_slice(body) {
        Ok(problem) => ClientError::Refused(Box::new(problem)),
        Err(_) => {
            let body = String::from_utf8_lossy(body.get(..TOLD).unwrap_or(body)).into_owned();
            ClientError::Unexplained { status, body }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_told_in_the_nodes_words_and_anything_else_as_it_came() {
        let problem = r#"{"type": "urn:datanet:problem:busy", "title": "Too Many Requests", "status": 429, "code": "busy",
            "detail": "try again", "error": {"message": "try again", "type": "rate_limit_error", "code": "busy", "param": null}}"#;
        let refused = refusal(429, problem.as_bytes());
        assert_eq!((refused.to_string().as_str(), refused.status()), ("try again", Some(429)));
        assert!(refused.is_transient() && refused.problem().is_some_and(|problem| problem.code == "busy"));
        let other = refusal(502, "x".repeat(1_000).as_bytes());
        assert_eq!(other.to_string(), format!("the node answered 502: {}", "x".repeat(300)));
        assert!(!other.is_transient());
    }
}
