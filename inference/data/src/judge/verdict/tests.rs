//! Whole judgements: honest batches pass, bad ones fail for the true reason.

use super::*;
use crate::Scripts;
use crate::judge::words::mix;

const HONEST: ContributionId = ContributionId([0xaa; 32]);
const JUDGED: ContributionId = ContributionId([0xbb; 32]);
const SUBJECTS: [&str; 3] = ["parsers", "ciphers", "sockets"];

fn schema() -> Schema {
    Schema::text_and_label(&SUBJECTS)
}

fn record(text: &str, label: &str) -> Record {
    Record::from_json(&serde_json::json!({ "text": text, "label": label }).to_string(), &schema()).unwrap()
}

/// Distinct sentences of made-up but pronounceable words, so that no two share phrases.
fn sentence(seed: u64) -> String {
    let syllables =
        ["ba", "ren", "to", "mil", "ka", "sor", "ve", "lin", "du", "pa", "ter", "no", "gi", "ras", "mo", "hel"];
    let word = |i: u64| -> String {
        let bits = mix(seed * 101 + i);
        (0..2 + bits % 2).map(|j| syllables[((bits >> (8 + 4 * j)) % 16) as usize]).collect()
    };
    (0..14).map(word).collect::<Vec<_>>().join(" ")
}

/// Records of alternating classes, each near the direction of its own; `label` may lie.
fn batch(n: u64, seed: u64, label: impl Fn(u64) -> u64) -> (Vec<(u64, Record)>, Vec<Vec<f32>>) {
    let records = (0..n).map(|i| (i, record(&sentence(seed + i), SUBJECTS[(label(i) % 3) as usize]))).collect();
    let embeddings = (0..n).map(|i| {
        let noise = |j: u64| (mix((seed + i) * 97 + j) >> 40) as f32 / (1u64 << 24) as f32 - 0.5;
        let vector: Vec<f32> = (0..24).map(|j| if j == i % 3 { 1.0 } else { 0.9 * noise(j) }).collect();
        let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
        vector.into_iter().map(|x| x / length).collect()
    });
    (records, embeddings.collect())
}

fn judge_batch((records, embeddings): &(Vec<(u64, Record)>, Vec<Vec<f32>>)) -> Judgement {
    let (corpus_records, corpus_embeddings) = batch(120, 10_000, |i| i);
    let (holdout, holdout_embeddings) = batch(90, 20_000, |i| i);
    let mut corpus = DuplicateIndex::new();
    corpus.add(HONEST, &corpus_records, &corpus_embeddings);
    let judgement = judge(&JudgeInput {
        contribution: JUDGED,
        schema: &schema(),
        records,
        embeddings,
        holdout: &holdout,
        holdout_embeddings: &holdout_embeddings,
        holdout_index: &DuplicateIndex::of_held_out(&holdout, &holdout_embeddings, Scripts::all()),
        corpus: &corpus,
    });
    assert!(judgement.scores.in_range() && judgement.scores == judgement.report.scores);
    judgement
}

#[test]
fn an_honest_batch_gets_good_scores() {
    let judgement = judge_batch(&batch(40, 1, |i| i));
    assert!(judgement.scores.combined() > 9_000, "{judgement:?}");
    assert!(judgement.report.flagged.is_empty());
}

#[test]
fn random_labels_fail_on_usefulness_alone() {
    let judgement = judge_batch(&batch(60, 1, |i| mix(i) % 3));
    assert_eq!(judgement.scores.weakest(), "usefulness");
    assert!(judgement.scores.usefulness < 7_500, "{:?}", judgement.scores);
    assert!(judgement.report.summary.contains("no better than chance (z = "), "{}", judgement.report.summary);
    assert!(judgement.report.flagged.iter().all(|flagged| flagged.value.is_some_and(|value| value < 0.0)));
}

#[test]
fn light_edits_of_accepted_records_fail_on_uniqueness() {
    let (mut records, embeddings) = batch(40, 10_000, |i| i);
    for (position, old) in records.iter_mut().filter(|(position, _)| position % 10 != 0) {
        *old = record(&format!("{} indeed {position}", old.text()), old.label().unwrap());
    }
    let judgement = judge_batch(&(records, embeddings));
    assert_eq!((judgement.scores.uniqueness, judgement.scores.weakest()), (0, "uniqueness"));
    let said = &judgement.report.summary;
    assert!(said.starts_with("all 40 records are near copies of contribution aaaaaaaa (first: record 0, of"), "{said}");
    assert!(said.ends_with("there is nothing new in it"), "{said}");
    assert_eq!((judgement.report.counts.exact, judgement.report.counts.near), (4, 36));
    let source = &judgement.report.repeats[0];
    assert_eq!((source.contribution, source.records, source.exact, source.near), (HONEST, 40, 4, 36));
}

#[test]
fn a_batch_that_is_there_in_part_says_how_many_of_how_many_whose_and_what_to_do() {
    let (mut records, embeddings) = batch(20, 1, |i| i);
    let (known, _) = batch(120, 10_000, |i| i);
    for place in 0..12 {
        records[place].1 = known[place + 30].1.clone();
    }
    let report = judge_batch(&(records, embeddings)).report;
    let said = &report.summary;
    assert!(
        said.starts_with("12 of 20 records are copies of contribution aaaaaaaa (first: record 0, of its"),
        "{said}"
    );
    assert!(said.ends_with("drop what is repeated and give the rest: the report names the records"), "{said}");
    let named: Vec<u64> = report.flagged.iter().filter(|f| f.duplicate_of.is_some()).map(|f| f.record).collect();
    assert_eq!(named.len(), 12);
    assert_eq!((report.repeats[0].records, report.repeats[0].exact, report.repeats[0].first_of), (12, 12, 30));
}

#[test]
fn whoever_gives_the_held_out_set_gives_nothing() {
    let copied = judge_batch(&batch(60, 20_000, |i| i));
    assert_eq!((copied.scores.uniqueness, copied.scores.weakest()), (0, "uniqueness"));
    let said = &copied.report.summary;
    assert!(
        said.starts_with("all 60 records are copies of held-out records, which nobody learns from (first"),
        "{said}"
    );
    assert_eq!((copied.report.repeats[0].contribution, copied.report.repeats[0].exact), (HELD_OUT, 60));
    let (mut records, embeddings) = batch(40, 1, |i| i);
    let (asked, _) = batch(90, 20_000, |i| i);
    for (place, asked) in asked[..8].iter().enumerate() {
        records[place].1 = record(&format!("{} indeed", asked.1.text()), asked.1.label().unwrap());
    }
    let mixed = judge_batch(&(records, embeddings));
    assert_eq!((mixed.scores.uniqueness, mixed.report.repeats[0].near), (8_000, 8), "{:?}", mixed.report.dimensions);
}

#[test]
fn where_everybody_is_a_neighbour_that_is_said_and_not_that_there_is_one_class() {
    let corpus = DuplicateIndex::new();
    let (records, embeddings) = batch(3, 1, |i| i);
    let (holdout, holdout_embeddings) = batch(2, 20_000, |i| i);
    let why = |holdout: &[(u64, Record)], holdout_embeddings: &[Vec<f32>]| {
        let input = JudgeInput {
            contribution: JUDGED,
            schema: &schema(),
            records: &records,
            embeddings: &embeddings,
            holdout,
            holdout_embeddings,
            holdout_index: &corpus,
            corpus: &corpus,
        };
        judge(&input).report.dimensions[3].why.clone()
    };
    let few = why(&holdout, &holdout_embeddings);
    assert!(few.contains("among the 10 nearest that vote"), "{few}");
    let one = why(&holdout[..1], &holdout_embeddings[..1]);
    assert!(one.contains("only one class"), "{one}");
}

#[test]
fn a_report_counts_what_helps_what_harms_and_every_flaw() {
    let (mut records, embeddings) = batch(40, 1, |i| if i < 8 { i + 1 } else { i });
    records[20].1 = record("too short", SUBJECTS[2]);
    let report = judge_batch(&(records, embeddings)).report;
    let values = report.values.unwrap();
    assert_eq!((values.measured, values.best.len()), (40, MAX_BEST));
    assert!(values.harm >= 6 && values.help >= 28, "{values:?}");
    assert!(values.best.windows(2).all(|two| two[0].value >= two[1].value) && values.best[0].record >= 8);
    assert_eq!(report.flaws, [FlawCount { flaw: Flaw::TooShort, records: 1 }]);
}

#[test]
fn boilerplate_fails_on_quality() {
    let (mut records, embeddings) = batch(30, 1, |i| i);
    for (position, old) in records.iter_mut().take(25) {
        let text =
            format!("Licensed under the {} license at your option, see the license file.", sentence(*position + 50));
        *old = record(&text, old.label().unwrap());
    }
    let judgement = judge_batch(&(records, embeddings));
    assert_eq!(judgement.scores.weakest(), "quality");
    assert!(judgement.report.summary.contains("83 % of the records: boilerplate"), "{}", judgement.report.summary);
}

#[test]
fn records_of_another_schema_are_not_valid() {
    let foreign = Schema::text_and_label(&["other"]);
    let (mut records, embeddings) = batch(4, 1, |i| i);
    records[1].1 =
        Record::from_json("{\"text\":\"Something else altogether here\",\"label\":\"other\"}", &foreign).unwrap();
    let judgement = judge_batch(&(records, embeddings));
    assert_eq!(judgement.scores.validity, 7_500);
    assert!(
        judgement.report.dimensions[0].why.contains("record 1 has \"other\""),
        "{:?}",
        judgement.report.dimensions[0]
    );
}

#[test]
fn an_unreadable_contribution_says_why_and_scores_nothing() {
    let judgement = judge_unreadable(JUDGED, &CorpusError::Utf8 { offset: 17 });
    assert_eq!((judgement.scores.combined(), judgement.scores.weakest()), (0, "validity"));
    assert!(judgement.report.summary.contains("byte 17"), "{}", judgement.report.summary);
}

#[test]
fn a_datanet_without_held_out_records_is_judged_on_the_rest() {
    let (records, embeddings) = batch(5, 1, |i| i);
    let corpus = DuplicateIndex::new();
    let (schema, contribution) = (schema(), JUDGED);
    let input = JudgeInput {
        contribution,
        schema: &schema,
        records: &records,
        embeddings: &embeddings,
        holdout: &[],
        holdout_embeddings: &[],
        holdout_index: &corpus,
        corpus: &corpus,
    };
    assert_eq!(judge(&input).scores.combined(), 10_000);
}

#[test]
fn reports_are_json_bounded_and_the_same_every_time() {
    let (mut records, embeddings) = batch(2_000, 1, |i| i);
    let copy = record(&sentence(1).repeat(40), "ciphers");
    records.iter_mut().for_each(|(_, old)| *old = copy.clone());
    let judge = || serde_json::to_string(&judge_batch(&(records.clone(), embeddings.clone())).report).unwrap();
    let json = judge();
    assert!(json.len() < 128 * 1024, "{}", json.len());
    assert_eq!(json, judge());
    let report: Report = serde_json::from_str(&json).unwrap();
    assert!(report.flagged_is_cut && report.flagged.len() == MAX_FLAGGED);
    assert!(report.flagged.iter().all(|flagged| flagged.excerpt.chars().count() <= 120));
}
