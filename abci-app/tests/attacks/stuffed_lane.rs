//! The room that blocks keep for what has a deadline, filled by somebody who only registers.

use bytes::Bytes;
use datanet_ledger::app::Block;
use datanet_ledger::code;
use datanet_ledger::component::Params;
use datanet_types::action::{CommitScores, RegisterNode, SettleEpoch, role};
use datanet_types::epoch::{EpochTotals, FeeShares};
use datanet_types::voucher::SignedVoucher;
use datanet_types::{Action, BlobHash, ChannelId, Digest, TxBody};

use super::judging::{HONEST, Judging};
use crate::support::{CHAIN, address, body, key, signed};

/// Settlements that cannot be done need a registration for one fee, and their tips are above the judges'.
#[test]
fn whoever_serves_without_a_stake_keeps_no_judge_from_its_deadline() {
    const STUFFER: u8 = 7;
    const TIP: u64 = 1;
    let mut judging = Judging::new(1);
    let node = key(207);
    let proof = node.sign(&RegisterNode::sign_bytes(CHAIN, &address(STUFFER), &node.node_key()));
    let register = RegisterNode { node: node.node_key(), proof, roles: role::SERVING, stake: 0, name: "x".to_owned() };
    judging.done(STUFFER, Action::RegisterNode(register));
    let id = judging.give([7; 32]);
    for _ in 0..3 {
        judging.block(&[]);
    }
    let round = judging.round(&id);
    let drawn: Vec<u8> = HONEST.into_iter().filter(|who| round.member(&address(*who)).is_some()).collect();
    assert!(!drawn.is_empty());
    let expiry = judging.ledger.info().height + 100;
    let fees = 100_000;
    let junk = |nonce: u64| {
        let totals = EpochTotals { answers: 1, fees, split: FeeShares::STANDARD.split(fees), unearned: 0 };
        let vouchers = vec![SignedVoucher::sign(CHAIN, ChannelId([9; 32]), fees, &key(STUFFER))];
        let action = SettleEpoch {
            node: node.node_key(),
            epoch: 99, // never its next
            root: Digest([1; 32]),
            totals,
            vouchers,
            statement: BlobHash([9; 32]),
            accounts: 1,
            receipts: Digest([8; 32]),
            params: 0,
            carries: None,
            taken: Vec::new(),
        };
        signed(STUFFER, &TxBody { tip: TIP, gas_limit: 400_000, ..body(Action::SettleEpoch(action), expiry, nonce) })
    };
    let most = Params::default().block_gas / 150_000;
    let mut txs: Vec<Bytes> = (0..most).map(junk).collect();
    // Admission does not take them; a proposer may.
    assert_eq!(judging.ledger.check_tx(&txs[0], false).unwrap().code, code::EPOCH_ORDER);
    let commitment = Digest([1; 32]);
    let commits: Vec<Bytes> = drawn
        .iter()
        .map(|who| judging.sign(*who, Action::CommitScores(CommitScores { contribution: id, commitment })))
        .collect();
    txs.extend(commits.iter().cloned());
    let height = judging.ledger.info().height + 1;
    let block = Block::alone(height, judging.idle + 1_000 + height as i64, [0; 32], &txs);
    let chosen = judging.ledger.prepare_proposal(&block, u64::MAX).unwrap();
    let heard = commits.iter().filter(|commit| chosen.contains(commit)).count();
    let gas: u64 = judging.block(&chosen).outcomes.iter().map(|outcome| outcome.gas_used).sum();
    println!(
        "urgent lane: a whole block of junk settlements ({} places) costs {} base units and {} of tips; of {} commitments {heard} got in",
        chosen.len(),
        (gas * Params::default().gas_price / 1_000).max(chosen.len() as u64 * 1_000),
        chosen.len() as u64 * TIP,
        commits.len()
    );
    assert_eq!(heard, commits.len(), "who is drawn is heard before who registers");
}
