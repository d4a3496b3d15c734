//! From the first bond to the last verdict.

use datanet_types::amount::DNT;
use datanet_types::{BlobHash, DatanetId, Scores};

use super::Chain;
use super::harness::{BOND, address, all, attest, contribute, create_datanet, register, reveal};
use crate::code;
use crate::component::contributions::{self, Status, bond_account, review_account};
use crate::component::validation::{self, Phase};
use crate::component::{Event, Params, accounts, datanets, nodes};
use datanet_types::action::{CreateDatanet, role};

fn kinds(events: &[Event]) -> Vec<&str> {
    events.iter().map(|event| event.kind.as_str()).collect()
}

#[test]
fn a_good_contribution_is_kept_judged_and_final() {
    let mut chain = Chain::new();
    chain.validators(4);
    let datanet = chain.datanet();
    let before = chain.balance(address(11));
    let id = chain.give_unkept(11, datanet, 1);
    let fees = 1_000;
    assert_eq!(chain.balance(address(11)), before - BOND - DNT / 10 - fees);
    assert_eq!(chain.balance(bond_account(&id)), BOND);
    assert_eq!(contributions::list_open(&chain.state).unwrap().len(), 1);
    chain.store(&id);
    assert_eq!(chain.contribution(&id).status(), Status::Judging);
    let height = chain.block.height + Params::default().draw_delay;
    let events = chain.judge(&id, all(8_000));
    assert!(kinds(&events).ends_with(&["contribution.accepted", "contribution.final"]));
    let done = chain.contribution(&id);
    assert_eq!((done.status(), done.scores), (Status::Final, Some(all(8_000))));
    assert_eq!((done.final_height, done.verdict_height), (height + 1, height + 1));
    assert_eq!((chain.balance(review_account(&id)), chain.balance(bond_account(&id))), (0, 0));
    assert_eq!(chain.balance(address(11)), before - DNT / 10 - fees);
    assert!(contributions::list_open(&chain.state).unwrap().is_empty());
    let height = done.final_height;
    assert_eq!(contributions::final_in(&chain.state, &datanet, height, None, 9).unwrap(), vec![done]);
    assert!(contributions::final_in(&chain.state, &datanet, height - 1, None, 9).unwrap().is_empty());
    let counts = datanets::counts(&chain.state, &datanet).unwrap();
    assert_eq!((counts.contributions, counts.final_contributions, counts.records, counts.bytes), (1, 1, 10, 1_000));
    chain.next();
}

#[test]
fn a_bad_contribution_loses_half_of_its_bond_and_says_why() {
    let mut chain = Chain::new();
    chain.validators(3);
    let datanet = chain.datanet();
    let id = chain.give_to(11, datanet, 1, 3);
    let given = chain.contribution(&id).blob.0[0];
    let (before, treasury) = (chain.balance(address(11)), chain.balance(accounts::treasury()));
    let scores = Scores { uniqueness: 500, ..all(9_000) };
    chain.judge(&id, scores);
    let refused = chain.contribution(&id);
    assert_eq!(refused.status(), Status::Refused);
    assert_eq!(refused.reason(), "refused: uniqueness is 500; this datanet wants at least 6000");
    assert_eq!(chain.balance(address(11)), before + BOND / 2);
    assert_eq!(chain.balance(accounts::treasury()), treasury + BOND / 2 + 6 * 1_000);
    assert_eq!(datanets::counts(&chain.state, &datanet).unwrap().refused, 1);
    assert!(contributions::list_open(&chain.state).unwrap().iter().all(|open| open.id != id));
    chain.refused(0, attest(0, &id), code::CONTRIBUTION_REFUSED, "was refused");
    chain.refused(11, contribute(datanet, given), code::CONTRIBUTION_TAKEN, "before");
}

#[test]
fn validators_are_paid_and_rated_by_how_close_they_were() {
    let mut chain = Chain::new();
    chain.validators(3);
    let datanet = chain.datanet();
    let id = chain.give_to(11, datanet, 1, 3);
    let committee = chain.committee(&id);
    let given = [all(8_000), all(8_000), all(2_000)];
    for (n, scores) in committee.iter().zip(given) {
        chain.act(*n, chain.commit(*n, &id, scores));
    }
    for (n, scores) in committee.iter().zip(given) {
        chain.act(*n, reveal(*n, &id, scores));
    }
    chain.next();
    let round = validation::round(&chain.state, &id, 0).unwrap().unwrap();
    assert_eq!(round.phase(), Phase::Judged);
    assert_eq!(round.scores, Some(all(8_000)));
    let accuracies: Vec<_> = round.committee.iter().map(|member| member.accuracy_bps).collect();
    assert_eq!(accuracies, [Some(10_000), Some(10_000), Some(4_000)]);
    let rewards: Vec<u64> = round.committee.iter().map(|member| member.reward).collect();
    assert_eq!(rewards.iter().sum::<u64>(), DNT / 10);
    // 10 : 10 : 4 of 100,000; of three equal remainders the first two are rounded up.
    assert_eq!(rewards, [41_667, 41_667, 16_666]);
    let reputation = |n: u8| nodes::reputation(&chain.state, &address(n)).unwrap().unwrap().bps;
    assert_eq!(committee.iter().map(|n| reputation(*n)).collect::<Vec<_>>(), [5_500, 5_500, 4_900]);
    assert!(round.committee.iter().all(|member| member.revealed));
    let last = validation::reveal(&chain.state, &id, 0, &address(committee[2])).unwrap().unwrap();
    assert_eq!((last.scores, last.report), (Some(all(2_000)), BlobHash([committee[2]; 32])));
}

#[test]
fn who_commits_and_does_not_reveal_has_missed() {
    let mut chain = Chain::new();
    chain.validators(3);
    let datanet = chain.datanet();
    let id = chain.give_to(11, datanet, 1, 3);
    let committee = chain.committee(&id);
    for n in &committee {
        chain.act(*n, chain.commit(*n, &id, all(9_000)));
    }
    for n in &committee[..2] {
        chain.act(*n, reveal(*n, &id, all(9_000)));
    }
    chain.next();
    assert_eq!(chain.contribution(&id).status(), Status::Judging);
    chain.skip_to(chain.block.height + Params::default().reveal_seconds);
    assert_eq!(chain.contribution(&id).status(), Status::Final);
    let missed = nodes::reputation(&chain.state, &address(committee[2])).unwrap().unwrap();
    assert_eq!((missed.bps, missed.missed, missed.judged), (4_500, 1, 0));
}

#[test]
fn a_silent_member_does_not_hold_up_the_others() {
    let mut chain = Chain::new();
    chain.validators(3);
    let datanet = chain.datanet();
    let id = chain.give_to(11, datanet, 1, 3);
    let committee = chain.committee(&id);
    for n in &committee[..2] {
        chain.act(*n, chain.commit(*n, &id, all(9_000)));
    }
    let deadline = chain.round(&id).commit_deadline;
    chain.skip_until(deadline + 1);
    for n in &committee[..2] {
        chain.act(*n, reveal(*n, &id, all(9_000)));
    }
    chain.next();
    assert_eq!(chain.contribution(&id).status(), Status::Final);
}

#[test]
fn an_unjudged_contribution_is_drawn_again_once_then_refused_without_loss() {
    let mut chain = Chain::new();
    chain.validators(4);
    let datanet = chain.datanet();
    let before = chain.balance(address(11)) - 1_000;
    let id = chain.give(11, datanet, 1);
    let window = Params::default().commit_seconds;
    let (first, seed) = (chain.committee(&id), validation::round(&chain.state, &id, 0).unwrap().unwrap().seed);
    chain.skip_to(chain.block.height + window + 1);
    let again = chain.contribution(&id);
    assert_eq!((again.status(), again.round), (Status::Judging, 1));
    assert_eq!(validation::round(&chain.state, &id, 0).unwrap().unwrap().phase(), Phase::Unjudged);
    chain.drawn();
    assert_ne!(chain.round(&id).seed, seed);
    let second = chain.committee(&id);
    assert!(!second.is_empty() && second.iter().all(|n| !first.contains(n)), "{second:?} come after {first:?}");
    for n in first {
        let reputation = nodes::reputation(&chain.state, &address(n)).unwrap().unwrap();
        assert_eq!((reputation.bps, reputation.missed), (5_000, 0), "nobody can tell why there was no verdict");
    }
    chain.skip_to(chain.block.height + window + 1);
    let refused = chain.contribution(&id);
    assert_eq!(refused.status(), Status::Refused);
    assert!(refused.is_unjudged() && refused.reason().contains("unjudged"), "{}", refused.reason());
    assert_eq!(chain.balance(address(11)), before);
    // The same bytes may be given again, and are judged this time.
    let again = datanet_types::action::Contribute { attempt: 1, ..contribute(datanet, 1) };
    let id = again.id(super::harness::CHAIN, &address(11), 1);
    chain.act(11, again);
    let listed = contributions::in_datanet(&chain.state, &datanet, None, 9).unwrap();
    assert_eq!((listed.len(), listed[1].seq, listed[1].round, listed[1].refusals), (2, 1, 0, 0));
    chain.judge(&id, all(7_000));
    assert_eq!(chain.contribution(&id).status(), Status::Final);
}

#[test]
fn a_redraw_that_is_judged_counts() {
    let mut chain = Chain::new();
    chain.validators(4);
    let datanet = chain.datanet();
    let id = chain.give(11, datanet, 1);
    chain.skip_to(chain.block.height + Params::default().commit_seconds + 1);
    chain.drawn();
    chain.judge(&id, all(7_000));
    assert_eq!(chain.contribution(&id).status(), Status::Final);
}

#[test]
fn a_contributor_does_not_judge_itself_unless_it_is_alone() {
    let mut chain = Chain::new();
    chain.validators(4);
    let datanet = chain.datanet();
    for blob in 1..20 {
        let id = chain.give(2, datanet, blob);
        assert!(!chain.committee(&id).contains(&2));
        let round = chain.round(&id);
        assert_eq!(round.seats(), 3);
    }
    let mut alone = Chain::new();
    alone.validators(1);
    alone.act(10, CreateDatanet { storage_quorum: 1, ..create_datanet("small") });
    let datanet = DatanetId::derive(super::harness::CHAIN, &address(10), "small");
    let id = alone.give(0, datanet, 1);
    assert_eq!(alone.committee(&id), [0]);
}

#[test]
fn fewer_validators_than_seats_take_several_each() {
    let mut chain = Chain::new();
    chain.validators(2);
    let datanet = chain.datanet();
    let id = chain.give_to(11, datanet, 1, 2);
    let round = chain.round(&id);
    let mut seats: Vec<u32> = round.committee.iter().map(|member| member.seats).collect();
    seats.sort_unstable();
    assert_eq!(seats, [1, 2]);
}

#[test]
fn nobody_judges_before_the_committee_is_drawn() {
    let mut chain = Chain::new();
    chain.validators(3);
    let datanet = chain.datanet();
    let id = chain.give_unkept(11, datanet, 1);
    chain.store(&id);
    let round = chain.round(&id);
    assert_eq!((round.phase(), round.committee.len(), round.draw_height), (Phase::Draw, 0, chain.block.height + 3));
    chain.refused(0, chain.commit(0, &id, all(1)), code::WRONG_PHASE, "is drawn at height");
    let events = [chain.next(), chain.next(), chain.next(), chain.next()].concat();
    assert!(kinds(&events).contains(&"validation.drawn"));
}

#[test]
fn what_most_cannot_get_costs_the_bond_and_no_judge_anything() {
    let mut chain = Chain::new();
    chain.validators(3);
    let datanet = chain.datanet();
    let id = chain.give_to(11, datanet, 1, 3);
    let (before, treasury) = (chain.balance(address(11)), chain.balance(accounts::treasury()));
    let committee = chain.committee(&id);
    let given = [None, None, Some(all(9_000))];
    for (n, scores) in committee.iter().zip(given) {
        chain.act(*n, chain.commit(*n, &id, scores));
    }
    for (n, scores) in committee.iter().zip(given) {
        chain.act(*n, reveal(*n, &id, scores));
    }
    let events = chain.next();
    assert!(kinds(&events).contains(&"contribution.refused"));
    let refused = chain.contribution(&id);
    assert!(
        refused.unavailable && !refused.is_unjudged() && refused.reason().contains("unavailable"),
        "{}",
        refused.reason()
    );
    assert_eq!(chain.balance(address(11)), before, "the bond is gone");
    assert_eq!(chain.balance(accounts::treasury()), treasury + 2 * BOND + 6 * 1_000, "and who kept it loses as much");
    let round = validation::round(&chain.state, &id, 0).unwrap().unwrap();
    assert_eq!(round.phase(), Phase::Unavailable);
    for (n, member) in committee.iter().zip(&round.committee) {
        assert_eq!(nodes::reputation(&chain.state, &address(*n)).unwrap().unwrap().bps, 5_000);
        assert!(member.reward > 0 && member.accuracy_bps.is_none());
    }
}

#[test]
fn one_who_cannot_get_what_the_others_judge_is_neither_paid_nor_blamed() {
    let mut chain = Chain::new();
    chain.validators(3);
    let datanet = chain.datanet();
    let id = chain.give_to(11, datanet, 1, 3);
    let committee = chain.committee(&id);
    let given = [None, Some(all(8_000)), Some(all(8_000))];
    for (n, scores) in committee.iter().zip(given) {
        chain.act(*n, chain.commit(*n, &id, scores));
    }
    for (n, scores) in committee.iter().zip(given) {
        chain.act(*n, reveal(*n, &id, scores));
    }
    chain.next();
    assert_eq!(chain.contribution(&id).status(), Status::Final);
    let round = validation::round(&chain.state, &id, 0).unwrap().unwrap();
    assert_eq!(round.committee[0].reward, 0);
    let reputation = nodes::reputation(&chain.state, &address(committee[0])).unwrap().unwrap();
    assert_eq!((reputation.bps, reputation.missed), (5_000, 0));
}

#[test]
fn a_block_closes_no_more_than_its_budget_and_the_rest_next() {
    let mut chain = Chain::with(Params { agenda_work: 60, verdict_challenge_seconds: 0, ..Params::default() });
    chain.validators(3);
    let datanet = chain.datanet();
    let ids: Vec<_> = (0..5).map(|turn| chain.give_to(11, datanet, 1 + 40 * turn, 3)).collect();
    for id in &ids {
        for n in chain.committee(id) {
            chain.act(n, chain.commit(n, id, all(9_000)));
        }
        for n in chain.committee(id) {
            chain.act(n, reveal(n, id, all(9_000)));
        }
    }
    let accepted = |events: Vec<Event>| events.iter().filter(|e| e.kind == "contribution.accepted").count();
    assert_eq!([accepted(chain.next()), accepted(chain.next()), accepted(chain.next())], [2, 2, 1]);
}

#[test]
fn whoever_takes_its_stake_back_after_the_draw_judges_all_the_same() {
    let mut chain = Chain::new();
    chain.validators(3);
    let datanet = chain.datanet();
    let id = chain.give(11, datanet, 1);
    chain.act(0, register(0, role::SERVING, 0));
    assert_eq!(nodes::validators(&chain.state, chain.block.height).unwrap().len(), 2);
    chain.judge(&id, all(9_000));
    assert_eq!(chain.contribution(&id).status(), Status::Final);
}

#[test]
fn final_contributions_are_read_page_by_page() {
    let mut chain = Chain::new();
    chain.validators(3);
    let datanet = chain.datanet();
    for blob in 1..=5 {
        let id = chain.give(11, datanet, blob);
        chain.judge(&id, all(9_000));
    }
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = contributions::final_in(&chain.state, &datanet, u64::MAX, after, 2).unwrap();
        let Some(last) = page.last() else { break };
        after = Some((last.final_height, last.seq));
        seen.extend(page.iter().map(|contribution| contribution.seq));
    }
    assert_eq!(seen, [0, 1, 2, 3, 4]);
}

#[test]
fn records_read_as_json_with_words() {
    let mut chain = Chain::new();
    chain.validators(3);
    let datanet = chain.datanet();
    let id = chain.give(11, datanet, 1);
    let json = serde_json::to_value(chain.contribution(&id)).unwrap();
    assert_eq!((&json["status"], &json["format"]), (&"judging".into(), &"jsonl".into()));
    let round = serde_json::to_value(validation::round(&chain.state, &id, 0).unwrap().unwrap()).unwrap();
    assert_eq!(round["phase"], "commit");
}

/// Who proposes the drawing block and the one before knows the beacon of the first while it fills the second: the harness's beacon
/// too hangs on nothing that is in a block.
#[test]
fn stakes_tried_in_the_blocks_before_a_draw_change_nothing_about_it() {
    use super::harness::STAKE;
    let committee = |more: u64| {
        let mut chain = Chain::new();
        chain.validators(9);
        let datanet = chain.datanet();
        chain.next();
        let id = chain.give_unkept(11, datanet, 7);
        chain.store(&id);
        chain.next();
        if more > 0 {
            chain.act(0, register(0, role::ALL, STAKE + more));
        }
        chain.next();
        (chain.block.beacon, chain.committee(&id))
    };
    let (beacon, honest) = committee(0);
    for more in 1..60 {
        assert_eq!(committee(more), (beacon, honest.clone()), "{more}");
    }
}
