//! Copies of every kind, found and told apart, and who owns what they say.

use super::*;
use datanet_types::schema::Schema;

const A: ContributionId = ContributionId([1; 32]);
const B: ContributionId = ContributionId([2; 32]);
const FIRST: &str = "The parser reads one token at a time from the stream and never looks back, which keeps the memory \
    it needs flat even for inputs of many gigabytes that arrive over a slow line.";
const OTHER: &str = "Keys are rotated every ninety days by a job that runs in the night and reports what it did.";

fn records(texts: &[&str]) -> Vec<(u64, Record)> {
    let mut schema = Schema::text_and_label(&[]);
    schema.fields.truncate(1);
    let read = |text: &&str| Record::from_json(&serde_json::json!({ "text": text }).to_string(), &schema).unwrap();
    texts.iter().map(read).enumerate().map(|(i, record)| (i as u64, record)).collect()
}

/// One direction for each number.
fn direction(degrees: f32) -> Vec<f32> {
    vec![degrees.to_radians().cos(), degrees.to_radians().sin()]
}

fn far_apart(n: usize) -> Vec<Vec<f32>> {
    (0..n).map(|i| (0..n).map(|j| if i == j { 1.0 } else { 0.0 }).collect()).collect()
}

#[test]
fn exact_near_and_paraphrased_copies_are_told_apart() {
    let mut index = DuplicateIndex::new();
    index.add(A, &records(&[FIRST, OTHER]), &[direction(0.0), direction(60.0)]);
    let edited = FIRST.replace("slow line", "thin wire");
    let batch = records(&[OTHER, &edited, "Said in words of its own.", "Something else altogether."]);
    let found = index.check(B, &batch, &[direction(61.0), direction(90.0), direction(10.0), direction(120.0)]);
    let kinds: Vec<_> = found.iter().map(|found| found.map(|f| (f.of.contribution, f.of.record, f.kind))).collect();
    assert_eq!(kinds[0], Some((A, 1, DuplicateKind::Exact)));
    assert!(matches!(kinds[1], Some((A, 0, DuplicateKind::Near { jaccard })) if jaccard < 1.0), "{kinds:?}");
    assert!(matches!(kinds[2], Some((A, 0, DuplicateKind::Paraphrase { .. }))), "{kinds:?}");
    assert_eq!(kinds[3], None);
}

#[test]
fn words_left_out_and_exchanged_do_not_make_a_record_new() {
    let mut index = DuplicateIndex::new();
    index.add(A, &records(&[FIRST]), &[direction(0.0)]);
    let mut words: Vec<&str> = FIRST.split(' ').collect();
    words.remove(3);
    for at in [1, 5, 8] {
        words.swap(at, at + 1);
    }
    let near = index.check(B, &records(&[&words.join(" "), &words.join(" ")]), &[direction(25.0), direction(40.0)]);
    assert!(
        matches!(near[0], Some(DuplicateOf { kind: DuplicateKind::Near { jaccard }, .. }) if jaccard >= SAME_WORDS)
    );
    // Farther than that from the first, but the same as the one before it.
    assert_eq!(near[1].map(|found| found.of.contribution), Some(B));
}

#[test]
fn copies_inside_a_batch_count_but_for_the_first() {
    let batch = records(&["hi", FIRST, "hi", &FIRST.to_uppercase(), "ho"]);
    let found = DuplicateIndex::new().check(B, &batch, &far_apart(5));
    let of: Vec<_> = found.iter().map(|found| found.map(|f| (f.of.contribution == B, f.of.record))).collect();
    assert_eq!(of, [None, None, Some((true, 0)), Some((true, 1)), None]);
}

#[test]
fn the_earliest_owns_until_it_is_removed() {
    let mut index = DuplicateIndex::new();
    let c = ContributionId([3; 32]);
    for (id, degrees) in [(A, 0.0), (B, 10.0), (c, 20.0)] {
        index.add(id, &records(&[FIRST]), &[direction(degrees)]);
    }
    let last = RecordRef { contribution: c, record: 0 };
    assert_eq!(index.owner(&last).map(|owner| owner.contribution), Some(A));
    index.remove(&A);
    assert_eq!(index.owner(&last).map(|owner| owner.contribution), Some(B));
    assert_eq!(index.len(), 2);
    index.remove(&B);
    assert_eq!(index.owner(&last), Some(last));
}

#[test]
fn adding_twice_changes_nothing() {
    let mut index = DuplicateIndex::new();
    index.add(A, &records(&[FIRST, OTHER]), &far_apart(2));
    index.add(A, &records(&[FIRST, OTHER]), &far_apart(2));
    assert_eq!(index.len(), 2);
    assert!(index.entries.iter().all(|entry| entry.repeats.is_none()));
}
