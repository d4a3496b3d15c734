//! Writing records out for others: JSONL, CSV, Parquet, and a folder as Hugging Face lays out data sets.
//!
//! Records come as lines of canonical JSON, each with where it is from in keys that begin with
//! [`PROVENANCE`], and leave in any format such that contributing them again gives the same
//! record root. Nothing is held but what one row group of Parquet takes.
//!
//! ```text
//! {"label":"oak","text":"…","_datanet_contribution":"…",…} ──► jsonl.rs | csv.rs | parquet.rs ──► a file
//!                                                                           └─► card.rs, croissant.rs: the folder
//! ```

mod about;
mod card;
mod croissant;
mod csv;
mod parquet;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::io::Write;

use datanet_types::schema::{FieldKind, FieldRole, Schema};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::corpus::PROVENANCE;

pub use about::{About, Contribution, File, Split};
pub use card::card;
pub use croissant::croissant;

/// What an export says of each record beside its fields: its contribution, who gave it, the licence, and the record's
/// index and hash there.
pub const ORIGIN: [(&str, FieldKind); 5] = [
    ("_datanet_contribution", FieldKind::String),
    ("_datanet_contributor", FieldKind::String),
    ("_datanet_licence", FieldKind::String),
    ("_datanet_index", FieldKind::Integer),
    ("_datanet_hash", FieldKind::String),
];

/// Why an export ends.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// It cannot be written.
    #[error("cannot write the export")]
    Io(#[from] std::io::Error),
    /// Parquet cannot be written.
    #[error("cannot write the Parquet file")]
    Parquet(#[from] ::parquet::errors::ParquetError),
    /// What came is no record.
    #[error("the node sent no record")]
    Record(#[from] serde_json::Error),
    /// A field is called as what an export adds.
    #[error("the schema has a field {0:?}, and names that begin so say where a record is from; use --no-provenance")]
    Taken(String),
}

/// A column of an export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// What is in it.
    pub kind: FieldKind,
    /// What it is for.
    pub role: FieldRole,
    /// Whether every record has it.
    pub required: bool,
    /// The classes, if it is a label with a list of them.
    pub classes: Vec<String>,
}

/// The columns of an export of records of `schema`, with those that say where they are from if `with_origin`.
///
/// # Errors
/// [`ExportError::Taken`] if the schema has a field of such a name.
pub fn columns(schema: &Schema, with_origin: bool) -> Result<Vec<Column>, ExportError> {
    let taken = schema.fields.iter().find(|field| with_origin && field.name.starts_with(PROVENANCE));
    if let Some(field) = taken {
        return Err(ExportError::Taken(field.name.clone()));
    }
    let fields = schema.fields.iter().map(|field| Column {
        name: field.name.clone(),
        kind: field.field_kind().unwrap_or(FieldKind::String),
        role: field.field_role().unwrap_or(FieldRole::Data),
        required: field.required,
        classes: field.allowed.clone(),
    });
    let origin = ORIGIN.into_iter().filter(|_| with_origin).map(|(name, kind)| Column {
        name: name.to_owned(),
        kind,
        role: FieldRole::Data,
        required: false,
        classes: Vec::new(),
    });
    Ok(fields.chain(origin).collect())
}

/// What cannot be seen in the file itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Marks {
    /// Records written.
    pub records: u64,
    /// Cells of CSV that a spreadsheet takes for formulas: they begin with one of `= + - @`, a tab or a carriage return.
    pub formulas: u64,
    /// Empty texts, which CSV cannot tell from no text.
    pub empty_texts: u64,
}

/// How records are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One object a line.
    Jsonl,
    /// With a header, by RFC 4180.
    Csv,
    /// With Snappy.
    Parquet,
}

/// Writes records one after the other.
pub struct Writer<W: Write + Send>(Inner<W>, Marks);

enum Inner<W: Write + Send> {
    Jsonl(W),
    Csv(csv::CsvWriter<W>),
    Parquet(Box<parquet::ParquetWriter<W>>),
}

impl<W: Write + Send> Writer<W> {
    /// A writer of `columns` into `out`.
    ///
    /// # Errors
    /// When `out` cannot be written.
    pub fn new(kind: Kind, columns: &[Column], out: W) -> Result<Self, ExportError> {
        let inner = match kind {
            Kind::Jsonl => Inner::Jsonl(out),
            Kind::Csv => Inner::Csv(csv::CsvWriter::new(columns, out)?),
            Kind::Parquet => Inner::Parquet(Box::new(parquet::ParquetWriter::new(columns, out)?)),
        };
        Ok(Self(inner, Marks::default()))
    }

    /// Writes a record, a line of JSON without its end. Keys that are no column are left out of tables.
    ///
    /// # Errors
    /// When it is no record, or cannot be written.
    pub fn row(&mut self, line: &str) -> Result<(), ExportError> {
        self.1.records += 1;
        match &mut self.0 {
            Inner::Jsonl(out) => {
                out.write_all(line.as_bytes())?;
                Ok(out.write_all(b"\n")?)
            }
            Inner::Csv(writer) => writer.row(&Row::read(line)?, &mut self.1),
            Inner::Parquet(writer) => writer.row(&Row::read(line)?),
        }
    }

    /// Writes what is left; what was written into, and what is to be said of it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(self) -> Result<(W, Marks), ExportError> {
        let mut out = match self.0 {
            Inner::Jsonl(out) => out,
            Inner::Csv(writer) => writer.finish(),
            Inner::Parquet(writer) => writer.finish()?,
        };
        out.flush()?;
        Ok((out, self.1))
    }
}

/// A record by its columns, each value as it stands in JSON: a number keeps its spelling.
struct Row<'a>(HashMap<&'a str, &'a RawValue>);

/// A value of a column.
enum Value<'a> {
    Text(String),
    /// A number or a truth value as it is spelled.
    Plain(&'a str),
}

impl<'a> Row<'a> {
    fn read(line: &'a str) -> Result<Self, ExportError> {
        // Names of fields have no escapes, so that they can be borrowed.
        Ok(Self(serde_json::from_str(line)?))
    }

    fn value(&self, column: &Column) -> Result<Option<Value<'a>>, ExportError> {
        let Some(raw) = self.0.get(column.name.as_str()).map(|raw| raw.get()).filter(|raw| *raw != "null") else {
            return Ok(None);
        };
        Ok(Some(match column.kind {
            FieldKind::String => Value::Text(serde_json::from_str(raw)?),
            _ => Value::Plain(raw),
        }))
    }
}
