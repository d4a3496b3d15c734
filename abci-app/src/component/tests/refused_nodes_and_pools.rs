//! What is refused around nodes, datanets, models and genesis; and what is accepted.

use datanet_types::action::{CreateDatanet, RegisterModel, RegisterNode, role};
use datanet_types::amount::DNT;
use datanet_types::schema::Schema;
use datanet_types::{BlobHash, DatanetId, Digest, Signature};

use super::Chain;
use super::harness::{BALANCE, CHAIN, STAKE, address, create_datanet, genesis, node, register};
use crate::code;
use crate::component::nodes::{self, stake_account};
use crate::component::{Params, accounts, datanets, init_genesis, models};
use crate::state::MemoryState;

#[test]
fn a_node_is_registered_raised_and_lowered() {
    let mut chain = Chain::new();
    chain.act(0, register(0, role::ALL, STAKE));
    assert_eq!(chain.balance(stake_account(&address(0))), STAKE);
    chain.next();
    chain.act(0, register(0, role::ALL, STAKE + 5));
    assert_eq!(chain.balance(stake_account(&address(0))), STAKE + 5);
    chain.act(0, register(0, role::SERVING, 5));
    assert_eq!(chain.balance(stake_account(&address(0))), 5);
    assert_eq!(nodes::unbonding(&chain.state, &address(0)).unwrap(), STAKE);
    assert_eq!(chain.balance(address(0)), BALANCE - STAKE - 5 - 3 * 1_000, "it is on its way");
    let record = nodes::get(&chain.state, &node(0)).unwrap().unwrap();
    assert_eq!((record.registered_height, record.roles), (1, 4));
    assert_eq!(nodes::of_account(&chain.state, &address(0)).unwrap(), Some(record));
    assert!(nodes::validators(&chain.state, chain.block.height).unwrap().is_empty());
    assert_eq!(nodes::reputation(&chain.state, &address(0)).unwrap().unwrap().bps, 5_000);
    assert_eq!(nodes::list(&chain.state, None, 9).unwrap().len(), 1);
}

#[test]
fn stake_comes_home_after_the_unbonding_time_to_the_second() {
    let mut chain =
        Chain::with(Params { unbonding_seconds: 5, evidence_seconds: 3, evidence_blocks: 1, ..Params::default() });
    for n in 0..2 {
        chain.act(n, register(n, role::ALL, STAKE));
    }
    chain.act(0, register(0, role::SERVING, 1));
    chain.next();
    chain.act(0, register(0, role::SERVING, 0));
    chain.act(1, register(1, role::SERVING, 0));
    let mut home = Vec::new();
    for _ in 0..6 {
        home.push(nodes::unbonding(&chain.state, &address(0)).unwrap());
        chain.next();
    }
    assert_eq!(home, [STAKE, STAKE, STAKE, STAKE, STAKE, 1], "each part by itself");
    assert_eq!(nodes::unbonding(&chain.state, &address(0)).unwrap(), 0);
    assert_eq!(nodes::unbonding(&chain.state, &address(1)).unwrap(), 0);
    assert_eq!(chain.balance(address(0)), BALANCE - 3 * 1_000);
    assert!(chain.state.0.keys().all(|key| !key.starts_with("nodes/unbonding/")));
}

#[test]
fn a_lost_reputation_comes_back_with_the_stake_and_not_before() {
    let mut chain =
        Chain::with(Params { unbonding_seconds: 5, evidence_seconds: 3, evidence_blocks: 1, ..Params::default() });
    chain.act(0, register(0, role::ALL, STAKE));
    let reputation = |chain: &Chain| nodes::reputation(&chain.state, &address(0)).unwrap().unwrap().bps;
    let low = nodes::Reputation { bps: 700, judged: 9, missed: 30 };
    nodes::put_reputation(&mut chain.state, &address(0), &low);
    // Neither registering again nor lowering the stake washes it off, nor coming back before it is home.
    chain.act(0, register(0, role::ALL, STAKE + 1));
    chain.act(0, register(0, role::SERVING, 0));
    chain.act(0, register(0, role::ALL, STAKE));
    assert_eq!(reputation(&chain), 700);
    chain.act(0, register(0, role::SERVING, 0));
    chain.skip_to(chain.block.height + 7);
    chain.act(0, register(0, role::SERVING, 0));
    assert_eq!(reputation(&chain), 700, "nor being there without judging");
    chain.act(0, register(0, role::ALL, STAKE));
    assert_eq!(reputation(&chain), Params::default().initial_reputation_bps);
    let good = nodes::Reputation { bps: 9_000, ..low };
    nodes::put_reputation(&mut chain.state, &address(0), &good);
    chain.act(0, register(0, role::SERVING, 0));
    chain.skip_to(chain.block.height + 7);
    chain.act(0, register(0, role::ALL, STAKE));
    assert_eq!(reputation(&chain), 9_000, "what was earned stays");
}

#[test]
fn a_bad_registration_is_refused() {
    let mut chain = Chain::new();
    let good = register(0, role::ALL, STAKE);
    chain.refused(0, RegisterNode { name: String::new(), ..good.clone() }, code::NODE_INVALID, "name");
    chain.refused(0, RegisterNode { name: "x".repeat(65), ..good.clone() }, code::NODE_INVALID, "name");
    chain.refused(0, RegisterNode { roles: 0, ..good.clone() }, code::NODE_INVALID, "roles");
    chain.refused(0, RegisterNode { roles: 8, ..good.clone() }, code::NODE_INVALID, "roles");
    chain.refused(0, RegisterNode { proof: Signature::ZERO, ..good.clone() }, code::NODE_PROOF, "node's key");
    chain.refused(1, good.clone(), code::NODE_PROOF, "node's key");
    chain.refused(0, register(0, role::VALIDATOR, STAKE - 1), code::NODE_STAKE, "at least");
    chain.refused(0, register(0, role::ALL, BALANCE + 1), code::FUNDS, "more");
    chain.act(0, good);
}

#[test]
fn one_account_has_one_node_and_one_node_one_account() {
    let mut chain = Chain::new();
    chain.act(0, register(0, role::SERVING, 0));
    let sign = |n: u8, account: u8| {
        let bytes = RegisterNode::sign_bytes(CHAIN, &address(account), &node(n));
        RegisterNode { proof: super::harness::node_key(n).sign(&bytes), ..register(n, role::SERVING, 0) }
    };
    chain.refused(0, sign(1, 0), code::NODE_TAKEN, "another account");
    chain.refused(1, sign(0, 1), code::NODE_TAKEN, "of your own");
}

#[test]
fn a_datanet_is_found_by_id_and_by_name() {
    let mut chain = Chain::new();
    let id = chain.datanet();
    let datanet = datanets::get(&chain.state, &id).unwrap().unwrap();
    assert_eq!(datanets::by_name(&chain.state, "docs").unwrap(), Some(datanet.clone()));
    assert_eq!(datanets::list(&chain.state, None, 9).unwrap(), vec![datanet]);
    chain.refused(10, create_datanet("docs"), code::DATANET_TAKEN, "choose another");
    chain.refused(11, create_datanet("docs"), code::DATANET_TAKEN, "choose another");
}

#[test]
fn a_datanet_out_of_bounds_is_refused() {
    let mut chain = Chain::new();
    let mut refused = |change: fn(&mut CreateDatanet), words: &str| {
        let mut action = create_datanet("docs");
        change(&mut action);
        chain.refused(10, action, code::DATANET_INVALID, words);
    };
    refused(|d| d.name.clear(), "a-z");
    refused(|d| d.name = "Docs".into(), "a-z");
    refused(|d| d.name = "x".repeat(65), "a-z");
    refused(|d| d.description = "x".repeat(1_025), "shorten");
    refused(|d| d.licence.clear(), "SPDX");
    refused(|d| d.accept_threshold = 0, "accept_threshold");
    refused(|d| d.accept_threshold = 10_001, "accept_threshold");
    refused(|d| d.committee_size = 0, "committee_size");
    refused(|d| d.committee_size = 65, "committee_size");
    refused(|d| d.storage_quorum = 0, "storage_quorum");
    refused(|d| d.storage_quorum = 65, "storage_quorum");
    refused(|d| d.holdout = BlobHash::ZERO, "holdout");
    refused(|d| d.holdout_size = 0, "holdout");
    refused(|d| d.holdout_size = (2 << 30) + 1, "held-out set has 2147483649 bytes");
    refused(|d| d.price = 1, "price");
    refused(|d| d.schema = Schema::default(), "schema");
}

fn model(n: u8) -> RegisterModel {
    RegisterModel { manifest: Digest([n; 32]), name: "m".into(), licence: "MIT".into(), ..RegisterModel::default() }
}

#[test]
fn a_model_knows_its_lineage() {
    let mut chain = Chain::new();
    let datanet = chain.datanet();
    chain.act(3, model(1));
    let first = model(1).id(&address(3));
    chain.act(4, RegisterModel { parents: vec![first], datanets: vec![datanet], ..model(2) });
    let child = models::get(&chain.state, &model(2).id(&address(4))).unwrap().unwrap();
    assert_eq!((child.owner, child.parents, child.manifest), (address(4), vec![first], Digest([2; 32])));
    assert_eq!(models::list(&chain.state, None, 9).unwrap().len(), 2);
}

#[test]
fn one_manifest_makes_a_model_of_each_owner() {
    let mut chain = Chain::new();
    for owner in [3, 4] {
        chain.act(owner, model(1));
        assert_eq!(models::get(&chain.state, &model(1).id(&address(owner))).unwrap().unwrap().owner, address(owner));
    }
    chain.refused(3, model(1), code::MODEL_TAKEN, "you registered this");
}

#[test]
fn a_model_out_of_bounds_is_refused() {
    let mut chain = Chain::new();
    chain.act(3, model(1));
    let id = |n: u8| model(n).id(&address(3));
    chain.refused(3, model(1), code::MODEL_TAKEN, "you registered this");
    chain.refused(4, model(0), code::MODEL_INVALID, "hash");
    chain.refused(4, RegisterModel { name: String::new(), ..model(2) }, code::MODEL_INVALID, "name");
    chain.refused(4, RegisterModel { licence: String::new(), ..model(2) }, code::MODEL_INVALID, "SPDX");
    chain.refused(4, RegisterModel { parents: vec![id(1); 2], ..model(2) }, code::MODEL_INVALID, "different");
    let many = (1..=17).map(id).collect();
    chain.refused(4, RegisterModel { parents: many, ..model(20) }, code::MODEL_INVALID, "16");
    let itself = vec![model(2).id(&address(4))];
    chain.refused(4, RegisterModel { parents: itself, ..model(2) }, code::MODEL_UNKNOWN, "register it first");
    chain.refused(4, RegisterModel { parents: vec![id(9)], ..model(2) }, code::MODEL_UNKNOWN, "register it first");
    let nowhere = vec![DatanetId([9; 32])];
    chain.refused(4, RegisterModel { datanets: nowhere, ..model(2) }, code::DATANET_UNKNOWN, "no datanet");
}

#[test]
fn a_genesis_that_contradicts_itself_is_refused() {
    let mut twice = genesis(Params::default());
    twice.accounts[1] = twice.accounts[0].clone();
    let mut state = MemoryState::default();
    assert!(init_genesis(&mut state, &twice, CHAIN).unwrap_err().to_string().contains("twice"));
    let mut much = genesis(Params::default());
    much.accounts[0].balance = u64::MAX;
    assert!(init_genesis(&mut state, &much, CHAIN).unwrap_err().to_string().contains("64 bits"));
    assert!(state.0.is_empty());
}

#[test]
fn a_genesis_reads_from_json_and_unknown_fields_are_refused() {
    let text =
        format!(r#"{{"params": {{"min_fee": 7}}, "accounts": [{{"address": "{}", "balance": 5}}]}}"#, address(1));
    let genesis: crate::component::Genesis = serde_json::from_str(&text).unwrap();
    assert_eq!((genesis.params.min_fee, genesis.accounts[0].balance), (7, 5));
    assert!(serde_json::from_str::<crate::component::Genesis>(&text.replace("accounts", "account")).is_err());
    assert!(serde_json::from_str::<crate::component::Genesis>(&text.replace("balance", "amount")).is_err());
}

#[test]
fn accounts_are_listed_with_names_and_balances() {
    let chain = Chain::new();
    let all = accounts::list(&chain.state, None, 100).unwrap();
    assert_eq!(all.len(), 20);
    let rest = accounts::list(&chain.state, Some(&all[4].0), 100).unwrap();
    assert_eq!(rest, all[5..]);
    assert_eq!(accounts::name(&chain.state, &address(3)).unwrap().as_deref(), Some("person 3"));
    assert_eq!(accounts::supply(&chain.state).unwrap(), 20 * BALANCE);
    assert_eq!(BALANCE % DNT, 0);
}
