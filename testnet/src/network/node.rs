//! One node of a network.

use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};

use super::{NodeEntry, process};
use crate::api::{Client, Status};

/// How long one node may take to be ready.
const READY: Duration = Duration::from_secs(120);
/// A file that another process writes cannot be awaited portably; this is how often one looks.
const LOOK: Duration = Duration::from_millis(100);
/// Lines of its log shown when a node does not come up.
const LAST_LINES: usize = 15;

/// What a running node tells in `run.json`.
#[derive(Debug, Clone, Deserialize)]
struct RunFile {
    api: String,
    pid: i64,
}

/// A node: its home, and its process if this program started it.
#[derive(Debug)]
pub struct Node {
    entry: NodeEntry,
    child: Option<Child>,
}

/// A node as `testnet status --json` shows it.
#[derive(Debug, Clone, Serialize)]
pub struct NodeReport {
    /// Its name.
    pub name: String,
    /// Its address, `None` while it is down.
    pub api: Option<String>,
    /// The API's bearer token.
    pub token: Option<String>,
    /// Its folder.
    pub home: PathBuf,
    /// The height of its last block.
    pub height: Option<u64>,
    /// The state hash after it.
    pub app_hash: Option<String>,
    /// How many gossip peers it has.
    pub peers: Option<u64>,
}

impl Node {
    pub(super) fn new(entry: NodeEntry) -> Self {
        Self { entry, child: None }
    }

    pub(super) fn entry(&self) -> &NodeEntry {
        &self.entry
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.entry.name
    }

    /// Its folder.
    pub fn home(&self) -> &Path {
        &self.entry.home
    }

    /// Its own account, `dn1…`.
    pub fn account(&self) -> &str {
        &self.entry.account
    }

    /// Whether its process runs.
    pub fn is_running(&self) -> bool {
        !process::processes_of(self.home()).is_empty()
    }

    /// Its address, while it runs.
    ///
    /// # Errors
    /// When it does not run or is still starting.
    pub fn api(&self) -> Result<String> {
        Ok(self.run_file()?.api)
    }

    /// The API's bearer token.
    ///
    /// # Errors
    /// When its home has none.
    pub fn token(&self) -> Result<String> {
        let path = self.home().join("api-token");
        let token = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(token.trim().to_owned())
    }

    /// A client of it.
    ///
    /// # Errors
    /// When it does not run.
    pub fn client(&self) -> Result<Client> {
        Ok(Client::new(&self.api()?, &self.token()?)?)
    }

    fn run_file(&self) -> Result<RunFile> {
        let text = std::fs::read_to_string(self.home().join("run.json"))
            .with_context(|| format!("{} does not run", self.name()))?;
        let run: RunFile =
            serde_json::from_str(&text).with_context(|| format!("the run.json of {} is damaged", self.name()))?;
        // A killed node leaves its file behind.
        let alive = process::processes_of(self.home()).iter().any(|pid| i64::from(pid.as_raw()) == run.pid);
        if alive { Ok(run) } else { bail!("{} does not run", self.name()) }
    }

    /// Where it stands.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn status(&self) -> Result<Status> {
        Ok(self.client()?.status().await?)
    }

    /// Where it stands, for people and programs; what cannot be known is left out.
    pub async fn report(&self) -> NodeReport {
        let status = self.status().await.ok();
        NodeReport {
            name: self.name().to_owned(),
            api: self.api().ok(),
            token: self.token().ok(),
            home: self.home().to_owned(),
            height: status.as_ref().map(|s| s.height),
            app_hash: status.as_ref().map(|s| s.app_hash.clone()),
            peers: status.as_ref().map(|s| s.peers),
        }
    }

    /// The files it logs to, those that hold something: the node's own log (all that it prints), then CometBFT's.
    pub fn logs(&self) -> Vec<PathBuf> {
        let files = [process::log_path(self.home()), self.home().join("cometbft").join("cometbft.log")];
        files.into_iter().filter(|path| std::fs::metadata(path).is_ok_and(|m| m.is_file() && m.len() > 0)).collect()
    }

    /// Starts its process; does not wait.
    pub(super) fn start(&mut self, program: &Path) -> Result<()> {
        self.child =
            Some(process::start(program, self.home()).with_context(|| format!("cannot start {}", self.name()))?);
        Ok(())
    }

    /// Waits until it is ready: its run file names the new process, and `/health/ready` says so.
    pub(super) async fn wait_ready(&mut self) -> Result<()> {
        let deadline = Instant::now() + READY;
        loop {
            if let Ok(client) = self.client()
                && client.is_ready().await
            {
                return Ok(());
            }
            if let Some(status) = self.child.as_mut().map(Child::try_wait).transpose()?.flatten() {
                bail!("{} ended while starting ({status}); its last lines:\n{}", self.name(), self.last_lines());
            }
            if Instant::now() >= deadline {
                bail!(
                    "{} is not ready after {} s; its last lines:\n{}",
                    self.name(),
                    READY.as_secs(),
                    self.last_lines()
                );
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Waits until the ledger knows it: only then is it drawn into committees and may attest and serve.
    pub(super) async fn wait_registered(&self) -> Result<()> {
        let deadline = Instant::now() + READY;
        while self.status().await?.roles.is_empty() {
            if Instant::now() >= deadline {
                bail!(
                    "{} is not registered on the ledger after {} s; its last lines:\n{}",
                    self.name(),
                    READY.as_secs(),
                    self.last_lines()
                );
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    fn last_lines(&self) -> String {
        let text: String = std::fs::read_to_string(process::log_path(self.home())).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(LAST_LINES)..].join("\n")
    }

    /// Stops it in order.
    pub(super) async fn stop(&mut self) -> Result<()> {
        process::stop(self.home()).await?;
        self.reap()
    }

    /// Waits until it ends by itself.
    pub(super) async fn wait_ended(&mut self, patience: Duration) -> Result<ExitStatus> {
        let deadline = Instant::now() + patience;
        loop {
            let child = self.child.as_mut().context("it was not started by this program")?;
            if let Some(status) = child.try_wait()? {
                self.child = None;
                return Ok(status);
            }
            if Instant::now() >= deadline {
                bail!(
                    "{} still runs after {} s; its last lines:\n{}",
                    self.name(),
                    patience.as_secs(),
                    self.last_lines()
                );
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Kills it and its CometBFT.
    pub(super) async fn kill(&mut self) -> Result<()> {
        process::kill_now(self.home()).await?;
        self.reap()
    }

    /// Takes the exit status of a child that has ended, so that no zombie is left.
    fn reap(&mut self) -> Result<()> {
        if let Some(mut child) = self.child.take() {
            child.wait()?;
        }
        Ok(())
    }

    /// The highest resident memory of its process so far, in bytes.
    pub fn peak_memory(&self) -> Option<u64> {
        process::peak_memory(self.home())
    }
}
