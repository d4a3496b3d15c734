use super::*;
use crate::action::Transfer;
use proptest::prelude::*;

fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn body(amount: u64, nonce: u64) -> TxBody {
    TxBody {
        chain_id: "test".into(),
        expiry: 9,
        fee: 10,
        nonce,
        account: key(1).address(),
        gas_limit: 11,
        tip: 2,
        action: Some(Action::Transfer(Transfer { to: Address([3; 20]), amount })),
    }
}

#[test]
fn sign_bytes_and_wire_bytes_do_not_drift() {
    let tx = body(5, 7).sign(&key(1));
    insta::assert_snapshot!(hex::encode(TxBody::sign_bytes(&tx.body)));
    insta::assert_snapshot!(hex::encode(tx.to_bytes()));
}

#[test]
fn a_good_transaction_verifies() {
    let tx = SignedTx::verify(&body(5, 7).sign(&key(1)).to_bytes(), "test").unwrap();
    assert_eq!((tx.signer, tx.keys), (key(1).address(), vec![key(1).public_key()]));
}

#[test]
fn another_chain_is_refused() {
    let bytes = body(5, 7).sign(&key(1)).to_bytes();
    assert!(matches!(SignedTx::verify(&bytes, "other"), Err(TxError::WrongChain { .. })));
}

#[test]
fn several_keys_sign_one_after_the_other_and_it_matters_to_nobody_who_was_first() {
    let keys = [key(1), key(2), key(3)];
    let together = body(5, 7).sign_with(&keys.each_ref());
    let in_turn = body(5, 7).sign(&keys[2]).signed_by(&keys[0]).signed_by(&keys[1]).signed_by(&keys[0]);
    assert_eq!(together, in_turn);
    let tx = SignedTx::verify(&together.to_bytes(), "test").unwrap();
    assert!(tx.keys.len() == 3 && tx.keys.is_sorted());
    assert_eq!(tx.id, SignedTx::verify(&body(5, 7).sign(&keys[0]).to_bytes(), "test").unwrap().id);
}

#[test]
fn signatures_have_one_order_and_one_for_each_key() {
    let good = body(5, 7).sign_with(&[&key(1), &key(2)]);
    let with = |change: &dyn Fn(&mut Vec<TxSignature>)| {
        let mut tx = good.clone();
        change(&mut tx.signatures);
        SignedTx::verify(&tx.to_bytes(), "test").map(drop)
    };
    assert_eq!(with(&|_| ()), Ok(()));
    assert_eq!(with(&|all| all.reverse()), Err(TxError::SignatureOrder));
    assert_eq!(with(&|all| all[1] = all[0]), Err(TxError::SignatureOrder));
    assert_eq!(with(&|all| all.clear()), Err(TxError::SignatureCount(0)));
    assert_eq!(with(&|all| *all = vec![all[0]; 17]), Err(TxError::SignatureCount(17)));
    assert_eq!(with(&|all| all[1].signature = all[0].signature), Err(TxError::Signature(BadSignature)));
}

#[test]
fn a_changed_byte_is_refused() {
    let bytes = body(5, 7).sign(&key(1)).to_bytes();
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        assert!(SignedTx::verify(&changed, "test").is_err(), "byte {at}");
    }
}

#[test]
fn trailing_unknown_fields_are_not_canonical() {
    let mut bytes = body(5, 7).sign(&key(1)).to_bytes();
    bytes.extend_from_slice(&[0x78, 0x01]);
    assert_eq!(SignedTx::verify(&bytes, "test"), Err(TxError::Codec(CodecError::NotCanonical)));
}

#[test]
fn a_transaction_over_the_limit_is_refused_before_decoding() {
    let bytes = vec![0; MAX_TX_BYTES + 1];
    assert!(matches!(SignedTx::verify(&bytes, "test"), Err(TxError::Codec(CodecError::TooLong { .. }))));
}

proptest! {
    #[test]
    fn garbage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        prop_assert!(SignedTx::verify(&bytes, "test").is_err());
    }

    #[test]
    fn encoding_round_trips(amount: u64, nonce: u64) {
        let body = body(amount, nonce);
        let again: TxBody = decode_canonical(&body.encode_to_vec(), MAX_TX_BYTES).unwrap();
        prop_assert_eq!(again, body);
    }
}
