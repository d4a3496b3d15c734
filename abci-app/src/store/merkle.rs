//! Proofs out of the Jellyfish Merkle tree over authenticated state.
//!
//! SHA-256 throughout, so that a proof is plain ICS23 and verifies with [`spec`] in any language.

use std::cell::RefCell;
use std::collections::BTreeMap;

use borsh::BorshDeserialize as _;
use jmt::storage::{HasPreimage, LeafNode, Node, NodeKey, TreeReader};
use jmt::{JellyfishMerkleTree, KeyHash, OwnedValue, Version};
use prost_ics23::Message;
use sha2::Sha256;

use super::node::{Entry, corrupt, entry};
use super::tables::node_key;
use super::{Snapshot, StoreError};

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

/// The tree over `snapshot`, which remembers the keys and values of the leaves that it was asked for.
struct NodeReader<'a> {
    snapshot: &'a Snapshot,
    leaves: RefCell<BTreeMap<[u8; 32], Entry>>,
}

impl NodeReader<'_> {
    fn node(&self, key: &NodeKey) -> Result<Option<Node>, StoreError> {
        let Some(bytes) = self.snapshot.tables.nodes.get(node_key(key).as_slice())? else { return Ok(None) };
        let mut bytes = bytes.value();
        let node = Node::deserialize(&mut bytes).map_err(|error| corrupt(&error))?;
        if let Node::Leaf(leaf) = &node {
            self.leaves.borrow_mut().insert(leaf.key_hash().0, entry(bytes)?);
        }
        Ok(Some(node))
    }
}

impl TreeReader for NodeReader<'_> {
    fn get_node_option(&self, key: &NodeKey) -> anyhow::Result<Option<Node>> {
        Ok(self.node(key)?)
    }

    /// The tree asks for the value of a leaf after the leaf, and a reader reads one version only.
    fn get_value_option(&self, _at_most: Version, hash: KeyHash) -> anyhow::Result<Option<OwnedValue>> {
        Ok(self.leaves.borrow().get(&hash.0).map(|(_, value)| value.clone()))
    }

    fn get_rightmost_leaf(&self) -> anyhow::Result<Option<(NodeKey, LeafNode)>> {
        anyhow::bail!("only restoring a tree asks for its rightmost leaf, and this reader restores nothing")
    }
}

impl HasPreimage for NodeReader<'_> {
    /// Asked for the leaves beside an absent key, once they were read.
    fn preimage(&self, hash: KeyHash) -> anyhow::Result<Option<Vec<u8>>> {
        Ok(self.leaves.borrow().get(&hash.0).map(|(key, _)| key.clone().into_bytes()))
    }
}

fn tree_error(error: anyhow::Error) -> StoreError {
    match error.downcast::<StoreError>() {
        Ok(error) => error,
        Err(error) => StoreError::Corrupt(format!("state tree: {error:#}")),
    }
}

/// The value of `key` at `version` with its proof.
pub(super) fn prove(snapshot: &Snapshot, key: &str, version: Version, height: u64) -> Result<Proof, StoreError> {
    let reader = NodeReader { snapshot, leaves: RefCell::default() };
    let tree = JellyfishMerkleTree::<_, Sha256>::new(&reader);
    let root = tree.get_root_hash(version).map_err(tree_error)?;
    let (value, proof) = tree.get_with_ics23_proof(key.as_bytes().to_vec(), version).map_err(tree_error)?;
    Ok(Proof { key: key.to_owned(), value, height, app_hash: root.0, ics23: proof.encode_to_vec() })
}
