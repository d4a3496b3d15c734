//! What a datanet's records look like.

/// The kind of value a field holds.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, prost::Enumeration, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
#[repr(i32)]
pub enum FieldKind {
    /// UTF-8 text.
    String = 0,
    /// A whole number that fits 64 bits, signed.
    Integer = 1,
    /// Any finite JSON number.
    Number = 2,
    /// `true` or `false`.
    Boolean = 3,
}

/// What a field is for.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, prost::Enumeration, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
#[repr(i32)]
pub enum FieldRole {
    /// Kept and shown, neither embedded nor voted on.
    Data = 0,
    /// The passage: embedded, indexed, quoted. Exactly one field has this role; it is a required string.
    Text = 1,
    /// The class: voted on by neighbours, checked for usefulness. At most one; a string.
    Label = 2,
}

/// One field of a record.
#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Field {
    /// Name: 1 to 64 of `a-z A-Z 0-9 _ -`.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Kind of value.
    #[prost(enumeration = "FieldKind", tag = "2")]
    #[serde(with = "kind_text", default)]
    pub kind: i32,
    /// Role.
    #[prost(enumeration = "FieldRole", tag = "3")]
    #[serde(with = "role_text", default)]
    pub role: i32,
    /// Whether every record must have it.
    #[prost(bool, tag = "4")]
    #[serde(default)]
    pub required: bool,
    /// Longest text in bytes; 0 means the general limit [`MAX_FIELD_BYTES`].
    #[prost(uint32, tag = "5")]
    #[serde(default)]
    pub max_bytes: u32,
    /// If not empty, the only texts allowed (a label's classes).
    #[prost(string, repeated, tag = "6")]
    #[serde(default)]
    pub allowed: Vec<String>,
}

/// The fields of a datanet's records.
#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schema {
    /// At least the text field, at most [`MAX_FIELDS`].
    #[prost(message, repeated, tag = "1")]
    pub fields: Vec<Field>,
}

/// Most fields of a schema.
pub const MAX_FIELDS: usize = 64;
/// Most texts that a schema's fields allow, all fields together: each is decoded whenever the datanet is read.
pub const MAX_ALLOWED: usize = 1_024;
/// Longest text of one field, in bytes.
pub const MAX_FIELD_BYTES: usize = 64 * 1024;

/// Why a schema is not usable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// Too few or too many fields.
    #[error("a schema has 1 to {MAX_FIELDS} fields, not {0}")]
    FieldCount(usize),
    /// A field name with other characters, or used twice.
    #[error("field name {0:?} must be unique and 1 to 64 of a-z A-Z 0-9 _ -")]
    Name(String),
    /// Not a kind or a role that exists.
    #[error("field {0:?} has an unknown kind or role")]
    Unknown(String),
    /// No single required string with the role text.
    #[error("exactly one field must have role \"text\", kind \"string\" and be required")]
    Text,
    /// More than one label, or one that is no string.
    #[error("at most one field may have role \"label\", and its kind must be \"string\"")]
    Label,
    /// A bad list of allowed values.
    #[error("field {0:?}: \"allowed\" takes different texts of 1 to 256 bytes, for strings only")]
    Allowed(String),
    /// Too many allowed values.
    #[error(
        "the fields allow {0} texts in all, at most {MAX_ALLOWED} may be: leave \"allowed\" out where any text will do"
    )]
    AllowedCount(usize),
    /// A text limit over the general one.
    #[error("field {0:?}: \"max_bytes\" is at most {MAX_FIELD_BYTES}")]
    MaxBytes(String),
}

impl Field {
    /// The kind, if it exists.
    pub fn field_kind(&self) -> Option<FieldKind> {
        FieldKind::try_from(self.kind).ok()
    }

    /// The role, if it exists.
    pub fn field_role(&self) -> Option<FieldRole> {
        FieldRole::try_from(self.role).ok()
    }

    /// Longest text in bytes.
    pub fn byte_limit(&self) -> usize {
        if self.max_bytes == 0 { MAX_FIELD_BYTES } else { self.max_bytes as usize }
    }
}

impl Schema {
    /// The usual schema: a required `text` and, with `labels` given, a required `label` out of them.
    pub fn text_and_label(labels: &[&str]) -> Self {
        let text = Field { name: "text".into(), role: FieldRole::Text as i32, required: true, ..Field::default() };
        let label = Field {
            name: "label".into(),
            role: FieldRole::Label as i32,
            required: true,
            max_bytes: 256,
            allowed: labels.iter().map(|l| (*l).to_owned()).collect(),
            ..Field::default()
        };
        Self { fields: vec![text, label] }
    }

    /// The passage field.
    pub fn text_field(&self) -> Option<&Field> {
        self.with_role(FieldRole::Text).next()
    }

    /// The class field, if records are labelled.
    pub fn label_field(&self) -> Option<&Field> {
        self.with_role(FieldRole::Label).next()
    }

    fn with_role(&self, role: FieldRole) -> impl Iterator<Item = &Field> {
        self.fields.iter().filter(move |f| f.field_role() == Some(role))
    }

    /// Checks names, roles, limits.
    ///
    /// # Errors
    /// When there are no fields or more than [`MAX_FIELDS`], a name is malformed or given twice, a kind, role, limit or
    /// list of allowed texts is out of bounds, not exactly one field is the text (a required string), or there is a
    /// second label or one that is no string, or the fields together allow more than [`MAX_ALLOWED`] texts.
    pub fn validate(&self) -> Result<(), SchemaError> {
        if self.fields.is_empty() || self.fields.len() > MAX_FIELDS {
            return Err(SchemaError::FieldCount(self.fields.len()));
        }
        let allowed = self.fields.iter().map(|field| field.allowed.len()).fold(0, usize::saturating_add);
        if allowed > MAX_ALLOWED {
            return Err(SchemaError::AllowedCount(allowed));
        }
        let mut names = std::collections::BTreeSet::new();
        for field in &self.fields {
            check_field(field)?;
            if !names.insert(field.name.as_str()) {
                return Err(SchemaError::Name(field.name.clone()));
            }
        }
        let is_text = |f: &&Field| f.field_kind() == Some(FieldKind::String);
        let texts: Vec<_> = self.with_role(FieldRole::Text).collect();
        if texts.len() != 1 || !texts.iter().all(|f| f.required && is_text(f)) {
            return Err(SchemaError::Text);
        }
        let labels: Vec<_> = self.with_role(FieldRole::Label).collect();
        if labels.len() > 1 || !labels.iter().all(is_text) {
            return Err(SchemaError::Label);
        }
        Ok(())
    }
}

fn check_field(field: &Field) -> Result<(), SchemaError> {
    let name_ok = (1..=64).contains(&field.name.len())
        && field.name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    if !name_ok {
        return Err(SchemaError::Name(field.name.clone()));
    }
    let (Some(kind), Some(_)) = (field.field_kind(), field.field_role()) else {
        return Err(SchemaError::Unknown(field.name.clone()));
    };
    if field.byte_limit() > MAX_FIELD_BYTES {
        return Err(SchemaError::MaxBytes(field.name.clone()));
    }
    let distinct: std::collections::BTreeSet<_> = field.allowed.iter().collect();
    let allowed_ok = distinct.len() == field.allowed.len()
        && field.allowed.iter().all(|v| (1..=256).contains(&v.len()))
        && (field.allowed.is_empty() || kind == FieldKind::String);
    if allowed_ok { Ok(()) } else { Err(SchemaError::Allowed(field.name.clone())) }
}

crate::enum_text!(kind_text, super::FieldKind);
crate::enum_text!(role_text, super::FieldRole);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_schema_is_valid_and_reads_as_json() {
        let schema = Schema::text_and_label(&["a", "b"]);
        schema.validate().unwrap();
        let json = serde_json::to_string(&schema).unwrap();
        assert!(json.contains("\"role\":\"text\""), "{json}");
        assert_eq!(serde_json::from_str::<Schema>(&json).unwrap(), schema);
    }

    #[test]
    fn a_schema_without_a_text_field_is_refused() {
        let mut schema = Schema::text_and_label(&[]);
        schema.fields.remove(0);
        assert_eq!(schema.validate(), Err(SchemaError::Text));
    }

    #[test]
    fn two_fields_of_one_name_are_refused() {
        let mut schema = Schema::text_and_label(&[]);
        schema.fields[1].name = "text".into();
        assert!(matches!(schema.validate(), Err(SchemaError::Name(_))));
    }

    #[test]
    fn more_texts_than_may_be_allowed_are_refused_however_they_are_spread() {
        let classes = |range: std::ops::Range<usize>| range.map(|n| n.to_string()).collect::<Vec<_>>();
        let mut schema = Schema::text_and_label(&[]);
        schema.fields[1].allowed = classes(0..1_000);
        let other = Field { name: "other".into(), allowed: classes(0..24), ..Field::default() };
        schema.fields.push(other);
        assert_eq!(schema.validate(), Ok(()));
        schema.fields[2].allowed = classes(0..25);
        assert_eq!(schema.validate(), Err(SchemaError::AllowedCount(1_025)));
    }

    #[test]
    fn two_labels_are_refused() {
        let mut schema = Schema::text_and_label(&[]);
        let mut second = schema.fields[1].clone();
        second.name = "other".into();
        schema.fields.push(second);
        assert_eq!(schema.validate(), Err(SchemaError::Label));
    }
}
