//! The per-user cache: its folders, and the locks that make processes wait for each other.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use super::{Part, Reporter, SetupError, non_empty_env};

/// `${DATANET_CACHE:-${XDG_CACHE_HOME:-~/.cache}/datanet}`.
///
/// # Errors
/// When none of the three variables is set, or the path cannot be used.
pub fn default_cache() -> Result<PathBuf, SetupError> {
    if let Some(path) = env_path("DATANET_CACHE")? {
        return Ok(path);
    }
    // The XDG convention says that a relative path there is to be ignored.
    let xdg = non_empty_env("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let base = xdg.or_else(|| Some(PathBuf::from(non_empty_env("HOME")?).join(".cache")));
    as_text("DATANET_CACHE", base.ok_or(SetupError::NoCache)?.join("datanet"))
}

/// The path that an environment variable names, if it is set to one.
pub(super) fn env_path(variable: &'static str) -> Result<Option<PathBuf>, SetupError> {
    let Some(value) = non_empty_env(variable) else { return Ok(None) };
    let path = datanet_config::expand(value).map_err(|source| SetupError::Path { variable, source })?;
    as_text(variable, path).map(Some)
}

/// Tools take paths as arguments and print them: one that is no text ends in one of them, far from its cause.
fn as_text(variable: &'static str, path: PathBuf) -> Result<PathBuf, SetupError> {
    if path.to_str().is_some() { Ok(path) } else { Err(SetupError::NotText { path, variable }) }
}

/// The cache's layout.
#[derive(Debug, Clone)]
pub(super) struct Cache {
    root: PathBuf,
}

/// The right to make a part; given back when dropped, or when the process dies.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Cache {
    pub(crate) fn new(root: &Path) -> Self {
        Self { root: root.to_path_buf() }
    }

    /// A folder of the cache, given its path below the root.
    pub(crate) fn dir(&self, below: impl AsRef<Path>) -> PathBuf {
        self.root.join(below)
    }

    /// Where a part is put together. Only the holder of the part's lock may touch it.
    pub(crate) fn partial(&self, part: Part) -> PathBuf {
        self.root.join("partial").join(part.slug())
    }

    /// Takes the part's lock; says so if it has to wait for another process.
    ///
    /// # Errors
    /// When the lock file cannot be written.
    pub(crate) async fn lock(&self, part: Part, report: &Reporter) -> Result<Lock, SetupError> {
        let dir = self.root.join("locks");
        let path = dir.join(format!("{}.lock", part.slug()));
        std::fs::create_dir_all(&dir).map_err(SetupError::io("create", &dir))?;
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(SetupError::io("open", &path))?;
        match file.try_lock() {
            Ok(()) => return Ok(Lock { _file: file }),
            Err(TryLockError::WouldBlock) => report.waiting(),
            Err(TryLockError::Error(error)) => return Err(SetupError::io("lock", &path)(error)),
        }
        // A thread of its own: one that waits for another process must not hold up the runtime's shutdown.
        let (sender, receiver) = tokio::sync::oneshot::channel();
        std::thread::spawn(move || {
            let outcome = file.lock().map(|()| file);
            let _ = sender.send(outcome);
        });
        let outcome = receiver.await.map_err(|_| SetupError::Interrupted)?;
        outcome.map(|file| Lock { _file: file }).map_err(SetupError::io("lock", &path))
    }
}

/// Runs blocking file work off the runtime's threads.
pub(super) async fn blocking<T, F>(work: F) -> Result<T, SetupError>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T, SetupError> + Send + 'static,
{
    tokio::task::spawn_blocking(work).await.map_err(|_| SetupError::Interrupted)?
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use super::*;

    #[test]
    fn a_path_that_is_no_text_is_named_with_what_decides_it() {
        let path = PathBuf::from(std::ffi::OsString::from_vec(b"/caf\xe9".to_vec()));
        let error = as_text("DATANET_CACHE", path).unwrap_err().to_string();
        assert!(error.contains("is not UTF-8; set DATANET_CACHE"), "{error}");
        assert!(as_text("DATANET_CACHE", "/café".into()).is_ok());
    }
}
