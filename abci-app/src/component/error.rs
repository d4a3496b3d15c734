//! Why an action was not done.

use crate::state::StateError;

/// Why an action was not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ActionError {
    /// The transaction is at fault: it becomes a non-zero result, and its changes are dropped.
    #[error("{message}")]
    Refused {
        /// One of [`crate::code`].
        code: u32,
        /// What to do about it.
        message: String,
    },
    /// The store is at fault: fatal for the node, no verdict on the transaction.
    #[error(transparent)]
    State(#[from] StateError),
}

impl ActionError {
    /// A refusal.
    pub fn refused(code: u32, message: impl Into<String>) -> Self {
        Self::Refused { code, message: message.into() }
    }

    /// Whether the store failed, so that the node must stop instead of answering.
    pub fn is_fatal(&self) -> bool {
        matches!(self, Self::State(_))
    }
}

/// A refusal as a result, for the tail of a check.
pub(crate) fn refuse<T>(code: u32, message: impl Into<String>) -> Result<T, ActionError> {
    Err(ActionError::refused(code, message))
}

/// Refuses unless `condition` holds; the message is only built then.
pub(crate) fn ensure(condition: bool, code: u32, message: impl FnOnce() -> String) -> Result<(), ActionError> {
    if condition { Ok(()) } else { refuse(code, message()) }
}
