//! Proposals and votes that are refused, each with what to do about it.

use datanet_types::Digest;
use datanet_types::action::{
    Binary, Choice, NewNumber, NewNumbers, Payment, Proposed, Restart, RetireAuthority, Retirement, SetParams,
    SubmitProposal, Upgrade, VoteProposal,
};
use datanet_types::amount::DNT;

use super::Chain;
use super::harness::address;
use super::life_of_a_proposal::{AUTHORITY, chain, ended, propose, text, votes};
use super::life_of_a_validator::{delegate, with_validators};
use crate::code;
use crate::component::governance::MAX_LIVE;

fn number(name: &str, value: u64) -> NewNumber {
    NewNumber { name: name.to_owned(), value }
}

fn params(numbers: Vec<NewNumber>) -> SubmitProposal {
    propose(Proposed::Params(NewNumbers { numbers }))
}

fn binaries(platforms: &[&str]) -> SubmitProposal {
    let binaries = platforms.iter().map(|name| Binary { platform: (*name).to_owned(), sha256: Digest([1; 32]) });
    propose(Proposed::Upgrade(Upgrade { version: 2, height: 1_000, binaries: binaries.collect() }))
}

#[test]
fn a_proposal_without_form_pays_nothing() {
    let mut chain = chain();
    let too_long = "x".repeat(5_000);
    for (wrong, words) in [
        (SubmitProposal { title: String::new(), ..text() }, "title"),
        (SubmitProposal { title: too_long.clone(), ..text() }, "title"),
        (SubmitProposal { reason: String::new(), ..text() }, "say why"),
        (SubmitProposal { reason: too_long, ..text() }, "4096"),
        (SubmitProposal { proposed: None, ..text() }, "nothing is proposed"),
        (params(vec![]), "1 to 32"),
        (params(vec![number("min_fee", 1), number("min_fee", 2)]), "ascending"),
        (propose(Proposed::Spend(Payment { to: address(1), amount: 0 })), "amount is 0"),
        (propose(Proposed::Reset(Restart { component: "accounts".into() })), "no component"),
        (binaries(&["b", "a"]), "ascending"),
        (binaries(&["X86"]), "x86_64-linux"),
        (binaries(&["a/../b"]), "x86_64-linux"),
    ] {
        chain.refused_before_it_pays(9, wrong, code::PROPOSAL_INVALID, words);
    }
    chain.act(9, text());
    chain.refused_before_it_pays(0, VoteProposal { proposal: 1, choice: 4 }, code::PROPOSAL_INVALID, "no choice");
}

#[test]
fn what_could_not_be_done_is_not_put_to_the_vote() {
    let mut chain = chain();
    let upgrade = |version, height| propose(Proposed::Upgrade(Upgrade { version, height, binaries: vec![] }));
    for (wrong, words) in [
        (params(vec![number("min_fees", 1)]), "no parameter"),
        (params(vec![number("min_fee", 1_000)]), "holds already"),
        (params(vec![number("min_fee", u64::MAX)]), "at most"),
        (params(vec![number("quorum_bps", 999)]), "1000 to 8000"),
        (params(vec![number("authority_delay_seconds", 1)]), "another genesis"),
        (params(vec![number("app_version", 2)]), "upgrade"),
        (propose(Proposed::Spend(Payment { to: address(1), amount: 1_000 * DNT })), "more than a period"),
        (propose(Proposed::Reset(Restart { component: "channels".into() })), "runs"),
        (upgrade(1, 1_000), "2 comes next"),
        (upgrade(3, 1_000), "2 comes next"),
        (upgrade(2, 1), "behind"),
    ] {
        chain.refused(9, wrong, code::PROPOSAL_INVALID, words);
    }
    let mut without = Chain::from_genesis(&with_validators(4, super::life_of_a_proposal::numbers()));
    let retire = propose(Proposed::RetireAuthority(Retirement {}));
    without.refused(9, retire, code::PROPOSAL_INVALID, "no authority");
}

#[test]
fn only_stake_votes_and_only_while_the_vote_lasts() {
    let mut chain = chain();
    chain.refused(0, votes(1, Choice::Yes), code::PROPOSAL_UNKNOWN, "datanet proposal list");
    chain.act(9, text());
    chain.refused(9, votes(1, Choice::Yes), code::VOTE_STAKE, "datanet validator delegate");
    chain.act(9, delegate(0, DNT));
    chain.act(9, votes(1, Choice::Yes));
    ended(&mut chain, 1);
    chain.refused(0, votes(1, Choice::Yes), code::PROPOSAL_CLOSED, "over");
}

#[test]
fn who_cannot_pay_the_deposit_or_comes_when_all_places_are_taken_is_told() {
    let mut chain = chain();
    let short = chain.balance(address(9)) - 2 * DNT;
    let give = datanet_types::action::Transfer { to: address(8), amount: short };
    chain.act(9, give);
    chain.refused(9, text(), code::FUNDS, "5 DNT");
    let params = super::life_of_a_proposal::numbers();
    let cheap = crate::component::Params { proposal_deposit: 1, ..params };
    let mut chain = Chain::from_genesis(&with_validators(4, cheap));
    for _ in 0..MAX_LIVE {
        chain.act(9, text());
    }
    chain.refused(9, text(), code::PROPOSALS_FULL, "32 proposals");
}

#[test]
fn the_authority_alone_retires_it_without_a_vote_and_changes_no_number_of_votes() {
    let mut chain = chain();
    chain.refused(9, RetireAuthority {}, code::AUTHORITY, "not this chain's authority");
    for (name, value) in [
        ("quorum_bps", 4_000),
        ("pass_bps", 6_000),
        ("strong_pass_bps", 7_000),
        ("veto_bps", 4_000),
        ("voting_seconds", 90),
        ("timelock_seconds", 40),
        ("proposal_deposit", 1),
    ] {
        let changes = format!("{{\"{name}\": {value}}}");
        chain.refused(AUTHORITY, SetParams { changes }, code::PARAMS_INVALID, "for votes to change");
    }
}
