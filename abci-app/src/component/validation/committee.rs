//! Drawing a committee.
//!
//! A committee has seats. Each is drawn by itself, in proportion to stake, and has one vote: whoever splits a stake over many
//! accounts is drawn neither more nor less. Reputation decides who may sit at all, and what sitting pays, but multiplies no
//! vote: a judge that everybody trusts counts as much as one that has just begun to be trusted.

use std::collections::BTreeSet;

use datanet_types::id::tagged_hash;
use datanet_types::{Address, ContributionId, Digest};

use super::Member;
use crate::component::nodes::Validator;
use crate::component::{BlockContext, Params};

/// What a round's committee is drawn from: the beacon some blocks after the contribution, so that nobody who gives one can try ids until
/// the committee suits him, and nobody who proposes a block can try what is in it.
pub(super) fn seed(block: &BlockContext, contribution: &ContributionId, round: u32) -> Digest {
    Digest(tagged_hash("datanet/committee/v3", &[&block.beacon.0, &contribution.0, &round.to_le_bytes()]))
}

/// Who may be drawn: everybody with a stake and the reputation that a seat takes, except `party`, whose own case it is, and those
/// of `before`, such as a committee that came to nothing. Where nobody is left, those of `before` may try again; then those of bad
/// reputation; and whoever is alone judges himself.
pub(in crate::component) fn candidates(
    validators: &[Validator],
    party: &Address,
    before: &BTreeSet<Address>,
    params: &Params,
) -> Vec<Member> {
    let staked: Vec<Member> = validators.iter().map(member).filter(|member| member.stake > 0).collect();
    let pick =
        |wanted: &dyn Fn(&Member) -> bool| -> Vec<Member> { staked.iter().filter(|m| wanted(m)).copied().collect() };
    let other = |member: &Member| member.account != *party;
    let trusted = |member: &Member| member.reputation_bps >= params.seat_reputation_bps;
    let fresh = |member: &Member| !before.contains(&member.account);
    let choices: [&dyn Fn(&Member) -> bool; 4] = [
        &|member| other(member) && trusted(member) && fresh(member),
        &|member| other(member) && trusted(member),
        &other,
        &|_| true,
    ];
    choices.into_iter().map(pick).find(|found| !found.is_empty()).unwrap_or_default()
}

fn member(validator: &Validator) -> Member {
    Member {
        account: validator.node.account,
        node: validator.node.node,
        stake: validator.node.stake,
        reputation_bps: validator.reputation.bps,
        ..Member::default()
    }
}

/// Draws `seats` seats among `candidates`, each in proportion to stake; members in the order of their first seat. The same
/// candidates in the same order and the same seed give the same committee.
///
/// A draw reduces 128 hashed bits modulo the sum of stakes, below 2^74: the bias is below 2^-54.
pub(in crate::component) fn draw(candidates: &[Member], seats: u32, seed: &Digest) -> Vec<Member> {
    let total = candidates.iter().fold(0u128, |sum, member| sum.saturating_add(member.stake.into()));
    let mut drawn: Vec<Member> = Vec::new();
    for seat in 0..seats {
        let found = point_below(total, seed, seat).and_then(|point| at(candidates, point));
        let Some(member) = found else { break };
        match drawn.iter_mut().find(|known| known.account == member.account) {
            Some(known) => known.seats = known.seats.saturating_add(1),
            None => drawn.push(Member { seats: 1, ..*member }),
        }
    }
    drawn
}

/// A number below `total` for the given seat; `None` if `total` is zero.
fn point_below(total: u128, seed: &Digest, seat: u32) -> Option<u128> {
    let hash = tagged_hash("datanet/committee-draw/v2", &[&seed.0, &seat.to_le_bytes()]);
    let (half, _) = hash.split_first_chunk::<16>()?;
    u128::from_le_bytes(*half).checked_rem(total)
}

/// The candidate on whose stretch of the line of stakes `point` lies.
fn at(candidates: &[Member], point: u128) -> Option<&Member> {
    let mut end = 0u128;
    candidates.iter().find(|member| {
        end = end.saturating_add(member.stake.into());
        point < end
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::component::ConsensusInfo;
    use crate::component::beacon::Moved;
    use datanet_types::NodeKey;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn block(hash: u8) -> BlockContext {
        let (chain_id, app_hash, last_block_hash) = ("test".to_owned(), [1; 32], [2; 32]);
        let (beacon, moved, consensus) = (Digest([hash; 32]), Moved::default(), ConsensusInfo::default());
        BlockContext {
            chain_id,
            height: 9,
            time_seconds: 9,
            app_hash,
            last_block_hash,
            beacon,
            moved,
            consensus,
            knows: 1.into(),
        }
    }

    fn members(stakes: &[u64]) -> Vec<Member> {
        let member = |(index, stake): (usize, &u64)| Member {
            account: Address([index as u8; 20]),
            node: NodeKey([index as u8; 32]),
            stake: *stake,
            reputation_bps: 5_000,
            ..Member::default()
        };
        stakes.iter().enumerate().map(member).collect()
    }

    fn validators(people: &[(u64, u32)]) -> Vec<Validator> {
        use crate::component::nodes::{Node, Reputation};
        let validator = |(index, (stake, bps)): (usize, &(u64, u32))| Validator {
            node: {
                let mut node = Node::default();
                node.account = Address([index as u8; 20]);
                node.stake = *stake;
                node
            },
            reputation: Reputation { bps: *bps, ..Reputation::default() },
        };
        people.iter().enumerate().map(validator).collect()
    }

    proptest! {
        #[test]
        fn every_seat_is_taken_by_somebody_and_nobody_stands_twice(
            stakes in prop::collection::vec(1u64..1 << 60, 0..20), seats in 0u32..64, seed: [u8; 32],
        ) {
            let all = members(&stakes);
            let drawn = draw(&all, seats, &Digest(seed));
            prop_assert_eq!(&drawn, &draw(&all, seats, &Digest(seed)));
            let taken: u32 = drawn.iter().map(|member| member.seats).sum();
            prop_assert_eq!(taken, if all.is_empty() { 0 } else { seats });
            let accounts: BTreeSet<Address> = drawn.iter().map(|member| member.account).collect();
            prop_assert_eq!(accounts.len(), drawn.len());
        }
    }

    #[test]
    fn seats_are_drawn_in_proportion_to_stake_whatever_the_reputation() {
        let mut all = members(&[100, 200, 400, 100]);
        all[2].reputation_bps = 3_000;
        let mut hits: BTreeMap<Address, u32> = BTreeMap::new();
        for round in 0..1_000u32 {
            for member in draw(&all, 8, &seed(&block(7), &ContributionId([1; 32]), round)) {
                *hits.entry(member.account).or_default() += member.seats;
            }
        }
        for (index, expected) in [1_000u32, 2_000, 4_000, 1_000].into_iter().enumerate() {
            let got = hits[&Address([index as u8; 20])];
            assert!(got.abs_diff(expected) < 150, "member {index} has {got} seats, expected about {expected}");
        }
    }

    #[test]
    fn a_stake_over_many_accounts_takes_as_many_seats_as_in_one() {
        let whole = members(&[1_000, 1_000]);
        let split = members(&[&[1_000][..], &[100; 10]].concat());
        let seats = |candidates: &[Member], honest: usize| -> u32 {
            let draws = (0..2_000).map(|round| draw(candidates, 3, &seed(&block(3), &ContributionId([1; 32]), round)));
            draws.flatten().filter(|m| m.account != Address([honest as u8; 20])).map(|m| m.seats).sum()
        };
        assert!(seats(&whole, 0).abs_diff(seats(&split, 0)) < 150);
    }

    #[test]
    fn who_may_sit_is_asked_in_turn() {
        let params = Params::default();
        let low = params.seat_reputation_bps - 1;
        let who = |people: &[(u64, u32)], contributor: u8, before: &[u8]| -> Vec<u8> {
            let before = before.iter().map(|index| Address([*index; 20])).collect();
            let found = candidates(&validators(people), &Address([contributor; 20]), &before, &params);
            found.iter().map(|member| member.account.0[0]).collect()
        };
        let people = [(10, 5_000), (0, 9_000), (10, low), (10, 5_000), (10, 5_000)];
        assert_eq!(who(&people, 9, &[]), [0, 3, 4], "no stake or no reputation, no seat");
        assert_eq!(who(&people, 3, &[]), [0, 4], "nobody judges himself");
        assert_eq!(who(&people, 3, &[0]), [4], "a second committee has other members");
        assert_eq!(who(&people, 3, &[0, 4]), [0, 4], "unless there are none");
        assert_eq!(who(&[(10, 5_000), (10, low)], 0, &[]), [1], "bad judges before none");
        assert_eq!(who(&[(10, 5_000)], 0, &[]), [0], "and oneself before none");
    }
}
