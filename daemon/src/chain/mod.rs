//! The node's way to the ledger: read committed state, submit transactions, wait until they are in a block.
//!
//! The application runs in this process, so reads are reads of its store. Transactions go the way of everybody's:
//! through CometBFT's mempool, or through the solo engine's.

mod beginning;
mod models;
mod submit;
mod views;

pub use beginning::Beginning;
pub use models::RegisteredModel;
pub use submit::{Committed, Signed, TTL_BLOCKS, TxStatus};
pub use views::unknown_datanet;

use std::sync::Arc;

use datanet_ledger::component::params::versions::Version;
use datanet_ledger::component::{Params, params};
use datanet_ledger::solo::SoloHandle;
use datanet_ledger::{CommitInfo, LedgerHandle, LedgerReader};
use tokio::sync::watch;

use crate::cometbft::RpcClient;
use crate::error::{Code, ServiceError, ServiceResult};

/// What orders transactions.
#[derive(Clone)]
pub enum Engine {
    /// A CometBFT process, over its RPC's socket.
    CometBft(RpcClient),
    /// The in-process engine of a single node.
    Solo(SoloHandle),
}

impl Engine {
    /// `cometbft` or `solo`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::CometBft(_) => "cometbft",
            Self::Solo(_) => "solo",
        }
    }
}

/// A handle on the ledger; clones are cheap.
#[derive(Clone)]
pub struct Chain {
    inner: Arc<Inner>,
}

struct Inner {
    chain_id: String,
    ledger: LedgerHandle,
    engine: Engine,
    begins: Beginning,
}

impl Chain {
    /// Ties the application to its engine.
    pub fn new(chain_id: String, ledger: LedgerHandle, engine: Engine, begins: Beginning) -> Self {
        Self { inner: Arc::new(Inner { chain_id, ledger, engine, begins }) }
    }

    /// When the network begins.
    pub fn begins(&self) -> Beginning {
        self.inner.begins
    }

    /// The chain's id.
    pub fn id(&self) -> &str {
        &self.inner.chain_id
    }

    /// The engine.
    pub fn engine(&self) -> &Engine {
        &self.inner.engine
    }

    /// The application.
    pub fn ledger(&self) -> &LedgerHandle {
        &self.inner.ledger
    }

    /// The latest version of the rules that this program knows.
    pub fn knows(&self) -> u64 {
        self.inner.ledger.app().knows()
    }

    /// A consistent view of the last committed state.
    ///
    /// # Errors
    /// When the ledger has no block yet ([`Code::NoBlocks`]).
    pub fn reader(&self) -> ServiceResult<LedgerReader> {
        let reader = self.inner.ledger.reader();
        if reader.height() == 0 {
            let why = self.begins().told().unwrap_or_else(|| "the ledger has no block yet; wait a moment".to_owned());
            return Err(ServiceError::new(Code::NoBlocks, why));
        }
        Ok(reader)
    }

    /// Height and app hash, whenever they change.
    pub fn commits(&self) -> watch::Receiver<CommitInfo> {
        self.inner.ledger.commits()
    }

    /// The last committed height.
    pub fn height(&self) -> u64 {
        self.inner.ledger.commits().borrow().height
    }

    /// Time of the last committed block, in seconds since 1970: what deadlines are compared with. It moves with blocks only, and is behind the
    /// clock by as long as the last one is ago.
    pub fn block_seconds(&self) -> u64 {
        u64::try_from(self.inner.ledger.commits().borrow().time_seconds).unwrap_or(0)
    }

    /// The ledger's parameters.
    ///
    /// # Errors
    /// When the ledger has no block yet or cannot be read.
    pub fn params(&self) -> ServiceResult<Params> {
        Ok(params::get(&self.reader()?)?)
    }

    /// Those that held at a height.
    ///
    /// # Errors
    /// When the ledger has no block yet or cannot be read.
    pub fn params_at(&self, height: u64) -> ServiceResult<Params> {
        Ok(params::at(&self.reader()?, height)?)
    }

    /// Those that hold, with the number of their version.
    ///
    /// # Errors
    /// When the ledger has no block yet or cannot be read.
    pub fn params_version(&self) -> ServiceResult<Version> {
        Ok(params::versions::present(&self.reader()?)?)
    }
}

impl Chain {
    /// Whether old blocks are still being fetched from peers.
    pub async fn catching_up(&self) -> bool {
        match self.engine() {
            // Not reachable means not ready, whatever the reason.
            Engine::CometBft(rpc) => rpc.status().await.map_or(true, |status| status.catching_up),
            Engine::Solo(_) => false,
        }
    }
}

#[cfg(test)]
mod tests;
