//! Batches as they are given: set aside in the agent's folder before they are, so that the very bytes are there to be given again after a restart.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};

use anyhow::Result;
use datanet_data::corpus::{Limits, read_records};
use datanet_types::Digest;
use datanet_types::record::Format;
use datanet_types::schema::Schema;

use crate::agent::bench::Batch;

/// What their files begin with.
const PREFIX: &str = "batch-";

/// A batch as bytes.
pub(super) struct Staged {
    pub(super) bytes: Vec<u8>,
    pub(super) hash: Digest,
}

/// A batch as JSONL of canonical records.
pub(super) fn stage(batch: &Batch) -> Staged {
    let lines: String = batch.records.iter().map(|(_, record)| format!("{}\n", record.canonical())).collect();
    Staged { hash: Digest(*blake3::hash(lines.as_bytes()).as_bytes()), bytes: lines.into_bytes() }
}

/// Sets a batch aside, durably; the name of its file.
pub(super) fn keep(state: &Path, hash: &Digest, bytes: &[u8]) -> std::io::Result<PathBuf> {
    let name = PathBuf::from(format!("{PREFIX}{hash}.jsonl"));
    let (path, temporary) = (state.join(&name), state.join("batch.new"));
    let mut file = File::create(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&temporary, &path)?;
    File::open(state)?.sync_all()?;
    Ok(name)
}

/// The records of all batches that were given, whatever became of them. What was set aside and not given is removed: a process ended in between, or
/// the node refused it.
pub(super) fn given_leaves(
    state: &Path,
    schema: &Schema,
    is_given: impl Fn(&Digest) -> bool,
) -> Result<BTreeSet<Digest>> {
    let mut leaves = BTreeSet::new();
    for entry in std::fs::read_dir(state)?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(hash) = name.strip_prefix(PREFIX).and_then(|rest| rest.strip_suffix(".jsonl")) else { continue };
        if !hash.parse::<Digest>().is_ok_and(|hash| is_given(&hash)) {
            std::fs::remove_file(entry.path())?;
            continue;
        }
        let bytes = std::fs::read(entry.path())?;
        if let Ok(records) = read_records(Format::Jsonl, Cursor::new(bytes), schema, Limits::default()) {
            leaves.extend(records.map_while(Result::ok).map(|record| record.leaf()));
        }
    }
    Ok(leaves)
}
