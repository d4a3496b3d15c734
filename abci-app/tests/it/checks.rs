//! What enters the mempool.

use datanet_ledger::code::{self, Code};
use datanet_ledger::state::StateRead;
use datanet_types::action::Transfer;
use datanet_types::tx::MAX_TTL;
use datanet_types::{Action, SignedTx};
use prost::Message;

use crate::support::{BALANCE, CHAIN, Chain, FEE, address, body, signed, transfer};

fn check(chain: &Chain, tx: &[u8]) -> Code {
    chain.ledger.check_tx(tx, false).unwrap().code
}

#[test]
fn checking_never_touches_the_committed_state() {
    let chain = Chain::new();
    chain.run(&[]);
    let before = chain.ledger.reader().scan("", None, usize::MAX).unwrap();
    for nonce in 0..20 {
        assert_eq!(check(&chain, &transfer(1, 2, 5, nonce)), code::OK);
    }
    assert_eq!(chain.ledger.reader().scan("", None, usize::MAX).unwrap(), before);
    let after = chain.run(&[]).app_hash;
    let other = Chain::new();
    other.run(&[]);
    assert_eq!(after, other.run(&[]).app_hash);
}

#[test]
fn before_the_chain_starts_clients_are_told_to_wait() {
    assert_eq!(check(&Chain::empty(), &transfer(1, 2, 5, 1)), code::NOT_READY);
}

#[test]
fn nobody_floods_the_mempool_beyond_their_balance() {
    let chain = Chain::new();
    assert_eq!(check(&chain, &transfer(1, 2, BALANCE - FEE, 1)), code::OK);
    assert_eq!(check(&chain, &transfer(1, 2, 1, 2)), code::FUNDS);
    // What it was paid can be spent before the next block.
    assert_eq!(check(&chain, &transfer(2, 3, BALANCE + 1, 3)), code::OK);
    // The next commit forgets what did not make it into a block.
    chain.run(&[]);
    assert_eq!(check(&chain, &transfer(1, 2, 1, 4)), code::OK);
}

#[test]
fn a_repeated_transaction_is_refused_in_the_mempool_and_after_its_block() {
    let chain = Chain::new();
    let tx = transfer(1, 2, 5, 1);
    assert_eq!(check(&chain, &tx), code::OK);
    assert_eq!(check(&chain, &tx), code::REPLAYED);
    chain.run(std::slice::from_ref(&tx));
    assert_eq!(check(&chain, &tx), code::REPLAYED);
    assert_eq!(chain.ledger.check_tx(&tx, true).unwrap().code, code::REPLAYED);
}

#[test]
fn a_recheck_keeps_what_is_still_good() {
    let chain = Chain::new();
    let tx = transfer(1, 2, 5, 1);
    assert_eq!(check(&chain, &tx), code::OK);
    chain.run(&[transfer(1, 3, 5, 2)]);
    assert_eq!(chain.ledger.check_tx(&tx, true).unwrap().code, code::OK);
}

#[test]
fn expired_and_far_expiries_are_refused() {
    let chain = Chain::new();
    chain.run(&[]);
    chain.run(&[]);
    let pay = Action::Transfer(Transfer { to: address(2), amount: 1 });
    assert_eq!(check(&chain, &signed(1, &body(pay.clone(), 2, 1))), code::EXPIRED);
    assert_eq!(check(&chain, &signed(1, &body(pay.clone(), 3, 1))), code::OK);
    assert_eq!(check(&chain, &signed(1, &body(pay, 3 + MAX_TTL + 1, 1))), code::EXPIRED);
}

#[test]
fn wrong_chain_signature_fee_and_poverty_have_their_codes() {
    let chain = Chain::new();
    let pay = Action::Transfer(Transfer { to: address(2), amount: 1 });
    let good = body(pay, 50, 1);
    assert_eq!(
        check(&chain, &signed(1, &datanet_types::TxBody { chain_id: "x".into(), ..good.clone() })),
        code::WRONG_CHAIN
    );
    assert_eq!(check(&chain, &signed(1, &datanet_types::TxBody { fee: 0, ..good.clone() })), code::FEE);
    assert_eq!(check(&chain, &signed(1, &datanet_types::TxBody { action: None, ..good.clone() })), code::CODEC);
    assert_eq!(check(&chain, &signed(77, &good)), code::FUNDS);
    let mut tx = SignedTx::decode(signed(1, &good)).unwrap();
    tx.signatures[0].signature.0[5] ^= 1;
    assert_eq!(check(&chain, &tx.to_bytes()), code::SIGNATURE);
}

#[test]
fn another_encoding_of_a_good_transaction_is_refused() {
    let chain = Chain::new();
    let good = transfer(1, 2, 5, 1);
    let mut unknown_field = good.to_vec();
    unknown_field.extend([0xf8, 0x07, 0x01]);
    let mut repeated = good.to_vec();
    repeated.extend_from_slice(&good);
    let mut truncated = good.to_vec();
    truncated.pop();
    for bytes in [unknown_field, repeated, truncated, Vec::new()] {
        assert_eq!(check(&chain, &bytes), code::CODEC);
        assert_eq!(Chain::codes(&chain.finalize(&[bytes.into()])), [code::CODEC]);
    }
    assert!(SignedTx::verify(&good, CHAIN).is_ok());
}
