//! The records of several files as JSONL, read as they are wanted.

use anyhow::{Context, Result};
use datanet_data::corpus::{Columns, Limits, Records, read_records_by};
use datanet_types::schema::Schema;

use super::GivenFile;

/// Lines are handed on in pieces of about this size.
const PIECE: usize = 256 << 10;

/// See the module.
pub(in crate::cli) struct Lines {
    files: std::vec::IntoIter<GivenFile>,
    columns: Columns,
    schema: Schema,
    open: Option<(String, Records)>,
}

impl Lines {
    /// The records of `files` by `schema`.
    pub(in crate::cli) fn new(files: Vec<GivenFile>, columns: Columns, schema: Schema) -> Self {
        Self { files: files.into_iter(), columns, schema, open: None }
    }

    /// The next record in canonical form.
    pub(in crate::cli) fn next_record(&mut self) -> Result<Option<String>> {
        loop {
            let Some((name, records)) = &mut self.open else {
                let Some(file) = self.files.next() else { return Ok(None) };
                let source = file.source()?;
                let records = read_records_by(file.format, source, &self.schema, &self.columns, Limits::default());
                self.open = Some((file.name.clone(), records.with_context(|| file.name.clone())?));
                continue;
            };
            match records.next() {
                Some(record) => return Ok(Some(record.with_context(|| name.clone())?.canonical().to_owned())),
                None => self.open = None,
            }
        }
    }

    /// The next lines.
    pub(in crate::cli) fn next_piece(&mut self) -> Result<Option<Vec<u8>>> {
        let mut piece = Vec::new();
        while piece.len() < PIECE {
            let Some(record) = self.next_record()? else { break };
            piece.extend_from_slice(record.as_bytes());
            piece.push(b'\n');
        }
        Ok((!piece.is_empty()).then_some(piece))
    }
}
