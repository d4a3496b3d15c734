//! Paths and files that commands are given.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::builder::{OsStringValueParser, TypedValueParser};
use datanet_config::{FileError, expand};

/// A path of a flag: `~` at its beginning is the user's home, as unit and compose files hand it over.
pub(super) fn path() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().try_map(expand)
}

/// Reads a file for sending, with an error that names it.
pub(super) fn read_text(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).map_err(|error| unreadable(path, error))
}

/// Opens a file for sending. A folder opens like a file, and fails when it is read.
pub(super) fn open(path: &Path) -> Result<std::fs::File> {
    let file = std::fs::File::open(path).map_err(|error| unreadable(path, error))?;
    match file.metadata() {
        Ok(found) if found.is_dir() => Err(unreadable(path, ErrorKind::IsADirectory.into())),
        Ok(_) => Ok(file),
        Err(error) => Err(unreadable(path, error)),
    }
}

/// Why a file that a command was given cannot be read.
pub(super) fn unreadable(path: &Path, error: std::io::Error) -> anyhow::Error {
    match FileError::of(path, error) {
        FileError::Missing(path) => anyhow::anyhow!("cannot read {}: there is no such file", path.display()),
        told => told.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_or_a_missing_file_is_told_before_anything_is_sent() {
        let dir = tempfile::tempdir().unwrap();
        let absent = dir.path().join("absent");
        let said = |result: Result<()>| result.unwrap_err().to_string();
        for result in [read_text(dir.path()).map(drop), open(dir.path()).map(drop)] {
            assert!(said(result).ends_with("is a folder; name a file"));
        }
        for result in [read_text(&absent).map(drop), open(&absent).map(drop)] {
            assert!(said(result).ends_with("absent: there is no such file"));
        }
    }
}
