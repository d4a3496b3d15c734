//! Stake that is taken back once it has been drawn, and reputation that is washed off with a fresh account.

use datanet_ledger::code;
use datanet_types::action::{Transfer, role};
use datanet_types::amount::DNT;
use datanet_types::{Action, Scores};

use super::judging::{ATTACKER, HONEST, Judging, register};
use crate::support::address;

/// Another account of the attacker's.
const FRESH: u8 = 77;

#[test]
fn stake_that_was_drawn_is_there_until_long_after_the_verdict() {
    let mut chain = Judging::new(1);
    let before = chain.loot();
    let mut blob = 0;
    let id = loop {
        blob += 1;
        let id = chain.give([blob; 32]);
        chain.block(&[]);
        chain.block(&[]);
        if chain.seats(&id, ATTACKER) > 0 {
            break id;
        }
    };
    chain.done(ATTACKER, register(ATTACKER, role::SERVING, 0));
    chain.judge(&id, |_| Some(Some(Scores::from_array([8_000; 4]))));
    assert_eq!(chain.unbonding(ATTACKER), 100 * DNT, "neither gone nor free");
    println!("stake in flight: the attacker's stake is locked, {} base units spent", before - chain.loot());
    assert!(chain.loot() <= before);
}

#[test]
fn a_bad_name_is_not_changed_before_the_stake_is_home() {
    let mut chain = Judging::new(1);
    // It is caught judging badly, again and again, until no seat is left for it.
    let mut blob = 0;
    while chain.reputation(ATTACKER).bps >= 3_000 {
        blob += 1;
        let id = chain.give([blob; 32]);
        chain.block(&[]);
        chain.block(&[]);
        chain.judge(&id, |who| Some(Some(Scores::from_array([if who == ATTACKER { 0 } else { 9_000 }; 4]))));
    }
    for blob in 101..111 {
        let id = chain.give([blob; 32]);
        chain.block(&[]);
        chain.block(&[]);
        assert_eq!(chain.seats(&id, ATTACKER), 0, "below the reputation that a seat takes");
        chain.judge(&id, |_| Some(Some(Scores::from_array([9_000; 4]))));
    }
    // The way to a fresh account leads through the unbonding time: until then the money cannot be staked elsewhere.
    chain.done(ATTACKER, register(ATTACKER, role::SERVING, 0));
    let money = chain.balance(address(ATTACKER)) - 10_000;
    chain.done(ATTACKER, Action::Transfer(Transfer { to: address(FRESH), amount: money }));
    let (code, _) = chain.send(ATTACKER, register(ATTACKER, role::VALIDATOR, 100 * DNT));
    assert_eq!(code, code::FUNDS, "its stake is on its way");
    println!(
        "reputation reset: the stake of {} DNT cannot judge for the unbonding time",
        chain.unbonding(ATTACKER) / DNT
    );
    let best = HONEST.map(|who| chain.reputation(who).bps).into_iter().max().unwrap();
    assert!(best > 5_000, "a fresh account starts below those who judged well");
}
