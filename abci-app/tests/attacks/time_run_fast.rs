//! Whoever fills blocks with tiny transactions makes many of them. What people wait for is block time, which that does not move.
//!
//! Each of these took as many blocks once, and nobody had to wait for anything: 120 for committing, 30 for revealing, 600 for a channel or an audit.

use datanet_ledger::code;
use datanet_ledger::component::validation::Phase;
use datanet_ledger::component::{Params, audits, channels, validation};
use datanet_types::action::{CloseChannel, Finding, OpenChannel, Transfer};
use datanet_types::amount::DNT;
use datanet_types::{Action, Scores, SignedTx};

use super::judging::{ACCOMPLICE, Judging};
use super::serving::{AUDITORS, FEES, PAYER, STRANGER, Serving, claimable, node, verdict};
use crate::support::{CHAIN, FEE, address, body, signed};

/// Blocks in one second: more than any window had.
const MANY: u64 = 700;
/// Where a tiny transaction sends a base unit to.
const ELSEWHERE: u8 = 9;

/// So many blocks with a tiny transaction of the attacker's each, while no second passes. Returns what they cost.
fn rush_judging(judging: &mut Judging) -> i128 {
    for _ in 0..MANY {
        judging.idle -= 1;
        judging.done(ACCOMPLICE, Action::Transfer(Transfer { to: address(ELSEWHERE), amount: 1 }));
    }
    i128::from(MANY * (FEE + 1))
}

fn rush(serving: &mut Serving, who: u8) {
    for _ in 0..MANY {
        serving.chain.idle -= 1;
        serving.done(who, Action::Transfer(Transfer { to: address(ELSEWHERE), amount: 1 }));
    }
}

#[test]
fn no_stream_of_transactions_ends_a_commit_or_a_reveal_phase() {
    let mut judging = Judging::new(3);
    let id = judging.give_to_three(7);
    // The bond comes home with the verdict.
    let before = i128::from(judging.loot() + judging.bond(&id));
    let (round, deadline) = (judging.round(&id), judging.round(&id).commit_deadline);
    let mut cost = rush_judging(&mut judging);
    assert_eq!((judging.round(&id).phase(), judging.round(&id).commit_deadline), (Phase::Commit, deadline));
    // All but one of the committee commit; whoever is silent is waited for, by the clock.
    let silent = round.committee[0].account;
    let loud = |who: u8| (address(who) != silent).then_some(Some(Scores::from_array([9_000; 4])));
    judging.commit(&id, loud);
    cost += rush_judging(&mut judging);
    assert_eq!(judging.round(&id).phase(), Phase::Commit);
    judging.idle += i64::try_from(Params::default().commit_seconds).unwrap();
    judging.block(&[]);
    assert_eq!(judging.round(&id).phase(), Phase::Reveal);
    cost += rush_judging(&mut judging);
    assert_eq!(judging.round(&id).phase(), Phase::Reveal, "nobody has missed anything");
    judging.reveal(&id, loud);
    assert_eq!(judging.round(&id).phase(), Phase::Judged);
    println!("time run fast: {} blocks in three seconds of judging", 3 * MANY);
    let paid = before - i128::from(judging.loot());
    assert!(paid >= cost - i128::from(DNT / 10), "a judge of its own may have been paid: {paid} {cost}");
    verdict("a phase of judging", before, i128::from(judging.loot()), 0);
}

#[test]
fn no_stream_of_transactions_makes_a_channel_expire_before_its_node_has_settled() {
    let mut serving = Serving::new();
    let before = i128::from(serving.chain.balance(PAYER));
    let expires_at = serving.chain.now() + Params::default().channel_min_seconds;
    let open = OpenChannel { node: node(), deposit: 10 * FEES, expires_at, voucher_key: None };
    let tx = serving.sign(PAYER, Action::OpenChannel(open));
    let channel = SignedTx::verify(&tx, CHAIN).unwrap().channel_id();
    serving.chain.run(&[tx]);
    // It has its answers, and makes as many blocks as the channel once lasted.
    rush(&mut serving, PAYER);
    let close = Action::CloseChannel(CloseChannel { channel, statement: None });
    serving.done(PAYER, close.clone());
    let there = channels::get(&serving.chain.ledger.reader(), &channel).unwrap().unwrap();
    assert!(there.is_open() && there.is_closing(), "that has not closed it: its node has its time");
    rush(&mut serving, PAYER);
    assert_eq!(serving.send(PAYER, close.clone()).code, code::CHANNEL_ACTIVE);
    serving.redeem(PAYER, channel, 0, FEES);
    serving.chain.pass(Params::default().channel_min_seconds);
    serving.done(PAYER, close);
    let after = i128::from(serving.chain.balance(PAYER));
    println!("time run fast: {} blocks in two seconds of a channel", 2 * MANY);
    assert_eq!(before - after, i128::from(FEES + 2 * MANY * (FEE + 1) + 4 * FEE), "its answers, and its fees");
    verdict("a channel's time", before, after, 0);
}

#[test]
fn no_stream_of_transactions_ends_an_audit_before_anybody_was_heard() {
    use datanet_types::action::{AuditEpoch, ChallengeEpoch};
    let mut serving = Serving::audited(60);
    let before = serving.wealth();
    let epoch = serving.settle(PAYER, FEES, &[(super::serving::ACCOMPLICE, claimable(FEES))]);
    let challenge = ChallengeEpoch { node: node(), epoch, suspects: Vec::new() };
    serving.done(STRANGER, Action::ChallengeEpoch(challenge));
    let audit = |serving: &Serving| audits::get(&serving.chain.ledger.reader(), &node(), epoch).unwrap().unwrap();
    while audit(&serving).phase() != audits::Phase::Vote {
        serving.chain.run(&[]);
    }
    rush(&mut serving, super::serving::ACCOMPLICE);
    let heard = audit(&serving);
    assert_eq!((heard.phase(), heard.round), (audits::Phase::Vote, 0));
    for auditor in AUDITORS.into_iter().filter(|n| heard.committee.iter().any(|one| one.account == address(*n))) {
        let said = AuditEpoch { node: node(), epoch, finding: Finding::False as i32 };
        serving.done(auditor, Action::AuditEpoch(said));
    }
    assert_eq!(audit(&serving).phase(), audits::Phase::False);
    println!("time run fast: {MANY} blocks in a second of an audit");
    verdict("an audit's time", before, serving.wealth(), 0);
}

/// An idle chain makes its next block long after a deadline. Whoever is late is refused in that block too, though it is the one that ends
/// the phase.
#[test]
fn in_the_first_block_behind_a_deadline_nobody_is_heard_any_more() {
    let mut judging = Judging::new(5);
    let id = judging.give([8; 32]);
    judging.block(&[]);
    judging.block(&[]);
    let round = judging.round(&id);
    judging.idle += i64::try_from(Params::default().commit_seconds).unwrap();
    let who = (1..=4).find(|who| round.member(&address(*who)).is_some()).unwrap();
    let commitment =
        datanet_types::action::CommitScores { contribution: id, commitment: datanet_types::Digest([1; 32]) };
    let tx = signed(who, &body(Action::CommitScores(commitment), judging.ledger.info().height + 9, 1_000_000));
    let outcome = judging.block(&[tx]).outcomes.remove(0);
    assert_eq!(outcome.code, code::WRONG_PHASE, "{}", outcome.log);
    assert!(outcome.log.contains("too late to commit"), "{}", outcome.log);
    let closed = validation::round(&judging.ledger.reader(), &id, 0).unwrap().unwrap();
    assert_eq!(closed.phase(), Phase::Unjudged);
}
