//! A running node: its tasks, how it ends, and in which order.
//!
//! Whatever ends first decides: a request to stop, a critical task that failed, or CometBFT's death. The rest then stops
//! in order, so that nothing outlives what it needs: interface and workers, network, CometBFT, application, stores.

use std::net::SocketAddr;

use anyhow::{Context, Result, anyhow};
use datanet_ledger::abci::AbciServer;
use datanet_ledger::solo::SoloEngine;
use datanet_p2p::NetworkEvent;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::core::Core;
use super::lock::HomeLock;
use super::{registrar, spawn};
use crate::cometbft::CometHandle;
use crate::workers::{gossip, settler, steward::Steward};

/// What orders transactions, as something that runs.
pub enum Consensus {
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
    pub core: Core,
    pub lock: HomeLock,
    pub listener: TcpListener,
    pub token: String,
    pub events: mpsc::Receiver<NetworkEvent>,
    pub consensus: Consensus,
    pub consensus_stop: CancellationToken,
}

/// What programs on this machine need to know of a running node; in its home as `run.json`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct RunFile {
    /// Its process.
    pub pid: u32,
    /// Where its interface is.
    pub api: String,
    /// Its name.
    pub name: String,
    /// Its key.
    pub node_key: datanet_types::NodeKey,
    /// Where the data network listens.
    pub p2p: Vec<String>,
    /// Where CometBFT's RPC listens.
    pub comet_rpc: Option<String>,
    /// Where CometBFT's peers connect.
    pub comet_p2p: Option<String>,
    /// CometBFT's process.
    pub comet_pid: Option<i32>,
}

/// A running node. Clones are handles of the same one.
#[derive(Clone)]
pub struct NodeHandle {
    core: Core,
    api: SocketAddr,
    token: String,
    run: RunFile,
    ended: watch::Receiver<Option<Result<(), String>>>,
}

/// Waiting hints for the steward; more are dropped, since it looks for itself after every block.
const HINTS: usize = 256;

impl NodeHandle {
    pub(super) async fn run(parts: Parts) -> Result<Self> {
        let api = parts.listener.local_addr().context("the interface has no address")?;
        let run = run_file(&parts, api);
        let path = parts.core.home.run_file();
        let temporary = path.with_extension("new");
        std::fs::write(&temporary, serde_json::to_vec_pretty(&run)?).context("cannot write run.json")?;
        std::fs::rename(&temporary, &path).context("cannot write run.json")?;
        let (core, token) = (parts.core.clone(), parts.token.clone());
        let (ended, ended_receiver) = watch::channel(None);
        tokio::spawn(async move {
            let result = supervise(parts).await;
            if let Err(error) = &result {
                tracing::error!(error = %format!("{error:#}"), "the node stopped");
            }
            ended.send_replace(Some(result.map_err(|error| format!("{error:#}"))));
        });
        Ok(Self { core, api, token, run, ended: ended_receiver })
    }

    /// The node's parts.
    pub fn core(&self) -> &Core {
        &self.core
    }

    /// Where the interface listens.
    pub fn api_addr(&self) -> SocketAddr {
        self.api
    }

    /// Its base address: `http://127.0.0.1:PORT`.
    pub fn api_url(&self) -> String {
        self.run.api.clone()
    }

    /// The interface's token.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// What stands in `run.json`.
    pub fn run_info(&self) -> &RunFile {
        &self.run
    }

    /// Waits until the node has ended, and says why if it was not asked to.
    pub async fn wait(&self) -> Result<()> {
        let mut ended = self.ended.clone();
        let result = ended.wait_for(Option::is_some).await.context("the node's supervisor is gone")?;
        match result.as_ref() {
            Some(Err(reason)) => Err(anyhow!("{reason}")),
            _ => Ok(()),
        }
    }

    /// Stops the node in order and waits for its end.
    pub async fn stop(&self) -> Result<()> {
        self.core.shutdown.cancel();
        self.wait().await
    }
}

fn run_file(parts: &Parts, api: SocketAddr) -> RunFile {
    let comet = match &parts.consensus {
        Consensus::CometBft { comet, .. } => Some(comet),
        Consensus::Solo(_) => None,
    };
    RunFile {
        pid: std::process::id(),
        api: spawn::local_url(api),
        name: parts.core.config.node.name.clone(),
        node_key: parts.core.node_key(),
        p2p: parts.core.network.listen_addrs(),
        comet_rpc: comet.map(|comet| format!("http://{}", comet.rpc_addr())),
        comet_p2p: comet.map(|comet| format!("{}@{}", comet.node_id(), comet.p2p_addr())),
        comet_pid: comet.map(CometHandle::pid),
    }
}

/// Runs the tasks until one ends, then stops everything in order.
async fn supervise(parts: Parts) -> Result<()> {
    let Parts { core, lock, listener, token, events, consensus, consensus_stop } = parts;
    let (hints, hints_receiver) = mpsc::channel(HINTS);
    let mut tasks = JoinSet::new();
    let name = |name: &'static str, task: tokio::task::JoinHandle<Result<()>>| async move { (name, task.await) };
    tasks.spawn(name("api", tokio::spawn(crate::http::serve(listener, core.clone(), token))));
    tasks.spawn(name("gossip", tokio::spawn(gossip::run(core.clone(), events, hints))));
    tasks.spawn(name("steward", tokio::spawn(Steward::new(core.clone(), hints_receiver).run())));
    tasks.spawn(name("registrar", tokio::spawn(until_stopped(&core, registrar::run(core.clone())))));
    tasks.spawn(name("trainer", tokio::spawn(crate::factory::run(core.clone()))));
    tasks.spawn(name("settler", tokio::spawn(until_stopped(&core, settler::run(core.clone())))));

    let reason = tokio::select! {
        () = core.shutdown.cancelled() => Ok(()),
        reason = consensus_ended(&consensus, &consensus_stop) => Err(reason),
        Some(ended) = tasks.join_next() => unasked(ended, &core.shutdown),
    };
    core.shutdown.cancel();
    while let Some(ended) = tasks.join_next().await {
        if let Err(error) = task_ended(ended) {
            tracing::debug!(%error, "a task ended badly while stopping");
        }
    }
    core.network.shutdown().await;
    stop_consensus(consensus, &consensus_stop).await;
    // Its absence says that the node was stopped in order.
    let _ = std::fs::remove_file(core.home.run_file());
    drop(lock);
    reason
}

type Ended = Result<(&'static str, Result<Result<()>, tokio::task::JoinError>), tokio::task::JoinError>;

/// Breaks a task off when the node stops: it may be waiting for a block that never comes, and finds its work on the
/// ledger after the next start.
fn until_stopped<T: Future<Output = Result<()>>>(core: &Core, task: T) -> impl Future<Output = Result<()>> + use<T> {
    let shutdown = core.shutdown.clone();
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

async fn stop_consensus(consensus: Consensus, stop: &CancellationToken) {
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
        let failed = Ok(("steward", Ok(Err(anyhow!("no disk")))));
        assert_eq!(format!("{:#}", unasked(failed, &shutdown).unwrap_err()), "the steward task failed: no disk");
    }
}
