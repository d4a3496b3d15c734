//! The database's tables and the byte order of their keys.

use jmt::KeyHash;
use jmt::storage::NodeKey;
use redb::{Database, TableDefinition};

use super::StoreError;

/// Key of the history: the version that replaced a value, and the hash of its key.
pub(super) type Replacement = (u64, [u8; 32]);
/// Entry of the history: the key, and the value before.
pub(super) type Replaced = (&'static str, Option<&'static [u8]>);

/// `"head"` to the encoded [`super::Head`].
pub(super) const META: TableDefinition<'static, &str, &[u8]> = TableDefinition::new("meta");
/// The present state: key to value.
pub(super) const CURRENT: TableDefinition<'static, &str, &[u8]> = TableDefinition::new("current");
/// Hash of each present key, to the key: proofs of absence name the neighbours by key.
pub(super) const PREIMAGES: TableDefinition<'static, [u8; 32], &str> = TableDefinition::new("preimages");
/// Tree nodes by [`node_key`].
pub(super) const NODES: TableDefinition<'static, &[u8], &[u8]> = TableDefinition::new("nodes");
/// (version since which it is stale, [`node_key`]): what may be pruned when that version is the oldest kept.
pub(super) const STALE: TableDefinition<'static, (u64, &[u8]), ()> = TableDefinition::new("stale");
/// (version that replaced it, hash of key) to (key, the value before): reading any kept version costs no copy of
/// what did not change.
pub(super) const HISTORY: TableDefinition<'static, Replacement, Replaced> = TableDefinition::new("history");
/// First height of each version that is kept.
pub(super) const VERSIONS: TableDefinition<'static, u64, u64> = TableDefinition::new("versions");
/// Transaction hash to the encoded [`super::TxRecord`].
pub(super) const RESULTS: TableDefinition<'static, [u8; 32], &[u8]> = TableDefinition::new("tx_results");

/// (height, transaction hash): what [`RESULTS`] holds, in the order in which it is forgotten.
pub(super) const RESULT_HEIGHTS: TableDefinition<'static, (u64, [u8; 32]), ()> =
    TableDefinition::new("tx_result_heights");

/// The only key of [`META`].
pub(super) const HEAD: &str = "head";

/// The 32-byte place of a state key in the tree.
pub(super) fn key_hash(key: &str) -> KeyHash {
    KeyHash::with::<sha2::Sha256>(key)
}

/// The bytes of a tree node's key.
pub(super) fn node_key(key: &NodeKey) -> Result<Vec<u8>, StoreError> {
    borsh::to_vec(key).map_err(|error| StoreError::Corrupt(format!("tree node key: {error}")))
}

/// Makes the tables, so that readers find them from the start.
pub(super) fn create(database: &Database) -> Result<(), StoreError> {
    let write = database.begin_write()?;
    {
        write.open_table(META)?;
        write.open_table(CURRENT)?;
        write.open_table(PREIMAGES)?;
        write.open_table(NODES)?;
        write.open_table(STALE)?;
        write.open_table(HISTORY)?;
        write.open_table(VERSIONS)?;
        write.open_table(RESULTS)?;
        write.open_table(RESULT_HEIGHTS)?;
    }
    write.commit()?;
    Ok(())
}
