//! Being asked to stop. Whoever runs a node listens before anything else opens: as process 1 of a container a program
//! that does not listen is not stopped at all, and a start that is broken off must leave nothing running.

use anyhow::{Context, Result};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// SIGTERM and Ctrl-C.
pub(super) struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignals {
    /// Listens from now on.
    pub(super) fn listen() -> Result<Self> {
        let terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
        let interrupt = signal(SignalKind::interrupt()).context("cannot listen for Ctrl-C")?;
        Ok(Self { terminate, interrupt })
    }

    /// Waits until somebody asks, and again.
    pub(super) async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    /// What ending in order gives, unless the user does not want to wait for it and types Ctrl-C once more: the next
    /// start copes with whatever is left. A second SIGTERM says nothing, since whoever sends one may send it twice.
    ///
    /// # Errors
    /// When it was broken off.
    pub(super) async fn in_order<T>(&mut self, ending: impl Future<Output = T>) -> Result<T> {
        tokio::select! {
            ended = ending => Ok(ended),
            _ = self.interrupt.recv() => anyhow::bail!("stopped at once on a second Ctrl-C"),
        }
    }

    /// What `work` gives; `None` if somebody asks first.
    pub(super) async fn unless<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            done = work => Some(done),
            () = self.next() => None,
        }
    }
}

/// Ends a command that runs no node when process 1 of a container is asked to: elsewhere the system does.
pub(super) fn end_as_process_one() -> Result<()> {
    if std::process::id() == 1 {
        let mut asked = StopSignals::listen()?;
        tokio::spawn(async move {
            asked.next().await;
            std::process::exit(128 + 15);
        });
    }
    Ok(())
}
