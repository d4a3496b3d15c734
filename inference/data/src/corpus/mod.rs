//! Records: what a contribution's bytes mean, whatever format they came in.
//!
//! Every format ends in the same place: a [`Record`], one JSON object in canonical form (keys sorted, no white space,
//! text in Unicode NFC, numbers in one spelling). Its hash is a leaf under the contribution's record root, so the same
//! records give the same root from JSONL, CSV, Parquet, Markdown and plain text.
//!
//! ```text
//! bytes -> decoder (jsonl | csv | parquet | markdown | text) -> RecordBuilder (schema check, canonical form)
//!                                                                 |-> StreamChecker: count and root, nothing kept
//!                                                                 '-> read_records:  the records themselves
//! ```
//!
//! [`StreamChecker`] checks an upload while it streams by; [`read_records`] reads a stored blob back; both run the same
//! decoders, so they cannot disagree. Memory is bounded by [`Limits::record_bytes`] and a few MiB of buffers, however
//! long the input. Nothing here panics on garbage.

mod builder;
mod checker;
mod columns;
mod csv;
mod error;
mod foreign;
mod json;
mod jsonl;
mod lines;
mod markup;
pub mod media;
mod number;
mod paragraphs;
mod parquet;
mod reader;
mod record;
mod review;
mod shape;
mod unicode;
mod utf8;

pub use checker::{StreamChecker, Summary, check, check_parquet};
pub use columns::{Columns, PROVENANCE};
pub(crate) use error::cut;
pub use error::{CorpusError, Fault};
pub use reader::{Records, Source, read_records, read_records_by};
pub use record::Record;
pub(crate) use record::recheck;
pub use review::{Reviewer, review_records};

/// How much input is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most records.
    pub records: u64,
    /// Most bytes of input.
    pub bytes: u64,
    /// Longest record as written (a line, a row, a paragraph), in bytes: what keeps memory flat.
    pub record_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { records: 16 << 20, bytes: 16 << 30, record_bytes: 1 << 20 }
    }
}

#[cfg(test)]
mod tests;
