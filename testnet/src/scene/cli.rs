//! The `datanet` command as people run it: a process for each call, told by its environment where the node's home is.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;
use tokio::process::Command;

use crate::network::Network;

/// The command of one node.
#[derive(Debug, Clone)]
pub struct Cli {
    program: PathBuf,
    home: PathBuf,
}

impl Cli {
    /// Of node `index`.
    ///
    /// # Errors
    /// When there is no such node.
    pub fn of(network: &Network, index: usize) -> Result<Self> {
        let home = network.nodes().get(index).context("no such node")?.home().to_owned();
        Ok(Self { program: network.program()?, home })
    }

    /// The node's home.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// The command with these arguments, not started yet. The home is in its environment and not among its arguments, by which processes of
    /// the node itself are found.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"DATANET_")) {
            command.env_remove(name);
        }
        command.arg("node").args(args).env("DATANET_HOME", &self.home).env("NO_COLOR", "1").kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    async fn output(&self, args: &[&str]) -> Result<Output> {
        let run = self.command(args).arg("--json").output().await;
        run.with_context(|| format!("cannot run {}", self.program.display()))
    }

    /// What it prints as JSON.
    ///
    /// # Errors
    /// When it fails, in its own words.
    pub async fn json(&self, args: &[&str]) -> Result<Value> {
        let output = self.output(args).await?;
        ensure!(output.status.success(), "datanet {}: {}", args.join(" "), said(&output));
        let text = String::from_utf8_lossy(&output.stdout);
        serde_json::from_str(text.trim()).with_context(|| format!("datanet {}: {text}", args.join(" ")))
    }

    /// It must be refused in these words.
    ///
    /// # Errors
    /// When it is not, or for another reason.
    pub async fn refused(&self, args: &[&str], says: &str) -> Result<()> {
        let output = self.output(args).await?;
        let said = said(&output);
        if output.status.success() {
            bail!("datanet {} was not refused: {said}", args.join(" "));
        }
        ensure!(said.contains(says), "datanet {} should say {says:?}: {said}", args.join(" "));
        Ok(())
    }

    /// A command about agents, on the ledger or as programs here.
    ///
    /// # Errors
    /// See [`Self::json`].
    pub async fn agent(&self, args: &[&str]) -> Result<Value> {
        self.json(&[&["agent"], args].concat()).await
    }
}

/// All that a process said.
fn said(output: &Output) -> String {
    let both = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    String::from_utf8_lossy(&both).trim().to_owned()
}

/// A field of an answer that is text.
///
/// # Errors
/// When there is none.
pub fn text(value: &Value, field: &str) -> Result<String> {
    value[field].as_str().map(str::to_owned).with_context(|| format!("no {field} in {value}"))
}

/// A field of an answer that is a number.
///
/// # Errors
/// When there is none.
pub fn number(value: &Value, field: &str) -> Result<u64> {
    value[field].as_u64().with_context(|| format!("no {field} in {value}"))
}
