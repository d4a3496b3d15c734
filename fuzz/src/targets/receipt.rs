//! A signed answer with all that it rests on, as any serving node hands it out.

use datanet_types::epoch::FeeShares;
use datanet_types::rate::{Rate, Usage};
use datanet_types::receipt::{
    AnswerRecord, AskInput, AskOutput, Credit, Influence, Method, Passage, Receipt, SpanMatch, influence_weights,
    span_weights, training_credits,
};
use datanet_types::release::{DataSnapshot, RELEASE_VERSION, Release, ReleaseFile, Source, SourcePart};
use datanet_types::{Address, BlobHash, ContributionId, DatanetId, ModelId, Ppm, SigningKey};
use prost::Message as _;

use super::CHAIN;
use crate::Target;

pub(crate) const RECEIPT: Target = Target { name: "receipt", seeds, run };

fn key() -> SigningKey {
    SigningKey::from_bytes(&[5; 32])
}

fn signed(method: Method, weights: Vec<(ContributionId, Ppm)>, output: AskOutput) -> Vec<u8> {
    let credit = |(contribution, weight)| Credit { contribution, weight, ..Credit::default() };
    let receipt = Receipt {
        chain_id: CHAIN.into(),
        node: key().node_key(),
        method: method as i32,
        fee: 10,
        split: FeeShares::STANDARD.split(10),
        credits: weights.into_iter().map(credit).collect(),
        ..Receipt::default()
    };
    let input = AskInput { text: "who calls at night?".into(), classify: true, neighbours: 10, ..AskInput::default() };
    AnswerRecord::sign(receipt, input, output, &key()).to_bytes()
}

/// One of each method.
fn seeds() -> Vec<Vec<u8>> {
    let contribution = ContributionId([1; 32]);
    let other = ContributionId([2; 32]);
    let text_hash = Passage::hash_of("an owl");
    let passage = Passage { contribution, record: 3, weight: Ppm::ONE, label: None, text_hash };
    let retrieval = AskOutput { passages: vec![passage], ..AskOutput::default() };
    let influence =
        vec![Influence { contribution, value: 40, worth: 30 }, Influence { contribution: other, value: -9, worth: -5 }];
    let spans = vec![SpanMatch { start: 0, end: 6, contribution, record: 1, weight: Ppm(6) }];
    let (influenced, matched) = (influence_weights(&influence), span_weights(&spans));
    vec![
        signed(Method::Retrieval, vec![(contribution, Ppm::ONE)], retrieval),
        signed(Method::Influence, influenced, AskOutput { influence, ..AskOutput::default() }),
        signed(Method::Span, matched, AskOutput { answer: "an owl".into(), spans, ..AskOutput::default() }),
        trained(contribution),
    ]
}

/// A training of ten steps on one contribution's records.
fn trained(contribution: ContributionId) -> Vec<u8> {
    let datanet = DatanetId([8; 32]);
    let contributions = vec![SourcePart { contribution, records: 30 }];
    let release = Release {
        version: RELEASE_VERSION,
        name: "owls".into(),
        base: Some(ModelId([7; 32])),
        files: vec![ReleaseFile { name: "adapter".into(), blob: BlobHash([1; 32]), size: 1 }],
        snapshots: vec![DataSnapshot::start(datanet).then(&contribution, false)],
        sources: vec![Source { contributor: Address([1; 20]), contributions }],
        job: "{}".into(),
        licence: "CC0-1.0".into(),
        ..Release::default()
    };
    let usage = Usage { rate: Rate { answer: 100, thousand: 0, step: 30 }, tokens: 0, steps: 10 };
    let receipt = Receipt {
        chain_id: CHAIN.into(),
        node: key().node_key(),
        datanet,
        model: ModelId([7; 32]),
        snapshot: DataSnapshot::digest_of(&release.snapshots),
        method: Method::Training as i32,
        fee: usage.fee(),
        split: FeeShares::STANDARD.split(usage.fee()),
        credits: training_credits(&release),
        usage: Some(usage),
        ..Receipt::default()
    };
    let input = AskInput { text: "{}".into(), ..AskInput::default() };
    AnswerRecord::sign(receipt, input, AskOutput { release: Some(release), ..AskOutput::default() }, &key()).to_bytes()
}

fn run(input: &[u8]) {
    enter(input);
    // Behind signature and hashes.
    if let Ok(AnswerRecord { receipt, input, output, .. }) = AnswerRecord::decode(input) {
        let receipt = Receipt { chain_id: CHAIN.into(), node: key().node_key(), ..receipt };
        enter(&AnswerRecord::sign(receipt, input, output, &key()).to_bytes());
    }
}

fn enter(bytes: &[u8]) {
    let Ok(record) = AnswerRecord::verify(bytes, CHAIN) else { return };
    assert_eq!(record.to_bytes(), bytes, "two forms of one receipt");
    let paid: u128 = record.receipt.split.parts().iter().map(|part| u128::from(*part)).sum();
    assert_eq!(paid, u128::from(record.receipt.fee), "a split that makes money");
    let weights: u128 = record.receipt.credits.iter().map(|credit| u128::from(credit.weight.0)).sum();
    assert!(weights == 0 || weights == 1_000_000, "credits that are no whole");
}
