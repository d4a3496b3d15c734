//! Writing a block, and forgetting what proofs no longer need.

use prost::Message;
use redb::{Database, Durability, ReadableTable, WriteTransaction};

use super::tables::{CURRENT, HEAD, META, NODES, RESULT_PLACES, RESULTS, STALE, VERSIONS};
use super::{BlockWrite, KEPT_RESULTS, KEPT_VERSIONS, Snapshot, StoreError, TreeUpdate, TxRecord, record};
use crate::code;
use crate::state::Changes;

/// Results after which no further block's are forgotten in one block, beside as many as it adds: what was kept before a long rest goes bit by
/// bit.
const RESULTS_A_BLOCK: usize = 1_024;

pub(super) fn commit(database: &Database, before: &Snapshot, block: &BlockWrite) -> Result<(), StoreError> {
    let mut write = database.begin_write()?;
    write
        .set_durability(Durability::Immediate)
        .map_err(|error| StoreError::Database(format!("cannot make the commit durable: {error}")))?;
    let mut head = block.head.clone();
    head.version = before.head().version;
    write_values(&write, &block.changes)?;
    if let Some(tree) = &block.tree {
        head.version = tree.version;
        write_tree(&write, tree)?;
        write.open_table(VERSIONS)?.insert(tree.version, head.height)?;
        prune(&write, tree.version)?;
    }
    write_results(&write, head.height, &block.results)?;
    prune_results(&write, head.height, RESULTS_A_BLOCK.saturating_add(block.results.len()))?;
    write.open_table(META)?.insert(HEAD, head.encode_to_vec().as_slice())?;
    write.commit()?;
    Ok(())
}

fn write_values(write: &WriteTransaction, changes: &Changes) -> Result<(), StoreError> {
    let mut current = write.open_table(CURRENT)?;
    for (key, value) in changes {
        match value {
            Some(value) => current.insert(key.as_bytes(), value.as_slice())?,
            None => current.remove(key.as_bytes())?,
        };
    }
    Ok(())
}

fn write_tree(write: &WriteTransaction, tree: &TreeUpdate) -> Result<(), StoreError> {
    let mut nodes = write.open_table(NODES)?;
    for (key, row) in &tree.nodes {
        nodes.insert(key.as_slice(), row.as_slice())?;
    }
    write.open_table(STALE)?.insert(tree.version, tree.stale.as_slice())?;
    Ok(())
}

fn write_results(write: &WriteTransaction, height: u64, results: &[([u8; 32], TxRecord)]) -> Result<(), StoreError> {
    if results.is_empty() {
        return Ok(());
    }
    let (mut row, mut places) = (Vec::new(), write.open_table(RESULT_PLACES)?);
    for (hash, record) in results {
        // A repeated transaction is refused, once it has expired for that: the record of the first time is the one that
        // people want.
        if matches!(record.code, code::REPLAYED | code::EXPIRED) && places.get(hash)?.is_some() {
            continue;
        }
        // A block has 100 MiB at most, and each of its results less than a KiB.
        let at = u32::try_from(row.len()).map_err(|_| StoreError::Database("a block has too many results".into()))?;
        places.insert(hash, (height, at))?;
        record.clone().append(hash, &mut row);
    }
    write.open_table(RESULTS)?.insert(height, row.as_slice())?;
    Ok(())
}

/// Forgets results of blocks that are out of the window, oldest first, until there were `most`.
fn prune_results(write: &WriteTransaction, height: u64, most: usize) -> Result<(), StoreError> {
    let oldest = height.saturating_add(1).saturating_sub(KEPT_RESULTS);
    let (mut results, mut places) = (write.open_table(RESULTS)?, write.open_table(RESULT_PLACES)?);
    let mut gone = 0;
    while gone < most {
        let first = results.first()?.map(|(height, row)| (height.value(), record::hashes(row.value())));
        let Some((height, hashes)) = first.filter(|(height, _)| *height < oldest) else { return Ok(()) };
        let hashes = hashes?;
        for hash in &hashes {
            // Executed again since, it has another.
            if places.get(hash)?.is_some_and(|place| place.value().0 == height) {
                places.remove(hash)?;
            }
        }
        results.remove(height)?;
        gone = gone.saturating_add(hashes.len().max(1));
    }
    Ok(())
}

/// Drops what only versions before the oldest kept one need.
fn prune(write: &WriteTransaction, newest: u64) -> Result<(), StoreError> {
    let Some(oldest) = newest.checked_sub(KEPT_VERSIONS - 1) else { return Ok(()) };
    let mut nodes = write.open_table(NODES)?;
    for entry in write.open_table(STALE)?.extract_from_if(..=oldest, |_, _| true)? {
        let (_, keys) = entry?;
        let mut keys = keys.value();
        while let Some((length, rest)) = keys.split_first() {
            let length = usize::from(*length);
            let (Some(key), Some(rest)) = (rest.get(..length), rest.get(length..)) else {
                return Err(StoreError::Corrupt("a list of stale nodes is cut".into()));
            };
            nodes.remove(key)?;
            keys = rest;
        }
    }
    write.open_table(VERSIONS)?.retain_in(..oldest, |_, _| false)?;
    Ok(())
}
