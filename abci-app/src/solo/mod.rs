//! The solo engine: one node orders its own blocks, without CometBFT.
//!
//! It drives the very same application through the very same calls (check, prepare, process, finalize, commit). A block is made
//! as soon as transactions wait and `block_interval` has passed since the last one; without transactions one is made each
//! `empty_block_interval`, so that deadlines pass. It is no consensus: nobody checks this node, so it serves development
//! and tests.

mod clock;
mod engine;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::app::{AppError, CommitInfo, TxOutcome};
use crate::handle::LedgerHandle;

pub use clock::{Clock, system_clock};

use engine::Worker;

/// Requests that may wait for the engine before callers wait themselves.
const QUEUE: usize = 1024;

/// How the engine runs.
#[derive(Clone)]
pub struct SoloConfig {
    /// Name of the chain; used once, when it starts.
    pub chain_id: String,
    /// [`crate::component::Genesis`] as JSON; used once, when the chain starts.
    pub app_state: Vec<u8>,
    /// Shortest time between two blocks. Default 200 ms.
    pub block_interval: Duration,
    /// Time between blocks without transactions; `None`: such blocks come only from [`SoloHandle::advance`].
    /// Default one second.
    pub empty_block_interval: Option<Duration>,
    /// Transactions that may wait for a block. Default 5,000.
    pub max_mempool_txs: usize,
    /// Bytes of transactions in a block, at most. Default 4 MiB.
    pub max_block_bytes: u64,
    /// Where block times come from. Default the system's clock.
    pub clock: Clock,
    /// How long it is until the chain begins: nothing is taken and no block is made before. Default none.
    pub begins_in: Duration,
}

impl SoloConfig {
    /// The defaults for a chain.
    pub fn new(chain_id: impl Into<String>, app_state: impl Into<Vec<u8>>) -> Self {
        Self {
            chain_id: chain_id.into(),
            app_state: app_state.into(),
            block_interval: Duration::from_millis(200),
            empty_block_interval: Some(Duration::from_secs(1)),
            max_mempool_txs: 5_000,
            max_block_bytes: 4 * 1024 * 1024,
            clock: system_clock(),
            begins_in: Duration::ZERO,
        }
    }

    /// For tests: blocks come at once with transactions and else only from [`SoloHandle::advance`], and each block is one
    /// second after the one before.
    pub fn on_demand(chain_id: impl Into<String>, app_state: impl Into<Vec<u8>>) -> Self {
        let clock: Clock = Arc::new(|height| i64::try_from(height).unwrap_or(i64::MAX));
        Self { block_interval: Duration::ZERO, empty_block_interval: None, clock, ..Self::new(chain_id, app_state) }
    }
}

impl std::fmt::Debug for SoloConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SoloConfig")
            .field("chain_id", &self.chain_id)
            .field("block_interval", &self.block_interval)
            .field("empty_block_interval", &self.empty_block_interval)
            .finish_non_exhaustive()
    }
}

/// Why the engine does not work.
#[derive(Debug, thiserror::Error)]
pub enum SoloError {
    /// The ledger failed; the engine has stopped.
    #[error(transparent)]
    Ledger(#[from] AppError),
    /// The home holds another chain.
    #[error("the ledger belongs to chain {theirs:?}, not {ours:?}; choose another home")]
    OtherChain {
        /// The chain configured.
        ours: String,
        /// The chain on disk.
        theirs: String,
    },
    /// Our own proposal was refused by ourselves.
    #[error("own proposal refused: {0}; report this as a bug")]
    OwnProposal(String),
    /// The engine has stopped.
    #[error("the engine has stopped")]
    Stopped,
}

pub(crate) enum Command {
    Submit { tx: Bytes, reply: oneshot::Sender<TxOutcome> },
    Advance { blocks: u64, reply: oneshot::Sender<CommitInfo> },
}

/// Talks to the engine. Cheap to clone.
#[derive(Debug, Clone)]
pub struct SoloHandle {
    commands: mpsc::Sender<Command>,
}

impl SoloHandle {
    /// Offers a transaction. The outcome says whether it entered the mempool, not yet that it was executed: for that,
    /// watch the ledger's events, or its result by hash.
    ///
    /// # Errors
    /// [`SoloError::Stopped`] when the engine has stopped, or stops before it answers.
    pub async fn submit(&self, tx: impl Into<Bytes>) -> Result<TxOutcome, SoloError> {
        let (reply, answer) = oneshot::channel();
        self.send(Command::Submit { tx: tx.into(), reply }).await?;
        answer.await.map_err(|_| SoloError::Stopped)
    }

    /// Makes `blocks` blocks now, one after the other, with whatever waits; returns after the last commit.
    ///
    /// # Errors
    /// [`SoloError::Stopped`] when the engine has stopped, or stops before the last commit.
    pub async fn advance(&self, blocks: u64) -> Result<CommitInfo, SoloError> {
        let (reply, answer) = oneshot::channel();
        self.send(Command::Advance { blocks, reply }).await?;
        answer.await.map_err(|_| SoloError::Stopped)
    }

    async fn send(&self, command: Command) -> Result<(), SoloError> {
        self.commands.send(command).await.map_err(|_| SoloError::Stopped)
    }
}

/// The running engine.
#[derive(Debug)]
pub struct SoloEngine {
    handle: SoloHandle,
    task: JoinHandle<Result<(), SoloError>>,
}

impl SoloEngine {
    /// Starts the chain if the ledger is empty (its first block is committed when this returns, or comes when the chain
    /// begins), then makes blocks until `shutdown`. A fatal ledger error cancels `shutdown`.
    ///
    /// # Errors
    /// [`SoloError::OtherChain`] when the ledger is of another chain. For an empty ledger: when the genesis is refused,
    /// or the first block cannot be made.
    pub async fn spawn(
        ledger: LedgerHandle,
        config: SoloConfig,
        shutdown: CancellationToken,
    ) -> Result<Self, SoloError> {
        let (commands, inbox) = mpsc::channel(QUEUE);
        let worker = Worker::start(ledger, config, inbox).await?;
        let task = tokio::spawn(async move {
            let result = worker.run(&shutdown).await;
            if let Err(error) = &result {
                tracing::error!(%error, "the solo engine failed; stopping the node");
                shutdown.cancel();
            }
            result
        });
        Ok(Self { handle: SoloHandle { commands }, task })
    }

    /// For submitting transactions and making blocks.
    pub fn handle(&self) -> SoloHandle {
        self.handle.clone()
    }

    /// Waits until the engine has stopped.
    ///
    /// # Errors
    /// What stopped the engine, unless it was `shutdown` or the last handle: [`SoloError::Ledger`],
    /// [`SoloError::OwnProposal`], or [`SoloError::Stopped`] when a task of it panicked.
    pub async fn join(self) -> Result<(), SoloError> {
        drop(self.handle);
        self.task.await.map_err(|_| SoloError::Stopped)?
    }
}
