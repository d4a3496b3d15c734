//! The database's tables and the byte order of their keys.

use jmt::KeyHash;
use jmt::storage::NodeKey;
use redb::{Database, TableDefinition};

use super::StoreError;

/// `"head"` to the encoded [`super::Head`].
pub(super) const META: TableDefinition<'static, &str, &[u8]> = TableDefinition::new("meta");
/// The present state, authenticated and derived: key to value. The keys are text, kept as bytes: redb would check at each
/// comparison that they are text.
pub(super) const CURRENT: TableDefinition<'static, &[u8], &[u8]> = TableDefinition::new("current");
/// Nodes of the tree by [`path_key`]; a leaf is here with its key and value ([`super::node`]). Those of older versions that a newer
/// one replaced are the past: reading a kept version costs no copy of what did not change.
pub(super) const NODES: TableDefinition<'static, &[u8], &[u8]> = TableDefinition::new("nodes");
/// Version to the [`path_key`]s that it made stale, one behind the other, each behind its length in one byte: what may be pruned
/// when that version is the oldest kept.
pub(super) const STALE: TableDefinition<'static, u64, &[u8]> = TableDefinition::new("stale");
/// First height of each version that is kept.
pub(super) const VERSIONS: TableDefinition<'static, u64, u64> = TableDefinition::new("versions");
/// Height to the results of that block's transactions, one behind the other: the transaction's hash, then [`super::TxRecord`] behind its
/// length. One row a block, in the order in which they are forgotten.
pub(super) const RESULTS: TableDefinition<'static, u64, &[u8]> = TableDefinition::new("results");
/// Transaction hash to the height and the place in [`RESULTS`] of its result.
pub(super) const RESULT_PLACES: TableDefinition<'static, [u8; 32], (u64, u32)> = TableDefinition::new("result_places");

/// The only key of [`META`].
pub(super) const HEAD: &str = "head";

/// The 32-byte place of a state key in the tree.
pub(super) fn key_hash(key: &str) -> KeyHash {
    KeyHash::with::<sha2::Sha256>(key)
}

/// The bytes of a tree node's key: version, number of nibbles, two nibbles a byte. Those of one version are neighbours, and a new
/// version's come behind all others, so that a block writes few pages.
pub(super) fn path_key(version: u64, path: &[u8; 32], nibbles: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(16);
    bytes.extend(version.to_be_bytes());
    // At most 64: as many as a hash has.
    bytes.push(nibbles as u8);
    let (whole, half) = path.split_at(nibbles / 2);
    bytes.extend(whole);
    if nibbles % 2 == 1 {
        bytes.extend(half.first().map(|byte| byte & 0xf0));
    }
    bytes
}

/// The same of a key that `jmt` asks for.
pub(super) fn node_key(key: &NodeKey) -> Vec<u8> {
    let (nibbles, mut path) = (key.nibble_path(), [0; 32]);
    for (at, nibble) in nibbles.nibbles().take(64).enumerate() {
        path[at / 2] |= u8::from(nibble) << if at % 2 == 0 { 4 } else { 0 };
    }
    path_key(key.version(), &path, nibbles.num_nibbles())
}

/// Makes the tables, so that readers find them from the start.
pub(super) fn create(database: &Database) -> Result<(), StoreError> {
    let write = database.begin_write()?;
    {
        write.open_table(META)?;
        write.open_table(CURRENT)?;
        write.open_table(NODES)?;
        write.open_table(STALE)?;
        write.open_table(VERSIONS)?;
        write.open_table(RESULTS)?;
        write.open_table(RESULT_PLACES)?;
    }
    write.commit()?;
    Ok(())
}
