//! Questions with proofs.

use datanet_ledger::code;
use datanet_ledger::query::{Query, QueryOutcome, answer};
use datanet_ledger::state::{DERIVED, StateRead, is_derived};
use datanet_ledger::store::spec;
use ics23::HostFunctionsManager;
use prost_ics23::Message;

use crate::support::{Chain, transfer};

fn ask(chain: &Chain, path: &str, key: &str, height: u64) -> QueryOutcome {
    let query = Query { path, data: key.as_bytes(), height, prove: true };
    answer(&chain.ledger.reader(), &query).unwrap()
}

fn proof(outcome: &QueryOutcome) -> ics23::CommitmentProof {
    ics23::CommitmentProof::decode(outcome.proof.as_deref().unwrap()).unwrap()
}

fn authenticated(chain: &Chain) -> Vec<(String, Vec<u8>)> {
    let all = chain.ledger.reader().scan("", None, usize::MAX).unwrap();
    all.into_iter().filter(|(key, _)| !is_derived(key)).collect()
}

#[test]
fn every_key_of_authenticated_state_is_provable_against_the_app_hash() {
    let chain = Chain::new();
    let root = chain.run(&[transfer(1, 2, 5, 1)]).app_hash.to_vec();
    for (key, value) in authenticated(&chain) {
        let outcome = ask(&chain, "/store/key", &key, 0);
        assert_eq!((outcome.code, outcome.height, &outcome.value), (code::OK, 1, &value));
        let (proof, spec) = (proof(&outcome), spec());
        assert!(ics23::verify_membership::<HostFunctionsManager>(&proof, &spec, &root, key.as_bytes(), &value));
    }
}

#[test]
fn the_absence_of_a_key_is_provable_too() {
    let chain = Chain::new();
    let root = chain.run(&[]).app_hash.to_vec();
    for number in 0..40 {
        let key = format!("nothing/{number}");
        let outcome = ask(&chain, "/store/key", &key, 1);
        assert!(outcome.value.is_empty());
        let proof = proof(&outcome);
        assert!(ics23::verify_non_membership::<HostFunctionsManager>(&proof, &spec(), &root, key.as_bytes()));
    }
}

#[test]
fn an_older_height_is_answered_with_its_own_value_and_root() {
    let chain = Chain::new();
    let old = chain.run(&[transfer(1, 2, 5, 1)]);
    let state = authenticated(&chain);
    chain.run(&[transfer(1, 2, 5, 2)]);
    chain.run(&[transfer(1, 2, 5, 3)]);
    for (key, value) in state {
        let outcome = ask(&chain, "/store/key", &key, 1);
        assert_eq!(outcome.value, value);
        let proof = proof(&outcome);
        let root = old.app_hash.to_vec();
        assert!(ics23::verify_membership::<HostFunctionsManager>(&proof, &spec(), &root, key.as_bytes(), &value));
    }
}

#[test]
fn parameters_are_json_and_bad_questions_say_what_to_ask() {
    let chain = Chain::new();
    assert_eq!(ask(&chain, "/params", "", 0).code, code::NOT_READY);
    chain.run(&[]);
    let params: serde_json::Value = serde_json::from_slice(&ask(&chain, "/params", "", 0).value).unwrap();
    assert!(params["min_fee"].is_u64());
    assert!(ask(&chain, "/nowhere", "", 0).log.contains("/store/key"));
    assert_eq!(ask(&chain, "/store/key", "x", 7).code, code::QUERY);
    assert_eq!(ask(&chain, "/store/key", "", 0).code, code::QUERY);
}

#[test]
fn derived_state_is_told_and_never_proved() {
    let chain = Chain::new();
    chain.run(&[transfer(1, 2, 5, 1)]);
    chain.run(&[transfer(1, 2, 5, 2)]);
    let derived = chain.ledger.reader().scan(DERIVED, None, usize::MAX).unwrap();
    assert!(derived.iter().any(|(key, _)| key.starts_with("derived/admission/executed/")));
    for (key, value) in derived.into_iter().chain([("derived/nothing".to_owned(), Vec::new())]) {
        for (height, prove) in [(0, true), (1, false), (1, true)] {
            let query = Query { path: "/store/key", data: key.as_bytes(), height, prove };
            let refused = answer(&chain.ledger.reader(), &query).unwrap();
            assert_eq!((refused.code, refused.proof), (code::NOT_IN_TREE, None));
            assert!(refused.log.contains("without a proof"), "{}", refused.log);
        }
        let query = Query { path: "/store/key", data: key.as_bytes(), height: 0, prove: false };
        let told = answer(&chain.ledger.reader(), &query).unwrap();
        assert_eq!((told.code, told.value), (code::OK, value));
    }
}
