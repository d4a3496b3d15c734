//! Whatever comes in, nothing panics.

use bytes::Bytes;
use datanet_ledger::app::{Block, InitChain};
use datanet_ledger::query::{Query, answer};
use proptest::prelude::*;

use crate::support::{Chain, transfer};

fn bytes() -> impl Strategy<Value = Bytes> {
    let random = proptest::collection::vec(any::<u8>(), 0..300);
    // Near misses: a good transaction with a few bytes changed.
    let edits = proptest::collection::vec((any::<proptest::sample::Index>(), 1u8..), 1..4);
    let near = (edits, any::<u64>()).prop_filter_map("two edits undo each other", |(edits, nonce)| {
        let good = transfer(1, 2, 5, nonce);
        let mut tx = good.to_vec();
        for (index, flip) in edits {
            let index = index.index(tx.len());
            tx[index] ^= flip;
        }
        (tx != good).then_some(tx)
    });
    prop_oneof![random, near].prop_map(Bytes::from)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn transactions_of_garbage_are_refused_by_every_entry(txs in proptest::collection::vec(bytes(), 1..6), room in any::<u64>()) {
        let chain = Chain::new();
        let before = chain.run(&[]).app_hash;
        for tx in &txs {
            prop_assert!(!chain.ledger.check_tx(tx, false).unwrap().is_ok());
            prop_assert!(!chain.ledger.check_tx(tx, true).unwrap().is_ok());
        }
        prop_assert!(chain.ledger.prepare_proposal(&chain.block(&txs), room).unwrap().is_empty());
        chain.process(&txs);
        let block = chain.run(&txs);
        prop_assert!(block.outcomes.iter().all(|outcome| !outcome.is_ok()));
        prop_assert_eq!(block.app_hash, before);
    }

    #[test]
    fn a_genesis_of_garbage_is_refused(app_state in proptest::collection::vec(any::<u8>(), 0..200), height in any::<u64>()) {
        let init = InitChain { chain_id: "x", initial_height: height, app_state: &app_state };
        prop_assert!(Chain::empty().ledger.init_chain(&init).is_err());
    }

    #[test]
    fn questions_of_garbage_get_an_answer(
        path in prop_oneof![".{0,20}", Just("/store/key".to_owned()), Just("/params".to_owned())],
        data in proptest::collection::vec(any::<u8>(), 0..60),
        height in prop_oneof![0u64..5, any::<u64>()],
        prove in any::<bool>(),
    ) {
        let chain = Chain::new();
        chain.run(&[]);
        answer(&chain.ledger.reader(), &Query { path: &path, data: &data, height, prove }).unwrap();
    }

    #[test]
    fn blocks_at_odd_heights_and_times_do_not_panic(height in any::<u64>(), time_seconds in any::<i64>()) {
        let chain = Chain::new();
        let block = Block::alone(height, time_seconds, [0; 32], &[]);
        let _ = chain.ledger.process_proposal(&block);
        let _ = chain.ledger.prepare_proposal(&block, 0);
        let _ = chain.ledger.finalize_block(&block);
        let _ = chain.ledger.commit();
    }
}
