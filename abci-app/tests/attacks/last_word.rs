//! The last of the nodes whose words have a contribution judged belongs to a judge: it chooses when the committee is drawn, and how much it
//! has at stake then.

use std::collections::BTreeSet;

use datanet_types::Action;
use datanet_types::action::role;
use datanet_types::amount::DNT;

use super::judging::{ACCOMPLICE, ATTACKER, Judging, contribute, keep, register};
use super::serving::verdict;
use crate::support::{CHAIN, address};

/// Blocks in which it may speak.
const MOMENTS: u64 = 48;
/// Its part of all stake is a tenth.
const SEATS: u32 = 3;

/// The committee's seats that are the attacker's if it speaks so many blocks later.
fn spoken_after(blocks: u64, salt: u8) -> u32 {
    let mut chain = Judging::new(1);
    let action = contribute([5; 32]);
    let id = action.id(CHAIN, &address(ACCOMPLICE), 0);
    chain.done(ACCOMPLICE, Action::Contribute(action));
    for _ in 0..blocks {
        chain.block(&[]);
    }
    // What the block with its word is, and those after it, nobody knows when it is said.
    chain.salt = salt;
    chain.done(ATTACKER, keep(ATTACKER, &id));
    chain.block(&[]);
    chain.block(&[]);
    chain.seats(&id, ATTACKER)
}

#[test]
fn whoever_chooses_the_moment_of_the_last_word_chooses_no_committee() {
    // On a chain of its own it sees what each moment would bring; then the blocks behind it are others.
    let best = (0..MOMENTS).max_by_key(|blocks| spoken_after(*blocks, 1)).unwrap();
    let (hoped, got): (u32, Vec<u32>) =
        (spoken_after(best, 1), (100..120).map(|salt| spoken_after(best, salt)).collect());
    let sum: u32 = got.iter().sum();
    println!(
        "the last word: {hoped} of {SEATS} seats foreseen at the best of {MOMENTS} moments, {sum} of {} got, for a tenth of the stake",
        SEATS * got.len() as u32
    );
    assert!(hoped >= 2, "choosing must have been worth it where the future is known: {hoped}");
    assert!(sum <= SEATS * got.len() as u32 / 4, "{got:?}");
}

#[test]
fn stake_that_comes_with_the_last_word_or_after_it_has_no_seat() {
    let drawn = |more: u64| {
        // Known proposers: the beacon hangs on nothing that is in a block.
        let mut chain = Judging::proposed_by(&[7, 8], 7);
        let before = i128::from(chain.loot());
        let action = contribute([5; 32]);
        let id = action.id(CHAIN, &address(ACCOMPLICE), 0);
        chain.done(ACCOMPLICE, Action::Contribute(action));
        let stake = register(ATTACKER, role::VALIDATOR | role::STORAGE, (100 + more) * DNT);
        let txs = [chain.sign(ATTACKER, stake), chain.sign(ATTACKER, keep(ATTACKER, &id))];
        assert!(chain.block(&txs).outcomes.iter().all(|outcome| outcome.is_ok()));
        chain.block(&[]);
        chain.block(&[]);
        let committee: Vec<_> =
            chain.round(&id).committee.iter().map(|one| (one.account, one.seats, one.stake)).collect();
        (committee, before, i128::from(chain.loot()))
    };
    let committees: BTreeSet<_> = (0..40).map(|more| drawn(more).0).collect();
    assert_eq!(committees.len(), 1, "{committees:?}");
    let (_, before, after) = drawn(40);
    verdict("stake with the last word", before, after, 0);
}
