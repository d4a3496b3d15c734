//! From a spec to an agent that works until it is done, or asked to stop.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use datanet_types::Amount;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::control::Lock;
use super::desk::Desk;
use super::hands::Hands;
use super::journal::Journal;
use super::kinds::{buyer, curator, judge, service};
use super::node::Node;
use super::policy::Policy;
use super::purse::{Limits, Purse};
use super::spec::{Kind, Loaded};

/// The journal's file in the agent's folder.
pub const JOURNAL: &str = "journal";

/// Who is told how it goes, a line at a time.
#[derive(Clone)]
pub struct Told(Arc<dyn Fn(&str) + Send + Sync>);

impl std::fmt::Debug for Told {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Told")
    }
}

impl Told {
    /// Whoever takes lines.
    pub fn new(line: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self(Arc::new(line))
    }

    /// Says a line.
    pub fn say(&self, line: &str) {
        (self.0)(line);
    }
}

/// What an agent did, since it has a journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Decisions that were carried out.
    pub done: u64,
    /// Decisions that somebody refused.
    pub refused: u64,
    /// Decisions to do nothing.
    pub passed: u64,
    /// Decisions of which nothing is known yet.
    pub pending: u64,
    /// Base units spent.
    pub spent: Amount,
}

/// Runs an agent.
///
/// # Errors
/// When another process runs it, its node, token or journal are not what they must be, or its journal cannot be written.
pub async fn run(loaded: &Loaded, stop: CancellationToken, told: Told) -> Result<Summary> {
    let Loaded { spec, kind, hash, state } = loaded;
    let _lock = Lock::take(state)?;
    let limits = Limits::from(&spec.budget);
    let journal = Journal::open(&state.join(JOURNAL), limits.window)?;
    if let Some((agent, was)) = journal.memory().agent() {
        ensure!(
            *agent == spec.name && was == kind.name(),
            "{} is the folder of {agent}, a {was}; give this agent another name",
            state.display()
        );
    }
    let node = Node::reach(spec, *kind).await?;
    let mut purse = Purse::new(journal, limits, &spec.name);
    purse.begin(kind.name(), *hash)?;
    let policy = Policy::of(spec)?;
    let hands = Hands::new(spec, state)?;
    let mut desk = Desk { purse, hands, node, stop, told };
    desk.take_up().await?;
    work(&mut desk, &policy, loaded).await?;
    let memory = desk.purse.memory();
    let (done, refused, passed) = memory.counts();
    Ok(Summary { done, refused, passed, pending: memory.pending().count() as u64, spent: memory.total() })
}

async fn work(desk: &mut Desk, policy: &Policy, loaded: &Loaded) -> Result<()> {
    let spec = &loaded.spec;
    match loaded.kind {
        Kind::Buyer => buyer::run(desk, policy, spec.buyer.as_ref().context("no [buyer]")?).await,
        Kind::Curator => {
            let part = spec.curator.as_ref().context("no [curator]")?;
            curator::run(desk, policy, part, &spec.material).await
        }
        Kind::Judge => judge::run(desk, policy, spec.judge.as_ref().context("no [judge]")?).await,
        Kind::Service => service::run(desk, spec.service.as_ref().context("no [service]")?).await,
    }
}
