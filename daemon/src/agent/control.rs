//! Who runs an agent, and asking it to stop: one process a spec, held by a lock that the system lets go of when the process ends, however it ends.

use std::fs::{DirBuilder, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use fs4::{FileExt, TryLockError};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// The lock's file in the agent's folder; it holds the process that has it.
const FILE: &str = "lock";
/// How long an agent may take to end: what it is doing is finished.
const PATIENCE: Duration = Duration::from_secs(300);

/// Held as long as an agent runs.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

fn path(state: &Path) -> PathBuf {
    state.join(FILE)
}

impl Lock {
    /// Takes the lock of the agent whose folder is `state`.
    ///
    /// # Errors
    /// When another process has it: which.
    pub fn take(state: &Path) -> Result<Self> {
        made(state)?;
        let path = path(state);
        let mut file = File::options()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&path)
            .with_context(|| format!("cannot open {}", path.display()))?;
        match FileExt::try_lock(&file) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => match holder(&mut file) {
                Some(pid) => bail!("process {pid} runs this agent; `datanet agent stop` ends it"),
                None => bail!("another process runs this agent; `datanet agent stop` ends it"),
            },
            Err(TryLockError::Error(error)) => {
                return Err(error)
                    .with_context(|| format!("cannot lock {}; is its file system made for it?", path.display()));
            }
        }
        file.set_len(0)?;
        file.seek(SeekFrom::Start(0))?;
        write!(file, "{}", std::process::id())?;
        file.sync_all()?;
        Ok(Self { _file: file })
    }
}

/// The agent's folder, which is its owner's alone: questions, answers and a key are in it.
///
/// # Errors
/// When it cannot be made.
pub fn made(state: &Path) -> Result<()> {
    let mut folder = DirBuilder::new();
    folder.recursive(true).mode(0o700);
    folder.create(state).with_context(|| format!("cannot make the agent's folder {}", state.display()))
}

fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.seek(SeekFrom::Start(0)).ok()?;
    file.take(20).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

/// The process that runs the agent whose folder is `state`.
pub fn running(state: &Path) -> Option<u32> {
    let mut file = File::options().read(true).write(true).open(path(state)).ok()?;
    match FileExt::try_lock(&file) {
        Err(TryLockError::WouldBlock) => holder(&mut file),
        _ => None,
    }
}

/// Asks the agent to stop and waits until it has; false if none runs.
///
/// # Errors
/// When it cannot be asked, or does not end in time.
pub async fn stop(state: &Path) -> Result<bool> {
    let Some(pid) = running(state) else { return Ok(false) };
    let raw = i32::try_from(pid).context("the lock names no process")?;
    kill(Pid::from_raw(raw), Signal::SIGTERM).with_context(|| format!("cannot ask process {pid} to stop"))?;
    let file = File::options().read(true).write(true).open(path(state))?;
    // The lock is let go of when the process has ended.
    let ended = tokio::task::spawn_blocking(move || FileExt::lock(&file));
    match tokio::time::timeout(PATIENCE, ended).await {
        Ok(taken) => {
            taken.context("waiting broke off")?.context("cannot wait for the agent")?;
            Ok(true)
        }
        Err(_) => bail!(
            "process {pid} was asked to stop and still runs after {} minutes; look at `datanet agent log`",
            PATIENCE.as_secs() / 60
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_ten_that_want_to_run_one_does_and_the_others_are_told_who() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("owl.agent");
        assert_eq!(running(&state), None);
        let took: Vec<Result<Lock>> = std::thread::scope(|scope| {
            let tries: Vec<_> = (0..10).map(|_| scope.spawn(|| Lock::take(&state))).collect();
            tries.into_iter().map(|one| one.join().unwrap()).collect()
        });
        assert_eq!(took.iter().filter(|one| one.is_ok()).count(), 1);
        let told = Lock::take(&state).unwrap_err().to_string();
        assert!(told.contains(&format!("process {} runs this agent", std::process::id())), "{told}");
        assert_eq!(running(&state), Some(std::process::id()));
        drop(took);
        assert_eq!(running(&state), None);
        Lock::take(&state).unwrap();
    }
}
