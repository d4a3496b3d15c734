use datanet_types::key::SigningKey;
use datanet_types::receipt::{AnswerRecord, AskInput, Credit, Receipt};
use datanet_types::{Digest, Ppm};
use proptest::prelude::*;

use super::*;
use crate::Embedding;

type Expected = fn(&Difference) -> bool;

fn question(text: &str, classify: bool, neighbours: u32, contributions: &[u8]) -> Question {
    Question {
        input: AskInput { text: text.to_owned(), classify, neighbours, ..AskInput::default() },
        embedding: Draw(5).unit(DIMENSIONS),
        snapshot: Snapshot { height: 9, contributions: contributions.iter().map(|n| id(*n)).collect() },
    }
}

/// The record a node signs for an answer.
fn signed(question: &Question, answer: &Answer, index: &DatanetIndex) -> AnswerRecord {
    let receipt = Receipt {
        model: index.model(),
        height: question.snapshot.height,
        snapshot: question.snapshot.root(),
        credits: credits(answer),
        ..Receipt::default()
    };
    AnswerRecord::sign(receipt, question.input.clone(), answer.output.clone(), &SigningKey::from_bytes(&[5; 32]))
}

fn credits(answer: &Answer) -> Vec<Credit> {
    let credit = |(contribution, weight): &(ContributionId, Ppm)| Credit {
        contribution: *contribution,
        weight: *weight,
        ..Credit::default()
    };
    answer.credits.iter().map(credit).collect()
}

async fn filled(dir: &Path) -> DatanetIndex {
    let index = open(dir);
    for n in 1..=6 {
        index.add(id(n), documents(n, 50)).await.unwrap();
    }
    index
}

async fn verdict(index: &DatanetIndex, record: AnswerRecord, question: &Question) -> RecomputeVerdict {
    index.recompute(record, question.snapshot.clone(), question.embedding.clone()).await.unwrap()
}

#[tokio::test]
async fn an_empty_snapshot_answers_that_nothing_was_found() {
    let dir = tempfile::tempdir().unwrap();
    let index = filled(dir.path()).await;
    let asked = question("tree", true, 10, &[]);
    let answer = index.answer(asked.clone()).await.unwrap();
    assert_eq!((answer.output.answer.as_str(), answer.credits.as_slice()), (NOTHING_FOUND, [].as_slice()));
    assert_eq!(verdict(&index, signed(&asked, &answer, &index), &asked).await, RecomputeVerdict::Match);
}

#[tokio::test]
async fn an_answer_without_all_of_its_snapshot_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let index = filled(dir.path()).await;
    let outcome = index.answer(question("tree", true, 10, &[1, 77])).await;
    assert!(matches!(outcome, Err(RetrievalError::Missing(missing)) if missing == [id(77)]));
}

#[tokio::test]
async fn another_node_recomputes_the_same_answer() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (index, other) = (filled(here.path()).await, open(there.path()));
    for n in [4, 9, 2, 1, 3] {
        other.add(id(n), documents(n, 50)).await.unwrap();
    }
    for classify in [true, false] {
        let asked = question("river of stone", classify, 0, &[3, 1, 2, 4]);
        let answer = index.answer(asked.clone()).await.unwrap();
        assert_eq!(verdict(&other, signed(&asked, &answer, &index), &asked).await, RecomputeVerdict::Match);
    }
}

#[tokio::test]
async fn the_noise_of_another_processor_stays_within_the_tolerance() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (index, other) = (filled(here.path()).await, open(there.path()));
    let mut draw = Draw(8);
    for n in 1..=6 {
        let mut noisy = documents(n, 50);
        for document in &mut noisy {
            let numbers = document
                .embedding
                .as_slice()
                .iter()
                .map(|x| x + 2e-6 * (draw.next() as u32 as f32 / u32::MAX as f32 - 0.5));
            document.embedding = Embedding::normalised(&numbers.collect::<Vec<_>>()).unwrap();
        }
        other.add(id(n), noisy).await.unwrap();
    }
    let (mut exact, mut worst) = (0, Ppm::ZERO);
    for seed in 0..60 {
        let mut asked = question(&draw.text(8), seed % 2 == 0, 10 + seed % 20, &[1, 2, 3, 4, 5, 6]);
        asked.embedding = draw.unit(DIMENSIONS);
        let answer = index.answer(asked.clone()).await.unwrap();
        match verdict(&other, signed(&asked, &answer, &index), &asked).await {
            RecomputeVerdict::Match => exact += 1,
            RecomputeVerdict::Within { difference } => worst = worst.max(difference),
            RecomputeVerdict::Mismatch { what } => panic!("{what}"),
        }
    }
    println!("{exact} of 60 equal to the bit, the worst {worst} away");
    assert!(exact > 30 && worst < Ppm(TOLERANCE.0 / 4));
}

#[tokio::test]
async fn a_false_answer_is_caught() {
    let dir = tempfile::tempdir().unwrap();
    let index = filled(dir.path()).await;
    let asked = question("river of stone", true, 12, &[1, 2, 3, 4, 5]);
    let honest = index.answer(asked.clone()).await.unwrap();
    let wrong_label = ["red", "green", "blue"].into_iter().find(|label| Some(*label) != honest.output.label.as_deref());
    let forge = |change: &dyn Fn(&mut Answer)| {
        let mut answer = honest.clone();
        change(&mut answer);
        signed(&asked, &answer, &index)
    };
    let cases: [(AnswerRecord, Expected); 7] = [
        (forge(&|a| a.output.passages[3].text_hash.0[0] ^= 1), |what| matches!(what, Difference::Passage { .. })),
        (forge(&|a| a.output.passages[3].label = None), |what| matches!(what, Difference::Passage { .. })),
        (forge(&|a| a.output.passages[4] = a.output.passages[3].clone()), |what| {
            matches!(what, Difference::Passage { .. })
        }),
        (forge(&|a| a.output.passages.clear()), |what| matches!(what, Difference::Weights { .. })),
        (forge(&|a| a.output.answer = "trust me".into()), |what| matches!(what, Difference::Words)),
        (
            forge(&|a| {
                a.output.label = wrong_label.map(str::to_owned);
                a.output.answer = wrong_label.unwrap_or_default().to_owned();
            }),
            |what| matches!(what, Difference::Label { .. }),
        ),
        (forge(&|a| a.credits = vec![(id(5), Ppm::ONE)]), |what| matches!(what, Difference::Weights { .. })),
    ];
    for (number, (record, expected)) in cases.into_iter().enumerate() {
        let RecomputeVerdict::Mismatch { what } = verdict(&index, record, &asked).await else {
            panic!("case {number} passed")
        };
        assert!(expected(&what), "case {number}: {what}");
    }
    let mut record = forge(&|_| {});
    record.receipt.snapshot = Digest([1; 32]);
    assert!(matches!(
        verdict(&index, record, &asked).await,
        RecomputeVerdict::Mismatch { what: Difference::Snapshot { height: 9 } }
    ));
    let mut record = forge(&|_| {});
    record.receipt.model = ModelId([1; 32]);
    assert!(matches!(
        verdict(&index, record, &asked).await,
        RecomputeVerdict::Mismatch { what: Difference::Model { .. } }
    ));
}

#[tokio::test]
async fn leaving_out_the_only_supporter_changes_the_answer_and_leaving_out_a_copy_does_not() {
    let dir = tempfile::tempdir().unwrap();
    let index = open(dir.path());
    let asked = question("violin", false, 1, &[1, 2, 3]);
    for (n, text) in [(1, "copper tree"), (2, "violin"), (3, "violin")] {
        let mut one = documents(n, 1);
        one[0].text = text.to_owned();
        one[0].embedding = if n == 1 { Draw(99).unit(DIMENSIONS) } else { asked.embedding.clone() };
        index.add(id(n), one).await.unwrap();
    }
    let ablations = index.ablate(asked.clone()).await.unwrap();
    assert_eq!(ablations.len(), 1);
    assert_eq!((ablations[0].contribution, ablations[0].weight, ablations[0].effect), (id(2), Ppm::ONE, Ppm::ZERO));
    assert!(!ablations[0].answer_changed, "the copy steps in");
    let alone = Question { snapshot: Snapshot { height: 9, contributions: vec![id(1), id(2)] }, ..asked };
    let ablations = index.ablate(alone).await.unwrap();
    assert!(ablations[0].answer_changed && ablations[0].effect > Ppm(500_000));
}

#[tokio::test]
async fn without_all_that_voted_for_it_a_label_loses_votes() {
    let dir = tempfile::tempdir().unwrap();
    let index = filled(dir.path()).await;
    let asked = question("river of stone", true, 9, &[1, 2, 3, 4, 5, 6]);
    let answer = index.answer(asked.clone()).await.unwrap();
    let ablations = index.ablate(asked).await.unwrap();
    assert_eq!(ablations.len(), answer.credits.len());
    assert!(ablations.iter().all(|ablation| ablation.effect <= answer.support));
    assert!(ablations.iter().any(|ablation| ablation.effect > Ppm::ZERO));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn answers_depend_on_the_snapshot_and_on_nothing_else(seed: u64, classify: bool, neighbours in 0u32..40) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
        runtime.block_on(async {
            let mut answers = Vec::new();
            for variant in 0..2 {
                let dir = tempfile::tempdir().unwrap();
                let index = open(dir.path());
                let mut draw = Draw(seed.wrapping_add(variant));
                // The snapshot's five, and others that come and partly go, in another order each time.
                let mut order: Vec<u8> = (1..=10).collect();
                draw.shuffle(&mut order);
                for n in order {
                    let Some(mut upload) = index.begin(id(n)).await.unwrap() else { continue };
                    let part = 1 + draw.below(20);
                    for chunk in documents(n, 20).chunks(part) {
                        upload.push(chunk.to_vec()).await.unwrap();
                        if draw.below(4) == 0 {
                            index.add(id(100 + draw.below(100) as u8), documents(42, 0)).await.unwrap();
                        }
                    }
                    upload.finish().await.unwrap();
                    if n > 5 && draw.below(2) == 0 {
                        index.remove(id(n)).await.unwrap();
                    }
                }
                let mut asked = question("the river of naïve stone", classify, neighbours, &[5, 1, 2, 4, 3]);
                asked.embedding = Draw(seed).unit(DIMENSIONS);
                answers.push(index.answer(asked).await.unwrap());
                index.close().await.unwrap();
            }
            assert_eq!(answers[0], answers[1]);
        });
    }
}
