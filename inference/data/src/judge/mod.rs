//! Judging a contribution: four scores, and a report that says why.
//!
//! | score | measured by |
//! |---|---|
//! | validity | the share of records that fit the datanet's schema |
//! | quality | [`assess`]: length, letters, repetition, gibberish, markup, boilerplate |
//! | uniqueness | [`DuplicateIndex`]: exact, near (MinHash) and paraphrased (embedding) copies of earlier records |
//! | usefulness | [`value_labels`]: KNN-Shapley on the held-out set against random labels; [`cover`] without labels |
//!
//! Everything here is a pure function of its input: no clock, no randomness, the same result on every run. Floats stay
//! inside; what leaves is whole basis points. Judges may still differ a little, because embeddings do from machine to
//! machine and because they may know different accepted contributions: the tally is a median for that reason.

mod boilerplate;
mod clusters;
mod duplicates;
mod evidence;
mod minhash;
mod quality;
mod repeats;
mod report;
#[cfg(test)]
mod tests;
mod usefulness;
mod vector;
mod verdict;
mod words;

pub use duplicates::{DuplicateIndex, DuplicateKind, DuplicateOf, HELD_OUT, NEAR, PARAPHRASE, RecordRef};
pub use quality::{Flaw, Quality, assess, is_too_short};
pub use repeats::{MAX_SOURCES, Repeats};
pub use report::{
    Counts, Dimension, Flagged, FlawCount, LabelReport, MAX_BEST, MAX_FLAGGED, REPORT_VERSION, Report, Valued, Values,
};
pub use usefulness::{Coverage, LabelValue, Labelled, NEIGHBOURS, cover, value_labels};
pub use verdict::{JudgeInput, Judgement, judge, judge_unreadable, report_unavailable};
