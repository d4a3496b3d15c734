//! Derived state is in no proof: somebody who makes it differ from node to node, by what some see and others do not, would split
//! the network later and quietly.

use bytes::Bytes;
use datanet_ledger::app::Verdict;
use datanet_ledger::code;
use datanet_ledger::state::{DERIVED, StateRead};
use datanet_types::action::{CreateDatanet, RegisterNode, role};
use datanet_types::schema::Schema;
use datanet_types::{Action, BlobHash};

use crate::support::{BALANCE, CHAIN, Chain, address, body, key, signed, transfer};

fn register(seed: u8, node: u8, stake: u64, nonce: u64) -> Bytes {
    let node = key(node);
    let proof = node.sign(&RegisterNode::sign_bytes(CHAIN, &address(seed), &node.node_key()));
    let action = RegisterNode { node: node.node_key(), proof, roles: role::ALL, stake, name: "n".into() };
    signed(seed, &body(Action::RegisterNode(action), 100, nonce))
}

fn datanet(seed: u8, name: &str, nonce: u64) -> Bytes {
    let action = CreateDatanet {
        name: name.into(),
        description: "derived/ and chain/derived".into(),
        schema: Schema::text_and_label(&["a", "b"]),
        licence: "CC-BY-4.0".into(),
        price: 1_000,
        accept_threshold: 6_000,
        committee_size: 3,
        storage_quorum: 2,
        holdout: BlobHash([9; 32]),
        holdout_size: 100,
        min_bond: 1_000_000,
        token_price: 0,
        step_price: 0,
    };
    signed(seed, &body(Action::CreateDatanet(action), 100, nonce))
}

#[test]
fn what_some_nodes_see_and_others_do_not_leaves_derived_state_alike() {
    let (talked_to, quiet) = (Chain::new(), Chain::new());
    let mut talked_to = talked_to;
    let blocks = [
        vec![register(1, 101, BALANCE / 2, 1), datanet(2, "one", 1)],
        // Refused once they are under way: an account's second node, a name that is taken, more than there is.
        vec![register(1, 102, 1, 2), datanet(3, "one", 2), transfer(4, 5, 2 * BALANCE, 1), datanet(3, "two", 3)],
        vec![register(1, 101, BALANCE / 4, 3), transfer(4, 5, 1, 2)],
        Vec::new(),
        vec![transfer(5, 4, 1, 1)],
    ];
    for (round, txs) in blocks.iter().enumerate() {
        // One node is sent junk, and sees proposals that are not decided, before and between restarts.
        for junk in
            [datanet(6, "one", 10), register(7, 101, 5, 11), transfer(8, 9, 1, 12 + round as u64), txs.concat().into()]
        {
            let _ = talked_to.ledger.check_tx(&junk, false).unwrap();
        }
        let other = [datanet(6, &format!("other-{round}"), 20), register(8, 108, BALANCE / 2, 21 + round as u64)];
        assert_eq!(talked_to.process(&other), Verdict::Accept);
        assert_eq!(talked_to.process(txs), Verdict::Accept);
        assert_eq!(talked_to.process(&other[..1]), Verdict::Accept);
        talked_to.finalize(&other);
        let (theirs, ours) = (talked_to.run(txs), quiet.run(txs));
        assert_eq!(theirs, ours);
        let derived = |chain: &Chain| chain.ledger.reader().scan(DERIVED, None, usize::MAX).unwrap();
        assert_eq!(derived(&talked_to), derived(&quiet));
        talked_to = talked_to.reopen();
    }
    let leaf = |chain: &Chain| chain.ledger.reader().get_raw("chain/derived").unwrap().unwrap();
    assert_eq!(leaf(&talked_to), leaf(&quiet));
    assert_eq!(quiet.ledger.reader().get_raw("derived/digest").unwrap(), Some(leaf(&quiet)));
    // A name may look like a key of derived state, or of the leaf: it is only a part of one.
    let refused = Chain::codes(&quiet.run(&[datanet(9, "../digest", 1)]));
    assert_eq!(refused, [code::DATANET_INVALID]);
    println!(
        "derived divergence: fees and stakes paid, nothing gained; both nodes have the same root and the same derived state"
    );
}
