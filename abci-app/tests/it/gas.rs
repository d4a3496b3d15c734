//! Gas: stated, counted, paid for, and bounded by a block.

use bytes::Bytes;
use datanet_ledger::app::Verdict;
use datanet_ledger::code;
use datanet_ledger::component::{Params, intrinsic_gas};
use datanet_types::action::Transfer;
use datanet_types::{Action, SignedTx, TxBody};

use crate::support::{BALANCE, CHAIN, Chain, FEE, GAS, MOST, address, body, genesis_with, signed, transfer};

fn pay(nonce: u64) -> TxBody {
    body(Action::Transfer(Transfer { to: address(2), amount: 5 }), 100, nonce)
}

/// Where gas has the default price.
fn priced() -> Chain {
    let chain = Chain::empty();
    chain.init_with(&genesis_with(&serde_json::json!({ "gas_price": Params::default().gas_price })));
    chain
}

fn intrinsic(tx: &Bytes) -> u64 {
    intrinsic_gas(&SignedTx::verify(tx, CHAIN).unwrap())
}

#[test]
fn what_is_not_taken_is_not_paid() {
    let chain = priced();
    let outcome = chain.run(&[signed(1, &pay(1))]).outcomes.remove(0);
    assert_eq!((outcome.code, outcome.gas_wanted), (code::OK, GAS));
    assert!(outcome.gas_used < 400_000, "{}", outcome.gas_used);
    assert_eq!(chain.balance(1), BALANCE - 5 - FEE);
    let told = chain.ledger.tx_result(&outcome.hash).unwrap().unwrap();
    assert_eq!(told.gas_used, outcome.gas_used);
}

#[test]
fn a_limit_that_does_not_last_is_paid_and_nothing_is_done() {
    let chain = priced();
    let least = intrinsic(&signed(1, &pay(1)));
    let short = signed(1, &TxBody { gas_limit: least + 20_000, ..pay(1) });
    let outcome = chain.run(std::slice::from_ref(&short)).outcomes.remove(0);
    assert_eq!((outcome.code, outcome.gas_used), (code::OUT_OF_GAS, least + 20_000), "{}", outcome.log);
    assert!(outcome.log.contains("higher limit"), "{}", outcome.log);
    let cost = Params::default().fee_of(outcome.gas_used, short.len() as u64);
    assert_eq!((chain.balance(1), chain.balance(2)), (BALANCE - cost, BALANCE));
    // As long as it lasts for what is done, it lasts: the very limit that an estimate tells is enough.
    let told = chain.ledger.estimate(&signed(1, &TxBody { gas_limit: 0, fee: 0, ..pay(2) })).unwrap();
    let exact = signed(1, &TxBody { gas_limit: told.gas_used + 400, ..pay(2) });
    assert_eq!(Chain::codes(&chain.run(&[exact])), [code::OK]);
}

#[test]
fn limits_that_cannot_be_are_refused_before_anything_is_paid() {
    let chain = priced();
    let least = intrinsic(&signed(1, &pay(1)));
    let most = Params::default().tx_gas();
    for gas_limit in [0, least - 100, most + 1, u64::MAX] {
        let tx = signed(1, &TxBody { gas_limit, fee: u64::MAX, ..pay(1) });
        assert_eq!(chain.ledger.check_tx(&tx, false).unwrap().code, code::GAS_LIMIT, "{gas_limit}");
        assert!(matches!(chain.process(std::slice::from_ref(&tx)), Verdict::Reject(_)), "{gas_limit}");
        assert_eq!(Chain::codes(&chain.run(&[tx])), [code::GAS_LIMIT]);
    }
    assert_eq!(chain.balance(1), BALANCE);
    let unaffordable = signed(1, &TxBody { tip: BALANCE, fee: u64::MAX, ..pay(1) });
    assert_eq!(chain.ledger.check_tx(&unaffordable, false).unwrap().code, code::FUNDS);
    let untold = signed(1, &TxBody { tip: MOST, ..pay(1) });
    assert_eq!(chain.ledger.check_tx(&untold, false).unwrap().code, code::FEE);
}

/// What a node has in memory is its own: gas is part of a block's results, and must not depend on it.
#[test]
fn gas_does_not_depend_on_what_a_node_has_in_memory() {
    let (proposer, other) = (priced(), priced());
    // The first cannot pay for its place, but what it read lies warm.
    let poor = signed(1, &TxBody { tip: BALANCE, fee: u64::MAX, ..pay(7) });
    let txs = [poor, transfer(1, 2, 5, 1), transfer(3, 1, 5, 2), transfer(1, 4, 5, 3)];
    let chosen = proposer.ledger.prepare_proposal(&proposer.block(&txs), u64::MAX).unwrap();
    assert_eq!(chosen, txs[1..]);
    let (ours, theirs) = (proposer.run(&chosen), other.run(&chosen));
    assert_eq!(ours, theirs);
    assert!(ours.outcomes.iter().all(|outcome| outcome.gas_used > 100_000));
    let other = other.reopen();
    assert_eq!(proposer.run(&[transfer(1, 2, 5, 9)]), other.run(&[transfer(1, 2, 5, 9)]));
}

#[test]
fn a_block_holds_so_much_gas_and_so_many_bytes() {
    let chain = Chain::empty();
    chain.init_with(&genesis_with(
        &serde_json::json!({ "block_gas": 300_000_000, "max_block_bytes": 600_000, "gas_price": 1 }),
    ));
    let gas = |from: u8, nonce| signed(from, &TxBody { gas_limit: 75_000_000, ..pay(nonce) });
    // Five limits of 75 million are more than a block's; what those before did not take leaves room for the last.
    let five: Vec<Bytes> = (3..8).map(|from| gas(from, from.into())).collect();
    assert_eq!(chain.ledger.prepare_proposal(&chain.block(&five), u64::MAX).unwrap(), five);
    assert_eq!(chain.process(&five), Verdict::Accept);
    let many: Vec<Bytes> = (0..1_800).map(|nonce| transfer(3 + (nonce % 7) as u8, 2, 5, 100 + nonce)).collect();
    let kept = chain.ledger.prepare_proposal(&chain.block(&many), u64::MAX).unwrap();
    assert!((600..1_800).contains(&kept.len()), "{}", kept.len());
    assert_eq!(chain.process(&kept), Verdict::Accept);
    let Verdict::Reject(reason) = chain.process(&many) else { panic!("1,800 transfers in 300 million of gas") };
    assert!(reason.contains("more than a block holds"), "{reason}");
    let block = chain.run(&kept);
    let sum: u64 = block.outcomes.iter().map(|outcome| outcome.gas_used).sum();
    assert!(block.outcomes.iter().all(|outcome| outcome.is_ok()) && sum <= 300_000_000, "{sum}");
}

#[test]
fn tips_buy_a_place_before_others_and_are_paid() {
    let chain = priced();
    let tipped = |from, tip, nonce| signed(from, &TxBody { tip, ..pay(nonce) });
    let txs = [tipped(1, 0, 1), tipped(3, 10, 2), tipped(4, 2_000, 3), tipped(1, 90_000, 4)];
    let order = chain.ledger.prepare_proposal(&chain.block(&txs), u64::MAX).unwrap();
    assert_eq!(order, [&txs[2], &txs[1], &txs[0], &txs[3]].map(Clone::clone));
    chain.run(&order);
    assert_eq!(chain.balance(4), BALANCE - 5 - FEE - 2_000);
}
