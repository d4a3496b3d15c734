//! Blocks: executed once, replayed to the same hash, agreed on.

use bytes::Bytes;
use datanet_ledger::app::{AppError, Block, Verdict};
use datanet_ledger::code;
use datanet_ledger::component::{ConsensusInfo, Misbehaviour, Vote};
use datanet_types::action::Transfer;
use datanet_types::{Action, ConsensusAddress};
use proptest::prelude::*;

use crate::support::{BALANCE, Chain, FEE, address, body, signed, transfer};

#[test]
fn a_restart_before_the_first_commit_starts_anew_with_the_same_hash() {
    let chain = Chain::empty();
    let hash = chain.init();
    chain.finalize(&[transfer(1, 2, 5, 1)]);
    let chain = chain.reopen();
    assert_eq!(chain.ledger.info().height, 0);
    assert_eq!(chain.init(), hash);
}

#[test]
fn a_block_lost_before_its_commit_replays_to_the_same_hash() {
    let chain = Chain::new();
    chain.run(&[]);
    let txs = [transfer(1, 2, 5, 1), transfer(2, 3, 7, 2)];
    let lost = chain.finalize(&txs);
    let chain = chain.reopen();
    assert_eq!(chain.ledger.info().height, 1);
    assert_eq!(chain.balance(2), BALANCE);
    assert_eq!(chain.finalize(&txs), lost);
    chain.ledger.commit().unwrap();
    let chain = chain.reopen();
    assert_eq!(chain.ledger.info().height, 2);
    assert_eq!(chain.ledger.info().app_hash, lost.app_hash);
    assert_eq!(chain.balance(2), BALANCE + 5 - 7 - FEE);
}

#[test]
fn a_proposal_is_executed_once() {
    let chain = Chain::new();
    let offered = [transfer(1, 2, 5, 1), transfer(1, 3, 5, 2)];
    let txs = chain.ledger.prepare_proposal(&chain.block(&offered), 1 << 20).unwrap();
    assert_eq!(txs, offered);
    assert_eq!(chain.process(&txs), Verdict::Accept);
    chain.run(&txs);
    assert_eq!(chain.ledger.app().executions(), 1);
    // What another node proposed is executed by its first sight too.
    let txs = [transfer(1, 2, 5, 3)];
    assert_eq!(chain.process(&txs), Verdict::Accept);
    assert_eq!(chain.process(&txs), Verdict::Accept);
    chain.run(&txs);
    assert_eq!(chain.ledger.app().executions(), 2);
}

#[test]
fn an_execution_counts_only_for_the_very_same_inputs() {
    let chain = Chain::new();
    let txs = [transfer(1, 2, 5, 1)];
    let alone = chain.block(&txs);
    let by = ConsensusInfo { proposer: ConsensusAddress([1; 20]), ..ConsensusInfo::default() };
    let vote = Vote { validator: ConsensusAddress([1; 20]), power: 1, signed: false };
    let voted = ConsensusInfo { last_commit: vec![vote], ..ConsensusInfo::default() };
    let caught = Misbehaviour { validator: ConsensusAddress([1; 20]), height: 1, time_seconds: 1 };
    let accused = ConsensusInfo { misbehaviour: vec![caught], ..ConsensusInfo::default() };
    let others = [&by, &voted, &accused].map(|consensus| Block { consensus, ..alone });
    let later = Block { time_seconds: alone.time_seconds + 1, ..alone };
    for (executed, block) in (1..).zip([alone, others[0], others[1], others[2], later]) {
        for _ in 0..2 {
            assert_eq!(chain.ledger.process_proposal(&block).unwrap(), Verdict::Accept);
        }
        assert_eq!(chain.ledger.app().executions(), executed, "{block:?}");
    }
}

#[test]
fn of_several_proposals_the_decided_one_counts() {
    let chain = Chain::new();
    let (first, second) = ([transfer(1, 2, 5, 1)], [transfer(1, 2, 9, 2)]);
    chain.process(&first);
    chain.process(&second);
    chain.run(&first);
    assert_eq!(chain.balance(2), BALANCE + 5);
    assert_eq!(chain.ledger.app().executions(), 2);
}

#[test]
fn the_app_hash_is_that_of_the_state_and_an_empty_block_keeps_it() {
    let chain = Chain::new();
    let first = chain.run(&[]);
    let second = chain.run(&[]);
    assert_eq!(first.app_hash, second.app_hash);
    assert_eq!(chain.ledger.info().height, 2);
}

#[test]
fn a_failing_transaction_is_a_code_and_pays_its_fee() {
    let chain = Chain::new();
    let block = chain.run(&[transfer(1, 2, BALANCE * 2, 1)]);
    assert_eq!(Chain::codes(&block), [code::FUNDS]);
    assert_eq!(chain.balance(1), BALANCE - FEE);
}

#[test]
fn a_transaction_is_executed_once_only() {
    let chain = Chain::new();
    let tx = transfer(1, 2, 5, 1);
    let block = chain.run(&[tx.clone(), tx.clone()]);
    assert_eq!(Chain::codes(&block), [code::OK, code::REPLAYED]);
    let block = chain.run(std::slice::from_ref(&tx));
    assert_eq!(Chain::codes(&block), [code::REPLAYED]);
    let record = chain.ledger.tx_result(&datanet_types::tx::tx_hash(&tx)).unwrap().unwrap();
    assert_eq!((record.height, record.code), (1, code::OK));
    let chain = chain.reopen();
    assert_eq!(Chain::codes(&chain.run(&[tx])), [code::REPLAYED]);
    assert_eq!(chain.balance(2), BALANCE + 5);
}

#[test]
fn the_result_of_a_transaction_outlives_a_block_that_repeats_it_after_its_expiry() {
    let chain = Chain::new();
    let action = Action::Transfer(Transfer { to: address(2), amount: 5 });
    let tx = signed(1, &body(action, 2, 1));
    chain.run(std::slice::from_ref(&tx));
    chain.run(&[]);
    assert_eq!(Chain::codes(&chain.run(std::slice::from_ref(&tx))), [code::EXPIRED]);
    let record = chain.ledger.tx_result(&datanet_types::tx::tx_hash(&tx)).unwrap().unwrap();
    assert_eq!((record.height, record.code), (1, code::OK));
}

#[test]
fn a_proposal_holds_only_what_verifies_and_fits() {
    let chain = Chain::new();
    let good = transfer(1, 2, 5, 1);
    let mut forged = transfer(1, 2, 6, 2).to_vec();
    let last = forged.len() - 1;
    forged[last] ^= 1;
    let forged = Bytes::from(forged);
    let offered = [forged.clone(), good.clone(), good.clone(), transfer(50, 2, 1, 3)];
    let kept = chain.ledger.prepare_proposal(&chain.block(&offered), 1 << 20).unwrap();
    assert_eq!(kept.as_slice(), std::slice::from_ref(&good));
    assert!(chain.ledger.prepare_proposal(&chain.block(&offered), good.len() as u64).unwrap().is_empty());
    assert!(matches!(chain.process(&[good, forged.clone()]), Verdict::Reject(_)));
    // Decided all the same, it is a refused transaction and nothing more.
    assert_eq!(Chain::codes(&chain.run(&[forged])), [code::SIGNATURE]);
}

#[test]
fn a_block_of_another_height_stops_the_node() {
    let chain = Chain::new();
    chain.run(&[]);
    let mut block = chain.block(&[]);
    block.height += 1;
    assert!(matches!(chain.ledger.finalize_block(&block), Err(AppError::WrongHeight { expected: 2, actual: 3 })));
    assert!(matches!(chain.ledger.commit(), Err(AppError::NothingDecided)));
}

#[test]
fn watchers_see_each_commit() {
    let chain = Chain::new();
    let (commits, mut events) = (chain.ledger.commits(), chain.ledger.events());
    let tx = transfer(1, 2, 5, 1);
    let finalized = chain.run(std::slice::from_ref(&tx));
    assert_eq!(commits.borrow().height, 1);
    assert_eq!(commits.borrow().app_hash, finalized.app_hash);
    let block = events.try_recv().unwrap();
    assert_eq!(block.txs, [(datanet_types::tx::tx_hash(&tx), code::OK)]);
    assert!(!block.events.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn two_applications_fed_the_same_blocks_agree(
        blocks in proptest::collection::vec(
            proptest::collection::vec((1u8..12, 1u8..12, 0..BALANCE, 0u64..6), 0..8), 1..5),
        restart in any::<proptest::sample::Index>(),
    ) {
        let mut left = Chain::new();
        let right = Chain::new();
        let restart = restart.index(blocks.len());
        for (index, block) in blocks.iter().enumerate() {
            let txs: Vec<Bytes> = block.iter().map(|&(from, to, amount, nonce)| transfer(from, to, amount, nonce)).collect();
            // One checks and proposes, the other only executes; one loses a block half-way.
            for tx in &txs {
                left.ledger.check_tx(tx, false).unwrap();
            }
            left.process(&txs);
            if index == restart {
                left.finalize(&txs);
                left = left.reopen();
                if index == 0 {
                    left.init();
                }
            }
            prop_assert_eq!(left.run(&txs), right.run(&txs));
        }
        prop_assert_eq!(left.ledger.info(), right.ledger.info());
    }
}
