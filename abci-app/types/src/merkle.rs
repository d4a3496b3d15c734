//! Binary Merkle trees in the shape of RFC 6962 (left-complete, leaves and nodes hashed apart), over BLAKE3.

use std::convert::Infallible;

use crate::id::Digest;
use crate::tree::{self, Peaks, TreeNode, sure};

const LEAF: u8 = 0;
const NODE: u8 = 1;

/// Hash of a leaf's content.
pub fn leaf_hash(content: &[u8]) -> Digest {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&[LEAF]).update(content);
    Digest(*hasher.finalize().as_bytes())
}

fn node_hash(left: &Digest, right: &Digest) -> Digest {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&[NODE]).update(&left.0).update(&right.0);
    Digest(*hasher.finalize().as_bytes())
}

impl TreeNode for Digest {
    type Error = Infallible;

    fn join(left: &Self, right: &Self) -> Result<Self, Infallible> {
        Ok(node_hash(left, right))
    }
}

/// The root over nothing.
pub const EMPTY_ROOT: Digest = Digest::ZERO;

/// Builds a root from leaves that stream by, in O(log n) memory.
#[derive(Debug, Clone, Default)]
pub struct MerkleAccumulator {
    peaks: Peaks<Digest>,
    count: u64,
}

impl MerkleAccumulator {
    /// Adds the next leaf by its hash (see [`leaf_hash`]).
    pub fn push(&mut self, leaf: Digest) {
        sure(self.peaks.push(leaf));
        self.count = self.count.saturating_add(1);
    }

    /// Leaves so far.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The root over all leaves so far; [`EMPTY_ROOT`] if there are none.
    pub fn root(&self) -> Digest {
        sure(self.peaks.root()).unwrap_or(EMPTY_ROOT)
    }
}

/// The root over `leaves` (already hashed).
pub fn root(leaves: &[Digest]) -> Digest {
    sure(tree::root(leaves)).unwrap_or(EMPTY_ROOT)
}

/// Proof that a leaf stands at `index` of `total` leaves: the sibling hashes from the leaf up.
#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct MerkleProof {
    /// Position of the leaf, from 0.
    #[prost(uint64, tag = "1")]
    pub index: u64,
    /// Leaves in the tree.
    #[prost(uint64, tag = "2")]
    pub total: u64,
    /// Siblings from the leaf's level to below the root.
    #[prost(message, repeated, tag = "3")]
    pub siblings: Vec<Digest>,
}

/// Proves the leaf at `index` of `leaves`; `None` if there is no such leaf.
pub fn prove(leaves: &[Digest], index: usize) -> Option<MerkleProof> {
    let siblings = sure(tree::siblings(leaves, index))?;
    Some(MerkleProof { index: index as u64, total: leaves.len() as u64, siblings })
}

impl MerkleProof {
    /// Whether `leaf` (already hashed) stands at this proof's place under `expected`.
    pub fn verify(&self, leaf: Digest, expected: &Digest) -> bool {
        tree::climb(leaf, self.index, self.total, &self.siblings).as_ref() == Some(expected)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn leaves(n: usize) -> Vec<Digest> {
        (0..n).map(|i| leaf_hash(&i.to_le_bytes())).collect()
    }

    /// The definition, by recursion: what the accumulator must agree with.
    fn reference(leaves: &[Digest]) -> Digest {
        match leaves {
            [] => EMPTY_ROOT,
            [one] => *one,
            _ => {
                let (left, right) = leaves.split_at(tree::split_point(leaves.len()));
                node_hash(&reference(left), &reference(right))
            }
        }
    }

    #[test]
    fn streaming_agrees_with_the_definition() {
        for n in 0..70 {
            assert_eq!(root(&leaves(n)), reference(&leaves(n)), "{n} leaves");
        }
    }

    proptest! {
        #[test]
        fn every_leaf_is_provable_and_no_other(n in 1usize..90, pick: prop::sample::Index, other in 0usize..90) {
            let all = leaves(n);
            let index = pick.index(n);
            let proof = prove(&all, index).unwrap();
            let top = root(&all);
            prop_assert!(proof.verify(all[index], &top));
            if other < n && other != index {
                prop_assert!(!proof.verify(all[other], &top));
                let moved = MerkleProof { index: other as u64, ..proof.clone() };
                prop_assert!(!moved.verify(all[index], &top));
            }
        }
    }
}
