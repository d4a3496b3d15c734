//! What is refused around contributions and judging.

use datanet_types::action::{AttestStorage, CommitScores, Contribute, RevealScores, role};
use datanet_types::{BlobHash, ContributionId, DatanetId, Digest, NodeKey};

use super::Chain;
use super::harness::{BALANCE, BOND, STAKE, address, all, attest, contribute, node, register, reveal};
use crate::code;
use crate::component::Params;
use datanet_types::amount::DNT;

/// The least stake of a storage node.
const MIN: u64 = 10 * DNT;

fn chain() -> (Chain, DatanetId) {
    let mut chain = Chain::new();
    chain.validators(4);
    let datanet = chain.datanet();
    (chain, datanet)
}

#[test]
fn a_contribution_out_of_bounds_is_refused() {
    let (mut chain, datanet) = chain();
    let good = contribute(datanet, 1);
    let mut refused = |action: Contribute, words: &str| chain.refused(11, action, code::CONTRIBUTION_INVALID, words);
    refused(Contribute { size: 0, ..good.clone() }, "empty");
    refused(Contribute { records: 0, ..good.clone() }, "no records");
    refused(Contribute { blob: BlobHash::ZERO, ..good.clone() }, "blob");
    refused(Contribute { record_root: Digest::ZERO, ..good.clone() }, "record_root");
    refused(Contribute { origin: NodeKey::ZERO, ..good.clone() }, "origin");
    refused(Contribute { format: 77, ..good.clone() }, "format");
    refused(Contribute { size: u64::MAX, ..good.clone() }, "split it");
    refused(Contribute { records: u64::MAX, ..good }, "split it");
}

#[test]
fn a_bond_too_small_or_not_owned_is_refused() {
    let (mut chain, datanet) = chain();
    let small = Contribute { bond: 5, ..contribute(datanet, 1) };
    assert_eq!(BOND, 10_000_000);
    let words = "bond is 0.000005 DNT, this datanet wants at least 10 DNT";
    chain.refused(11, small, code::CONTRIBUTION_BOND, words);
    let rich = Contribute { bond: BALANCE, ..contribute(datanet, 1) };
    chain.refused(11, rich, code::FUNDS, "more");
}

#[test]
fn an_unknown_datanet_is_refused() {
    let (mut chain, _) = chain();
    chain.refused(11, contribute(DatanetId([77; 32]), 1), code::DATANET_UNKNOWN, "no datanet");
}

#[test]
fn without_validators_a_contribution_is_refused() {
    let mut chain = Chain::new();
    let datanet = chain.datanet();
    chain.act(0, register(0, role::STORAGE, MIN));
    chain.refused(11, contribute(datanet, 1), code::NO_VALIDATORS, "no validator");
}

#[test]
fn without_enough_nodes_to_keep_it_a_contribution_is_refused_before_it_costs_anything_but_a_fee() {
    let mut chain = Chain::new();
    let datanet = chain.datanet();
    chain.act(0, register(0, role::ALL, STAKE));
    chain.act(1, register(1, role::VALIDATOR, STAKE));
    chain.refused(
        11,
        contribute(datanet, 1),
        code::NO_KEEPERS,
        "wants 2 nodes to keep what it is given, and 1 storage",
    );
    chain.act(2, register(2, role::STORAGE, MIN));
    chain.act(11, contribute(datanet, 1));
    // Who keeps nothing any more is not counted, and who is counted once is not counted again.
    chain.act(2, register(2, role::STORAGE, MIN + 1));
    chain.act(0, register(0, role::VALIDATOR, STAKE));
    chain.refused(11, contribute(datanet, 2), code::NO_KEEPERS, "and 1 storage");
}

#[test]
fn a_storage_node_has_a_stake() {
    let mut chain = Chain::new();
    chain.refused(0, register(0, role::STORAGE, MIN - 1), code::NODE_STAKE, "a storage node needs at least 10 DNT");
    chain.refused(0, register(0, role::STORAGE | role::SERVING, 0), code::NODE_STAKE, "a storage node needs");
    chain.act(0, register(0, role::STORAGE, MIN));
    chain.act(0, register(0, role::SERVING, 0));
    // Who judges and keeps has one stake for both.
    chain.refused(0, register(0, role::ALL, MIN), code::NODE_STAKE, "a validator needs");
    chain.act(0, register(0, role::ALL, Params::default().min_stake));
}

#[test]
fn the_same_bytes_twice_are_refused_but_another_account_may_give_them() {
    let (mut chain, datanet) = chain();
    chain.give(11, datanet, 1);
    chain.refused(11, contribute(datanet, 1), code::CONTRIBUTION_TAKEN, "before");
    chain.give(12, datanet, 1);
}

#[test]
fn only_a_storage_node_attests_once_through_its_own_account() {
    let (mut chain, datanet) = chain();
    let id = chain.give_unkept(11, datanet, 1);
    chain.refused(11, attest(11, &id), code::NODE_UNKNOWN, "register");
    chain.refused(1, attest(0, &id), code::NODE_ACCOUNT, "belongs to");
    chain.act(12, register(12, role::SERVING, 0));
    chain.refused(12, attest(12, &id), code::NODE_ROLE, "a storage node");
    let unknown = AttestStorage { contribution: ContributionId([7; 32]), node: node(0) };
    chain.refused(0, unknown, code::CONTRIBUTION_UNKNOWN, "no contribution");
    chain.act(0, attest(0, &id));
    chain.refused(0, attest(0, &id), code::ATTESTED, "before");
}

#[test]
fn only_members_score_each_once_and_in_the_right_phase() {
    let (mut chain, datanet) = chain();
    let id = chain.give(11, datanet, 1);
    let committee = chain.committee(&id);
    let outsider = (0..4).find(|n| !committee.contains(n)).unwrap();
    chain.refused(outsider, chain.commit(outsider, &id, all(1)), code::NOT_IN_COMMITTEE, "not drawn");
    let empty = CommitScores { contribution: id, commitment: Digest::ZERO };
    chain.refused(committee[0], empty, code::SCORES_INVALID, "salt");
    let lost = CommitScores { contribution: ContributionId([7; 32]), commitment: Digest([1; 32]) };
    chain.refused(committee[0], lost, code::CONTRIBUTION_UNKNOWN, "no contribution");
    chain.act(committee[0], chain.commit(committee[0], &id, all(9_000)));
    chain.refused(committee[0], chain.commit(committee[0], &id, all(1)), code::SCORED_BEFORE, "can't be changed");
    chain.refused(committee[0], reveal(committee[0], &id, all(9_000)), code::WRONG_PHASE, "too early");
    for n in &committee[1..] {
        chain.act(*n, chain.commit(*n, &id, all(9_000)));
    }
    chain.refused(committee[0], chain.commit(committee[0], &id, all(1)), code::WRONG_PHASE, "too late to commit");
    let huge = all(10_001);
    chain.refused(committee[0], reveal(committee[0], &id, huge), code::SCORES_INVALID, "10000");
    chain.refused(committee[0], reveal(committee[0], &id, all(1)), code::COMMITMENT_MISMATCH, "exactly");
    let salt = RevealScores { salt: Digest([77; 32]), ..reveal(committee[0], &id, all(9_000)) };
    chain.refused(committee[0], salt, code::COMMITMENT_MISMATCH, "exactly");
    chain.act(committee[0], reveal(committee[0], &id, all(9_000)));
    chain.refused(committee[0], reveal(committee[0], &id, all(9_000)), code::SCORED_BEFORE, "can't be changed");
}

#[test]
fn a_copied_commitment_can_not_be_revealed() {
    let (mut chain, datanet) = chain();
    let id = chain.give_to(11, datanet, 1, 3);
    let committee = chain.committee(&id);
    let honest = chain.commit(committee[0], &id, all(9_000));
    chain.act(committee[0], honest.clone());
    chain.act(committee[1], honest);
    chain.act(committee[2], chain.commit(committee[2], &id, all(9_000)));
    let copied = reveal(committee[0], &id, all(9_000));
    chain.act(committee[0], copied.clone());
    chain.refused(committee[1], copied, code::COMMITMENT_MISMATCH, "exactly");
}

#[test]
fn after_the_deadlines_nothing_is_taken() {
    let (mut chain, datanet) = chain();
    let id = chain.give_to(11, datanet, 1, 3);
    let committee = chain.committee(&id);
    for n in &committee[..2] {
        chain.act(*n, chain.commit(*n, &id, all(9_000)));
    }
    let params = Params::default();
    chain.skip_to(chain.block.height + params.commit_seconds + 1);
    let late = chain.commit(committee[2], &id, all(9_000));
    chain.refused(committee[2], late, code::WRONG_PHASE, "too late to commit");
    chain.refused(committee[2], reveal(committee[2], &id, all(9_000)), code::WRONG_PHASE, "did not commit");
    for n in &committee[..2] {
        chain.act(*n, reveal(*n, &id, all(9_000)));
    }
    chain.next();
    chain.refused(committee[2], chain.commit(committee[2], &id, all(1)), code::WRONG_PHASE, "over");
    assert_eq!(chain.contribution(&id).contributor, address(11));
}
