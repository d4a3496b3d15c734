//! What the next block builds on.

use super::{AppError, Block, CommitInfo, InitChain};
use crate::component::beacon::Moved;
use crate::component::migrations::Rules;
use crate::component::{BlockContext, ConsensusInfo};
use crate::state::Changes;
use crate::store::Snapshot;
use datanet_types::Digest;

/// The committed state, and before the first commit also the genesis that is not written yet.
#[derive(Debug)]
pub(super) struct Tip {
    pub(super) snapshot: Snapshot,
    /// `None` until a chain has started.
    pub(super) chain_id: Option<String>,
    /// Genesis state while it is only in memory; empty after the first commit.
    pub(super) genesis: Changes,
    pub(super) height: u64,
    next_height: u64,
    app_hash: [u8; 32],
    /// Hash of the last block; zeros before the first.
    block_hash: [u8; 32],
    /// The rules that this program knows.
    knows: Rules,
}

impl Tip {
    pub(super) fn committed(snapshot: Snapshot, knows: Rules) -> Self {
        let head = snapshot.head();
        Self {
            chain_id: (head.height > 0).then(|| head.chain_id.clone()),
            genesis: Changes::new(),
            height: head.height,
            next_height: head.height.saturating_add(1),
            app_hash: head.app_hash(),
            block_hash: head.block_hash(),
            snapshot,
            knows,
        }
    }

    pub(super) fn genesis(
        snapshot: Snapshot,
        init: &InitChain<'_>,
        genesis: Changes,
        app_hash: [u8; 32],
        knows: Rules,
    ) -> Self {
        let next_height = init.initial_height.max(1);
        let (chain_id, block_hash) = (Some(init.chain_id.to_owned()), [0; 32]);
        Self { snapshot, chain_id, genesis, height: 0, next_height, app_hash, block_hash, knows }
    }

    pub(super) fn commit_info(&self) -> CommitInfo {
        let time_seconds = self.snapshot.head().time_seconds;
        CommitInfo { height: self.height, app_hash: self.app_hash, time_seconds }
    }

    /// The context of `block`, if it is the next.
    pub(super) fn next_block(&self, block: &Block<'_>) -> Result<BlockContext, AppError> {
        if block.height != self.next_height {
            return Err(AppError::WrongHeight { expected: self.next_height, actual: block.height });
        }
        let context = self.context(block.time_seconds).ok_or(AppError::NotStarted)?;
        Ok(BlockContext { consensus: block.consensus.clone(), ..context })
    }

    /// The context of the next block, of whose proposer and votes nothing is known yet; `None` before the chain has started.
    pub(super) fn context(&self, time_seconds: i64) -> Option<BlockContext> {
        let chain_id = self.chain_id.clone()?;
        let (height, app_hash, last_block_hash) = (self.next_height, self.app_hash, self.block_hash);
        let (beacon, moved, consensus) = (Digest::ZERO, Moved::default(), ConsensusInfo::default());
        let knows = self.knows;
        Some(BlockContext {
            chain_id,
            height,
            time_seconds,
            app_hash,
            last_block_hash,
            beacon,
            moved,
            consensus,
            knows,
        })
    }

    pub(super) fn app_hash(&self) -> [u8; 32] {
        self.app_hash
    }
}
