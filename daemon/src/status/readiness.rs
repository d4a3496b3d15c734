//! Whether a node is of use now, part by part, each with its reason: for load balancers, and for people who wonder.
//!
//! Ready is more than alive: consensus moves or has nothing to do, others' data can be had, what is final can be searched,
//! what its roles need is there, the disk has room, and its worker keeps up. None of it may be a stranger's lever: what
//! others contribute or register makes no node that has caught up look unready.

mod checks;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use datanet_ledger::component::nodes;
use datanet_p2p::NetworkHandle;
use datanet_types::NodeKey;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use crate::chain::{Chain, Engine};
use crate::cometbft::{RpcClient, RpcError, RpcStatus};
use crate::embedder::Embedder;
use crate::error::ServiceResult;
use crate::workers::contributions::Progress;
use checks::{Consensus, Waiting};

/// How long an answer is good for: whoever asks often costs nothing.
const GOOD_FOR: Duration = Duration::from_secs(1);
/// How long CometBFT may take to say how it is.
const PATIENCE: Duration = Duration::from_secs(2);

/// One thing that must be so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// `consensus`, `peers`, `index`, `model`, `disk` or `tasks`.
    pub name: &'static str,
    /// Whether it is so.
    pub ok: bool,
    /// Why, or why not and what to do.
    pub reason: String,
}

impl Check {
    fn of(name: &'static str, result: Result<String, String>) -> Self {
        let ok = result.is_ok();
        Self { name, ok, reason: result.unwrap_or_else(|reason| reason) }
    }
}

/// Whether all that must be so is.
pub fn is_ready(checks: &[Check]) -> bool {
    checks.iter().all(|check| check.ok)
}

/// What readiness is found out from.
pub struct ReadinessParts {
    /// The ledger.
    pub chain: Chain,
    /// The data network.
    pub network: NetworkHandle,
    /// This node.
    pub node: NodeKey,
    /// The embedding model.
    pub embedder: Embedder,
    /// Whether the node's roles need the model.
    pub needs_model: bool,
    /// How far the contributions worker is.
    pub progress: watch::Receiver<Progress>,
    /// How often an idle chain makes a block.
    pub empty_block_interval: Duration,
    /// What the node keeps lies here.
    pub data: PathBuf,
    /// Bytes that must be free there.
    pub min_free: u64,
    /// Ends when the node stops.
    pub shutdown: CancellationToken,
}

/// Finds out whether the node is ready; clones share what they found.
#[derive(Clone)]
pub struct Readiness {
    inner: Arc<Inner>,
}

struct Inner {
    parts: ReadinessParts,
    /// When the last block came, as this process saw it: no clock of anybody else's.
    last_block: Mutex<Instant>,
    /// The lock is held while it is found out, so that many who ask at once make one look.
    found: tokio::sync::Mutex<Found>,
}

#[derive(Default)]
struct Found {
    checks: Option<(Instant, Arc<[Check]>)>,
    waiting: Waiting,
    caught_up: bool,
}

impl Readiness {
    /// Nothing is found out before somebody asks.
    pub fn new(parts: ReadinessParts) -> Self {
        let inner = Inner { parts, last_block: Mutex::new(Instant::now()), found: tokio::sync::Mutex::default() };
        Self { inner: Arc::new(inner) }
    }

    /// Notes when blocks come, until the node stops.
    ///
    /// # Errors
    /// None: that no blocks come is for [`Readiness::checks`] to say.
    pub async fn follow(self) -> anyhow::Result<()> {
        let (mut commits, shutdown) = (self.inner.parts.chain.commits(), &self.inner.parts.shutdown);
        while let Some(Ok(())) = shutdown.run_until_cancelled(commits.changed()).await {
            *self.inner.last_block.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        }
        Ok(())
    }

    /// All checks, not older than a second.
    pub async fn checks(&self) -> Arc<[Check]> {
        let mut found = self.inner.found.lock().await;
        if let Some((at, checks)) = &found.checks
            && at.elapsed() < GOOD_FOR
        {
            return checks.clone();
        }
        let checks: Arc<[Check]> = self.inner.look(&mut found).await.into();
        found.checks = Some((Instant::now(), checks.clone()));
        checks
    }
}

impl Inner {
    async fn look(&self, found: &mut Found) -> Vec<Check> {
        let parts = &self.parts;
        let since_block = self.last_block.lock().unwrap_or_else(PoisonError::into_inner).elapsed();
        let (consensus, others) = self.consensus(since_block, &mut found.waiting).await;
        let consensus = Check::of("consensus", checks::consensus(&consensus));
        let progress = *parts.progress.borrow();
        let indexes = parts.embedder.info().is_ok();
        // What is final is known only once all blocks are here and looked at.
        let settled = consensus.ok && progress.height >= parts.chain.height();
        found.caught_up |= settled && checks::has_caught_up(&progress);
        let index = checks::index(&progress, indexes, found.caught_up);
        let tasks = checks::tasks(&progress, parts.chain.height(), since_block, parts.shutdown.is_cancelled());
        vec![
            consensus,
            Check::of("peers", self.peers(others)),
            Check::of("index", index),
            Check::of("model", self.model()),
            Check::of("disk", self.disk().await),
            Check::of("tasks", tasks),
        ]
    }

    /// How consensus is, and whether others make blocks too, if that is known.
    async fn consensus(&self, since_block: Duration, waiting: &mut Waiting) -> (Consensus, Option<bool>) {
        let height = self.parts.chain.height();
        let idle = self.parts.empty_block_interval;
        let begins = self.parts.chain.begins().told();
        let mut consensus = Consensus { height, since_block, idle, begins, ..Consensus::default() };
        if consensus.begins.is_some() {
            return (consensus, Some(false));
        }
        let Engine::CometBft(rpc) = self.parts.chain.engine() else { return (consensus, Some(false)) };
        match timeout(PATIENCE, ask(rpc)).await {
            Ok(Ok((status, waits, validators))) => {
                consensus.catching_up = status.catching_up;
                consensus.waiting = waiting.seen(waits, status.height, Instant::now());
                (consensus, validators.map(|validators| validators > 1 || status.voting_power == 0))
            }
            Ok(Err(error)) => (Consensus { silent: Some(error.to_string()), ..consensus }, None),
            Err(_) => {
                let silent = format!("CometBFT did not say how it is within {} s", PATIENCE.as_secs());
                (Consensus { silent: Some(silent), ..consensus }, None)
            }
        }
    }

    /// Whoever makes the blocks alone needs nobody: strangers who register nodes that run nowhere change nothing in that.
    fn peers(&self, others: Option<bool>) -> Result<String, String> {
        let others = others.map_or_else(|| self.others(), Ok).map_err(|error| error.detail)?;
        checks::peers(self.parts.network.peers().len(), others)
    }

    /// Whether the ledger knows another node.
    fn others(&self) -> ServiceResult<bool> {
        let two = nodes::list(&self.parts.chain.reader()?, None, 2)?;
        Ok(two.iter().any(|node| node.node != self.parts.node))
    }

    fn model(&self) -> Result<String, String> {
        match self.parts.embedder.info() {
            Ok(info) => Ok(format!("{} is loaded", info.name)),
            Err(_) if !self.parts.needs_model => Ok("there is none, and this node's roles need none".to_owned()),
            Err(error) => Err(error.detail),
        }
    }

    async fn disk(&self) -> Result<String, String> {
        if let Some(reason) = &self.parts.network.collector().borrow().stopped {
            return Err(format!("the blob store is closed ({reason}); it is opened again by itself once it can be"));
        }
        let (data, min_free) = (self.parts.data.clone(), self.parts.min_free);
        let free = tokio::task::spawn_blocking(move || fs4::available_space(data)).await;
        match free {
            Ok(Ok(free)) => checks::disk(free, min_free),
            Ok(Err(error)) => Err(format!("cannot tell how much of the disk is free: {error}")),
            Err(error) => Err(format!("cannot tell how much of the disk is free: {error}")),
        }
    }
}

/// Where CometBFT stands, transactions that wait, and how many validators there are; before the first block it can't tell.
async fn ask(rpc: &RpcClient) -> Result<(RpcStatus, u64, Option<u64>), RpcError> {
    let (status, waiting) = tokio::try_join!(rpc.status(), rpc.waiting_txs())?;
    let validators = if status.height == 0 { None } else { Some(rpc.validators().await?) };
    Ok((status, waiting, validators))
}
