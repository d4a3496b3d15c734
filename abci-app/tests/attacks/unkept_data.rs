//! Contributions in bulk that nobody can get: each makes everybody look for it until its time is over.

use datanet_ledger::code;
use datanet_ledger::component::contributions::Status;
use datanet_ledger::component::{Params, nodes, validation};
use datanet_types::action::role;
use datanet_types::amount::DNT;
use datanet_types::{Action, ContributionId, Scores};

use super::judging::{ACCOMPLICE, ATTACKER, BOND, HONEST, Judging, contribute, keep, register};
use super::serving::verdict;
use crate::support::{CHAIN, FEE, address};

/// Somebody honest, who gives.
const VICTIM: u8 = 7;

/// Contributions of a bulk.
const BULK: u8 = 40;

fn bulk(chain: &mut Judging) -> Vec<ContributionId> {
    let all: Vec<_> = (1..=BULK).map(|blob| contribute([blob; 32])).collect();
    let ids = all.iter().map(|one| one.id(CHAIN, &address(ACCOMPLICE), 0)).collect();
    let txs: Vec<_> = all.into_iter().map(|one| chain.sign(ACCOMPLICE, Action::Contribute(one))).collect();
    assert!(chain.block(&txs).outcomes.iter().all(|outcome| outcome.is_ok()));
    ids
}

#[test]
fn whoever_makes_everybody_look_for_what_is_not_there_pays_for_it_and_no_judge_is_drawn() {
    let mut chain = Judging::new(1);
    let before = i128::from(chain.loot());
    let others: Vec<_> = HONEST.iter().map(|who| (chain.balance(address(*who)), chain.reputation(*who))).collect();
    let ids = bulk(&mut chain);
    chain.idle += i64::try_from(Params::default().storing_seconds).unwrap();
    chain.block(&[]);
    chain.block(&[]);
    for id in &ids {
        let refused = chain.contribution(id);
        let round = validation::current_round(&chain.ledger.reader(), &refused).unwrap();
        assert!(refused.unstored && round.is_none(), "{}", refused.reason());
    }
    let now: Vec<_> = HONEST.iter().map(|who| (chain.balance(address(*who)), chain.reputation(*who))).collect();
    assert_eq!(now, others, "nobody else has paid, judged or missed anything");
    let lost = before - i128::from(chain.loot());
    verdict("data that nobody keeps, in bulk", before, i128::from(chain.loot()), 0);
    assert_eq!(lost, i128::from(u64::from(BULK) * (Params::default().review_fee + FEE)));
}

/// Its own node says that it keeps what it does not have. Judges find nothing: giver and node lose as much each.
#[test]
fn a_lie_of_ones_own_about_what_is_there_costs_bond_and_stake() {
    let mut chain = Judging::new(2);
    let (before, mut lies) = (i128::from(chain.loot()), 0);
    for blob in 1..=6 {
        let id = chain.give([blob; 32]);
        chain.block(&[]);
        chain.block(&[]);
        chain.judge(&id, |_| Some(None));
        assert!(chain.contribution(&id).unavailable);
        lies += 1;
    }
    let lost = before - i128::from(chain.loot());
    let fine = i128::from(Params::default().min_storage_stake / 2);
    println!("{lies} lies: {lost} base units, {fine} of stake each");
    verdict("attesting what is not there", before, i128::from(chain.loot()), 0);
    // What its own judge earned of the review fees it has paid itself.
    assert!(lost >= lies * (i128::from(BOND) + fine));
}

/// An honest giver, whose data a node says it keeps that does not: as long as he shows it himself, nobody finds that out, and nobody loses
/// anything by it.
#[test]
fn a_liar_takes_nothing_from_a_giver_who_shows_his_data_until_the_verdict() {
    // One draw of three seats in a few dozen is the attacker's: not what is tried here.
    assert!((0..9).any(lie_about_honest_data));
}

/// `false` where most seats happen to be the attacker's.
fn lie_about_honest_data(salt: u8) -> bool {
    let mut chain = Judging::new(salt);
    let action = contribute([9; 32]);
    let id = action.id(CHAIN, &address(VICTIM), 0);
    let had = chain.balance(address(VICTIM));
    chain.done(VICTIM, Action::Contribute(action));
    let before = i128::from(chain.loot());
    chain.done(ATTACKER, keep(ATTACKER, &id));
    chain.block(&[]);
    chain.block(&[]);
    if chain.seats(&id, ATTACKER) > 0 {
        return false;
    }
    chain.judge(&id, |_| Some(Some(Scores::from_array([9_000; 4]))));
    assert_eq!(chain.contribution(&id).status(), Status::Final);
    let lost = had - chain.balance(address(VICTIM)) - Params::default().review_fee - FEE;
    verdict("a lie about an honest giver's data", before, i128::from(chain.loot()), lost.into());
    assert_eq!(lost, 0);
    true
}

/// It says that it keeps something, and takes its stake back in the next block: what it answers with is on its way for longer than judging takes.
#[test]
fn stake_that_leaves_after_the_word_is_fined_all_the_same() {
    let mut chain = Judging::new(4);
    let before = i128::from(chain.loot());
    let id = chain.give([9; 32]);
    chain.done(ATTACKER, register(ATTACKER, role::SERVING, 0));
    chain.block(&[]);
    chain.judge(&id, |_| Some(None));
    assert!(chain.contribution(&id).unavailable);
    let (code, _) = chain.send(ATTACKER, keep(ATTACKER, &id));
    assert_eq!(code, code::NODE_ROLE);
    chain.idle += i64::try_from(Params::default().unbonding_seconds).unwrap();
    chain.block(&[]);
    assert_eq!(chain.unbonding(ATTACKER), 0);
    verdict("stake that runs from a fine", before, i128::from(chain.loot()), 0);
    let lost = before - i128::from(chain.loot());
    assert!(lost >= i128::from(BOND + Params::default().min_storage_stake / 2), "{lost}");
    assert!(lost < i128::from(30 * DNT), "and no more than that: {lost}");
}

/// A giver with judges of his own has them say that his data is not there, so that honest nodes are fined which keep it: it costs him at least
/// what it costs them.
#[test]
fn whoever_has_his_own_data_called_unavailable_loses_at_least_what_he_takes_from_those_who_keep_it() {
    let mut chain = Judging::new(5);
    let action = contribute([9; 32]);
    let id = action.id(CHAIN, &address(ACCOMPLICE), 0);
    let (before, honest) = (i128::from(chain.loot()), HONEST[0]);
    let stake = chain.balance(nodes::stake_account(&address(honest)));
    chain.done(ACCOMPLICE, Action::Contribute(action));
    chain.done(honest, keep(honest, &id));
    chain.block(&[]);
    chain.block(&[]);
    // All seats are taken to be the attacker's.
    chain.judge(&id, |_| Some(None));
    assert!(chain.contribution(&id).unavailable);
    let theirs = stake - chain.balance(nodes::stake_account(&address(honest)));
    let lost = before - i128::from(chain.loot());
    verdict("fining those who keep data", before, i128::from(chain.loot()), theirs.into());
    assert!(theirs > 0 && lost >= theirs.into(), "{lost} for {theirs}");
}
