//! A schema, compiled for checking millions of records.

use datanet_types::record::Format;
use datanet_types::schema::{FieldKind, FieldRole, Schema};
use unicode_normalization::UnicodeNormalization;

use super::error::{CorpusError, Fault, cut};

/// One field, with what the checks need at hand.
#[derive(Debug)]
pub(crate) struct ShapeField {
    pub name: String,
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
}

impl Shape {
    /// Validates and compiles `schema`.
    pub(super) fn compile(schema: &Schema) -> Result<Self, CorpusError> {
        schema.validate()?;
        let mut fields: Vec<ShapeField> = schema.fields.iter().map(compile_field).collect();
        fields.sort_by(|a, b| a.name.cmp(&b.name));
        let position = |role| fields.iter().position(|field: &ShapeField| field.role == role);
        let required =
            fields.iter().enumerate().filter(|(_, field)| field.required).fold(0, |mask, (i, _)| mask | (1u64 << i));
        // `validate` has seen exactly one text field.
        let (text, label) = (position(FieldRole::Text).unwrap_or_default(), position(FieldRole::Label));
        Ok(Self { fields, text, label, required })
    }

    /// The field called `name`; `hint` is tried first (records of one batch repeat their order).
    pub(super) fn index_of(&self, name: &str, hint: usize) -> Option<usize> {
        if self.fields.get(hint).is_some_and(|field| field.name == name) {
            return Some(hint);
        }
        self.fields.binary_search_by(|field| field.name.as_str().cmp(name)).ok()
    }

    /// Refuses schemas that `format`, which carries passages alone, cannot satisfy.
    pub(super) fn must_be_text_only(&self, format: Format) -> Result<(), CorpusError> {
        let other = self.fields.iter().find(|field| field.required && field.role != FieldRole::Text);
        other.map_or(Ok(()), |field| Err(CorpusError::TextOnly { format, field: field.name.clone() }))
    }

    /// The fault of a field that does not exist.
    pub(super) fn unknown(&self, name: &str) -> Fault {
        Fault::Unknown { field: cut(name, 64), known: self.names() }
    }

    /// All names, comma-separated.
    pub(super) fn names(&self) -> String {
        list(self.fields.iter().map(|field| field.name.as_str()))
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

fn compile_field(field: &datanet_types::schema::Field) -> ShapeField {
    let mut allowed: Vec<String> = field.allowed.iter().map(|text| text.nfc().collect()).collect();
    allowed.sort();
    ShapeField {
        name: field.name.clone(),
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
