//! Parquet, read row by row from its row groups: flat columns, by name.

mod arrow;
mod cell;
mod columns;
mod footer;
mod source;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError};

use datanet_types::record::Format;
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Row;
use parquet::record::reader::RowIter;

use super::Limits;
use super::builder::RecordBuilder;
use super::checker::Sink;
use super::error::{CorpusError, Fault, Refuse, cut, refuse_all};
use super::foreign::{HEAD, refuse_foreign};
use super::reader::Source;
use super::shape::Shape;
use cell::write_cell;
use columns::{check_row_groups, only, read_columns};
use source::{Failed, SharedSource};

/// What says where the rows are.
const FOOTER: &str = "its footer";
/// What a file begins and ends with.
const MAGIC: &[u8] = b"PAR1";

/// The rows of a Parquet file, one after the other.
pub(crate) struct ParquetRecords {
    builder: RecordBuilder,
    limits: Limits,
    rows: RowIter<'static>,
    /// Field of each column that is read.
    columns: Vec<usize>,
    records: u64,
    bytes: u64,
    failed: Failed,
}

impl ParquetRecords {
    pub(super) fn open(
        mut source: impl Source,
        shape: Arc<Shape>,
        limits: Limits,
        refuse: Refuse<'_>,
    ) -> Result<Self, CorpusError> {
        check_ends(&mut source)?;
        let chunks = SharedSource::new(source)?;
        let bytes = chunks.length;
        if bytes > limits.bytes {
            return Err(CorpusError::TooManyBytes { limit: limits.bytes });
        }
        let failed = chunks.failed.clone();
        let file: Box<dyn FileReader> = Box::new(guarded(&failed, FOOTER, || SerializedFileReader::new(chunks))?);
        let (columns, problems) = read_columns(&shape, file.metadata());
        refuse_all(problems, refuse)?;
        check_row_groups(file.metadata(), &columns, limits)?;
        let read = columns.iter().any(Option::is_none).then(|| only(file.metadata(), &columns)).transpose()?;
        let rows = guarded(&failed, FOOTER, || RowIter::from_file_into(file).project(read))?;
        let columns = columns.into_iter().flatten().collect();
        Ok(Self { builder: RecordBuilder::new(shape), limits, rows, columns, records: 0, bytes, failed })
    }

    /// Sends the next row to `sink`; `false` after the last.
    pub(super) fn advance(&mut self, sink: &mut impl Sink) -> Result<bool, CorpusError> {
        let Some(row) = guarded(&self.failed, "a page of its rows", || self.rows.next().transpose())? else {
            return Ok(false);
        };
        if self.records == self.limits.records {
            return Err(CorpusError::TooManyRecords { limit: self.limits.records });
        }
        self.builder.begin();
        let written = write_row(&mut self.builder, &self.columns, &row);
        let record = self.records;
        self.records += 1;
        match written.and_then(|()| self.builder.finish()) {
            Ok(found) => sink.record(&found),
            Err(fault) => sink.refused(CorpusError::Record { record, line: record + 1, fault })?,
        }
        Ok(true)
    }

    /// Bytes of the file.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How many there were; none is an error.
    pub(super) fn finish(&self) -> Result<u64, CorpusError> {
        if self.records == 0 { Err(CorpusError::NoRecords) } else { Ok(self.records) }
    }
}

/// Tells a file that is none, or not whole, by its first and last bytes: each has a remedy of its own.
fn check_ends(source: &mut impl Source) -> Result<(), CorpusError> {
    let (head, tail) = source::ends(source, HEAD, MAGIC.len())?;
    refuse_foreign(Format::Parquet, &head)?;
    let reason = if head.starts_with(b"PARE") || tail == b"PARE" {
        "it is encrypted; write it without encryption"
    } else if !head.starts_with(MAGIC) {
        "it does not begin as a Parquet file does; send what a Parquet writer wrote, or name the format that it has"
    } else if tail != MAGIC {
        "it is cut short; write it again and send all of it"
    } else if footer::is_encrypted(source)? {
        "it has encrypted columns; write it without encryption"
    } else {
        return Ok(());
    };
    Err(CorpusError::Parquet(reason.to_owned()))
}

/// Runs the Parquet library over bytes from strangers. It reports most damage as an error, but asserts here and there.
/// A disk that cannot be read is told from bytes that are no good: who gave them is not to blame for it.
fn guarded<T>(failed: &Failed, part: &str, read: impl FnOnce() -> ParquetResult<T>) -> Result<T, CorpusError> {
    let result = catch_unwind(AssertUnwindSafe(read));
    if let Some(error) = failed.lock().unwrap_or_else(PoisonError::into_inner).take() {
        return Err(error.into());
    }
    match result {
        Ok(Ok(read)) => Ok(read),
        Ok(Err(error)) => Err(CorpusError::Parquet(in_words(part, &error))),
        Err(_) => Err(CorpusError::Parquet(damaged("its pages contradict each other"))),
    }
}

/// What the library's error means: its own words are for its programmers, with bytes printed as lists.
fn in_words(part: &str, error: &ParquetError) -> String {
    let text = error.to_string();
    match error {
        ParquetError::NYI(what) => {
            format!("it uses what is not read here ({}); write it as its writer does by default", cut(what, 100))
        }
        _ if text.contains("checksum") => damaged("the checksum of a page is wrong"),
        _ if text.contains("as String") => {
            "a text in it is not UTF-8; it is damaged, or was written in another encoding: write its texts as UTF-8"
                .to_owned()
        }
        _ => damaged(&format!("{part} cannot be read")),
    }
}

fn damaged(what: &str) -> String {
    format!("{what}; it is damaged: write it again and send all of it")
}

fn write_row(builder: &mut RecordBuilder, columns: &[usize], row: &Row) -> Result<(), Fault> {
    let mut cells = columns.iter().zip(row.get_column_iter());
    cells.try_for_each(|(index, (_, cell))| write_cell(builder, *index, cell))
}
