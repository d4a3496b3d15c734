//! Executing a block: the beacon, begin, each transaction from a checkpoint, end, and the tree over what changed.

use bytes::Bytes;
use datanet_types::BeaconProof;
use datanet_types::tx::{VerifiedTx, tx_hash};

use super::block::{BlockKey, Executed};
use super::queue::{Lane, Offer, Queue, Waiting};
use super::tip::Tip;
use super::verify::Checked;
use super::{AppError, TxOutcome};
use crate::code;
use crate::component::beacon::{BeaconSigner, Step};
use crate::component::{self, ActionError, BlockContext, Event, TxContext};
use crate::gas::Gas;
use crate::state::{ChangeLog, StateAttempt, StateError, StateRead};

/// The part of a block, one in so many, that is first offered to what has a deadline.
const URGENT_SHARE: u64 = 4;

/// A transaction after execution.
pub(super) struct TxRun {
    /// Whether it paid its fee and is remembered; if not, it left no trace.
    pub(super) charged: bool,
    pub(super) outcome: TxOutcome,
}

/// Does `act`, or leaves no trace of it: why not is the inner error, and the outer one is fatal.
fn attempt<B: StateRead, T>(
    state: &mut ChangeLog<'_, B>,
    act: impl FnOnce(&mut ChangeLog<'_, B>) -> Result<T, ActionError>,
) -> Result<Result<T, ActionError>, StateError> {
    match state.attempt(act) {
        Err(ActionError::State(error)) if error.is_fatal() => Err(error),
        done => Ok(done),
    }
}

/// What a transaction must pass to wait for a block: its charge, and what its action looks at and spends first. A refused one
/// leaves nothing.
pub(super) fn admit_tx<B: StateRead>(
    state: &mut ChangeLog<'_, B>,
    ctx: &TxContext<'_>,
) -> Result<TxOutcome, StateError> {
    let hash = ctx.tx.hash;
    let admitted = attempt(state, |state| {
        component::charge_fee_and_record(state, ctx)?;
        component::admit(state, ctx)
    })?;
    let outcome = match admitted {
        Ok(()) => TxOutcome::done(hash, Vec::new()),
        Err(failure) => TxOutcome::failed(hash, failure),
    };
    Ok(TxOutcome { gas_wanted: ctx.tx.body.gas_limit, ..outcome })
}

/// Charges and executes. A refused action leaves the charge only, for the gas that it took, and where the ledger contradicts itself a
/// tripped breaker; a refused charge leaves nothing.
pub(super) fn run_tx<B: StateRead>(state: &mut ChangeLog<'_, B>, ctx: &TxContext<'_>) -> Result<TxRun, StateError> {
    let hash = ctx.tx.hash;
    if let Err(failure) = attempt(state, |state| component::charge_fee_and_record(state, ctx))? {
        return Ok(TxRun { charged: false, outcome: TxOutcome::failed(hash, failure) });
    }
    let outcome = execute_tx(state, ctx, ctx.tx.body.gas_limit)?;
    // The fees of a block hold what was charged a moment ago; if they did not, it would stay there, and no chain would stop for it.
    let _ = attempt(state, |state| Ok(component::give_gas_back(state, ctx, outcome.gas_used)?))?;
    Ok(TxRun { charged: true, outcome })
}

/// Executes the action alone, with so much gas for the whole transaction.
pub(super) fn execute_tx<B: StateRead>(
    state: &mut ChangeLog<'_, B>,
    ctx: &TxContext<'_>,
    limit: Gas,
) -> Result<TxOutcome, StateError> {
    let (hash, before) = (ctx.tx.hash, component::intrinsic_gas(ctx.tx));
    let room = limit.saturating_sub(before);
    let mut taken = 0;
    let done = attempt(state, |state| {
        let (done, gas) = state.with_gas(room, |state| component::execute(state, ctx));
        taken = gas.min(room);
        if gas > room { Err(StateError::OutOfGas.into()) } else { done }
    })?;
    let outcome = match done {
        Ok(events) => TxOutcome::done(hash, events),
        Err(failure) => {
            let events = component::breaker::on_failure(state, ctx, &failure);
            TxOutcome { events, ..TxOutcome::failed(hash, failure) }
        }
    };
    Ok(TxOutcome { gas_wanted: limit, gas_used: before.saturating_add(taken), ..outcome })
}

/// The beacon's transaction, if `txs` begin with one, and the others.
pub(super) fn beacon_first(txs: &[Bytes]) -> (Option<&Bytes>, &[Bytes]) {
    match txs.split_first() {
        Some((first, rest)) if BeaconProof::from_tx(first).is_some() => (Some(first), rest),
        _ => (None, txs),
    }
}

/// A block under execution.
pub(super) struct Run<'a> {
    tip: &'a Tip,
    context: BlockContext,
    state: ChangeLog<'a>,
    events: Vec<Event>,
    beacon: Option<TxOutcome>,
    outcomes: Vec<TxOutcome>,
    /// Gas and bytes that are left to further transactions.
    gas: Gas,
    bytes: u64,
    /// Why no honest node votes for it.
    pub(super) objection: Option<String>,
}

impl<'a> Run<'a> {
    /// A block that begins with `beacon`.
    pub(super) fn begin(tip: &'a Tip, mut context: BlockContext, beacon: Option<&Bytes>) -> Result<Self, AppError> {
        let mut state = ChangeLog::with_changes(&tip.snapshot, tip.genesis.clone());
        let proof = beacon.and_then(|tx| BeaconProof::from_tx(tx));
        let Step { moved, fault } = component::beacon::step(&state, &context, proof.as_ref())?;
        (context.beacon, context.moved) = (moved.before, moved);
        let beacon = beacon.map(|tx| match &fault {
            None => TxOutcome::done(tx_hash(tx), Vec::new()),
            Some(fault) => TxOutcome::refused(tx_hash(tx), code::BEACON, fault),
        });
        let events = component::begin_block(&mut state, &context)?;
        let params = component::params::get(&state)?;
        let (gas, bytes) = (params.block_gas, params.max_block_bytes);
        Ok(Self { tip, context, state, events, beacon, outcomes: Vec::new(), gas, bytes, objection: fault })
    }

    fn tx(&mut self, tx: &VerifiedTx) -> Result<TxRun, AppError> {
        Ok(run_tx(&mut self.state, &TxContext { block: &self.context, tx })?)
    }

    /// Executes the block's other transactions as they are; a block that is not `decided` only up to what keeps us from voting for it: nobody
    /// is made to execute more than a block holds by proposing it.
    pub(super) fn all(mut self, checked: &[Checked], txs: &[Bytes], decided: bool) -> Result<Executed, AppError> {
        for (tx, bytes) in checked.iter().zip(txs) {
            if self.objection.is_some() && !decided {
                break;
            }
            let done = match &tx.verified {
                Ok(verified) => self.tx(verified)?,
                Err(refusal) => TxRun { charged: false, outcome: refusal.outcome(tx.hash) },
            };
            if !done.charged {
                self.objection.get_or_insert_with(|| format!("transaction {} does not pay for its place", tx.hash));
            }
            if !self.takes(done.outcome.gas_used, size_in_block(bytes)) {
                self.objection
                    .get_or_insert_with(|| format!("with transaction {} it is more than a block holds", tx.hash));
            }
            self.outcomes.push(done.outcome);
        }
        self.end()
    }

    /// Takes a transaction's gas and bytes of what is left; whether it fits.
    fn takes(&mut self, gas: Gas, bytes: u64) -> bool {
        let fits = gas <= self.gas && bytes <= self.bytes;
        (self.gas, self.bytes) = (self.gas.saturating_sub(gas), self.bytes.saturating_sub(bytes));
        fits
    }

    /// Executes what of `queue` is worth a place where there is `room` for so many bytes, and returns it with the execution. A part of the
    /// block is first offered to what has a deadline, so that nobody who fills blocks makes others miss it.
    pub(super) fn choose(mut self, mut queue: Queue<'_>, room: u64) -> Result<(Executed, Vec<Bytes>), AppError> {
        let mut kept = Vec::new();
        self.bytes = self.bytes.min(room);
        let rest = (self.gas - self.gas / URGENT_SHARE, self.bytes - self.bytes / URGENT_SHARE);
        (self.gas, self.bytes) = (self.gas / URGENT_SHARE, self.bytes / URGENT_SHARE);
        for lane in [Lane::Drawn, Lane::Urgent] {
            queue.offer(lane, |waiting| self.place(waiting, &mut kept))?;
        }
        (self.gas, self.bytes) = (self.gas.saturating_add(rest.0), self.bytes.saturating_add(rest.1));
        queue.offer(Lane::Any, |waiting| self.place(waiting, &mut kept))?;
        Ok((self.end()?, kept))
    }

    /// Executes a transaction if there is room for all that it may take, and keeps it if it pays for its place.
    fn place(&mut self, waiting: &Waiting<'_>, kept: &mut Vec<Bytes>) -> Result<Offer, AppError> {
        let bytes = size_in_block(waiting.bytes);
        if waiting.tx.body.gas_limit > self.gas || bytes > self.bytes {
            return Ok(Offer::NoRoom);
        }
        let done = self.tx(waiting.tx)?;
        if done.charged {
            self.takes(done.outcome.gas_used, bytes);
            self.outcomes.push(done.outcome);
            kept.push(waiting.bytes.clone());
        }
        Ok(Offer::Done)
    }

    /// The state as it is in the middle of the block.
    #[cfg(test)]
    pub(super) fn state(&mut self) -> &mut ChangeLog<'a> {
        &mut self.state
    }

    pub(super) fn end(mut self) -> Result<Executed, AppError> {
        let mut end = component::end_block(&mut self.state, &self.context)?;
        end.events.splice(0..0, self.events);
        let mut changes = self.state.into_net()?;
        component::derived::seal(&self.tip.snapshot, &mut changes)?;
        let tree = self.tip.snapshot.tree_update(&changes)?;
        let app_hash = tree.as_ref().map_or(self.tip.app_hash(), |tree| tree.root);
        let hashes = self.beacon.iter().chain(&self.outcomes).map(|outcome| outcome.hash);
        let consensus = self.context.consensus.clone();
        let key = BlockKey::new(self.context.height, self.context.time_seconds, hashes, consensus);
        let Self { context, beacon, outcomes, objection, .. } = self;
        let block_hash = [0; 32];
        Ok(Executed { key, context, beacon, outcomes, end, changes, tree, app_hash, block_hash, objection })
    }
}

/// The beacon's transaction of a block that we propose; none if it needs none. The inner error says why we cannot propose.
pub(super) fn own_beacon(
    tip: &Tip,
    context: &BlockContext,
    signer: Option<&dyn BeaconSigner>,
) -> Result<Result<Option<Bytes>, String>, AppError> {
    let state = ChangeLog::with_changes(&tip.snapshot, tip.genesis.clone());
    let proof = component::beacon::prove(&state, context, signer)?;
    Ok(proof.map(|proof| proof.map(|proof| proof.to_tx().into())))
}

/// Bytes of a transaction as an element of a block's data: a one-byte tag, the length, the bytes.
pub(super) fn size_in_block(tx: &Bytes) -> u64 {
    let length = tx.len() as u64;
    let length_bytes = u64::from(length.max(1).ilog2() / 7).saturating_add(1);
    length.saturating_add(length_bytes).saturating_add(1)
}

#[cfg(test)]
mod tests {
    use datanet_types::action::Transfer;
    use datanet_types::tx::TxBody;
    use datanet_types::{Action, SigningKey};
    use tempfile::TempDir;

    use super::super::block::{Block, InitChain};
    use super::super::{Application, lock};
    use super::*;
    use crate::state::StateWrite;
    use crate::store::Store;

    fn start() -> (TempDir, Application) {
        let dir = tempfile::tempdir().unwrap();
        let app = Application::new(Store::open(&dir.path().join("ledger.redb")).unwrap()).unwrap();
        let account =
            serde_json::json!({ "address": SigningKey::from_bytes(&[1; 32]).address(), "balance": 1_000_000 });
        let app_state = serde_json::to_vec(&serde_json::json!({ "accounts": [account] })).unwrap();
        app.init_chain(&InitChain { chain_id: "test", initial_height: 1, app_state: &app_state }).unwrap();
        (dir, app)
    }

    /// A block with one transfer.
    fn transfer(app: &Application) -> [u8; 32] {
        let (height, key) = (app.info().height + 1, SigningKey::from_bytes(&[1; 32]));
        let action = Action::Transfer(Transfer { to: datanet_types::Address([9; 20]), amount: 1 });
        let body = TxBody {
            chain_id: "test".into(),
            expiry: 9,
            fee: 2_000,
            gas_limit: 300_000,
            nonce: height,
            account: key.address(),
            tip: 0,
            action: Some(action),
        };
        let txs = [Bytes::from(body.sign(&key).to_bytes())];
        let finalized = app.finalize_block(&Block::alone(height, 1, [0; 32], &txs)).unwrap();
        assert!(finalized.outcomes[0].is_ok(), "{}", finalized.outcomes[0].log);
        app.commit().unwrap();
        finalized.app_hash
    }

    /// A block in which a fault of this node writes `byte` to derived state, and nothing else.
    fn faulty(app: &Application, byte: u8) -> [u8; 32] {
        let tip = app.tip();
        let context = tip.next_block(&Block::alone(app.info().height + 1, 1, [0; 32], &[])).unwrap();
        let mut run = Run::begin(&tip, context, None).unwrap();
        run.state.set_raw("derived/fault".into(), Some(vec![0, byte]));
        let executed = run.end().unwrap();
        let hash = executed.app_hash;
        lock(&app.blocks).decided = Some(executed);
        app.commit().unwrap();
        hash
    }

    #[test]
    fn one_byte_of_derived_state_shows_at_the_next_block_that_changes_the_tree() {
        let nodes = [7, 7, 8].map(|byte| {
            let (dir, app) = start();
            let first = transfer(&app);
            assert_eq!(faulty(&app, byte), first, "a block that changes derived state alone leaves the root");
            let (version, told) = (app.reader().get_raw("derived/fault").unwrap(), app.info().app_hash);
            assert_eq!((version, told), (Some(vec![0, byte]), first));
            drop(app);
            let app = Application::new(Store::open(&dir.path().join("ledger.redb")).unwrap()).unwrap();
            assert_eq!(app.info().app_hash, first);
            (first, transfer(&app))
        });
        assert_eq!(nodes[0], nodes[1]);
        assert_eq!(nodes[0].0, nodes[2].0);
        assert_ne!(nodes[0].1, nodes[2].1);
    }
}
