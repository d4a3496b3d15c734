//! A running node: its tasks, how it ends, and in which order.
//!
//! Whatever ends first decides: a request to stop, a critical task that failed, or CometBFT's death. The rest then stops
//! in order, so that nothing outlives what it needs: interface and workers, network, CometBFT, application, stores.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use datanet_api::{Join, RunFile};
use datanet_config::{Home, NodeConfig, Role};
use datanet_ledger::abci::AbciServer;
use datanet_ledger::solo::SoloEngine;
use datanet_p2p::NetworkEvent;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::join::{comet_address, join_by};
use super::lock::HomeLock;
use super::services::Composed;
use super::spawn;
use crate::cometbft::CometHandle;
use crate::http::{self, Services};
use crate::intake::PendingUploads;
use crate::training::TrainingWorker;
use crate::trainings::seller::TrainingSeller;
use crate::upgrade::{self, UpgradeNeeded};
use crate::workers::auditor::Auditor;
use crate::workers::contributions::ContributionsWorker;
use crate::workers::gossip::GossipWorker;
use crate::workers::keeper::StatementKeeper;
use crate::workers::reconciler::Reconciler;
use crate::workers::registrar::Registrar;
use crate::workers::settler;

/// What orders transactions, as something that runs.
pub(super) enum Consensus {
    /// The application's socket and the process behind it.
    CometBft {
        /// The socket.
        abci: AbciServer,
        /// The process.
        comet: CometHandle,
    },
    /// The engine in this process.
    Solo(SoloEngine),
}

/// Everything that has been started.
pub(super) struct Parts {
    pub composed: Composed,
    pub home: Home,
    pub config: NodeConfig,
    pub lock: HomeLock,
    pub listener: TcpListener,
    /// Of the public face, if there is one.
    pub public: Option<TcpListener>,
    pub token: String,
    pub events: mpsc::Receiver<NetworkEvent>,
    pub consensus: Consensus,
    pub consensus_stop: CancellationToken,
}

/// A running node. Clones are handles of the same one.
#[derive(Clone)]
pub struct NodeHandle {
    services: Services,
    home: Home,
    token: String,
    run: RunFile,
    ended: watch::Receiver<Option<Result<(), String>>>,
}

/// Waiting hints for the contributions worker; more are dropped, since it looks for itself after every block.
const HINTS: usize = 256;

impl NodeHandle {
    pub(super) async fn run(parts: Parts) -> Result<Self> {
        let api = parts.listener.local_addr().context("the interface has no address")?;
        let run = run_file(&parts, api);
        let path = parts.home.run_file();
        let temporary = path.with_extension("new");
        std::fs::write(&temporary, serde_json::to_vec_pretty(&run)?)
            .and_then(|()| std::fs::rename(&temporary, &path))
            .with_context(|| format!("cannot write {}", path.display()))?;
        let (services, home, token) = (parts.composed.services.clone(), parts.home.clone(), parts.token.clone());
        let (ended, ended_receiver) = watch::channel(None);
        tokio::spawn(async move {
            let result = supervise(parts).await;
            if let Err(error) = &result {
                tracing::error!(error = %format!("{error:#}"), "the node stopped");
            }
            ended.send_replace(Some(result.map_err(|error| format!("{error:#}"))));
        });
        Ok(Self { services, home, token, run, ended: ended_receiver })
    }

    /// What the node consists of.
    pub fn services(&self) -> &Services {
        &self.services
    }

    /// Where everything lies.
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// Its base address: `http://127.0.0.1:PORT`.
    pub fn api_url(&self) -> String {
        self.run.api.clone()
    }

    /// The public face's base address, if there is one.
    pub fn public_url(&self) -> Option<&str> {
        self.run.public.as_deref()
    }

    /// The interface's token.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// How a node on another machine joins; `None` if only this machine can reach this node.
    pub fn join(&self) -> Option<&Join> {
        self.run.join.as_ref()
    }

    /// The node's name.
    pub fn name(&self) -> &str {
        &self.run.name
    }

    /// Waits until the node has ended.
    ///
    /// # Errors
    /// When it ended without being asked to: why.
    pub async fn wait(&self) -> Result<()> {
        let mut ended = self.ended.clone();
        let result = ended.wait_for(Option::is_some).await.context("the node's supervisor is gone")?;
        let Some(Err(reason)) = result.as_ref() else { return Ok(()) };
        // Whichever part met it first: a newer program is what it takes.
        let outdated = self.services.chain.ledger().app().outdated().ok().flatten();
        Err(outdated.map_or_else(
            || anyhow!("{reason}"),
            |outdated| UpgradeNeeded { outdated, home: self.home.root().to_owned() }.into(),
        ))
    }

    /// Stops the node in order and waits for its end.
    ///
    /// # Errors
    /// As [`NodeHandle::wait`].
    pub async fn stop(&self) -> Result<()> {
        self.services.shutdown.cancel();
        self.wait().await
    }
}

fn run_file(parts: &Parts, api: SocketAddr) -> RunFile {
    let comet = match &parts.consensus {
        Consensus::CometBft { comet, .. } => Some(comet),
        Consensus::Solo(_) => None,
    };
    let services = &parts.composed.services;
    let p2p = services.network.listen_addrs();
    let external = &parts.config.consensus.external_address;
    let comet_p2p =
        comet.map(|comet| format!("{}@{}", comet.node_id(), comet_address(external, comet.p2p_addr(), &p2p)));
    RunFile {
        pid: std::process::id(),
        api: spawn::local_url(api),
        name: parts.config.node.name.clone(),
        node_key: services.identity.node_key(),
        join: comet_p2p.as_ref().and_then(|comet| join_by(&parts.home.genesis(), &p2p, comet)),
        p2p,
        comet_rpc: comet.map(|comet| comet.rpc().socket().to_owned()),
        comet_p2p,
        comet_pid: comet.map(CometHandle::pid),
        public: parts.public.as_ref().and_then(|public| public.local_addr().ok()).map(spawn::local_url),
    }
}

/// Runs the tasks until one ends, then stops everything in order.
async fn supervise(parts: Parts) -> Result<()> {
    let Parts { composed, home, config, lock, listener, public, token, events, consensus, consensus_stop } = parts;
    let Composed { services, steps, providers, progress } = composed;
    let db = steps.db.clone();
    let (shutdown, chain, followed) =
        (services.shutdown.clone(), services.chain.clone(), config.datanets.subscribe.clone());
    let (hints, hints_receiver) = mpsc::channel(HINTS);
    let gossip = GossipWorker {
        chain: chain.clone(),
        network: services.network.clone(),
        providers,
        followed: followed.clone(),
        hints,
        shutdown: shutdown.clone(),
    };
    let reconciler = Reconciler {
        chain: chain.clone(),
        blobs: services.blobs.clone(),
        db: db.clone(),
        pending: PendingUploads::new(chain.clone(), services.blobs.clone()),
        identity: services.identity.clone(),
        models: services.models.clone(),
        shutdown: shutdown.clone(),
    };
    let keeps = config.node.roles.contains(&Role::Storage);
    let keeper = StatementKeeper {
        chain: chain.clone(),
        billing: services.billing.clone(),
        identity: services.identity.clone(),
        shutdown: shutdown.clone(),
    };
    let judges = config.judging.automatic && config.node.roles.contains(&Role::Validator);
    let watches = config.judging.watch_epochs;
    let contributions =
        ContributionsWorker::new(steps, followed, config.judging, hints_receiver, progress, shutdown.clone());
    let registrar = Registrar {
        chain: chain.clone(),
        identity: services.identity.clone(),
        node: config.node,
        shutdown: shutdown.clone(),
    };
    let auditor = Auditor {
        audits: services.audits.clone(),
        db,
        identity: services.identity.clone(),
        watches,
        shutdown: shutdown.clone(),
    };
    let every = Duration::from_secs(config.serving.settle_every_seconds);
    let settling = settler::run(services.billing.clone(), chain.clone(), every, shutdown.clone());
    let training = TrainingWorker::new(services.training.clone(), shutdown.clone());
    let seller = TrainingSeller::new(services.trainings.clone(), shutdown.clone());
    let mut tasks = JoinSet::new();
    let name = |name: &'static str, task: tokio::task::JoinHandle<Result<()>>| async move { (name, task.await) };
    tasks.spawn(name("api", tokio::spawn(http::serve(listener, services.clone(), config.api, token))));
    let upgrading = upgrade::watch(chain.clone(), home.root().to_owned(), shutdown.clone());
    tasks.spawn(name("upgrade", tokio::spawn(upgrading)));
    if let Some(public) = public {
        let own = config.public.deny_file.as_os_str().is_empty();
        let deny_file = if own { home.denied() } else { config.public.deny_file.clone() };
        let face = http::public::serve(public, services.clone(), config.public, deny_file);
        tasks.spawn(name("public", tokio::spawn(face)));
    }
    tasks.spawn(name("gossip", tokio::spawn(gossip.run(events))));
    tasks.spawn(name("contributions", tokio::spawn(contributions.run())));
    tasks.spawn(name("reconciler", tokio::spawn(until_stopped(&shutdown, reconciler.run()))));
    tasks.spawn(name("registrar", tokio::spawn(until_stopped(&shutdown, registrar.run()))));
    tasks.spawn(name("trainer", tokio::spawn(training.run())));
    tasks.spawn(name("training-seller", tokio::spawn(seller.run())));
    tasks.spawn(name("readiness", tokio::spawn(services.status.readiness.clone().follow())));
    if judges {
        tasks.spawn(name("auditor", tokio::spawn(until_stopped(&shutdown, auditor.run()))));
    }
    if keeps {
        tasks.spawn(name("keeper", tokio::spawn(until_stopped(&shutdown, keeper.run()))));
    }
    tasks.spawn(name("settler", tokio::spawn(until_stopped(&shutdown, settling))));

    let reason = tokio::select! {
        () = shutdown.cancelled() => Ok(()),
        reason = consensus_ended(&consensus, &consensus_stop) => Err(reason),
        Some(ended) = tasks.join_next() => unasked(ended, &shutdown),
    };
    shutdown.cancel();
    while let Some(ended) = tasks.join_next().await {
        if let Err(error) = task_ended(ended) {
            tracing::debug!(%error, "a task ended badly while stopping");
        }
    }
    services.network.shutdown().await;
    stop_consensus(consensus, &consensus_stop).await;
    // Its absence says that the node was stopped in order.
    let _ = std::fs::remove_file(home.run_file());
    drop(lock);
    reason
}

type Ended = Result<(&'static str, Result<Result<()>, tokio::task::JoinError>), tokio::task::JoinError>;

/// Breaks a task off when the node stops: it may be waiting for a block that never comes, and finds its work on the
/// ledger after the next start.
fn until_stopped<T: Future<Output = Result<()>>>(
    shutdown: &CancellationToken,
    task: T,
) -> impl Future<Output = Result<()>> + use<T> {
    let shutdown = shutdown.clone();
    async move { shutdown.run_until_cancelled(task).await.unwrap_or(Ok(())) }
}

/// A critical task that ends while nobody asked for it is a failure, even if it does not say so itself.
fn unasked(ended: Ended, shutdown: &CancellationToken) -> Result<()> {
    let name = task_ended(ended)?;
    anyhow::ensure!(shutdown.is_cancelled(), "the {name} task ended by itself");
    Ok(())
}

fn task_ended(ended: Ended) -> Result<&'static str> {
    let (name, result) = ended.context("a task's watcher broke off")?;
    match result {
        Ok(Ok(())) => Ok(name),
        Ok(Err(error)) => Err(error.context(format!("the {name} task failed"))),
        Err(error) => Err(anyhow!("the {name} task broke off: {error}")),
    }
}

/// Comes back only if consensus ends without being asked to.
async fn consensus_ended(consensus: &Consensus, stop: &CancellationToken) -> anyhow::Error {
    match consensus {
        Consensus::CometBft { comet, .. } => tokio::select! {
            exit = comet.wait_exit() => match exit {
                Some(exit) => anyhow!("CometBFT ended: {exit}"),
                None => anyhow!("CometBFT ended"),
            },
            () = stop.cancelled() => anyhow!("the ledger failed; the log says why"),
        },
        Consensus::Solo(_) => {
            stop.cancelled().await;
            anyhow!("the ledger failed; the log says why")
        }
    }
}

pub(super) async fn stop_consensus(consensus: Consensus, stop: &CancellationToken) {
    let ended = match consensus {
        Consensus::CometBft { abci, comet } => {
            comet.stop().await;
            stop.cancel();
            abci.join().await.map_err(anyhow::Error::from)
        }
        Consensus::Solo(solo) => {
            stop.cancel();
            solo.join().await.map_err(anyhow::Error::from)
        }
    };
    if let Err(error) = ended {
        tracing::warn!(%error, "consensus did not stop cleanly");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_that_ends_by_itself_is_a_failure_unless_the_node_stops() {
        let shutdown = CancellationToken::new();
        let error = unasked(Ok(("gossip", Ok(Ok(())))), &shutdown).unwrap_err();
        assert_eq!(error.to_string(), "the gossip task ended by itself");
        shutdown.cancel();
        assert!(unasked(Ok(("gossip", Ok(Ok(())))), &shutdown).is_ok());
        let failed = Ok(("reconciler", Ok(Err(anyhow!("no disk")))));
        assert_eq!(format!("{:#}", unasked(failed, &shutdown).unwrap_err()), "the reconciler task failed: no disk");
    }
}
