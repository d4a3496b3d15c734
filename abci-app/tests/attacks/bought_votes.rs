//! Stake that is there for the vote alone: borrowed for its last block, and on its way home in the next.

use datanet_ledger::component::governance::Status;
use datanet_ledger::component::params;
use datanet_types::Action;
use datanet_types::action::Choice;
use datanet_types::amount::DNT;
use datanet_types::staking::Undelegate;

use super::serving::verdict;
use super::voting::{Network, behind, dearer, delegate, propose, vote};

const ATTACKER: u8 = 4;
const LOAN: u64 = 900 * DNT;

#[test]
fn who_votes_and_leaves_before_it_is_done_has_voted_for_nothing() {
    let mut network = Network::new();
    let before = i128::from(network.balance(ATTACKER));
    network.done(ATTACKER, propose(dearer()));
    network.done(1, vote(1, Choice::No));
    network.done(ATTACKER, delegate(1, LOAN));
    network.done(ATTACKER, vote(1, Choice::Yes));
    assert_eq!(network.ended(1), Status::Passed);
    network.done(ATTACKER, Action::Undelegate(Undelegate { validator: behind(1), amount: u64::MAX }));
    assert_eq!(network.carried(1), Status::Lapsed);
    assert_eq!(params::get(&network.ledger.reader()).unwrap().min_fee, 1_000);
    println!("the loan of {LOAN} base units is away for the unbonding time, and nothing has changed");
    verdict("stake bought for a vote", before, i128::from(network.balance(ATTACKER)), 0);
}

#[test]
fn who_stays_only_until_it_is_done_is_bound_for_the_timelock_and_the_unbonding_time() {
    let mut network = Network::new();
    network.done(ATTACKER, propose(dearer()));
    network.done(ATTACKER, delegate(1, LOAN));
    network.done(ATTACKER, vote(1, Choice::Yes));
    assert_eq!(network.ended(1), Status::Passed);
    let ended = network.time;
    assert_eq!(network.carried(1), Status::Done);
    network.done(ATTACKER, Action::Undelegate(Undelegate { validator: behind(1), amount: u64::MAX }));
    let params = params::get(&network.ledger.reader()).unwrap();
    let bound = u64::try_from(network.time - ended).unwrap() + params.unbonding_seconds;
    println!("the loan is bound for {bound} s after the vote");
    assert!(bound >= params.timelock_seconds + params.unbonding_seconds);
    assert!(network.balance(ATTACKER) < 100 * DNT, "nothing of it is back");
}
