//! What is done once it was voted.

use datanet_types::action::{
    CancelSpend, Choice, NewNumber, NewNumbers, Payment, Proposed, ResetComponent, Restart, RetireAuthority,
    Retirement, SetParams, SpendTreasury, Upgrade,
};
use datanet_types::amount::DNT;
use datanet_types::staking::Undelegate;
use datanet_types::{Action, Digest, TxBody};

use super::Chain;
use super::harness::{BALANCE, address};
use super::life_of_a_proposal::{AUTHORITY, TIMELOCK, chain, ended, proposal, propose, until, votes};
use super::life_of_a_validator::{delegate, validator};
use crate::code;
use crate::component::governance::{Status, upgrade};
use crate::component::params::{self, versions};
use crate::component::{Component, accounts, begin_block, breaker, migrations, treasury};
use crate::state::{StateError, StateRead};

fn params_of(numbers: &[(&str, u64)]) -> Proposed {
    let number = |(name, value): &(&str, u64)| NewNumber { name: (*name).to_owned(), value: *value };
    Proposed::Params(NewNumbers { numbers: numbers.iter().map(number).collect() })
}

/// Person 9 proposes, and all validators vote for it; the vote is over.
fn pass(chain: &mut Chain, number: u64, proposed: Proposed) {
    chain.act(9, propose(proposed));
    for n in 0..4 {
        chain.act(n, votes(number, Choice::Yes));
    }
    assert_eq!(ended(chain, number), Status::Passed);
}

/// Its time has come.
fn carried(chain: &mut Chain, number: u64) -> Status {
    let due = proposal(chain, number).due;
    until(chain, due);
    proposal(chain, number).status()
}

fn fill_treasury(chain: &mut Chain) {
    let tipped = |body| TxBody { tip: 100 * DNT, fee: u64::MAX, ..body };
    let pay = Action::Transfer(datanet_types::action::Transfer { to: address(2), amount: 1 });
    let tx = chain.tx_body(14, tipped, pay, 1_000_000);
    chain.run(&tx).unwrap();
    chain.next();
}

#[test]
fn voted_parameters_hold_after_the_timelock_from_one_height_on() {
    let mut chain = chain();
    pass(&mut chain, 1, params_of(&[("fee_shares.node", 1_400), ("fee_shares.treasury", 600), ("min_fee", 2_000)]));
    let (ended, due) = (chain.now(), proposal(&chain, 1).due);
    assert!(due >= ended + TIMELOCK - 2 && due <= ended + TIMELOCK);
    until(&mut chain, due - 1);
    assert_eq!(params::get(&chain.state).unwrap().min_fee, 1_000);
    assert_eq!(carried(&mut chain, 1), Status::Done);
    let present = versions::present(&chain.state).unwrap();
    assert_eq!((present.number, present.params.min_fee), (1, 2_000));
    assert_eq!((present.params.fee_shares.node, present.params.fee_shares.treasury), (1_400, 600));
}

#[test]
fn two_votes_that_are_done_at_the_same_time_both_hold() {
    let mut chain = chain();
    for (number, changes) in [(1, ("min_fee", 2_000)), (2, ("byte_fee", 2))] {
        chain.act(9, propose(params_of(&[changes])));
        for n in 0..4 {
            chain.act(n, votes(number, Choice::Yes));
        }
    }
    ended(&mut chain, 2);
    carried(&mut chain, 1);
    chain.next();
    chain.next();
    let params = params::get(&chain.state).unwrap();
    assert_eq!((params.min_fee, params.byte_fee), (2_000, 2));
    assert_eq!(proposal(&chain, 2).status(), Status::Done);
}

#[test]
fn a_vote_takes_the_place_of_what_the_authority_has_announced() {
    let mut chain = chain();
    pass(&mut chain, 1, params_of(&[("min_fee", 2_000)]));
    let due = proposal(&chain, 1).due;
    until(&mut chain, due - 3);
    chain.act(AUTHORITY, SetParams { changes: r#"{"byte_fee": 7}"#.to_owned() });
    carried(&mut chain, 1);
    assert_eq!(versions::scheduled(&chain.state).unwrap(), None);
    chain.pass(100);
    let params = params::get(&chain.state).unwrap();
    assert_eq!((params.min_fee, params.byte_fee), (2_000, 1), "it was made out of the old ones");
}

#[test]
fn what_makes_no_good_parameters_any_more_fails_and_changes_nothing() {
    let mut chain = chain();
    pass(&mut chain, 1, params_of(&[("min_fee", 2_000)]));
    chain.act(AUTHORITY, SetParams { changes: r#"{"min_fee": 2000}"#.to_owned() });
    assert_eq!(carried(&mut chain, 1), Status::Failed);
    assert_eq!(versions::present(&chain.state).unwrap().number, 1, "the authority's alone");
}

#[test]
fn the_treasury_pays_what_was_voted_within_what_a_period_may_spend() {
    let mut chain = chain();
    fill_treasury(&mut chain);
    let payment = Payment { to: address(18), amount: 6 * DNT };
    pass(&mut chain, 1, Proposed::Spend(payment));
    assert_eq!(carried(&mut chain, 1), Status::Done);
    assert_eq!(chain.balance(address(18)), BALANCE + 6 * DNT);
    // The authority has what is left of the period, and no more.
    let reason = Digest([1; 32]);
    let spend = |amount| SpendTreasury { to: address(AUTHORITY), amount, reason };
    chain.refused(AUTHORITY, spend(5 * DNT), code::SPEND_BOUND, "left of this period");
    // A second that no longer fits fails, and the treasury keeps it.
    let before = chain.balance(accounts::treasury());
    pass(&mut chain, 2, Proposed::Spend(payment));
    assert_eq!(carried(&mut chain, 2), Status::Failed);
    assert!(chain.balance(accounts::treasury()) >= before);
}

#[test]
fn money_and_rules_take_two_thirds() {
    let mut chain = chain();
    fill_treasury(&mut chain);
    let spend = Proposed::Spend(Payment { to: address(18), amount: DNT });
    for (number, proposed, status) in
        [(1, spend, Status::Rejected), (2, params_of(&[("min_fee", 2_000)]), Status::Passed)]
    {
        chain.act(9, propose(proposed));
        for (n, choice) in [(0, Choice::Yes), (1, Choice::Yes), (2, Choice::Yes), (3, Choice::No)] {
            chain.act(n, votes(number, choice));
        }
        chain.act(10 + number as u8, delegate(0, DNT));
        chain.act(3, delegate(3, 60 * DNT));
        assert_eq!(ended(&mut chain, number), status);
    }
}

#[test]
fn who_voted_for_it_and_left_before_it_is_done_takes_it_along() {
    let mut chain = chain();
    chain.act(9, propose(params_of(&[("min_fee", 2_000)])));
    chain.act(16, delegate(0, 400 * DNT));
    chain.act(16, votes(1, Choice::Yes));
    chain.act(3, votes(1, Choice::No));
    assert_eq!(ended(&mut chain, 1), Status::Passed);
    chain.act(16, Undelegate { validator: validator(0), amount: u64::MAX });
    assert_eq!(carried(&mut chain, 1), Status::Lapsed);
    assert_eq!(params::get(&chain.state).unwrap().min_fee, 1_000);
}

#[test]
fn stake_that_comes_after_the_vote_saves_nothing_and_stops_nothing() {
    let mut chain = chain();
    pass(&mut chain, 1, params_of(&[("min_fee", 2_000)]));
    for n in 10..14 {
        chain.act(n, delegate(0, 900 * DNT));
    }
    assert_eq!(carried(&mut chain, 1), Status::Done, "the quorum is of those who were there");
}

#[test]
fn the_authority_is_retired_for_good_by_a_vote_and_what_it_had_announced_is_off() {
    let mut chain = chain();
    fill_treasury(&mut chain);
    pass(&mut chain, 1, Proposed::RetireAuthority(Retirement {}));
    let due = proposal(&chain, 1).due;
    until(&mut chain, due - 3);
    let treasury = chain.treasury();
    let (to, reason) = (address(AUTHORITY), Digest([1; 32]));
    chain.act(AUTHORITY, SpendTreasury { to, amount: DNT, reason });
    chain.act(AUTHORITY, SetParams { changes: r#"{"min_fee": 3000}"#.to_owned() });
    assert_eq!(carried(&mut chain, 1), Status::Done);
    assert_eq!(treasury::authority(&chain.state).unwrap(), None);
    assert!(treasury::spends(&chain.state).unwrap().is_empty() && chain.treasury() >= treasury);
    chain.pass(100);
    assert_eq!(params::get(&chain.state).unwrap().min_fee, 1_000);
    chain.refused(AUTHORITY, SpendTreasury { to, amount: DNT, reason }, code::AUTHORITY, "put it to the vote");
    chain.refused(AUTHORITY, CancelSpend { spend: 1 }, code::AUTHORITY, "no authority");
    chain.refused(AUTHORITY, RetireAuthority {}, code::AUTHORITY, "no authority");
}

#[test]
fn the_authority_steps_back_by_itself() {
    let mut chain = chain();
    let events = chain.act(AUTHORITY, RetireAuthority {});
    assert_eq!(events[0].kind, "treasury.authority_retired");
    assert_eq!(treasury::authority(&chain.state).unwrap(), None);
}

#[test]
fn a_component_that_stands_still_runs_again_by_a_vote_with_no_authority_left() {
    let mut chain = chain();
    chain.act(AUTHORITY, RetireAuthority {});
    chain.broken = true;
    let key = breaker::state_key::tripped(Component::Channels);
    let tripped = breaker::Tripped { height: 1, key: "somewhere".into() };
    crate::state::StateWrite::put(&mut chain.state, key, &tripped);
    let again = ResetComponent { component: "channels".into() };
    chain.refused(AUTHORITY, again, code::AUTHORITY, "put it to the vote");
    pass(&mut chain, 1, Proposed::Reset(Restart { component: "channels".into() }));
    assert_eq!(carried(&mut chain, 1), Status::Done);
    assert_eq!(breaker::tripped(&chain.state, Component::Channels).unwrap(), None);
}

#[test]
fn an_upgrade_begins_at_its_height_and_a_program_that_does_not_know_it_stops_before_the_block() {
    let mut chain = chain();
    let height = chain.block.height + 400;
    pass(&mut chain, 1, Proposed::Upgrade(Upgrade { version: 2, height, binaries: vec![] }));
    assert_eq!(carried(&mut chain, 1), Status::Done);
    let planned = upgrade::planned(&chain.state).unwrap().unwrap();
    assert_eq!((planned.version, planned.height, planned.proposal), (2, height, 1));
    chain.skip_to(height - 1);
    assert_eq!(params::get(&chain.state).unwrap().app_version, 1);
    crate::component::end_block(&mut chain.state, &chain.block).unwrap();
    chain.block.height += 1;
    chain.block.time_seconds += 1;
    let before = chain.state.clone();
    let old = begin_block(&mut chain.state, &chain.block).unwrap_err();
    assert_eq!(old, StateError::Newer { theirs: 2, ours: 1 });
    assert!(old.is_fatal());
    chain.state = before;
    chain.block.knows = 2.into();
    let events = begin_block(&mut chain.state, &chain.block).unwrap();
    let kinds: Vec<&str> = events.iter().map(|event| event.kind.as_str()).collect();
    assert_eq!(kinds, ["upgrade.begun", "params.changed"]);
    assert_eq!(params::get(&chain.state).unwrap().app_version, 2);
    let made_over: migrations::Rehearsed = chain.state.get(migrations::REHEARSED).unwrap().unwrap();
    assert_eq!((made_over.version, upgrade::planned(&chain.state).unwrap()), (2, None));
}

#[test]
fn an_upgrade_whose_height_went_by_during_the_vote_fails() {
    let mut chain = chain();
    let height = chain.block.height + 20;
    pass(&mut chain, 1, Proposed::Upgrade(Upgrade { version: 2, height, binaries: vec![] }));
    assert_eq!(carried(&mut chain, 1), Status::Failed);
    assert_eq!(upgrade::planned(&chain.state).unwrap(), None);
}
