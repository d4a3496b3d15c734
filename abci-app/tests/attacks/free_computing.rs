//! Transactions that take long to refuse, sent again and again: whoever is refused before a block pays nothing.

use std::time::{Duration, Instant};

use bytes::Bytes;
use datanet_ledger::code;
use datanet_types::action::RegisterModel;
use datanet_types::{Action, DatanetId, Digest, ModelId};

use crate::support::{BALANCE, Chain, FEE, address, body, signed, transfer};

/// Models in the lineage that is walked.
const MODELS: u16 = 300;
/// Parents of each.
const PARENTS: u16 = 8;

fn manifest(number: u16) -> Digest {
    let mut hash = [0; 32];
    hash[..2].copy_from_slice(&number.to_be_bytes());
    Digest(hash)
}

/// The lineage is of one account.
fn id(number: u16) -> ModelId {
    ModelId::derive(&address(1), &manifest(number))
}

fn model(by: u8, number: u16, datanets: Vec<DatanetId>, nonce: u64) -> Bytes {
    let action = RegisterModel {
        manifest: manifest(number),
        name: format!("m{number}"),
        parents: (1..number)
            .rev()
            .take(usize::from(PARENTS))
            .map(id)
            .collect::<std::collections::BTreeSet<_>>()
            .into_iter()
            .collect(),
        datanets,
        licence: "MIT".into(),
        ..RegisterModel::default()
    };
    signed(by, &body(Action::RegisterModel(action), 100, nonce))
}

/// The shortest of some calls: what else the machine does makes none of them shorter.
#[expect(clippy::disallowed_methods, reason = "the attack is on time; no rule of the ledger is")]
fn shortest(mut call: impl FnMut(u64)) -> Duration {
    let timed = |nonce| {
        let began = Instant::now();
        call(nonce);
        began.elapsed()
    };
    (0..20).map(timed).min().unwrap()
}

#[test]
fn a_refusal_that_takes_long_is_paid_for_and_asking_for_it_costs_nobody_much() {
    let chain = Chain::new();
    let models: Vec<Bytes> = (1..MODELS).map(|number| model(1, number, Vec::new(), number.into())).collect();
    let block = chain.run(&models);
    assert!(block.outcomes.iter().all(|outcome| outcome.code == code::OK), "{:?}", block.outcomes.last());
    // Refused only after its whole lineage was walked.
    let long = |nonce| model(2, MODELS, vec![DatanetId([9; 32])], nonce);
    let asked = |tx: Bytes| chain.ledger.check_tx(&tx, false).unwrap();
    let of_transfer = shortest(|nonce| assert!(asked(transfer(3, 4, 1, nonce)).is_ok()));
    let of_attack = shortest(|nonce| assert!(asked(long(1_000 + nonce)).is_ok()));
    let executed = shortest(|nonce| {
        assert_eq!(chain.ledger.simulate(&long(2_000 + nonce)).unwrap().code, code::DATANET_UNKNOWN);
    });
    println!(
        "checking a transfer {of_transfer:?}, checking the attack {of_attack:?}, executing it {executed:?} ({:.0} times)",
        executed.as_secs_f64() / of_attack.as_secs_f64()
    );
    assert!(of_attack < 5 * of_transfer, "{of_attack:?} {of_transfer:?}");

    let before = chain.balance(2);
    assert_eq!(Chain::codes(&chain.run(&[long(1)])), [code::DATANET_UNKNOWN]);
    println!("the attacker had {before} and has {}", chain.balance(2));
    assert_eq!((before, chain.balance(2)), (BALANCE, BALANCE - FEE));
}
