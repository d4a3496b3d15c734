//! Gas that is stated and not taken, and proposals that hold more of it than a block.

use std::time::Instant;

use bytes::Bytes;
use datanet_ledger::app::Verdict;
use datanet_ledger::code;
use datanet_ledger::component::Params;
use datanet_types::action::Transfer;
use datanet_types::{Action, TxBody};

use crate::support::{Chain, address, body, genesis_with, signed, transfer};

fn pay() -> Action {
    Action::Transfer(Transfer { to: address(9), amount: 1 })
}

#[test]
fn limits_that_are_never_used_are_placed_and_paid() {
    const HOG: u8 = 1;
    const WAITING: u64 = 200;
    let chain = Chain::empty();
    chain.init_with(&genesis_with(
        &serde_json::json!({ "challenge_seconds": 0, "gas_price": Params::default().gas_price }),
    ));
    let most = Params::default().tx_gas();
    let before = chain.run(&[]).outcomes.len() as u64 + chain.balance(HOG);
    let hog = |nonce| signed(HOG, &TxBody { gas_limit: most, fee: 2_000_000, ..body(pay(), 900, nonce) });
    let mut mempool: Vec<Bytes> = (0..WAITING).map(hog).collect();
    for tx in &mempool {
        let outcome = chain.ledger.check_tx(tx, false).unwrap();
        assert!(outcome.is_ok(), "{}", outcome.log);
    }
    let more = signed(HOG, &TxBody { gas_limit: most + 1, fee: 2_000_000, ..body(pay(), 900, 999) });
    assert_eq!(chain.ledger.check_tx(&more, false).unwrap().code, code::GAS_LIMIT);
    // Twenty blocks in which somebody else sends one thing with a tip of one base unit.
    let mut placed = 0;
    for nonce in 0..20 {
        let other = signed(5, &TxBody { tip: 1, gas_limit: 300_000, ..body(pay(), 900, nonce) });
        let all: Vec<Bytes> = mempool.iter().cloned().chain([other]).collect();
        let chosen = chain.ledger.prepare_proposal(&chain.block(&all), u64::MAX).unwrap();
        placed += chosen.iter().filter(|tx| mempool.contains(tx)).count();
        mempool.retain(|tx| !chosen.contains(tx));
        chain.run(&chosen);
    }
    let paid = before - chain.balance(HOG);
    println!(
        "idle limits: of {WAITING} transactions that state a quarter of a block each {placed} were placed, for {paid} base units"
    );
    assert_eq!((placed as u64, mempool.len()), (WAITING, 0));
    assert!(paid >= WAITING * 1_000);
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the measurement may look at the clock")]
fn a_proposal_that_holds_too_much_is_executed_no_further_than_a_block_goes() {
    let chain = Chain::empty();
    chain.init_with(&genesis_with(&serde_json::json!({ "block_gas": 300_000_000 })));
    chain.run(&[]);
    let all: Vec<Bytes> = (0..6_000).map(|nonce| transfer(1 + (nonce % 9) as u8, 200, 1, nonce)).collect();
    // Signatures are known, as those of a mempool are.
    for tx in &all {
        assert!(chain.ledger.check_tx(tx, false).unwrap().is_ok());
    }
    let time = |txs: &[Bytes]| {
        let begun = Instant::now();
        let verdict = chain.process(txs);
        (verdict, begun.elapsed())
    };
    let (verdict, whole) = time(&all[..1_000]);
    assert_eq!(verdict, Verdict::Accept);
    let (verdict, wasted) = time(&all);
    let Verdict::Reject(reason) = verdict else { panic!("6,000 transfers in 300 million of gas") };
    println!("a proposal of five blocks takes others {wasted:?}, one within the bounds {whole:?}: {reason}");
    // Twice the transactions are looked up as are executed; all of them would take six times as long.
    assert!(wasted < whole * 4, "{wasted:?} and {whole:?}");
}
