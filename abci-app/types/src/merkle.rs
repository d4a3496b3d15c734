//! Binary Merkle trees in the shape of RFC 6962 (left-complete, leaves and nodes hashed apart), over BLAKE3.

use crate::id::Digest;

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

/// The root over nothing.
pub const EMPTY_ROOT: Digest = Digest::ZERO;

/// Builds a root from leaves that stream by, in O(log n) memory.
#[derive(Debug, Clone, Default)]
pub struct MerkleAccumulator {
    /// Roots of complete subtrees, largest first, with their heights.
    peaks: Vec<(u32, Digest)>,
    count: u64,
}

impl MerkleAccumulator {
    /// Adds the next leaf by its hash (see [`leaf_hash`]).
    pub fn push(&mut self, leaf: Digest) {
        let (mut height, mut hash) = (0u32, leaf);
        while let Some((top, left)) = self.peaks.last().copied() {
            if top != height {
                break;
            }
            self.peaks.pop();
            hash = node_hash(&left, &hash);
            height = height.saturating_add(1);
        }
        self.peaks.push((height, hash));
        self.count = self.count.saturating_add(1);
    }

    /// Leaves so far.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The root over all leaves so far; [`EMPTY_ROOT`] if there are none.
    pub fn root(&self) -> Digest {
        let mut peaks = self.peaks.iter().rev().map(|(_, hash)| *hash);
        let Some(last) = peaks.next() else { return EMPTY_ROOT };
        peaks.fold(last, |right, left| node_hash(&left, &right))
    }
}

/// The root over `leaves` (already hashed).
pub fn root(leaves: &[Digest]) -> Digest {
    let mut accumulator = MerkleAccumulator::default();
    for leaf in leaves {
        accumulator.push(*leaf);
    }
    accumulator.root()
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

/// The largest power of two below `n` (for `n >= 2`): where RFC 6962 splits a tree.
fn split_point(n: usize) -> usize {
    let mut k = 1usize;
    while k.saturating_mul(2) < n {
        k = k.saturating_mul(2);
    }
    k
}

/// Proves the leaf at `index` of `leaves`; `None` if there is no such leaf.
pub fn prove(leaves: &[Digest], index: usize) -> Option<MerkleProof> {
    if index >= leaves.len() {
        return None;
    }
    let mut siblings = Vec::new();
    let (mut rest, mut at) = (leaves, index);
    while rest.len() > 1 {
        let (left, right) = rest.split_at(split_point(rest.len()));
        if at < left.len() {
            siblings.push(root(right));
            rest = left;
        } else {
            siblings.push(root(left));
            at = at.saturating_sub(left.len());
            rest = right;
        }
    }
    siblings.reverse();
    Some(MerkleProof { index: index as u64, total: leaves.len() as u64, siblings })
}

impl MerkleProof {
    /// Whether `leaf` (already hashed) stands at this proof's place under `expected`.
    pub fn verify(&self, leaf: Digest, expected: &Digest) -> bool {
        if self.index >= self.total || self.siblings.len() > 64 {
            return false;
        }
        // RFC 9162, section 2.1.3.2: walk up, knowing from index and size on which side each sibling stands.
        let (mut node, mut last) = (self.index, self.total.saturating_sub(1));
        let mut hash = leaf;
        for sibling in &self.siblings {
            if last == 0 {
                return false;
            }
            if node & 1 == 1 || node == last {
                hash = node_hash(sibling, &hash);
                while node & 1 == 0 && node != 0 {
                    node >>= 1;
                    last >>= 1;
                }
            } else {
                hash = node_hash(&hash, sibling);
            }
            node >>= 1;
            last >>= 1;
        }
        last == 0 && hash == *expected
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
                let (left, right) = leaves.split_at(split_point(leaves.len()));
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
