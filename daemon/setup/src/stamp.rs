//! A part's stamp: which files it has, what they hash to, and what the file system said of them when they were put
//! there. A later call compares the latter, which is a few `stat` calls, and reads a file again only when its size,
//! times or inode have changed since.

use std::fs::{File, Metadata};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::SetupError;

const FILE_NAME: &str = "stamp.json";

/// A file that a part must have: its name in the part's folder and its SHA-256 in lower-case hex.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Expected {
    pub name: String,
    pub sha256: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Stamp {
    /// What was pinned when the part was made.
    identity: String,
    files: Vec<Stamped>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Stamped {
    name: String,
    sha256: String,
    #[serde(flatten)]
    seen: Fingerprint,
}

/// What changes when somebody writes to a file or replaces it. The change time cannot be set back by a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Fingerprint {
    size: u64,
    inode: u64,
    modified_s: i64,
    modified_ns: i64,
    changed_s: i64,
    changed_ns: i64,
}

impl From<&Metadata> for Fingerprint {
    fn from(metadata: &Metadata) -> Self {
        Self {
            size: metadata.size(),
            inode: metadata.ino(),
            modified_s: metadata.mtime(),
            modified_ns: metadata.mtime_nsec(),
            changed_s: metadata.ctime(),
            changed_ns: metadata.ctime_nsec(),
        }
    }
}

/// Whether `dir` holds the part `identity`, whole and unchanged. With `verify` every byte is read.
pub(super) fn holds(dir: &Path, identity: &str, verify: bool) -> bool {
    let Some(stamp) = read(dir).filter(|stamp| stamp.identity == identity && !stamp.files.is_empty()) else {
        return false;
    };
    let mut touched = false;
    for file in &stamp.files {
        let path = dir.join(&file.name);
        let Ok(metadata) = std::fs::metadata(&path) else { return false };
        let same = Fingerprint::from(&metadata) == file.seen;
        if (verify || !same) && sha256_of(&path).ok().as_ref() != Some(&file.sha256) {
            return false;
        }
        touched |= !same;
    }
    if touched {
        // Copied or backed up, with the same bytes. A cache that cannot be written is merely slower next time.
        let files = stamp.files.iter().map(|f| Expected { name: f.name.clone(), sha256: f.sha256.clone() });
        let _ = write(dir, identity, &files.collect::<Vec<_>>());
    }
    true
}

/// Whether the files are there with the right bytes although nobody stamped them.
pub(super) fn matches(dir: &Path, files: &[Expected]) -> bool {
    files.iter().all(|file| sha256_of(&dir.join(&file.name)).ok().as_ref() == Some(&file.sha256))
}

/// Writes the stamp, last of all, after the files are in place.
pub(super) fn write(dir: &Path, identity: &str, files: &[Expected]) -> Result<(), SetupError> {
    let path = dir.join(FILE_NAME);
    let files = files
        .iter()
        .map(|file| {
            let metadata = std::fs::metadata(dir.join(&file.name))?;
            Ok(Stamped { name: file.name.clone(), sha256: file.sha256.clone(), seen: Fingerprint::from(&metadata) })
        })
        .collect::<Result<_, std::io::Error>>()
        .map_err(SetupError::io("look at the files of", dir))?;
    let text = serde_json::to_string_pretty(&Stamp { identity: identity.to_owned(), files })
        .map_err(|error| SetupError::io("write", &path)(error.into()))?;
    let mut file = tempfile::NamedTempFile::new_in(dir).map_err(SetupError::io("write in", dir))?;
    std::io::Write::write_all(&mut file, text.as_bytes()).map_err(SetupError::io("write", &path))?;
    file.persist(&path).map_err(|error| SetupError::io("write", &path)(error.error))?;
    Ok(())
}

fn read(dir: &Path) -> Option<Stamp> {
    serde_json::from_slice(&std::fs::read(dir.join(FILE_NAME)).ok()?).ok()
}

/// SHA-256 of a file, in lower-case hex.
pub(super) fn sha256_of(path: &Path) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 256 * 1024];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hex::encode(hasher.finalize())),
            read => hasher.update(&buffer[..read]),
        }
    }
}

/// Moves `staged` to `target` in one step; both are on the cache's file system. The bytes are on disk before the
/// name is, so that a power cut leaves the old file or the new one.
pub(super) fn place(staged: &Path, target: &Path) -> Result<PathBuf, SetupError> {
    File::open(staged).and_then(|file| file.sync_all()).map_err(SetupError::io("flush", staged))?;
    std::fs::rename(staged, target).map_err(SetupError::io("place", target))?;
    Ok(target.to_path_buf())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part() -> (tempfile::TempDir, Vec<Expected>) {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("lib"), b"bytes").unwrap();
        let sha256 = sha256_of(&dir.path().join("lib")).unwrap();
        let files = vec![Expected { name: "lib".into(), sha256 }];
        (dir, files)
    }

    #[test]
    fn a_stamped_part_holds_until_its_pin_changes() {
        let (dir, files) = part();
        assert!(!holds(dir.path(), "v1", false));
        write(dir.path(), "v1", &files).unwrap();
        assert!(holds(dir.path(), "v1", false));
        assert!(!holds(dir.path(), "v2", false));
    }

    #[test]
    fn changed_bytes_are_noticed_even_with_the_same_length_and_time() {
        let (dir, files) = part();
        write(dir.path(), "v1", &files).unwrap();
        let path = dir.path().join("lib");
        let modified = std::fs::metadata(&path).unwrap().modified().unwrap();
        std::fs::write(&path, b"BYTES").unwrap();
        File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
        assert!(!holds(dir.path(), "v1", false));
    }

    #[test]
    fn a_copy_with_the_same_bytes_is_taken_and_stamped_anew() {
        let (dir, files) = part();
        write(dir.path(), "v1", &files).unwrap();
        let path = dir.path().join("lib");
        std::fs::copy(&path, dir.path().join("copy")).unwrap();
        std::fs::rename(dir.path().join("copy"), &path).unwrap();
        assert!(holds(dir.path(), "v1", false));
        let seen = read(dir.path()).unwrap().files[0].seen;
        assert_eq!(seen, Fingerprint::from(&std::fs::metadata(&path).unwrap()));
    }

    #[test]
    fn a_broken_stamp_or_a_missing_file_means_making_the_part_again() {
        let (dir, files) = part();
        write(dir.path(), "v1", &files).unwrap();
        std::fs::write(dir.path().join(FILE_NAME), b"{\"identity\":").unwrap();
        assert!(!holds(dir.path(), "v1", false));
        assert!(matches(dir.path(), &files));
        write(dir.path(), "v1", &files).unwrap();
        std::fs::remove_file(dir.path().join("lib")).unwrap();
        assert!(!holds(dir.path(), "v1", false));
        assert!(!matches(dir.path(), &files));
    }
}
