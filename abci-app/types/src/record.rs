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
    /// Comma-separated values with a header line (`text/csv`).
    Csv = 1,
    /// Apache Parquet (`application/vnd.apache.parquet`).
    Parquet = 2,
    /// Markdown; each paragraph is a record (`text/markdown`).
    Markdown = 3,
    /// Plain text; each paragraph is a record (`text/plain`).
    Text = 4,
}

impl Format {
    /// The media type an upload of this format carries.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Jsonl => "application/x-ndjson",
            Self::Csv => "text/csv",
            Self::Parquet => "application/vnd.apache.parquet",
            Self::Markdown => "text/markdown",
            Self::Text => "text/plain",
        }
    }

    /// The format of a media type (parameters such as `charset` are ignored).
    pub fn from_media_type(media_type: &str) -> Option<Self> {
        let essence = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match essence.as_str() {
            "application/x-ndjson" | "application/jsonl" | "application/x-jsonlines" | "application/json-lines" => {
                Some(Self::Jsonl)
            }
            "text/csv" => Some(Self::Csv),
            "application/vnd.apache.parquet" | "application/x-parquet" | "application/parquet" => Some(Self::Parquet),
            "text/markdown" => Some(Self::Markdown),
            "text/plain" => Some(Self::Text),
            _ => None,
        }
    }

    /// The format of a file by its ending.
    pub fn from_extension(extension: &str) -> Option<Self> {
        match extension.to_ascii_lowercase().as_str() {
            "jsonl" | "ndjson" => Some(Self::Jsonl),
            "csv" => Some(Self::Csv),
            "parquet" => Some(Self::Parquet),
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
    fn media_types_round_trip_and_ignore_parameters() {
        for format in [Format::Jsonl, Format::Csv, Format::Parquet, Format::Markdown, Format::Text] {
            assert_eq!(Format::from_media_type(format.media_type()), Some(format));
        }
        assert_eq!(Format::from_media_type("Text/CSV; charset=utf-8"), Some(Format::Csv));
        assert_eq!(Format::from_media_type("image/png"), None);
    }
}
