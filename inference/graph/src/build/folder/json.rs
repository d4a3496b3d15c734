//! The small JSON files of a model folder, as far as they are any files of a stranger.

use std::path::Path;

use serde::Deserialize;

use crate::build::BuildError;

/// Far above any real `config.json`.
const MAX_CONFIG_BYTES: u64 = 1 << 20;

/// Far above any real file beside it; those of tokenizers list thousands of tokens.
const MAX_FURTHER_BYTES: u64 = 8 << 20;

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

/// The bytes of a file that a folder may have or not, by its path within the folder.
pub(super) fn read_optional(folder: &Path, file: &str) -> Result<Option<Vec<u8>>, BuildError> {
    let path = folder.join(file);
    let about = match std::fs::metadata(&path) {
        Ok(about) => about,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(BuildError::Read { path, source }),
    };
    if !about.is_file() {
        return Err(BuildError::file(file, "it is no regular file"));
    }
    if about.len() > MAX_FURTHER_BYTES {
        let what = format!("it has {} bytes, more than {MAX_FURTHER_BYTES}", about.len());
        return Err(BuildError::file(file, what));
    }
    std::fs::read(&path).map(Some).map_err(|source| BuildError::Read { path, source })
}

/// The keys of a file that a folder may have or not.
pub(super) fn parse_optional<T: serde::de::DeserializeOwned>(
    folder: &Path,
    file: &str,
) -> Result<Option<T>, BuildError> {
    let Some(bytes) = read_optional(folder, file)? else { return Ok(None) };
    let parsed = serde_json::from_slice(&bytes);
    parsed.map(Some).map_err(|error| BuildError::file(file, format!("{error}; fetch the file again")))
}
