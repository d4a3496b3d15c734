//! One stake that would vote more than once: through another account, another validator, or both ways at a time.

use datanet_ledger::code;
use datanet_types::Action;
use datanet_types::action::{Choice, Transfer};
use datanet_types::amount::DNT;
use datanet_types::staking::{Redelegate, Undelegate};

use super::serving::verdict;
use super::voting::{Network, behind, dearer, delegate, propose, vote};
use crate::support::address;

const ATTACKER: u8 = 4;
/// Another account of the attacker's.
const OTHER: u8 = 5;
const STAKE: u64 = 400 * DNT;

#[test]
fn stake_votes_once_however_it_moves_and_with_whose_name() {
    let mut network = Network::new();
    let before = i128::from(network.balance(ATTACKER)) + i128::from(network.balance(OTHER));
    network.done(ATTACKER, delegate(1, STAKE));
    network.done(ATTACKER, propose(dearer()));
    network.done(ATTACKER, vote(1, Choice::Yes));
    assert_eq!(network.tally(1).yes, STAKE);
    // Its validator votes too, for what follows it: not for this.
    network.done(1, vote(1, Choice::Yes));
    assert_eq!(network.tally(1).yes, STAKE + 500 * DNT);
    // From one validator to the next, whose operator has voted as well.
    network.done(2, vote(1, Choice::Yes));
    for part in 1..=4 {
        let (from, to) = (behind(1), behind(2));
        network.done(ATTACKER, Action::Redelegate(Redelegate { from, to, amount: STAKE / 4 }));
        assert_eq!(network.tally(1).yes, STAKE + 1_000 * DNT, "after part {part}");
    }
    // Back into its own pocket and out of another: the first vote is gone at once, and the money is away for the unbonding time.
    network.done(ATTACKER, delegate(3, 100 * DNT));
    assert_eq!(network.tally(1).yes, STAKE + 1_100 * DNT);
    network.done(ATTACKER, Action::Undelegate(Undelegate { validator: behind(3), amount: u64::MAX }));
    assert_eq!(network.tally(1).yes, STAKE + 1_000 * DNT);
    let more_than_it_has = network.balance(ATTACKER) + 1;
    let to_other = |amount| Action::Transfer(Transfer { to: address(OTHER), amount });
    assert_eq!(network.send(ATTACKER, to_other(more_than_it_has)), code::FUNDS);
    // What another account votes with is other money.
    assert_eq!(network.send(OTHER, vote(1, Choice::Yes)), code::VOTE_STAKE);
    network.done(OTHER, delegate(3, 100 * DNT));
    network.done(OTHER, vote(1, Choice::Yes));
    assert_eq!(network.tally(1).yes, STAKE + 1_100 * DNT);
    assert_eq!(network.tally(1).bonded, STAKE + 1_600 * DNT);
    let after = i128::from(network.balance(ATTACKER)) + i128::from(network.balance(OTHER));
    verdict("one stake that votes twice", before, after, 0);
}
