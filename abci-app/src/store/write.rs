//! Writing a block, and forgetting what proofs no longer need.

use prost::Message;
use redb::{Database, Durability, ReadableTable, WriteTransaction};

use super::tables::{CURRENT, HEAD, HISTORY, META, NODES, PREIMAGES, RESULTS, STALE, VERSIONS, key_hash, node_key};
use super::{BlockWrite, KEPT_VERSIONS, Snapshot, StoreError, TreeUpdate, TxRecord};
use crate::code;
use crate::state::Changes;

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
    for (hash, record) in results {
        // A repeated transaction is refused, once it has expired for that: the record of the first time is the one that
        // people want.
        if matches!(record.code, code::REPLAYED | code::EXPIRED) && table.get(hash)?.is_some() {
            continue;
        }
        table.insert(hash, record.encode_to_vec().as_slice())?;
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
