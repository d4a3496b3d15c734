//! Which columns of an input are which fields, where they are not called the same.
//!
//! ```text
//! text = sentence     the field `text` is in the column `sentence`
//! -  idx              the column `idx` is left out; `*` leaves out whatever is no field
//! class: 0 1          a column of class numbers, as exporters of data sets write them, by the names of its classes
//! ```

use std::collections::{BTreeMap, BTreeSet};

use super::error::CorpusError;

/// How the columns begin that an export adds to say where a record is from. They are no data: every reader leaves out
/// what begins so, unless it is a field.
pub const PROVENANCE: &str = "_datanet_";

/// Most names of columns in one mapping: more than any schema has fields.
const MAX_NAMES: usize = 1_024;

/// Which columns are which fields. By default each column is the field of its name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Columns {
    /// Field to column.
    pub(super) renamed: BTreeMap<String, String>,
    /// Columns that are left out.
    pub(super) ignored: BTreeSet<String>,
    /// Whatever is no field is left out.
    pub(super) ignores_others: bool,
    /// Column to the names of its classes, in the order of their numbers.
    pub(super) classes: BTreeMap<String, Vec<String>>,
}

impl Columns {
    /// Reads `FIELD=COLUMN` pairs and names of columns to leave out, `*` among them for whatever is no field.
    ///
    /// # Errors
    /// [`CorpusError::Columns`] for what is no pair, a field or a column that is named twice, and too many names.
    pub fn read<'a>(
        pairs: impl IntoIterator<Item = &'a str>,
        ignored: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, CorpusError> {
        let mut columns = Self::default();
        for pair in pairs {
            let named = pair.split_once('=').map(|(field, column)| (field.trim(), column.trim()));
            let Some((field, column)) = named.filter(|(field, column)| !field.is_empty() && !column.is_empty()) else {
                return refused(format!("{pair:?} maps nothing; write FIELD=COLUMN, such as text=sentence"));
            };
            if columns.renamed.values().any(|known| known == column) {
                return refused(format!("the column {column:?} is mapped twice; give it to one field"));
            }
            if columns.renamed.insert(field.to_owned(), column.to_owned()).is_some() {
                return refused(format!("the field {field:?} is mapped twice; name one column"));
            }
        }
        for name in ignored {
            match name.trim() {
                "" => return refused("a column to leave out has no name; name it, or * for all that are no fields"),
                "*" => columns.ignores_others = true,
                name if columns.renamed.values().any(|column| column == name) => {
                    return refused(format!("the column {name:?} is both mapped and left out; choose one"));
                }
                name => drop(columns.ignored.insert(name.to_owned())),
            }
        }
        if columns.renamed.len() + columns.ignored.len() > MAX_NAMES {
            return refused(format!("more than {MAX_NAMES} columns are named; * leaves out whatever is no field"));
        }
        Ok(columns)
    }

    /// Whether it changes nothing.
    pub fn is_plain(&self) -> bool {
        *self == Self::default()
    }

    /// The column that a field is read from.
    pub fn column_of<'a>(&'a self, field: &'a str) -> &'a str {
        self.renamed.get(field).map_or(field, String::as_str)
    }

    /// Whether a column is left out by its name.
    pub fn leaves_out(&self, column: &str) -> bool {
        self.ignored.contains(column)
    }

    /// Whether whatever is no field is left out.
    pub fn leaves_out_others(&self) -> bool {
        self.ignores_others
    }

    /// The same, with the classes that the numbers in `column` stand for.
    #[must_use]
    pub fn with_classes(mut self, column: &str, names: Vec<String>) -> Self {
        self.classes.insert(column.to_owned(), names);
        self
    }
}

fn refused<T>(why: impl Into<String>) -> Result<T, CorpusError> {
    Err(CorpusError::Columns(why.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapping_that_contradicts_itself_is_refused_in_words() {
        let said = |pairs: &[&str], ignored: &[&str]| {
            Columns::read(pairs.iter().copied(), ignored.iter().copied()).unwrap_err().to_string()
        };
        assert!(said(&["text"], &[]).contains("FIELD=COLUMN"));
        assert!(said(&["=x"], &[]).contains("FIELD=COLUMN"));
        assert!(said(&["text=a", "text=b"], &[]).contains("\"text\" is mapped twice"));
        assert!(said(&["text=a", "label=a"], &[]).contains("\"a\" is mapped twice"));
        assert!(said(&["text=a"], &["a"]).contains("both mapped and left out"));
        assert!(said(&[], &[""]).contains("no name"));
        let columns = Columns::read(["text=a=b"], ["*"]).unwrap();
        assert_eq!(columns.column_of("text"), "a=b");
        assert!(columns.ignores_others && !columns.is_plain() && Columns::default().is_plain());
    }
}
