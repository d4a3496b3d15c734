//! Other people's software to compare with and to be used by: packages of PyPI and npm, in environments of their own,
//! made when first needed and kept in the cache.

mod node;
mod python;

use std::process::Stdio;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;
use tokio::process::Command;

pub use node::NodePackages;
pub use python::{Python, PythonPackages};

/// Longest output that is read.
const MAX_OUTPUT: usize = 64 << 20;

/// Runs a command to its end, killed if nobody waits any more; gives what it printed.
async fn run(command: &mut Command) -> Result<String> {
    let program = command.as_std().get_program().to_string_lossy().into_owned();
    // Offline for models: a peer must never reach for another one than the folder it is given.
    let command = command.env("HF_HUB_OFFLINE", "1").stdin(Stdio::null()).kill_on_drop(true);
    let output = command.output().await.with_context(|| format!("cannot run {program}"))?;
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        let tail: Vec<&str> = errors.lines().rev().take(12).collect();
        bail!("{program} failed: {}", tail.into_iter().rev().collect::<Vec<_>>().join("\n"));
    }
    ensure!(output.stdout.len() < MAX_OUTPUT, "{program} printed too much");
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The JSON value in the last line that a script printed.
fn last_json(output: &str) -> Result<Value> {
    let last = output.lines().next_back().context("the script printed nothing")?;
    serde_json::from_str(last).with_context(|| format!("the script's last line is no JSON: {last}"))
}
