//! No sentence is part of what nodes agree on.

use super::*;
use crate::state::{DERIVED, StateRead};

/// What a node has after two blocks.
struct After {
    hashes: Vec<[u8; 32]>,
    derived: Vec<(String, Vec<u8>)>,
    /// What it remembers of the refusal.
    log: String,
}

/// A block with a refusal and one behind it, at a node that words refusals its own way.
fn worded(words: &str) -> After {
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
    let log = node.app.tx_result(&hash).unwrap().unwrap().log;
    let derived = node.app.reader().scan(DERIVED, None, 1_000).unwrap();
    assert!(!derived.is_empty());
    After { hashes: vec![first, second, node.app.info().app_hash], derived, log }
}

#[test]
fn another_wording_of_a_refusal_changes_no_hash_and_nothing_derived() {
    let (ours, theirs) = (worded("not enough money"), worded("zu wenig Geld"));
    assert_eq!((ours.hashes, ours.derived), (theirs.hashes, theirs.derived));
    assert_eq!((ours.log.as_str(), theirs.log.as_str()), ("not enough money", "zu wenig Geld"));
}
