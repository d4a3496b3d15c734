//! What the public face does not give out: hashes of blobs, contributions, datanets or models, one a line, in a file that the operator edits
//! while the node runs.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime};

/// How often the file is looked at, at most.
const LOOK: Duration = Duration::from_secs(1);
/// The largest file that is read, in bytes: a quarter of a million hashes.
const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// The hashes in a file, as it is now.
#[derive(Debug)]
pub struct DenyList {
    path: PathBuf,
    hashes: RwLock<BTreeSet<[u8; 32]>>,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    looked: Option<Instant>,
    /// When the file was written that was read, and its length; nothing if there was none.
    version: Option<(SystemTime, u64)>,
}

/// Why a list cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum DenyListError {
    /// The file cannot be read.
    #[error("cannot read the deny list {path}: {source}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is too long.
    #[error("the deny list {0} has more than {MAX_BYTES} bytes; take out what is served no more anyway")]
    TooLong(PathBuf),
    /// A line is no hash.
    #[error(
        "line {line} of the deny list {path} is no hash: {text:?}; write 64 hexadecimal digits a line, and notes behind a #"
    )]
    BadLine {
        /// Of which file.
        path: PathBuf,
        /// Which, from 1 on.
        line: usize,
        /// What stands there.
        text: String,
    },
}

impl DenyList {
    /// The list in `path`; empty as long as there is no such file.
    ///
    /// # Errors
    /// When it is there and cannot be read, or a line of it is no hash.
    pub fn open(path: PathBuf) -> Result<Self, DenyListError> {
        let (version, hashes) = read(&path)?;
        let seen = Seen { looked: Some(Instant::now()), version };
        Ok(Self { path, hashes: RwLock::new(hashes), seen: Mutex::new(seen) })
    }

    /// Whether nothing is on it.
    pub fn is_empty(&self) -> bool {
        self.look();
        self.hashes.read().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Whether this is on it.
    pub fn has(&self, hash: &[u8; 32]) -> bool {
        self.look();
        self.hashes.read().unwrap_or_else(PoisonError::into_inner).contains(hash)
    }

    /// Reads the file again if it has changed. One that does not read leaves the list as it was: what was denied stays so.
    fn look(&self) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.looked.is_some_and(|looked| looked.elapsed() < LOOK) {
            return;
        }
        seen.looked = Some(Instant::now());
        if version(&self.path).ok() == Some(seen.version) {
            return;
        }
        match read(&self.path) {
            Ok((version, hashes)) => {
                tracing::info!(hashes = hashes.len(), path = %self.path.display(), "the deny list was read again");
                seen.version = version;
                *self.hashes.write().unwrap_or_else(PoisonError::into_inner) = hashes;
            }
            Err(error) => tracing::warn!(%error, "the deny list stays as it was"),
        }
    }
}

fn version(path: &Path) -> std::io::Result<Option<(SystemTime, u64)>> {
    match std::fs::metadata(path) {
        Ok(file) => Ok(Some((file.modified()?, file.len()))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

type Read = (Option<(SystemTime, u64)>, BTreeSet<[u8; 32]>);

fn read(path: &Path) -> Result<Read, DenyListError> {
    let io = |source| DenyListError::Io { path: path.to_owned(), source };
    let version = version(path).map_err(io)?;
    let Some((_, length)) = version else { return Ok((None, BTreeSet::new())) };
    if length > MAX_BYTES {
        return Err(DenyListError::TooLong(path.to_owned()));
    }
    let text = std::fs::read_to_string(path).map_err(io)?;
    let mut hashes = BTreeSet::new();
    for (line, text) in text.lines().enumerate() {
        let text = text.split('#').next().unwrap_or_default().trim();
        if text.is_empty() {
            continue;
        }
        let mut hash = [0; 32];
        hex::decode_to_slice(text, &mut hash).map_err(|_| DenyListError::BadLine {
            path: path.to_owned(),
            line: line.saturating_add(1),
            text: text.chars().take(80).collect(),
        })?;
        hashes.insert(hash);
    }
    Ok((version, hashes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_read_with_notes_and_a_bad_line_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("denied");
        let none = DenyList::open(path.clone()).unwrap();
        assert!(none.is_empty() && !none.has(&[7; 32]));
        std::fs::write(&path, format!("# by order of a court\n\n{} # a note\n", "07".repeat(32))).unwrap();
        let list = DenyList::open(path.clone()).unwrap();
        assert!(list.has(&[7; 32]) && !list.has(&[8; 32]));
        std::fs::write(&path, "07\n").unwrap();
        let told = DenyList::open(path).unwrap_err().to_string();
        assert!(told.contains("line 1") && told.contains("64 hexadecimal digits"), "{told}");
    }

    #[test]
    fn what_is_written_while_the_node_runs_counts_and_what_does_not_read_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("denied");
        let list = DenyList::open(path.clone()).unwrap();
        let looked_long_ago = || list.seen.lock().unwrap().looked = None;
        std::fs::write(&path, "07".repeat(32)).unwrap();
        looked_long_ago();
        assert!(list.has(&[7; 32]));
        std::fs::write(&path, "half a li").unwrap();
        looked_long_ago();
        assert!(list.has(&[7; 32]), "a list that is being written is no list without anything on it");
        std::fs::remove_file(&path).unwrap();
        looked_long_ago();
        assert!(!list.has(&[7; 32]));
    }
}
