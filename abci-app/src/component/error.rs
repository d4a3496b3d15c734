//! Why an action was not done.

use crate::code::{self, Code};
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
    /// The state is at fault. Where it contradicts itself the action is refused, and its component stops ([`super::breaker`]);
    /// where the store failed that is fatal for the node, and no verdict on the transaction.
    #[error(transparent)]
    State(StateError),
}

impl From<StateError> for ActionError {
    /// A store that fails is nobody's fault who sent a transaction; using more gas than one's limit is.
    fn from(error: StateError) -> Self {
        match error {
            StateError::OutOfGas => Self::refused(code::OUT_OF_GAS, OUT_OF_GAS),
            error => Self::State(error),
        }
    }
}

/// What to do where the limit did not last.
pub(crate) const OUT_OF_GAS: &str = "the transaction took more gas than its limit; nothing was done, and what it took is paid: sign it with a higher limit";

impl ActionError {
    /// A refusal.
    pub fn refused(code: Code, message: impl Into<String>) -> Self {
        Self::Refused { code, message: message.into() }
    }

    /// Whether the store failed, so that the node must stop instead of answering.
    pub fn is_fatal(&self) -> bool {
        matches!(self, Self::State(error) if error.is_fatal())
    }

    /// The refusal that it is for whoever sent the transaction: a code, and what to do.
    pub fn into_refusal(self) -> (Code, String) {
        match self {
            Self::Refused { code, message } => (code, message),
            Self::State(error) if error.is_fatal() => (code::INTERNAL, error.to_string()),
            Self::State(error) => {
                (code::CONTRADICTION, format!("{error}; nothing was done, report this to those who write the ledger"))
            }
        }
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
