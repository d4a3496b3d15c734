//! What a judge says besides the scores: published as a JSON blob, read by people.

use datanet_types::id::ContributionId;
use datanet_types::scores::Scores;
use serde::{Deserialize, Serialize};

use super::duplicates::DuplicateOf;
use super::quality::Flaw;
use super::repeats::Repeats;
use super::usefulness::Coverage;

/// Version of the report's shape.
pub const REPORT_VERSION: u32 = 1;
/// Most records that a report names: with these and its fixed parts it stays below 128 KiB.
pub const MAX_FLAGGED: usize = 100;

/// Most records that a report praises.
pub const MAX_BEST: usize = 20;

/// Why a contribution got its scores.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// [`REPORT_VERSION`].
    pub version: u32,
    /// The contribution judged.
    pub contribution: ContributionId,
    /// One sentence: the reason for the lowest score.
    pub summary: String,
    /// The scores, as in the judgement.
    pub scores: Scores,
    /// One sentence for each score, in the order of [`Scores::NAMES`].
    pub dimensions: Vec<Dimension>,
    /// What was counted.
    pub counts: Counts,
    /// What the labels are worth, in a labelled datanet with a held-out set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<LabelReport>,
    /// How near the records lie to the held-out set, in a datanet without labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coverage: Option<Coverage>,
    /// What the records repeat, whoever is repeated most first, at most [`super::MAX_SOURCES`] sources.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub repeats: Vec<Repeats>,
    /// How many records have which flaw, the most frequent first; a record may have several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flaws: Vec<FlawCount>,
    /// Which records help to classify the held-out set; absent where that was not measured record by record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub values: Option<Values>,
    /// The records with something against them, the most serious first, at most [`MAX_FLAGGED`].
    pub flagged: Vec<Flagged>,
    /// Whether more records would have been flagged.
    pub flagged_is_cut: bool,
}

/// One score and its reason.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Dimension {
    /// One of [`Scores::NAMES`].
    pub name: String,
    /// Basis points.
    pub score: u32,
    /// A sentence.
    pub why: String,
}

/// What was counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Records looked at: all, or a sample of a large contribution.
    pub judged: u64,
    /// Of these, those that fit the schema.
    pub valid: u64,
    /// Exact copies.
    pub exact: u64,
    /// Near copies.
    pub near: u64,
    /// Paraphrases.
    pub paraphrased: u64,
    /// Records of quality below one half.
    pub poor: u64,
    /// Accepted records they were compared with.
    pub corpus: u64,
    /// Held-out records.
    pub held_out: u64,
}

/// What the labels are worth (see [`super::LabelValue`]).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LabelReport {
    /// Total KNN-Shapley value of the contribution, in thousandths.
    pub value: f64,
    /// What random labels would give on average, in thousandths.
    pub random_mean: f64,
    /// And their standard deviation.
    pub random_sd: f64,
    /// (value - random_mean) / random_sd; absent if labels make no difference.
    pub z: Option<f64>,
    /// Neighbours that vote.
    pub neighbours: usize,
}

/// How many records have a flaw.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlawCount {
    /// Which.
    pub flaw: Flaw,
    /// How many.
    pub records: u64,
}

/// What the held-out set says of the records one by one, by their KNN-Shapley values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Values {
    /// Records with a value.
    pub measured: u64,
    /// Of these, those with a positive one.
    pub help: u64,
    /// Those with a negative one.
    pub harm: u64,
    /// Those that help most, at most [`MAX_BEST`].
    pub best: Vec<Valued>,
}

/// A record that helps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Valued {
    /// Its index in the contribution.
    pub record: u64,
    /// Its KNN-Shapley value in thousandths.
    pub value: f64,
    /// How it starts: at most 120 characters.
    pub excerpt: String,
}

/// A record with something against it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Flagged {
    /// Its index in the contribution.
    pub record: u64,
    /// Why it does not fit the schema.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invalid: Option<String>,
    /// The earlier record that it repeats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duplicate_of: Option<DuplicateOf>,
    /// What is wrong with how it is written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flaws: Vec<Flaw>,
    /// Its quality, 0 to 1.
    pub quality: f64,
    /// Its KNN-Shapley value in thousandths; negative: it misleads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// How it starts: at most 120 characters.
    pub excerpt: String,
}
