//! The four measurements, put together.

use std::collections::BTreeMap;

use datanet_types::id::ContributionId;
use datanet_types::schema::Schema;
use datanet_types::scores::Scores;

use super::duplicates::{DuplicateIndex, DuplicateKind, DuplicateOf};
use super::evidence::{Evidence, Usefulness};
use super::quality::{Flaw, Quality, assess};
use super::report::{Counts, Dimension, Flagged, MAX_FLAGGED, REPORT_VERSION, Report};
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
    let duplicates = input.corpus.check(input.contribution, input.records, input.embeddings);
    let evidence = Evidence::of(input);
    let usefulness = Usefulness::measure(&evidence, input);
    let counts = count(input, &faults, &quality, &duplicates);
    let dimensions = [
        validity(&counts, &faults, input.records),
        quality_of(&quality),
        uniqueness(&duplicates, input.records, input.contribution, &evidence),
        usefulness.dimension(),
    ];
    let scores = Scores::from_array(dimensions.each_ref().map(|(score, _)| *score));
    let (flagged, flagged_is_cut) = flag(input, faults, &quality, &duplicates, &usefulness);
    let mut report = report(input.contribution, scores, dimensions);
    (report.counts, report.flagged, report.flagged_is_cut) = (counts, flagged, flagged_is_cut);
    (report.labels, report.coverage) = (usefulness.label_report(), usefulness.coverage);
    Judgement { scores, report }
}

/// The judgement on bytes that are no batch of records of this datanet: nothing but the reason.
pub fn judge_unreadable(contribution: ContributionId, reason: &impl std::fmt::Display) -> Judgement {
    let unmeasured = || (0, "not measured: the contribution cannot be read".to_owned());
    let dimensions = [(0, cut(&reason.to_string(), 400)), unmeasured(), unmeasured(), unmeasured()];
    let scores = Scores::default();
    Judgement { scores, report: report(contribution, scores, dimensions) }
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
        flagged: Vec::new(),
        flagged_is_cut: false,
    }
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

fn uniqueness<E>(
    duplicates: &[Option<DuplicateOf>],
    records: &[(u64, Record)],
    own: ContributionId,
    evidence: &Evidence<'_, E>,
) -> (u32, String) {
    let (all, repeated) = (records.len() as u64, duplicates.iter().flatten().count() as u64);
    let score = bps(all - repeated, all);
    // By source, with its first pair: who is copied most is the reason.
    let mut sources = BTreeMap::<ContributionId, (u64, u64, DuplicateOf)>::new();
    for ((position, _), found) in records.iter().zip(duplicates) {
        if let Some(found) = found {
            sources.entry(found.of.contribution).or_insert((0, *position, *found)).0 += 1;
        }
    }
    let Some((source, (count, position, first))) = sources.into_iter().max_by_key(|(_, (count, ..))| *count) else {
        return (score, format!("no record repeats an earlier one{}", evidence.words_alone()));
    };
    let kind = match first.kind {
        DuplicateKind::Exact => "copies",
        DuplicateKind::Near { .. } => "near copies",
        DuplicateKind::Paraphrase { .. } => "paraphrases",
    };
    let share = percent(count, all);
    let why = match source == own {
        true => format!(
            "{share} of the records are {kind} of others in it (first: record {position}, of record {})",
            first.of.record
        ),
        false => {
            let short = &source.to_hex()[..12];
            format!(
                "{share} of the records are {kind} of contribution {short}… (first: record {position}, of its record {})",
                first.of.record
            )
        }
    };
    (
        score,
        if count == repeated { why } else { format!("{why}; {} repeat an earlier one in all", percent(repeated, all)) },
    )
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
