//! The fork that transactions are checked on before they enter the mempool.

use std::sync::Arc;

use datanet_types::tx::VerifiedTx;

use super::execute::{apply, run_tx};
use super::tip::Tip;
use super::{AppError, TxOutcome};
use crate::component::TxContext;
use crate::state::{Changes, Overlay};

/// What the accepted transactions of the mempool would change, over one committed state.
#[derive(Debug, Default)]
pub(super) struct Fork {
    height: u64,
    changes: Option<Changes>,
}

impl Fork {
    /// Executes `tx` on the fork; keeps its changes only if it is good.
    pub(super) fn check(&mut self, tip: &Tip, tx: &Arc<VerifiedTx>) -> Result<TxOutcome, AppError> {
        let block = tip.context(tip.snapshot.head().time_seconds).ok_or(AppError::NotStarted)?;
        let changes = match self.changes.take() {
            Some(changes) if self.height == tip.height => changes,
            _ => tip.genesis.clone(),
        };
        self.height = tip.height;
        let mut state = Overlay::with_changes(&tip.snapshot, changes);
        let mut trial = Overlay::new(&state);
        let run = run_tx(&mut trial, &TxContext { block: &block, tx })?;
        if run.outcome.is_ok() {
            let trial = trial.into_changes();
            apply(&mut state, trial);
        }
        self.changes = Some(state.into_changes());
        Ok(run.outcome)
    }
}
