//! Whose turn it is to propose, held against CometBFT's own count of it: `rotation/cometbft.json`, which `rotation/generate.go` writes with
//! CometBFT's own module, of chains whose validators come, go and change.

use datanet_ledger::component::staking::rotation::{Change, Rotation};
use datanet_types::ConsensusAddress;
use proptest::prelude::*;
use serde::Deserialize;

#[derive(Deserialize)]
struct Height {
    updates: Vec<(usize, u64)>,
    /// Validator, power, priority.
    set: Vec<(usize, i64, i64)>,
    /// Whose turn it is in each round, for a node that goes through all rounds, and for one that comes from round 0.
    stepped: Vec<usize>,
    jumped: Vec<usize>,
}

#[derive(Deserialize)]
struct Chain {
    addresses: Vec<ConsensusAddress>,
    genesis: Vec<(usize, u64)>,
    heights: Vec<Height>,
}

impl Chain {
    fn changes(&self, told: &[(usize, u64)]) -> Vec<Change> {
        told.iter().map(|(who, power)| Change::new(self.addresses[*who], *power)).collect()
    }
}

fn chains() -> Vec<Chain> {
    serde_json::from_str(include_str!("rotation/cometbft.json")).unwrap()
}

#[test]
fn every_turn_is_counted_as_cometbft_counts_it() {
    let (mut rounds, mut divided) = (0, 0);
    for (number, chain) in chains().iter().enumerate() {
        let mut now = Rotation::begin(&chain.changes(&chain.genesis));
        // What was told in the height before: it holds from the next one on.
        let mut told: &[(usize, u64)] = &[];
        for (height, seen) in chain.heights.iter().enumerate() {
            let at = format!("chain {number}, height {height}");
            let mut set: Vec<_> =
                seen.set.iter().map(|(who, power, priority)| (chain.addresses[*who], *power, *priority)).collect();
            set.sort_unstable();
            let ours: Vec<_> = now.places().iter().map(|one| (one.validator, one.power, one.priority)).collect();
            assert_eq!(ours, set, "{at}");
            assert_eq!(now.first(), chain.addresses[seen.stepped[0]], "{at}");
            assert!(now.is_of(set.iter().map(|(who, power, _)| (*who, *power as u64))), "{at}");
            for round in 0..seen.stepped.len() {
                let last = u32::try_from(round).unwrap();
                let turns = [&seen.stepped[..=round], &seen.jumped[..=round]].concat();
                let had: Vec<usize> =
                    (0..chain.addresses.len()).filter(|who| now.had_turn(&chain.addresses[*who], last)).collect();
                assert!(turns.iter().all(|who| had.contains(who)), "{at}, round {round}: nobody is wronged");
                if had.len() < chain.addresses.len() {
                    assert!(had.iter().all(|who| turns.contains(who)), "{at}, round {round}: nobody else");
                    assert_eq!(seen.stepped[..=round], seen.jumped[..=round], "{at}, round {round}");
                } else {
                    divided += u32::from(seen.stepped.len() < chain.addresses.len());
                }
                rounds += 1;
            }
            now.change(&chain.changes(told));
            now.advance();
            told = &seen.updates;
        }
    }
    println!("rotation: {rounds} rounds, {divided} of them where nodes that skip rounds may count otherwise");
    assert!(rounds > 3_000 && divided < rounds / 10, "{divided} of {rounds}");
}

fn address(n: u8) -> ConsensusAddress {
    ConsensusAddress([n; 20])
}

proptest! {
    /// Whatever powers do, everybody's priority stays within twice all power of everybody else's, and turns follow power.
    #[test]
    fn turns_follow_power_and_priorities_stay_bounded(
        genesis in prop::collection::btree_map(0u8..12, 1u64..1 << 44, 1..8),
        blocks in prop::collection::vec(prop::option::weighted(0.3, (0u8..12, 0u64..1 << 44)), 0..80),
    ) {
        let set: Vec<Change> = genesis.iter().map(|(who, power)| Change::new(address(*who), *power)).collect();
        let (mut now, mut there) = (Rotation::begin(&set), genesis.clone());
        for told in blocks {
            if let Some((who, power)) = told && (power > 0 || (there.contains_key(&who) && there.len() > 1)) {
                if power == 0 { there.remove(&who); } else { there.insert(who, power); }
                now.change(&[Change::new(address(who), power)]);
            }
            now.advance();
            prop_assert!(now.is_of(there.iter().map(|(who, power)| (address(*who), *power)).collect::<Vec<_>>().into_iter()));
            prop_assert!(now.had_turn(&now.first(), 0));
            let others = there.keys().filter(|who| now.had_turn(&address(**who), 0)).count();
            prop_assert_eq!(others, 1, "one turn a round");
            let (total, priorities) = (there.values().sum::<u64>() as i64, now.places().iter().map(|one| one.priority));
            let spread = priorities.clone().max().unwrap() - priorities.min().unwrap();
            prop_assert!(spread <= 4 * total, "{spread} of {total}");
        }
        // From here on everybody has turns by power, one more or less.
        let total: u64 = there.values().sum();
        for place in now.places().to_vec() {
            let mut count = 0u64;
            let mut ahead = now.clone();
            for _ in 0..100 {
                ahead.advance();
                count += u64::from(ahead.first() == place.validator);
            }
            let fair = 100.0 * place.power as f64 / total as f64;
            prop_assert!((count as f64 - fair).abs() < 6.0, "{count} turns, {fair} are fair");
        }
    }
}
