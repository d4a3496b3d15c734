//! Field by field from any format to one canonical record.

use std::ops::Range;
use std::sync::Arc;

use datanet_types::schema::{FieldKind, FieldRole};

use super::error::{Fault, cut};
use super::number::{NotWhole, is_kept, scan_number, whole_double, whole_value, write_number};
use super::shape::{Shape, ShapeField};
use super::unicode::{is_surely_nfc, nfc};

/// Takes the fields of one record after the other, checks each, and writes the canonical JSON into one reused buffer.
#[derive(Debug)]
pub(crate) struct RecordBuilder {
    shape: Arc<Shape>,
    /// Bit i: field i was given, as a value or as null.
    seen: u64,
    /// Bit i: field i has a value.
    filled: u64,
    /// Where `"key":value` of each filled field stands in `body`.
    spans: Vec<Range<usize>>,
    /// `{"a":1,"b":2`, in the order given.
    body: String,
    /// The last field written, and whether all came in canonical order so far.
    last: Option<usize>,
    in_order: bool,
    /// The canonical form, if the fields did not come in order.
    sorted: String,
}

/// The canonical form of a finished record, and where its fields stand in it.
pub(crate) struct Canonical<'a> {
    pub json: &'a str,
    builder: &'a RecordBuilder,
}

impl RecordBuilder {
    pub(super) fn new(shape: Arc<Shape>) -> Self {
        let spans = vec![0..0; shape.fields.len()];
        let mut builder = Self {
            shape,
            seen: 0,
            filled: 0,
            spans,
            body: String::new(),
            last: None,
            in_order: true,
            sorted: String::new(),
        };
        builder.begin();
        builder
    }

    pub(super) fn shape(&self) -> &Arc<Shape> {
        &self.shape
    }

    /// Forgets the record under way.
    pub(super) fn begin(&mut self) {
        (self.seen, self.filled, self.last, self.in_order) = (0, 0, None, true);
        self.body.clear();
        self.body.push('{');
    }

    /// Refuses a second value of one field.
    pub(super) fn claim(&mut self, index: usize) -> Result<(), Fault> {
        if self.seen & (1 << index) != 0 {
            return Err(Fault::Duplicate { field: self.field(index).name.clone() });
        }
        self.seen |= 1 << index;
        Ok(())
    }

    pub(super) fn field(&self, index: usize) -> &ShapeField {
        &self.shape.fields[index]
    }

    /// A text value, decoded.
    pub(super) fn text(&mut self, index: usize, text: &str) -> Result<(), Fault> {
        let text = nfc(text);
        check_text(self.field(index), &text)?;
        self.value(index, |body| escape_into(body, &text));
        Ok(())
    }

    /// A text value as it stands in JSON between its quotes, if that is already the canonical spelling of it:
    /// `escapes` two-byte escapes, no other. Hands back `false` if the value needs the long way through [`Self::text`].
    pub(super) fn escaped_text(&mut self, index: usize, raw: &str, escapes: usize) -> Result<bool, Fault> {
        let field = self.field(index);
        let plain = escapes == 0 || (field.allowed.is_empty() && starts_visibly(raw));
        if field.kind != FieldKind::String || !plain || !is_surely_nfc(raw) {
            return Ok(false);
        }
        if escapes == 0 {
            check_text(field, raw)?;
        } else {
            check_length(field, raw.len() - escapes)?;
        }
        self.value(index, |body| {
            body.push('"');
            body.push_str(raw);
            body.push('"');
        });
        Ok(true)
    }

    /// A number as JSON spells it; `is_whole` says that it has neither fraction nor exponent.
    pub(super) fn number(&mut self, index: usize, literal: &str, is_whole: bool) -> Result<(), Fault> {
        let field = self.field(index);
        match field.kind {
            FieldKind::Integer if is_whole => match literal.parse::<i64>() {
                Ok(value) => self.integer(index, value),
                Err(_) => Err(field.wrong_kind("a larger number")),
            },
            FieldKind::Integer => match whole_value(literal) {
                Ok(value) => self.integer(index, value),
                Err(not_whole) => Err(self.not_whole(index, not_whole)),
            },
            FieldKind::Number => match literal.parse::<f64>() {
                Ok(value) if is_kept(literal, value) => self.float(index, value),
                Ok(_) => Err(field.wrong_kind_but(
                    "a whole number of so many digits that a double changes the last",
                    ": from 2^53 on round it to what a double holds, or give the field the type integer or string",
                )),
                Err(_) => Err(field.wrong_kind("an unreadable number")),
            },
            FieldKind::String if !field.classes.is_empty() => match whole_value(literal) {
                Ok(number) => self.class(index, number),
                Err(_) => Err(field.no_number()),
            },
            FieldKind::String | FieldKind::Boolean => Err(field.no_number()),
        }
    }

    /// A whole number, for a field of either kind of number.
    pub(super) fn integer(&mut self, index: usize, value: i64) -> Result<(), Fault> {
        match self.field(index).kind {
            FieldKind::Integer => {
                self.value(index, |body| body.push_str(&value.to_string()));
                Ok(())
            }
            FieldKind::Number if value.unsigned_abs() <= 1 << 53 => self.float(index, value as f64),
            FieldKind::Number => self.number(index, &value.to_string(), true),
            FieldKind::String if !self.field(index).classes.is_empty() => self.class(index, value),
            FieldKind::String | FieldKind::Boolean => Err(self.field(index).no_number()),
        }
    }

    /// A floating-point number: for a whole-number field too where it is one, as tables with holes have them.
    pub(super) fn float(&mut self, index: usize, value: f64) -> Result<(), Fault> {
        let field = self.field(index);
        match field.kind {
            // As tables with holes have the numbers of classes.
            FieldKind::String if !field.classes.is_empty() => {
                return match whole_double(value) {
                    Ok(value) => self.class(index, value),
                    Err(_) => Err(field.no_number()),
                };
            }
            FieldKind::String | FieldKind::Boolean => return Err(field.no_number()),
            _ if !value.is_finite() => {
                let fix = ": leave it out, or write null or an empty cell, where there is no value";
                return Err(field.wrong_kind_but("infinity or no number (NaN)", fix));
            }
            FieldKind::Integer => {
                return match whole_double(value) {
                    Ok(value) => self.integer(index, value),
                    Err(not_whole) => Err(self.not_whole(index, not_whole)),
                };
            }
            FieldKind::Number => {}
        }
        self.value(index, |body| write_number(body, value));
        Ok(())
    }

    /// The name of the class with this number; -1 is how data sets write that there is none.
    fn class(&mut self, index: usize, value: i64) -> Result<(), Fault> {
        let shape = self.shape.clone();
        let ShapeField { name, classes, .. } = &shape.fields[index];
        match usize::try_from(value).ok().and_then(|number| classes.get(number)) {
            Some(class) => self.text(index, class),
            None if value == -1 => Ok(()),
            None => Err(Fault::Class { field: name.clone(), value, last: classes.len().saturating_sub(1) }),
        }
    }

    fn not_whole(&self, index: usize, reason: NotWhole) -> Fault {
        let (found, fix) = match reason {
            NotWhole::Fraction => ("a number with a fraction", ": round it (5.0 is read as 5)"),
            NotWhole::Inexact => (
                "a number that a floating-point column may have rounded",
                ": from 2^53 on write it without a fraction or an exponent, from a column of integers",
            ),
        };
        self.field(index).wrong_kind_but(found, fix)
    }

    /// `true` or `false`.
    pub(super) fn boolean(&mut self, index: usize, value: bool) -> Result<(), Fault> {
        let field = self.field(index);
        if field.kind != FieldKind::Boolean {
            return Err(field.wrong_kind("true or false"));
        }
        self.value(index, |body| body.push_str(if value { "true" } else { "false" }));
        Ok(())
    }

    /// The cell of a format that knows nothing but text. An empty cell is an absent value.
    pub(super) fn cell(&mut self, index: usize, cell: &str) -> Result<(), Fault> {
        let kind = self.field(index).kind;
        let trimmed = cell.trim();
        match kind {
            _ if cell.is_empty() => Ok(()),
            FieldKind::String => match self.number_of_class(index, trimmed) {
                Some(number) => self.class(index, number),
                None => self.text(index, cell),
            },
            _ if trimmed.is_empty() => Ok(()),
            FieldKind::Boolean if trimmed.eq_ignore_ascii_case("true") => self.boolean(index, true),
            FieldKind::Boolean if trimmed.eq_ignore_ascii_case("false") => self.boolean(index, false),
            FieldKind::Boolean => Err(self.field(index).wrong_kind("a text")),
            FieldKind::Integer | FieldKind::Number => match scan_number(trimmed.as_bytes()) {
                Some((end, is_whole)) if end == trimmed.len() => self.number(index, trimmed, is_whole),
                _ => Err(self.field(index).wrong_kind_but("a text", number_fix(trimmed))),
            },
        }
    }

    /// The number in a cell of a column of classes, unless a class is called so.
    fn number_of_class(&self, index: usize, cell: &str) -> Option<i64> {
        let classes = &self.field(index).classes;
        let is_name = || classes.iter().any(|name| name == cell);
        if classes.is_empty() || !is_number(cell) || is_name() { None } else { whole_value(cell).ok() }
    }

    /// Checks that nothing is missing and hands out the canonical form, valid until the next [`Self::begin`].
    pub(super) fn finish(&mut self) -> Result<Canonical<'_>, Fault> {
        let missing = self.shape.required & !self.filled;
        if missing != 0 {
            let field = &self.shape.fields[missing.trailing_zeros() as usize];
            return Err(Fault::Missing { field: field.name.clone() });
        }
        self.body.push('}');
        if !self.in_order {
            self.sort();
        }
        let json = if self.in_order { &self.body } else { &self.sorted };
        Ok(Canonical { json, builder: self })
    }

    fn value(&mut self, index: usize, write: impl FnOnce(&mut String)) {
        if self.body.len() > 1 {
            self.body.push(',');
        }
        let start = self.body.len();
        self.body.push_str(&self.shape.fields[index].key);
        write(&mut self.body);
        self.spans[index] = start..self.body.len();
        self.filled |= 1 << index;
        self.in_order &= self.last.is_none_or(|last| last < index);
        self.last = Some(index);
    }

    fn sort(&mut self) {
        self.sorted.clear();
        self.sorted.push('{');
        for index in (0..self.spans.len()).filter(|index| self.filled & (1 << index) != 0) {
            if self.sorted.len() > 1 {
                self.sorted.push(',');
            }
            let start = self.sorted.len();
            self.sorted.push_str(&self.body[self.spans[index].clone()]);
            self.spans[index] = start..self.sorted.len();
        }
        self.sorted.push('}');
    }
}

impl Canonical<'_> {
    /// Where the text of the passage stands in [`Self::json`], without its quotes.
    pub(crate) fn text_span(&self) -> Option<Range<usize>> {
        self.inner_span(self.builder.shape.text)
    }

    /// Where the text of the label stands.
    pub(crate) fn label_span(&self) -> Option<Range<usize>> {
        self.builder.shape.label.and_then(|index| self.inner_span(index))
    }

    fn inner_span(&self, index: usize) -> Option<Range<usize>> {
        let builder = self.builder;
        (builder.filled & (1 << index) != 0).then(|| {
            let span = builder.spans[index].clone();
            span.start + builder.shape.fields[index].key.len() + 1..span.end - 1
        })
    }
}

fn is_number(cell: &str) -> bool {
    scan_number(cell.as_bytes()).is_some_and(|(end, _)| end == cell.len())
}

/// How to write what looks like a number to people.
fn number_fix(cell: &str) -> &'static str {
    if cell.eq_ignore_ascii_case("nan") || cell.eq_ignore_ascii_case("na") || cell.eq_ignore_ascii_case("null") {
        ": leave the cell empty where there is no value"
    } else if cell.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.' | ',')) {
        ", such as 1234.5: a point before the fraction, a digit before the point, no separators or units"
    } else {
        ""
    }
}

fn check_text(field: &ShapeField, text: &str) -> Result<(), Fault> {
    if field.kind != FieldKind::String {
        return Err(field.wrong_kind("a text"));
    }
    if field.role != FieldRole::Data && !starts_visibly(text) && text.trim().is_empty() {
        return Err(Fault::Empty { field: field.name.clone() });
    }
    check_length(field, text.len())?;
    if !field.allowed.is_empty() && field.allowed.binary_search_by(|known| known.as_str().cmp(text)).is_err() {
        return Err(Fault::NotAllowed {
            field: field.name.clone(),
            value: cut(text, 64),
            allowed: field.allowed_list(),
        });
    }
    Ok(())
}

fn check_length(field: &ShapeField, bytes: usize) -> Result<(), Fault> {
    if bytes > field.byte_limit {
        return Err(Fault::TooLong { field: field.name.clone(), bytes, limit: field.byte_limit });
    }
    Ok(())
}

fn starts_visibly(text: &str) -> bool {
    text.bytes().next().is_some_and(|byte| byte.is_ascii_graphic() && byte != b'\\')
}

/// Appends `text` as a JSON string with the shortest escapes.
fn escape_into(out: &mut String, text: &str) {
    out.push('"');
    let mut clean = 0;
    for (at, byte) in text.bytes().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.push_str(&text[clean..at]);
        clean = at + 1;
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            0x08 => out.push_str("\\b"),
            0x0C => out.push_str("\\f"),
            control => out.push_str(&format!("\\u{control:04x}")),
        }
    }
    out.push_str(&text[clean..]);
    out.push('"');
}
