//! What tells a model from every other.

use std::fs::File;
use std::path::Path;

use crate::graph::build::{BuildError, model_files};

/// Keeps ids of models apart from every other hash of the network.
const CONTEXT: &str = "datanet model id v1: config.json, model.safetensors, tokenizer.json";

/// The id of the model in a folder, whatever it does: BLAKE3 over a domain tag and the hashes of the folder's files
/// ([`model_files`]), so that nodes can tell whether they serve the same model.
///
/// # Errors
/// [`BuildError::Read`], where a file cannot be read.
pub fn folder_id(folder: &Path) -> Result<[u8; 32], BuildError> {
    model_id(&model_files(folder)?)
}

/// The id of the model that these files are.
pub(super) fn model_id(paths: &[impl AsRef<Path>]) -> Result<[u8; 32], BuildError> {
    let mut id = blake3::Hasher::new_derive_key(CONTEXT);
    for path in paths {
        let path = path.as_ref();
        let read_error = |source| BuildError::Read { path: path.to_owned(), source };
        // A pipe or a device would be read for ever.
        if !std::fs::metadata(path).map_err(read_error)?.is_file() {
            return Err(read_error(std::io::Error::other("it is no regular file")));
        }
        let mut file = blake3::Hasher::new();
        file.update_reader(File::open(path).map_err(read_error)?).map_err(read_error)?;
        id.update(file.finalize().as_bytes());
    }
    Ok(*id.finalize().as_bytes())
}
