//! A datanet from its opening to its end: what it locks, who may end it, and what it leaves.

use datanet_types::action::{CloseDatanet, CreateDatanet, RegisterModel, Revoke, RotateHoldout};
use datanet_types::amount::DNT;
use datanet_types::{BlobHash, DatanetId, Digest};
use prost::Message;

use super::Chain;
use super::harness::{BALANCE, BOND, CHAIN, address, all, contribute_of, create_datanet, genesis};
use crate::code;
use crate::component::datanets::{self, deposit_account};
use crate::component::{Params, accounts, contributions, models};
use crate::state::StateRead;

const CREATOR: u8 = 10;
const FEE: u64 = 1_000;

fn id(creator: u8, name: &str) -> DatanetId {
    DatanetId::derive(CHAIN, &address(creator), name)
}

fn deposit(chain: &Chain, id: &DatanetId) -> u64 {
    let datanet = datanets::get(&chain.state, id).unwrap().unwrap();
    assert_eq!(chain.balance(deposit_account(id)), datanet.deposit);
    datanet.deposit
}

/// What the record of a datanet costs.
fn bytes(chain: &Chain, id: &DatanetId) -> u64 {
    let datanet = datanets::get(&chain.state, id).unwrap().unwrap();
    let record = datanets::Datanet { deposit: 0, ..datanet };
    (300 + record.encoded_len() as u64) * Params::default().state_byte_deposit
}

#[test]
fn a_datanet_locks_a_deposit_for_its_bytes_and_its_name_which_is_dearer_when_it_is_short() {
    let mut chain = Chain::new();
    for (name, whole) in [("docs-of-crates", 10), ("docs5", 10), ("docs", 20), ("doc", 40), ("do", 80), ("d", 160)] {
        let before = chain.balance(address(CREATOR));
        chain.act(CREATOR, create_datanet(name));
        let (id, spent) = (id(CREATOR, name), before - chain.balance(address(CREATOR)));
        assert_eq!(spent, deposit(&chain, &id) + FEE, "{name}");
        assert_eq!(deposit(&chain, &id), whole * DNT + bytes(&chain, &id), "{name}");
    }
    let large = CreateDatanet { description: "d".repeat(1_000), ..create_datanet("described") };
    chain.act(CREATOR, large);
    chain.act(CREATOR, create_datanet("undescribed"));
    let more = deposit(&chain, &id(CREATOR, "described")) - deposit(&chain, &id(CREATOR, "undescribed"));
    assert!(more > 900 * 100, "{more}");
    chain.check_supply();
}

#[test]
fn who_has_too_little_opens_no_datanet() {
    let mut poor = genesis(Params::default());
    poor.accounts[usize::from(CREATOR)].balance = 9 * DNT;
    let mut chain = Chain::from_genesis(&poor);
    chain.refused(CREATOR, create_datanet("docs"), code::FUNDS, "more");
}

#[test]
fn the_deposit_comes_back_but_for_what_the_id_costs_for_good_and_the_name_is_free_for_others() {
    let mut chain = Chain::new();
    let closed = chain.datanet();
    let (before, treasury) = (chain.balance(address(CREATOR)), chain.balance(accounts::treasury()));
    let locked = deposit(&chain, &closed);
    chain.refused(11, CloseDatanet { datanet: closed }, code::DATANET_FOREIGN, "only that account");
    chain.act(CREATOR, CloseDatanet { datanet: closed });
    let mark = datanets::closed(&chain.state, &closed).unwrap().unwrap();
    let kept = (300 + mark.encoded_len() as u64) * Params::default().state_byte_deposit;
    assert_eq!(chain.balance(address(CREATOR)), before + locked - kept - FEE);
    assert_eq!(chain.balance(accounts::treasury()), treasury + kept);
    assert_eq!(chain.balance(deposit_account(&closed)), 0);
    assert_eq!(datanets::get(&chain.state, &closed).unwrap(), None);
    assert_eq!(datanets::by_name(&chain.state, "docs").unwrap(), None);
    assert!(chain.state.get_raw(&datanets::state_key::counts(&closed)).unwrap().is_none());
    chain.refused(CREATOR, CloseDatanet { datanet: closed }, code::DATANET_UNKNOWN, "no datanet");
    chain.refused(CREATOR, create_datanet("docs"), code::DATANET_CLOSED, "choose another name");
    chain.act(11, create_datanet("docs"));
    assert_ne!(id(11, "docs"), closed);
}

#[test]
fn a_datanet_closes_once_all_that_was_given_is_refused_and_never_when_something_was_final() {
    let mut chain = Chain::new();
    chain.validators(4);
    let datanet = chain.datanet();
    let close = CloseDatanet { datanet };
    let refused = chain.give(5, datanet, 1);
    chain.refused(CREATOR, close, code::DATANET_IN_USE, "1 contributions");
    chain.judge(&refused, all(1_000));
    let mut other = Chain { state: chain.state.clone(), block: chain.block.clone(), ..Chain::new() };
    chain.act(CREATOR, close);
    // What was refused is still there to be looked at, and can't be given again.
    assert_eq!(chain.contribution(&refused).datanet, datanet);
    let again = datanet_types::action::Contribute { attempt: 1, bond: 4 * BOND, ..contribute_of(5, datanet, 1) };
    chain.refused(5, again, code::DATANET_UNKNOWN, "no datanet");
    let lapsed = chain.now() + Params::default().forget_seconds + 1;
    chain.pass(lapsed - chain.now());
    chain.next();
    assert_eq!(contributions::list_open(&chain.state).unwrap(), []);

    let last = other.give(6, datanet, 3);
    other.judge(&last, all(9_000));
    other.refused(CREATOR, close, code::DATANET_IN_USE, "it stays");
    other.act(6, Revoke { contribution: last, records: None });
    other.refused(CREATOR, close, code::DATANET_IN_USE, "it stays");
}

#[test]
fn a_datanet_does_not_close_while_a_refusal_can_be_challenged() {
    let mut chain = Chain::with(Params { verdict_challenge_seconds: 100, ..Params::default() });
    chain.validators(4);
    let datanet = chain.datanet();
    let refused = chain.give(5, datanet, 1);
    chain.judge(&refused, all(1_000));
    chain.refused(CREATOR, CloseDatanet { datanet }, code::DATANET_IN_USE, "1 contributions");
    chain.pass(101);
    chain.act(CREATOR, CloseDatanet { datanet });
}

#[test]
fn a_model_pays_the_treasury_for_its_record_which_nobody_can_take_out() {
    let mut chain = Chain::new();
    let treasury = chain.treasury();
    let model =
        RegisterModel { manifest: Digest([1; 32]), name: "m".into(), licence: "MIT".into(), ..Default::default() };
    let id = model.id(&address(3));
    chain.act(3, model);
    let record = models::get(&chain.state, &id).unwrap().unwrap();
    let paid = (300 + record.encoded_len() as u64) * Params::default().state_byte_deposit;
    assert_eq!(chain.balance(address(3)), BALANCE - paid - FEE);
    assert_eq!(chain.treasury(), treasury + paid + FEE);
}

#[test]
fn a_datanets_own_numbers_are_refused_below_the_chains_floors_with_the_least_named() {
    let floors = Params {
        min_bond_floor: DNT,
        min_committee_size: 3,
        min_storage_quorum: 2,
        min_accept_threshold: 4_000,
        ..Params::default()
    };
    let mut chain = Chain::with(floors);
    let good = || CreateDatanet {
        min_bond: DNT,
        committee_size: 3,
        storage_quorum: 2,
        accept_threshold: 4_000,
        ..create_datanet("docs")
    };
    type Change = fn(&mut CreateDatanet);
    let below: [(Change, &str); 5] = [
        (|d| d.price = 99, "price is 0.000099 DNT, the least on this chain is 0.0001 DNT"),
        (|d| d.min_bond -= 1, "min_bond is 0.999999 DNT, the least on this chain is 1 DNT"),
        (|d| d.committee_size = 2, "committee_size is 2, the least on this chain is 3"),
        (|d| d.storage_quorum = 1, "storage_quorum is 1, the least on this chain is 2"),
        (|d| d.accept_threshold = 3_999, "accept_threshold is 3999, the least on this chain is 4000"),
    ];
    for (change, words) in below {
        let mut action = good();
        change(&mut action);
        chain.refused(CREATOR, action, code::DATANET_INVALID, words);
    }
    chain.act(CREATOR, good());
}

fn rotate(datanet: DatanetId, blob: u8) -> RotateHoldout {
    RotateHoldout { datanet, holdout: BlobHash([blob; 32]), holdout_size: 50 }
}

/// The blob of the set that is held out for a contribution.
fn set_of(chain: &Chain, datanet: &DatanetId, number: u32) -> u8 {
    let datanet = datanets::get(&chain.state, datanet).unwrap().unwrap();
    datanets::expect_held_out(&chain.state, &datanet, number).unwrap().blob.0[0]
}

#[test]
fn a_contribution_is_judged_with_the_set_that_held_when_it_was_given_and_a_new_one_holds_after_the_delay() {
    let mut chain = Chain::new();
    chain.validators(4);
    let datanet = chain.datanet();
    let delay = Params::default().holdout_delay_seconds;
    let first = chain.give(5, datanet, 1);
    chain.refused(11, rotate(datanet, 20), code::DATANET_FOREIGN, "only that account");
    chain.refused(CREATOR, rotate(datanet, 9), code::DATANET_INVALID, "last held-out set already");
    chain.refused(CREATOR, rotate(datanet, 0), code::DATANET_INVALID, "holdout");
    let large = RotateHoldout { holdout_size: (2 << 30) + 1, ..rotate(datanet, 20) };
    chain.refused(CREATOR, large, code::DATANET_INVALID, "held-out set has 2147483649 bytes");
    let (before, treasury) = (chain.balance(address(CREATOR)), chain.treasury());
    chain.act(CREATOR, rotate(datanet, 20));
    let paid = before - chain.balance(address(CREATOR));
    assert!(chain.treasury() == treasury + paid && paid > 300 * 100, "{paid}");
    let second = chain.give(5, datanet, 2);
    chain.pass(delay / 2);
    // Whoever changes his mind begins anew.
    chain.act(CREATOR, rotate(datanet, 21));
    chain.pass(delay / 2 + 60);
    let third = chain.give(5, datanet, 3);
    chain.pass(delay / 2);
    let fourth = chain.give(5, datanet, 4);
    let numbers = [first, second, third, fourth].map(|id| chain.contribution(&id).holdout);
    assert_eq!(numbers, [0, 0, 0, 1]);
    assert_eq!([0, 1].map(|number| set_of(&chain, &datanet, number)), [9, 21]);
    // A set that holds stays when the next one is announced.
    chain.act(CREATOR, rotate(datanet, 22));
    let fifth = chain.give(5, datanet, 5);
    assert_eq!(chain.contribution(&fifth).holdout, 1);
    assert_eq!([0, 1, 2].map(|number| set_of(&chain, &datanet, number)), [9, 21, 22]);
}

#[test]
fn a_second_committee_judges_with_the_same_set_as_the_first() {
    let windows = Params { commit_seconds: 3, reveal_seconds: 2, holdout_delay_seconds: 1, ..Params::default() };
    let mut chain = Chain::with(windows);
    chain.validators(6);
    let datanet = chain.datanet();
    let id = chain.give(7, datanet, 1);
    chain.act(CREATOR, rotate(datanet, 20));
    let seed = chain.round(&id).seed;
    // Nobody commits.
    while chain.contribution(&id).round == 0 {
        chain.next();
    }
    chain.drawn();
    assert_eq!(chain.contribution(&id).holdout, 0);
    assert_ne!(chain.round(&id).seed, seed, "another sample of it is asked");
    let later = chain.give(7, datanet, 2);
    assert_eq!(chain.contribution(&later).holdout, 1);
}
