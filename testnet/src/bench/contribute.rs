//! A large contribution: through a node's API, against writing the same file into the blob store directly.

use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use iroh_blobs::store::fs::FsStore;
use serde_json::json;
use tokio_util::io::ReaderStream;

use super::solo::Solo;
use super::{Measure, median};
use crate::network::{self, Network};
use crate::ui::Ui;

/// The ratio to reach.
const GOAL: f64 = 0.8;
/// How much of the memory after the upload may be there before it.
const MEMORY_GOAL: f64 = 0.8;
/// Bytes read from the file at a time.
const CHUNK: usize = 1 << 20;
const MIB: f64 = 1024.0 * 1024.0;

/// What to measure.
#[derive(Debug, Clone)]
pub struct ContributeBench {
    /// Size of the contribution in bytes.
    pub bytes: u64,
    /// Uploads, each beside a direct write of the same file.
    pub rounds: usize,
}

/// Measures.
///
/// # Errors
/// When the node does not start, a side fails, or the disk is full.
pub async fn run(bench: &ContributeBench, json: bool) -> Result<Vec<Measure>> {
    let ui = Ui::new(json);
    network::setup(&ui).await?;
    let root = Network::default_root();
    std::fs::create_dir_all(&root)?;
    let folder = tempfile::Builder::new().prefix("bench-files-").tempdir_in(&root)?;
    let solo = Solo::start(&root, 1).await?;
    solo.during(async |solo| {
        let client = solo.client()?;
        client.create_datanet(&datanet()).await?;
        // A small one first: what every upload needs is then in memory before the measured ones.
        let small = generate(folder.path(), 1 << 20, 999).await?;
        upload(&client, &small, 999).await?;
        let before = solo.peak_mib();
        let (mut ours, mut peer) = (Vec::new(), Vec::new());
        for round in 0..bench.rounds.max(1) {
            let step = ui.step(format!("writing a file of {:.0} MiB", bench.bytes as f64 / MIB));
            let file = generate(folder.path(), bench.bytes, round).await?;
            let mib = std::fs::metadata(&file)?.len() as f64 / MIB;
            step.done("");
            // In turn, the other first each time: the page cache helps whoever comes second.
            for direct in [round % 2 == 0, round % 2 != 0] {
                let step = ui.step(if direct { "into the blob store directly" } else { "through the API" });
                let seconds = if direct {
                    store(&folder.path().join("store"), &file).await?
                } else {
                    upload(&client, &file, round).await?
                };
                step.done(format!("{:.1} MiB/s", mib / seconds));
                if direct { peer.push(mib / seconds) } else { ours.push(mib / seconds) }
            }
            std::fs::remove_file(&file)?;
        }
        let after = solo.peak_mib();
        Ok(vec![
            Measure::rate(
                "contribution through the API",
                "MiB/s",
                median(ours),
                median(peer),
                "iroh-blobs add_path",
                GOAL,
            ),
            Measure::size(
                "peak memory of the node",
                "MiB",
                after,
                before,
                "the same node before the upload",
                MEMORY_GOAL,
            ),
        ])
    })
    .await
}

fn datanet() -> serde_json::Value {
    let held_out: String = (0..16)
        .map(|i| {
            format!(
                "{}\n",
                json!({ "text": format!("held-out passage number {i}"), "label": if i % 2 == 0 { "a" } else { "b" } })
            )
        })
        .collect();
    json!({
        "name": "bench",
        "description": "Generated records",
        "schema": { "fields": [
            { "name": "text", "kind": "string", "role": "text", "required": true },
            { "name": "label", "kind": "string", "role": "label", "required": true },
        ]},
        "licence": "CC0-1.0",
        "price": 1000,
        "accept_threshold": 5000,
        "committee_size": 1,
        "storage_quorum": 1,
        "min_bond": 0,
        "holdout": held_out,
    })
}

/// A JSONL file of about `bytes` with records of 1 KiB, none like another.
async fn generate(folder: &Path, bytes: u64, round: usize) -> Result<PathBuf> {
    let path = folder.join(format!("records-{round}.jsonl"));
    let target = path.clone();
    let filler =
        "Real contributions are lines of prose, and this is one of them as far as length and letters go. ".repeat(10);
    tokio::task::spawn_blocking(move || -> std::io::Result<()> {
        let mut file = BufWriter::with_capacity(CHUNK, std::fs::File::create(&target)?);
        let (mut written, mut number) = (0_u64, 0_u64);
        while written < bytes {
            let line = format!(
                "{{\"text\":\"Record {number:09} of round {round}: {filler}\",\"label\":\"{}\"}}\n",
                if number.is_multiple_of(2) { "a" } else { "b" }
            );
            file.write_all(line.as_bytes())?;
            written += line.len() as u64;
            number += 1;
        }
        file.into_inner()?.sync_all()
    })
    .await?
    .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

/// Streams the file through the API; seconds until the node has accepted it.
async fn upload(client: &crate::api::Client, file: &Path, round: usize) -> Result<f64> {
    let expected = std::fs::metadata(file)?.len();
    let began = Instant::now();
    let body = reqwest::Body::wrap_stream(ReaderStream::with_capacity(tokio::fs::File::open(file).await?, CHUNK));
    let sent = client.contribute("bench", "node", "application/x-ndjson", &format!("bench-{round}"), body).await?;
    let seconds = began.elapsed().as_secs_f64();
    ensure!(sent.size == expected, "the node took {} of {expected} bytes", sent.size);
    Ok(seconds)
}

/// Copies the file into a new blob store; seconds until it is there.
async fn store(folder: &Path, file: &Path) -> Result<f64> {
    let store = FsStore::load(folder).await.map_err(|e| anyhow::anyhow!("cannot open a blob store: {e}"))?;
    let began = Instant::now();
    store.blobs().add_path(file).await.map_err(|e| anyhow::anyhow!("cannot add to the blob store: {e}"))?;
    let seconds = began.elapsed().as_secs_f64();
    store.shutdown().await.map_err(|e| anyhow::anyhow!("cannot close the blob store: {e}"))?;
    std::fs::remove_dir_all(folder)?;
    Ok(seconds)
}
