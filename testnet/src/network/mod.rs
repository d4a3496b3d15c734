//! A local network: nodes as processes, from empty homes to agreement, and down again.
//!
//! Everything is on disk under one folder (`.testnet/<name>`): `network.json` names the nodes, `node0…` are their homes.
//! So any later call finds a network that an earlier one started, whether or not that one still runs.

mod homes;
mod node;
pub(crate) mod ports;
pub(crate) mod process;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use datanet_ledger::component::Params;
use futures::future::{join_all, try_join_all};
use serde::{Deserialize, Serialize};

use crate::api::Client;
pub(crate) use homes::progress;
pub use homes::setup;
pub use node::{Node, NodeReport};

/// How long a network may take from start to agreement before something is wrong.
const AGREEMENT: Duration = Duration::from_secs(120);
/// How often nodes are asked while waiting for them to agree; a block takes longer.
const ASK: Duration = Duration::from_millis(100);

/// Who orders transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// A CometBFT validator beside each node.
    Cometbft,
    /// The one node itself (`datanet dev`).
    Solo,
}

/// A network to make.
#[derive(Debug, Clone)]
pub struct NetworkOptions {
    /// Its folder.
    pub dir: PathBuf,
    /// Its name; part of the chain's id.
    pub name: String,
    /// How many nodes, 1 to 32.
    pub nodes: usize,
    /// Who orders transactions; [`Engine::Solo`] takes one node.
    pub engine: Engine,
    /// Whether the nodes score contributions by themselves.
    pub automatic_judging: bool,
    /// The chain's numbers.
    pub params: Params,
    /// Threads of each node's model; one by default, because the nodes share this machine's cores.
    pub inference_threads: u32,
}

impl NetworkOptions {
    /// Nodes with CometBFT validators, in `dir`.
    pub fn new(dir: impl Into<PathBuf>, name: &str, nodes: usize) -> Self {
        let (dir, name) = (dir.into(), name.to_owned());
        let params = homes::params();
        Self { dir, name, nodes, engine: Engine::Cometbft, automatic_judging: true, params, inference_threads: 1 }
    }
}

/// What `network.json` says.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Manifest {
    name: String,
    chain_id: String,
    nodes: Vec<NodeEntry>,
}

/// One node of `network.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct NodeEntry {
    /// `node0`, `node1`, …
    name: String,
    /// Its folder, absolute.
    home: PathBuf,
    /// Its own account, `dn1…`, rich since genesis.
    account: String,
}

/// The state that all nodes had at one height.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agreement {
    /// The height.
    pub height: u64,
    /// The state hash after it, hex.
    pub app_hash: String,
}

/// A local network.
#[derive(Debug)]
pub struct Network {
    dir: PathBuf,
    chain_id: String,
    nodes: Vec<Node>,
    /// What a node is a process of; this program if not told otherwise.
    program: Option<PathBuf>,
}

impl Network {
    /// Where networks live unless told otherwise: `.testnet` in the workspace, or here if that is gone.
    pub fn default_root() -> PathBuf {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().filter(|p| p.join("Cargo.toml").is_file());
        workspace.unwrap_or_else(|| Path::new(".")).join(".testnet")
    }

    /// Makes fresh homes: keys, tokens, one genesis, ports that are free now. Starts nothing.
    ///
    /// # Errors
    /// When the folder holds a network already, or a home cannot be made.
    pub async fn create(options: &NetworkOptions) -> Result<Self> {
        ensure!((1..=32).contains(&options.nodes), "a local network has 1 to 32 nodes, not {}", options.nodes);
        ensure!(
            options.engine == Engine::Cometbft || options.nodes == 1,
            "the solo engine drives one node, not {}",
            options.nodes
        );
        let dir = std::path::absolute(&options.dir)?;
        if Self::exists(&dir) {
            bail!("{} holds a network already: remove it with `testnet down --delete`", dir.display());
        }
        std::fs::create_dir_all(&dir).with_context(|| format!("cannot make the folder {}", dir.display()))?;
        let chain_id = format!("{}-{}", options.name, std::process::id());
        let nodes = homes::create(&dir, &chain_id, options).await?;
        let manifest = Manifest { name: options.name.clone(), chain_id, nodes };
        // Last, so that a network that is half made is not found.
        write_manifest(&dir, &manifest)?;
        Ok(Self::of(dir, manifest))
    }

    /// A network made before.
    ///
    /// # Errors
    /// When there is none in `dir`.
    pub fn open(dir: &Path) -> Result<Self> {
        let dir = std::path::absolute(dir)?;
        let path = dir.join("network.json");
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("no network in {}: start one with `cargo testnet up`", dir.display()))?;
        let manifest = serde_json::from_str(&text).with_context(|| format!("{} is damaged", path.display()))?;
        Ok(Self::of(dir, manifest))
    }

    /// Whether `dir` holds a network.
    pub fn exists(dir: &Path) -> bool {
        dir.join("network.json").is_file()
    }

    /// Makes one more node that follows this network without ordering it, in `dir`, as a network of its own: it starts
    /// and stops by itself. Its account owns nothing: it registers once somebody has sent it enough.
    ///
    /// # Errors
    /// When `dir` holds a network already, or the home cannot be made.
    pub fn newcomer(&self, dir: &Path, name: &str) -> Result<Self> {
        let dir = std::path::absolute(dir)?;
        if Self::exists(&dir) {
            bail!("{} holds a network already: remove it with `testnet down --delete`", dir.display());
        }
        std::fs::create_dir_all(&dir).with_context(|| format!("cannot make the folder {}", dir.display()))?;
        let others: Vec<NodeEntry> = self.nodes.iter().map(|node| node.entry().clone()).collect();
        let nodes = vec![homes::create_newcomer(&dir, name, &others)?];
        let manifest = Manifest { name: name.to_owned(), chain_id: self.chain_id.clone(), nodes };
        write_manifest(&dir, &manifest)?;
        Ok(Self { program: self.program.clone(), ..Self::of(dir, manifest) })
    }

    fn of(dir: PathBuf, manifest: Manifest) -> Self {
        Self {
            dir,
            chain_id: manifest.chain_id,
            nodes: manifest.nodes.into_iter().map(Node::new).collect(),
            program: None,
        }
    }

    /// Runs nodes as `PROGRAM node start …` from now on: for tests, whose own program is no node.
    pub fn run_with(&mut self, program: impl Into<PathBuf>) {
        self.program = Some(program.into());
    }

    /// What a node is a process of.
    pub(crate) fn program(&self) -> Result<PathBuf> {
        match &self.program {
            Some(program) => Ok(program.clone()),
            None => std::env::current_exe().context("cannot tell where this program is"),
        }
    }

    /// The folder of everything.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The chain's id.
    pub fn chain_id(&self) -> &str {
        &self.chain_id
    }

    /// The nodes in order.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// One node by its name or number.
    ///
    /// # Errors
    /// Naming those that exist.
    pub fn node(&self, name: &str) -> Result<&Node> {
        let found = self.nodes.iter().enumerate().find(|(i, node)| node.name() == name || i.to_string() == name);
        found
            .map(|(_, node)| node)
            .with_context(|| format!("no node {name:?}: there are node0 to node{}", self.nodes.len() - 1))
    }

    /// Whether any node's process runs.
    pub fn is_running(&self) -> bool {
        self.nodes.iter().any(Node::is_running)
    }

    /// Starts every node that does not run, waits until each is ready and all agree. `tell` is told what happens.
    ///
    /// # Errors
    /// When a node ends or is not ready in time, with the end of its log; those that run are left to the caller.
    pub async fn up(&mut self, tell: impl Fn(&str)) -> Result<Agreement> {
        let program = self.program()?;
        for node in &mut self.nodes {
            if !node.is_running() {
                node.start(&program)?;
            }
        }
        let ready = std::cell::Cell::new(0);
        let count = self.nodes.len();
        try_join_all(self.nodes.iter_mut().map(|node| {
            let (ready, tell) = (&ready, &tell);
            async move {
                node.wait_ready().await?;
                ready.set(ready.get() + 1);
                tell(&format!("{} of {count} nodes ready", ready.get()));
                anyhow::Ok(())
            }
        }))
        .await?;
        tell("waiting until all are registered");
        try_join_all(self.nodes.iter().map(Node::wait_registered)).await?;
        tell("waiting until all have the same state");
        self.agreement().await
    }

    /// Waits until there is a height at which every node has been seen, and compares their states there.
    ///
    /// # Errors
    /// When two nodes have different states at one height, or they do not meet in time.
    pub async fn agreement(&self) -> Result<Agreement> {
        let mut seen = BTreeMap::<u64, BTreeMap<usize, String>>::new();
        let deadline = Instant::now() + AGREEMENT;
        loop {
            let statuses = join_all(self.nodes.iter().map(Node::status)).await;
            for (index, status) in statuses.iter().enumerate() {
                if let Ok(status) = status {
                    seen.entry(status.height).or_default().insert(index, status.app_hash.clone());
                }
            }
            for (height, hashes) in seen.iter().filter(|(_, hashes)| hashes.len() > 1) {
                let mut different = hashes.values().collect::<Vec<_>>();
                different.sort_unstable();
                different.dedup();
                ensure!(different.len() == 1, "nodes disagree at height {height}: their states hash to {different:?}");
            }
            let met = seen.iter().rev().find(|(height, hashes)| **height > 0 && hashes.len() == self.nodes.len());
            if let Some((height, hashes)) = met
                && let Some(app_hash) = hashes.values().next()
            {
                return Ok(Agreement { height: *height, app_hash: app_hash.clone() });
            }
            if Instant::now() >= deadline {
                let heights = seen.keys().next_back().copied().unwrap_or_default();
                let failed: Vec<String> = statuses.iter().filter_map(|s| Some(s.as_ref().err()?.to_string())).collect();
                bail!(
                    "the nodes do not agree after {} s; the highest block seen is {heights}; {}",
                    AGREEMENT.as_secs(),
                    failed.join("; ")
                );
            }
            tokio::time::sleep(ASK).await;
        }
    }

    /// Stops every node in order: SIGTERM, a wait, SIGKILL to what is left. The homes stay.
    ///
    /// # Errors
    /// When a process does not end.
    pub async fn down(&mut self) -> Result<()> {
        for ended in join_all(self.nodes.iter_mut().map(Node::stop)).await {
            ended?;
        }
        Ok(())
    }

    /// Stops every node at once and removes the folder.
    ///
    /// # Errors
    /// When a process does not end or the folder cannot be removed.
    pub async fn delete(mut self) -> Result<()> {
        self.down().await?;
        std::fs::remove_dir_all(&self.dir).with_context(|| format!("cannot remove {}", self.dir.display()))
    }

    /// Where each node stands; a node that cannot be reached has no height.
    pub async fn status(&self) -> Vec<NodeReport> {
        join_all(self.nodes.iter().map(Node::report)).await
    }

    /// A client of each node.
    ///
    /// # Errors
    /// When one does not run.
    pub fn clients(&self) -> Result<Vec<Client>> {
        self.nodes.iter().map(Node::client).collect()
    }

    /// Kills a node and its CometBFT as a power cut would.
    ///
    /// # Errors
    /// When there is no such node or it does not end.
    pub async fn kill(&mut self, index: usize) -> Result<()> {
        self.nodes.get_mut(index).context("no such node")?.kill().await
    }

    /// Starts a node again and waits until it is ready.
    ///
    /// # Errors
    /// When there is no such node, or it ends or is not ready in time.
    pub async fn restart(&mut self, index: usize) -> Result<()> {
        let program = self.program()?;
        let node = self.nodes.get_mut(index).context("no such node")?;
        node.start(&program)?;
        node.wait_ready().await
    }
    /// Waits until a node has ended by itself; returns its exit status.
    ///
    /// # Errors
    /// When this program did not start that node, or it still runs after `patience`.
    pub async fn wait_ended(&mut self, index: usize, patience: Duration) -> Result<ExitStatus> {
        self.nodes.get_mut(index).context("no such node")?.wait_ended(patience).await
    }
}

fn write_manifest(dir: &Path, manifest: &Manifest) -> Result<()> {
    let path = dir.join("network.json");
    std::fs::write(&path, format!("{:#}\n", serde_json::json!(manifest)))
        .with_context(|| format!("cannot write {}", path.display()))
}
