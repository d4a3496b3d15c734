//! What can go wrong with an index.

use std::path::PathBuf;

use datanet_types::{ContributionId, ModelId};

/// Why an index did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum RetrievalError {
    /// The vectors on disk are of another model.
    #[error(
        "the index in {directory} holds vectors of model {indexed}, not of {wanted}; rebuild it and index the \
         contributions again"
    )]
    OtherModel {
        /// Where it is.
        directory: PathBuf,
        /// The model of the vectors there.
        indexed: ModelId,
        /// The model asked for.
        wanted: ModelId,
    },
    /// Written by another version of this software.
    #[error(
        "the index in {directory} is of format {found}, not {expected}; rebuild it and index the contributions again"
    )]
    OtherFormat {
        /// Where it is.
        directory: PathBuf,
        /// The format there.
        found: u32,
        /// The format this version reads.
        expected: u32,
    },
    /// Its files do not fit together.
    #[error("the index in {directory} is damaged ({reason}); rebuild it and index the contributions again")]
    Corrupt {
        /// Where it is.
        directory: PathBuf,
        /// What does not fit.
        reason: String,
    },
    /// Another process or handle has it open for writing.
    #[error("the index in {0} is open already; close the other one first")]
    Locked(PathBuf),
    /// A vector of another length than the model's.
    #[error("the vector has {actual} numbers, the index wants {expected}; embed with the index's model")]
    Dimensions {
        /// The index's.
        expected: usize,
        /// The vector's.
        actual: usize,
    },
    /// Records must ascend and be of the contribution that is being added.
    #[error(
        "record {record} of {contribution} is out of order or of another contribution; add records in ascending order"
    )]
    OutOfOrder {
        /// The document's contribution.
        contribution: ContributionId,
        /// The document's record.
        record: u64,
    },
    /// Semantic and hybrid search, and answers, compare vectors.
    #[error("this search needs the query's vector; embed the query or search by text")]
    NoVector,
    /// The answer rests on contributions that this index does not hold.
    #[error("{} of the snapshot's contributions are not in this index, {} first; fetch and index them, then ask again",
        .0.len(), .0.first().copied().unwrap_or(ContributionId::ZERO))]
    Missing(Vec<ContributionId>),
    /// The upload was withdrawn: by a new one of the same contribution, a removal, or a failed commit.
    #[error("this upload is no longer open; begin it again")]
    UploadClosed,
    /// More documents than one index addresses.
    #[error("the index is full: {0} documents are the most it can search")]
    Full(u64),
    /// The worker is gone, by `close` or by an earlier failure that its log line tells.
    #[error("the index is closed; open it again")]
    Closed,
    /// Neither this nor what else was queued for the same commit is in the index.
    #[error("the index could not commit: {0}; nothing was changed, add it again")]
    Commit(String),
    /// The file system.
    #[error("the index cannot use its files: {0}; check space and permissions")]
    Io(#[from] std::io::Error),
    /// The full-text engine.
    #[error("the full-text index failed: {0}")]
    Tantivy(#[from] tantivy::TantivyError),
}

impl RetrievalError {
    /// Whether [`DatanetIndex::rebuild`](super::DatanetIndex::rebuild) and adding everything again is the remedy.
    pub fn wants_rebuild(&self) -> bool {
        matches!(self, Self::OtherModel { .. } | Self::OtherFormat { .. } | Self::Corrupt { .. })
    }
}
