//! Records on the ledger's terms: how a batch is written, and what stands under its record root.

use crate::id::Digest;
use crate::merkle::leaf_hash;

/// How a contribution's bytes are written.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, prost::Enumeration, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
#[repr(i32)]
pub enum Format {
    /// One JSON object a line (`application/x-ndjson`).
    Jsonl = 0,
    /// Values separated by commas, or by tabs, semicolons or bars, with a header line (`text/csv`).
    Csv = 1,
    /// Apache Parquet (`application/vnd.apache.parquet`).
    Parquet = 2,
    /// Markdown; each paragraph is a record (`text/markdown`).
    Markdown = 3,
    /// Plain text; each paragraph is a record (`text/plain`).
    Text = 4,
}

impl Format {
    /// The media type an upload of this format carries, of the spellings that are read (`datanet_data::corpus::media`).
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Jsonl => "application/x-ndjson",
            Self::Csv => "text/csv",
            Self::Parquet => "application/vnd.apache.parquet",
            Self::Markdown => "text/markdown",
            Self::Text => "text/plain",
        }
    }

    /// The format of a file by its ending.
    pub fn from_extension(extension: &str) -> Option<Self> {
        match extension.to_ascii_lowercase().as_str() {
            "jsonl" | "ndjson" | "jsonlines" => Some(Self::Jsonl),
            "csv" | "tsv" | "tab" => Some(Self::Csv),
            "parquet" | "pq" => Some(Self::Parquet),
            "md" | "markdown" => Some(Self::Markdown),
            "txt" | "text" => Some(Self::Text),
            _ => None,
        }
    }
}

/// The leaf of a record: the hash of its canonical JSON (keys sorted, no white space, text in NFC).
pub fn record_leaf(canonical_json: &[u8]) -> Digest {
    leaf_hash(canonical_json)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_known_by_their_ending_in_any_case() {
        for (ending, format) in [("NDJSON", Format::Jsonl), ("tsv", Format::Csv), ("pq", Format::Parquet)] {
            assert_eq!(Format::from_extension(ending), Some(format));
        }
        assert_eq!(Format::from_extension("xlsx"), None);
    }
}
