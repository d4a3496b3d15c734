//! Components in which the ledger contradicts itself, at their work in blocks.

use datanet_types::action::{Transfer, role};

use super::Chain;
use super::harness::{BOND, STAKE, address, all, contribute_of, register};
use super::life_of_a_channel::{DEPOSIT, leaves, open, settle, voucher};
use super::life_of_a_validator::{caught, create, four, key, validator};
use crate::code;
use crate::component::accounts::Balance;
use crate::component::breaker::{self, Tripped};
use crate::component::contributions::review_account;
use crate::component::{Component, Event, accounts, nodes, staking};
use crate::state::{StateRead, StateWrite};

fn tripped(chain: &Chain) -> Vec<Component> {
    breaker::all_tripped(&chain.state).unwrap().into_iter().map(|(component, _)| component).collect()
}

fn faults(events: &[Event]) -> Vec<(&str, &str)> {
    let faults = events.iter().filter(|event| event.kind.starts_with("component."));
    faults.map(|event| (event.kind.as_str(), event.get("component").unwrap())).collect()
}

#[test]
fn a_verdict_that_cannot_be_paid_stops_judging_and_what_else_is_due_is_done() {
    let mut chain = Chain::new();
    chain.broken = true;
    chain.validators(4);
    let datanet = chain.datanet();
    let id = chain.give_to(11, datanet, 1, 3);
    // Stake of a node's that is due before long.
    chain.act(3, register(3, datanet_types::action::role::ALL, STAKE + 5));
    chain.act(3, register(3, datanet_types::action::role::ALL, STAKE));
    let (fees, review) = (accounts::state_key::balance(accounts::treasury()), review_account(&id));
    let moved = chain.balance(review);
    let treasury = chain.balance(accounts::treasury());
    chain.state.put(fees, &Balance { amount: treasury + moved });
    chain.state.delete(accounts::state_key::balance(review));
    let before = chain.contribution(&id);
    let events = chain.judge(&id, all(9_000));
    assert_eq!(faults(&events), [("component.tripped", "validation")]);
    assert_eq!(chain.contribution(&id), before, "nothing of the verdict stands");
    assert_eq!(tripped(&chain), [Component::Validation]);
    // Others draw no committee, and give and take.
    chain.act(12, contribute_of(12, datanet, 9));
    assert!(faults(&chain.next()).is_empty(), "it is told once");
    let judge = chain.committee(&id)[0];
    chain.refused(judge, chain.commit(judge, &id, all(1)), code::TRIPPED, "validation stands still");
    let bonds = chain.balance(address(12));
    chain.act(12, Transfer { to: address(13), amount: BOND });
    assert_eq!(chain.balance(address(12)), bonds - BOND - 1_000);
    let events = chain.pass(crate::component::Params::default().unbonding_seconds);
    assert!(events.iter().any(|event| event.kind == "stake.released"), "{events:?}");
    assert_eq!(nodes::unbonding(&chain.state, &address(3)).unwrap(), 0);
}

#[test]
fn the_set_of_validators_is_tried_again_in_every_block_and_its_actions_are_not_stopped() {
    let mut chain = four();
    chain.broken = true;
    let (at, record) =
        (staking::state_key::validator(&validator(2)), staking::get(&chain.state, &validator(2)).unwrap());
    chain.act(4, create(4, 200 * datanet_types::amount::DNT));
    chain.state.delete(at.clone());
    for _ in 0..3 {
        assert_eq!(faults(&chain.next()), [("component.contradicted", "staking")]);
        assert!(chain.updates.is_empty(), "the engine keeps the set that it has");
    }
    assert!(tripped(&chain).is_empty());
    chain.act(5, Transfer { to: address(6), amount: 7 });
    chain.state.put(at, &record.unwrap());
    assert!(faults(&chain.next()).is_empty());
    assert_eq!(chain.updates.iter().map(|update| update.key).collect::<Vec<_>>(), [key(4)]);
}

#[test]
fn who_signs_twice_is_slashed_while_staking_stands_still() {
    let mut chain = four();
    chain.broken = true;
    let (key, height) = (breaker::state_key::tripped(Component::Staking), chain.block.height);
    chain.state.put(key, &Tripped { height, key: "staking/x".into() });
    chain.refused(4, create(4, 200 * datanet_types::amount::DNT), code::TRIPPED, "staking stands still");
    chain.next_with(caught(1, height));
    let events = chain.next();
    assert!(events.iter().any(|event| event.kind == "staking.slashed"), "{events:?}");
    assert_eq!(chain.updates.iter().map(|update| update.power).collect::<Vec<_>>(), [0], "and out");
}

#[test]
fn what_everybody_needs_never_stops() {
    let (mut state, block) = (crate::state::MemoryState::default(), Chain::new().block);
    for component in Component::ALL.iter().copied().filter(|component| breaker::spares(*component)) {
        state.put(breaker::state_key::tripped(component), &Tripped { height: 1, key: String::new() });
        assert_eq!(breaker::tripped(&state, component).unwrap(), None, "{component}");
        assert_eq!(breaker::reset(&mut state, &block, component).unwrap(), None);
    }
    assert!(state.get_raw("breaker/tripped/accounts").unwrap().is_some());
}

/// Settling is what its node has against a payer that takes everything back; where it cannot, the payer waits.
#[test]
fn no_payer_takes_back_what_it_owes_while_settlement_stands_still() {
    let mut chain = Chain::new();
    chain.broken = true;
    chain.act(0, register(0, role::SERVING, super::harness::STAKE));
    let channel = open(&mut chain, 5);
    let owed = voucher(5, channel, DEPOSIT);
    let tripped = Tripped { height: chain.block.height, key: "somewhere".to_owned() };
    chain.state.put(breaker::state_key::tripped(Component::Settlement), &tripped);
    let epoch = settle(1, DEPOSIT, &leaves(&[(11, 1)]), vec![owed]);
    chain.refused(0, epoch.clone(), code::TRIPPED, "stands still");
    let before = chain.balance(address(5));
    chain.skip_until(chain.now() + 1_000);
    let back = chain.balance(address(5)) - before;
    assert_eq!(back, 0);
    chain.refused(5, super::harness::close_channel(channel), code::TRIPPED, "could not settle");
    breaker::reset(&mut chain.state, &chain.block, Component::Settlement).unwrap();
    let tx = chain.tx(0, epoch);
    chain.next();
    chain.run(&tx).unwrap();
}
