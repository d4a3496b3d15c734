//! Transactions as large as they may be, at the smallest fee: everybody keeps them for ever.

use datanet_ledger::app::Verdict;
use datanet_ledger::code;
use datanet_types::action::{Claim, ClaimItem};
use datanet_types::sum_tree::{SumNode, SumProof};
use datanet_types::{Action, Digest, TxBody};

use crate::support::{BALANCE, Chain, FEE, address, body, key, signed, transfer};

/// A claim of what nobody has settled, with as long proofs as there may be.
fn large(nonce: u64, fee: u64) -> TxBody {
    let siblings = vec![SumNode { digest: Digest([9; 32]), sum: u64::MAX }; 64];
    let item = |epoch| {
        let proof = SumProof { index: 1, total: u64::MAX, siblings: siblings.clone() };
        ClaimItem { node: key(100).node_key(), epoch, amount: 1, proof }
    };
    let claim = Claim { account: address(2), items: (1..=64).map(item).collect() };
    TxBody { fee, gas_limit: 20_000_000, ..body(Action::Claim(claim), 100, nonce) }
}

#[test]
fn whoever_makes_everybody_keep_much_pays_by_the_byte() {
    let chain = Chain::new();
    let cheap = signed(1, &large(1, 100 * FEE));
    assert!(cheap.len() > 150_000, "{}", cheap.len());
    let Verdict::Reject(reason) = chain.process(std::slice::from_ref(&cheap)) else {
        panic!("for less than its bytes")
    };
    assert!(reason.contains("does not pay"), "{reason}");
    // Decided against us all the same, it takes nothing and leaves nothing.
    assert_eq!(Chain::codes(&chain.run(&[cheap])), [code::FEE]);
    assert_eq!(chain.balance(1), BALANCE);
    let dear = signed(1, &large(2, 1_000_000));
    let size = dear.len() as u64;
    chain.run(&[dear]);
    let paid = BALANCE - chain.balance(1);
    println!("large for nothing: {size} bytes for {paid} base units, whatever becomes of them");
    assert!(paid >= size);
    // What people send costs what it did.
    assert_eq!(Chain::codes(&chain.run(&[transfer(1, 2, 5, 9)])), [code::OK]);
    assert_eq!(chain.balance(1), BALANCE - paid - 5 - FEE);
}
