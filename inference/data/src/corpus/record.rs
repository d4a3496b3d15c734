//! A record that fits its schema.

use std::ops::Range;
use std::sync::Arc;

use datanet_types::id::Digest;
use datanet_types::record::record_leaf;
use datanet_types::schema::Schema;

use super::builder::{Canonical, RecordBuilder};
use super::error::{CorpusError, Fault};
use super::json::read_object;
use super::shape::Shape;

/// A validated record in canonical form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    canonical: Box<str>,
    text: Piece,
    label: Option<Piece>,
}

/// A text inside the canonical form.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Piece {
    span: Range<usize>,
    /// The text itself, where escapes make it differ from what stands in the span.
    decoded: Option<Box<str>>,
}

impl Record {
    /// Reads one JSON object and checks it against `schema`.
    ///
    /// # Errors
    /// [`CorpusError::Schema`] if the schema is not valid, and [`CorpusError::Record`], which names the record as
    /// number 0, if the object does not fit it.
    pub fn from_json(json: &str, schema: &Schema) -> Result<Self, CorpusError> {
        let mut builder = RecordBuilder::new(Arc::new(Shape::compile(schema)?));
        let canonical = read_object(json, &mut builder).and_then(|()| builder.finish());
        canonical.map(|c| Self::new(&c)).map_err(|fault| CorpusError::Record { record: 0, line: 1, fault })
    }

    pub(crate) fn new(canonical: &Canonical<'_>) -> Self {
        // The text field is required, so a finished record has it.
        let text = canonical.text_span().unwrap_or(0..0);
        Self {
            text: Piece::new(canonical.json, text),
            label: canonical.label_span().map(|span| Piece::new(canonical.json, span)),
            canonical: canonical.json.into(),
        }
    }

    /// The canonical JSON: keys sorted, no white space, text in NFC.
    pub fn canonical(&self) -> &str {
        &self.canonical
    }

    /// The passage.
    pub fn text(&self) -> &str {
        self.text.get(&self.canonical)
    }

    /// The class, if it has one.
    pub fn label(&self) -> Option<&str> {
        self.label.as_ref().map(|piece| piece.get(&self.canonical))
    }

    /// The record's leaf under the contribution's record root.
    pub fn leaf(&self) -> Digest {
        record_leaf(self.canonical.as_bytes())
    }
}

/// What is wrong with each record by `schema`: for those who do not trust how it was read.
pub(crate) fn recheck<'a>(
    records: impl Iterator<Item = &'a Record>,
    schema: &Schema,
) -> Result<Vec<Option<Fault>>, CorpusError> {
    let mut builder = RecordBuilder::new(Arc::new(Shape::compile(schema)?));
    let check = |record: &Record| {
        builder.begin();
        read_object(record.canonical(), &mut builder).and_then(|()| builder.finish().map(drop)).err()
    };
    Ok(records.map(check).collect())
}

impl Piece {
    fn new(json: &str, span: Range<usize>) -> Self {
        let raw = &json[span.clone()];
        // The canonical form escapes the way serde_json reads.
        let decoded =
            raw.contains('\\').then(|| serde_json::from_str::<Box<str>>(&format!("\"{raw}\"")).ok()).flatten();
        Self { span, decoded }
    }

    fn get<'a>(&'a self, json: &'a str) -> &'a str {
        self.decoded.as_deref().unwrap_or_else(|| &json[self.span.clone()])
    }
}
