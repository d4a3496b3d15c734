//! Drawing a committee.

use datanet_types::id::tagged_hash;
use datanet_types::{Address, ContributionId, Digest};

use super::Member;
use crate::component::nodes::Validator;

/// What a round's committee is drawn from: nobody knew the app hash when the contribution was signed, except the
/// block's proposer, who can try orders of transactions (MECHANISMS, section 1).
pub(super) fn seed(app_hash: &[u8; 32], contribution: &ContributionId, round: u32) -> Digest {
    Digest(tagged_hash("datanet/committee/v1", &[app_hash, &contribution.0, &round.to_le_bytes()]))
}

/// Who may be drawn: everybody with a weight except the contributor, unless nobody else is there. One judge of one's
/// own data among several would still tip a small committee.
pub(super) fn candidates(validators: &[Validator], contributor: &Address) -> Vec<Member> {
    let all: Vec<Member> = validators.iter().map(member).filter(|member| member.weight() > 0).collect();
    let others: Vec<Member> = all.iter().filter(|member| member.account != *contributor).copied().collect();
    if others.is_empty() { all } else { others }
}

fn member(validator: &Validator) -> Member {
    Member {
        account: validator.node.account,
        node: validator.node.node,
        stake: validator.node.stake,
        reputation_bps: validator.reputation.bps,
        accuracy_bps: None,
        reward: 0,
    }
}

/// Draws `size` of `candidates` without replacement, each draw in proportion to weight; all of them if there are no
/// more. The same candidates in the same order and the same seed give the same committee.
///
/// A draw reduces 128 hashed bits modulo the sum of weights, at most 2^64 base units x 10,000 < 2^78: the bias is
/// below 2^-50, far less than one base unit of stake is worth.
pub(super) fn draw(mut candidates: Vec<Member>, size: usize, seed: &Digest) -> Vec<Member> {
    let mut drawn = Vec::new();
    while drawn.len() < size {
        let total = candidates.iter().fold(0u128, |sum, member| sum.saturating_add(member.weight()));
        let Some(point) = point_below(total, seed, drawn.len()) else { break };
        let Some(index) = at(&candidates, point) else { break };
        drawn.push(candidates.remove(index));
    }
    drawn
}

/// A number below `total` for the given draw; `None` if `total` is zero.
fn point_below(total: u128, seed: &Digest, draw: usize) -> Option<u128> {
    let hash = tagged_hash("datanet/committee-draw/v1", &[&seed.0, &(draw as u64).to_le_bytes()]);
    let (half, _) = hash.split_first_chunk::<16>()?;
    u128::from_le_bytes(*half).checked_rem(total)
}

/// The candidate on whose stretch of the line of weights `point` lies.
fn at(candidates: &[Member], point: u128) -> Option<usize> {
    let mut end = 0u128;
    candidates.iter().position(|member| {
        end = end.saturating_add(member.weight());
        point < end
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use datanet_types::NodeKey;
    use proptest::prelude::*;
    use std::collections::{BTreeMap, BTreeSet};

    fn members(weights: &[(u64, u32)]) -> Vec<Member> {
        let member = |(index, (stake, reputation)): (usize, &(u64, u32))| Member {
            account: Address([index as u8; 20]),
            node: NodeKey([index as u8; 32]),
            stake: *stake,
            reputation_bps: *reputation,
            ..Member::default()
        };
        weights.iter().enumerate().map(member).collect()
    }

    proptest! {
        #[test]
        fn a_committee_is_distinct_deterministic_and_as_large_as_can_be(
            weights in prop::collection::vec((1u64..1 << 60, 1u32..=10_000), 0..20), size in 0usize..24, seed: [u8; 32],
        ) {
            let all = members(&weights);
            let drawn = draw(all.clone(), size, &Digest(seed));
            prop_assert_eq!(&drawn, &draw(all.clone(), size, &Digest(seed)));
            prop_assert_eq!(drawn.len(), size.min(all.len()));
            let accounts: BTreeSet<Address> = drawn.iter().map(|member| member.account).collect();
            prop_assert_eq!(accounts.len(), drawn.len());
        }
    }

    #[test]
    fn members_are_drawn_in_proportion_to_their_weight() {
        // Weights 1 : 2 : 4 : 1, as stake x reputation.
        let all = members(&[(100, 5_000), (100, 10_000), (400, 5_000), (50, 10_000)]);
        let mut hits: BTreeMap<Address, u32> = BTreeMap::new();
        for round in 0..8_000u32 {
            let seed = seed(&[7; 32], &ContributionId([1; 32]), round);
            *hits.entry(draw(all.clone(), 1, &seed)[0].account).or_default() += 1;
        }
        for (index, expected) in [1_000u32, 2_000, 4_000, 1_000].into_iter().enumerate() {
            let got = hits[&Address([index as u8; 20])];
            assert!(got.abs_diff(expected) < 150, "member {index} was drawn {got} times, expected about {expected}");
        }
    }

    #[test]
    fn a_validator_without_weight_is_never_drawn() {
        let all: Vec<Member> = members(&[(0, 5_000), (10, 5_000)]);
        for round in 0..50 {
            let drawn = draw(all.clone(), 1, &seed(&[0; 32], &ContributionId([1; 32]), round));
            assert_eq!(drawn[0].account, Address([1; 20]));
        }
    }
}
