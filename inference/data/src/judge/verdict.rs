//! The four measurements, put together.

use std::collections::BTreeMap;

use datanet_types::id::ContributionId;
use datanet_types::schema::Schema;
use datanet_types::scores::Scores;

use super::duplicates::{DuplicateIndex, DuplicateKind, DuplicateOf, HELD_OUT};
use super::evidence::{Evidence, Usefulness};
use super::quality::{Flaw, Quality, assess};
use super::repeats::{MAX_SOURCES, Repeats, by_source, sentence};
use super::report::{
    Counts, Dimension, Flagged, FlawCount, MAX_BEST, MAX_FLAGGED, REPORT_VERSION, Report, Valued, Values,
};
use crate::corpus::{CorpusError, Record, cut, recheck};

/// Characters of an excerpt, the ellipsis included.
const EXCERPT: usize = 120;

/// Everything a judgement depends on. Embeddings are unit vectors, one a record, in the same order.
#[derive(Debug)]
pub struct JudgeInput<'a, E> {
    /// The contribution.
    pub contribution: ContributionId,
    /// The datanet's schema.
    pub schema: &'a Schema,
    /// Position and record: all of the contribution, or a sample of a large one.
    pub records: &'a [(u64, Record)],
    /// Of `records`.
    pub embeddings: &'a [E],
    /// The datanet's held-out records.
    pub holdout: &'a [(u64, Record)],
    /// Of `holdout`.
    pub holdout_embeddings: &'a [E],
    /// All records of the held-out set, those that are not asked too ([`DuplicateIndex::of_held_out`]): nobody may learn from them.
    pub holdout_index: &'a DuplicateIndex,
    /// Everything accepted before.
    pub corpus: &'a DuplicateIndex,
}

/// Scores and their reasons.
#[derive(Debug, Clone, PartialEq)]
pub struct Judgement {
    /// Basis points.
    pub scores: Scores,
    /// Why.
    pub report: Report,
}

/// Judges a contribution that could be read.
pub fn judge<E: AsRef<[f32]> + Sync>(input: &JudgeInput<'_, E>) -> Judgement {
    if input.records.is_empty() {
        return judge_unreadable(input.contribution, &CorpusError::NoRecords);
    }
    let faults = match recheck(input.records.iter().map(|(_, record)| record), input.schema) {
        Ok(faults) => faults.into_iter().map(|fault| fault.map(|fault| fault.to_string())).collect::<Vec<_>>(),
        Err(error) => return judge_unreadable(input.contribution, &error),
    };
    let texts: Vec<&str> = input.records.iter().map(|(_, record)| record.text()).collect();
    let quality = assess(&texts);
    let duplicates = duplicates(input);
    let repeats = by_source(input.records.iter().map(|(position, _)| *position), &duplicates);
    let evidence = Evidence::of(input);
    let usefulness = Usefulness::measure(&evidence, input);
    let counts = count(input, &faults, &quality, &duplicates);
    let dimensions = [
        validity(&counts, &faults, input.records),
        quality_of(&quality),
        uniqueness(&repeats, &counts, input.contribution, &evidence.words_alone()),
        usefulness.dimension(),
    ];
    let scores = Scores::from_array(dimensions.each_ref().map(|(score, _)| *score));
    let (flagged, flagged_is_cut) = flag(input, faults, &quality, &duplicates, &usefulness);
    let mut report = report(input.contribution, scores, dimensions);
    (report.counts, report.flagged, report.flagged_is_cut) = (counts, flagged, flagged_is_cut);
    (report.labels, report.coverage) = (usefulness.label_report(), usefulness.coverage);
    report.repeats = repeats.into_iter().take(MAX_SOURCES).collect();
    report.flaws = flaws(&quality);
    report.values = values(input.records, &usefulness);
    Judgement { scores, report }
}

/// The judgement on bytes that are no batch of records of this datanet: nothing but the reason.
pub fn judge_unreadable(contribution: ContributionId, reason: &impl std::fmt::Display) -> Judgement {
    let unmeasured = || (0, "not measured: the contribution cannot be read".to_owned());
    let dimensions = [(0, cut(&reason.to_string(), 400)), unmeasured(), unmeasured(), unmeasured()];
    let scores = Scores::default();
    Judgement { scores, report: report(contribution, scores, dimensions) }
}

/// What is said of bytes that were not to be had: the reason, and no judgement.
pub fn report_unavailable(contribution: ContributionId, reason: &str) -> Report {
    let unmeasured = || (0, "not measured: the bytes were not to be had".to_owned());
    let dimensions = [(0, cut(reason, 400)), unmeasured(), unmeasured(), unmeasured()];
    report(contribution, Scores::default(), dimensions)
}

fn report(contribution: ContributionId, scores: Scores, dimensions: [(u32, String); 4]) -> Report {
    let named = Scores::NAMES.into_iter().zip(dimensions);
    let dimensions: Vec<Dimension> =
        named.map(|(name, (score, why))| Dimension { name: name.to_owned(), score, why }).collect();
    let weakest = dimensions.iter().find(|dimension| dimension.name == scores.weakest());
    Report {
        version: REPORT_VERSION,
        contribution,
        summary: weakest.map(|dimension| dimension.why.clone()).unwrap_or_default(),
        scores,
        dimensions,
        counts: Counts::default(),
        labels: None,
        coverage: None,
        repeats: Vec::new(),
        flaws: Vec::new(),
        values: None,
        flagged: Vec::new(),
        flagged_is_cut: false,
    }
}

/// What each record repeats: a held-out record first, else an earlier one. Who says in his own words what a held-out record says copies nothing.
fn duplicates<E: AsRef<[f32]> + Sync>(input: &JudgeInput<'_, E>) -> Vec<Option<DuplicateOf>> {
    let check = |index: &DuplicateIndex| index.check(input.contribution, input.records, input.embeddings);
    let held_out = |found: &DuplicateOf| {
        found.of.contribution == HELD_OUT && !matches!(found.kind, DuplicateKind::Paraphrase { .. })
    };
    let earlier = check(input.corpus);
    if input.holdout_index.is_empty() {
        return earlier;
    }
    let copies = check(input.holdout_index).into_iter().map(|found| found.filter(held_out));
    copies.zip(earlier).map(|(copy, earlier)| copy.or(earlier)).collect()
}

/// A share in basis points.
fn bps(part: u64, whole: u64) -> u32 {
    let share = (part.min(whole) * 10_000).checked_div(whole).unwrap_or_default();
    u32::try_from(share).unwrap_or(10_000)
}

/// A share as a reader wants it.
pub(super) fn percent(part: u64, whole: u64) -> String {
    format!("{:.0} %", part as f64 * 100.0 / whole.max(1) as f64)
}

fn count<E>(
    input: &JudgeInput<'_, E>,
    faults: &[Option<String>],
    quality: &[Quality],
    duplicates: &[Option<DuplicateOf>],
) -> Counts {
    let of_kind =
        |test: fn(&DuplicateKind) -> bool| duplicates.iter().flatten().filter(|d| test(&d.kind)).count() as u64;
    Counts {
        judged: input.records.len() as u64,
        valid: faults.iter().filter(|fault| fault.is_none()).count() as u64,
        exact: of_kind(|kind| matches!(kind, DuplicateKind::Exact)),
        near: of_kind(|kind| matches!(kind, DuplicateKind::Near { .. })),
        paraphrased: of_kind(|kind| matches!(kind, DuplicateKind::Paraphrase { .. })),
        poor: quality.iter().filter(|quality| quality.score < 0.5).count() as u64,
        corpus: input.corpus.len() as u64,
        held_out: input.holdout.len() as u64,
    }
}

fn validity(counts: &Counts, faults: &[Option<String>], records: &[(u64, Record)]) -> (u32, String) {
    let first = faults.iter().zip(records).find_map(|(fault, (position, _))| Some((position, fault.as_ref()?)));
    let why = match first {
        None => format!("all {} records fit the schema", counts.judged),
        Some((position, fault)) => {
            let unfit = percent(counts.judged - counts.valid, counts.judged);
            format!("{unfit} of the records do not fit the schema (first: record {position} {fault})")
        }
    };
    (bps(counts.valid, counts.judged), why)
}

fn quality_of(quality: &[Quality]) -> (u32, String) {
    let mean = quality.iter().map(|quality| quality.score).sum::<f64>() / quality.len().max(1) as f64;
    let mut flaws = BTreeMap::<Flaw, u64>::new();
    // The worst flaw of each record speaks for it.
    quality.iter().filter_map(|quality| quality.flaws.first()).for_each(|flaw| *flaws.entry(*flaw).or_default() += 1);
    let mut flaws: Vec<(Flaw, u64)> = flaws.into_iter().collect();
    flaws.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let named: Vec<String> = flaws
        .iter()
        .take(3)
        .map(|(flaw, count)| format!("{} of the records: {}", percent(*count, quality.len() as u64), flaw.words()))
        .collect();
    let why = match named.is_empty() {
        true => "nothing is wrong with how the records are written".to_owned(),
        false => named.join("; "),
    };
    ((mean * 10_000.0).round() as u32, why)
}

fn uniqueness(repeats: &[Repeats], counts: &Counts, own: ContributionId, words_alone: &str) -> (u32, String) {
    let repeated = repeats.iter().map(|source| source.records).sum::<u64>();
    (bps(counts.judged - repeated, counts.judged), sentence(repeats, counts.judged, own, words_alone))
}

/// Every flaw that a record has, the most frequent first.
fn flaws(quality: &[Quality]) -> Vec<FlawCount> {
    let mut counts = BTreeMap::<Flaw, u64>::new();
    quality.iter().flat_map(|quality| &quality.flaws).for_each(|flaw| *counts.entry(*flaw).or_default() += 1);
    let mut all: Vec<FlawCount> = counts.into_iter().map(|(flaw, records)| FlawCount { flaw, records }).collect();
    all.sort_by_key(|count| std::cmp::Reverse(count.records));
    all
}

/// What the held-out set says of the records one by one, if it says anything.
fn values(records: &[(u64, Record)], usefulness: &Usefulness) -> Option<Values> {
    let mut valued: Vec<(usize, f64)> = usefulness.values.iter().map(|(place, value)| (*place, *value)).collect();
    if valued.is_empty() {
        return None;
    }
    valued.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    let count = |test: fn(f64) -> bool| valued.iter().filter(|(_, value)| test(*value)).count() as u64;
    let best = valued.iter().take_while(|(_, value)| *value > 0.0).take(MAX_BEST).map(|(place, value)| {
        let (position, record) = &records[*place];
        Valued { record: *position, value: value * 1e3, excerpt: cut(record.text(), EXCERPT - 1) }
    });
    let (help, harm) = (count(|value| value > 0.0), count(|value| value < 0.0));
    Some(Values { measured: valued.len() as u64, help, harm, best: best.collect() })
}

/// The records with something against them, and whether that list was cut.
fn flag<E>(
    input: &JudgeInput<'_, E>,
    faults: Vec<Option<String>>,
    quality: &[Quality],
    duplicates: &[Option<DuplicateOf>],
    usefulness: &Usefulness,
) -> (Vec<Flagged>, bool) {
    let describe = |(place, invalid): (usize, Option<String>)| {
        let (position, record) = &input.records[place];
        let value = usefulness.values.get(&place).map(|value| value * 1e3);
        Flagged {
            record: *position,
            invalid,
            duplicate_of: duplicates[place],
            flaws: quality[place].flaws.clone(),
            quality: quality[place].score,
            value,
            excerpt: cut(record.text(), EXCERPT - 1),
        }
    };
    let mut flagged: Vec<(u8, Flagged)> =
        faults.into_iter().enumerate().map(describe).map(|f| (severity(&f), f)).filter(|(s, _)| *s > 0).collect();
    // Within one severity the most misleading first; positions break ties.
    let value = |flagged: &Flagged| flagged.value.unwrap_or_default();
    flagged.sort_by(|a, b| b.0.cmp(&a.0).then(value(&a.1).total_cmp(&value(&b.1))).then(a.1.record.cmp(&b.1.record)));
    let is_cut = flagged.len() > MAX_FLAGGED;
    flagged.truncate(MAX_FLAGGED);
    (flagged.into_iter().map(|(_, flagged)| flagged).collect(), is_cut)
}

/// 0: nothing against it.
fn severity(flagged: &Flagged) -> u8 {
    match flagged {
        Flagged { invalid: Some(_), .. } => 4,
        Flagged { duplicate_of: Some(_), .. } => 3,
        Flagged { flaws, quality, .. } if !flaws.is_empty() && *quality < 0.5 => 2,
        Flagged { flaws, value, .. } => u8::from(!flaws.is_empty() || value.is_some_and(|value| value < 0.0)),
    }
}

#[cfg(test)]
mod tests;
