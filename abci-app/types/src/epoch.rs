//! Settling many answers at once: what an epoch's tree holds and how a fee is divided.

use crate::amount::{Amount, BPS, mul_div};
use crate::id::tagged_hash;
use crate::merkle::leaf_hash;
use crate::split::split;
use crate::sum_tree::SumNode;
use crate::{Account, NodeKey};

/// Most accounts that earn in one epoch: 256 pages of its statement. What is remembered of their claims is let go
/// of at once when the last one is paid.
pub const MAX_ACCOUNTS: u64 = 1 << 18;

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
    /// The owners of the datanets and models that the one that answered was made from; what of it they do not take is its owner's.
    #[prost(uint32, tag = "6")]
    #[serde(default)]
    pub lineage: u32,
    /// Those who keep those contributions: the nodes whose words had them judged.
    #[prost(uint32, tag = "7")]
    #[serde(default)]
    pub storage: u32,
}

impl FeeShares {
    /// 15 % node, 5 % model owner, 60 % contributors, 5 % validators, 5 % treasury, 5 % lineage, 5 % storage: what a node answers from is
    /// kept by others too, and was paid for with the node's share before.
    pub const STANDARD: Self = Self {
        node: 1_500,
        owner: 500,
        contributors: 6_000,
        validators: 500,
        treasury: 500,
        lineage: 500,
        storage: 500,
    };

    /// The shares in the order of [`FeeSplit::parts`].
    pub fn as_array(&self) -> [u32; 7] {
        [self.node, self.owner, self.contributors, self.validators, self.treasury, self.lineage, self.storage]
    }

    /// Whether the shares sum to the whole.
    pub fn is_whole(&self) -> bool {
        self.as_array().iter().map(|share| u64::from(*share)).sum::<u64>() == BPS
    }

    /// Splits one fee by largest remainder. The parts sum to the fee exactly.
    pub fn split(&self, fee: Amount) -> FeeSplit {
        let parts = split(fee, &self.as_array().map(u64::from));
        let at = |index: usize| parts.get(index).copied().unwrap_or_default();
        FeeSplit {
            node: at(0),
            owner: at(1),
            contributors: at(2),
            validators: at(3),
            treasury: at(4),
            lineage: at(5),
            storage: at(6),
        }
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
    /// Those who keep the contributions.
    #[prost(uint64, tag = "7")]
    #[serde(default)]
    pub storage: Amount,
}

impl FeeSplit {
    /// The parts in the order of [`FeeShares::as_array`].
    pub fn parts(&self) -> [Amount; 7] {
        [self.node, self.owner, self.contributors, self.validators, self.treasury, self.lineage, self.storage]
    }

    /// What is claimed with proofs: everything but the node's and the treasury's parts, which are paid at once.
    pub fn claimable(&self) -> Amount {
        let parts = [self.owner, self.contributors, self.validators, self.lineage, self.storage];
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
            (&mut self.storage, more.storage),
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
    /// What of it nobody is there to earn, such as the share of a model that nobody owns: the treasury's, paid at once.
    #[prost(uint64, tag = "4")]
    pub unearned: Amount,
}

impl EpochTotals {
    /// Whether the totals are what `shares` give for `answers` fees: the parts sum to the fees, each is within one base
    /// unit an answer of its proportional share (rounding is per answer), and no more is unearned than could be earned.
    pub fn agree_with(&self, shares: &FeeShares) -> bool {
        let parts = self.split.parts();
        let sum: u128 = parts.iter().map(|part| u128::from(*part)).sum();
        sum == u128::from(self.fees)
            && self.unearned <= self.split.claimable()
            && parts.iter().zip(shares.as_array()).all(|(part, share)| {
                mul_div(self.fees, u64::from(share), BPS).is_some_and(|fair| part.abs_diff(fair) <= self.answers)
            })
    }

    /// What goes to the claims: everything but what is paid at once, the node's and the treasury's parts.
    pub fn claimable(&self) -> Amount {
        self.split.claimable().saturating_sub(self.unearned)
    }

    /// What the treasury is paid at once: its share, and what nobody is there to earn.
    pub fn treasury(&self) -> Amount {
        self.split.treasury.saturating_add(self.unearned)
    }

    /// Adds other sums.
    pub fn add(&mut self, more: &Self) {
        self.answers = self.answers.saturating_add(more.answers);
        self.fees = self.fees.saturating_add(more.fees);
        self.split.add(&more.split);
        self.unearned = self.unearned.saturating_add(more.unearned);
    }
}

/// One account's line in the tree of an epoch. Leaves are ordered by account, one for each that earned: users, and the accounts that stand for
/// the owners of datanets and models ([`crate::Asset::income_account`]).
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub struct EpochLeaf {
    /// Who earns.
    pub account: Account,
    /// Base units earned in this epoch.
    pub amount: Amount,
}

impl EpochLeaf {
    /// The leaf in the tree of `node`'s epoch `number` on `chain_id`: good there and nowhere else.
    pub fn node(&self, chain_id: &str, node: &NodeKey, number: u64) -> SumNode {
        let parts =
            [chain_id.as_bytes(), &node.0, &number.to_le_bytes(), self.account.as_bytes(), &self.amount.to_le_bytes()];
        let digest = leaf_hash(&tagged_hash("datanet/epoch-leaf/v2", &parts));
        SumNode { digest, sum: self.amount }
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
                totals.add(&EpochTotals { answers: 0, fees: fee, split: part, unearned: part.lineage });
            }
            prop_assert!(totals.agree_with(&shares));
            prop_assert_eq!(totals.split.node + totals.treasury() + totals.claimable(), totals.fees);
        }
    }

    #[test]
    fn a_node_that_pays_itself_more_is_caught() {
        let shares = FeeShares::STANDARD;
        let mut split = shares.split(1_000_000);
        split.node += 1_000;
        split.contributors -= 1_000;
        let totals = EpochTotals { answers: 3, fees: 1_000_000, split, unearned: 0 };
        assert!(!totals.agree_with(&shares));
    }

    #[test]
    fn no_more_is_unearned_than_could_be_earned() {
        let split = FeeShares::STANDARD.split(1_000_000);
        let with = |unearned| EpochTotals { answers: 3, fees: 1_000_000, split, unearned };
        assert!(with(split.claimable()).agree_with(&FeeShares::STANDARD));
        assert!(!with(split.claimable() + 1).agree_with(&FeeShares::STANDARD));
    }

    #[test]
    fn a_leaf_is_of_one_chain_one_node_one_epoch_one_account_and_one_amount() {
        let leaf = |account: u8, amount| EpochLeaf { account: crate::Address([account; 20]).into(), amount };
        let (one, other) = (NodeKey([1; 32]), NodeKey([2; 32]));
        let all = [
            leaf(1, 5).node("a", &one, 1),
            leaf(1, 5).node("b", &one, 1),
            leaf(1, 5).node("a", &other, 1),
            leaf(1, 5).node("a", &one, 2),
            leaf(2, 5).node("a", &one, 1),
            leaf(1, 6).node("a", &one, 1),
        ];
        let digests: std::collections::BTreeSet<_> = all.iter().map(|node| node.digest).collect();
        assert_eq!(digests.len(), all.len());
    }
}
