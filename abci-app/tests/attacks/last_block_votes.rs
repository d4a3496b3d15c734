//! What is kept back until the last block of a vote, so that nobody can answer it.

use datanet_ledger::component::governance::Status;
use datanet_types::action::Choice;
use datanet_types::amount::DNT;

use super::serving::verdict;
use super::voting::{Network, dearer, delegate, propose, vote};

/// Has a validator that others have staked on.
const ATTACKER: u8 = 1;
const FOLLOWER: u8 = 6;

#[test]
fn a_validator_does_not_turn_with_others_stake_when_they_can_no_longer_answer() {
    let mut network = Network::new();
    let before = i128::from(network.balance(ATTACKER));
    network.done(FOLLOWER, delegate(ATTACKER, 600 * DNT));
    network.done(ATTACKER, propose(dearer()));
    network.done(ATTACKER, vote(1, Choice::No));
    network.done(2, vote(1, Choice::No));
    let (mark, ends) = (network.proposal(1).mark, network.proposal(1).ends);
    network.until(mark);
    network.until(ends - 2);
    network.done(ATTACKER, vote(1, Choice::Yes));
    let tally = network.tally(1);
    assert_eq!((tally.yes, tally.no), (500 * DNT, 1_100 * DNT), "with its own alone");
    assert_eq!(network.ended(1), Status::Rejected);
    verdict("a validator that turns in the last block", before, i128::from(network.balance(ATTACKER)), 0);
}

#[test]
fn a_quorum_that_is_made_in_the_last_block_is_not_the_last_word() {
    let mut network = Network::new();
    let before = i128::from(network.balance(ATTACKER));
    // Those against it stay away, so that there is no quorum; that is right until the last block.
    network.done(ATTACKER, propose(dearer()));
    let ends = network.proposal(1).ends;
    network.until(network.proposal(1).mark);
    network.until(ends - 4);
    network.done(ATTACKER, vote(1, Choice::Yes));
    network.done(FOLLOWER, delegate(ATTACKER, 300 * DNT));
    network.done(FOLLOWER, vote(1, Choice::Yes));
    network.until(ends);
    let proposal = network.proposal(1);
    assert_eq!((proposal.status(), proposal.extended), (Status::Voting, true));
    println!("it is voted on for {} s more", proposal.ends - ends);
    for n in [2, 3] {
        network.done(n, vote(1, Choice::No));
    }
    assert_eq!(network.ended(1), Status::Rejected);
    verdict("a quorum in the last block", before, i128::from(network.balance(ATTACKER)), 0);
}
