//! Computes a signed answer again, from this node's own documents.

use std::collections::BTreeMap;

use datanet_types::receipt::{AnswerRecord, AskOutput, Method, Passage};
use datanet_types::{ContributionId, ModelId, Ppm};

use super::answer::{Neighbour, Question, compose, credits, neighbours_wanted, passage, retrieve, voters, votes_for};
use super::scope::Scope;
use super::view::View;
use super::{RetrievalError, Snapshot};
use crate::Embedding;

/// How much of the weight may lie elsewhere in an honest answer: two percent.
///
/// Scores are compared in units of 1e-4, and honest embeddings differ by about 1e-6, so about one score in a hundred
/// lands in the neighbouring unit and moves a few hundred parts per million. Measured on the task in `answer`, with
/// noise of up to 5e-7 on every number of every vector and 5 to 40 neighbours: 1,462 of 1,570 answers equal to the bit,
/// the others at most 955 parts per million away. Two percent leaves room for questions whose neighbours are all nearly
/// equally near, and is still too little to be worth lying for.
pub const TOLERANCE: Ppm = Ppm(20_000);

/// What a second computation says of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecomputeVerdict {
    /// Equal to the bit.
    Match,
    /// The same answer; so much of the weight, at most [`TOLERANCE`], lies elsewhere.
    Within {
        /// How much.
        difference: Ppm,
    },
    /// Not an answer that an honest node gives.
    Mismatch {
        /// In what it differs.
        what: Difference,
    },
}

/// In what an answer is not the one that its snapshot gives.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Difference {
    /// The receipt names another set of contributions than the ledger had at that height.
    #[error("the receipt's snapshot is not the ledger's at height {height}")]
    Snapshot {
        /// The receipt's height.
        height: u64,
    },
    /// The receipt names another model than this index's.
    #[error("the receipt is of model {claimed}, the datanet is indexed with {indexed}")]
    Model {
        /// The receipt's.
        claimed: ModelId,
        /// The index's.
        indexed: ModelId,
    },
    /// The receipt's method is not retrieval.
    #[error("the receipt is not of the method retrieval")]
    Method,
    /// Another label wins.
    #[error("the label is {computed:?}, not {claimed:?}")]
    Label {
        /// The receipt's.
        claimed: Option<String>,
        /// The one computed here.
        computed: Option<String>,
    },
    /// A quoted passage is not near the question, quoted twice or out of order, or does not read so.
    #[error("record {record} of {contribution} is not what is quoted, or should not be quoted there")]
    Passage {
        /// The passage's contribution.
        contribution: ContributionId,
        /// Its record.
        record: u64,
    },
    /// The answer in words does not follow from label and passages.
    #[error("the answer's words do not follow from its label and passages")]
    Words,
    /// The weights are others.
    #[error("{difference} of the weight lie elsewhere, {TOLERANCE} may")]
    Weights {
        /// How much.
        difference: Ppm,
    },
}

pub(super) fn recompute(
    view: &View,
    model: ModelId,
    record: &AnswerRecord,
    snapshot: Snapshot,
    embedding: Embedding,
) -> Result<RecomputeVerdict, RetrievalError> {
    if let Some(what) = other_premises(model, record, &snapshot) {
        return Ok(RecomputeVerdict::Mismatch { what });
    }
    let scope = Scope::exactly(view, &snapshot.contributions, None)?;
    let question = Question { input: record.input.clone(), embedding, snapshot };
    // Twice as far as the answer goes, so that a passage from beyond this node's edge can still be read and judged.
    let near = retrieve(view, &scope, &question, 2 * neighbours_wanted(&record.input) + 1)?;
    Ok(compare(record, &near))
}

fn other_premises(model: ModelId, record: &AnswerRecord, snapshot: &Snapshot) -> Option<Difference> {
    let receipt = &record.receipt;
    if receipt.method != Method::Retrieval as i32 {
        return Some(Difference::Method);
    }
    if receipt.model != model {
        return Some(Difference::Model { claimed: receipt.model, indexed: model });
    }
    let same = receipt.height == snapshot.height && receipt.snapshot == snapshot.root();
    (!same).then_some(Difference::Snapshot { height: receipt.height })
}

/// Compares a record with what the documents near its question give. `near` is best first.
fn compare(record: &AnswerRecord, near: &[Neighbour]) -> RecomputeVerdict {
    let ours = compose(&record.input, &near[..near.len().min(neighbours_wanted(&record.input) + 1)]);
    let claimed: Vec<_> = record.receipt.credits.iter().map(|credit| (credit.contribution, credit.weight)).collect();
    if ours.output == record.output && ours.credits == claimed {
        return RecomputeVerdict::Match;
    }
    let theirs = &record.output;
    let mismatch = |what| RecomputeVerdict::Mismatch { what };
    if let Some(Passage { contribution, record, .. }) = foreign_passage(&theirs.passages, near) {
        return mismatch(Difference::Passage { contribution: *contribution, record: *record });
    }
    let expected = match expected_credits(record, &ours.output, ours.credits) {
        Ok(expected) => expected,
        Err(what) => return mismatch(what),
    };
    if !words_follow(theirs, record.input.classify, &ours.output) {
        return mismatch(Difference::Words);
    }
    let by_passage = |passages: &[Passage]| -> Vec<_> {
        passages.iter().map(|passage| ((passage.contribution, passage.record), passage.weight)).collect()
    };
    let passages = distance(by_passage(&ours.output.passages), by_passage(&theirs.passages));
    let difference = passages.max(distance(expected, claimed));
    if difference <= TOLERANCE {
        RecomputeVerdict::Within { difference }
    } else {
        mismatch(Difference::Weights { difference })
    }
}

/// The first passage that is not near, not so in the documents, quoted twice, or of more weight than one before it.
fn foreign_passage<'p>(passages: &'p [Passage], near: &[Neighbour]) -> Option<&'p Passage> {
    let mut known: BTreeMap<_, _> =
        near.iter().map(|one| ((one.document.contribution, one.document.record), &one.document)).collect();
    // Rounding to whole parts may lift a lower passage by one.
    let mut ceiling = Ppm::ONE;
    passages.iter().find(|quoted| {
        let document = known.remove(&(quoted.contribution, quoted.record));
        let sound = document.is_some_and(|document| passage(document, quoted.weight) == **quoted);
        let falls = quoted.weight <= ceiling;
        ceiling = quoted.weight.saturating_add(Ppm(1));
        !(sound && falls)
    })
}

/// The credits that the claimed label earns by our own passages. Where the vote is close, either label is honest: a
/// shift of the tolerance takes it from one and gives it to the other, so the margin may be twice that.
fn expected_credits(
    record: &AnswerRecord,
    ours: &AskOutput,
    credited: Vec<(ContributionId, Ppm)>,
) -> Result<Vec<(ContributionId, Ppm)>, Difference> {
    let (claimed, computed) = (&record.output.label, &ours.label);
    if claimed == computed {
        return Ok(credited);
    }
    if let (Some(claimed), Some(computed)) = (claimed, computed) {
        let behind = votes_for(&ours.passages, computed).saturating_sub(votes_for(&ours.passages, claimed));
        if behind <= TOLERANCE.saturating_add(TOLERANCE) {
            return Ok(credits(voters(&ours.passages, claimed)));
        }
    }
    Err(Difference::Label { claimed: claimed.clone(), computed: computed.clone() })
}

fn words_follow(theirs: &AskOutput, classify: bool, ours: &AskOutput) -> bool {
    match (&theirs.label, theirs.passages.first()) {
        (Some(label), _) => theirs.answer == *label,
        (None, Some(_)) if !classify => theirs.answer.is_empty(),
        (None, _) => theirs.answer == ours.answer,
    }
}

/// Total variation distance of two weightings.
fn distance<K: Ord>(a: Vec<(K, Ppm)>, b: Vec<(K, Ppm)>) -> Ppm {
    let mut differences: BTreeMap<K, i128> = BTreeMap::new();
    let signed = a.into_iter().map(|(key, weight)| (key, i128::from(weight.0)));
    for (key, weight) in signed.chain(b.into_iter().map(|(key, weight)| (key, -i128::from(weight.0)))) {
        *differences.entry(key).or_default() += weight;
    }
    let sum: u128 = differences.values().map(|difference| difference.unsigned_abs()).sum();
    Ppm(u64::try_from(sum.div_ceil(2)).unwrap_or(u64::MAX))
}
