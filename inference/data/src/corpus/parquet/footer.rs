//! Whether a footer that can be read says that pages or columns cannot: files may be encrypted in part.

use super::source;
use crate::corpus::error::CorpusError;
use crate::corpus::reader::Source;

/// Behind the footer: its length and the magic bytes.
const TAIL: usize = 8;
/// Longest footer that is looked through; real ones have some KiB a row group.
const MAX_BYTES: usize = 64 << 20;
/// Deepest nesting of what is passed over; the format has some six.
const DEPTH: usize = 16;
/// The field of the footer that says how the file is encrypted.
const ENCRYPTION: i64 = 8;

/// Whether the file says that it is encrypted. A footer that does not read says nothing: the reading tells what is wrong.
pub(super) fn is_encrypted(source: &mut impl Source) -> Result<bool, CorpusError> {
    let (_, tail) = source::ends(source, 0, TAIL)?;
    let length = tail.first_chunk().map_or(0, |length| u32::from_le_bytes(*length) as usize);
    if length > MAX_BYTES {
        return Ok(false);
    }
    let (_, footer) = source::ends(source, 0, length + TAIL)?;
    Ok(Cursor { rest: &footer }.has_field(ENCRYPTION).unwrap_or(false))
}

/// Bytes in Thrift's compact protocol, which says of each value how long it is.
struct Cursor<'a> {
    rest: &'a [u8],
}

impl Cursor<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    fn bytes(&mut self, count: usize) -> Option<()> {
        self.rest = self.rest.get(count..)?;
        Some(())
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7F) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    fn length(&mut self) -> Option<usize> {
        usize::try_from(self.number()?).ok()
    }

    /// Whether the struct that stands here has a field of this number.
    fn has_field(mut self, wanted: i64) -> Option<bool> {
        let mut last = 0;
        while let Some((field, kind)) = self.next_field(last)? {
            if field == wanted {
                return Some(true);
            }
            self.skip(kind, DEPTH)?;
            last = field;
        }
        Some(false)
    }

    /// The number and the kind of the next field; `None` at the end of the struct.
    fn next_field(&mut self, last: i64) -> Option<Option<(i64, u8)>> {
        let head = self.byte()?;
        if head == 0 {
            return Some(None);
        }
        let field = match head >> 4 {
            0 => {
                let number = self.number()?;
                i64::try_from(number >> 1).ok()? ^ -i64::from(number & 1 == 1)
            }
            step => last.checked_add(i64::from(step))?,
        };
        Some(Some((field, head & 0x0F)))
    }

    fn skip(&mut self, kind: u8, depth: usize) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        match kind {
            // The kind is the value.
            1 | 2 => Some(()),
            3 => self.bytes(1),
            4..=6 => self.number().map(drop),
            7 => self.bytes(8),
            8 => {
                let length = self.length()?;
                self.bytes(length)
            }
            9 | 10 => {
                let head = self.byte()?;
                let items = if head >> 4 == 15 { self.length()? } else { usize::from(head >> 4) };
                (0..items).try_for_each(|_| self.skip_item(head & 0x0F, depth))
            }
            11 => {
                let items = self.length()?;
                let kinds = if items == 0 { 0 } else { self.byte()? };
                (0..items).try_for_each(|_| {
                    self.skip_item(kinds >> 4, depth)?;
                    self.skip_item(kinds & 0x0F, depth)
                })
            }
            12 => {
                let mut last = 0;
                while let Some((field, kind)) = self.next_field(last)? {
                    self.skip(kind, depth)?;
                    last = field;
                }
                Some(())
            }
            _ => None,
        }
    }

    /// Passes over a value in a list, where a truth value has a byte of its own: every item takes one at least.
    fn skip_item(&mut self, kind: u8, depth: usize) -> Option<()> {
        if matches!(kind, 1 | 2) { self.bytes(1) } else { self.skip(kind, depth) }
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use proptest::prelude::*;

    use super::*;

    fn of(file: &[u8]) -> bool {
        is_encrypted(&mut io::Cursor::new(file.to_vec())).unwrap()
    }

    #[test]
    fn a_file_with_encrypted_columns_is_told_from_one_without() {
        assert!(of(include_bytes!("../tests/data/encrypted.parquet")));
        assert!(!of(include_bytes!("../tests/data/durations.parquet")));
        assert!(!of(b""));
        assert!(!of(b"\xff\xff\xff\xffPAR1"));
    }

    proptest! {
        #[test]
        fn garbage_says_nothing_and_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Cursor { rest: &bytes }.has_field(ENCRYPTION);
        }
    }
}
