//! Executing a block: begin, each transaction on its own overlay, end, and the tree over what changed.

use bytes::Bytes;
use datanet_types::tx::{TxHash, VerifiedTx};

use super::block::{BlockKey, Executed};
use super::tip::Tip;
use super::verify::Checked;
use super::{AppError, TxOutcome};
use crate::component::{self, ActionError, BlockContext, Event, TxContext};
use crate::state::{Changes, Overlay, StateError, StateWrite};
use crate::store::Snapshot;

/// A transaction after execution.
pub(super) struct TxRun {
    /// Whether it paid its fee and is remembered; if not, it left no trace.
    pub(super) charged: bool,
    pub(super) outcome: TxOutcome,
}

/// Puts `changes` into `state`.
pub(super) fn apply<S: StateWrite>(state: &mut S, changes: Changes) {
    for (key, value) in changes {
        state.set_raw(key, value);
    }
}

/// What a transaction must pass to wait for a block: its charge, and what its action looks at and spends first.
pub(super) fn admit_tx<S: StateWrite>(state: &mut S, ctx: &TxContext<'_>) -> Result<TxOutcome, StateError> {
    let admitted = component::charge_fee_and_record(state, ctx).and_then(|()| component::admit(state, ctx));
    match admitted {
        Ok(()) => Ok(TxOutcome::done(ctx.tx.hash, Vec::new())),
        Err(ActionError::Refused { code, message }) => Ok(TxOutcome::refused(ctx.tx.hash, code, message)),
        Err(ActionError::State(error)) => Err(error),
    }
}

/// Charges and executes. A refused action leaves the charge only; a refused charge leaves nothing.
pub(super) fn run_tx<S: StateWrite>(state: &mut S, ctx: &TxContext<'_>) -> Result<TxRun, StateError> {
    let hash = ctx.tx.hash;
    let mut charge = Overlay::new(&*state);
    match component::charge_fee_and_record(&mut charge, ctx) {
        Ok(()) => {
            let charge = charge.into_changes();
            apply(state, charge);
        }
        Err(ActionError::Refused { code, message }) => {
            return Ok(TxRun { charged: false, outcome: TxOutcome::refused(hash, code, message) });
        }
        Err(ActionError::State(error)) => return Err(error),
    }
    let mut action = Overlay::new(&*state);
    let outcome = match component::execute(&mut action, ctx) {
        Ok(events) => {
            let action = action.into_changes();
            apply(state, action);
            TxOutcome::done(hash, events)
        }
        Err(ActionError::Refused { code, message }) => TxOutcome::refused(hash, code, message),
        Err(ActionError::State(error)) => return Err(error),
    };
    Ok(TxRun { charged: true, outcome })
}

/// A block under execution.
struct Run<'a> {
    tip: &'a Tip,
    context: BlockContext,
    state: Overlay<'a, Snapshot>,
    events: Vec<Event>,
    outcomes: Vec<TxOutcome>,
    uncharged: Option<TxHash>,
}

impl<'a> Run<'a> {
    fn begin(tip: &'a Tip, context: BlockContext) -> Result<Self, AppError> {
        let mut state = Overlay::with_changes(&tip.snapshot, tip.genesis.clone());
        let events = component::begin_block(&mut state, &context)?;
        Ok(Self { tip, context, state, events, outcomes: Vec::new(), uncharged: None })
    }

    fn tx(&mut self, tx: &VerifiedTx) -> Result<TxRun, AppError> {
        Ok(run_tx(&mut self.state, &TxContext { block: &self.context, tx })?)
    }

    fn end(mut self) -> Result<Executed, AppError> {
        let mut end = component::end_block(&mut self.state, &self.context)?;
        end.events.splice(0..0, self.events);
        let changes = self.tip.snapshot.net(self.state.into_changes())?;
        let tree = self.tip.snapshot.tree_update(&changes)?;
        let app_hash = tree.as_ref().map_or(self.tip.app_hash(), |tree| tree.root);
        let hashes = self.outcomes.iter().map(|outcome| outcome.hash);
        let consensus = self.context.consensus.clone();
        let key = BlockKey::new(self.context.height, self.context.time_seconds, hashes, consensus);
        let Self { context, outcomes, uncharged, .. } = self;
        let block_hash = [0; 32];
        Ok(Executed { key, context, outcomes, end, changes, tree, app_hash, block_hash, uncharged })
    }
}

/// Executes a block as it is.
pub(super) fn execute(tip: &Tip, context: BlockContext, txs: &[Checked]) -> Result<Executed, AppError> {
    let mut run = Run::begin(tip, context)?;
    for tx in txs {
        let done = match &tx.verified {
            Ok(verified) => run.tx(verified)?,
            Err(refusal) => TxRun { charged: false, outcome: refusal.outcome(tx.hash) },
        };
        if !done.charged {
            run.uncharged.get_or_insert(tx.hash);
        }
        run.outcomes.push(done.outcome);
    }
    run.end()
}

/// Executes what of `txs` is worth a place in a block of `max_bytes`, and returns it with the execution.
pub(super) fn prepare(
    tip: &Tip,
    context: BlockContext,
    checked: &[Checked],
    txs: &[Bytes],
    max_bytes: u64,
) -> Result<(Executed, Vec<Bytes>), AppError> {
    let mut run = Run::begin(tip, context)?;
    let mut kept = Vec::new();
    let mut room = max_bytes;
    for (tx, bytes) in checked.iter().zip(txs) {
        let Ok(verified) = &tx.verified else { continue };
        let Some(left) = room.checked_sub(size_in_block(bytes)) else { continue };
        let done = run.tx(verified)?;
        if done.charged {
            room = left;
            run.outcomes.push(done.outcome);
            kept.push(bytes.clone());
        }
    }
    Ok((run.end()?, kept))
}

/// Bytes of a transaction as an element of a block's data: a one-byte tag, the length, the bytes.
fn size_in_block(tx: &Bytes) -> u64 {
    let length = tx.len() as u64;
    let length_bytes = u64::from(length.max(1).ilog2() / 7).saturating_add(1);
    length.saturating_add(length_bytes).saturating_add(1)
}
