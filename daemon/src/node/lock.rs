//! One node a home: two would corrupt each other's stores.

use std::fs::File;

use anyhow::{Context, bail};
use datanet_config::{FileError, Home};
use fs4::{FileExt, TryLockError};

/// Held as long as the node runs; the system releases it when the process ends, however it ends.
#[derive(Debug)]
pub(crate) struct HomeLock {
    _file: File,
}

impl HomeLock {
    /// Takes the lock, or says that somebody has it.
    pub(crate) fn take(home: &Home) -> anyhow::Result<Self> {
        let path = home.lock();
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(|error| FileError::of(&path, error))?;
        let root = home.root().display();
        match FileExt::try_lock(&file) {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => bail!("another node runs in {root}; stop it, or choose another --home"),
            Err(TryLockError::Error(error)) => {
                Err(error).with_context(|| format!("cannot lock {}; is its file system made for it?", path.display()))
            }
        }
    }
}
