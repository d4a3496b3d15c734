//! The real registry: what this build's own crates give.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use super::*;

/// Reading some thousand source files takes seconds; once is enough.
static DATASET: LazyLock<Dataset> = LazyLock::new(|| Dataset::from_registry(1).unwrap());

fn dataset() -> &'static Dataset {
    &DATASET
}

#[test]
fn the_registry_gives_enough_of_everything() {
    let data = dataset();
    let honest: Vec<&Contributor> = data.contributors.iter().filter(|c| c.kind == Kind::Honest).collect();
    for contributor in &data.contributors {
        let mut labels = BTreeMap::<&str, usize>::new();
        for record in &contributor.records {
            *labels.entry(record.label.as_deref().unwrap()).or_default() += 1;
        }
        println!("{:<24} {:>4} {labels:?}", contributor.name, contributor.records.len());
    }
    println!(
        "held out {}, questions {}, majority {}",
        data.holdout.len(),
        data.questions.len(),
        data.majority_correct()
    );
    assert!((12..=14).contains(&honest.len()), "{}", honest.len());
    assert!(honest.iter().all(|c| (50..=100).contains(&c.records.len())));
    assert!(honest.iter().map(|c| c.records.len()).sum::<usize>() >= 900);
    assert!(data.holdout.len() >= 250, "{}", data.holdout.len());
    assert!(data.questions.len() >= 100, "{}", data.questions.len());
    assert_eq!(data.contributors.len() - honest.len(), 4);
    assert!(data.contributors.iter().all(|c| c.records.len() >= 40));
    assert!(data.majority_correct() * 3 < data.questions.len(), "the labels are not balanced");
}

#[test]
fn the_same_seed_deals_the_same_data() {
    assert_eq!(*dataset(), Dataset::from_registry(1).unwrap());
}

#[test]
fn contributors_judges_and_questions_share_no_project() {
    let owners: BTreeMap<String, String> =
        registry::harvest().unwrap().passages.into_iter().map(|passage| (passage.text, passage.owner)).collect();
    let data = dataset();
    let of = |records: &[Record]| records.iter().map(|r| owners[&r.text].clone()).collect::<BTreeSet<_>>();
    let honest: BTreeSet<String> =
        data.contributors.iter().filter(|c| c.kind == Kind::Honest).flat_map(|c| of(&c.records)).collect();
    let (holdout, questions) = (of(&data.holdout), of(&data.questions));
    println!("{} projects give, {} judge, {} ask", honest.len(), holdout.len(), questions.len());
    assert!(honest.is_disjoint(&holdout) && honest.is_disjoint(&questions) && holdout.is_disjoint(&questions));
}

#[test]
fn what_gets_wrong_labels_is_given_by_nobody_else_and_judges_nothing() {
    let data = dataset();
    let others = data.contributors.iter().filter(|c| c.kind == Kind::Honest).flat_map(|c| &c.records);
    let others: BTreeSet<&str> =
        others.chain(&data.holdout).chain(&data.questions).map(|record| record.text.as_str()).collect();
    for (kind, records) in [(BadKind::ShuffledLabels, 100), (BadKind::SwappedLabels, 300)] {
        let wrong = data.contributors.iter().find(|c| c.kind == Kind::Bad(kind.clone())).unwrap();
        assert_eq!(wrong.records.len(), records);
        assert!(wrong.records.iter().all(|record| !others.contains(record.text.as_str())), "{kind:?}");
    }
}

#[test]
fn light_edits_change_every_passage_a_little() {
    let data = dataset();
    let edits = data.contributors.iter().find(|c| matches!(c.kind, Kind::Bad(BadKind::LightEdits { .. }))).unwrap();
    let Kind::Bad(BadKind::LightEdits { of }) = &edits.kind else { unreachable!() };
    let victim = data.contributors.iter().find(|c| &c.name == of).unwrap();
    for (edited, original) in edits.records.iter().zip(&victim.records) {
        assert_ne!(edited.text, original.text);
        let words = |r: &Record| r.text.split(' ').map(str::to_owned).collect::<BTreeSet<_>>();
        let kept = words(edited).intersection(&words(original)).count();
        assert!(kept * 10 >= words(original).len() * 8, "{} / {}", edited.text, original.text);
    }
}
