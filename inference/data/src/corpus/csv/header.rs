//! The first line: which delimiter, and which field each column stands for.

use crate::corpus::error::{CorpusError, cut};
use crate::corpus::shape::Shape;

/// What stands between cells, by preference where the header leaves a choice.
const DELIMITERS: [u8; 4] = *b",;\t|";

/// What a column is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Column {
    /// Values of the field with this index.
    Field(usize),
    /// Numbers of rows, as pandas writes them unless told not to: left out.
    RowNumber,
    /// Left out, whatever it holds.
    LeftOut,
}

/// The delimiter by which most names of the first line are fields of the schema.
pub(super) fn delimiter_of(line: &str, shape: &Shape) -> u8 {
    let known = |delimiter: u8| {
        let names = line.split(char::from(delimiter)).map(|name| name.trim().trim_matches('"').trim());
        names.filter(|name| shape.index_of(name, 0).is_some()).count()
    };
    // Where nothing is known the names are told, and are to be told apart.
    let is_known = DELIMITERS.into_iter().any(|delimiter| known(delimiter) > 0);
    let parts = |delimiter: u8| line.split(char::from(delimiter)).count();
    let fits = |delimiter: &u8| if is_known { known(*delimiter) } else { parts(*delimiter) };
    // Of equals the last is taken: the preferred one must come last.
    DELIMITERS.into_iter().rev().max_by_key(fits).unwrap_or(b',')
}

/// A delimiter in words.
pub(super) fn name_of(delimiter: u8) -> &'static str {
    match delimiter {
        b';' => "semicolons",
        b'\t' => "tabs",
        b'|' => "vertical bars",
        _ => "commas",
    }
}

/// The columns, each a field of its own or left out, and what is wrong with them.
pub(super) fn read_header<'a>(
    shape: &Shape,
    names: impl Iterator<Item = &'a str>,
    delimiter: u8,
) -> (Vec<Column>, Vec<CorpusError>) {
    let (mut columns, mut problems) = (Vec::new(), Vec::new());
    let names: Vec<&str> = names.map(str::trim).collect();
    for (at, name) in names.iter().enumerate() {
        let column = match shape.index_of(name, 0) {
            Some(index) => Column::Field(index),
            None if shape.leaves_out(name) => Column::LeftOut,
            None if at == 0 && is_row_number(name) => Column::RowNumber,
            None => {
                problems.push(unknown(shape, name, delimiter));
                continue;
            }
        };
        if column != Column::LeftOut && columns.contains(&column) {
            problems.push(problem(name, "stands in the first line twice; keep one".to_owned()));
        }
        columns.push(column);
    }
    let given = |index| columns.contains(&Column::Field(index));
    let mut all = shape.absent(true, &names, given);
    all.extend(problems);
    all.extend(shape.absent(false, &names, given));
    (columns, all)
}

/// What pandas calls the column of its index: nothing, or this once such a file was read and written again.
pub(crate) fn is_row_number(name: &str) -> bool {
    name.is_empty() || name == "Unnamed: 0"
}

fn unknown(shape: &Shape, name: &str, delimiter: u8) -> CorpusError {
    let known = shape.names();
    let between = name_of(delimiter);
    let advice = match name {
        "" => "has no name: drop it, or name it in the first line (a delimiter at the end of the line makes one)"
            .to_owned(),
        _ => format!(
            "is not in the schema; drop it (or have it left out or mapped), the first line must name its fields: {known} (it is read with {between} \
             between the names; semicolons, tabs and vertical bars do as well)"
        ),
    };
    problem(name, advice)
}

pub(super) fn problem(column: &str, problem: String) -> CorpusError {
    CorpusError::Column { column: cut(column, 64), problem }
}
