//! A proposal from its deposit to its being forgotten: who counts, when, and how often.

use datanet_types::action::{Choice, Proposed, Resolution, SubmitProposal, VoteProposal};
use datanet_types::amount::DNT;
use datanet_types::staking::{Redelegate, Undelegate};

use super::Chain;
use super::harness::{BALANCE, address};
use super::life_of_a_validator::{delegate, params, validator, with_validators};
use crate::code;
use crate::component::governance::{self, Proposal, Status, deposit_account};
use crate::component::{Event, Genesis, Params, accounts};

pub(super) const VOTING: u64 = 100;
/// Seconds of it in which delegators have the last word.
pub(super) const LATE: u64 = VOTING / 4;
pub(super) const TIMELOCK: u64 = 50;
pub(super) const DEPOSIT: u64 = 5 * DNT;
const FORGET: u64 = 30;
/// The chain's authority.
pub(super) const AUTHORITY: u8 = 15;

pub(super) fn numbers() -> Params {
    Params {
        voting_seconds: VOTING,
        timelock_seconds: TIMELOCK,
        proposal_deposit: DEPOSIT,
        forget_seconds: FORGET,
        authority_delay_seconds: 10,
        ..params()
    }
}

/// Where persons 0 to 3 validate with 100 DNT each, and nobody else has any stake.
pub(super) fn chain() -> Chain {
    Chain::from_genesis(&Genesis { authority: Some(address(AUTHORITY)), ..with_validators(4, numbers()) })
}

pub(super) fn propose(proposed: Proposed) -> SubmitProposal {
    let (title, reason) = ("a title".to_owned(), "a reason".to_owned());
    SubmitProposal { title, reason, deposit: BALANCE, proposed: Some(proposed) }
}

pub(super) fn text() -> SubmitProposal {
    propose(Proposed::Text(Resolution {}))
}

pub(super) fn votes(proposal: u64, choice: Choice) -> VoteProposal {
    VoteProposal { proposal, choice: choice as i32 }
}

pub(super) fn proposal(chain: &Chain, number: u64) -> Proposal {
    governance::get(&chain.state, number).unwrap().unwrap()
}

/// What has become of it by then, with everything that happened.
pub(super) fn until(chain: &mut Chain, seconds: u64) -> Vec<Event> {
    let mut events = Vec::new();
    while chain.now() <= seconds {
        events.extend(chain.next());
    }
    events
}

/// The vote ends.
pub(super) fn ended(chain: &mut Chain, number: u64) -> Status {
    let ends = proposal(chain, number).ends;
    until(chain, ends);
    proposal(chain, number).status()
}

/// For, against, and neither, in DNT.
fn tally(chain: &Chain, number: u64) -> [u64; 4] {
    let params = crate::component::params::get(&chain.state).unwrap();
    let tally = governance::count(&chain.state, &params, number).unwrap();
    [tally.yes, tally.no, tally.abstain, tally.veto].map(|amount| amount / DNT)
}

#[test]
fn a_proposal_is_voted_on_passes_and_is_forgotten_and_its_deposit_goes_back() {
    let mut chain = chain();
    let before = chain.balance(address(9));
    let events = chain.act(9, text());
    assert_eq!((events[0].kind.as_str(), events[0].get("proposal")), ("proposal.submitted", Some("1")));
    assert_eq!(chain.balance(deposit_account(1)), DEPOSIT);
    let ends = proposal(&chain, 1).ends;
    assert_eq!((ends - chain.now(), proposal(&chain, 1).mark), (VOTING, ends - LATE));
    chain.act(0, votes(1, Choice::Yes));
    chain.act(1, votes(1, Choice::Abstain));
    assert_eq!(tally(&chain, 1), [100, 0, 100, 0]);
    let events = until(&mut chain, ends);
    let decided = events.iter().find(|event| event.kind == "proposal.decided").unwrap();
    assert_eq!((decided.get("status"), decided.get("kind")), (Some("passed"), Some("text")));
    assert_eq!(proposal(&chain, 1).status(), Status::Done, "words do nothing more");
    assert_eq!(chain.balance(address(9)), before - 1_000, "all but the fee");
    assert_eq!(governance::live(&chain.state).unwrap(), [0u64; 0]);
    chain.pass(FORGET);
    chain.next();
    assert_eq!(governance::get(&chain.state, 1).unwrap(), None);
    let left: Vec<&String> = chain.state.0.keys().filter(|key| key.contains("governance/")).collect();
    assert_eq!(left, ["governance/last"]);
    chain.act(9, text());
    assert_eq!(proposal(&chain, 2).number, 2, "numbers are not given twice");
}

#[test]
fn too_few_votes_or_too_many_against_it_pass_nothing_and_cost_nothing() {
    let mut chain = chain();
    for (number, cast, status) in [
        (1, vec![], Status::NoQuorum),
        (2, vec![(0, Choice::Yes)], Status::NoQuorum),
        (3, vec![(0, Choice::Yes), (1, Choice::No)], Status::Rejected),
        (4, vec![(0, Choice::Abstain), (1, Choice::Abstain)], Status::Rejected),
        (5, vec![(0, Choice::Yes), (1, Choice::Yes), (2, Choice::Veto)], Status::Done),
    ] {
        let before = chain.balance(address(9));
        chain.act(9, text());
        for (who, choice) in cast {
            chain.act(who, votes(number, choice));
        }
        assert_eq!(ended(&mut chain, number), status, "proposal {number}");
        assert_eq!(chain.balance(address(9)), before - 1_000);
    }
}

#[test]
fn more_than_a_third_of_vetoes_take_the_deposit_to_the_treasury() {
    let mut chain = chain();
    let before = chain.balance(address(9));
    chain.act(9, text());
    chain.act(0, votes(1, Choice::Yes));
    chain.act(1, votes(1, Choice::Veto));
    let treasury = chain.treasury();
    assert_eq!(ended(&mut chain, 1), Status::Vetoed);
    assert_eq!(chain.balance(address(9)), before - 1_000 - DEPOSIT);
    assert_eq!(chain.balance(accounts::treasury()), treasury + DEPOSIT);
    // Whoever vetoes alone takes nothing: too few have voted.
    chain.act(9, text());
    chain.act(1, votes(2, Choice::Veto));
    assert_eq!(ended(&mut chain, 2), Status::NoQuorum);
}

#[test]
fn stake_follows_its_validator_unless_its_owner_votes() {
    let mut chain = chain();
    chain.act(7, delegate(0, 60 * DNT));
    chain.act(8, delegate(0, 40 * DNT));
    chain.act(9, text());
    chain.act(0, votes(1, Choice::Yes));
    assert_eq!(tally(&chain, 1), [200, 0, 0, 0], "with all that stands behind it");
    chain.act(7, votes(1, Choice::No));
    assert_eq!(tally(&chain, 1), [140, 60, 0, 0]);
    chain.act(7, votes(1, Choice::Abstain));
    assert_eq!(tally(&chain, 1), [140, 0, 60, 0], "the last word counts");
    // Who votes on somebody's that has not voted counts alone.
    chain.act(7, delegate(1, 30 * DNT));
    assert_eq!(tally(&chain, 1), [140, 0, 90, 0], "and for what is staked later");
    chain.act(1, votes(1, Choice::Veto));
    assert_eq!(tally(&chain, 1), [140, 0, 90, 100]);
}

#[test]
fn stake_that_moves_takes_its_vote_along_and_is_never_counted_twice() {
    let mut chain = chain();
    chain.act(7, delegate(0, 50 * DNT));
    chain.act(9, text());
    chain.act(7, votes(1, Choice::Yes));
    assert_eq!(tally(&chain, 1), [50, 0, 0, 0]);
    let (from, to) = (validator(0), validator(1));
    chain.act(7, Redelegate { from, to, amount: 20 * DNT });
    assert_eq!(tally(&chain, 1), [50, 0, 0, 0]);
    chain.act(7, Undelegate { validator: from, amount: u64::MAX });
    assert_eq!(tally(&chain, 1), [20, 0, 0, 0]);
    chain.act(0, votes(1, Choice::No));
    chain.act(1, votes(1, Choice::No));
    assert_eq!(tally(&chain, 1), [20, 200, 0, 0]);
}

#[test]
fn what_is_slashed_votes_less_and_who_is_in_jail_not_at_all() {
    let mut chain = chain();
    chain.act(7, delegate(0, 100 * DNT));
    chain.act(9, text());
    chain.act(7, votes(1, Choice::Yes));
    chain.act(0, votes(1, Choice::No));
    assert_eq!(tally(&chain, 1), [100, 100, 0, 0]);
    let bad = crate::component::Misbehaviour {
        validator: validator(0),
        height: chain.block.height,
        time_seconds: chain.block.time_seconds,
    };
    let consensus = crate::component::ConsensusInfo { misbehaviour: vec![bad], ..Default::default() };
    chain.next_with(consensus);
    assert_eq!(tally(&chain, 1), [0, 0, 0, 0], "it signed two histories");
    let key = governance::voting_stake(&chain.state, 1, &validator(0)).unwrap();
    assert_eq!(key.of(Choice::Yes), 100 * DNT, "its shares are still counted, should it come back");
}

#[test]
fn in_the_last_quarter_validators_vote_for_themselves_alone() {
    let mut chain = chain();
    chain.act(7, delegate(0, 100 * DNT));
    chain.act(8, delegate(1, 100 * DNT));
    chain.act(9, text());
    chain.act(0, votes(1, Choice::Yes));
    let mark = proposal(&chain, 1).mark;
    until(&mut chain, mark);
    assert!(proposal(&chain, 1).is_marked());
    chain.act(0, votes(1, Choice::No));
    chain.act(1, votes(1, Choice::No));
    assert_eq!(tally(&chain, 1), [100, 200, 0, 0], "7 follows what 0 said in time, 8 follows nobody");
    chain.act(8, votes(1, Choice::Yes));
    assert_eq!(tally(&chain, 1), [200, 200, 0, 0]);
}

#[test]
fn what_would_pass_only_since_the_mark_is_voted_on_a_quarter_longer_once() {
    let mut chain = chain();
    chain.act(9, text());
    let first = proposal(&chain, 1).ends;
    until(&mut chain, first - 2);
    for n in [0, 1] {
        chain.act(n, votes(1, Choice::Yes));
    }
    let events = until(&mut chain, first);
    assert!(events.iter().any(|event| event.kind == "proposal.extended"));
    let one = proposal(&chain, 1);
    assert_eq!((one.status(), one.extended), (Status::Voting, true));
    assert!(one.ends > first && one.ends <= first + LATE + 1);
    // Those whom that surprised have their say.
    for n in [2, 3] {
        chain.act(n, votes(1, Choice::No));
    }
    assert_eq!(ended(&mut chain, 1), Status::Rejected);

    // And once only.
    chain.act(9, text());
    let first = proposal(&chain, 2).ends;
    until(&mut chain, first - 2);
    for n in [0, 1] {
        chain.act(n, votes(2, Choice::Yes));
    }
    until(&mut chain, first);
    assert_eq!(ended(&mut chain, 2), Status::Done);
}

#[test]
fn the_deposit_doubles_with_every_four_that_are_open() {
    let mut chain = chain();
    for number in 1..=8 {
        chain.act(9, text());
        let deposit = chain.balance(deposit_account(number));
        assert_eq!(deposit, if number <= 4 { DEPOSIT } else { 2 * DEPOSIT });
    }
    chain.refused(9, SubmitProposal { deposit: 2 * DEPOSIT, ..text() }, code::PROPOSAL_DEPOSIT, "20 DNT");
    assert_eq!(governance::deposit(&chain.state, &numbers()).unwrap(), 4 * DEPOSIT);
}

#[test]
fn many_votes_are_forgotten_some_in_each_block() {
    let mut chain = chain();
    chain.act(9, text());
    for n in 4..19 {
        chain.act(n, delegate(n % 4, 2 * DNT));
        chain.act(n, votes(1, Choice::Yes));
    }
    // As if many more had.
    let vote = governance::vote(&chain.state, 1, &address(5)).unwrap().unwrap();
    for n in 0..=250u8 {
        let key = governance::state_key::vote(1, &datanet_types::Address([n; 20]));
        crate::state::StateWrite::put(&mut chain.state, key, &vote);
    }
    ended(&mut chain, 1);
    let left = |chain: &Chain| chain.state.0.keys().filter(|key| key.starts_with("governance/vote/")).count();
    let all = left(&chain);
    assert_eq!(all, 251 + 15);
    let due = proposal(&chain, 1).due;
    until(&mut chain, due);
    assert_eq!(left(&chain), all - 100);
    for _ in 0..4 {
        chain.next();
    }
    assert_eq!(left(&chain), 0);
    assert_eq!(governance::get(&chain.state, 1).unwrap(), None);
}
