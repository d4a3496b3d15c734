//! Why bytes are not a batch of records, and what to change.

use datanet_types::record::Format;
use datanet_types::schema::SchemaError;

/// Why an input is refused.
#[derive(Debug, thiserror::Error)]
pub enum CorpusError {
    /// One record does not fit.
    #[error("record {record} (line {line}) {fault}")]
    Record {
        /// Index of the record, from 0: the second half of its address.
        record: u64,
        /// Line of the input where it starts, from 1. Parquet has rows: the same as the record, from 1.
        line: u64,
        /// What is wrong with it.
        fault: Fault,
    },
    /// Not UTF-8.
    #[error("byte {offset} of the input is not UTF-8; save the file as UTF-8 and send it again")]
    Utf8 {
        /// Offset of the first bad byte, from 0.
        offset: u64,
    },
    /// Nothing in it.
    #[error("the input holds no records; send at least one")]
    NoRecords,
    /// Nothing in it but what Markdown's reader leaves out.
    #[error(
        "the input holds no records: of Markdown, headings, code blocks, images and front matter are left out; send at \
         least one paragraph"
    )]
    NoPassages,
    /// More records than a contribution may have.
    #[error("the input has more than {limit} records; split it into several contributions")]
    TooManyRecords {
        /// Most records.
        limit: u64,
    },
    /// More bytes than a contribution may have.
    #[error("the input has more than {limit} bytes; split it into several contributions")]
    TooManyBytes {
        /// Most bytes.
        limit: u64,
    },
    /// A format that carries nothing but passages, for a schema that wants more.
    #[error(
        "{format:?} carries only the passage, but the schema requires the field {field:?}; send JSONL, CSV or Parquet"
    )]
    TextOnly {
        /// The format sent.
        format: Format,
        /// A field it cannot carry.
        field: String,
    },
    /// A mapping of columns that cannot be.
    #[error("{0}")]
    Columns(String),
    /// A header or a column set that is not the schema's.
    #[error("the column {column:?} {problem}")]
    Column {
        /// Name of the column.
        column: String,
        /// What is wrong, and the fix.
        problem: String,
    },
    /// Parquet needs its footer first, so it cannot be checked while it streams by.
    #[error("a Parquet file is read from its end; store it first, then check the file")]
    NeedsFile,
    /// Not a Parquet file, or one that cannot be read: why, and the fix.
    #[error("the Parquet file cannot be read: {0}")]
    Parquet(String),
    /// Bytes of another kind than they were sent as.
    #[error("the input is {kind}, not {format:?}: {fix}")]
    Foreign {
        /// The format that it was sent as.
        format: Format,
        /// What it is.
        kind: &'static str,
        /// What to do instead.
        fix: &'static str,
    },
    /// The datanet's schema itself is unusable.
    #[error("the schema is not valid: {0}")]
    Schema(#[from] SchemaError),
    /// Reading failed.
    #[error("cannot read the input: {0}")]
    Io(#[from] std::io::Error),
}

/// What is wrong with one record; reads on from "record 3 (line 4) …".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A line that is no object.
    #[error("is not a JSON object; write one object a line, such as {{\"text\": \"…\"}}")]
    NotAnObject,
    /// A whole array where a line is wanted.
    #[error(
        "is a JSON array; write one object a line, without brackets around them or commas between (jq -c '.[]' does it)"
    )]
    Array,
    /// The mark that some editors write at the start of a file, further on.
    #[error(
        "begins with a byte order mark, as where one file was put behind another; remove the mark, and a header behind \
         it (files are joined without them: sed '1s/^\\xEF\\xBB\\xBF//')"
    )]
    Mark,
    /// Broken JSON.
    #[error("is not valid JSON at byte {at} of the line: {problem}")]
    Json {
        /// Offset in the line, from 0.
        at: usize,
        /// What was expected there.
        problem: &'static str,
    },
    /// A required field is absent or null.
    #[error("lacks the field {field:?}; every record of this datanet needs it")]
    Missing {
        /// The field.
        field: String,
    },
    /// The column that a field is mapped to is not there.
    #[error("has no column {column:?} for the field {field:?}; it has {there}")]
    NoColumn {
        /// The column.
        column: String,
        /// The field.
        field: String,
        /// The columns that are there, comma-separated, cut to a few.
        there: String,
    },
    /// A number that is none of a class.
    #[error("has the class number {value} in the field {field:?}; the classes are numbered from 0 to {last}")]
    Class {
        /// The field.
        field: String,
        /// The number.
        value: i64,
        /// The highest that there is.
        last: usize,
    },
    /// A field that the schema does not know.
    #[error(
        "has the unknown field {field:?}; remove it (or have it left out or mapped), the schema knows only {known}"
    )]
    Unknown {
        /// The field, cut to 64 characters.
        field: String,
        /// The names that exist, comma-separated.
        known: String,
    },
    /// One key twice: readers disagree on which one counts.
    #[error("has the field {field:?} twice; keep one")]
    Duplicate {
        /// The field.
        field: String,
    },
    /// A value of another kind.
    #[error("has {found} in the field {field:?}; it takes {expected}{fix}")]
    Kind {
        /// The field.
        field: String,
        /// What the schema wants.
        expected: &'static str,
        /// What was there.
        found: &'static str,
        /// How to write it, behind a colon; empty where there is nothing to add.
        fix: &'static str,
    },
    /// A text that is not one of those allowed.
    #[error("has {value:?} in the field {field:?}; it takes one of {allowed}{}", names_instead(value))]
    NotAllowed {
        /// The field.
        field: String,
        /// The value, cut to 64 characters.
        value: String,
        /// What is allowed, comma-separated, cut to a few.
        allowed: String,
    },
    /// A text over the field's limit.
    #[error("has {bytes} bytes in the field {field:?}; at most {limit} fit: shorten it or split the record")]
    TooLong {
        /// The field.
        field: String,
        /// Bytes found.
        bytes: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// A passage or a label without a visible character.
    #[error("has an empty field {field:?}; fill it or leave the record out")]
    Empty {
        /// The field.
        field: String,
    },
    /// Something in Markdown that hides all that comes behind it.
    #[error("opens {what} that is never closed, so that the rest of the document would be lost; close it")]
    NeverClosed {
        /// What is open.
        what: &'static str,
    },
    /// A record longer than the buffer.
    #[error("is longer than {limit} bytes; split it")]
    RecordTooLong {
        /// Bytes allowed.
        limit: usize,
    },
    /// A CSV row with more or fewer cells than the header.
    #[error(
        "has {found} cells, but the header has {expected}; they are separated by {delimiter}: quote cells that hold one"
    )]
    Uneven {
        /// Cells in the row.
        found: usize,
        /// Cells in the header.
        expected: usize,
        /// What separates cells, in words.
        delimiter: &'static str,
    },
    /// A CSV cell that begins with a quote and has no end.
    #[error(
        "has a cell that opens with a quote which is never closed; close it, or write quotes inside it twice (\"\"){}",
        no_escape(*backslash)
    )]
    OpenQuote {
        /// Line of the quote, from 1.
        line: u64,
        /// Whether a quote in the cell has a backslash before it.
        backslash: bool,
    },
    /// A CSV cell that goes on behind its closing quote.
    #[error(
        "has text behind the closing quote of a cell; put the whole cell in quotes and write quotes inside it twice \
         (\"\"){}",
        no_escape(*backslash)
    )]
    AfterQuote {
        /// Line where the cell opens, from 1.
        line: u64,
        /// Whether a quote in the cell has a backslash before it.
        backslash: bool,
    },
}

/// Takes an error and says whether reading goes on: what reads for records ends with the first, what reviews an input
/// counts them.
pub(crate) type Refuse<'a> = &'a mut dyn FnMut(CorpusError) -> Result<(), CorpusError>;

/// Tells all that is wrong with the columns of an input, and ends its reading with the last.
pub(super) fn refuse_all(mut problems: Vec<CorpusError>, refuse: Refuse<'_>) -> Result<(), CorpusError> {
    let Some(last) = problems.pop() else { return Ok(()) };
    problems.into_iter().try_for_each(refuse)?;
    Err(last)
}

impl Fault {
    /// What kind of fault it is, in a word, and the field that has it.
    pub fn kind(&self) -> (&'static str, Option<&str>) {
        match self {
            Self::NotAnObject => ("not-an-object", None),
            Self::Array => ("array", None),
            Self::Mark => ("byte-order-mark", None),
            Self::Json { .. } => ("broken-json", None),
            Self::Missing { field } | Self::NoColumn { field, .. } => ("missing-field", Some(field)),
            Self::Unknown { field, .. } => ("unknown-field", Some(field)),
            Self::Duplicate { field } => ("field-twice", Some(field)),
            Self::Kind { field, .. } => ("wrong-kind", Some(field)),
            Self::NotAllowed { field, .. } => ("not-allowed", Some(field)),
            Self::Class { field, .. } => ("unknown-class", Some(field)),
            Self::TooLong { field, .. } => ("too-long", Some(field)),
            Self::Empty { field } => ("empty-field", Some(field)),
            Self::NeverClosed { .. } => ("never-closed", None),
            Self::RecordTooLong { .. } => ("record-too-long", None),
            Self::Uneven { .. } => ("uneven-row", None),
            Self::OpenQuote { .. } | Self::AfterQuote { .. } => ("broken-quotes", None),
        }
    }
}

impl CorpusError {
    /// What kind of error it is, in a word, and the field or column that has it.
    pub fn kind(&self) -> (&'static str, Option<&str>) {
        match self {
            Self::Record { fault, .. } => fault.kind(),
            Self::Utf8 { .. } => ("not-utf-8", None),
            Self::NoRecords | Self::NoPassages => ("no-records", None),
            Self::TooManyRecords { .. } => ("too-many-records", None),
            Self::TooManyBytes { .. } => ("too-many-bytes", None),
            Self::TextOnly { field, .. } => ("text-only", Some(field)),
            Self::Columns(_) => ("mapping", None),
            Self::Column { column, .. } => ("column", Some(column)),
            Self::NeedsFile | Self::Parquet(_) => ("broken-parquet", None),
            Self::Foreign { .. } => ("foreign-file", None),
            Self::Schema(_) => ("schema", None),
            Self::Io(_) => ("unreadable", None),
        }
    }

    /// The same error of an input whose first part held `records` records and `lines` lines.
    pub(crate) fn shifted(self, records: u64, lines: u64, bytes: u64) -> Self {
        match self {
            Self::Record { record, line, fault } => {
                Self::Record { record: record + records, line: line + lines, fault }
            }
            Self::Utf8 { offset } => Self::Utf8 { offset: offset + bytes },
            other => other,
        }
    }
}

/// Classes given by number: what exporters of data sets do to labels.
fn names_instead(value: &str) -> &'static str {
    let is_number =
        !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.' || byte == b'-');
    if is_number { ": write the names of the classes instead of their numbers" } else { "" }
}

fn no_escape(backslash: bool) -> &'static str {
    if backslash { "; a backslash escapes nothing in CSV" } else { "" }
}

/// The first characters of a value, for a message of bounded size.
pub(crate) fn cut(text: &str, characters: usize) -> String {
    match text.char_indices().nth(characters) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
