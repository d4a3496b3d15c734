//! What lapses is forgotten, and nothing can be done with it again.

use datanet_types::action::{ChallengeEpoch, Claim, Finding, Revoke, TopUpChannel, role};
use datanet_types::{ContributionId, DatanetId};

use super::Chain;
use super::harness::{STAKE, address, all, attest, node, register, reveal, reveal_finding};
use super::life_of_a_channel::{claim, item, leaves, open, settle, voucher};
use crate::code;
use crate::component::contributions::{self, Status};
use crate::component::settlement::{self, escrow};
use crate::component::{Params, validation};

const FORGET: u64 = 1_000;

fn world() -> (Chain, DatanetId) {
    let at_once = Params { challenge_seconds: 0, verdict_challenge_seconds: 0, ..Params::default() };
    let mut chain = Chain::with(Params { forget_seconds: FORGET, ..at_once });
    chain.validators(6);
    let datanet = chain.datanet();
    (chain, datanet)
}

/// Keys that say how a contribution was judged.
fn judging(chain: &Chain, id: &ContributionId) -> Vec<String> {
    let of_it =
        |key: &&String| key.contains(&id.to_string()) && (key.starts_with("validation/") || key.contains("round/"));
    chain.state.0.keys().filter(of_it).cloned().collect()
}

#[test]
fn of_an_accepted_contribution_the_committee_stays_and_what_it_said_goes() {
    let (mut chain, datanet) = world();
    let id = chain.give(11, datanet, 1);
    let judge = chain.committee(&id)[0];
    chain.judge(&id, all(8_000));
    let before = (chain.round(&id), chain.contribution(&id));
    let seconds = before.0.committee.len();
    assert_eq!(judging(&chain, &id).len(), 2 * seconds + 2, "round, commitments, reveals, and when they go");
    chain.pass(FORGET - 2);
    assert!(validation::reveal(&chain.state, &id, 0, &address(judge)).unwrap().is_some(), "there is time to look");
    chain.pass(2);
    assert_eq!(judging(&chain, &id), [format!("validation/round/{id}/0000000000")]);
    assert_eq!((chain.round(&id), chain.contribution(&id)), before, "the verdict stays, and who passed it");
    let commit = chain.commit(judge, &id, all(1));
    chain.refused(judge, commit, code::WRONG_PHASE, "the round is over");
    chain.refused(judge, reveal(judge, &id, all(1)), code::WRONG_PHASE, "the round is over");
    // It becomes final all the same, however much later.
    for n in 0..2 {
        chain.act(n, attest(n, &id));
    }
    assert_eq!(chain.contribution(&id).status(), Status::Final);
}

#[test]
fn of_a_refused_contribution_only_the_verdict_stays() {
    let (mut chain, datanet) = world();
    let id = chain.give(11, datanet, 1);
    chain.act(0, attest(0, &id));
    let judge = chain.committee(&id)[0];
    chain.judge(&id, all(100));
    chain.pass(FORGET);
    chain.next();
    assert_eq!(judging(&chain, &id), [""; 0]);
    assert!(contributions::attestations(&chain.state, &id, None, 9).unwrap().is_empty());
    assert_eq!(chain.contribution(&id).scores, Some(all(100)));
    let commit = chain.commit(judge, &id, all(1));
    chain.refused(judge, commit, code::WRONG_PHASE, "the round is over");
    chain.refused(judge, reveal(judge, &id, all(1)), code::WRONG_PHASE, "the round is over");
    chain.refused(0, attest(0, &id), code::CONTRIBUTION_REFUSED, "was refused");
    chain.refused(11, super::harness::contribute(datanet, 1), code::CONTRIBUTION_TAKEN, "was refused");
}

#[test]
fn a_round_that_was_drawn_again_goes_and_what_was_taken_back_keeps_its_judges() {
    let (mut chain, datanet) = world();
    let id = chain.give(11, datanet, 1);
    chain.skip_to(chain.block.height + Params::default().commit_seconds + 1);
    assert_eq!(chain.contribution(&id).round, 1);
    chain.drawn();
    chain.judge(&id, all(8_000));
    for n in 0..2 {
        chain.act(n, attest(n, &id));
    }
    chain.pass(FORGET);
    chain.next();
    assert_eq!(judging(&chain, &id), [format!("validation/round/{id}/0000000001")]);
    chain.act(11, Revoke { contribution: id, records: None });
    chain.pass(FORGET);
    chain.next();
    assert_eq!(judging(&chain, &id).len(), 1, "answers that were given before are paid for");
    assert!(contributions::attestations(&chain.state, &id, None, 9).unwrap().is_empty(), "nobody is to keep it");
}

#[test]
fn nothing_more_is_forgotten_in_a_block_than_it_has_time_for() {
    let at_once = Params { verdict_challenge_seconds: 0, ..Params::default() };
    let params = Params { agenda_work: 8, forget_seconds: FORGET, ..at_once };
    let mut chain = Chain::with(params);
    chain.validators(6);
    let datanet = chain.datanet();
    let given: Vec<ContributionId> = (1..9).map(|blob| chain.give(11, datanet, blob)).collect();
    for id in &given {
        chain.judge(id, all(100));
    }
    chain.block.time_seconds += 10 * i64::try_from(FORGET).unwrap();
    let left = |chain: &Chain| given.iter().filter(|id| !judging(chain, id).is_empty()).count();
    let mut counts = vec![left(&chain)];
    while *counts.last().unwrap() > 0 {
        chain.next();
        counts.push(left(&chain));
    }
    assert!(counts.len() > 4 && counts.windows(2).all(|pair| pair[0] > pair[1]), "{counts:?}");
}

#[test]
fn an_epoch_goes_once_everything_of_it_is_paid_and_cannot_come_again() {
    let (mut chain, _) = world();
    chain.act(0, register(0, role::ALL, STAKE));
    let channel = open(&mut chain, 5);
    let expires_at = chain.now() + 9 * FORGET;
    chain.act(5, TopUpChannel { channel, amount: 0, expires_at });
    let earned = leaves(&[(11, 500_000), (12, 250_000)]);
    chain.act(0, settle(1, 1_000_000, &earned, vec![voucher(5, channel, 1_000_000)]));
    chain.next();
    chain.act(11, claim(1, &earned, 0));
    chain.pass(FORGET);
    chain.next();
    let there = |chain: &Chain, number| settlement::epoch(&chain.state, &node(0), number).unwrap().is_some();
    assert!(there(&chain, 1), "somebody has something to claim of it");
    chain.act(12, claim(1, &earned, 1));
    assert!(!there(&chain, 1), "nobody has any more");
    assert!(settlement::is_forgotten(&chain.state, &node(0), 1).unwrap());
    assert!(escrow::is_claimed(&chain.state, &node(0), 1, 0).unwrap());

    let again = settle(1, 1_000_000, &earned, vec![voucher(5, channel, 2_000_000)]);
    chain.refused(0, again, code::EPOCH_ORDER, "next is 2");
    chain.refused(11, claim(1, &earned, 0), code::CLAIM_NOTHING, "nothing more");
    let challenge = ChallengeEpoch { node: node(0), epoch: 1, suspects: Vec::new() };
    chain.refused(9, challenge, code::AUDIT_CLOSED, "is over");
    chain.refused(1, reveal_finding(1, 1, Finding::Correct), code::AUDIT_CLOSED, "is over");
    chain.refused(9, ChallengeEpoch { node: node(0), epoch: 2, suspects: Vec::new() }, code::AUDIT_EPOCH, "no epoch 2");

    // Beside one that is forgotten, another is paid.
    let two = leaves(&[(11, 750_000)]);
    chain.act(0, settle(2, 1_000_000, &two, vec![voucher(5, channel, 2_000_000)]));
    chain.next();
    let both = Claim { account: address(11), items: vec![item(1, &earned, 0), item(2, &two, 0)] };
    assert_eq!(chain.act(11, both).len(), 1);
    assert!(there(&chain, 2), "there is time to look");
    chain.pass(FORGET);
    chain.next();
    assert!(!there(&chain, 2));
    let latest = settlement::get(&chain.state, &node(0)).unwrap().unwrap().latest;
    assert_eq!(latest.epoch, 2, "its number stays");
}
