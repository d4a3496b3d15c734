//! Why an action was not done.

use crate::code::Code;
use crate::state::StateError;

/// Why an action was not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ActionError {
    /// The transaction is at fault: it becomes a non-zero result, and its changes are dropped.
    #[error("{message}")]
    Refused {
        /// One of [`crate::code`].
        code: Code,
        /// What to do about it.
        message: String,
    },
    /// The store is at fault: fatal for the node, no verdict on the transaction.
    #[error(transparent)]
    State(#[from] StateError),
}

impl ActionError {
    /// A refusal.
    pub fn refused(code: Code, message: impl Into<String>) -> Self {
        Self::Refused { code, message: message.into() }
    }

    /// Whether the store failed, so that the node must stop instead of answering.
    pub fn is_fatal(&self) -> bool {
        matches!(self, Self::State(_))
    }
}

/// A refusal as a result, for the tail of a check.
pub(crate) fn refuse<T>(code: Code, message: impl Into<String>) -> Result<T, ActionError> {
    Err(ActionError::refused(code, message))
}

/// Refuses unless `condition` holds; the message is only built then.
pub(crate) fn ensure(condition: bool, code: Code, message: impl FnOnce() -> String) -> Result<(), ActionError> {
    if condition { Ok(()) } else { refuse(code, message()) }
}
