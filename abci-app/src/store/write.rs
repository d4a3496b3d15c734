//! Writing a block, and forgetting what proofs no longer need.

use prost::Message;
use redb::{Database, Durability, ReadableTable, WriteTransaction};

use super::tables::{CURRENT, HEAD, META, NODES, RESULT_HEIGHTS, RESULTS, STALE, VERSIONS};
use super::{BlockWrite, KEPT_RESULTS, KEPT_VERSIONS, Snapshot, StoreError, TreeUpdate, TxRecord};
use crate::code;
use crate::state::Changes;

/// Results forgotten in one block at most, beside as many as it adds: what was kept before a long rest goes bit by bit.
const RESULTS_A_BLOCK: usize = 1_024;

pub(super) fn commit(database: &Database, before: &Snapshot, block: BlockWrite) -> Result<(), StoreError> {
    let mut write = database.begin_write()?;
    write
        .set_durability(Durability::Immediate)
        .map_err(|error| StoreError::Database(format!("cannot make the commit durable: {error}")))?;
    let mut head = block.head;
    head.version = before.head().version;
    write_values(&write, &block.changes)?;
    if let Some(tree) = &block.tree {
        head.version = tree.version;
        write_tree(&write, tree)?;
        write.open_table(VERSIONS)?.insert(tree.version, head.height)?;
        prune(&write, tree.version)?;
    }
    write_results(&write, &block.results)?;
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

fn write_results(write: &WriteTransaction, results: &[([u8; 32], TxRecord)]) -> Result<(), StoreError> {
    if results.is_empty() {
        return Ok(());
    }
    let mut table = write.open_table(RESULTS)?;
    let mut heights = write.open_table(RESULT_HEIGHTS)?;
    for (hash, record) in results {
        // A repeated transaction is refused, once it has expired for that: the record of the first time is the one that
        // people want.
        if matches!(record.code, code::REPLAYED | code::EXPIRED) && table.get(hash)?.is_some() {
            continue;
        }
        if let Some(before) = table.insert(hash, record.to_bytes().as_slice())? {
            heights.remove((TxRecord::read(before.value())?.height, *hash))?;
        }
        heights.insert((record.height, *hash), ())?;
    }
    Ok(())
}

/// Forgets up to `most` results of blocks that are out of the window, oldest first.
fn prune_results(write: &WriteTransaction, height: u64, most: usize) -> Result<(), StoreError> {
    let oldest = height.saturating_add(1).saturating_sub(KEPT_RESULTS);
    let mut results = write.open_table(RESULTS)?;
    for entry in write.open_table(RESULT_HEIGHTS)?.extract_from_if(..(oldest, [0; 32]), |_, ()| true)?.take(most) {
        let (place, _) = entry?;
        results.remove(place.value().1)?;
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
