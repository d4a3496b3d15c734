//! Keeps what other nodes settle: an epoch is paid once storage nodes attest that they have its statement.
//!
//! ```text
//!   the ledger: epochs that wait for words ─► queue: whose turn it is ─► fetch, check against the roots, keep ─► attest
//!                                                 ▲ later, each time twice as late ── what could not be had ──┘
//! ```
//!
//! It is level-triggered, as the contributions worker is: after each block it looks at what waits, and finds its work again after a crash. Of each
//! serving node one statement is fetched at a time, and of a node that was asked in vain none before those of all others, so that a thousand made-up
//! epochs keep nobody's waiting ([`queue`]). Storage nodes have turns, since only as many as the quorum are paid and whoever comes late pays for
//! nothing: which of them are first follows from the epoch, and each further group waits a while for those before it.

mod queue;

use std::time::{Duration, Instant};

use datanet_ledger::LedgerReader;
use datanet_ledger::component::settlement::{self, Epoch};
use datanet_ledger::component::{Params, nodes};
use datanet_types::action::{AttestStatement, role};
use datanet_types::{Action, NodeKey};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::auditor::{Place, soon};
use crate::billing::Billing;
use crate::chain::Chain;
use crate::error::{Code, ServiceResult};
use crate::keyring::Identity;
use queue::{Queue, SIDE_BY_SIDE, opens_at};

/// Epochs looked through after a block: those that end first. Who makes up more than these within the time for keeping them pays a transaction for
/// each.
const MAX_OPEN: usize = 16_384;
/// How often what was in vain is looked at where no block comes.
const TICK: Duration = Duration::from_secs(2);
/// How often statements that nobody needs any more are let go of.
const TIDYING: Duration = Duration::from_secs(600);

/// See the module.
pub struct StatementKeeper {
    /// The ledger.
    pub chain: Chain,
    /// Who reads statements and keeps them.
    pub billing: Billing,
    /// In whose name.
    pub identity: Identity,
    /// Ends when the node stops.
    pub shutdown: CancellationToken,
}

impl StatementKeeper {
    /// Runs until the node stops.
    ///
    /// # Errors
    /// None: what cannot be kept now is told, and tried again later.
    pub async fn run(self) -> anyhow::Result<()> {
        let (mut queue, mut tasks) = (Queue::default(), JoinSet::new());
        let mut commits = self.chain.commits();
        commits.mark_changed();
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut tidied: Option<Instant> = None;
        loop {
            tokio::select! {
                () = self.shutdown.cancelled() => return Ok(()),
                changed = commits.changed() => if changed.is_err() { return Ok(()) },
                _ = ticks.tick(), if queue.is_waiting() => {}
                Some(done) = tasks.join_next() => match done {
                    Ok((place, outcome)) => on_done(&mut queue, place, outcome),
                    Err(error) => {
                        tracing::error!(%error, "keeping a statement broke off");
                        queue.none_under_way();
                    }
                }
            }
            if tidied.is_none_or(|at| at.elapsed() > TIDYING) && self.chain.height() > 0 {
                tidied = Some(Instant::now());
                if let Err(error) = self.billing.let_witnessed_go().await {
                    tracing::warn!(%error, "statements that nobody needs are not let go of; that is tried again later");
                }
            }
            if let Err(error) = self.look(&mut queue, &mut tasks) {
                tracing::warn!(%error, "could not look at what waits to be kept; that is tried again after the next block");
            }
        }
    }

    /// Compares what waits with what is under way, and starts what may.
    fn look(&self, queue: &mut Queue, tasks: &mut JoinSet<(Place, ServiceResult<()>)>) -> ServiceResult<()> {
        if self.chain.height() == 0 {
            return Ok(());
        }
        let reader = self.chain.reader()?;
        queue.set(self.waiting(&reader)?);
        while tasks.len() < SIDE_BY_SIDE {
            let Some(epoch) = queue.start(Instant::now()) else { break };
            let (chain, billing, identity) = (self.chain.clone(), self.billing.clone(), self.identity.clone());
            tasks.spawn(async move { ((epoch.node, epoch.epoch), keep(&chain, &billing, &identity, &epoch).await) });
        }
        Ok(())
    }

    /// The epochs of others that wait for a word of this node's, and whose turn it is to say so.
    fn waiting(&self, reader: &LedgerReader) -> ServiceResult<Vec<Epoch>> {
        let (unkept, mut waiting) = (unkept(reader)?, Vec::new());
        if unkept.is_empty() {
            return Ok(waiting);
        }
        let (own, account, now) = (self.identity.node_key(), self.identity.account()?, reader.block_seconds());
        let keepers = keepers(reader, &self.chain.params()?)?;
        // Without the stake for it nobody's word is heard.
        if !keepers.contains(&own) {
            return Ok(waiting);
        }
        for epoch in unkept {
            let said = settlement::keepers(reader, &epoch.node, epoch.epoch)?;
            let is_own = nodes::get(reader, &epoch.node)?.is_none_or(|node| node.account == account);
            if is_own || said.iter().any(|keeper| keeper.node == own) {
                continue;
            }
            if now >= opens_at(&epoch, &self.chain.params_at(epoch.height)?, &own, &keepers) {
                waiting.push(epoch);
            }
        }
        Ok(waiting)
    }
}

/// Open epochs, and those that are audited, that take more words.
fn unkept(reader: &LedgerReader) -> ServiceResult<Vec<Epoch>> {
    let mut open = settlement::open(reader, MAX_OPEN)?;
    for audit in datanet_ledger::component::audits::open(reader, MAX_OPEN)? {
        open.extend(settlement::epoch(reader, &audit.node, audit.epoch)?);
    }
    open.retain(|epoch| !epoch.is_kept());
    Ok(open)
}

/// All nodes whose word is heard, by key.
fn keepers(reader: &LedgerReader, params: &Params) -> ServiceResult<Vec<NodeKey>> {
    let all = nodes::list(reader, None, usize::MAX)?;
    let keeps = |node: &nodes::Node| node.has(role::STORAGE) && node.stake >= params.min_storage_stake;
    Ok(all.into_iter().filter(keeps).map(|node| node.node).collect())
}

/// Has an epoch's statement here for good, and says so.
async fn keep(chain: &Chain, billing: &Billing, identity: &Identity, epoch: &Epoch) -> ServiceResult<()> {
    billing.keep_statement(epoch).await?;
    let action = AttestStatement { node: identity.node_key(), serving: epoch.node, epoch: epoch.epoch };
    let key = identity.account_key()?;
    soon(async { Ok(chain.execute(&key, Action::AttestStatement(action)).await?.hash) }).await?;
    tracing::info!(node = %epoch.node, epoch = epoch.epoch, "attested a statement that is kept here");
    Ok(())
}

fn on_done(queue: &mut Queue, place: Place, outcome: ServiceResult<()>) {
    let Err(error) = outcome else { return queue.succeeded(&place) };
    let pause = queue.failed(&place, Instant::now());
    match error.code {
        // Others were first, or it is over: the ledger says so with the next look.
        Code::TransactionRefused => tracing::debug!(node = %place.0, epoch = place.1, %error, "a word is not wanted"),
        _ => {
            tracing::info!(node = %place.0, epoch = place.1, %error, ?pause, "a statement is not kept; it is tried again")
        }
    }
}
