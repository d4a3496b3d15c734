//! The engine's worker: mempool and block production.

use std::collections::VecDeque;

use bytes::Bytes;
use datanet_types::id::tagged_hash;
use datanet_types::tx::tx_hash;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Command, SoloConfig, SoloError};
use crate::app::{AppError, Block, CommitInfo, InitChain, TxOutcome, Verdict};
use crate::code;
use crate::handle::LedgerHandle;

/// Owns the mempool and makes the blocks.
pub(super) struct Worker {
    ledger: LedgerHandle,
    config: SoloConfig,
    inbox: mpsc::Receiver<Command>,
    mempool: VecDeque<Bytes>,
    last_block: Instant,
    /// Whether the last block changed the state.
    changed: bool,
    /// When the chain begins, as long as it has not.
    begins: Option<Instant>,
}

impl Worker {
    pub(super) async fn start(
        ledger: LedgerHandle,
        config: SoloConfig,
        inbox: mpsc::Receiver<Command>,
    ) -> Result<Self, SoloError> {
        let info = ledger.info();
        if info.height > 0 {
            let theirs = ledger.reader().chain_id().to_owned();
            if theirs != config.chain_id {
                return Err(SoloError::OtherChain { ours: config.chain_id, theirs });
            }
        } else {
            let (chain_id, app_state) = (&config.chain_id, &config.app_state);
            ledger.init_chain(&InitChain { chain_id, initial_height: 1, app_state })?;
        }
        let (mempool, last_block) = (VecDeque::new(), Instant::now());
        let begins = (info.height == 0 && !config.begins_in.is_zero()).then(|| last_block + config.begins_in);
        let mut worker = Self { ledger, config, inbox, mempool, last_block, changed: false, begins };
        if info.height == 0 && worker.begins.is_none() {
            worker.produce().await?;
        }
        Ok(worker)
    }

    pub(super) async fn run(mut self, shutdown: &CancellationToken) -> Result<(), SoloError> {
        loop {
            let due = self.due();
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return Ok(()),
                () = wait_until(due) => {
                    self.produce().await?;
                }
                command = self.inbox.recv() => match command {
                    Some(command) => self.on_command(command, shutdown).await?,
                    None => return Ok(()),
                },
            }
        }
    }

    /// When the next block is due; never, if it takes a transaction or a call first.
    fn due(&self) -> Option<Instant> {
        if self.begins.is_some() {
            return self.begins;
        }
        // As CometBFT does it: what a block has changed is proven by the next, which comes at once.
        let idle = self.mempool.is_empty() && (!self.changed || self.config.empty_block_interval.is_none());
        let after = if idle { self.config.empty_block_interval } else { Some(self.config.block_interval) };
        after.map(|after| self.last_block + after)
    }

    async fn on_command(&mut self, command: Command, shutdown: &CancellationToken) -> Result<(), SoloError> {
        match command {
            Command::Submit { tx, reply } => {
                let outcome = self.submit(tx)?;
                // A caller who left does not mind.
                let _ = reply.send(outcome);
            }
            Command::Advance { blocks, reply } => {
                let mut info = self.ledger.info();
                for _ in 0..blocks {
                    if shutdown.is_cancelled() {
                        return Ok(());
                    }
                    info = self.produce().await?;
                }
                let _ = reply.send(info);
            }
        }
        Ok(())
    }

    fn submit(&mut self, tx: Bytes) -> Result<TxOutcome, AppError> {
        if self.begins.is_some() {
            let log = "the chain has not begun; try again when it has";
            return Ok(TxOutcome::refused(tx_hash(&tx), code::NOT_READY, log));
        }
        if self.mempool.len() >= self.config.max_mempool_txs {
            let log = "the mempool is full; try again after the next block";
            return Ok(TxOutcome::refused(tx_hash(&tx), code::MEMPOOL_FULL, log));
        }
        let outcome = self.ledger.check_tx(&tx, false)?;
        if outcome.is_ok() {
            self.mempool.push_back(tx);
        }
        Ok(outcome)
    }

    /// Makes one block and rechecks what stayed behind.
    async fn produce(&mut self) -> Result<CommitInfo, SoloError> {
        let waiting: Vec<Bytes> = std::mem::take(&mut self.mempool).into();
        let (ledger, max_bytes) = (self.ledger.clone(), self.config.max_block_bytes);
        let CommitInfo { height, app_hash: before, .. } = ledger.info();
        let height = height.saturating_add(1);
        let time_seconds = (self.config.clock)(height);
        let made = tokio::task::spawn_blocking(move || produce(&ledger, height, time_seconds, waiting, max_bytes));
        let (info, left) = made.await.map_err(|_| SoloError::Stopped)??;
        self.changed = info.app_hash != before;
        self.mempool = left;
        self.begins = None;
        self.last_block = Instant::now();
        Ok(info)
    }
}

async fn wait_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

fn produce(
    ledger: &LedgerHandle,
    height: u64,
    time_seconds: i64,
    waiting: Vec<Bytes>,
    max_bytes: u64,
) -> Result<(CommitInfo, VecDeque<Bytes>), SoloError> {
    let txs = ledger.prepare_proposal(&Block::alone(height, time_seconds, [0; 32], &waiting), max_bytes)?;
    let hash = block_hash(height, time_seconds, &txs);
    let block = Block::alone(height, time_seconds, hash, &txs);
    if let Verdict::Reject(reason) = ledger.process_proposal(&block)? {
        return Err(SoloError::OwnProposal(reason));
    }
    ledger.finalize_block(&block)?;
    let info = ledger.commit()?;
    Ok((info, recheck(ledger, waiting, &txs)?))
}

/// A block's hash, as a chain of one has it.
fn block_hash(height: u64, time_seconds: i64, txs: &[Bytes]) -> [u8; 32] {
    let txs: Vec<[u8; 32]> = txs.iter().map(|tx| tx_hash(tx).0).collect();
    tagged_hash("datanet/solo-block/v1", &[&height.to_le_bytes(), &time_seconds.to_le_bytes(), txs.as_flattened()])
}

/// What waits on: neither in the block nor made impossible by it.
fn recheck(ledger: &LedgerHandle, waiting: Vec<Bytes>, taken: &[Bytes]) -> Result<VecDeque<Bytes>, AppError> {
    let mut taken = taken.iter().peekable();
    let mut left = VecDeque::new();
    for tx in waiting {
        if taken.next_if(|next| **next == tx).is_none() && ledger.check_tx(&tx, true)?.is_ok() {
            left.push_back(tx);
        }
    }
    Ok(left)
}
