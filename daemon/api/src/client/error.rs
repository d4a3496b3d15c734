//! What can go wrong between a program and a node.

use std::path::PathBuf;

use datanet_config::FileError;

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
    /// Nobody takes the connection: the node is down or starting.
    #[error("the node at {base} does not answer; is it running?")]
    Unreachable {
        /// The node's address.
        base: String,
        /// What the HTTP client says.
        source: reqwest::Error,
    },
    /// It took longer than the caller has patience.
    #[error("the node at {base} took too long to answer; it may be busy: try again")]
    TimedOut {
        /// The node's address.
        base: String,
        /// What the HTTP client says.
        source: reqwest::Error,
    },
    /// The connection was there, and the exchange broke off: the node went away, or what answers is no node.
    #[error("the exchange with the node at {base} broke off")]
    BrokeOff {
        /// The node's address.
        base: String,
        /// What the HTTP client says.
        source: reqwest::Error,
    },
    /// A request that cannot be sent as it is.
    #[error("the request to {base} cannot be sent")]
    Unsendable {
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
    },
    /// The node that ran in a home was killed.
    #[error(
        "no node runs in {} any more: its process {pid} is gone and left run.json behind; start one with `datanet start`, or pass --home",
        home.display()
    )]
    Gone {
        /// The home.
        home: PathBuf,
        /// The process that ran there.
        pid: u32,
    },
    /// A run file that holds nothing, or half of what it should.
    #[error(
        "{} does not say where the node is: it is {state}; a start writes it anew: stop the node, if it runs, and start it with `datanet start`",
        path.display()
    )]
    DamagedRunFile {
        /// The file.
        path: PathBuf,
        /// `empty` or `cut short`.
        state: &'static str,
    },
    /// A file of the home that cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// A home without a token.
    #[error(
        "{0}; `datanet init` writes a new one and leaves all else as it is, and then the node must be started again"
    )]
    NoToken(FileError),
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
        let silent = matches!(
            self,
            Self::Unreachable { .. } | Self::TimedOut { .. } | Self::BrokeOff { .. } | Self::Gone { .. }
        );
        silent || matches!(self.status(), Some(429 | 503))
    }
}

/// What the HTTP client's error means.
pub(super) fn failure(base: &str, source: reqwest::Error) -> ClientError {
    let base = base.to_owned();
    if source.is_builder() {
        ClientError::Unsendable { base, source }
    } else if source.is_connect() {
        ClientError::Unreachable { base, source }
    } else if source.is_timeout() {
        ClientError::TimedOut { base, source }
    } else {
        ClientError::BrokeOff { base, source }
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
