//! No sentence is part of what nodes agree on.

use super::*;
use crate::state::{DERIVED, StateRead};

/// A block with a refusal and one behind it, at a node that words refusals its own way. Returns the app hashes, what is derived, and what it
/// remembers of the refusal.
fn worded(words: &str) -> (Vec<[u8; 32]>, Vec<(String, Vec<u8>)>, String) {
    let mut node = Node::start();
    let too_much = node.sign(1, Action::Transfer(Transfer { to: address(2), amount: 2 * BALANCE }));
    let first = node.finalize(std::slice::from_ref(&too_much)).app_hash;
    {
        let mut blocks = lock(&node.app.blocks);
        let outcome = &mut blocks.decided.as_mut().unwrap().outcomes[0];
        assert!(outcome.log.contains("send it"), "{}", outcome.log);
        outcome.log = words.to_owned();
    }
    node.commit();
    let transfer = node.transfer(1, 2);
    let second = node.block(&[transfer]).app_hash;
    let hash = datanet_types::tx::tx_hash(&too_much);
    let remembered = node.app.tx_result(&hash).unwrap().unwrap().log;
    let derived = node.app.reader().scan(DERIVED, None, 1_000).unwrap();
    assert!(!derived.is_empty());
    (vec![first, second, node.app.info().app_hash], derived, remembered)
}

#[test]
fn another_wording_of_a_refusal_changes_no_hash_and_nothing_derived() {
    let (ours, theirs) = (worded("not enough money"), worded("zu wenig Geld"));
    assert_eq!((ours.0, ours.1), (theirs.0, theirs.1));
    assert_eq!((ours.2.as_str(), theirs.2.as_str()), ("not enough money", "zu wenig Geld"));
}
