//! What readers see: the state after a commit, which later commits do not change.

use std::collections::BTreeMap;
use std::sync::Arc;

use datanet_types::ContributionId;
use serde::{Deserialize, Serialize};
use tantivy::schema::{IndexRecordOption, Value};
use tantivy::{DocAddress, DocSet, Searcher, TERMINATED, TantivyDocument, Term};

use super::RetrievalError;
use super::schema::Fields;
use super::space::Extent;
use super::vectors::VectorFile;

/// What the index knows of a contribution; its presence makes the contribution's records visible.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Manifest {
    /// Rows of its records, in the records' order.
    pub(super) extents: Vec<Extent>,
    /// Records.
    pub(super) documents: u64,
    /// Terms of all its texts.
    pub(super) terms: u64,
}

/// Contributions by id.
pub(super) type Catalogue = BTreeMap<ContributionId, Manifest>;

/// A record's stored part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stored {
    pub(super) contribution: ContributionId,
    pub(super) record: u64,
    pub(super) text: String,
    pub(super) label: Option<String>,
}

pub(super) struct View {
    pub(super) searcher: Searcher,
    pub(super) fields: Fields,
    pub(super) catalogue: Arc<Catalogue>,
    pub(super) vectors: Arc<VectorFile>,
}

impl View {
    /// The record whose vector is in `row`.
    pub(super) fn stored(&self, row: u64) -> Result<Stored, RetrievalError> {
        let address = self.address(row)?.ok_or_else(|| damaged(row))?;
        let document: TantivyDocument = self.searcher.doc(address)?;
        let bytes = document.get_first(self.fields.contribution).and_then(|value| value.as_bytes());
        let contribution = bytes.and_then(|bytes| ContributionId::from_slice(bytes).ok());
        let text = document.get_first(self.fields.text).and_then(|value| value.as_str());
        let record = document.get_first(self.fields.record).and_then(|value| value.as_u64());
        let label = document.get_first(self.fields.label).and_then(|value| value.as_str());
        match (contribution, record, text) {
            (Some(contribution), Some(record), Some(text)) => {
                Ok(Stored { contribution, record, text: text.to_owned(), label: label.map(str::to_owned) })
            }
            _ => Err(damaged(row)),
        }
    }

    fn address(&self, row: u64) -> Result<Option<DocAddress>, RetrievalError> {
        let term = Term::from_field_u64(self.fields.row, row);
        for (ordinal, segment) in self.searcher.segment_readers().iter().enumerate() {
            let index = segment.inverted_index(self.fields.row)?;
            let Some(mut postings) = index.read_postings(&term, IndexRecordOption::Basic)? else { continue };
            let mut document = postings.doc();
            while document != TERMINATED {
                // A deleted record may have had the row before.
                if !segment.is_deleted(document) {
                    return Ok(Some(DocAddress::new(ordinal as u32, document)));
                }
                document = postings.advance();
            }
        }
        Ok(None)
    }
}

fn damaged(row: u64) -> RetrievalError {
    tantivy::TantivyError::InternalError(format!("no record for row {row}")).into()
}
