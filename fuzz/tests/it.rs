//! Each target for a moment, with the same inputs on every machine.

#![expect(clippy::unwrap_used, reason = "test support fails its test")]

use datanet_fuzz::{TARGETS, Target};

/// Mutated inputs of each target: some seconds in all.
const INPUTS: u64 = 4_000;

fn target(name: &str) -> Target {
    TARGETS.into_iter().find(|target| target.name == name).unwrap()
}

fn bears(name: &str) {
    let target = target(name);
    let corpus = target.corpus().unwrap();
    assert!(!corpus.is_empty());
    let outcome = target.fuzz(&corpus, 1, |tried| tried < INPUTS);
    if let Err(finding) = outcome {
        panic!("{name} does not bear {}", String::from_utf8_lossy(&finding.input).escape_debug());
    }
}

#[test]
fn a_transaction_of_garbage_is_refused_or_whole() {
    bears("transaction");
}

#[test]
fn every_abci_message_of_garbage_has_an_answer_of_its_kind() {
    bears("abci");
}

#[test]
fn a_receipt_of_garbage_is_refused_or_whole() {
    bears("receipt");
}

#[test]
fn a_release_of_garbage_is_refused_or_whole() {
    bears("release");
}

#[test]
fn a_stream_of_garbage_is_refused_or_the_same_however_it_is_cut() {
    bears("stream");
}

#[test]
fn a_model_of_garbage_is_refused_or_whole() {
    bears("model");
}

#[test]
fn a_template_of_garbage_is_refused_or_writes_the_same_twice() {
    bears("template");
}
