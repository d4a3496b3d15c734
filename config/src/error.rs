//! What is wrong with a configuration, in words that name the key, the value and what would be right.

use std::path::PathBuf;

use crate::{FileError, PathError};

/// Why a configuration was not taken.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// A path begins with a `~` that stands for nothing.
    #[error("{key} = {value} (from {origin}) is not valid: {source}")]
    Path {
        /// The key, with its section.
        key: String,
        /// The path as it was written.
        value: String,
        /// Where it was written.
        origin: String,
        /// What is wrong with it.
        source: PathError,
    },
    /// A variable of ours holds bytes that are no text.
    #[error("the environment variable {name} is not UTF-8: {value}; set it to text, or unset it")]
    Variable {
        /// The variable.
        name: String,
        /// Its value, as far as it can be shown.
        value: String,
    },
    /// A folder that must be this user's alone is not.
    #[error(
        "{} {reason}; remove it, or, if it lies outside the home, set XDG_RUNTIME_DIR to a folder of your own",
        path.display()
    )]
    NotOurs {
        /// The folder.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The file cannot be written.
    #[error("cannot write {path}: {source}")]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The text is not TOML, or not JSON where that is wanted.
    #[error("{origin} cannot be read: {detail}")]
    Syntax {
        /// The file, or the flag or variable.
        origin: String,
        /// The parser's words, with line and column.
        detail: String,
    },
    /// A key has a value that it cannot have.
    #[error("{key} = {value} (from {origin}) is not valid: {allowed}")]
    Value {
        /// The key, with its section: `api.listen`.
        key: String,
        /// The value as it was written.
        value: String,
        /// Where it was written: the file, the environment variable or the flag.
        origin: String,
        /// What would be valid.
        allowed: String,
    },
    /// There is no such key.
    #[error("{key} (from {origin}) is no key of the configuration: {allowed}")]
    UnknownKey {
        /// The key, with its section.
        key: String,
        /// Where it was written.
        origin: String,
        /// The keys there are.
        allowed: String,
    },
    /// The file is of another version of datanet.
    #[error("version = {found} (from {origin}) is not supported: this datanet reads version {supported}")]
    Version {
        /// What the file says.
        found: String,
        /// Where it was written.
        origin: String,
        /// What is read.
        supported: u32,
    },
}
