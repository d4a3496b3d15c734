//! A Jellyfish Merkle tree in redb and nothing around it.

use std::path::Path;

use anyhow::{Context as _, Result};
use jmt::storage::{LeafNode, Node, NodeKey, TreeReader};
use jmt::{JellyfishMerkleTree, KeyHash, OwnedValue, Version};
use redb::{Database, Durability, ReadOnlyTable, ReadableDatabase, TableDefinition};
use sha2::Sha256;

const NODES: TableDefinition<'static, &[u8], &[u8]> = TableDefinition::new("nodes");
const VALUES: TableDefinition<'static, [u8; 32], &[u8]> = TableDefinition::new("values");

/// Keys and values that become a version.
pub type Updates = Vec<(KeyHash, Vec<u8>)>;

/// A tree on disk.
#[derive(Debug)]
pub struct BareTree {
    database: Database,
    version: Version,
}

/// What is committed.
struct Committed {
    nodes: ReadOnlyTable<&'static [u8], &'static [u8]>,
    values: ReadOnlyTable<[u8; 32], &'static [u8]>,
}

impl TreeReader for Committed {
    fn get_node_option(&self, key: &NodeKey) -> Result<Option<Node>> {
        let Some(bytes) = self.nodes.get(borsh::to_vec(key)?.as_slice())? else { return Ok(None) };
        Ok(Some(borsh::from_slice(bytes.value())?))
    }

    fn get_value_option(&self, _: Version, hash: KeyHash) -> Result<Option<OwnedValue>> {
        Ok(self.values.get(hash.0)?.map(|value| value.value().to_vec()))
    }

    fn get_rightmost_leaf(&self) -> Result<Option<(NodeKey, LeafNode)>> {
        anyhow::bail!("only restoring a tree asks for its rightmost leaf")
    }
}

impl BareTree {
    /// A tree in a new file, of whose pages at most `cache_bytes` are kept in memory.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn create(path: &Path, cache_bytes: usize) -> Result<Self> {
        let database = Database::builder().set_cache_size(cache_bytes).create(path)?;
        let write = database.begin_write()?;
        write.open_table(NODES)?;
        write.open_table(VALUES)?;
        write.commit()?;
        Ok(Self { database, version: 0 })
    }

    /// Makes `updates` the next version, durably; gives its root.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn commit(&mut self, updates: Updates) -> Result<[u8; 32]> {
        let read = self.database.begin_read()?;
        let committed = Committed { nodes: read.open_table(NODES)?, values: read.open_table(VALUES)? };
        let tree = JellyfishMerkleTree::<_, Sha256>::new(&committed);
        let version = self.version;
        let changes = updates.iter().map(|(key, value)| (*key, Some(value.clone())));
        let (root, batch) = tree.put_value_set(changes, version).context("the bare tree takes no update")?;
        let mut write = self.database.begin_write()?;
        write.set_durability(Durability::Immediate)?;
        {
            let (mut nodes, mut values) = (write.open_table(NODES)?, write.open_table(VALUES)?);
            for (key, node) in batch.node_batch.nodes() {
                nodes.insert(borsh::to_vec(key)?.as_slice(), borsh::to_vec(node)?.as_slice())?;
            }
            // What nothing leads to any more goes at once: only the newest version is kept.
            for stale in &batch.stale_node_index_batch {
                nodes.remove(borsh::to_vec(&stale.node_key)?.as_slice())?;
            }
            for (key, value) in &updates {
                values.insert(key.0, value.as_slice())?;
            }
        }
        write.commit()?;
        self.version += 1;
        Ok(root.0)
    }
}
