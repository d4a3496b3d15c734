//! Parquet, read row by row from its row groups: flat columns, by name.

use std::io::{BufReader, Read, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use datanet_types::schema::Schema;
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::reader::{ChunkReader, FileReader, Length, SerializedFileReader};
use parquet::record::reader::RowIter;
use parquet::record::{Field as Cell, Row};

use super::Limits;
use super::builder::RecordBuilder;
use super::checker::Sink;
use super::error::{CorpusError, Fault, cut};
use super::reader::Source;
use super::shape::Shape;

/// Largest column of one row group, uncompressed, in bytes: what a reader may have to hold at once.
const MAX_COLUMN_BYTES: i64 = 256 << 20;

/// The rows of a Parquet file, one after the other.
pub(crate) struct ParquetRecords {
    builder: RecordBuilder,
    limits: Limits,
    rows: RowIter<'static>,
    /// Field of each column.
    columns: Vec<usize>,
    records: u64,
    bytes: u64,
    failed: Failed,
}

impl ParquetRecords {
    pub(super) fn open(source: impl Source, schema: &Schema, limits: Limits) -> Result<Self, CorpusError> {
        let shape = Arc::new(Shape::compile(schema)?);
        let chunks = SharedSource::new(source)?;
        let bytes = chunks.length;
        if bytes > limits.bytes {
            return Err(CorpusError::TooManyBytes { limit: limits.bytes });
        }
        let failed = chunks.failed.clone();
        let file: Box<dyn FileReader> = Box::new(guarded(&failed, || SerializedFileReader::new(chunks))?);
        let columns = read_columns(&shape, file.as_ref())?;
        check_sizes(file.as_ref(), limits)?;
        let rows = guarded(&failed, || Ok(RowIter::from_file_into(file)))?;
        Ok(Self { builder: RecordBuilder::new(shape), limits, rows, columns, records: 0, bytes, failed })
    }

    /// Sends the next row to `sink`; `false` after the last.
    pub(super) fn advance(&mut self, sink: &mut impl Sink) -> Result<bool, CorpusError> {
        let Some(row) = guarded(&self.failed, || self.rows.next().transpose())? else { return Ok(false) };
        if self.records == self.limits.records {
            return Err(CorpusError::TooManyRecords { limit: self.limits.records });
        }
        self.builder.begin();
        let written = write_row(&mut self.builder, &self.columns, &row);
        let record = self.records;
        let finished = written.and_then(|()| self.builder.finish());
        sink.record(&finished.map_err(|fault| CorpusError::Record { record, line: record + 1, fault })?);
        self.records += 1;
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

/// Runs the Parquet library over bytes from strangers. It reports most damage as an error, but asserts here and there.
/// A disk that cannot be read is told from bytes that are no good: who gave them is not to blame for it.
fn guarded<T>(failed: &Failed, read: impl FnOnce() -> ParquetResult<T>) -> Result<T, CorpusError> {
    let result = catch_unwind(AssertUnwindSafe(read));
    if let Some(error) = failed.lock().unwrap_or_else(PoisonError::into_inner).take() {
        return Err(error.into());
    }
    match result {
        Ok(result) => result.map_err(|error| CorpusError::Parquet(cut(&error.to_string(), 200))),
        Err(_) => Err(CorpusError::Parquet("its pages contradict each other".to_owned())),
    }
}

fn read_columns(shape: &Shape, file: &dyn FileReader) -> Result<Vec<usize>, CorpusError> {
    let problem = |column: &str, problem: String| CorpusError::Column { column: cut(column, 64), problem };
    let mut columns = Vec::new();
    for column in file.metadata().file_metadata().schema().get_fields() {
        let name = column.name();
        if !column.is_primitive() || column.get_basic_info().repetition() == parquet::basic::Repetition::REPEATED {
            return Err(problem(name, "is nested; records are flat: write it as one value a row".to_owned()));
        }
        let Some(index) = shape.index_of(name, columns.len()) else {
            return Err(problem(name, format!("is not in the schema; drop it, the fields are {}", shape.names())));
        };
        if columns.contains(&index) {
            return Err(problem(name, "is there twice; keep one".to_owned()));
        }
        columns.push(index);
    }
    let missing = shape.fields.iter().enumerate().find(|(i, field)| field.required && !columns.contains(i));
    match missing {
        Some((_, field)) => Err(problem(&field.name, "is missing; every record needs it".to_owned())),
        None => Ok(columns),
    }
}

fn check_sizes(file: &dyn FileReader, limits: Limits) -> Result<(), CorpusError> {
    let mut rows = 0u64;
    for group in file.metadata().row_groups() {
        rows = rows.saturating_add(u64::try_from(group.num_rows()).unwrap_or(u64::MAX));
        if group.columns().iter().any(|column| column.uncompressed_size() > MAX_COLUMN_BYTES) {
            let limit = MAX_COLUMN_BYTES >> 20;
            return Err(CorpusError::Parquet(format!(
                "a row group has a column over {limit} MiB; write smaller row groups"
            )));
        }
    }
    if rows > limits.records { Err(CorpusError::TooManyRecords { limit: limits.records }) } else { Ok(()) }
}

fn write_row(builder: &mut RecordBuilder, columns: &[usize], row: &Row) -> Result<(), Fault> {
    columns.iter().zip(row.get_column_iter()).try_for_each(|(index, (_, cell))| write_cell(builder, *index, cell))
}

fn write_cell(builder: &mut RecordBuilder, index: usize, cell: &Cell) -> Result<(), Fault> {
    builder.claim(index)?;
    match cell {
        Cell::Null => Ok(()),
        Cell::Bool(value) => builder.boolean(index, *value),
        Cell::Byte(value) => builder.integer(index, i64::from(*value)),
        Cell::Short(value) => builder.integer(index, i64::from(*value)),
        Cell::Int(value) => builder.integer(index, i64::from(*value)),
        Cell::Long(value) => builder.integer(index, *value),
        Cell::UByte(value) => builder.integer(index, i64::from(*value)),
        Cell::UShort(value) => builder.integer(index, i64::from(*value)),
        Cell::UInt(value) => builder.integer(index, i64::from(*value)),
        Cell::ULong(value) => match i64::try_from(*value) {
            Ok(value) => builder.integer(index, value),
            Err(_) => Err(builder.field(index).wrong_kind("a larger number")),
        },
        Cell::Float(value) => builder.float(index, f64::from(*value)),
        Cell::Double(value) => builder.float(index, *value),
        Cell::Str(text) => builder.text(index, text),
        // Some writers leave the mark off that a column of bytes is text.
        Cell::Bytes(bytes) => match std::str::from_utf8(bytes.data()) {
            Ok(text) => builder.text(index, text),
            Err(_) => Err(builder.field(index).wrong_kind("bytes that are not UTF-8")),
        },
        _ => Err(builder.field(index).wrong_kind("a date, a decimal or a nested value")),
    }
}

/// Any source in the form that the Parquet library reads from: several positions of one file at once.
struct SharedSource {
    source: Arc<Mutex<dyn Source>>,
    length: u64,
    failed: Failed,
}

/// What reading the source has failed with, if it has: the Parquet library tells it as it tells damage.
type Failed = Arc<Mutex<Option<std::io::Error>>>;

/// One position of it.
struct Window {
    source: Arc<Mutex<dyn Source>>,
    at: u64,
    failed: Failed,
}

impl SharedSource {
    fn new(mut source: impl Source) -> Result<Self, CorpusError> {
        let length = source.seek(SeekFrom::End(0))?;
        Ok(Self { source: Arc::new(Mutex::new(source)), length, failed: Failed::default() })
    }

    fn window(&self, at: u64) -> Window {
        Window { source: self.source.clone(), at, failed: self.failed.clone() }
    }
}

impl Length for SharedSource {
    fn len(&self) -> u64 {
        self.length
    }
}

impl ChunkReader for SharedSource {
    type T = BufReader<Window>;

    fn get_read(&self, start: u64) -> ParquetResult<Self::T> {
        Ok(BufReader::with_capacity(64 << 10, self.window(start)))
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        // Checked before anything of this length is allocated.
        if start.checked_add(length as u64).is_none_or(|end| end > self.length) {
            return Err(ParquetError::EOF(format!("{length} bytes from {start} on are not there")));
        }
        let mut bytes = vec![0; length];
        self.window(start).read_exact(&mut bytes)?;
        Ok(bytes.into())
    }
}

impl Read for Window {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        // A reader that panicked leaves nothing behind that the next seek does not set right.
        let mut source = self.source.lock().unwrap_or_else(PoisonError::into_inner);
        let read = source.seek(SeekFrom::Start(self.at)).and_then(|_| source.read(buffer));
        let read = read.inspect_err(|error| {
            let same = std::io::Error::new(error.kind(), error.to_string());
            *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(same);
        })?;
        self.at += read as u64;
        Ok(read)
    }
}
