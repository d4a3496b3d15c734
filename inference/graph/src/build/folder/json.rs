//! `config.json`, as far as it is any JSON file of a stranger.

use std::path::Path;

use serde::Deserialize;

use crate::build::BuildError;

/// Far above any real `config.json`.
const MAX_CONFIG_BYTES: u64 = 1 << 20;

/// The bytes of a `config.json` of sane size.
pub(in crate::build) fn read(path: &Path) -> Result<Vec<u8>, BuildError> {
    let read_error = |source| BuildError::Read { path: path.to_owned(), source };
    let bytes = std::fs::metadata(path).map_err(read_error)?.len();
    if bytes > MAX_CONFIG_BYTES {
        return Err(BuildError::Config(format!("it has {bytes} bytes, more than {MAX_CONFIG_BYTES}")));
    }
    std::fs::read(path).map_err(read_error)
}

/// Its keys.
pub(in crate::build) fn parse<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Result<T, BuildError> {
    serde_json::from_slice(json).map_err(|error| BuildError::Config(error.to_string()))
}
