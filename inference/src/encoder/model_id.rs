//! What tells a model from every other.

use std::fs::File;
use std::path::Path;

use crate::graph::build::{BuildError, ModelFiles, model_files};

/// Keeps ids of models apart from every other hash of the network.
const CONTEXT: &str = "datanet model id v1: config.json, model.safetensors, tokenizer.json";

/// The id of the model in a folder, whatever it does: BLAKE3 over a domain tag and the hashes of all files that change
/// what it answers ([`model_files`]), so that nodes can tell whether they serve the same model. Files that may be there
/// or not are hashed with their names, so that a folder without them has the id of the model's own files alone.
///
/// # Errors
/// [`BuildError::Read`], where a file cannot be read, and as [`model_files`].
pub fn folder_id(folder: &Path) -> Result<[u8; 32], BuildError> {
    let ModelFiles { model, further } = model_files(folder)?;
    let mut id = own_files(&model)?;
    for file in further {
        let name = file.to_string_lossy();
        id.update(&(name.len() as u64).to_le_bytes()).update(name.as_bytes());
        id.update(hash(&folder.join(&file))?.as_bytes());
    }
    Ok(*id.finalize().as_bytes())
}

/// The id of the model that these files are.
pub(super) fn model_id(paths: &[impl AsRef<Path>]) -> Result<[u8; 32], BuildError> {
    Ok(*own_files(paths)?.finalize().as_bytes())
}

fn own_files(paths: &[impl AsRef<Path>]) -> Result<blake3::Hasher, BuildError> {
    let mut id = blake3::Hasher::new_derive_key(CONTEXT);
    for path in paths {
        id.update(hash(path.as_ref())?.as_bytes());
    }
    Ok(id)
}

fn hash(path: &Path) -> Result<blake3::Hash, BuildError> {
    let read_error = |source| BuildError::Read { path: path.to_owned(), source };
    // A pipe or a device would be read for ever.
    if !std::fs::metadata(path).map_err(read_error)?.is_file() {
        return Err(read_error(std::io::Error::other("it is no regular file")));
    }
    let mut file = blake3::Hasher::new();
    file.update_reader(File::open(path).map_err(read_error)?).map_err(read_error)?;
    Ok(file.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The id of a folder whose own files are always the same, with these beside them.
    fn id(further: &[(&str, &str)]) -> [u8; 32] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("1_Pooling")).unwrap();
        let own = ["config.json", "model.safetensors", "tokenizer.json"].map(|name| (name, "the same"));
        for (name, text) in own.iter().chain(further) {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        folder_id(folder.path()).unwrap()
    }

    #[test]
    fn equal_weights_with_another_template_pooling_or_end_are_another_model() {
        let modules = ("modules.json", r#"[{"type":"m.Transformer"},{"type":"m.Pooling","path":"1_Pooling"}]"#);
        let pooling = |mode: &'static str| [modules, ("1_Pooling/config.json", mode)];
        let ids = [
            id(&[]),
            id(&[("chat_template.jinja", "one")]),
            id(&[("chat_template.jinja", "two")]),
            id(&[("tokenizer_config.json", "one")]),
            id(&[("generation_config.json", "one")]),
            id(&[("generation_config.json", "two")]),
            id(&pooling(r#"{"pooling_mode_cls_token":true}"#)),
            id(&pooling(r#"{"pooling_mode_mean_tokens":true}"#)),
        ];
        for (at, one) in ids.iter().enumerate() {
            assert!(ids[at + 1..].iter().all(|other| other != one), "folder {at} is taken for another");
        }
    }

    #[test]
    fn what_changes_no_answer_changes_no_id_and_ids_stay_what_they_were() {
        assert_eq!(id(&[]), id(&[("README.md", "words"), ("model.onnx", "another form")]));
        let paths = tempfile::tempdir().unwrap();
        let file = paths.path().join("file");
        std::fs::write(&file, "the same").unwrap();
        assert_eq!(id(&[]), model_id(&[&file, &file, &file]).unwrap());
    }
}
