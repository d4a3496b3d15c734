//! Rows and cells of CSV as RFC 4180 has them, out of chunks that end anywhere.
//!
//! A quote opens a quoted cell only as its first byte, and after the closing quote comes a delimiter or the end of the
//! row. Readers that let the rest pass lose quotes, or swallow rows to the end of the file, without a word: here it is
//! an error that names the line. Quotes inside a cell that does not begin with one are text. Rows end in LF, CRLF or CR;
//! empty lines are skipped.

use crate::corpus::error::{CorpusError, Fault};

/// Where the reader stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before the first byte of a row, behind any empty lines.
    Row,
    /// Before the first byte of a cell.
    Cell,
    /// In a cell without quotes.
    Plain,
    /// In a quoted cell.
    Quoted,
    /// Behind a quote in a quoted cell: it closes the cell or is the first of two.
    Quote,
}

/// A row that is complete.
pub(super) struct Row<'a> {
    /// The cells without their quotes, one after the other.
    pub bytes: &'a [u8],
    /// Where each cell ends in `bytes`.
    pub ends: &'a [usize],
    /// Line where the row starts, from 1.
    pub line: u64,
}

/// Reads rows.
#[derive(Debug)]
pub(super) struct RowReader {
    delimiter: u8,
    state: State,
    bytes: Vec<u8>,
    ends: Vec<usize>,
    /// Longest row, in bytes.
    limit: usize,
    /// Most cells of a row.
    most: usize,
    line: u64,
    row_line: u64,
    quote_line: u64,
    /// The byte before was a CR: an LF belongs to it.
    after_cr: bool,
    /// A quote of the open cell has a backslash before it.
    backslash: bool,
}

impl RowReader {
    pub(super) fn new(delimiter: u8, limit: usize, most: usize) -> Self {
        Self {
            delimiter,
            state: State::Row,
            bytes: Vec::new(),
            ends: Vec::new(),
            limit,
            most,
            line: 1,
            row_line: 1,
            quote_line: 1,
            after_cr: false,
            backslash: false,
        }
    }

    /// Line of the row under way, from 1.
    pub(super) fn row_line(&self) -> u64 {
        self.row_line
    }

    /// Reads until a row is complete, which [`Self::row`] then holds until the next call. Hands back how many bytes were
    /// read, and whether there is a row; without one, all bytes were.
    pub(super) fn read(&mut self, input: &[u8]) -> Result<(usize, bool), Fault> {
        if self.state == State::Row {
            self.bytes.clear();
            self.ends.clear();
        }
        let mut at = 0;
        while at < input.len() {
            at += self.take_run(&input[at..])?;
            let Some(byte) = input.get(at) else { break };
            at += 1;
            if self.take(*byte)? {
                return Ok((at, true));
            }
        }
        Ok((at, false))
    }

    /// The end of the input; whether it completes a row.
    pub(super) fn finish(&mut self) -> Result<bool, Fault> {
        match self.state {
            State::Row => Ok(false),
            State::Quoted => Err(Fault::OpenQuote { line: self.quote_line, backslash: self.backslash }),
            State::Cell | State::Plain | State::Quote => self.end_row().map(|()| true),
        }
    }

    /// The row that [`Self::read`] or [`Self::finish`] has completed.
    pub(super) fn row(&self) -> Row<'_> {
        Row { bytes: &self.bytes, ends: &self.ends, line: self.row_line }
    }

    /// Takes the bytes that mean nothing where they stand.
    fn take_run(&mut self, input: &[u8]) -> Result<usize, Fault> {
        let end = match self.state {
            State::Plain => memchr::memchr3(self.delimiter, b'\n', b'\r', input),
            State::Quoted => memchr::memchr3(b'"', b'\n', b'\r', input),
            _ => return Ok(0),
        };
        let run = &input[..end.unwrap_or(input.len())];
        if run.is_empty() {
            return Ok(0);
        }
        self.after_cr = false;
        self.push(run)?;
        Ok(run.len())
    }

    /// Takes one byte; whether it completes a row.
    fn take(&mut self, byte: u8) -> Result<bool, Fault> {
        let ends_crlf = std::mem::replace(&mut self.after_cr, byte == b'\r') && byte == b'\n';
        let line = self.line;
        self.line += u64::from(matches!(byte, b'\n' | b'\r') && !ends_crlf);
        match (self.state, byte) {
            (State::Row, b'\n' | b'\r') => {}
            (State::Row, _) => {
                self.row_line = line;
                self.state = State::Cell;
                return self.take(byte);
            }
            (State::Cell, b'"') => {
                (self.state, self.quote_line, self.backslash) = (State::Quoted, line, false);
            }
            (State::Quoted, b'"') => {
                self.backslash |= self.bytes.last() == Some(&b'\\');
                self.state = State::Quote;
            }
            (State::Quote, b'"') => {
                self.state = State::Quoted;
                self.push(b"\"")?;
            }
            (State::Quoted, other) => self.push(&[other])?,
            (State::Cell | State::Plain | State::Quote, b'\n' | b'\r') => {
                self.end_row()?;
                return Ok(true);
            }
            (State::Cell | State::Plain | State::Quote, byte) if byte == self.delimiter => {
                self.end_cell()?;
                self.state = State::Cell;
            }
            (State::Quote, _) => return Err(Fault::AfterQuote { line: self.quote_line, backslash: self.backslash }),
            (State::Cell | State::Plain, other) => {
                self.state = State::Plain;
                self.push(&[other])?;
            }
        }
        Ok(false)
    }

    fn push(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        if self.bytes.len() + bytes.len() > self.limit {
            // A row without an end is, nearly always, a quote without an end.
            return Err(match self.state {
                State::Quoted => Fault::OpenQuote { line: self.quote_line, backslash: self.backslash },
                _ => Fault::RecordTooLong { limit: self.limit },
            });
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn end_cell(&mut self) -> Result<(), Fault> {
        if self.ends.len() == self.most {
            return Err(Fault::RecordTooLong { limit: self.limit });
        }
        self.ends.push(self.bytes.len());
        Ok(())
    }

    fn end_row(&mut self) -> Result<(), Fault> {
        self.end_cell()?;
        self.state = State::Row;
        Ok(())
    }
}

impl<'a> Row<'a> {
    /// The cells as text: the input is UTF-8, and delimiters, quotes and line ends are ASCII, so the cells are too.
    pub(super) fn cells(&self) -> Result<impl Iterator<Item = &'a str> + use<'a>, CorpusError> {
        let (bytes, ends) = (self.bytes, self.ends);
        let text =
            std::str::from_utf8(bytes).map_err(|error| CorpusError::Utf8 { offset: error.valid_up_to() as u64 })?;
        let mut start = 0;
        Ok(ends.iter().map(move |end| {
            let cell = text.get(start..*end).unwrap_or_default();
            start = *end;
            cell
        }))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rows(input: &str, chunk: usize) -> Result<Vec<(u64, Vec<String>)>, Fault> {
        let mut reader = RowReader::new(b',', 1 << 20, 64);
        let mut rows = Vec::new();
        let keep = |reader: &RowReader, rows: &mut Vec<(u64, Vec<String>)>| {
            let row = reader.row();
            rows.push((row.line, row.cells().unwrap().map(str::to_owned).collect()));
        };
        for mut piece in input.as_bytes().chunks(chunk) {
            while !piece.is_empty() {
                let (read, is_row) = reader.read(piece)?;
                piece = &piece[read..];
                if is_row {
                    keep(&reader, &mut rows);
                }
            }
        }
        if reader.finish()? {
            keep(&reader, &mut rows);
        }
        Ok(rows)
    }

    #[test]
    fn rows_know_their_line_whatever_ends_the_lines() {
        for end in ["\n", "\r\n", "\r"] {
            let input = ["a,b", "", "\"two", "lines\",\"say \"\"hi\"\"\"", "c,the \"wild\" one"].join(end);
            let expected = vec![
                (1, vec!["a".to_owned(), "b".to_owned()]),
                (3, vec![format!("two{end}lines"), "say \"hi\"".to_owned()]),
                (5, vec!["c".to_owned(), "the \"wild\" one".to_owned()]),
            ];
            for chunk in [1, 2, 3, 100] {
                assert_eq!(rows(&input, chunk), Ok(expected.clone()), "{end:?}");
            }
        }
    }

    #[test]
    fn a_quote_that_is_not_closed_or_closed_too_early_is_told_with_its_line() {
        let open = |line, backslash| Err(Fault::OpenQuote { line, backslash });
        let after = |line, backslash| Err(Fault::AfterQuote { line, backslash });
        assert_eq!(rows("a,b\nc,\"d\ne,f\n", 4), open(2, false));
        assert_eq!(rows("a,b\n\"c\" and more,d\n", 4), after(2, false));
        assert_eq!(rows("a,\"b\n\"c\n", 4), after(1, false));
        assert_eq!(rows("a\n\"say \\\"hi\\\" to all\"\n", 4), after(2, true));
        assert_eq!(rows("a\n\"say \\\"\"\n", 4), open(2, true));
    }

    proptest! {
        #[test]
        fn what_a_writer_quotes_reads_back(table in prop::collection::vec(prop::collection::vec("[a-c\",\n\r é]{0,8}", 3), 1..8), chunk in 1usize..20) {
            let quoted = |cell: &String| format!("\"{}\"", cell.replace('"', "\"\""));
            let input: String = table.iter().map(|row| row.iter().map(quoted).collect::<Vec<_>>().join(",") + "\r\n").collect();
            let read: Vec<Vec<String>> = rows(&input, chunk).unwrap().into_iter().map(|(_, cells)| cells).collect();
            prop_assert_eq!(read, table);
        }
    }
}
