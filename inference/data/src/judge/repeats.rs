//! What a batch repeats, source by source: whose records, how many, and how.

use std::collections::BTreeMap;

use datanet_types::id::ContributionId;
use serde::{Deserialize, Serialize};

use super::duplicates::{DuplicateKind, DuplicateOf, HELD_OUT};

/// Most sources that a report names.
pub const MAX_SOURCES: usize = 20;

/// Characters of an id in a sentence: as many as tables show, and every command takes them for the whole.
const SHORT: usize = 8;

/// Records that repeat those of one contribution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repeats {
    /// Whose records: an earlier contribution's, the batch's own, or [`HELD_OUT`].
    pub contribution: ContributionId,
    /// How many of the batch's repeat one of them.
    pub records: u64,
    /// Of these, exact copies.
    pub exact: u64,
    /// Near copies.
    pub near: u64,
    /// Paraphrases.
    pub paraphrased: u64,
    /// The first of them, by its index in the batch.
    pub first: u64,
    /// The record that it repeats, by its index in its contribution.
    pub first_of: u64,
}

/// By source, whoever is repeated most first.
pub(super) fn by_source(positions: impl Iterator<Item = u64>, found: &[Option<DuplicateOf>]) -> Vec<Repeats> {
    let mut sources = BTreeMap::<ContributionId, Repeats>::new();
    for (position, found) in positions.zip(found) {
        let Some(found) = found else { continue };
        let contribution = found.of.contribution;
        let source = sources.entry(contribution).or_insert_with(|| Repeats {
            contribution,
            records: 0,
            exact: 0,
            near: 0,
            paraphrased: 0,
            first: position,
            first_of: found.of.record,
        });
        source.records += 1;
        match found.kind {
            DuplicateKind::Exact => source.exact += 1,
            DuplicateKind::Near { .. } => source.near += 1,
            DuplicateKind::Paraphrase { .. } => source.paraphrased += 1,
        }
    }
    let mut all: Vec<Repeats> = sources.into_values().collect();
    all.sort_by_key(|source| std::cmp::Reverse(source.records));
    all
}

impl Repeats {
    /// What most of them are.
    fn kind(&self) -> &'static str {
        match self.exact.max(self.near).max(self.paraphrased) {
            most if most == self.exact => "copies",
            most if most == self.near => "near copies",
            _ => "paraphrases",
        }
    }
}

/// Why the uniqueness is what it is, and what to do: `none` says it where no record repeats another.
pub(super) fn sentence(sources: &[Repeats], judged: u64, own: ContributionId, none: &str) -> String {
    let Some(most) = sources.first() else { return format!("no record repeats an earlier one{none}") };
    let repeated: u64 = sources.iter().map(|source| source.records).sum();
    let many = |count: u64| if count == judged { format!("all {judged}") } else { format!("{count} of {judged}") };
    let (kind, first, of) = (most.kind(), most.first, most.first_of);
    let whose = match most.contribution {
        one if one == own => format!("others in it (first: record {first}, of record {of})"),
        HELD_OUT => {
            format!("held-out records, which nobody learns from (first: record {first}, of held-out record {of})")
        }
        other => {
            format!("contribution {} (first: record {first}, of its record {of})", &other.to_hex()[..SHORT])
        }
    };
    let mut said = format!("{} records are {kind} of {whose}", many(most.records));
    if most.records != repeated {
        said += &format!("; {} repeat an earlier one in all", many(repeated));
    }
    said + match repeated == judged {
        true => "; there is nothing new in it",
        false => "; drop what is repeated and give the rest: the report names the records",
    }
}
