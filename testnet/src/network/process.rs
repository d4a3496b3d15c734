//! Nodes as processes: started detached, found again by their home, stopped in order.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// How long a node may take to close its stores after SIGTERM.
const GRACE: Duration = Duration::from_secs(20);
/// A process cannot be awaited unless it is one's child; this is how often one looks.
const LOOK: Duration = Duration::from_millis(50);

/// Where everything that a node prints goes: its log.
pub(super) fn log_path(home: &Path) -> PathBuf {
    home.join("datanet.log")
}

/// Starts `PROGRAM node start --home HOME` in a process group of its own, so that a Ctrl-C meant for the testnet does
/// not reach it: it is stopped in order instead, and outlives a detached testnet.
pub(super) fn start(program: &Path, home: &Path) -> Result<Child> {
    use std::os::unix::process::CommandExt as _;
    let log = File::options().create(true).append(true).open(log_path(home))?;
    Command::new(program)
        .args(["node", "start", "--home"])
        .arg(home)
        // A log file is no terminal: no colours.
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .process_group(0)
        .spawn()
        .with_context(|| format!("cannot start {}", program.display()))
}

/// The processes that run on `home`: the node and its CometBFT, told by `--home` on their command lines. Asking the
/// system rather than a file of process ids finds those a killed node left behind, and never a stranger.
pub(super) fn processes_of(home: &Path) -> Vec<Pid> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok())
        .filter(|pid| runs_on(*pid, home))
        .map(Pid::from_raw)
        .collect()
}

fn runs_on(pid: i32, home: &Path) -> bool {
    // A zombie's command line is empty, so a process that has ended does not count.
    let Ok(line) = std::fs::read(format!("/proc/{pid}/cmdline")) else { return false };
    let arguments: Vec<&str> = line.split(|b| *b == 0).filter_map(|a| std::str::from_utf8(a).ok()).collect();
    let after_flag = arguments.windows(2).filter(|w| w[0] == "--home").map(|w| w[1]);
    let joined = arguments.iter().filter_map(|a| a.strip_prefix("--home="));
    after_flag.chain(joined).any(|given| Path::new(given).starts_with(home))
}

/// Sends `signal` to every one of `pids`; one that has gone meanwhile is as good as signalled.
fn signal_all(pids: &[Pid], signal: Signal) -> Result<()> {
    for pid in pids {
        match kill(*pid, signal) {
            Ok(()) | Err(Errno::ESRCH) => {}
            Err(error) => bail!("cannot signal process {pid}: {error}"),
        }
    }
    Ok(())
}

/// SIGTERM to the node (which stops its CometBFT), a wait, then SIGKILL to whatever is left.
pub(super) async fn stop(home: &Path) -> Result<()> {
    let node: Vec<Pid> = processes_of(home).into_iter().filter(|pid| is_node(*pid)).collect();
    signal_all(&node, Signal::SIGTERM)?;
    if gone(home, if node.is_empty() { Duration::ZERO } else { GRACE }).await {
        return Ok(());
    }
    kill_now(home).await
}

/// SIGKILL to the node and its CometBFT, at the same moment.
pub(super) async fn kill_now(home: &Path) -> Result<()> {
    signal_all(&processes_of(home), Signal::SIGKILL)?;
    if !gone(home, GRACE).await {
        bail!("the processes on {} do not end: look at them with ps", home.display());
    }
    Ok(())
}

/// Whether this is the node itself rather than its CometBFT.
fn is_node(pid: Pid) -> bool {
    let name = std::fs::read_link(format!("/proc/{pid}/exe")).unwrap_or_default();
    !name.file_name().is_some_and(|n| n.to_string_lossy().starts_with("cometbft"))
}

/// Waits until nothing runs on `home`.
async fn gone(home: &Path, patience: Duration) -> bool {
    let deadline = Instant::now() + patience;
    while !processes_of(home).is_empty() {
        if Instant::now() >= deadline {
            return false;
        }
        tokio::time::sleep(LOOK).await;
    }
    true
}

/// The highest resident memory of the node on `home` so far, in bytes (`VmHWM`), without CometBFT's.
pub(crate) fn peak_memory(home: &Path) -> Option<u64> {
    let pid = processes_of(home).into_iter().find(|pid| is_node(*pid))?;
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").trim().parse().ok()?;
    Some(kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sleeper(home: &Path) -> Child {
        // A process whose command line names the home, as a node's does; it waits for input that never comes.
        Command::new("sh").args(["-c", "read line", "sh", "--home"]).arg(home).stdin(Stdio::piped()).spawn().unwrap()
    }

    #[tokio::test]
    async fn a_process_is_found_by_its_home_and_nobody_elses_is_touched() {
        let root = tempfile::tempdir().unwrap();
        let (mine, other) = (root.path().join("node1"), root.path().join("node10"));
        let (mut a, mut b) = (sleeper(&mine), sleeper(&other));
        // Under load a process is a moment old before the system shows its command line.
        let deadline = Instant::now() + Duration::from_secs(10);
        while processes_of(&mine).is_empty() && Instant::now() < deadline {
            tokio::time::sleep(LOOK).await;
        }
        assert_eq!(processes_of(&mine), [Pid::from_raw(a.id().cast_signed())]);
        kill_now(&mine).await.unwrap();
        assert!(!a.wait().unwrap().success());
        assert_eq!(processes_of(&other).len(), 1);
        stop(&other).await.unwrap();
        b.wait().unwrap();
        assert!(processes_of(&other).is_empty());
    }
}
