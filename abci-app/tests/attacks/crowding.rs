//! Blocks filled by whoever pays most, while judges have a deadline.

use bytes::Bytes;
use datanet_ledger::app::Block;
use datanet_ledger::component::params;
use datanet_types::action::{CommitScores, Transfer};
use datanet_types::{Action, Digest, TxBody};

use super::judging::{ATTACKER, HONEST, Judging};
use crate::support::{address, body, signed};

const TIP: u64 = 20_000;

#[test]
fn filling_blocks_at_any_price_keeps_no_judge_from_its_deadline() {
    let mut judging = Judging::new(1);
    let id = judging.give([7; 32]);
    for _ in 0..3 {
        judging.block(&[]);
    }
    let round = judging.round(&id);
    let drawn: Vec<u8> = HONEST.into_iter().filter(|who| round.member(&address(*who)).is_some()).collect();
    assert!(!drawn.is_empty());
    let before = judging.loot();

    // More than a block holds, each with a tip that nobody else pays, and all of it before the judges'.
    let expiry = judging.ledger.info().height + 100;
    let crowd = |nonce| {
        let action = Action::Transfer(Transfer { to: address(9), amount: 1 });
        signed(ATTACKER, &TxBody { tip: TIP, gas_limit: 300_000, ..body(action, expiry, 1_000_000 + nonce) })
    };
    let most = params::get(&judging.ledger.reader()).unwrap().block_gas / 100_000;
    let mut txs: Vec<Bytes> = (0..most).map(crowd).collect();
    let commitment = Digest([1; 32]);
    let commit = |who: &u8| judging.sign(*who, Action::CommitScores(CommitScores { contribution: id, commitment }));
    let commits: Vec<Bytes> = drawn.iter().map(commit).collect();
    txs.extend(commits.iter().cloned());

    let height = judging.ledger.info().height + 1;
    let block = Block::alone(height, judging.idle + 1_000 + height as i64, [0; 32], &txs);
    let chosen = judging.ledger.prepare_proposal(&block, u64::MAX).unwrap();
    assert!(chosen.len() < txs.len(), "the crowd fits into a block");
    let first: Vec<&Bytes> = chosen.iter().take(commits.len()).collect();
    assert!(commits.iter().all(|commit| first.contains(&commit)), "a judge's commitment waits behind the crowd");
    let done = judging.block(&chosen);
    assert!(done.outcomes.iter().all(|outcome| outcome.is_ok()));
    let paid = before - judging.loot();
    println!("crowding: one full block cost {paid} base units; of {} commitments, all were in it", commits.len());
    assert!(paid > TIP * 1_000);
}
