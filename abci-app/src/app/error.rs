//! What stops the application. A transaction never does.

use crate::component::ActionError;
use crate::state::StateError;
use crate::store::StoreError;

/// Why the application cannot go on. Every one is fatal for the node: continuing would fork the chain or lose data.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// State could not be read.
    #[error(transparent)]
    State(#[from] StateError),
    /// The genesis file is wrong.
    #[error("genesis refused: {0}; correct app_state in the genesis file")]
    Genesis(String),
    /// The engine wants to start a chain that runs already.
    #[error("the chain is at height {height} already; reset the engine's data and the ledger's together")]
    AlreadyStarted {
        /// Committed height.
        height: u64,
    },
    /// A block came before the genesis.
    #[error("the chain has not started; call init_chain first")]
    NotStarted,
    /// The engine is at another height than we are.
    #[error("block {actual} does not follow, {expected} is next; the engine and the ledger must be restored together")]
    WrongHeight {
        /// Height after the committed one.
        expected: u64,
        /// Height of the block given.
        actual: u64,
    },
    /// Commit without a decided block.
    #[error("no decided block to commit; call finalize_block first")]
    NothingDecided,
}

impl AppError {
    pub(super) fn from_genesis(error: ActionError) -> Self {
        match error {
            ActionError::Refused { message, .. } => Self::Genesis(message),
            ActionError::State(error) => Self::State(error),
        }
    }
}
