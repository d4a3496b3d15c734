//! CSV with a header line. Columns are fields by name; an empty cell is an absent value.

mod header;
mod rows;

pub(crate) use header::is_row_number;

use super::builder::RecordBuilder;
use super::checker::Sink;
use super::error::{CorpusError, Fault, refuse_all};
use super::jsonl::Rules;
use super::utf8::Utf8Guard;
use header::{Column, delimiter_of, name_of, problem, read_header};
use rows::RowReader;

/// More cells than any schema has fields; a row with more is refused anyway.
const MAX_CELLS: usize = 256;

/// Decodes CSV that arrives in chunks.
#[derive(Debug)]
pub(crate) struct CsvDecoder {
    rules: Rules,
    builder: RecordBuilder,
    utf8: Utf8Guard,
    state: State,
    records: u64,
}

#[derive(Debug)]
enum State {
    /// The first line is not over: what there is of it.
    Header(Vec<u8>),
    Rows {
        rows: RowReader,
        delimiter: u8,
        columns: Option<Vec<Column>>,
    },
}

impl CsvDecoder {
    pub(super) fn new(rules: Rules) -> Self {
        let (builder, state) = (RecordBuilder::new(rules.shape.clone()), State::Header(Vec::new()));
        Self { rules, builder, utf8: Utf8Guard::default(), state, records: 0 }
    }

    pub(super) fn push(&mut self, chunk: &[u8], sink: &mut impl Sink) -> Result<(), CorpusError> {
        self.utf8.check(chunk)?;
        let State::Header(head) = &mut self.state else { return self.feed(chunk, sink) };
        let searched = head.len();
        head.extend_from_slice(chunk);
        let is_whole = memchr::memchr2(b'\n', b'\r', &head[searched..]).is_some();
        if is_whole || head.len() > self.rules.limits.record_bytes {
            return self.begin(sink);
        }
        Ok(())
    }

    pub(super) fn finish(&mut self, sink: &mut impl Sink) -> Result<(), CorpusError> {
        self.utf8.finish()?;
        if matches!(self.state, State::Header(_)) {
            self.begin(sink)?;
        }
        let State::Rows { rows, .. } = &mut self.state else { return Ok(()) };
        match rows.finish() {
            Ok(true) => self.row(sink),
            Ok(false) => Ok(()),
            Err(fault) => Err(self.fault(fault)),
        }
    }

    pub(super) fn records(&self) -> u64 {
        self.records
    }

    /// Chooses the delimiter by the first line and reads what there is.
    fn begin(&mut self, sink: &mut impl Sink) -> Result<(), CorpusError> {
        let State::Header(head) = &mut self.state else { return Ok(()) };
        let head = std::mem::take(head);
        let head = head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&head);
        let line = head.split(|byte| matches!(byte, b'\n' | b'\r')).find(|line| !line.is_empty()).unwrap_or_default();
        let delimiter = delimiter_of(&String::from_utf8_lossy(line), &self.rules.shape);
        let rows = RowReader::new(delimiter, self.rules.limits.record_bytes, MAX_CELLS);
        self.state = State::Rows { rows, delimiter, columns: None };
        self.feed(head, sink)
    }

    fn feed(&mut self, mut input: &[u8], sink: &mut impl Sink) -> Result<(), CorpusError> {
        while !input.is_empty() {
            let State::Rows { rows, .. } = &mut self.state else { return Ok(()) };
            let (read, is_row) = match rows.read(input) {
                Ok(read) => read,
                Err(fault) => return Err(self.fault(fault)),
            };
            input = &input[read..];
            if is_row {
                self.row(sink)?;
            }
        }
        Ok(())
    }

    fn row(&mut self, sink: &mut impl Sink) -> Result<(), CorpusError> {
        let State::Rows { rows, delimiter, columns } = &mut self.state else { return Ok(()) };
        let row = rows.row();
        let cells = row.cells()?;
        let Some(columns) = columns else {
            let (found, problems) = read_header(&self.rules.shape, cells, *delimiter);
            refuse_all(problems, &mut |error| sink.refused(error))?;
            *columns = Some(found);
            return Ok(());
        };
        let (record, line) = (self.records, row.line);
        if columns.len() != row.ends.len() {
            let (found, expected) = (row.ends.len(), columns.len());
            let fault = Fault::Uneven { found, expected, delimiter: name_of(*delimiter) };
            self.records += 1;
            return sink.refused(CorpusError::Record { record, line, fault });
        }
        if self.records == self.rules.limits.records {
            return Err(CorpusError::TooManyRecords { limit: self.rules.limits.records });
        }
        self.builder.begin();
        let is_marked = row.bytes.starts_with(b"\xEF\xBB\xBF");
        let mut fits = if is_marked { Err(Fault::Mark) } else { Ok(()) };
        for (column, cell) in columns.iter().zip(cells) {
            match column {
                Column::LeftOut => {}
                Column::RowNumber => row_number(cell, line)?,
                Column::Field(index) => fits = fits.and_then(|()| self.builder.cell(*index, cell)),
            }
        }
        self.records += 1;
        match fits.and_then(|()| self.builder.finish()) {
            Ok(found) => sink.record(&found),
            Err(fault) => sink.refused(CorpusError::Record { record, line, fault })?,
        }
        Ok(())
    }

    fn fault(&self, fault: Fault) -> CorpusError {
        let line = match (&fault, &self.state) {
            (Fault::OpenQuote { line, .. } | Fault::AfterQuote { line, .. }, _) => *line,
            (_, State::Rows { rows, .. }) => rows.row_line(),
            (_, State::Header(_)) => 1,
        };
        CorpusError::Record { record: self.records, line, fault }
    }
}

/// Refuses a column without a name that holds more than numbers of rows: it may be data.
fn row_number(cell: &str, line: u64) -> Result<(), CorpusError> {
    if cell.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(());
    }
    let advice = format!(
        "has no name and holds more than numbers of rows (line {line}); name it after a field, or drop it (in pandas: \
         to_csv with index=False)"
    );
    Err(problem("", advice))
}
