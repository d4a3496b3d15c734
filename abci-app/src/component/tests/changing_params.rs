//! Parameters that change while something goes on: what was begun under a version ends under it.

use datanet_types::action::{CancelParams, SetParams, role};
use datanet_types::amount::DNT;
use datanet_types::epoch::{EpochTotals, FeeShares};

use super::Chain;
use super::harness::{STAKE, address, all, close_channel, genesis, node, open_channel, register};
use super::life_of_a_channel::{leaves, open, settle, voucher};
use crate::code;
use crate::component::contributions::bond_account;
use crate::component::params::{self, versions};
use crate::component::settlement::{self, bond};
use crate::component::{Genesis, Params, channels, nodes};

/// Person 15 is the chain's authority.
pub(super) const AUTHORITY: u8 = 15;
const DELAY: u64 = 100;

pub(super) fn chain_of(params: Params) -> Chain {
    let params = Params { authority_delay_seconds: DELAY, ..params };
    Chain::from_genesis(&Genesis { authority: Some(address(AUTHORITY)), ..genesis(params) })
}

fn set(changes: &str) -> SetParams {
    SetParams { changes: changes.to_owned() }
}

/// The authority changes parameters, and they hold.
pub(super) fn change(chain: &mut Chain, changes: &str) {
    chain.act(AUTHORITY, set(changes));
    chain.pass(DELAY);
}

#[test]
fn a_change_is_announced_and_holds_from_the_first_block_after_the_delay() {
    let mut chain = chain_of(Params::default());
    chain.skip_to(5);
    let announced = chain.act(AUTHORITY, set(r#"{"min_fee": 2000, "fee_shares": {"node": 2000, "owner": 500, "contributors": 5500, "validators": 500, "treasury": 500, "lineage": 500, "storage": 500}}"#));
    assert_eq!(announced[0].kind, "params.announced");
    let due = versions::scheduled(&chain.state).unwrap().unwrap().due;
    assert_eq!(due, u64::try_from(chain.block.time_seconds).unwrap() + DELAY);
    chain.pass(DELAY - 2);
    assert_eq!(params::get(&chain.state).unwrap().min_fee, 1_000);
    chain.next();
    let from = chain.block.height;
    assert_eq!(params::get(&chain.state).unwrap().min_fee, 2_000);
    assert!(chain.events.iter().any(|event| event.kind == "params.changed" && event.get("version") == Some("1")));
    assert_eq!(versions::scheduled(&chain.state).unwrap(), None);
    let fee_at = |height| params::at(&chain.state, height).unwrap().min_fee;
    assert_eq!([0, from - 1, from, from + 1_000].map(fee_at), [1_000, 1_000, 2_000, 2_000]);
    let all = versions::all(&chain.state).unwrap();
    assert_eq!(all.iter().map(|version| (version.number, version.from)).collect::<Vec<_>>(), [(0, 0), (1, from)]);
    let version = |number| versions::version(&chain.state, number).unwrap().map(|(version, end)| (version.from, end));
    assert_eq!([0, 1, 2].map(version), [Some((0, Some(from))), Some((from, None)), None]);
}

#[test]
fn the_last_announcement_counts_and_can_be_taken_back() {
    let mut chain = chain_of(Params::default());
    chain.act(AUTHORITY, set(r#"{"min_fee": 2000}"#));
    chain.pass(DELAY / 2);
    chain.act(AUTHORITY, set(r#"{"byte_fee": 3}"#));
    chain.pass(DELAY / 2 + 1);
    assert_eq!(versions::number(&chain.state).unwrap(), 0, "the delay began anew");
    chain.act(AUTHORITY, CancelParams {});
    chain.pass(10 * DELAY);
    assert_eq!(params::get(&chain.state).unwrap(), params::at(&chain.state, 0).unwrap());
    chain.refused(AUTHORITY, CancelParams {}, code::PARAMS_NOT_ANNOUNCED, "no parameters are announced");
}

#[test]
fn what_makes_no_good_parameters_is_refused_with_the_reason() {
    let mut chain = chain_of(Params::default());
    for (changes, words) in [
        ("", "must be JSON"),
        ("[]", "must be JSON"),
        (r#"{"min_fees": 1}"#, "no parameter \"min_fees\""),
        (r#"{"min_fee": -1}"#, "invalid value"),
        (r#"{"min_fee": 1.5}"#, "invalid type"),
        (r#"{"min_fee": 1000}"#, "holds already"),
        ("{}", "holds already"),
        (r#"{"draw_delay": 1}"#, "draw_delay must be at least 2"),
        (r#"{"min_price": 101}"#, "can only fall"),
        (r#"{"unbonding_seconds": 259199}"#, "can only rise"),
        (r#"{"evidence_seconds": 259200}"#, "unbonding_seconds must be more than evidence_seconds"),
        (r#"{"evidence_blocks": 60000}"#, "evidence_blocks at five seconds a block"),
        (r#"{"treasury_period_bps": 10000}"#, "bounds the authority"),
        (r#"{"treasury_period_seconds": 1}"#, "bounds the authority"),
        (r#"{"authority_delay_seconds": 1}"#, "bounds the authority"),
        (r#"{"app_version": 3}"#, "one at a time"),
    ] {
        chain.refused(AUTHORITY, set(changes), code::PARAMS_INVALID, words);
    }
    let long = format!(r#"{{"min_fee": {}2000}}"#, " ".repeat(9_000));
    chain.refused_before_it_pays(AUTHORITY, set(&long), code::PARAMS_INVALID, "is the most");
    chain.refused(3, set(r#"{"min_fee": 2000}"#), code::AUTHORITY, "not this chain's authority");
    let mut without = Chain::new();
    without.refused(3, set(r#"{"min_fee": 2000}"#), code::AUTHORITY, "has no authority");
}

#[test]
fn a_contribution_is_judged_by_the_version_that_it_was_given_under() {
    let mut chain = chain_of(Params {
        challenge_seconds: 0,
        verdict_challenge_seconds: 0,
        commit_seconds: 1_000,
        ..Params::default()
    });
    chain.validators(4);
    let datanet = chain.datanet();
    chain.act(AUTHORITY, set(r#"{"bond_penalty_bps": 10000, "reveal_seconds": 1, "reputation_alpha_bps": 10000}"#));
    let id = chain.give_to(11, datanet, 1, 3);
    let locked = chain.balance(bond_account(&id));
    chain.pass(DELAY);
    assert_eq!(params::get(&chain.state).unwrap().bond_penalty_bps, 10_000);
    let before = chain.balance(address(11));
    let committee = chain.committee(&id);
    chain.judge(&id, all(1_000));
    assert_eq!(chain.round(&id).reveal_deadline, chain.now() - 1 + Params::default().reveal_seconds);
    assert_eq!(chain.balance(address(11)), before + locked / 2, "half is lost, as it was when it was given");
    let reputation = nodes::reputation(&chain.state, &address(committee[0])).unwrap().unwrap();
    assert_eq!(reputation.bps, 5_500, "a tenth of the way");
}

#[test]
fn an_epoch_is_divided_by_the_version_of_its_answers_and_answered_for_by_that_of_its_settlement() {
    let mut chain = chain_of(Params { challenge_seconds: 60, ..Params::default() });
    chain.act(0, register(0, role::ALL, STAKE));
    let channel = open(&mut chain, 5);
    let changes = r#"{"fee_shares": {"node": 8800, "owner": 200, "contributors": 200, "validators": 200, "treasury": 200, "lineage": 200, "storage": 200},
                      "challenge_seconds": 600, "serving_bond_bps": 40000, "forget_seconds": 5}"#;
    change(&mut chain, changes);
    let (fees, earned) = (1_000_000, leaves(&[(11, 750_000)]));
    let action = settle(1, fees, &earned, vec![voucher(5, channel, fees)]);
    let shares = params::get(&chain.state).unwrap().fee_shares;
    let later =
        EpochTotals { split: shares.split(fees), unearned: shares.split(fees).claimable() - 1, ..action.totals };
    let wrong = datanet_types::action::SettleEpoch { totals: later, accounts: 1, ..action.clone() };
    chain.refused(0, wrong, code::EPOCH_INVALID, "not what the shares give");
    let unknown = datanet_types::action::SettleEpoch { params: 2, ..action.clone() };
    chain.refused(0, unknown, code::EPOCH_PARAMS, "version 2");
    chain.act(0, action);
    let epoch = settlement::epoch(&chain.state, &node(0), 1).unwrap().unwrap();
    assert_eq!((epoch.shares, epoch.params), (FeeShares::STANDARD, 0));
    assert_eq!(epoch.final_at, u64::try_from(chain.block.time_seconds).unwrap() + 600);
    assert_eq!(bond::locked(&chain.state, &node(0)).unwrap(), 4 * fees);
    // What answers for it is what was told when it was settled, whatever comes.
    change(&mut chain, r#"{"challenge_seconds": 0, "serving_bond_bps": 10000, "forget_seconds": 500}"#);
    assert_eq!(bond::locked(&chain.state, &node(0)).unwrap(), 4 * fees);
    chain.pass(700);
    let epoch = settlement::epoch(&chain.state, &node(0), 1).unwrap().unwrap();
    assert_eq!(epoch.status(), settlement::Status::Final);
    assert_eq!(bond::locked(&chain.state, &node(0)).unwrap(), 0);
    assert_eq!(epoch.lapses_at, epoch.final_at + 5);
}

#[test]
fn a_channel_that_was_opened_later_pays_for_no_answers_of_an_older_version() {
    let mut chain = chain_of(Params { challenge_seconds: 0, ..Params::default() });
    chain.act(0, register(0, role::ALL, STAKE));
    change(&mut chain, r#"{"lineage_floor_bps": 10}"#);
    let channel = open(&mut chain, 5);
    let action = settle(1, 1_000_000, &leaves(&[(11, 750_000)]), vec![voucher(5, channel, 1_000_000)]);
    chain.refused(0, action.clone(), code::EPOCH_PARAMS, "held no more");
    chain.act(0, datanet_types::action::SettleEpoch { params: 1, ..action });
}

#[test]
fn a_channel_closes_as_its_payer_was_told_when_it_was_opened() {
    let mut chain =
        chain_of(Params { close_seconds: 50, channel_min_seconds: 4, challenge_seconds: 0, ..Params::default() });
    chain.act(0, register(0, role::ALL, STAKE));
    let tx = chain.tx(5, datanet_types::Action::OpenChannel(open_channel(0, 5 * DNT, chain.now() + 500)));
    let id = tx.channel_id();
    chain.run(&tx).unwrap();
    let early = chain.tx(6, datanet_types::Action::OpenChannel(open_channel(0, DNT, chain.now() + 5)));
    chain.run(&early).unwrap();
    change(&mut chain, r#"{"close_seconds": 5000, "channel_min_seconds": 400}"#);
    chain.act(5, close_channel(id));
    chain.pass(50);
    chain.next();
    assert!(!channels::get(&chain.state, &id).unwrap().unwrap().is_open());
    // The other one ends as long after its expiry as was said then.
    chain.skip_to(chain.block.height + 10);
    assert!(!channels::get(&chain.state, &early.channel_id()).unwrap().unwrap().is_open());
    chain.pass(10_000_000);
    chain.next();
    assert_eq!(channels::get(&chain.state, &id).unwrap(), None);
}

#[test]
fn versions_are_kept_while_a_channel_of_their_time_may_last_and_the_oldest_speaks_for_what_is_older() {
    let mut chain = chain_of(Params { channel_max_seconds: 1_000, channel_min_seconds: 500, ..Params::default() });
    let kept = |chain: &Chain| {
        let numbers = versions::all(&chain.state).unwrap().into_iter().map(|version| version.number);
        numbers.collect::<Vec<_>>()
    };
    for fee in 2..5u32 {
        change(&mut chain, &format!(r#"{{"byte_fee": {fee}}}"#));
    }
    assert_eq!(kept(&chain), [0, 1, 2, 3], "each for 1,500 seconds after its end");
    chain.pass(1_600);
    assert_eq!(kept(&chain), [0, 1, 2, 3], "nobody looks between two changes");
    change(&mut chain, r#"{"byte_fee": 9}"#);
    assert_eq!(kept(&chain), [3, 4]);
    assert_eq!(params::at(&chain.state, 1).unwrap().byte_fee, 4);
    assert_eq!(versions::version(&chain.state, 2).unwrap(), None);
    let under = chain.state.0.keys().filter(|key| key.starts_with("params/")).count();
    assert_eq!(under, 1);
}
