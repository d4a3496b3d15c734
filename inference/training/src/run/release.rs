//! The files of a release.

use std::path::{Path, PathBuf};

use datanet_inference::graph::adapter::{onnx_adapter, peft};

use super::influence::Influence;
use super::prepare::Prepared;
use super::state::write_whole;
use super::{Setup, TrainError, scratch};
use crate::attribution::answer::{PAY_FILE, RECORDS_FILE, TABLE_FILE};
use crate::transcript::Transcript;

/// Writes the model into `folder`: adapters in both forms, or a whole decoder; gives names and paths.
pub(super) fn model(
    setup: &Setup<'_>,
    prepared: &Prepared,
    theta: &[f32],
    folder: &Path,
) -> Result<Vec<(String, PathBuf)>, TrainError> {
    let layout = prepared.network.layout();
    let mut files = Vec::new();
    if let Some((_, from)) = &prepared.decoder {
        put(&mut files, folder, "model.safetensors", &scratch::weights(layout, theta)?)?;
        for name in ["config.json", "tokenizer.json"] {
            let path = from.join(name);
            let bytes = std::fs::read(&path).map_err(|source| TrainError::files(&path, source))?;
            put(&mut files, folder, name, &bytes)?;
        }
        return Ok(files);
    }
    let job = setup.job;
    let adapter = layout.adapter(theta, &job.base, job.lora.alpha, prepared.network.targets());
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

/// Writes the tables: what explains, by source and where it can by record, and what pays; gives the hashes of the first
/// and the last.
pub(super) fn tables(
    influence: &Influence,
    folder: &Path,
    files: &mut Vec<(String, PathBuf)>,
) -> Result<(String, String), TrainError> {
    let hash = |bytes: &[u8]| blake3::hash(bytes).to_hex().to_string();
    let sources = influence.sources.to_bytes().map_err(release)?;
    put(files, folder, TABLE_FILE, &sources)?;
    if let Some(records) = &influence.records {
        put(files, folder, RECORDS_FILE, &records.to_bytes().map_err(release)?)?;
    }
    let pay = influence.pay.to_bytes().map_err(release)?;
    put(files, folder, PAY_FILE, &pay)?;
    Ok((hash(&sources), hash(&pay)))
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
