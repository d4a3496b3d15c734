//! What a claim weighs, by how many accounts earned in its epochs.

use datanet_types::action::{Claim, ClaimItem};
use datanet_types::epoch::{EpochLeaf, MAX_ACCOUNTS};
use datanet_types::sum_tree::{SumNode, prove, root};
use datanet_types::tx::MAX_TX_BYTES;
use datanet_types::{Action, Address, NodeKey};

use crate::support::{CHAIN, address, body, signed};

const NODE: NodeKey = NodeKey([7; 32]);

fn tree(accounts: u64) -> Vec<SumNode> {
    let account = |n: u64| {
        let mut address = [0; 20];
        address[..8].copy_from_slice(&n.to_be_bytes());
        Address(address)
    };
    let leaf = |n| EpochLeaf { account: account(n).into(), amount: 1_000_000 + n }.node(CHAIN, &NODE, 1_000);
    (0..accounts).map(leaf).collect()
}

/// Bytes of a signed claim of so many epochs, in each of which so many accounts earned.
fn size(accounts: u64, epochs: usize) -> usize {
    let tree = tree(accounts);
    let (index, top) = (tree.len() / 3, root(&tree).unwrap());
    let proof = prove(&tree, index).unwrap().unwrap();
    assert!(proof.verify(tree[index], &top));
    let item = ClaimItem { node: NODE, epoch: 1_000, amount: tree[index].sum, proof };
    let claim = Claim { account: address(1), items: vec![item; epochs] };
    signed(1, &body(Action::Claim(claim), 100, 1)).len()
}

#[test]
fn a_claim_grows_with_the_logarithm_of_the_accounts_and_64_epochs_fit_into_a_transaction() {
    for accounts in [10, 1_000, 100_000] {
        println!("{accounts} accounts: {} bytes for one epoch, {} for 64", size(accounts, 1), size(accounts, 64));
    }
    assert!(size(100_000, 1) < 2 * size(1_000, 1));
    assert!(size(MAX_ACCOUNTS, 64) < MAX_TX_BYTES / 2);
}
