//! CSV with a header, by RFC 4180.
//!
//! Cells stand as the records have them. A spreadsheet takes a cell that begins with `=` and the like for a formula;
//! writing something before it would change the record, so such cells are counted instead, and whoever exports is told.

use std::io::Write;

use super::{Column, ExportError, Marks, Row, Value};

pub(super) struct CsvWriter<W> {
    columns: Vec<Column>,
    out: W,
    line: Vec<u8>,
}

impl<W: Write> CsvWriter<W> {
    pub(super) fn new(columns: &[Column], mut out: W) -> Result<Self, ExportError> {
        let header: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
        out.write_all(header.join(",").as_bytes())?;
        out.write_all(b"\n")?;
        Ok(Self { columns: columns.to_vec(), out, line: Vec::new() })
    }

    pub(super) fn row(&mut self, row: &Row<'_>, marks: &mut Marks) -> Result<(), ExportError> {
        self.line.clear();
        for (at, column) in self.columns.iter().enumerate() {
            if at > 0 {
                self.line.push(b',');
            }
            match row.value(column)? {
                None => {}
                Some(Value::Plain(spelled)) => self.line.extend_from_slice(spelled.as_bytes()),
                Some(Value::Text(text)) => {
                    marks.empty_texts += u64::from(text.is_empty());
                    marks.formulas += u64::from(text.starts_with(['=', '+', '-', '@', '\t', '\r']));
                    quote(&mut self.line, &text);
                }
            }
        }
        self.line.push(b'\n');
        Ok(self.out.write_all(&self.line)?)
    }

    pub(super) fn finish(self) -> W {
        self.out
    }
}

/// A cell, in quotes where it needs them.
fn quote(line: &mut Vec<u8>, text: &str) {
    let needs = text.is_empty() || text.contains([',', ';', '|', '"', '\n', '\r', '\t']) || text.trim() != text;
    if !needs {
        line.extend_from_slice(text.as_bytes());
        return;
    }
    line.push(b'"');
    line.extend_from_slice(text.replace('"', "\"\"").as_bytes());
    line.push(b'"');
}
