//! Reading stored records back, for indexing and judging.

use std::collections::VecDeque;
use std::io::{Read, Seek};
use std::sync::Arc;

use datanet_types::record::Format;
use datanet_types::schema::Schema;

use super::Limits;
use super::builder::Canonical;
use super::checker::{CHUNK, Decoder, Sink};
use super::columns::Columns;
use super::error::CorpusError;
use super::parquet::ParquetRecords;
use super::record::Record;
use super::shape::Shape;

/// Stored bytes: a file, a cursor over bytes in memory, a reader of the blob store. Read from its start to its end.
pub trait Source: Read + Seek + Send + 'static {}

impl<S: Read + Seek + Send + 'static> Source for S {}

/// The records of a stored input, in order. Ends after the first error.
pub struct Records {
    origin: Origin,
    ready: Ready,
    is_over: bool,
}

enum Origin {
    Stream { decoder: Box<Decoder>, reader: Box<dyn Source>, chunk: Vec<u8>, bytes: u64, limit: u64 },
    Parquet(Box<ParquetRecords>),
}

#[derive(Default)]
struct Ready(VecDeque<Record>);

impl Sink for Ready {
    fn record(&mut self, record: &Canonical<'_>) {
        self.0.push_back(Record::new(record));
    }
}

/// Opens a stored input of any format: the same decoders, in the same order, as the checkers'.
///
/// # Errors
/// At once for an unusable schema, a schema that the format cannot satisfy, and an unreadable Parquet footer; what is
/// wrong with a record is told where the iterator comes to it.
pub fn read_records(
    format: Format,
    source: impl Source,
    schema: &Schema,
    limits: Limits,
) -> Result<Records, CorpusError> {
    read_records_by(format, source, schema, &Columns::default(), limits)
}

/// The same, of an input whose columns are called otherwise than the fields.
///
/// # Errors
/// As [`read_records`], and when the columns named are not there.
pub fn read_records_by(
    format: Format,
    source: impl Source,
    schema: &Schema,
    columns: &Columns,
    limits: Limits,
) -> Result<Records, CorpusError> {
    let shape = Arc::new(Shape::compile_by(schema, columns)?);
    let origin = match format {
        Format::Parquet => Origin::Parquet(Box::new(ParquetRecords::open(source, shape, limits, &mut Err)?)),
        _ => Origin::Stream {
            decoder: Box::new(Decoder::new(format, shape, limits)?),
            reader: Box::new(source),
            chunk: vec![0; CHUNK],
            bytes: 0,
            limit: limits.bytes,
        },
    };
    Ok(Records { origin, ready: Ready::default(), is_over: false })
}

impl Records {
    /// Decodes until at least one record is ready or the input is over.
    fn refill(&mut self) -> Result<(), CorpusError> {
        while self.ready.0.is_empty() && !self.is_over {
            match &mut self.origin {
                Origin::Parquet(records) => {
                    if !records.advance(&mut self.ready)? {
                        self.is_over = true;
                        records.finish()?;
                    }
                }
                Origin::Stream { decoder, reader, chunk, bytes, limit } => {
                    let read = reader.read(chunk)?;
                    *bytes += read as u64;
                    if *bytes > *limit {
                        return Err(CorpusError::TooManyBytes { limit: *limit });
                    }
                    if read == 0 {
                        self.is_over = true;
                        decoder.finish(&mut self.ready)?;
                    } else {
                        decoder.push(&chunk[..read], &mut self.ready)?;
                    }
                }
            }
        }
        Ok(())
    }
}

impl Iterator for Records {
    type Item = Result<Record, CorpusError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Err(error) = self.refill() {
            self.is_over = true;
            // Records decoded before the bad one are dropped with it: half an input is no input.
            self.ready.0.clear();
            return Some(Err(error));
        }
        self.ready.0.pop_front().map(Ok)
    }
}

impl std::fmt::Debug for Records {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Records")
            .field("ready", &self.ready.0.len())
            .field("is_over", &self.is_over)
            .finish_non_exhaustive()
    }
}
