//! The files of a release.

use std::path::{Path, PathBuf};

use datanet_inference::graph::adapter::{onnx_adapter, peft};

use super::influence::Influence;
use super::prepare::Prepared;
use super::state::write_whole;
use super::{Ended, Setup, TrainError, scratch};
use crate::transcript::Transcript;

/// Writes the model into `folder`: adapters in both forms, or a whole decoder; gives names and paths.
pub(super) fn model(
    setup: &Setup<'_>,
    prepared: &Prepared,
    ended: &Ended,
    folder: &Path,
) -> Result<Vec<(String, PathBuf)>, TrainError> {
    let layout = prepared.network.layout();
    let mut files = Vec::new();
    if let Some((_, from)) = &prepared.decoder {
        put(&mut files, folder, "model.safetensors", &scratch::weights(layout, &ended.theta)?)?;
        for name in ["config.json", "tokenizer.json"] {
            let path = from.join(name);
            let bytes = std::fs::read(&path).map_err(|source| TrainError::files(&path, source))?;
            put(&mut files, folder, name, &bytes)?;
        }
        return Ok(files);
    }
    let job = setup.job;
    let adapter = layout.adapter(&ended.theta, &job.base, job.lora.alpha, prepared.network.targets());
    peft::write(&adapter, folder).map_err(release)?;
    for name in ["adapter_config.json", "adapter_model.safetensors"] {
        files.push((name.to_owned(), folder.join(name)));
    }
    put(&mut files, folder, "adapter.onnx_adapter", &onnx_adapter::write(&adapter).map_err(release)?)?;
    if let Some(quantised) = prepared.network.quantised() {
        put(&mut files, folder, "quantisation.json", &serde_json::to_vec_pretty(quantised).map_err(release)?)?;
    }
    if !setup.data.labels.is_empty() {
        let labels = serde_json::to_vec_pretty(&setup.data.labels).map_err(release)?;
        put(&mut files, folder, "labels.json", &labels)?;
    }
    Ok(files)
}

/// Writes the tables and what earns by them; gives the hash of the one by source.
pub(super) fn tables(
    influence: &Influence,
    folder: &Path,
    files: &mut Vec<(String, PathBuf)>,
) -> Result<String, TrainError> {
    let bytes = influence.sources.to_bytes().map_err(release)?;
    put(files, folder, "influence.safetensors", &bytes)?;
    put(files, folder, "records.safetensors", &influence.columns.to_bytes().map_err(release)?)?;
    put(files, folder, "eligibility.json", &serde_json::to_vec(&influence.eligibility).map_err(release)?)?;
    Ok(blake3::hash(&bytes).to_hex().to_string())
}

/// Writes what is known about the run.
pub(super) fn papers(
    transcript: &Transcript,
    folder: &Path,
    files: &mut Vec<(String, PathBuf)>,
) -> Result<(), TrainError> {
    put(files, folder, "job.json", transcript.job.to_json().as_bytes())?;
    put(files, folder, "transcript.json", transcript.to_json().map_err(release)?.as_bytes())
}

pub(super) fn put(
    files: &mut Vec<(String, PathBuf)>,
    folder: &Path,
    name: &str,
    bytes: &[u8],
) -> Result<(), TrainError> {
    let path = folder.join(name);
    write_whole(&path, bytes)?;
    files.push((name.to_owned(), path));
    Ok(())
}

fn release(error: impl std::fmt::Display) -> TrainError {
    TrainError::Release(error.to_string())
}
