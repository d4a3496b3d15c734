//! The same bytes of the same giver once more: after a refusal, and after they were taken back.

use datanet_types::action::Contribute;
use datanet_types::amount::DNT;
use datanet_types::{ContributionId, DatanetId};
use proptest::prelude::*;

use super::Chain;
use super::harness::{BOND, address, all, contribute, contribute_of, plain_root};
use super::revoking::{give_final, revoke, revoke_telling};
use crate::code;
use crate::component::contributions::{self, MAX_REFUSALS, Status};
use crate::component::{Params, accounts};

fn world() -> (Chain, DatanetId) {
    let mut chain = Chain::new();
    chain.validators(4);
    let datanet = chain.datanet();
    (chain, datanet)
}

fn again(datanet: DatanetId, attempt: u32, bond: u64) -> Contribute {
    Contribute { attempt, bond, ..contribute_of(11, datanet, 1) }
}

fn id(datanet: DatanetId, attempt: u32) -> ContributionId {
    contribute(datanet, 1).id(super::harness::CHAIN, &address(11), attempt)
}

#[test]
fn a_refused_batch_is_judged_again_for_twice_the_bond_and_three_times_at_most() {
    let (mut chain, datanet) = world();
    chain.give(11, datanet, 1);
    chain.refused(11, again(datanet, 1, 2 * BOND), code::CONTRIBUTION_TAKEN, "which is being judged");
    chain.judge(&id(datanet, 0), all(100));
    chain.refused(11, contribute(datanet, 1), code::CONTRIBUTION_TAKEN, "was refused; send attempt 1");
    let mut treasury = chain.balance(accounts::treasury());
    for attempt in 1..MAX_REFUSALS {
        let bond = BOND << attempt;
        let words = format!("locks at least {} DNT", bond / DNT);
        chain.refused(11, again(datanet, attempt, bond - 1), code::CONTRIBUTION_BOND, &words);
        chain.act(11, again(datanet, attempt, bond));
        chain.store(&id(datanet, attempt));
        let round = chain.round(&id(datanet, attempt));
        assert_eq!((round.number, round.committed), (0, 0), "a round of its own");
        chain.judge(&id(datanet, attempt), all(100));
        let lost = chain.balance(accounts::treasury()) - treasury;
        assert!(lost > bond / 2, "each ticket costs twice the one before: {lost}");
        treasury = chain.balance(accounts::treasury());
    }
    let last = again(datanet, MAX_REFUSALS, 100 * BOND - 1);
    chain.refused(11, last, code::CONTRIBUTION_REFUSED, "that is final; mend what");
    // Others are judged by what they give, whatever became of the same bytes in other hands.
    chain.give(12, datanet, 1);
    chain.next();
}

#[test]
fn a_batch_refused_by_mistake_becomes_final_and_the_refusal_stays_on_record() {
    let (mut chain, datanet) = world();
    chain.give(11, datanet, 1);
    chain.judge(&id(datanet, 0), all(100));
    chain.act(11, again(datanet, 1, 2 * BOND));
    chain.judge(&id(datanet, 1), all(8_000));
    let (first, second) = (chain.contribution(&id(datanet, 0)), chain.contribution(&id(datanet, 1)));
    assert_eq!((first.status(), first.seq, first.refusals_so_far()), (Status::Refused, 0, 1));
    assert_eq!((second.status(), second.seq, second.attempt, second.refusals), (Status::Final, 1, 1, 1));
    chain.refused(11, again(datanet, 2, 100 * BOND - 1), code::CONTRIBUTION_TAKEN, "which is final");
    assert_eq!(contributions::in_datanet(&chain.state, &datanet, None, 9).unwrap().len(), 2);
}

#[test]
fn no_attempt_is_left_out() {
    let (mut chain, datanet) = world();
    chain.refused(11, again(datanet, 1, BOND), code::CONTRIBUTION_UNKNOWN, "no contribution");
    chain.give(11, datanet, 1);
    chain.judge(&id(datanet, 0), all(100));
    chain.refused(11, again(datanet, 2, 2 * BOND), code::CONTRIBUTION_UNKNOWN, "no contribution");
    chain.refused(12, again(datanet, 1, 2 * BOND), code::CONTRIBUTION_UNKNOWN, "no contribution");
}

#[test]
fn what_was_taken_back_is_given_again_by_its_giver_and_known_by_whoever_judges_another() {
    let (mut chain, datanet) = world();
    let first = give_final(&mut chain, 11, datanet, 1);
    chain.next();
    chain.act(11, revoke_telling(&first, 1));
    let height = chain.block.height;
    chain.next();
    // The ledger does not see that these are the same records: whoever judges them does, and looks here.
    let others = chain.give(12, datanet, 1);
    let known = contributions::taken_back(&chain.state, &datanet, &plain_root(1)).unwrap().unwrap();
    assert_eq!((known.id, known.contributor, known.revoked_height), (first, address(11), height));
    chain.judge(&others, all(0));
    assert_eq!(chain.contribution(&others).status(), Status::Refused);
    chain.act(11, again(datanet, 1, BOND));
    chain.judge(&id(datanet, 1), all(8_000));
    assert_eq!(chain.contribution(&id(datanet, 1)).status(), Status::Final);
    let then = contributions::final_at(&chain.state, &datanet, height - 1).unwrap();
    assert_eq!(then.iter().map(|c| c.id).collect::<Vec<_>>(), [first], "what was said then still rests on the first");
    assert_eq!(chain.contribution(&first).status(), Status::Revoked);
    chain.act(11, revoke_telling(&id(datanet, 1), 1));
    let known = contributions::taken_back(&chain.state, &datanet, &plain_root(1)).unwrap().unwrap();
    assert_eq!(known.id, id(datanet, 1));
    chain.act(11, again(datanet, 2, BOND));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// Whatever committees say and a giver does, its bytes are before one committee at a time, at most three refuse
    /// them, and what it has lost is at least what those refusals cost.
    #[test]
    fn tickets_are_few_and_each_is_paid_for(scores in prop::collection::vec(prop::bool::weighted(0.7), 1..8)) {
        let (mut chain, datanet) = world();
        let before = chain.balance(address(11));
        let (mut attempt, mut refusals, mut price) = (0, 0, 0);
        for refused in scores {
            let (least, fee) = (if refusals == 0 { BOND } else { BOND << refusals }, Params::default().review_fee);
            let tx = chain.tx(11, again(datanet, attempt, least));
            if chain.run(&tx).is_err() {
                prop_assert!(refusals == MAX_REFUSALS);
                break;
            }
            price += fee;
            let verdict = if refused { all(100) } else { all(8_000) };
            chain.judge(&id(datanet, attempt), verdict);
            if refused {
                refusals += 1;
                price += least / 2;
            } else {
                chain.act(11, revoke(&id(datanet, attempt)));
            }
            attempt += 1;
        }
        prop_assert!(refusals <= MAX_REFUSALS);
        prop_assert!(before - chain.balance(address(11)) >= price);
        chain.next();
    }
}
