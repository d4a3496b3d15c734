//! The beacon: a block begins with its proposer's proof, or gets no vote.

use bytes::Bytes;
use datanet_ledger::LedgerHandle;
use datanet_ledger::app::{Block, Verdict};
use datanet_ledger::code::{self, Code};
use datanet_ledger::component::{ConsensusInfo, accounts, beacon, staking};
use datanet_types::beacon::BeaconInput;
use datanet_types::tx::tx_hash;
use datanet_types::{BeaconProof, Digest};
use proptest::prelude::*;

use crate::support::{
    BALANCE, CHAIN, Chain, FEE, beacon_secret, beacon_tx, genesis_of_validators, proposed_by, transfer,
};

const PROPOSER: u8 = 7;
const OTHER: u8 = 8;

/// Where persons 7 and 8 validate; this node is person `n`'s.
fn of(n: u8) -> Chain {
    let chain = Chain::empty_of(n);
    chain.init_with(&genesis_of_validators(&[PROPOSER, OTHER]));
    chain
}

fn block<'a>(chain: &Chain, consensus: &'a ConsensusInfo, txs: &'a [Bytes]) -> Block<'a> {
    Block { consensus, ..chain.block(txs) }
}

fn process(chain: &Chain, proposer: u8, txs: &[Bytes]) -> Verdict {
    chain.ledger.process_proposal(&block(chain, &proposed_by(proposer), txs)).unwrap()
}

fn decide(chain: &Chain, proposer: u8, txs: &[Bytes]) -> Vec<Code> {
    let finalized = chain.ledger.finalize_block(&block(chain, &proposed_by(proposer), txs)).unwrap();
    chain.ledger.commit().unwrap();
    Chain::codes(&finalized)
}

fn prepare(chain: &Chain, proposer: u8, txs: &[Bytes], max_bytes: u64) -> Vec<Bytes> {
    chain.ledger.prepare_proposal(&block(chain, &proposed_by(proposer), txs), max_bytes).unwrap()
}

fn value(ledger: &LedgerHandle) -> Digest {
    beacon::value(&ledger.reader(), CHAIN).unwrap()
}

#[test]
fn a_proposed_block_begins_with_a_proof_and_is_executed_once() {
    let (chain, other) = (of(PROPOSER), of(OTHER));
    let mut before = value(&chain.ledger);
    for nonce in 0..3 {
        let offered = [transfer(1, 2, 5, nonce), transfer(3, 4, 5, nonce)];
        let txs = prepare(&chain, PROPOSER, &offered, 1 << 20);
        assert_eq!((&txs[0], &txs[1..]), (&beacon_tx(&chain.ledger, PROPOSER), &offered[..]));
        for chain in [&chain, &other] {
            assert_eq!(process(chain, PROPOSER, &txs), Verdict::Accept);
            assert_eq!(decide(chain, PROPOSER, &txs), [code::OK; 3]);
            assert_eq!(chain.ledger.app().executions(), nonce + 1);
        }
        assert_eq!((value(&chain.ledger), chain.ledger.info()), (value(&other.ledger), other.ledger.info()));
        assert_ne!(value(&chain.ledger), before);
        before = value(&chain.ledger);
    }
}

#[test]
fn the_beacon_moves_by_what_the_proposer_has_no_choice_of() {
    let (one, two) = (of(PROPOSER), of(PROPOSER));
    let before = value(&one.ledger);
    let txs = |chain: &Chain, offered: &[Bytes]| prepare(chain, PROPOSER, offered, 1 << 20);
    decide(&one, PROPOSER, &txs(&one, &[transfer(1, 2, 5, 1)]));
    decide(&two, PROPOSER, &txs(&two, &[transfer(3, 4, 9, 1), transfer(1, 2, 5, 1)]));
    assert_eq!(value(&one.ledger), value(&two.ledger));
    let input = BeaconInput::of_block(CHAIN, 1, &before);
    let secret = beacon_secret(PROPOSER);
    let output = secret.key().verify(&input, &secret.prove(&input)).unwrap();
    assert_eq!(value(&one.ledger), output.moves(&before), "anybody can make it again");
}

#[test]
fn a_proof_that_is_missing_wrong_or_not_at_its_place_gets_no_vote() {
    let chain = of(PROPOSER);
    let former = beacon_tx(&chain.ledger, PROPOSER);
    decide(&chain, PROPOSER, std::slice::from_ref(&former));
    let (good, pay) = (beacon_tx(&chain.ledger, PROPOSER), transfer(1, 2, 5, 1));
    let of_height = |height| -> Bytes {
        let input = BeaconInput::of_block(CHAIN, height, &value(&chain.ledger));
        beacon_secret(PROPOSER).prove(&input).to_tx().into()
    };
    let cut = good.slice(..good.len() - 1);
    let long: Bytes = [&good[..], &[0]].concat().into();
    for (txs, words) in [
        (vec![], "does not begin with the proof"),
        (vec![pay.clone()], "does not begin with the proof"),
        (vec![pay.clone(), good.clone()], "does not begin with the proof"),
        (vec![cut], "does not begin with the proof"),
        (vec![long], "does not begin with the proof"),
        (vec![former], "is not that of beacon key"),
        (vec![of_height(1)], "is not that of beacon key"),
        (vec![of_height(3)], "is not that of beacon key"),
        (vec![beacon_tx(&chain.ledger, OTHER)], "is not that of beacon key"),
        (vec![BeaconProof::ZERO.to_tx().into()], "is not that of beacon key"),
        (vec![good.clone(), good.clone()], "first transaction of a block"),
        (vec![good.clone(), pay.clone(), good.clone()], "first transaction of a block"),
    ] {
        let Verdict::Reject(reason) = process(&chain, PROPOSER, &txs) else { panic!("{words}") };
        assert!(reason.contains(words), "{reason:?} does not say {words:?}");
    }
    assert!(matches!(process(&chain, OTHER, &[good.clone(), pay.clone()]), Verdict::Reject(_)), "the proof of another");
    assert_eq!(process(&chain, PROPOSER, &[good, pay]), Verdict::Accept);
}

#[test]
fn nobody_sends_a_proof() {
    let chain = of(PROPOSER);
    let outcome = chain.ledger.check_tx(&beacon_tx(&chain.ledger, PROPOSER), false).unwrap();
    assert_eq!(outcome.code, code::BEACON);
    assert!(outcome.log.contains("put there by who proposes it"), "{}", outcome.log);
    let offered = [beacon_tx(&chain.ledger, PROPOSER), transfer(1, 2, 5, 1)];
    assert_eq!(
        prepare(&chain, PROPOSER, &offered, 1 << 20),
        offered,
        "one of its own, and not the one that is offered"
    );
}

#[test]
fn what_is_decided_all_the_same_is_executed_alike_and_moves_the_beacon_on() {
    let (one, two) = (of(PROPOSER), of(OTHER));
    let (pay, wrong) = (transfer(1, 2, 5, 1), beacon_tx(&one.ledger, OTHER));
    let before = value(&one.ledger);
    for chain in [&one, &two] {
        assert_eq!(decide(chain, PROPOSER, &[wrong.clone(), pay.clone()]), [code::BEACON, code::OK]);
    }
    assert_eq!((one.ledger.info(), value(&one.ledger)), (two.ledger.info(), value(&two.ledger)));
    assert_ne!(value(&one.ledger), before);
    assert_eq!(one.balance(2), BALANCE + 5);
    let again = beacon_tx(&one.ledger, PROPOSER);
    assert_eq!(decide(&one, PROPOSER, &[again.clone(), again]), [code::OK, code::BEACON]);
    assert!(decide(&one, PROPOSER, &[]).is_empty());
}

#[test]
fn a_validator_without_its_key_lets_its_turn_pass() {
    for chain in [of(OTHER), {
        let chain = Chain::empty();
        chain.init_with(&genesis_of_validators(&[PROPOSER, OTHER]));
        chain
    }] {
        let offered = [transfer(1, 2, 5, 1)];
        assert_eq!(prepare(&chain, PROPOSER, &offered, 1 << 20), [] as [Bytes; 0]);
        assert!(matches!(process(&chain, PROPOSER, &[]), Verdict::Reject(_)));
        // It goes on with what others propose.
        let txs = [beacon_tx(&chain.ledger, OTHER), offered[0].clone()];
        assert_eq!(process(&chain, OTHER, &txs), Verdict::Accept);
        assert_eq!(decide(&chain, OTHER, &txs), [code::OK; 2]);
    }
}

#[test]
fn a_proof_is_nobodys_transaction() {
    let chain = of(PROPOSER);
    let (proof, pay) = (beacon_tx(&chain.ledger, PROPOSER), transfer(1, 2, 5, 1));
    let mut events = chain.ledger.events();
    decide(&chain, PROPOSER, &[proof.clone(), pay.clone()]);
    assert_eq!(events.try_recv().unwrap().txs, [(tx_hash(&pay), code::OK)]);
    assert_eq!(chain.ledger.tx_result(&tx_hash(&proof)).unwrap(), None, "nothing is kept of it");
    assert!(chain.ledger.tx_result(&tx_hash(&pay)).unwrap().is_some());
    let proposer = staking::get(&chain.ledger.reader(), &proposed_by(PROPOSER).proposer).unwrap().unwrap();
    let earned = staking::earned(&chain.ledger.reader(), &proposer, &proposer.operator).unwrap();
    assert!((FEE / 2 - 1..=FEE / 2).contains(&earned), "half of the fee, rounded down by shares: {earned}");
    assert_eq!(accounts::balance(&chain.ledger.reader(), accounts::treasury()).unwrap(), FEE / 2);
}

#[test]
fn a_proof_has_its_place_in_the_blocks_size() {
    let chain = of(PROPOSER);
    let offered = [transfer(1, 2, 5, 1), transfer(3, 4, 5, 1)];
    let size = |tx: &Bytes| tx.len() as u64 + if tx.len() < 128 { 2 } else { 3 };
    let (proof, first) = (88 + 2, size(&offered[0]));
    assert_eq!(prepare(&chain, PROPOSER, &offered, proof + first - 1).len(), 1);
    assert_eq!(prepare(&chain, PROPOSER, &offered, proof + first).len(), 2);
    assert_eq!(prepare(&chain, PROPOSER, &offered, proof + first + size(&offered[1])).len(), 3);
}

#[test]
fn where_nobody_known_proposes_the_beacon_moves_by_hashes_and_a_proof_has_no_place() {
    let chain = of(PROPOSER);
    assert!(
        matches!(chain.process(&[beacon_tx(&chain.ledger, PROPOSER)]), Verdict::Reject(reason) if reason.contains("no validator"))
    );
    assert_eq!(chain.process(&[]), Verdict::Accept);
    let before = value(&chain.ledger);
    chain.run(&[]);
    let second = value(&chain.ledger);
    chain.run(&[]);
    assert!(before != second && second != value(&chain.ledger));
}

#[test]
fn a_chain_on_which_nothing_happens_rests_while_the_beacon_moves() {
    let chain = of(PROPOSER);
    decide(&chain, PROPOSER, &[beacon_tx(&chain.ledger, PROPOSER)]);
    let (before, root) = (value(&chain.ledger), chain.ledger.info().app_hash);
    decide(&chain, OTHER, &[beacon_tx(&chain.ledger, OTHER)]);
    assert_eq!(chain.ledger.info().app_hash, root, "a changed root is proven by one more block, at once");
    assert_ne!(value(&chain.ledger), before);
}

#[test]
fn the_beacon_outlives_a_restart() {
    let chain = of(PROPOSER);
    decide(&chain, PROPOSER, &[beacon_tx(&chain.ledger, PROPOSER)]);
    let (before, next) = (value(&chain.ledger), beacon_tx(&chain.ledger, OTHER));
    let chain = chain.reopen();
    assert_eq!(value(&chain.ledger), before);
    assert_eq!(process(&chain, OTHER, &[next]), Verdict::Accept);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn no_other_first_transaction_gets_a_vote(flip in 0usize..88, bit in 0u8..8, junk in prop::collection::vec(any::<u8>(), 0..200)) {
        let chain = of(PROPOSER);
        let mut changed = beacon_tx(&chain.ledger, PROPOSER).to_vec();
        changed[flip] ^= 1 << bit;
        for first in [Bytes::from(changed), Bytes::from(junk)] {
            let rejected = matches!(process(&chain, PROPOSER, &[first]), Verdict::Reject(_));
            prop_assert!(rejected);
        }
    }
}
