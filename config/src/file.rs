//! Reading the files of a home. What is missing, empty, a folder or another user's is told apart here, where it arises;
//! whoever reads a file adds what it is for and how it is mended.

use std::fmt;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::unistd::{Uid, User};

/// Why a file could not be read.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It is not there.
    #[error("{} is missing", .0.display())]
    Missing(PathBuf),
    /// It holds nothing, as after a full disk or a machine that lost its power.
    #[error("{} is empty", .0.display())]
    Empty(PathBuf),
    /// A folder is there instead.
    #[error("{} is a folder; name a file", .0.display())]
    Folder(PathBuf),
    /// This user may not.
    #[error("{0}")]
    Denied(Denied),
    /// It is no text.
    #[error("{} is no UTF-8 text", .0.display())]
    NotText(PathBuf),
    /// Anything else.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

impl FileError {
    /// What an error of the system means for `path`.
    pub fn of(path: &Path, source: std::io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            ErrorKind::NotFound => Self::Missing(path),
            ErrorKind::IsADirectory => Self::Folder(path),
            ErrorKind::PermissionDenied => Self::Denied(Denied::at(&path)),
            ErrorKind::InvalidData => Self::NotText(path),
            _ => Self::Io { path, source },
        }
    }

    /// Whether there is nothing that could be read: it is as good as not there.
    pub fn is_absence(&self) -> bool {
        matches!(self, Self::Missing(_) | Self::Empty(_))
    }
}

/// The text of a file that must hold something.
///
/// # Errors
/// See [`FileError`].
pub fn read_text(path: &Path) -> Result<String, FileError> {
    let text = std::fs::read_to_string(path).map_err(|source| FileError::of(path, source))?;
    if text.trim().is_empty() { Err(FileError::Empty(path.to_owned())) } else { Ok(text) }
}

/// Whether a file is there and holds something. One that cannot be looked at counts as there: it must not be replaced.
pub fn holds_something(path: &Path) -> bool {
    match std::fs::metadata(path) {
        Ok(metadata) => !metadata.is_file() || metadata.len() > 0,
        Err(error) => error.kind() != ErrorKind::NotFound,
    }
}

/// A path that this user may not use, and whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied {
    path: PathBuf,
    /// The innermost file or folder that can be looked at: what keeps the user out.
    barrier: PathBuf,
    owner: Option<u32>,
}

impl Denied {
    /// What keeps this user from `path`.
    pub fn at(path: &Path) -> Self {
        let seen = path.ancestors().find_map(|at| Some((at.to_owned(), std::fs::symlink_metadata(at).ok()?.uid())));
        let (barrier, owner) = seen.map_or_else(|| (path.to_owned(), None), |(at, owner)| (at, Some(owner)));
        Self { path: path.to_owned(), barrier, owner }
    }
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let me = Uid::effective().as_raw();
        let (path, barrier) = (self.path.display(), self.barrier.display());
        write!(f, "permission denied: this user ({}) may not use {path}", user_name(me))?;
        match self.owner {
            Some(owner) if owner != me => {
                let owner = user_name(owner);
                write!(
                    f,
                    ", since {barrier} belongs to {owner}; run the command as {owner}, or have {owner} let you use it"
                )
            }
            _ => write!(f, "; look at the permissions of {barrier}"),
        }
    }
}

/// What a user is called here.
pub fn user_name(id: u32) -> String {
    match User::from_uid(Uid::from_raw(id)) {
        Ok(Some(user)) => user.name,
        _ => format!("user id {id}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_a_file_is_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::write(at("empty"), " \n").unwrap();
        std::fs::write(at("bytes"), [0xff, 0xfe]).unwrap();
        std::fs::create_dir(at("folder")).unwrap();
        for (name, says) in [
            ("absent", "is missing"),
            ("empty", "is empty"),
            ("bytes", "is no UTF-8 text"),
            ("folder", "is a folder"),
            ("empty/below", "cannot read"),
        ] {
            let error = read_text(&at(name)).unwrap_err().to_string();
            assert!(error.contains(says) && error.contains(name), "{name}: {error}");
        }
    }

    #[test]
    fn only_what_holds_nothing_may_be_written_anew() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("key");
        assert!(!holds_something(&file));
        std::fs::write(&file, "").unwrap();
        assert!(!holds_something(&file));
        std::fs::write(&file, "x").unwrap();
        assert!(holds_something(&file) && holds_something(dir.path()));
    }

    #[test]
    fn what_keeps_a_user_out_is_the_innermost_that_can_be_seen() {
        let dir = tempfile::tempdir().unwrap();
        let denied = Denied::at(&dir.path().join("a/b"));
        assert_eq!(denied.barrier, dir.path());
        assert!(denied.to_string().starts_with("permission denied: this user ("), "{denied}");
        let another = Denied { owner: Some(u32::MAX - 7), ..denied };
        assert!(
            another.to_string().contains("belongs to user id 4294967288; run the command as user id 4294967288"),
            "{another}"
        );
    }
}
