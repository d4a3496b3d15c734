//! The demo's data: who contributes what, what judges it, and what is asked afterwards.
//!
//! By default these are sentences from the documentation of the crates this build was made from, labelled with the part of
//! an API's contract that they state, which is the heading they stand under ([`Dataset::from_registry`]); `--data DIR` gives the same structure from files
//! ([`Dataset::from_folder`]). Everything is seeded: one seed, one data set.

mod bad;
mod contract;
mod deal;
mod dice;
mod folder;
mod prose;
mod registry;

use std::collections::BTreeMap;

use anyhow::Result;
use serde::{Deserialize, Serialize};

pub use contract::PARTS;
pub use registry::{Harvest, Passage};

/// One labelled passage, as it is uploaded (`{"text":…,"label":…}`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The passage.
    pub text: String,
    /// Its class, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
}

/// What is known about a contributor beforehand, so that the outcome can be judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Real passages with their real labels: ought to become final.
    Honest,
    /// Made to be refused.
    Bad(BadKind),
    /// From `--data`: nothing is expected either way.
    Given,
}

/// The ways in which the demo's bad contributors are bad.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BadKind {
    /// Real passages that nobody else gives, with labels drawn at random.
    ShuffledLabels,
    /// Real passages that nobody else gives, with the labels of two parts exchanged: wrong in the same way throughout.
    SwappedLabels,
    /// The passages of the named contributor with a few words changed.
    LightEdits {
        /// Whose passages they are.
        of: String,
    },
    /// Licence, contributing and badge phrases, repeated with small variations.
    Boilerplate,
}

/// One contributor and what it gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contributor {
    /// A short name: the owner of the crates, or the folder's name.
    pub name: String,
    /// The records of its one contribution, in order.
    pub records: Vec<Record>,
    /// Whether it is honest.
    pub kind: Kind,
}

impl Contributor {
    /// The contribution as JSON Lines.
    pub fn to_jsonl(&self) -> String {
        to_jsonl(&self.records)
    }
}

/// Everything the demo needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dataset {
    /// Those who contribute, the honest first.
    pub contributors: Vec<Contributor>,
    /// Judges usefulness; from crates and owners that do not contribute.
    pub holdout: Vec<Record>,
    /// Asked once the data is in; of yet other crates.
    pub questions: Vec<Record>,
    /// Every label, in order.
    pub labels: Vec<String>,
}

impl Dataset {
    /// The documentation of the crates of this build; see [`registry::harvest`].
    ///
    /// # Errors
    /// When cargo's registry cannot be read or holds too little.
    pub fn from_registry(seed: u64) -> Result<Self> {
        deal::deal(&registry::harvest()?, seed)
    }

    /// Somebody else's data: one folder a contributor with `*.jsonl`, `*.csv` or `*.txt`, and `holdout.jsonl`, a
    /// quarter of which is held aside as questions.
    ///
    /// # Errors
    /// Naming the file and line that cannot be used.
    pub fn from_folder(folder: &std::path::Path, seed: u64) -> Result<Self> {
        folder::load(folder, seed)
    }

    /// Whether every record to learn from and every question has a label, of at least two.
    pub fn is_labelled(&self) -> bool {
        let given = self.contributors.iter().flat_map(|contributor| &contributor.records);
        self.labels.len() > 1 && given.chain(&self.questions).all(|record| record.label.is_some())
    }

    /// How many questions the most frequent label of the held-out set would answer rightly: the baseline to beat.
    pub fn majority_correct(&self) -> usize {
        let mut counts = BTreeMap::<&str, usize>::new();
        for label in self.holdout.iter().filter_map(|r| r.label.as_deref()) {
            *counts.entry(label).or_default() += 1;
        }
        let majority = counts.into_iter().max_by_key(|(_, n)| *n).map(|(label, _)| label);
        self.questions.iter().filter(|q| q.label.as_deref() == majority).count()
    }
}

/// Records as JSON Lines.
pub fn to_jsonl(records: &[Record]) -> String {
    let mut out = String::new();
    for record in records {
        out.push_str(&serde_json::json!(record).to_string());
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests;
