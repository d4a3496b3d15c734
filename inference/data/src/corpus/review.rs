//! Reading an input to its end whatever is wrong with its records: for telling all of it at once.

use std::sync::Arc;

use datanet_types::record::Format;
use datanet_types::schema::Schema;

use super::Limits;
use super::builder::Canonical;
use super::checker::{CHUNK, Decoder, Sink};
use super::columns::Columns;
use super::error::CorpusError;
use super::jsonl::{Rules, decode_lines};
use super::lines::Position;
use super::parquet::ParquetRecords;
use super::reader::Source;
use super::record::Record;
use super::shape::Shape;

/// Hears of every record of an input, in order.
pub trait Reviewer {
    /// A record that fits.
    fn fits(&mut self, record: Record);
    /// One that does not, or a column; its numbers are those of the input.
    fn refused(&mut self, error: CorpusError);
}

/// Reads all records that can be read.
///
/// # Errors
/// What the reading ends with: bytes that are no text or no such file, columns that cannot be read, a quote that is not
/// closed, a limit, an input without records. `reviewer` has heard of everything before it.
pub fn review_records(
    format: Format,
    source: impl Source,
    schema: &Schema,
    columns: &Columns,
    limits: Limits,
    reviewer: &mut impl Reviewer,
) -> Result<(), CorpusError> {
    let shape = Arc::new(Shape::compile_by(schema, columns)?);
    let mut sink = Told { reviewer, at: Position::default() };
    if format == Format::Parquet {
        let mut records = ParquetRecords::open(source, shape, limits, &mut |error| sink.refused(error))?;
        while records.advance(&mut sink)? {}
        return records.finish().map(drop);
    }
    let mut decoder = Decoder::new(format, shape, limits)?;
    let (mut source, mut chunk, mut bytes) = (source, vec![0; CHUNK], 0u64);
    loop {
        let read = source.read(&mut chunk)?;
        bytes += read as u64;
        match read {
            _ if bytes > limits.bytes => return Err(CorpusError::TooManyBytes { limit: limits.bytes }),
            0 => return decoder.finish(&mut sink).map(drop),
            _ => decoder.push(&chunk[..read], &mut sink)?,
        }
    }
}

struct Told<'a, R> {
    reviewer: &'a mut R,
    /// How far blocks of JSONL were read.
    at: Position,
}

impl<R: Reviewer> Sink for Told<'_, R> {
    fn record(&mut self, record: &Canonical<'_>) {
        self.reviewer.fits(Record::new(record));
    }

    fn refused(&mut self, error: CorpusError) -> Result<(), CorpusError> {
        self.reviewer.refused(error);
        Ok(())
    }

    fn jsonl_block(&mut self, rules: &Rules, text: &str) -> Result<Position, CorpusError> {
        let (reviewer, at) = (&mut *self.reviewer, self.at);
        let read = decode_lines(rules, text, |read| {
            match read {
                Ok(record) => reviewer.fits(Record::new(record)),
                Err(error) => reviewer.refused(at.place(error)),
            }
            Ok(())
        })?;
        self.at.advance(read);
        Ok(read)
    }
}
