//! CSV with a header line (RFC 4180, LF or CRLF). Columns are fields by name; an empty cell is an absent value.

use csv_core::{ReadRecordResult, Reader};

use super::builder::RecordBuilder;
use super::checker::Sink;
use super::error::{CorpusError, Fault, cut};
use super::jsonl::Rules;

/// More cells than any schema has fields; a row with more is refused anyway.
const MAX_CELLS: usize = 256;

/// Decodes CSV that arrives in chunks.
pub(crate) struct CsvDecoder {
    rules: Rules,
    builder: RecordBuilder,
    core: Reader,
    utf8: Utf8Guard,
    /// The first bytes, until there are enough to see a byte order mark.
    head: Option<Vec<u8>>,
    /// Field of each column, once the header is read.
    columns: Option<Vec<usize>>,
    /// The row under way: its unquoted cells, one after the other, and where each ends.
    cells: Vec<u8>,
    filled: usize,
    ends: Vec<usize>,
    ended: usize,
    /// Line where the row under way starts.
    line: u64,
    records: u64,
}

impl std::fmt::Debug for CsvDecoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CsvDecoder").field("records", &self.records).field("line", &self.line).finish_non_exhaustive()
    }
}

impl CsvDecoder {
    pub(super) fn new(rules: Rules) -> Self {
        Self {
            builder: RecordBuilder::new(rules.shape.clone()),
            rules,
            core: Reader::new(),
            utf8: Utf8Guard::default(),
            head: Some(Vec::new()),
            columns: None,
            cells: vec![0; 4096],
            filled: 0,
            ends: vec![0; MAX_CELLS],
            ended: 0,
            line: 1,
            records: 0,
        }
    }

    pub(super) fn push(&mut self, chunk: &[u8], sink: &mut impl Sink) -> Result<(), CorpusError> {
        self.utf8.check(chunk)?;
        let Some(mut head) = self.head.take() else { return self.feed(chunk, sink) };
        head.extend_from_slice(chunk);
        if head.len() < 3 {
            self.head = Some(head);
            return Ok(());
        }
        self.feed(without_mark(&head), sink)
    }

    pub(super) fn finish(&mut self, sink: &mut impl Sink) -> Result<(), CorpusError> {
        self.utf8.finish()?;
        if let Some(head) = self.head.take().filter(|head| !head.is_empty()) {
            self.feed(without_mark(&head), sink)?;
        }
        // No input is the reader's sign for the end.
        while self.step(&mut &[][..], sink)? {}
        Ok(())
    }

    pub(super) fn records(&self) -> u64 {
        self.records
    }

    fn feed(&mut self, mut input: &[u8], sink: &mut impl Sink) -> Result<(), CorpusError> {
        while !input.is_empty() {
            self.step(&mut input, sink)?;
        }
        Ok(())
    }

    /// One move of the reader; `false` at the end of the input.
    fn step(&mut self, input: &mut &[u8], sink: &mut impl Sink) -> Result<bool, CorpusError> {
        let (result, read, written, ended) =
            self.core.read_record(input, &mut self.cells[self.filled..], &mut self.ends[self.ended..]);
        *input = &input[read..];
        self.filled += written;
        self.ended += ended;
        match result {
            ReadRecordResult::InputEmpty => {}
            ReadRecordResult::OutputFull if self.cells.len() < self.rules.limits.record_bytes => {
                self.cells.resize((self.cells.len() * 2).min(self.rules.limits.record_bytes), 0);
            }
            ReadRecordResult::OutputFull => {
                return Err(self.fault(Fault::RecordTooLong { limit: self.rules.limits.record_bytes }));
            }
            ReadRecordResult::OutputEndsFull => return Err(self.uneven(MAX_CELLS)),
            ReadRecordResult::Record => {
                self.row(sink)?;
                (self.filled, self.ended) = (0, 0);
                self.line = self.core.line();
            }
            ReadRecordResult::End => return Ok(false),
        }
        Ok(true)
    }

    fn row(&mut self, sink: &mut impl Sink) -> Result<(), CorpusError> {
        // The input is UTF-8, and commas, quotes and line ends are ASCII: so are the cells.
        let text = std::str::from_utf8(&self.cells[..self.filled])
            .map_err(|_| CorpusError::Utf8 { offset: self.utf8.checked })?;
        let mut start = 0;
        let cells = self.ends[..self.ended].iter().map(|end| {
            let cell = text.get(start..*end).unwrap_or_default();
            start = *end;
            cell
        });
        let Some(columns) = &self.columns else {
            let columns = read_header(&self.rules, cells)?;
            self.columns = Some(columns);
            return Ok(());
        };
        if columns.len() != self.ended {
            return Err(self.uneven(self.ended));
        }
        if self.records == self.rules.limits.records {
            return Err(CorpusError::TooManyRecords { limit: self.rules.limits.records });
        }
        self.builder.begin();
        let filled = columns.iter().zip(cells).try_for_each(|(index, cell)| self.builder.cell(*index, cell));
        let (record, line) = (self.records, self.line);
        let finished = filled.and_then(|()| self.builder.finish());
        sink.record(&finished.map_err(|fault| CorpusError::Record { record, line, fault })?);
        self.records += 1;
        Ok(())
    }

    fn uneven(&self, found: usize) -> CorpusError {
        self.fault(Fault::Uneven { found, expected: self.columns.as_ref().map_or(0, Vec::len) })
    }

    fn fault(&self, fault: Fault) -> CorpusError {
        CorpusError::Record { record: self.records, line: self.line, fault }
    }
}

/// The fields that the columns stand for: all known, none twice, no required one missing.
fn read_header<'a>(rules: &Rules, names: impl Iterator<Item = &'a str>) -> Result<Vec<usize>, CorpusError> {
    let problem = |column: &str, problem: String| CorpusError::Column { column: cut(column, 64), problem };
    let mut columns = Vec::new();
    for name in names.map(str::trim) {
        let Some(index) = rules.shape.index_of(name, 0) else {
            let known = rules.shape.names();
            return Err(problem(name, format!("is not in the schema; the first line must name its fields: {known}")));
        };
        if columns.contains(&index) {
            return Err(problem(name, "stands in the first line twice; keep one".to_owned()));
        }
        columns.push(index);
    }
    let missing = rules.shape.fields.iter().enumerate().find(|(i, field)| field.required && !columns.contains(i));
    match missing {
        Some((_, field)) => Err(problem(&field.name, "is missing from the first line; add it".to_owned())),
        None => Ok(columns),
    }
}

fn without_mark(head: &[u8]) -> &[u8] {
    head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(head)
}

/// Checks that chunks are UTF-8, across their borders.
#[derive(Debug, Default)]
struct Utf8Guard {
    /// The start of a character that the last chunk cut.
    carry: Vec<u8>,
    /// Bytes known to be good.
    checked: u64,
}

impl Utf8Guard {
    fn check(&mut self, mut chunk: &[u8]) -> Result<(), CorpusError> {
        while !self.carry.is_empty() && !chunk.is_empty() {
            self.carry.push(chunk[0]);
            chunk = &chunk[1..];
            match std::str::from_utf8(&self.carry) {
                Ok(_) => {
                    self.checked += self.carry.len() as u64;
                    self.carry.clear();
                }
                Err(error) if error.error_len().is_some() => return Err(CorpusError::Utf8 { offset: self.checked }),
                Err(_) => {}
            }
        }
        match std::str::from_utf8(chunk) {
            Ok(_) => self.checked += chunk.len() as u64,
            Err(error) => {
                self.checked += error.valid_up_to() as u64;
                if error.error_len().is_some() {
                    return Err(CorpusError::Utf8 { offset: self.checked });
                }
                self.carry.extend_from_slice(&chunk[error.valid_up_to()..]);
            }
        }
        Ok(())
    }

    fn finish(&self) -> Result<(), CorpusError> {
        if self.carry.is_empty() { Ok(()) } else { Err(CorpusError::Utf8 { offset: self.checked }) }
    }
}
