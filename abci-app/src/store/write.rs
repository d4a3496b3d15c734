//! Writing a block, and forgetting what proofs no longer need.

use prost::Message;
use redb::{Database, Durability, ReadableTable, WriteTransaction};

use super::tables::{
    CURRENT, HEAD, HISTORY, META, NODES, PREIMAGES, RESULT_HEIGHTS, RESULTS, STALE, VERSIONS, key_hash, node_key,
};
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
    if let Some(tree) = &block.tree {
        head.version = tree.version;
        write_values(&write, &block.changes, tree.version)?;
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

fn write_values(write: &WriteTransaction, changes: &Changes, version: u64) -> Result<(), StoreError> {
    let mut current = write.open_table(CURRENT)?;
    let mut preimages = write.open_table(PREIMAGES)?;
    let mut history = write.open_table(HISTORY)?;
    for (key, value) in changes {
        let hash = key_hash(key).0;
        let old = match value {
            Some(value) => current.insert(key.as_str(), value.as_slice())?,
            None => current.remove(key.as_str())?,
        };
        let old = old.map(|old| old.value().to_vec());
        history.insert((version, hash), (key.as_str(), old.as_deref()))?;
        match (old.is_some(), value.is_some()) {
            (false, true) => {
                preimages.insert(hash, key.as_str())?;
            }
            (true, false) => {
                preimages.remove(hash)?;
            }
            _ => {}
        }
    }
    Ok(())
}

fn write_tree(write: &WriteTransaction, tree: &TreeUpdate) -> Result<(), StoreError> {
    let mut nodes = write.open_table(NODES)?;
    for (key, node) in tree.batch.node_batch.nodes() {
        let bytes = borsh::to_vec(node).map_err(|error| StoreError::Corrupt(format!("tree node: {error}")))?;
        nodes.insert(node_key(key)?.as_slice(), bytes.as_slice())?;
    }
    let mut stale = write.open_table(STALE)?;
    for index in &tree.batch.stale_node_index_batch {
        stale.insert((index.stale_since_version, node_key(&index.node_key)?.as_slice()), ())?;
    }
    Ok(())
}

fn write_results(write: &WriteTransaction, results: &[([u8; 32], TxRecord)]) -> Result<(), StoreError> {
    if results.is_empty() {
        return Ok(());
    }
    let mut table = write.open_table(RESULTS)?;
    let mut heights = write.open_table(RESULT_HEIGHTS)?;
    for (hash, record) in results {
        let before = table.get(hash)?.map(|bytes| TxRecord::read(bytes.value())).transpose()?;
        if let Some(before) = before {
            // A repeated transaction is refused, once it has expired for that: the record of the first time is the one that
            // people want.
            if matches!(record.code, code::REPLAYED | code::EXPIRED) {
                continue;
            }
            heights.remove((before.height, *hash))?;
        }
        table.insert(hash, record.encode_to_vec().as_slice())?;
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
    let behind = oldest.saturating_add(1);
    let mut nodes = write.open_table(NODES)?;
    for entry in write.open_table(STALE)?.extract_from_if(..(behind, &[][..]), |_, ()| true)? {
        let (index, _) = entry?;
        nodes.remove(index.value().1)?;
    }
    write.open_table(HISTORY)?.retain_in(..(behind, [0; 32]), |_, _| false)?;
    write.open_table(VERSIONS)?.retain_in(..oldest, |_, _| false)?;
    Ok(())
}
