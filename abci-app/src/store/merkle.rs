//! The Jellyfish Merkle tree over the state, and its proofs.
//!
//! SHA-256 throughout, so that a proof is plain ICS23 and verifies with [`spec`] in any language.

use jmt::storage::{HasPreimage, LeafNode, Node, NodeKey, TreeReader, TreeUpdateBatch};
use jmt::{JellyfishMerkleTree, KeyHash, OwnedValue, Version};
use prost_ics23::Message;
use sha2::Sha256;

use super::tables::{key_hash, node_key};
use super::{Snapshot, StoreError};
use crate::state::Changes;

/// A value, or its absence, with the proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// The key proved.
    pub key: String,
    /// Its value at that height, if it has one.
    pub value: Option<Vec<u8>>,
    /// The height whose app hash (in the header of the next block) the proof leads to.
    pub height: u64,
    /// That app hash.
    pub app_hash: [u8; 32],
    /// An encoded `ics23.CommitmentProof`; verifies under [`spec`].
    pub ics23: Vec<u8>,
}

/// The ICS23 specification of the tree.
pub fn spec() -> ics23::ProofSpec {
    let mut spec = jmt::ics23_spec();
    // jmt's own bound of 64 counts nibbles, while the path of a proof counts bits: keys whose hashes share more than
    // 64 bits are hard to find, but should not become unprovable.
    spec.max_depth = 256;
    spec
}

/// A key and the value it had.
type Entry = (String, Option<Vec<u8>>);

/// The tree of `snapshot` as of `version`.
struct VersionReader<'a> {
    snapshot: &'a Snapshot,
    version: Version,
}

impl VersionReader<'_> {
    /// What `hash` was replaced from, in the first version after ours that touched it.
    fn replaced(&self, hash: &KeyHash) -> Result<Option<Entry>, StoreError> {
        let newest = self.snapshot.head().version;
        for version in self.version.saturating_add(1)..=newest {
            if let Some(entry) = self.snapshot.tables.history.get((version, hash.0))? {
                let (key, value) = entry.value();
                return Ok(Some((key.to_owned(), value.map(<[u8]>::to_vec))));
            }
        }
        Ok(None)
    }

    fn present_key(&self, hash: &KeyHash) -> Result<Option<String>, StoreError> {
        Ok(self.snapshot.tables.preimages.get(hash.0)?.map(|key| key.value().to_owned()))
    }

    fn value(&self, hash: &KeyHash) -> Result<Option<Vec<u8>>, StoreError> {
        if let Some((_, value)) = self.replaced(hash)? {
            return Ok(value);
        }
        self.present_key(hash)?.map_or(Ok(None), |key| self.snapshot.current(&key))
    }

    fn node(&self, key: &NodeKey) -> Result<Option<Node>, StoreError> {
        let Some(bytes) = self.snapshot.tables.nodes.get(node_key(key)?.as_slice())? else { return Ok(None) };
        let node = borsh::from_slice(bytes.value());
        node.map(Some).map_err(|error| StoreError::Corrupt(format!("tree node: {error}")))
    }
}

impl TreeReader for VersionReader<'_> {
    fn get_node_option(&self, key: &NodeKey) -> anyhow::Result<Option<Node>> {
        Ok(self.node(key)?)
    }

    fn get_value_option(&self, _at_most: Version, hash: KeyHash) -> anyhow::Result<Option<OwnedValue>> {
        Ok(self.value(&hash)?)
    }

    fn get_rightmost_leaf(&self) -> anyhow::Result<Option<(NodeKey, LeafNode)>> {
        anyhow::bail!("only restoring a tree asks for its rightmost leaf, and this reader restores nothing")
    }
}

impl HasPreimage for VersionReader<'_> {
    fn preimage(&self, hash: KeyHash) -> anyhow::Result<Option<Vec<u8>>> {
        let key = match self.present_key(&hash)? {
            Some(key) => Some(key),
            None => self.replaced(&hash)?.map(|(key, _)| key),
        };
        Ok(key.map(String::into_bytes))
    }
}

fn tree_error(error: anyhow::Error) -> StoreError {
    match error.downcast::<StoreError>() {
        Ok(error) => error,
        Err(error) => StoreError::Corrupt(format!("state tree: {error:#}")),
    }
}

/// The root and the nodes after `changes` become `version` over `snapshot`.
pub(super) fn update(
    snapshot: &Snapshot,
    changes: &Changes,
    version: Version,
) -> Result<([u8; 32], TreeUpdateBatch), StoreError> {
    let reader = VersionReader { snapshot, version: snapshot.head().version };
    let tree = JellyfishMerkleTree::<_, Sha256>::new(&reader);
    let values = changes.iter().map(|(key, value)| (key_hash(key), value.clone()));
    let (root, batch) = tree.put_value_set(values, version).map_err(tree_error)?;
    Ok((root.0, batch))
}

/// The value of `key` at `version` with its proof.
pub(super) fn prove(snapshot: &Snapshot, key: &str, version: Version, height: u64) -> Result<Proof, StoreError> {
    let reader = VersionReader { snapshot, version };
    let tree = JellyfishMerkleTree::<_, Sha256>::new(&reader);
    let root = tree.get_root_hash(version).map_err(tree_error)?;
    let (value, proof) = tree.get_with_ics23_proof(key.as_bytes().to_vec(), version).map_err(tree_error)?;
    Ok(Proof { key: key.to_owned(), value, height, app_hash: root.0, ics23: proof.encode_to_vec() })
}
