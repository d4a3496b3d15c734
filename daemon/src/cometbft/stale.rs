//! A CometBFT that a crashed node has left running would hold the home's databases and its ports. It usually ends by
//! itself within moments (its application and its log are gone); this makes sure of it.

use std::path::Path;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{CometError, CometHome};

/// How long a process may take to end after SIGTERM.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// The end of a process that is not our child is no event that could be awaited without unsafe code: we look.
const LOOK: Duration = Duration::from_millis(20);

/// Ends what the home's pid file names, if that is still a CometBFT of this home.
pub(super) async fn end(home: &CometHome) -> Result<(), CometError> {
    let path = home.pid_path();
    let Some(pid) = std::fs::read_to_string(&path).ok().and_then(|text| text.trim().parse().ok()) else {
        return Ok(());
    };
    if runs(pid, home.root()) {
        tracing::warn!(pid, "ending the cometbft that an earlier run left behind");
        terminate(pid, home.root()).await?;
    }
    let _ = std::fs::remove_file(&path);
    Ok(())
}

async fn terminate(pid: i32, home: &Path) -> Result<(), CometError> {
    for signal in [Signal::SIGTERM, Signal::SIGKILL] {
        match kill(Pid::from_raw(pid), signal) {
            Ok(()) => {}
            Err(Errno::ESRCH) => return Ok(()),
            Err(error) => return Err(CometError::Stale { pid, detail: error.to_string() }),
        }
        let gone = async {
            while runs(pid, home) {
                tokio::time::sleep(LOOK).await;
            }
        };
        if tokio::time::timeout(PATIENCE, gone).await.is_ok() {
            return Ok(());
        }
    }
    Err(CometError::Stale { pid, detail: "it outlived SIGKILL".to_owned() })
}

/// Whether `pid` is a process whose command line names `home`: ids are given out again.
fn runs(pid: i32, home: &Path) -> bool {
    names(&command_line(pid), home.as_os_str().as_encoded_bytes())
}

/// Whether `home` is a whole argument of `line`, which has zero bytes (Linux) or blanks between its arguments.
fn names(line: &[u8], home: &[u8]) -> bool {
    let ends = |byte: Option<&u8>| byte.is_none_or(|byte| matches!(byte, 0 | b' ' | b'\n'));
    let at = |start: usize| {
        let end = start + home.len();
        ends(start.checked_sub(1).and_then(|before| line.get(before))) && ends(line.get(end))
    };
    !home.is_empty() && line.windows(home.len()).enumerate().any(|(start, window)| window == home && at(start))
}

/// The command line; empty for a process that has ended, also when nobody has collected it yet.
fn command_line(pid: i32) -> Vec<u8> {
    if Path::new("/proc/self/cmdline").exists() {
        return std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    }
    let output = std::process::Command::new("ps").args(["-o", "command=", "-p", &pid.to_string()]).output();
    output.map(|output| output.stdout).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_argument_names_a_home() {
        assert!(names(b"cometbft\0start\0--home\0/n/node1\0", b"/n/node1"));
        assert!(names(b"cometbft start --home /n/my node\n", b"/n/my node"));
        assert!(!names(b"cometbft\0start\0--home\0/n/node10\0", b"/n/node1"));
        assert!(!names(b"less\0/n/node1/cometbft.log\0", b"/n/node1"));
        assert!(!names(b"", b"/n/node1"));
    }

    #[tokio::test]
    async fn a_pid_that_now_is_another_program_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let home = CometHome::open(dir.path()).unwrap();
        std::fs::write(home.pid_path(), std::process::id().to_string()).unwrap();
        end(&home).await.unwrap();
        assert!(!home.pid_path().exists());
    }
}
