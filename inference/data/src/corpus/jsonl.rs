//! JSONL: one object a line, blank lines skipped.

use std::sync::Arc;

use super::Limits;
use super::builder::{Canonical, RecordBuilder};
use super::checker::Sink;
use super::error::{CorpusError, Fault};
use super::json::read_object;
use super::lines::{LineBuffer, Position, block_text, lines};
use super::shape::Shape;

/// Decodes JSONL that arrives in chunks.
#[derive(Debug)]
pub(crate) struct JsonlDecoder {
    rules: Rules,
    buffer: LineBuffer,
    at: Position,
}

/// What every block is decoded by.
#[derive(Debug, Clone)]
pub(crate) struct Rules {
    pub shape: Arc<Shape>,
    pub limits: Limits,
}

impl JsonlDecoder {
    pub(super) fn new(rules: Rules) -> Self {
        Self { buffer: LineBuffer::new(rules.limits.record_bytes), rules, at: Position::default() }
    }

    pub(super) fn push(&mut self, chunk: &[u8], sink: &mut impl Sink) -> Result<(), CorpusError> {
        let Self { rules, buffer, at } = self;
        buffer.push(chunk, |block| decode(rules, at, block, sink))?;
        buffer.check_length().map_err(|error| at.place(error))
    }

    pub(super) fn finish(&mut self, sink: &mut impl Sink) -> Result<(), CorpusError> {
        let rest = self.buffer.finish();
        decode(&self.rules, &mut self.at, &rest, sink)
    }

    pub(super) fn records(&self) -> u64 {
        self.at.records
    }
}

fn decode(rules: &Rules, at: &mut Position, block: &[u8], sink: &mut impl Sink) -> Result<(), CorpusError> {
    let text = block_text(block, at.bytes == 0).map_err(|error| at.place(error))?;
    let read = sink.jsonl_block(rules, text).map_err(|error| at.place(error))?;
    at.advance(Position { bytes: block.len() as u64, ..read });
    if at.records > rules.limits.records {
        return Err(CorpusError::TooManyRecords { limit: rules.limits.records });
    }
    Ok(())
}

/// Decodes whole lines one after the other, as long as `each` takes what comes of them. Counts, those in errors too, are relative to `text`.
pub(crate) fn decode_lines(
    rules: &Rules,
    text: &str,
    mut each: impl FnMut(Result<&Canonical<'_>, CorpusError>) -> Result<(), CorpusError>,
) -> Result<Position, CorpusError> {
    let mut builder = RecordBuilder::new(rules.shape.clone());
    let mut at = Position::default();
    for line in lines(text) {
        at.lines += 1;
        if line.trim_ascii().is_empty() {
            continue;
        }
        builder.begin();
        let read = match line.len() <= rules.limits.record_bytes {
            true => read_object(line, &mut builder).and_then(|()| builder.finish()),
            false => Err(Fault::RecordTooLong { limit: rules.limits.record_bytes }),
        };
        let (record, line_number) = (at.records, at.lines);
        let told = |fault| CorpusError::Record { record, line: line_number, fault: rules.shape.explain(fault, line) };
        each(read.as_ref().map_err(|fault| told(fault.clone())))?;
        at.records += 1;
    }
    Ok(at)
}
