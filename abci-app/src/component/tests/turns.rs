//! Whose turn it is to propose, from block to block.

use datanet_types::amount::DNT;

use super::harness::Chain;
use super::life_of_a_validator::{delegate, four, validator};
use crate::component::staking::rotation::{Change, Rotation};
use crate::component::{ConsensusInfo, Vote, staking};

fn turns(chain: &Chain) -> staking::Turns {
    staking::turns(&chain.state).unwrap().unwrap()
}

/// All voted for the last block, with the power that they had in it.
fn voted(chain: &Chain, last_round: u32) -> ConsensusInfo {
    let vote = |place: &staking::rotation::Place| Vote {
        validator: place.validator,
        power: u64::try_from(place.power).unwrap(),
        signed: true,
    };
    let last_commit = turns(chain).now.places().iter().map(vote).collect();
    ConsensusInfo { last_commit, last_round, ..ConsensusInfo::default() }
}

fn power(chain: &Chain, n: u8) -> i64 {
    turns(chain).now.places().iter().find(|place| place.validator == validator(n)).unwrap().power
}

fn next(chain: &mut Chain) {
    let voted = voted(chain, 0);
    chain.next_with(voted);
}

#[test]
fn what_a_block_tells_the_engine_counts_from_the_block_after_the_next() {
    let mut chain = four();
    next(&mut chain);
    chain.act(5, delegate(0, 50 * DNT));
    let powers: Vec<i64> = (0..4)
        .map(|_| {
            let before = power(&chain, 0);
            next(&mut chain);
            before
        })
        .collect();
    assert_eq!(powers, [100, 100, 150, 150]);
}

#[test]
fn everybody_has_a_turn_of_four_with_equal_stakes() {
    let mut chain = four();
    let mut first = std::collections::BTreeSet::new();
    for _ in 0..4 {
        first.insert(turns(&chain).now.first());
        next(&mut chain);
    }
    assert_eq!(first.len(), 4);
}

#[test]
fn a_name_is_false_that_had_no_turn_up_to_the_round_of_the_decision() {
    let mut chain = four();
    next(&mut chain);
    let had = |chain: &Chain, round: u32| {
        let voted = voted(chain, round);
        (0..4).filter(|n| staking::had_turn(&chain.state, &voted, &validator(*n)).unwrap()).count()
    };
    assert_eq!([0, 1, 2, 3].map(|round| had(&chain, round)), [1, 2, 3, 4], "one more in each round");
    // A round that nobody sees.
    assert_eq!(had(&chain, u32::MAX), 4);
    assert!(!staking::had_turn(&chain.state, &voted(&chain, 9), &validator(9)).unwrap(), "no validator has none");
}

#[test]
fn an_engine_with_other_validators_than_it_was_told_is_believed() {
    let mut chain = four();
    next(&mut chain);
    let good = voted(&chain, 0);
    let false_name = (0..4).map(validator).find(|one| *one != turns(&chain).now.first()).unwrap();
    assert!(!staking::had_turn(&chain.state, &good, &false_name).unwrap());
    let mut fewer = good.clone();
    fewer.last_commit.pop();
    let mut stronger = good.clone();
    stronger.last_commit[0].power += 1;
    let mut others = good.clone();
    others.last_commit[1].validator = validator(9);
    for other in [fewer, stronger, others, ConsensusInfo::default()] {
        assert!(staking::had_turn(&chain.state, &other, &false_name).unwrap());
    }
}

#[test]
fn an_engine_that_begins_anew_counts_from_the_set_that_it_is_told() {
    let mut chain = four();
    for n in 0..5 {
        chain.act(5 + n, delegate(n % 4, 7 * DNT));
        next(&mut chain);
    }
    let set: Vec<Change> = staking::active(&chain.state)
        .unwrap()
        .iter()
        .map(|active| Change::new(active.key.address(), active.power))
        .collect();
    chain.next_with(ConsensusInfo::default());
    assert_eq!(turns(&chain).now, Rotation::begin(&set));
}
