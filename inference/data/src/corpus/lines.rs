//! Whole lines out of chunks that end anywhere. A line ends as any system ends it: LF, CR LF, or CR alone.

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
            // Not beyond the last byte: its line may have ended there, which was not known yet.
            let searched = self.pending.len().saturating_sub(1);
            self.pending.extend_from_slice(piece);
            if self.pending.len() < BLOCK {
                continue;
            }
            // What was pending before may hold lines too: it was kept because the block was not full yet.
            let end = last_end(&self.pending[searched..]).map(|at| at + searched);
            if let Some(end) = end.or_else(|| last_end(&self.pending[..=searched])) {
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
        let line_is_whole = self.pending.len() <= self.limit || last_end(&self.pending).is_some();
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

/// The last byte of the last line that surely ends in `bytes`: after CRs at their end an LF may follow, which belongs to
/// them.
fn last_end(bytes: &[u8]) -> Option<usize> {
    let open = bytes.iter().rev().take_while(|byte| **byte == b'\r').count();
    memchr::memrchr2(b'\n', b'\r', &bytes[..bytes.len() - open])
}

/// `block` as text, without the mark that some editors write at the start of a file.
pub(crate) fn block_text(block: &[u8], is_first: bool) -> Result<&str, CorpusError> {
    let text = std::str::from_utf8(block).map_err(|error| CorpusError::Utf8 { offset: error.valid_up_to() as u64 })?;
    Ok(if is_first { text.strip_prefix('\u{feff}').unwrap_or(text) } else { text })
}

/// The lines of `text`, without their ends. Two CRs before an LF are one end with it: some tools write that.
pub(crate) fn lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = memchr::memchr2(b'\n', b'\r', rest.as_bytes()).unwrap_or(rest.len());
        let (line, after) = rest.split_at(end);
        let after_end = ["\r\r\n", "\r\n"].iter().find_map(|end| after.strip_prefix(end));
        rest = after_end.unwrap_or_else(|| after.get(1..).unwrap_or_default());
        Some(line)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_line_ends_as_any_system_ends_it() {
        let of = |text| lines(text).collect::<Vec<_>>();
        assert_eq!(of("a\nb\r\nc\rd"), ["a", "b", "c", "d"]);
        assert_eq!(of("a\r\rb\n\nc\r"), ["a", "", "b", "", "c"]);
        assert_eq!(of("a\r\r\nb\n"), ["a", "b"]);
    }

    #[test]
    fn an_endless_run_of_line_ends_is_not_kept() {
        let mut buffer = LineBuffer::new(1_000);
        let refused =
            (0..3_000).any(|_| buffer.push(&[b'\r'; 1_000], |_| Ok(())).is_err() || buffer.check_length().is_err());
        assert!(refused);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn lines_are_the_same_however_the_input_is_cut(text in "[ab\r\n]{0,60}", chunk in 1usize..9) {
            // Long lines on both sides, so that blocks end within the text.
            let text = format!("{}\n{text}\n{}", "x".repeat(BLOCK - 30), "y".repeat(BLOCK));
            let mut buffer = LineBuffer::new(2 * BLOCK);
            let mut found = Vec::new();
            let (head, tail) = text.as_bytes().split_at(BLOCK - 35);
            let mut take = |block: &[u8]| {
                found.extend(lines(std::str::from_utf8(block).unwrap()).map(str::to_owned));
                Ok(())
            };
            buffer.push(head, &mut take).unwrap();
            tail[..100].chunks(chunk).for_each(|piece| buffer.push(piece, &mut take).unwrap());
            buffer.push(&tail[100..], &mut take).unwrap();
            let rest = buffer.finish();
            found.extend(lines(std::str::from_utf8(&rest).unwrap()).map(str::to_owned));
            prop_assert!(found.iter().map(String::as_str).eq(lines(&text)));
        }
    }
}
