//! Merkle sum trees: every node carries the sum of the amounts below it, and hashes the sums of both its children.
//!
//! The root commits to the total. A leaf can only be proven where the sums on its way add up to that total, so whoever
//! made the tree, all the leaves that can be proven under it, each at its one place, never sum to more.

use crate::Amount;
use crate::id::Digest;
use crate::tree::{self, TreeNode};

/// Sets the inner nodes apart from those of [`crate::merkle`] (1) and from leaves (0).
const SUM_NODE: u8 = 2;

/// A node of the tree: of a leaf, its hash and amount.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct SumNode {
    /// Hash of the leaf, or of both children with their sums.
    #[prost(message, required, tag = "1")]
    pub digest: Digest,
    /// Base units below it.
    #[prost(uint64, tag = "2")]
    pub sum: Amount,
}

/// The node above nothing.
pub const EMPTY: SumNode = SumNode { digest: Digest::ZERO, sum: 0 };

/// The amounts sum to more than 64 bits hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the amounts sum to more than 64 bits hold; split them over several trees")]
pub struct SumOverflow;

impl TreeNode for SumNode {
    type Error = SumOverflow;

    fn join(left: &Self, right: &Self) -> Result<Self, SumOverflow> {
        let sum = left.sum.checked_add(right.sum).ok_or(SumOverflow)?;
        let mut hasher = blake3::Hasher::new();
        hasher.update(&[SUM_NODE]);
        for child in [left, right] {
            hasher.update(&child.digest.0).update(&child.sum.to_le_bytes());
        }
        Ok(Self { digest: Digest(*hasher.finalize().as_bytes()), sum })
    }
}

/// The root over `leaves`; [`EMPTY`] if there are none.
///
/// # Errors
/// When the amounts overflow.
pub fn root(leaves: &[SumNode]) -> Result<SumNode, SumOverflow> {
    Ok(tree::root(leaves)?.unwrap_or(EMPTY))
}

/// Proof that a leaf stands at `index` of `total` leaves: the siblings from the leaf up, with their sums.
#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct SumProof {
    /// Position of the leaf, from 0.
    #[prost(uint64, tag = "1")]
    pub index: u64,
    /// Leaves in the tree.
    #[prost(uint64, tag = "2")]
    pub total: u64,
    /// Siblings from the leaf's level to below the root.
    #[prost(message, repeated, tag = "3")]
    pub siblings: Vec<SumNode>,
}

/// Proves the leaf at `index` of `leaves`; `None` if there is no such leaf.
///
/// # Errors
/// When the amounts overflow.
pub fn prove(leaves: &[SumNode], index: usize) -> Result<Option<SumProof>, SumOverflow> {
    let siblings = tree::siblings(leaves, index)?;
    Ok(siblings.map(|siblings| SumProof { index: index as u64, total: leaves.len() as u64, siblings }))
}

impl SumProof {
    /// Whether `leaf` stands at this proof's place under `root`, digest and sum.
    ///
    /// How many leaves the tree has is for the caller to compare with what it knows: the same leaf may stand at other
    /// indices of trees of other sizes.
    pub fn verify(&self, leaf: SumNode, root: &SumNode) -> bool {
        tree::climb(leaf, self.index, self.total, &self.siblings).as_ref() == Some(root)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merkle::leaf_hash;
    use proptest::prelude::*;

    fn leaf(at: usize, amount: Amount) -> SumNode {
        SumNode { digest: leaf_hash(&[at.to_le_bytes(), amount.to_le_bytes()].concat()), sum: amount }
    }

    fn leaves(amounts: &[Amount]) -> Vec<SumNode> {
        amounts.iter().enumerate().map(|(at, amount)| leaf(at, *amount)).collect()
    }

    /// The definition, by recursion and with its own hashing: what the tree must agree with.
    fn reference(leaves: &[SumNode]) -> Option<SumNode> {
        match leaves {
            [] => Some(EMPTY),
            [one] => Some(*one),
            _ => {
                let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
                let (left, right) = (reference(left)?, reference(right)?);
                let parts = [
                    [2].as_slice(),
                    &left.digest.0,
                    &left.sum.to_le_bytes(),
                    &right.digest.0,
                    &right.sum.to_le_bytes(),
                ];
                let digest = Digest(*blake3::hash(&parts.concat()).as_bytes());
                Some(SumNode { digest, sum: left.sum.checked_add(right.sum)? })
            }
        }
    }

    fn amounts() -> impl Strategy<Value = Vec<Amount>> {
        prop::collection::vec(0u64..1 << 40, 1..90)
    }

    #[test]
    fn trees_of_every_size_agree_with_the_definition() {
        for n in 0..70 {
            let leaves = leaves(&(0..n).map(|at| at * at + 1).collect::<Vec<_>>());
            assert_eq!(root(&leaves).ok(), reference(&leaves), "{n} leaves");
        }
    }

    proptest! {
        #[test]
        fn every_leaf_is_provable_and_no_other(amounts in amounts(), pick: prop::sample::Index, other in 0usize..90) {
            let (all, index) = (leaves(&amounts), pick.index(amounts.len()));
            let (top, proof) = (root(&all).unwrap(), prove(&all, index).unwrap().unwrap());
            prop_assert_eq!(top.sum, amounts.iter().sum::<u64>());
            prop_assert!(proof.verify(all[index], &top));
            if other < all.len() && other != index {
                prop_assert!(!proof.verify(all[other], &top));
                let moved = SumProof { index: other as u64, ..proof.clone() };
                prop_assert!(!moved.verify(all[index], &top));
            }
            prop_assert!(prove(&all, all.len()).unwrap().is_none());
        }

        #[test]
        fn a_changed_amount_or_sum_never_verifies(amounts in amounts(), pick: prop::sample::Index, more in 1u64..1 << 41) {
            let (all, index) = (leaves(&amounts), pick.index(amounts.len()));
            let (top, proof) = (root(&all).unwrap(), prove(&all, index).unwrap().unwrap());
            let greedy = leaf(index, amounts[index] + more);
            prop_assert!(!proof.verify(greedy, &top));
            // The true hash with another amount, and whatever else might make up for it.
            let inflated = SumNode { sum: amounts[index] + more, ..all[index] };
            prop_assert!(!proof.verify(inflated, &top));
            let more_in_all = SumNode { sum: top.sum + more, ..top };
            prop_assert!(!proof.verify(inflated, &more_in_all) || all.len() == 1);
            for at in 0..proof.siblings.len() {
                let mut changed = proof.clone();
                changed.siblings[at].sum = changed.siblings[at].sum.wrapping_sub(more);
                prop_assert!(!changed.verify(all[index], &top));
                prop_assert!(!changed.verify(inflated, &top));
            }
        }

        #[test]
        fn sums_beyond_64_bits_are_no_tree(amounts in amounts(), pick: prop::sample::Index) {
            let mut amounts = amounts;
            amounts.push(1);
            let index = pick.index(amounts.len() - 1);
            amounts[index] = Amount::MAX;
            let all = leaves(&amounts);
            prop_assert_eq!(root(&all), Err(SumOverflow));
            // The siblings of the largest leaf need not overflow; adding them to it does.
            if let Ok(Some(proof)) = prove(&all, index) {
                prop_assert_eq!(tree::climb(all[index], proof.index, proof.total, &proof.siblings), None);
            }
        }

        /// Whoever writes the sums of inner nodes as he likes: what can be proven never sums to more than the root.
        #[test]
        fn of_a_tree_with_made_up_sums_no_more_can_be_proven_than_its_root_says(
            amounts in prop::collection::vec(0u64..1_000, 2..40),
            lies in prop::collection::vec((any::<prop::sample::Index>(), 0u64..3_000), 1..4),
        ) {
            let all = leaves(&amounts);
            let mut forger = Forger { lies: &lies, nodes: 0 };
            let (top, proofs) = forger.tree(&all);
            let total = all.len() as u64;
            let proven = all.iter().zip(proofs).enumerate().filter(|(index, (leaf, siblings))| {
                SumProof { index: *index as u64, total, siblings: siblings.clone() }.verify(**leaf, &top)
            });
            prop_assert!(proven.map(|(_, (leaf, _))| leaf.sum).sum::<u64>() <= top.sum);
        }
    }

    /// Builds a tree in which some inner nodes say another sum than their children have.
    struct Forger<'a> {
        lies: &'a [(prop::sample::Index, Amount)],
        nodes: usize,
    }

    impl Forger<'_> {
        /// The root, and of every leaf the siblings on its way.
        fn tree(&mut self, leaves: &[SumNode]) -> (SumNode, Vec<Vec<SumNode>>) {
            if let [one] = leaves {
                return (*one, vec![Vec::new()]);
            }
            let (left, right) = leaves.split_at(tree::split_point(leaves.len()));
            let ((left, mut ways), (right, others)) = (self.tree(left), self.tree(right));
            ways.iter_mut().for_each(|way| way.push(right));
            ways.extend(others.into_iter().map(|mut way| {
                way.push(left);
                way
            }));
            let mut node = SumNode::join(&left, &right).unwrap();
            for (place, sum) in self.lies {
                if place.index(39) == self.nodes {
                    node.sum = *sum;
                }
            }
            self.nodes += 1;
            (node, ways)
        }
    }
}
