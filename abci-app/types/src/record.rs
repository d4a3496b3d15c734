//! Records on the ledger's terms: how a batch is written, and what stands under its record root.

use sha2::{Digest as _, Sha256};

use crate::address::Address;
use crate::id::{Digest, tagged_hash};

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

/// The leaf of a record: SHA-256 of a zero byte and its canonical JSON (keys sorted, no white space, text in NFC).
///
/// Records are a KiB or so, and a contribution has millions. BLAKE3 is fast where it can take several KiB side by side;
/// of one it has one block after the other, while processors have instructions for SHA-256 (`docs/adr/0034`).
pub fn record_leaf(canonical_json: &[u8]) -> Digest {
    Digest(Sha256::new().chain_update([0]).chain_update(canonical_json).finalize().into())
}

/// What a contribution says of its records on the ledger: their *plain root* (the Merkle root over their
/// [leaves](record_leaf), in order), keyed by who gives them. Whoever sees one can make none of his own of it: for that he
/// needs the plain root, and so the records. The plain root is told to nobody before the records are.
pub fn record_root(contributor: &Address, plain_root: &Digest) -> Digest {
    Digest(tagged_hash("datanet/record-root/v2", &[&contributor.0, &plain_root.0]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::merkle::MerkleAccumulator;

    /// The plain root over these records.
    fn plain_root(records: &[Vec<u8>]) -> Digest {
        let mut tree = MerkleAccumulator::default();
        records.iter().for_each(|record| tree.push(record_leaf(record)));
        tree.root()
    }

    proptest! {
        #[test]
        fn a_record_root_is_of_one_contributor_and_of_these_records(
            one: [u8; 20],
            other: [u8; 20],
            records in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..16), 1..6),
            changed in any::<prop::sample::Index>(),
        ) {
            let (one, other, plain) = (Address(one), Address(other), plain_root(&records));
            let root = record_root(&one, &plain);
            prop_assert_eq!(record_root(&other, &plain) == root, one == other);
            prop_assert_ne!(root, plain);
            // Keying what is seen once more gives nothing that fits either.
            prop_assert_ne!(record_root(&one, &root), root);
            let mut mended = records.clone();
            mended[changed.index(records.len())].push(0);
            prop_assert_ne!(record_root(&one, &plain_root(&mended)), root);
        }
    }

    #[test]
    fn how_a_record_root_is_keyed_does_not_change() {
        let root = record_root(&Address([1; 20]), &Digest([2; 32]));
        insta::assert_snapshot!(root, @"d5827eb2b1be8ceaa30f54f80932bf2b4a52dbbf0502967da2f4bf94464061b4");
    }

    #[test]
    fn files_are_known_by_their_ending_in_any_case() {
        for (ending, format) in [("NDJSON", Format::Jsonl), ("tsv", Format::Csv), ("pq", Format::Parquet)] {
            assert_eq!(Format::from_extension(ending), Some(format));
        }
        assert_eq!(Format::from_extension("xlsx"), None);
    }
}
