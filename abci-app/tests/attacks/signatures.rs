//! Signatures that others change, and signatures that are verified for nothing.

use std::time::{Duration, Instant};

use bytes::Bytes;
use datanet_ledger::code;
use datanet_types::action::SetKeys;
use datanet_types::{Action, SignedTx};
use prost::Message;

use super::keys::{Account, OWNERS, THIEF, VICTIM, pay, public};
use crate::support::key;

/// Whoever passes a transaction on can't make another of it that would be executed: its sender waits for its hash.
#[test]
fn nobody_changes_the_hash_of_what_others_signed() {
    let mut account = Account::shared();
    let good = account.sign(&OWNERS[..2], pay(5, 1));
    let decoded = SignedTx::decode(good.clone()).unwrap();
    let with = |change: &dyn Fn(&mut SignedTx)| {
        let mut tx = decoded.clone();
        change(&mut tx);
        Bytes::from(tx.to_bytes())
    };
    // The order of the group, by which a signature that is malleable could be shifted.
    let order: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let shifted = |tx: &mut SignedTx| {
        let mut carry = 0u16;
        for (byte, add) in tx.signatures[0].signature.0[32..].iter_mut().zip(order) {
            carry += u16::from(*byte) + u16::from(add);
            *byte = carry as u8;
            carry >>= 8;
        }
    };
    let changed = [
        ("unsorted", with(&|tx| tx.signatures.reverse()), code::CODEC),
        ("one left out", with(&|tx| tx.signatures.truncate(1)), code::UNAUTHORISED),
        ("one twice", with(&|tx| tx.signatures.insert(0, tx.signatures[0])), code::CODEC),
        ("a stranger's beside", Bytes::from(decoded.clone().signed_by(&key(THIEF)).to_bytes()), code::UNAUTHORISED),
        (
            "a third owner's beside",
            Bytes::from(decoded.clone().signed_by(&key(OWNERS[2])).to_bytes()),
            code::UNAUTHORISED,
        ),
        ("shifted by the order of the group", with(&shifted), code::SIGNATURE),
        ("an empty one", with(&|tx| tx.signatures[0] = Default::default()), code::SIGNATURE),
    ];
    for (what, tx, expected) in changed {
        assert_ne!(tx, good);
        println!("{what}: {}", account.check(&tx));
        assert!([code::UNAUTHORISED, expected].contains(&account.check(&tx)), "{what}");
        assert_eq!(account.run(&[tx]), [expected], "{what}");
    }
    assert_eq!(account.run(&[good]), [code::OK]);
}

/// The shortest of some calls: what else the machine does makes none of them shorter.
#[expect(clippy::disallowed_methods, reason = "the attack is on time; no rule of the ledger is")]
fn shortest(mut call: impl FnMut()) -> Duration {
    let mut timed = || {
        let began = Instant::now();
        call();
        began.elapsed()
    };
    (0..20).map(|_| timed()).min().unwrap()
}

/// Sixteen signatures take sixteen times as long as one, so nobody has them verified for nothing.
#[test]
fn sixteen_signatures_of_nobody_cost_no_more_than_one() {
    let mut account = Account::new();
    let strangers: Vec<u8> = (50..66).collect();
    let mut sixteen: Vec<Bytes> = (0..20).map(|_| account.sign(&strangers, pay(5, 1))).collect();
    let mut one: Vec<Bytes> = (0..20).map(|_| account.sign(&[THIEF], pay(5, 1))).collect();
    let of_one = shortest(|| assert_eq!(account.check(&one.pop().unwrap()), code::UNAUTHORISED));
    let of_sixteen = shortest(|| assert_eq!(account.check(&sixteen.pop().unwrap()), code::UNAUTHORISED));
    // An account of the attacker's own with sixteen owners: the last signature is bad. It is of 1.7 KB, and is verified.
    let owners: Vec<u8> = (66..82).collect();
    account.done(&[VICTIM], Action::SetKeys(SetKeys { owners: public(&owners), threshold: 16, recovery: None }));
    let mut spoilt: Vec<Bytes> = (0..20)
        .map(|_| {
            let mut tx = SignedTx::decode(account.sign(&owners, pay(5, 1))).unwrap();
            tx.signatures[15].signature.0[0] ^= 1;
            tx.to_bytes().into()
        })
        .collect();
    let (bytes, short) = (spoilt[0].len(), one_size(&mut account));
    let of_owners = shortest(|| assert_eq!(account.check(&spoilt.pop().unwrap()), code::SIGNATURE));
    println!(
        "one signature of a stranger {of_one:?} ({short} bytes), sixteen {of_sixteen:?}, sixteen of owners of whom one is \
         false {of_owners:?} ({bytes} bytes)"
    );
    assert!(of_sixteen < 3 * of_one, "{of_sixteen:?} {of_one:?}");
    assert!(of_owners < 40 * of_one, "{of_owners:?} {of_one:?}");
}

fn one_size(account: &mut Account) -> usize {
    account.sign(&[THIEF], pay(5, 1)).len()
}
