//! The application: what a consensus engine, CometBFT or our own, drives.
//!
//! The calls come in the order of ABCI 2.0: once `init_chain`, then for each height `prepare_proposal` (if it is our turn),
//! `process_proposal`, `finalize_block`, `commit`, and `check_tx` at any time. Nothing is written before `commit`. A
//! block is executed once, whichever of the three calls sees it first. Two locks keep readers out of each other's way:
//! `check_tx` runs on its own fork and does not wait for a block under execution.

mod block;
mod error;
mod execute;
mod mempool;
mod queue;
#[cfg(test)]
mod tests;
mod tip;
mod verify;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};

use bytes::Bytes;
use datanet_types::Amount;
use datanet_types::tx::{TxHash, UnverifiedTx};

use crate::code;
use crate::component::beacon::BeaconSigner;
use crate::component::governance::upgrade;
use crate::component::migrations::Rules;
use crate::component::{self, BlockContext, EngineParams, Genesis, ValidatorUpdate, migrations};
use crate::reader::LedgerReader;
use crate::state::{ChangeLog, StateError};
use crate::store::{BlockWrite, Head, Snapshot, Store, TxRecord};

pub use block::{Block, CommitInfo, CommittedBlock, FinalizedBlock, InitChain, Started, TxOutcome, Verdict};
pub use error::AppError;

use block::{BlockKey, Executed};
use execute::{Run, beacon_first, own_beacon, size_in_block};
use mempool::Fork;
use queue::Queue;
use tip::Tip;
use verify::{Checked, Refusal, Verifier};

/// How many executed proposals of a height are remembered; more rounds than that at one height are rare.
const KEPT_PROPOSALS: usize = 4;

/// The deterministic state machine with its store. Share it by reference; every call is synchronous.
#[derive(Debug)]
pub struct Application {
    store: Store,
    tip: RwLock<Arc<Tip>>,
    verifier: Verifier,
    fork: Mutex<Fork>,
    blocks: Mutex<Blocks>,
    executions: AtomicU64,
    beacon: Option<Arc<dyn BeaconSigner>>,
    knows: Rules,
    outdated: OnceLock<Outdated>,
}

/// Why a program cannot go on where others do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outdated {
    /// The version of the rules that it needs to know.
    pub needs: u64,
    /// The latest that it knows.
    pub knows: u64,
    /// The first height at which those rules hold.
    pub height: u64,
}

/// Executed blocks that are not committed.
#[derive(Debug, Default)]
struct Blocks {
    proposed: Vec<Executed>,
    decided: Option<Executed>,
}

/// A lock whose holder panicked still guards whole values here: they are replaced, never edited half-way.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Application {
    /// An application over what the store has committed.
    ///
    /// # Errors
    /// When the store cannot be read, or goes by a version of the rules that this program does not know.
    pub fn new(store: Store) -> Result<Self, AppError> {
        Self::knowing(store, migrations::LATEST)
    }

    /// The same of a program that knows these rules, by the latest version: an older one, or with more than [`migrations::LATEST`] one that rehearses
    /// an upgrade, of whose version nothing else is known than that it comes, or that is built around this code and knows what to do.
    ///
    /// # Errors
    /// As [`Application::new`].
    pub fn knowing(store: Store, knows: impl Into<Rules>) -> Result<Self, AppError> {
        let knows = knows.into();
        let tip = Tip::committed(store.snapshot()?, knows);
        migrations::check_known(knows.latest, migrations::version(&tip.snapshot)?)?;
        Ok(Self {
            store,
            tip: RwLock::new(Arc::new(tip)),
            verifier: Verifier::default(),
            fork: Mutex::default(),
            blocks: Mutex::default(),
            executions: AtomicU64::new(0),
            beacon: None,
            knows,
            outdated: OnceLock::new(),
        })
    }

    /// The same with the key by which its validator moves the beacon on; without, it proposes no block where one is registered.
    #[must_use]
    pub fn with_beacon(self, signer: Arc<dyn BeaconSigner>) -> Self {
        Self { beacon: Some(signer), ..self }
    }

    /// Where the committed chain stands; height 0 before the first commit.
    pub fn info(&self) -> CommitInfo {
        self.tip().commit_info()
    }

    /// The version of the rules that the chain goes by; before it has begun, the latest that is known here.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn version(&self) -> Result<u64, AppError> {
        Ok(match migrations::version(&self.tip().snapshot)? {
            0 => migrations::LATEST,
            version => version,
        })
    }

    /// The latest version of the rules that this program knows.
    pub fn knows(&self) -> u64 {
        self.knows.latest
    }

    /// Why this program cannot execute the next block, if it cannot: rules hold from there on that it does not know. Everything before is
    /// committed, and a newer program goes on from there.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn outdated(&self) -> Result<Option<Outdated>, AppError> {
        if let Some(outdated) = self.outdated.get() {
            return Ok(Some(*outdated));
        }
        let tip = self.tip();
        let next = tip.height.saturating_add(1);
        let planned = upgrade::planned(&tip.snapshot)?;
        let unknown = planned.filter(|planned| planned.version > self.knows.latest && planned.height <= next);
        Ok(unknown.map(|planned| Outdated { needs: planned.version, knows: self.knows.latest, height: next }))
    }

    /// Begins a block; where that takes rules that are not known here, it is remembered why.
    fn begin<'a>(&self, tip: &'a Tip, context: BlockContext, beacon: Option<&Bytes>) -> Result<Run<'a>, AppError> {
        let height = context.height;
        Run::begin(tip, context, beacon).inspect_err(|error| {
            if let AppError::State(StateError::Newer { theirs, ours }) = error {
                let _ = self.outdated.set(Outdated { needs: *theirs, knows: *ours, height });
            }
        })
    }

    /// A consistent view of the committed state.
    pub fn reader(&self) -> LedgerReader {
        LedgerReader::new(self.tip().snapshot.clone())
    }

    /// How many times a block was executed since the start: more than once a height means lost work.
    pub fn executions(&self) -> u64 {
        self.executions.load(Ordering::Relaxed)
    }

    /// Starts a chain from its genesis, or an engine over a ledger that was made from an export, and returns the app hash before the first block, with its first validators. Kept in memory until the
    /// first commit, so it may be called again until then.
    ///
    /// # Errors
    /// [`AppError::AlreadyStarted`] after the first commit, [`AppError::Genesis`] when `app_state` is not a genesis or
    /// contradicts itself, or when the store cannot be read.
    pub fn init_chain(&self, init: &InitChain<'_>) -> Result<Started, AppError> {
        let snapshot = self.tip().snapshot.clone();
        if snapshot.head().height > 0 {
            return go_on(&snapshot, init);
        }
        let genesis: Genesis =
            serde_json::from_slice(init.app_state).map_err(|error| AppError::Genesis(error.to_string()))?;
        let mut state = ChangeLog::new(&snapshot);
        let validators =
            component::init_genesis(&mut state, &genesis, init.chain_id).map_err(AppError::from_genesis)?;
        let mut changes = state.into_net()?;
        component::derived::seal(&snapshot, &mut changes)?;
        let app_hash = snapshot.tree_update(&changes)?.map_or([0; 32], |tree| tree.root);
        self.set_tip(Tip::genesis(snapshot, init, changes, app_hash, self.knows));
        *lock(&self.fork) = Fork::default();
        *lock(&self.blocks) = Blocks::default();
        Ok(Started { app_hash, validators, engine: EngineParams::of(&genesis.params) })
    }

    /// Whether a transaction may enter the mempool: it is verified, and charged and admitted on a fork that the next commit
    /// drops. A refused transaction leaves no trace, an accepted one has paid there: nobody floods beyond their balance.
    /// Nobody pays for being refused, so no action is executed that takes more than a few look-ups: that is for a block, where it
    /// is paid for, or for [`Application::simulate`]. `recheck` says that this mempool has accepted it before.
    ///
    /// # Errors
    /// When the store cannot be read: fatal, and no verdict on the transaction.
    pub fn check_tx(&self, bytes: &[u8], recheck: bool) -> Result<TxOutcome, AppError> {
        let tip = self.tip();
        let Some(chain_id) = &tip.chain_id else {
            let hash = datanet_types::tx::tx_hash(bytes);
            return Ok(TxOutcome::refused(hash, code::NOT_READY, "the chain has not started yet; try again soon"));
        };
        let checked = self.verifier.check_if(bytes, chain_id, |tx| worth_verifying(&tip, tx));
        let tx = match &checked.verified {
            Ok(tx) => tx,
            Err(refusal) => return Ok(refusal.outcome(checked.hash)),
        };
        let outcome = lock(&self.fork).check(&tip, tx)?;
        if outcome.is_ok() && !recheck {
            self.verifier.remember(tx, bytes.len());
        } else if !outcome.is_ok() {
            self.verifier.forget([&checked.hash]);
        }
        Ok(outcome)
    }

    /// What a transaction would do if it were next, over what waits in the mempool: for the node's own users, who are told at
    /// once and for nothing why the ledger would refuse it. Never for strangers: it executes the action.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn simulate(&self, bytes: &[u8]) -> Result<TxOutcome, AppError> {
        self.try_out(bytes, |state, ctx| Ok(execute::run_tx(state, ctx)?.outcome))
    }

    /// What a transaction's action would do if it were next, and the gas that it would take, whatever its own limit, fee and expiry are: how to
    /// find a limit for it. As [`Application::simulate`], never for strangers.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn estimate(&self, bytes: &[u8]) -> Result<TxOutcome, AppError> {
        self.try_out(bytes, |state, ctx| {
            let limit = component::params::get(state)?.block_gas;
            execute::execute_tx(state, ctx, limit)
        })
    }

    /// As [`Application::estimate`], with what the action takes from the account that signed, in base units, fee aside: measured as a
    /// sub-key's budget is.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn appraise(&self, bytes: &[u8]) -> Result<(TxOutcome, Amount), AppError> {
        let mut taken = 0;
        let outcome = self.try_out(bytes, |state, ctx| {
            let limit = component::params::get(state)?.block_gas;
            let (outcome, spent) =
                component::authority::measured(state, ctx, |state| execute::execute_tx(state, ctx, limit))?;
            taken = spent;
            Ok(outcome)
        })?;
        Ok((outcome, taken))
    }

    fn try_out(
        &self,
        bytes: &[u8],
        run: impl FnOnce(&mut ChangeLog<'_>, &component::TxContext<'_>) -> Result<TxOutcome, StateError>,
    ) -> Result<TxOutcome, AppError> {
        let tip = self.tip();
        let Some(block) = tip.context(tip.snapshot.head().time_seconds) else {
            let hash = datanet_types::tx::tx_hash(bytes);
            return Ok(TxOutcome::refused(hash, code::NOT_READY, "the chain has not started yet; try again soon"));
        };
        let checked = self.verifier.check(bytes, &block.chain_id);
        let tx = match &checked.verified {
            Ok(tx) => tx,
            Err(refusal) => return Ok(refusal.outcome(checked.hash)),
        };
        let waiting = lock(&self.fork).changes(&tip);
        let mut state = ChangeLog::with_changes(&tip.snapshot, waiting);
        Ok(run(&mut state, &component::TxContext { block: &block, tx })?)
    }

    /// The block we propose: the beacon's transaction, if it needs one, and `txs` by their tips, what has a deadline first, less what does not verify, cannot pay, was
    /// executed before, or does not fit into `max_bytes` (as CometBFT counts a block's data). If we cannot prove what the beacon's must,
    /// an empty one, which nobody votes for: it is somebody else's turn then, and CometBFT goes on, which an error would stop.
    ///
    /// # Errors
    /// [`AppError::WrongHeight`] when the block is not the next one, [`AppError::NotStarted`] before the genesis, or
    /// when the store cannot be read.
    pub fn prepare_proposal(&self, block: &Block<'_>, max_bytes: u64) -> Result<Vec<Bytes>, AppError> {
        let mut blocks = lock(&self.blocks);
        let tip = self.tip();
        let context = tip.next_block(block)?;
        let beacon = match own_beacon(&tip, &context, self.beacon.as_deref())? {
            Ok(beacon) => beacon,
            Err(reason) => {
                tracing::error!(height = block.height, reason, "this node cannot propose a block; its turn passes");
                return Ok(Vec::new());
            }
        };
        let room = max_bytes.saturating_sub(beacon.as_ref().map_or(0, size_in_block));
        let checked = self.verify_all(&tip, block.txs)?;
        let queue = Queue::new(&checked, block.txs);
        let (executed, kept) = self.begin(&tip, context, beacon.as_ref())?.choose(queue, room)?;
        self.executions.fetch_add(1, Ordering::Relaxed);
        blocks.propose(executed);
        Ok(beacon.into_iter().chain(kept).collect())
    }

    /// Whether we vote for a proposed block: it must move the beacon on as its proposer has to, and every transaction in it must verify and
    /// pay for its place. It is executed and remembered.
    ///
    /// # Errors
    /// When the store cannot be read. A block that is not the next one is rejected instead.
    pub fn process_proposal(&self, block: &Block<'_>) -> Result<Verdict, AppError> {
        let mut blocks = lock(&self.blocks);
        let tip = self.tip();
        let Ok(context) = tip.next_block(block) else {
            return Ok(Verdict::Reject(format!("height {} does not follow {}", block.height, tip.height)));
        };
        let key = BlockKey::of(block);
        if blocks.proposed.iter().any(|executed| executed.key == key) {
            return Ok(Verdict::Accept);
        }
        let (beacon, txs) = beacon_first(block.txs);
        let run = self.begin(&tip, context, beacon)?;
        if let Some(objection) = run.objection {
            return Ok(Verdict::Reject(objection));
        }
        let checked = self.verify_all(&tip, txs)?;
        for tx in &checked {
            if let Err(refusal) = &tx.verified {
                return Ok(Verdict::Reject(format!("transaction {}: {}", tx.hash, refusal.log)));
            }
        }
        let executed = self.execute(run, &checked, txs, false)?;
        if let Some(objection) = executed.objection {
            return Ok(Verdict::Reject(objection));
        }
        blocks.propose(executed);
        Ok(Verdict::Accept)
    }

    /// Executes the decided block, unless a proposal did already. Nothing is written yet.
    ///
    /// # Errors
    /// [`AppError::WrongHeight`] when the block is not the next one, [`AppError::NotStarted`] before the genesis, or
    /// when the store cannot be read.
    pub fn finalize_block(&self, block: &Block<'_>) -> Result<FinalizedBlock, AppError> {
        let mut blocks = lock(&self.blocks);
        let tip = self.tip();
        let context = tip.next_block(block)?;
        let mut executed = match blocks.take(&BlockKey::of(block)) {
            Some(executed) => executed,
            None => {
                let (beacon, txs) = beacon_first(block.txs);
                let checked = self.verify_all(&tip, txs)?;
                self.execute(self.begin(&tip, context, beacon)?, &checked, txs, true)?
            }
        };
        if let Some(objection) = &executed.objection {
            tracing::error!(height = block.height, objection, "a block was decided that no honest node votes for");
        }
        executed.block_hash = block.hash;
        let finalized = executed.finalized();
        executed.tell_contradictions();
        blocks.decided = Some(executed);
        Ok(finalized)
    }

    /// Makes the decided block durable: state, tree, height and results in one write.
    ///
    /// # Errors
    /// [`AppError::NothingDecided`] when no block was finalised since the last commit, or when the store cannot be
    /// written or read back.
    pub fn commit(&self) -> Result<CommittedBlock, AppError> {
        let mut blocks = lock(&self.blocks);
        let executed = blocks.decided.take().ok_or(AppError::NothingDecided)?;
        blocks.proposed.clear();
        let committed = executed.committed();
        self.verifier.forget(executed.outcomes.iter().map(|outcome| &outcome.hash));
        let before = self.tip();
        let snapshot = self.store.commit(&before.snapshot, write_of(executed))?;
        drop(before);
        self.set_tip(Tip::committed(snapshot, self.knows));
        Ok(committed)
    }

    fn execute(&self, run: Run<'_>, checked: &[Checked], txs: &[Bytes], decided: bool) -> Result<Executed, AppError> {
        self.executions.fetch_add(1, Ordering::Relaxed);
        run.all(checked, txs, decided)
    }

    fn verify_all(&self, tip: &Tip, txs: &[Bytes]) -> Result<Vec<Checked>, AppError> {
        let chain_id = tip.chain_id.as_deref().ok_or(AppError::NotStarted)?;
        Ok(self.verifier.check_all(txs, chain_id))
    }

    fn tip(&self) -> Arc<Tip> {
        Arc::clone(&self.tip.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn set_tip(&self, tip: Tip) {
        *self.tip.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(tip);
    }

    /// The result of a transaction, if this node executed it in one of the last [`KEPT_RESULTS`](crate::store::KEPT_RESULTS) blocks.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn tx_result(&self, hash: &TxHash) -> Result<Option<TxRecord>, AppError> {
        Ok(self.tip().snapshot.tx_result(&hash.0)?)
    }
}

/// An engine that begins anew behind an imported ledger is told what that holds.
fn go_on(snapshot: &Snapshot, init: &InitChain<'_>) -> Result<Started, AppError> {
    let head = snapshot.head();
    let follows = head.chain_id == init.chain_id && init.initial_height == head.height.saturating_add(1);
    if !(head.imported && follows) {
        return Err(AppError::AlreadyStarted { height: head.height });
    }
    let active = component::staking::active(snapshot)?.into_iter();
    let validators = active.map(|active| ValidatorUpdate { key: active.key, power: active.power }).collect();
    let engine = EngineParams::of(&component::params::get(snapshot)?);
    Ok(Started { app_hash: head.app_hash(), validators, engine })
}

/// Nobody pays for a signature that is verified in vain, so of several none is verified before their keys are known to speak for
/// the account.
fn worth_verifying(tip: &Tip, tx: &UnverifiedTx) -> Result<(), Refusal> {
    let (account, keys, action) = tx.says();
    if keys.len() == 1 {
        return Ok(());
    }
    let now = u64::try_from(tip.snapshot.head().time_seconds).unwrap_or(0);
    Ok(component::authority::authorise(&tip.snapshot, account, keys, action, now)?)
}

impl Blocks {
    fn propose(&mut self, executed: Executed) {
        if self.proposed.len() >= KEPT_PROPOSALS {
            self.proposed.remove(0);
        }
        self.proposed.push(executed);
    }

    fn take(&mut self, key: &BlockKey) -> Option<Executed> {
        if self.decided.as_ref().is_some_and(|decided| decided.key == *key) {
            return self.decided.take();
        }
        let index = self.proposed.iter().position(|executed| executed.key == *key)?;
        Some(self.proposed.swap_remove(index))
    }
}

fn write_of(executed: Executed) -> BlockWrite {
    let context = &executed.context;
    let head =
        Head::new(&context.chain_id, context.height, context.time_seconds, executed.app_hash, executed.block_hash);
    let mut results: Vec<_> =
        executed.outcomes.iter().map(|outcome| (outcome.hash.0, outcome.record(context.height))).collect();
    // In the order in which they lie on the disk, and of a transaction that stands there twice the first before the second.
    results.sort_by_key(|(hash, _)| *hash);
    BlockWrite { head, changes: executed.changes, tree: executed.tree, results }
}
