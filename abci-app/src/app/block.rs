//! What goes in and out of the application.

use bytes::Bytes;
use datanet_types::ConsensusAddress;
use datanet_types::tx::{TxHash, tx_hash};
use sha2::{Digest, Sha256};

use crate::code::{self, Code};
use crate::component::{ActionError, BlockContext, BlockEnd, ConsensusInfo, EngineParams, Event, ValidatorUpdate};
use crate::gas::Gas;
use crate::state::Changes;
use crate::store::{TreeUpdate, TxRecord};

/// The start of a chain.
#[derive(Debug, Clone, Copy)]
pub struct InitChain<'a> {
    /// Its name.
    pub chain_id: &'a str,
    /// Height of its first block; 1 unless the genesis file says otherwise.
    pub initial_height: u64,
    /// The genesis file's `app_state`: [`crate::component::Genesis`] as JSON.
    pub app_state: &'a [u8],
}

/// A block, proposed or decided.
#[derive(Debug, Clone, Copy)]
pub struct Block<'a> {
    /// Its height.
    pub height: u64,
    /// Its consensus time in seconds since 1970.
    pub time_seconds: i64,
    /// Its hash, once it is decided; committees of later blocks are drawn from it.
    pub hash: [u8; 32],
    /// Its transactions.
    pub txs: &'a [Bytes],
    /// What the engine says of its validators.
    pub consensus: &'a ConsensusInfo,
}

impl<'a> Block<'a> {
    /// A block of an engine that has no validators.
    pub fn alone(height: u64, time_seconds: i64, hash: [u8; 32], txs: &'a [Bytes]) -> Self {
        static NOBODY: ConsensusInfo = ConsensusInfo {
            proposer: ConsensusAddress::ZERO,
            last_round: 0,
            last_commit: Vec::new(),
            misbehaviour: Vec::new(),
        };
        Self { height, time_seconds, hash, txs, consensus: &NOBODY }
    }
}

/// A chain that has begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Started {
    /// Root of its first state.
    pub app_hash: [u8; 32],
    /// Its first validators; none where the ledger names none, and the engine keeps its own.
    pub validators: Vec<ValidatorUpdate>,
    /// What of its parameters the engine must have too.
    pub engine: EngineParams,
}

/// What became of a transaction.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct TxOutcome {
    /// Which.
    pub hash: TxHash,
    /// Success, or why not.
    pub code: Code,
    /// The same in words for this node's users: what to do instead. No part of what nodes agree on.
    pub log: String,
    /// What it did.
    pub events: Vec<Event>,
    /// Its gas limit; 0 if it was not executed.
    pub gas_wanted: Gas,
    /// The gas that it took.
    pub gas_used: Gas,
}

impl TxOutcome {
    /// Success.
    pub fn done(hash: TxHash, events: Vec<Event>) -> Self {
        Self { hash, code: code::OK, log: String::new(), events, gas_wanted: 0, gas_used: 0 }
    }

    /// Refusal.
    pub fn refused(hash: TxHash, code: Code, log: impl Into<String>) -> Self {
        Self { hash, code, log: log.into(), events: Vec::new(), gas_wanted: 0, gas_used: 0 }
    }

    /// The outcome of what was not done, for a reason that is not fatal.
    pub(super) fn failed(hash: TxHash, failure: ActionError) -> Self {
        let (code, log) = failure.into_refusal();
        Self::refused(hash, code, log)
    }

    /// Whether it took effect.
    pub fn is_ok(&self) -> bool {
        self.code.is_ok()
    }

    pub(super) fn record(&self, height: u64) -> TxRecord {
        let events = self.events.iter().map(Into::into).collect();
        TxRecord { height, code: self.code, log: self.log.clone(), events, gas_used: self.gas_used }
    }
}

/// Whether we vote for a proposal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Yes.
    Accept,
    /// No, and why.
    Reject(String),
}

/// A decided block, executed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FinalizedBlock {
    /// One result for each transaction, in order.
    pub outcomes: Vec<TxOutcome>,
    /// What happened outside of transactions: deadlines, tallies.
    pub events: Vec<Event>,
    /// Validators whose power changes.
    pub validator_updates: Vec<ValidatorUpdate>,
    /// The engine's parameters, where they change.
    pub engine: Option<EngineParams>,
    /// Root of the state after it.
    pub app_hash: [u8; 32],
}

/// Where the committed chain stands.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct CommitInfo {
    /// Last committed height; 0 before the first.
    pub height: u64,
    /// Root of the state after it. Depends on the state alone: a block that changes nothing leaves it as it was.
    #[serde(serialize_with = "hex::serde::serialize")]
    pub app_hash: [u8; 32],
    /// Consensus time of that block in seconds since 1970; for display.
    pub time_seconds: i64,
}

/// A block that is on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommittedBlock {
    /// Its height.
    pub height: u64,
    /// Root of the state after it.
    pub app_hash: [u8; 32],
    /// Its consensus time in seconds since 1970.
    pub time_seconds: i64,
    /// All that happened: the transactions' events in order, then those of deadlines.
    pub events: Vec<Event>,
    /// Each transaction with its result code; less the beacon's, which nobody sent.
    pub txs: Vec<(TxHash, Code)>,
}

impl CommittedBlock {
    /// Height, app hash and time.
    pub fn info(&self) -> CommitInfo {
        CommitInfo { height: self.height, app_hash: self.app_hash, time_seconds: self.time_seconds }
    }
}

/// What makes two executions of a block the same: all that execution depends on beside the committed state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BlockKey {
    height: u64,
    time_seconds: i64,
    txs: [u8; 32],
    consensus: ConsensusInfo,
}

impl BlockKey {
    pub(super) fn of(block: &Block<'_>) -> Self {
        let hashes = block.txs.iter().map(|tx| tx_hash(tx));
        Self::new(block.height, block.time_seconds, hashes, block.consensus.clone())
    }

    pub(super) fn new(
        height: u64,
        time_seconds: i64,
        hashes: impl Iterator<Item = TxHash>,
        consensus: ConsensusInfo,
    ) -> Self {
        let mut hasher = Sha256::new();
        for hash in hashes {
            hasher.update(hash.0);
        }
        Self { height, time_seconds, txs: hasher.finalize().into(), consensus }
    }
}

/// An executed block with everything that a commit needs.
#[derive(Debug)]
pub(super) struct Executed {
    pub(super) key: BlockKey,
    pub(super) context: BlockContext,
    /// Of the beacon's transaction, if it begins with one.
    pub(super) beacon: Option<TxOutcome>,
    pub(super) outcomes: Vec<TxOutcome>,
    pub(super) end: BlockEnd,
    pub(super) changes: Changes,
    pub(super) tree: Option<TreeUpdate>,
    pub(super) app_hash: [u8; 32],
    /// The decided block's hash; none of what was executed depends on it.
    pub(super) block_hash: [u8; 32],
    /// Why no honest node votes for it.
    pub(super) objection: Option<String>,
}

impl Executed {
    pub(super) fn finalized(&self) -> FinalizedBlock {
        let BlockEnd { events, validator_updates, engine } = self.end.clone();
        let outcomes = self.beacon.iter().chain(&self.outcomes).cloned().collect();
        FinalizedBlock { outcomes, events, validator_updates, engine, app_hash: self.app_hash }
    }

    /// All that happened, in order.
    fn events(&self) -> impl Iterator<Item = &Event> {
        self.outcomes.iter().flat_map(|outcome| &outcome.events).chain(&self.end.events)
    }

    /// Says loudly in the log of every node what an operator has to know at once.
    pub(super) fn tell_contradictions(&self) {
        let height = self.context.height;
        for event in self.events() {
            let named = |name| event.get(name).unwrap_or_default();
            let (component, key, reason) = (named("component"), named("key"), named("reason"));
            match event.kind.as_str() {
                "component.tripped" => tracing::error!(
                    height,
                    component,
                    key,
                    reason,
                    "the ledger contradicts itself: this component stands still from here on, all others go on"
                ),
                "component.contradicted" => {
                    tracing::error!(
                        height,
                        component,
                        key,
                        reason,
                        "the ledger contradicts itself; one thing was not done"
                    );
                }
                _ => {}
            }
        }
    }

    pub(super) fn committed(&self) -> CommittedBlock {
        CommittedBlock {
            height: self.context.height,
            app_hash: self.app_hash,
            time_seconds: self.context.time_seconds,
            events: self.events().cloned().collect(),
            txs: self.outcomes.iter().map(|outcome| (outcome.hash, outcome.code)).collect(),
        }
    }
}
