//! What would become of an input, before anybody gives it: all that is wrong with it at once, and what judges would name.

use std::collections::{BTreeMap, HashSet};

use datanet_types::record::Format;
use datanet_types::schema::Schema;
use serde::Serialize;

use crate::corpus::{Columns, CorpusError, Limits, Record, Reviewer, Source, review_records};
use crate::judge::is_too_short;

/// Kinds of problems that are told apart; what is beyond is counted together.
const MAX_KINDS: usize = 40;
/// Places that are named of each kind.
const MAX_PLACES: usize = 5;

/// Where in the input something stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Place {
    /// The file; absent where there is one alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The record in that file, from 0; absent for what is no record's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record: Option<u64>,
    /// Its line, from 1, where it is known; a row of Parquet is a line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
}

/// What several places have in common.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Such as `missing-field`.
    pub kind: String,
    /// The field or column.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// How many there are.
    pub count: u64,
    /// The first of them.
    pub first: Vec<Place>,
    /// What is said of the very first, with what mends it.
    pub example: String,
}

/// Records that have something in common.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Noted {
    /// How many there are.
    pub count: u64,
    /// The first of them.
    pub first: Vec<Place>,
}

/// What an input is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Review {
    /// Records read.
    pub records: u64,
    /// Records that fit the schema.
    pub fitting: u64,
    /// Bytes of those as JSONL.
    pub bytes: u64,
    /// What keeps the input from being given.
    pub problems: Vec<Problem>,
    /// Whether the reading of some file ended before its end.
    pub is_cut: bool,
    /// Records that judges would name as too short.
    pub too_short: Noted,
    /// Records that repeat an earlier one of the input exactly.
    pub copies: Noted,
}

impl Review {
    /// Whether nothing keeps the input from being given.
    pub fn is_good(&self) -> bool {
        self.problems.is_empty()
    }
}

/// Reviews one file after the other.
#[derive(Debug, Default)]
pub struct Reviews {
    review: Review,
    /// Where in [`Review::problems`] each kind is.
    kinds: BTreeMap<(String, Option<String>), usize>,
    /// Beginnings of the leaves seen: 8 bytes a record, and two different ones alike in a million million.
    seen: HashSet<u64>,
    file: Option<String>,
    in_file: u64,
}

impl Reviews {
    /// Reviews a file, called `name` in what is said of it.
    pub fn read(
        &mut self,
        name: Option<&str>,
        format: Format,
        source: impl Source,
        schema: &Schema,
        columns: &Columns,
        limits: Limits,
    ) {
        self.begin(name);
        if let Err(error) = review_records(format, source, schema, columns, limits, self) {
            self.review.is_cut = true;
            self.note(&error);
        }
    }

    /// Notes a file that cannot even be opened, or something else that is wrong with the whole.
    pub fn broken(&mut self, name: Option<&str>, error: &CorpusError) {
        self.begin(name);
        self.review.is_cut = true;
        self.note(error);
    }

    /// Notes a problem that no reader knows of.
    pub fn object(&mut self, kind: &str, example: String) {
        self.begin(None);
        let (file, record, line) = (None, None, None);
        self.add(kind, None, Place { file, record, line }, || example);
    }

    /// Bytes of the records that fit, so far, as JSONL.
    pub fn bytes(&self) -> u64 {
        self.review.bytes
    }

    /// What all files together are.
    pub fn finish(self) -> Review {
        self.review
    }

    fn begin(&mut self, name: Option<&str>) {
        (self.file, self.in_file) = (name.map(str::to_owned), 0);
    }

    fn note(&mut self, error: &CorpusError) {
        let (kind, field) = error.kind();
        let (record, line) = match error {
            CorpusError::Record { record, line, .. } => (Some(*record), Some(*line)),
            _ => (None, None),
        };
        let place = Place { file: self.file.clone(), record, line };
        self.add(kind, field.map(str::to_owned), place, || error.to_string());
    }

    fn add(&mut self, kind: &str, field: Option<String>, place: Place, example: impl FnOnce() -> String) {
        let mut key = (kind.to_owned(), field);
        if !self.kinds.contains_key(&key) && self.kinds.len() >= MAX_KINDS {
            key = ("others".to_owned(), None);
        }
        let problems = &mut self.review.problems;
        let at = *self.kinds.entry(key.clone()).or_insert_with(|| {
            let (kind, field) = key;
            problems.push(Problem { kind, field, count: 0, first: Vec::new(), example: example() });
            problems.len() - 1
        });
        let problem = &mut problems[at];
        problem.count += 1;
        if problem.first.len() < MAX_PLACES {
            problem.first.push(place);
        }
    }

    fn here(&self) -> Place {
        Place { file: self.file.clone(), record: Some(self.in_file), line: None }
    }
}

impl Noted {
    fn add(&mut self, place: Place) {
        self.count += 1;
        if self.first.len() < MAX_PLACES {
            self.first.push(place);
        }
    }
}

impl Reviewer for Reviews {
    fn fits(&mut self, record: Record) {
        let place = self.here();
        self.in_file += 1;
        let review = &mut self.review;
        review.records += 1;
        review.fitting += 1;
        review.bytes += record.canonical().len() as u64 + 1;
        if is_too_short(record.text()) {
            review.too_short.add(place.clone());
        }
        let leaf = record.leaf();
        let [a, b, c, d, e, f, g, h, ..] = leaf.0;
        if !self.seen.insert(u64::from_le_bytes([a, b, c, d, e, f, g, h])) {
            review.copies.add(place);
        }
    }

    fn refused(&mut self, error: CorpusError) {
        if matches!(error, CorpusError::Record { .. }) {
            self.review.records += 1;
            self.in_file += 1;
        }
        self.note(&error);
    }
}

#[cfg(test)]
mod tests;
