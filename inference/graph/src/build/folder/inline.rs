//! Weights taken from their files into the graph, for rewriting that looks at their numbers.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::weights::MAX_INLINE_BYTES;
use crate::build::BuildError;
use crate::onnx::{DataLocation, ModelProto, TensorProto};

/// Takes the weights that a graph built with [`super::Storage::Mapped`] refers to into it; `folder` is what
/// [`crate::build::ModelFolder::weights_folder`] says. Weights that are in the graph already stay as they are.
///
/// # Errors
/// [`BuildError::Read`] and [`BuildError::Damaged`] for a file that is gone or has changed, [`BuildError::TooLarge`] for
/// more than an ONNX message holds.
pub fn inline(model: &mut ModelProto, folder: &Path) -> Result<(), BuildError> {
    let external = |model: &ModelProto| -> u64 {
        let tensors = model.graph.iter().flat_map(|graph| &graph.initializer);
        tensors.filter(|tensor| tensor.is_external()).filter_map(TensorProto::declared_bytes).sum()
    };
    let bytes = external(model);
    if bytes > MAX_INLINE_BYTES {
        return Err(BuildError::TooLarge { bytes });
    }
    let mut open: Option<(PathBuf, File)> = None;
    let tensors = model.graph.iter_mut().flat_map(|graph| &mut graph.initializer);
    for tensor in tensors.filter(|tensor| tensor.is_external()) {
        let path = folder.join(entry(tensor, "location")?);
        let read_error = |source| BuildError::Read { path: path.clone(), source };
        if open.as_ref().is_none_or(|(known, _)| *known != path) {
            open = Some((path.clone(), File::open(&path).map_err(read_error)?));
        }
        let Some((_, file)) = open.as_mut() else { continue };
        let [offset, length] = [number(tensor, "offset")?, number(tensor, "length")?];
        file.seek(SeekFrom::Start(offset)).map_err(read_error)?;
        let mut raw = Vec::new();
        file.take(length).read_to_end(&mut raw).map_err(read_error)?;
        if raw.len() as u64 != length || tensor.declared_bytes() != Some(length) {
            return Err(BuildError::Damaged(format!("it became shorter while {} was read", tensor.name)));
        }
        tensor.raw_data = Some(raw.into());
        tensor.external_data.clear();
        tensor.data_location = DataLocation::Default.into();
    }
    Ok(())
}

fn entry<'a>(tensor: &'a TensorProto, key: &str) -> Result<&'a str, BuildError> {
    let found = tensor.external_data.iter().find(|entry| entry.key == key);
    let found = found.ok_or_else(|| BuildError::Damaged(format!("tensor {} says no {key}", tensor.name)))?;
    Ok(&found.value)
}

fn number(tensor: &TensorProto, key: &str) -> Result<u64, BuildError> {
    let bad = |_| BuildError::Damaged(format!("tensor {} has a {key} that is no number", tensor.name));
    entry(tensor, key)?.parse().map_err(bad)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::{DecoderForm, ModelFolder, Storage};

    #[test]
    fn weights_of_files_are_taken_into_the_graph() {
        for name in ["roberta", "llama-sharded"] {
            let folder =
                ModelFolder::open(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)).unwrap();
            let build = |storage| match folder.encoder_config() {
                Some(_) => folder.encoder(storage).unwrap(),
                None => folder.decoder(storage, DecoderForm::Full).unwrap(),
            };
            let mut model = build(Storage::Mapped);
            inline(&mut model, folder.weights_folder()).unwrap();
            assert!(model == build(Storage::Inline), "{name}");
            let before = model.clone();
            inline(&mut model, Path::new("nowhere")).unwrap();
            assert!(model == before, "what is inside is not looked for");
        }
    }

    #[test]
    fn files_that_are_gone_or_too_short_are_errors() {
        let folder = tempfile::tempdir().unwrap();
        let tensor = TensorProto::external("w", crate::onnx::DataType::Float, &[2], "w.bin", 0, 8);
        let graph = crate::onnx::GraphProto { initializer: vec![tensor], ..Default::default() };
        let model = ModelProto { graph: Some(graph), ..Default::default() };
        assert!(matches!(inline(&mut model.clone(), folder.path()), Err(BuildError::Read { .. })));
        std::fs::write(folder.path().join("w.bin"), [0; 7]).unwrap();
        assert!(matches!(inline(&mut model.clone(), folder.path()), Err(BuildError::Damaged(_))));
    }
}
