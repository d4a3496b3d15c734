//! Settling many answers at once: what an epoch's Merkle tree holds and how a fee is divided.

use crate::amount::{Amount, BPS, mul_div};
use crate::id::{Digest, tagged_hash};
use crate::merkle::leaf_hash;
use crate::split::split;
use crate::{Address, NodeKey};

/// Who gets which share of a fee, in basis points that sum to 10,000. A governance parameter.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeeShares {
    /// The serving node.
    #[prost(uint32, tag = "1")]
    pub node: u32,
    /// The owner of the model that answered.
    #[prost(uint32, tag = "2")]
    pub owner: u32,
    /// The contributors whose records carried the answer.
    #[prost(uint32, tag = "3")]
    pub contributors: u32,
    /// The validators who judged those contributions.
    #[prost(uint32, tag = "4")]
    pub validators: u32,
    /// The treasury.
    #[prost(uint32, tag = "5")]
    pub treasury: u32,
    /// The owners of the models that the one that answered was made from; what of it they do not take is its owner's.
    #[prost(uint32, tag = "6")]
    #[serde(default)]
    pub lineage: u32,
}

impl FeeShares {
    /// 20 % node, 5 % model owner, 60 % contributors, 5 % validators, 5 % treasury, 5 % lineage.
    pub const STANDARD: Self =
        Self { node: 2_000, owner: 500, contributors: 6_000, validators: 500, treasury: 500, lineage: 500 };

    /// The shares in the order of [`FeeSplit::parts`].
    pub fn as_array(&self) -> [u32; 6] {
        [self.node, self.owner, self.contributors, self.validators, self.treasury, self.lineage]
    }

    /// Whether the shares sum to the whole.
    pub fn is_whole(&self) -> bool {
        self.as_array().iter().map(|share| u64::from(*share)).sum::<u64>() == BPS
    }

    /// Splits one fee by largest remainder. The parts sum to the fee exactly.
    pub fn split(&self, fee: Amount) -> FeeSplit {
        let parts = split(fee, &self.as_array().map(u64::from));
        let at = |index: usize| parts.get(index).copied().unwrap_or_default();
        FeeSplit { node: at(0), owner: at(1), contributors: at(2), validators: at(3), treasury: at(4), lineage: at(5) }
    }
}

/// One fee, divided.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct FeeSplit {
    /// The serving node.
    #[prost(uint64, tag = "1")]
    pub node: Amount,
    /// The model's owner.
    #[prost(uint64, tag = "2")]
    pub owner: Amount,
    /// The contributors.
    #[prost(uint64, tag = "3")]
    pub contributors: Amount,
    /// The validators.
    #[prost(uint64, tag = "4")]
    pub validators: Amount,
    /// The treasury.
    #[prost(uint64, tag = "5")]
    pub treasury: Amount,
    /// The owners of the models it was made from.
    #[prost(uint64, tag = "6")]
    #[serde(default)]
    pub lineage: Amount,
}

impl FeeSplit {
    /// The parts in the order of [`FeeShares::as_array`].
    pub fn parts(&self) -> [Amount; 6] {
        [self.node, self.owner, self.contributors, self.validators, self.treasury, self.lineage]
    }

    /// What is claimed with proofs: everything but the node's and the treasury's parts, which are paid at once.
    pub fn claimable(&self) -> Amount {
        let parts = [self.owner, self.contributors, self.validators, self.lineage];
        parts.into_iter().fold(0, Amount::saturating_add)
    }

    /// Adds another split, part by part.
    pub fn add(&mut self, more: &Self) {
        for (sum, part) in [
            (&mut self.node, more.node),
            (&mut self.owner, more.owner),
            (&mut self.contributors, more.contributors),
            (&mut self.validators, more.validators),
            (&mut self.treasury, more.treasury),
            (&mut self.lineage, more.lineage),
        ] {
            *sum = sum.saturating_add(part);
        }
    }
}

/// The sums of an epoch's answers.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct EpochTotals {
    /// Answers given.
    #[prost(uint64, tag = "1")]
    pub answers: u64,
    /// Base units charged: what the vouchers grew by.
    #[prost(uint64, tag = "2")]
    pub fees: Amount,
    /// Sums of the answers' splits.
    #[prost(message, required, tag = "3")]
    pub split: FeeSplit,
}

impl EpochTotals {
    /// Whether the totals are what `shares` give for `answers` fees: the parts sum to the fees, and each is within one
    /// base unit an answer of its proportional share (rounding is per answer).
    pub fn agree_with(&self, shares: &FeeShares) -> bool {
        let parts = self.split.parts();
        let sum: u128 = parts.iter().map(|part| u128::from(*part)).sum();
        sum == u128::from(self.fees)
            && parts.iter().zip(shares.as_array()).all(|(part, share)| {
                mul_div(self.fees, u64::from(share), BPS).is_some_and(|fair| part.abs_diff(fair) <= self.answers)
            })
    }

    /// What goes to the claims: everything but the node's and the treasury's parts, which are paid at once.
    pub fn claimable(&self) -> Amount {
        self.split.claimable()
    }
}

/// One account's line in a serving node's epoch tree. Leaves are ordered by account.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub struct EpochLeaf {
    /// Who earns.
    pub account: Address,
    /// All base units earned with this node, over all epochs.
    pub cumulative: Amount,
}

impl EpochLeaf {
    /// The leaf's hash in the tree of `node` on `chain_id`.
    pub fn hash(&self, chain_id: &str, node: &NodeKey) -> Digest {
        leaf_hash(&tagged_hash(
            "datanet/epoch-leaf/v1",
            &[chain_id.as_bytes(), &node.0, &self.account.0, &self.cumulative.to_le_bytes()],
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn sums_of_honest_splits_agree_with_the_shares(fees in prop::collection::vec(0u64..1 << 40, 0..50)) {
            let shares = FeeShares::STANDARD;
            let mut totals = EpochTotals { answers: fees.len() as u64, ..EpochTotals::default() };
            for fee in fees {
                let part = shares.split(fee);
                prop_assert_eq!(part.parts().iter().sum::<u64>(), fee);
                totals.fees += fee;
                totals.split.add(&part);
            }
            prop_assert!(totals.agree_with(&shares));
        }
    }

    #[test]
    fn a_node_that_pays_itself_more_is_caught() {
        let shares = FeeShares::STANDARD;
        let mut split = shares.split(1_000_000);
        split.node += 1_000;
        split.contributors -= 1_000;
        let totals = EpochTotals { answers: 3, fees: 1_000_000, split };
        assert!(!totals.agree_with(&shares));
    }
}
