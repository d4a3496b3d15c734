//! The fork that transactions are checked on before they enter the mempool.

use std::sync::Arc;

use datanet_types::tx::VerifiedTx;

use super::execute::admit_tx;
use super::tip::Tip;
use super::{AppError, TxOutcome};
use crate::component::TxContext;
use crate::state::{ChangeLog, Changes};

/// What the accepted transactions of the mempool have paid and locked, over one committed state.
#[derive(Debug, Default)]
pub(super) struct Fork {
    height: u64,
    changes: Option<Changes>,
}

impl Fork {
    /// Admits `tx` to the fork; keeps its changes only if it is good.
    pub(super) fn check(&mut self, tip: &Tip, tx: &Arc<VerifiedTx>) -> Result<TxOutcome, AppError> {
        let block = tip.context(tip.snapshot.head().time_seconds).ok_or(AppError::NotStarted)?;
        let changes = match self.changes.take() {
            Some(changes) if self.height == tip.height => changes,
            _ => tip.genesis.clone(),
        };
        self.height = tip.height;
        let mut state = ChangeLog::with_changes(&tip.snapshot, changes);
        let outcome = admit_tx(&mut state, &TxContext { block: &block, tx })?;
        self.changes = Some(state.into_changes());
        Ok(outcome)
    }

    /// What waits in the mempool, over `tip`: a copy, so that nobody waits for what is tried on it.
    pub(super) fn changes(&self, tip: &Tip) -> Changes {
        match &self.changes {
            Some(changes) if self.height == tip.height => changes.clone(),
            _ => tip.genesis.clone(),
        }
    }
}
