//! A schema, compiled for checking millions of records.

use std::collections::BTreeMap;

use datanet_types::record::Format;
use datanet_types::schema::{FieldKind, FieldRole, Schema};
use unicode_normalization::UnicodeNormalization;

use super::columns::{Columns, PROVENANCE};
use super::error::{CorpusError, Fault, cut};

/// One field, with what the checks need at hand.
#[derive(Debug)]
pub(crate) struct ShapeField {
    pub name: String,
    /// The column that it is read from; none, if its name is that of another field's column.
    pub column: Option<String>,
    /// That column was named for it.
    pub is_mapped: bool,
    /// What the numbers in that column stand for; empty where it holds none.
    pub classes: Vec<String>,
    /// `"name":`, as it stands in the canonical form.
    pub key: String,
    pub kind: FieldKind,
    pub role: FieldRole,
    pub required: bool,
    pub byte_limit: usize,
    /// Sorted, in NFC; empty means anything goes.
    pub allowed: Vec<String>,
}

/// A validated schema, its fields in canonical (byte) order of their names.
#[derive(Debug)]
pub(crate) struct Shape {
    pub fields: Vec<ShapeField>,
    /// Index of the passage.
    pub text: usize,
    /// Index of the class, if there is one.
    pub label: Option<usize>,
    /// Bit i: field i is required. A schema has at most 64 fields.
    pub required: u64,
    /// Columns with the index of their field, sorted.
    by_column: Vec<(String, usize)>,
    columns: Columns,
}

impl Shape {
    /// Validates and compiles `schema`, each field read from the column of its name.
    pub(super) fn compile(schema: &Schema) -> Result<Self, CorpusError> {
        Self::compile_by(schema, &Columns::default())
    }

    /// Validates and compiles `schema`, its fields read from `columns`.
    pub(super) fn compile_by(schema: &Schema, columns: &Columns) -> Result<Self, CorpusError> {
        schema.validate()?;
        let mut fields: Vec<ShapeField> = schema.fields.iter().map(|field| compile_field(field, columns)).collect();
        fields.sort_by(|a, b| a.name.cmp(&b.name));
        if let Some(unknown) = columns.renamed.keys().find(|name| fields.iter().all(|field| field.name != **name)) {
            let known = list(fields.iter().map(|field| field.name.as_str()));
            let why =
                format!("the schema has no field {:?} to map a column to; its fields are {known}", cut(unknown, 64));
            return Err(CorpusError::Columns(why));
        }
        let position = |role| fields.iter().position(|field: &ShapeField| field.role == role);
        let required =
            fields.iter().enumerate().filter(|(_, field)| field.required).fold(0, |mask, (i, _)| mask | (1u64 << i));
        // `validate` has seen exactly one text field.
        let (text, label) = (position(FieldRole::Text).unwrap_or_default(), position(FieldRole::Label));
        let mut by_column: Vec<(String, usize)> =
            fields.iter().enumerate().filter_map(|(index, field)| Some((field.column.clone()?, index))).collect();
        by_column.sort();
        Ok(Self { fields, text, label, required, by_column, columns: columns.clone() })
    }

    /// The field in the column called `name`; `hint` is tried first (records of one batch repeat their order).
    pub(super) fn index_of(&self, name: &str, hint: usize) -> Option<usize> {
        if self.fields.get(hint).is_some_and(|field| field.column.as_deref() == Some(name)) {
            return Some(hint);
        }
        let found = self.by_column.binary_search_by(|(column, _)| column.as_str().cmp(name));
        found.ok().and_then(|at| self.by_column.get(at)).map(|(_, index)| *index)
    }

    /// Whether a column that is no field is left out, and not refused.
    pub(super) fn leaves_out(&self, column: &str) -> bool {
        self.columns.ignores_others || column.starts_with(PROVENANCE) || self.columns.leaves_out(column)
    }

    /// The fault of each column that must be among those `there` and is not: of those that were named for a field, or of
    /// the others.
    pub(super) fn absent(&self, named: bool, there: &[&str], given: impl Fn(usize) -> bool) -> Vec<CorpusError> {
        let is_absent =
            |(at, field): &(usize, &ShapeField)| field.is_mapped == named && (field.required || named) && !given(*at);
        let told = |field: &ShapeField| {
            let there = list(there.iter().copied());
            let (column, problem) = match &field.column {
                Some(column) if named => {
                    (column, format!("is not there to be the field {:?}; there are {there}", field.name))
                }
                Some(column) => {
                    (column, format!("is missing, and every record needs it; add it, or map another to it: {there}"))
                }
                None => (&field.name, "is missing: its column is left out or mapped to another field".to_owned()),
            };
            CorpusError::Column { column: cut(column, 64), problem }
        };
        self.fields.iter().enumerate().filter(is_absent).map(|(_, field)| told(field)).collect()
    }

    /// Refuses schemas that `format`, which carries passages alone, cannot satisfy.
    pub(super) fn must_be_text_only(&self, format: Format) -> Result<(), CorpusError> {
        if !self.columns.renamed.is_empty() {
            return Err(CorpusError::Columns(format!("{format:?} has no columns to map; send JSONL, CSV or Parquet")));
        }
        let other = self.fields.iter().find(|field| field.required && field.role != FieldRole::Text);
        other.map_or(Ok(()), |field| Err(CorpusError::TextOnly { format, field: field.name.clone() }))
    }

    /// The fault of a field that does not exist.
    pub(super) fn unknown(&self, name: &str) -> Fault {
        Fault::Unknown { field: cut(name, 64), known: self.names() }
    }

    /// All names, comma-separated.
    pub(super) fn names(&self) -> String {
        list(self.by_column.iter().map(|(column, _)| column.as_str()))
    }

    /// A field that is missing from a JSON object, told by its column where it has a name of its own.
    pub(super) fn explain(&self, fault: Fault, line: &str) -> Fault {
        let Fault::Missing { field } = &fault else { return fault };
        let column = self.fields.iter().find(|known| known.name == *field && known.is_mapped);
        let Some(column) = column.and_then(|known| known.column.as_deref()) else { return fault };
        let keys: BTreeMap<String, serde::de::IgnoredAny> = serde_json::from_str(line).unwrap_or_default();
        if keys.contains_key(column) {
            return fault;
        }
        let there = list(keys.keys().map(|key| cut(key, 64)).collect::<Vec<_>>().iter().map(String::as_str));
        Fault::NoColumn { column: cut(column, 64), field: field.clone(), there }
    }
}

impl ShapeField {
    /// What the field takes, in words.
    pub(super) fn expected(&self) -> &'static str {
        match self.kind {
            FieldKind::String => "a text",
            FieldKind::Integer => "a whole number of at most 64 bits",
            FieldKind::Number => "a finite number",
            FieldKind::Boolean => "true or false",
        }
    }

    /// The fault of a value of the wrong kind.
    pub(super) fn wrong_kind(&self, found: &'static str) -> Fault {
        self.wrong_kind_but(found, "")
    }

    /// The same, with how to write it instead.
    pub(super) fn wrong_kind_but(&self, found: &'static str, fix: &'static str) -> Fault {
        Fault::Kind { field: self.name.clone(), expected: self.expected(), found, fix }
    }

    /// The fault of a number where none is wanted.
    pub(super) fn no_number(&self) -> Fault {
        let fix = match (self.kind, self.role) {
            (FieldKind::Boolean, _) => "",
            (_, FieldRole::Label) => ": write the names of the classes instead of their numbers",
            _ => ": write it as a text, in quotes where the format has them",
        };
        self.wrong_kind_but("a number", fix)
    }

    /// The first allowed texts, comma-separated.
    pub(super) fn allowed_list(&self) -> String {
        list(self.allowed.iter().map(String::as_str))
    }
}

fn compile_field(field: &datanet_types::schema::Field, columns: &Columns) -> ShapeField {
    let mut allowed: Vec<String> = field.allowed.iter().map(|text| text.nfc().collect()).collect();
    allowed.sort();
    let is_mapped = columns.renamed.contains_key(&field.name);
    let is_taken = !is_mapped && columns.renamed.values().any(|column| *column == field.name);
    let column = Some(columns.column_of(&field.name)).filter(|column| !is_taken && !columns.leaves_out(column));
    ShapeField {
        name: field.name.clone(),
        column: column.map(str::to_owned),
        is_mapped,
        classes: column.and_then(|column| columns.classes.get(column)).cloned().unwrap_or_default(),
        key: format!("\"{}\":", field.name),
        // `validate` has refused kinds and roles that do not exist.
        kind: field.field_kind().unwrap_or(FieldKind::String),
        role: field.field_role().unwrap_or(FieldRole::Data),
        required: field.required,
        byte_limit: field.byte_limit(),
        allowed,
    }
}

/// At most twelve names, so that a message stays readable.
fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.collect();
    let shown = names.iter().take(12).map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ");
    if names.len() > 12 { format!("{shown} and {} more", names.len() - 12) } else { shown }
}
