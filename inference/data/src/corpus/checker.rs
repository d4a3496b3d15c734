//! Checking without keeping: the count and the plain Merkle root of an input that streams by.

use std::sync::Arc;

use datanet_types::id::Digest;
use datanet_types::merkle::MerkleAccumulator;
use datanet_types::record::{Format, record_leaf};
use datanet_types::schema::Schema;
use rayon::prelude::*;

use super::Limits;
use super::builder::Canonical;
use super::csv::CsvDecoder;
use super::error::CorpusError;
use super::foreign::{HEAD, LONG_HEAD, refuse_foreign, refuse_written};
use super::jsonl::{JsonlDecoder, Rules, decode_lines};
use super::lines::Position;
use super::paragraphs::ParagraphDecoder;
use super::parquet::ParquetRecords;
use super::reader::Source;
use super::shape::Shape;

/// Blocks of lines are cut into pieces of about this size, which are decoded and hashed in parallel.
const PIECE: usize = 128 << 10;
/// What is read of a stored file at once.
pub(crate) const CHUNK: usize = 256 << 10;

/// What the ledger wants to know of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// Records in it.
    pub records: u64,
    /// Merkle root over the leaves of its records, in order.
    pub root: Digest,
    /// Bytes of input.
    pub bytes: u64,
}

/// Where decoded records go.
pub(crate) trait Sink {
    /// Takes the next record.
    fn record(&mut self, record: &Canonical<'_>);

    /// Takes a record that does not fit; an error ends the reading.
    fn refused(&mut self, error: CorpusError) -> Result<(), CorpusError> {
        Err(error)
    }

    /// Decodes a block of JSONL; the numbers handed back, and those in an error, are relative to the block.
    fn jsonl_block(&mut self, rules: &Rules, text: &str) -> Result<Position, CorpusError> {
        decode_lines(rules, text, |read| match read {
            Ok(record) => {
                self.record(record);
                Ok(())
            }
            Err(error) => self.refused(error),
        })
    }
}

/// What reads the formats that are read from their start to their end.
#[derive(Debug)]
pub(crate) struct Decoder {
    format: Format,
    /// The column of the passages.
    passage: String,
    /// The first bytes, until there are enough to see that they are of no other kind of file.
    head: Option<Vec<u8>>,
    kind: Kind,
}

/// One decoder a format.
#[derive(Debug)]
enum Kind {
    Jsonl(JsonlDecoder),
    Csv(Box<CsvDecoder>),
    Paragraphs(Box<ParagraphDecoder>),
}

impl Decoder {
    pub(super) fn new(format: Format, shape: Arc<Shape>, limits: Limits) -> Result<Self, CorpusError> {
        let passage = shape.fields.get(shape.text).and_then(|field| field.column.clone()).unwrap_or_default();
        let rules = Rules { shape, limits };
        let kind = match format {
            Format::Jsonl => Kind::Jsonl(JsonlDecoder::new(rules)),
            Format::Csv => Kind::Csv(Box::new(CsvDecoder::new(rules))),
            Format::Markdown | Format::Text => {
                rules.shape.must_be_text_only(format)?;
                Kind::Paragraphs(Box::new(ParagraphDecoder::new(rules, format)))
            }
            Format::Parquet => return Err(CorpusError::NeedsFile),
        };
        Ok(Self { format, passage, head: Some(Vec::new()), kind })
    }

    pub(super) fn push(&mut self, chunk: &[u8], sink: &mut impl Sink) -> Result<(), CorpusError> {
        let Some(head) = &mut self.head else { return self.kind.push(chunk, sink) };
        head.extend_from_slice(chunk);
        if head.len() < LONG_HEAD { Ok(()) } else { self.begin(false, sink) }
    }

    /// Decodes what is left. An input without records is refused.
    pub(super) fn finish(&mut self, sink: &mut impl Sink) -> Result<u64, CorpusError> {
        self.begin(true, sink)?;
        let records = self.kind.finish(sink)?;
        if records == 0 { Err(CorpusError::NoRecords) } else { Ok(records) }
    }

    fn begin(&mut self, is_whole: bool, sink: &mut impl Sink) -> Result<(), CorpusError> {
        let Some(head) = self.head.take() else { return Ok(()) };
        refuse_foreign(self.format, &head[..head.len().min(HEAD)])?;
        refuse_written(
            self.format,
            &head[..head.len().min(LONG_HEAD)],
            is_whole && head.len() <= LONG_HEAD,
            &self.passage,
        )?;
        self.kind.push(&head, sink)
    }
}

impl Kind {
    fn push(&mut self, chunk: &[u8], sink: &mut impl Sink) -> Result<(), CorpusError> {
        match self {
            Self::Jsonl(decoder) => decoder.push(chunk, sink),
            Self::Csv(decoder) => decoder.push(chunk, sink),
            Self::Paragraphs(decoder) => decoder.push(chunk, sink),
        }
    }

    fn finish(&mut self, sink: &mut impl Sink) -> Result<u64, CorpusError> {
        match self {
            Self::Jsonl(decoder) => decoder.finish(sink).map(|()| decoder.records()),
            Self::Csv(decoder) => decoder.finish(sink).map(|()| decoder.records()),
            Self::Paragraphs(decoder) => decoder.finish(sink).map(|()| decoder.records()),
        }
    }
}

/// Leaves into a root; JSONL in parallel.
#[derive(Debug, Default)]
struct RootSink(MerkleAccumulator);

impl Sink for RootSink {
    fn record(&mut self, record: &Canonical<'_>) {
        self.0.push(record_leaf(record.json.as_bytes()));
    }

    fn jsonl_block(&mut self, rules: &Rules, text: &str) -> Result<Position, CorpusError> {
        let pieces = split_at_lines(text);
        let decoded: Vec<_> = pieces.par_iter().map(|piece| leaves(rules, piece)).collect();
        let mut at = Position::default();
        for piece in decoded {
            let (leaves, read) = piece.map_err(|error| at.place(error))?;
            leaves.into_iter().for_each(|leaf| self.0.push(leaf));
            at.advance(read);
        }
        Ok(at)
    }
}

fn leaves(rules: &Rules, piece: &str) -> Result<(Vec<Digest>, Position), CorpusError> {
    let mut leaves = Vec::new();
    let read = decode_lines(rules, piece, |read| {
        leaves.push(record_leaf(read?.json.as_bytes()));
        Ok(())
    })?;
    Ok((leaves, read))
}

fn split_at_lines(mut text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    while text.len() > PIECE {
        let Some(end) = memchr::memchr(b'\n', &text.as_bytes()[PIECE..]) else { break };
        let (piece, rest) = text.split_at(PIECE + end + 1);
        pieces.push(piece);
        text = rest;
    }
    pieces.push(text);
    pieces
}

/// Checks an input that streams by, in flat memory. Feed it with [`StreamChecker::push`], then [`StreamChecker::finish`].
///
/// It computes (and blocks) in the caller's thread and, for JSONL, on rayon's pool: call it off the async runtime.
#[derive(Debug)]
pub struct StreamChecker {
    decoder: Decoder,
    sink: RootSink,
    limits: Limits,
    bytes: u64,
}

impl StreamChecker {
    /// A checker for one upload.
    ///
    /// # Errors
    /// [`CorpusError::Schema`] if the schema is not valid, [`CorpusError::TextOnly`] if `format` cannot satisfy it, and
    /// [`CorpusError::NeedsFile`] for Parquet: that one is checked with [`check_parquet`] once it is stored.
    pub fn new(format: Format, schema: &Schema, limits: Limits) -> Result<Self, CorpusError> {
        let decoder = Decoder::new(format, Arc::new(Shape::compile(schema)?), limits)?;
        Ok(Self { decoder, sink: RootSink::default(), limits, bytes: 0 })
    }

    /// The next bytes, cut anywhere.
    ///
    /// # Errors
    /// [`CorpusError::TooManyBytes`] and [`CorpusError::TooManyRecords`] beyond the limits, and what is wrong with the
    /// bytes as far as they are decoded. The checker is of no more use then.
    pub fn push(&mut self, chunk: &[u8]) -> Result<(), CorpusError> {
        self.bytes += chunk.len() as u64;
        if self.bytes > self.limits.bytes {
            return Err(CorpusError::TooManyBytes { limit: self.limits.bytes });
        }
        self.decoder.push(chunk, &mut self.sink)
    }

    /// Bytes so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Records decoded so far (blocks are decoded as they fill).
    pub fn records(&self) -> u64 {
        self.sink.0.count()
    }

    /// The end of the input.
    ///
    /// # Errors
    /// [`CorpusError::NoRecords`] if there were none, and what is wrong with the bytes that were not decoded yet.
    pub fn finish(mut self) -> Result<Summary, CorpusError> {
        let records = self.decoder.finish(&mut self.sink)?;
        Ok(Summary { records, root: self.sink.0.root(), bytes: self.bytes })
    }
}

/// Checks a stored input of any format.
///
/// # Errors
/// [`CorpusError::Io`] if it cannot be read, else as [`StreamChecker`] or, for Parquet, [`check_parquet`].
pub fn check(format: Format, source: impl Source, schema: &Schema, limits: Limits) -> Result<Summary, CorpusError> {
    if format == Format::Parquet {
        return check_parquet(source, schema, limits);
    }
    let mut checker = StreamChecker::new(format, schema, limits)?;
    let mut reader = source;
    let mut chunk = vec![0; CHUNK];
    loop {
        match reader.read(&mut chunk)? {
            0 => return checker.finish(),
            read => checker.push(&chunk[..read])?,
        }
    }
}

/// Checks a Parquet file, row group by row group.
///
/// # Errors
/// [`CorpusError::Parquet`] if it is broken or a row group is too large, [`CorpusError::Column`] if its columns are not
/// the schema's, [`CorpusError::Record`] for the first row that does not fit, [`CorpusError::NoRecords`],
/// [`CorpusError::TooManyBytes`], [`CorpusError::TooManyRecords`], [`CorpusError::Schema`], and [`CorpusError::Io`].
pub fn check_parquet(source: impl Source, schema: &Schema, limits: Limits) -> Result<Summary, CorpusError> {
    let mut records = ParquetRecords::open(source, Arc::new(Shape::compile(schema)?), limits, &mut Err)?;
    let bytes = records.bytes();
    let mut sink = RootSink::default();
    while records.advance(&mut sink)? {}
    let count = records.finish()?;
    Ok(Summary { records: count, root: sink.0.root(), bytes })
}
