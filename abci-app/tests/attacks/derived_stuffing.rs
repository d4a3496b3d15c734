//! Derived state has no leaf to pay for. Whoever fills it pays all the same, and what is forgotten is forgotten everywhere.

use datanet_ledger::app::Verdict;
use datanet_ledger::state::{DERIVED, StateRead};
use datanet_types::action::Transfer;
use datanet_types::{Action, TxBody};

use crate::support::{BALANCE, Chain, FEE, address, body, signed, transfer};

const MANY: u64 = 400;

fn derived(chain: &Chain) -> (usize, usize) {
    let entries = chain.ledger.reader().scan(DERIVED, None, usize::MAX).unwrap();
    (entries.len(), entries.iter().map(|(key, value)| key.len() + value.len()).sum())
}

/// A transaction that is good until the next block, and refused if it asks for more than there is.
fn short(chain: &Chain, amount: u64, nonce: u64) -> bytes::Bytes {
    let action = Action::Transfer(Transfer { to: address(2), amount });
    signed(1, &TxBody { expiry: chain.next(), ..body(action, 0, nonce) })
}

#[test]
fn each_byte_of_derived_state_is_paid_for_and_goes_without_moving_the_root() {
    let chain = Chain::new();
    chain.run(&[]);
    let (before, _) = derived(&chain);
    let refused: Vec<_> = (0..MANY).map(|nonce| short(&chain, 2 * BALANCE, nonce)).collect();
    let full = chain.run(&refused);
    let (entries, bytes) = derived(&chain);
    let paid = BALANCE - chain.balance(1);
    println!("derived stuffing: {entries} entries of {bytes} bytes for {paid} base units, until they expire");
    assert!(full.outcomes.iter().all(|outcome| !outcome.is_ok()));
    assert_eq!(paid, MANY * FEE);
    assert!(entries <= before + MANY as usize + 1 && bytes as u64 <= paid, "a byte costs less than a base unit");
    // Unpaid places leave nothing, whoever proposes them.
    let unpaid = [transfer(77, 1, 1, 1)];
    assert!(matches!(chain.process(&unpaid), Verdict::Reject(_)));
    // They are expired now. Forgetting them changes derived state and nothing else, so that the chain may rest.
    let after = chain.run(&[]);
    assert_eq!(after.app_hash, full.app_hash);
    assert_eq!(derived(&chain).0, 2, "the digest and the beacon alone are left");
    assert_eq!(chain.run(&[]).app_hash, full.app_hash);
    // The next block that changes the tree tells of it.
    let leaf = |chain: &Chain| chain.ledger.reader().get_raw("chain/derived").unwrap();
    let told = leaf(&chain);
    assert_ne!(chain.ledger.reader().get_raw("derived/digest").unwrap(), told);
    chain.run(&[transfer(2, 3, 1, 1)]);
    assert_eq!(chain.ledger.reader().get_raw("derived/digest").unwrap(), leaf(&chain));
}
