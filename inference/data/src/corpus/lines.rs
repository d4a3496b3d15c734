//! Whole lines out of chunks that end anywhere.

use super::error::{CorpusError, Fault};

/// Lines are handed on in blocks of about this size.
const BLOCK: usize = 1 << 20;

/// How far decoding has come: what to add to the numbers in an error of the block at hand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Position {
    pub records: u64,
    pub lines: u64,
    pub bytes: u64,
}

impl Position {
    /// An error of the block at hand, with its numbers counted from the start of the input.
    pub(super) fn place(&self, error: CorpusError) -> CorpusError {
        error.shifted(self.records, self.lines, self.bytes)
    }

    pub(super) fn advance(&mut self, by: Self) {
        self.records += by.records;
        self.lines += by.lines;
        self.bytes += by.bytes;
    }
}

/// Collects chunks and hands on blocks of whole lines.
#[derive(Debug)]
pub(crate) struct LineBuffer {
    pending: Vec<u8>,
    /// Longest line.
    limit: usize,
}

impl LineBuffer {
    pub(super) fn new(limit: usize) -> Self {
        Self { pending: Vec::new(), limit }
    }

    /// Takes a chunk and calls `block` with every full block of whole lines.
    pub(super) fn push(
        &mut self,
        chunk: &[u8],
        mut block: impl FnMut(&[u8]) -> Result<(), CorpusError>,
    ) -> Result<(), CorpusError> {
        for piece in chunk.chunks(BLOCK) {
            let searched = self.pending.len();
            self.pending.extend_from_slice(piece);
            if self.pending.len() < BLOCK {
                continue;
            }
            // What was pending before may hold lines too: it was kept because the block was not full yet.
            let end = memchr::memrchr(b'\n', &self.pending[searched..]).map(|at| at + searched);
            if let Some(end) = end.or_else(|| memchr::memrchr(b'\n', &self.pending[..searched])) {
                block(&self.pending[..=end])?;
                self.pending.drain(..=end);
            } else if self.pending.len() > self.limit {
                break;
            }
        }
        Ok(())
    }

    /// Refuses a line that is too long already, before its end is seen. Its number in the error is relative.
    pub(super) fn check_length(&self) -> Result<(), CorpusError> {
        let line_is_whole = self.pending.len() <= self.limit || memchr::memchr(b'\n', &self.pending).is_some();
        if line_is_whole { Ok(()) } else { Err(self.too_long()) }
    }

    /// The last lines, the very last of them without an end.
    pub(super) fn finish(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.pending)
    }

    fn too_long(&self) -> CorpusError {
        CorpusError::Record { record: 0, line: 1, fault: Fault::RecordTooLong { limit: self.limit } }
    }
}

/// `block` as text, without the mark that some editors write at the start of a file.
pub(crate) fn block_text(block: &[u8], is_first: bool) -> Result<&str, CorpusError> {
    let text = std::str::from_utf8(block).map_err(|error| CorpusError::Utf8 { offset: error.valid_up_to() as u64 })?;
    Ok(if is_first { text.strip_prefix('\u{feff}').unwrap_or(text) } else { text })
}

/// The lines of `text`, without their ends.
pub(crate) fn lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = memchr::memchr(b'\n', rest.as_bytes());
        let line = &rest[..end.unwrap_or(rest.len())];
        rest = end.map_or("", |end| &rest[end + 1..]);
        Some(line)
    })
}
