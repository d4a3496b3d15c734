//! Printing: tables for people, JSON for programs.

use std::io::Write;
use std::process::ExitCode;

use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{ContentArrangement, Table};
use datanet_types::amount;
use serde_json::Value;

/// Prints a line; see `say!`.
pub fn line(text: std::fmt::Arguments<'_>) {
    if let Err(error) = writeln!(std::io::stdout(), "{text}") {
        let quiet = error.kind() == std::io::ErrorKind::BrokenPipe;
        std::process::exit(i32::from(!quiet));
    }
}

/// How to print.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    /// JSON instead of tables.
    pub json: bool,
}

impl Output {
    /// Prints `value` as JSON, or what `people` makes of it.
    pub fn show(self, value: &Value, people: impl FnOnce(&Value)) {
        if self.json {
            say!("{value}");
        } else {
            people(value);
        }
    }

    /// Prints an error to standard error.
    pub fn fail(self, error: &anyhow::Error) -> ExitCode {
        if self.json {
            eprintln!("{}", serde_json::json!({ "error": format!("{error:#}") }));
        } else {
            eprintln!("error: {error:#}");
        }
        ExitCode::FAILURE
    }
}

/// A column: its heading, and what it shows of a row.
pub type Column<'a> = (&'a str, &'a dyn Fn(&Value) -> String);

/// Prints a table of the entries of `rows`: for each column its heading and how to get its text.
pub fn table(rows: &Value, columns: &[Column<'_>]) {
    let mut table = Table::new();
    table.load_preset(UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(columns.iter().map(|(heading, _)| *heading));
    for row in rows.as_array().into_iter().flatten() {
        table.add_row(columns.iter().map(|(_, cell)| cell(row)));
    }
    say!("{table}");
}

/// Prints the fields of an object, one a line, those that matter first.
pub fn fields(value: &Value, names: &[&str]) {
    let width = names.iter().map(|name| name.len()).max().unwrap_or_default();
    for name in names {
        say!("{name:width$}  {}", text(&value[*name]));
    }
}

/// A value as people write it.
pub fn text(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.chars().map(harmless).collect(),
        Value::Array(items) => items.iter().map(text).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    }
}

/// Texts come from strangers too, and a terminal obeys control characters.
fn harmless(c: char) -> char {
    if c.is_control() && c != '\n' && c != '\t' { char::REPLACEMENT_CHARACTER } else { c }
}

/// Base units as money.
pub fn money(value: &Value) -> String {
    value.as_u64().map_or_else(|| "-".to_owned(), amount::display)
}

/// The first eight characters of an id: enough to tell them apart.
pub fn short(value: &Value) -> String {
    text(value).chars().take(8).collect()
}

/// One line of at most `limit` characters.
pub fn excerpt(value: &Value, limit: usize) -> String {
    let line = text(value).split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= limit {
        return line;
    }
    line.chars().take(limit.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strangers_text_gives_the_terminal_no_orders() {
        assert_eq!(text(&Value::from("a\x1b[2Jb\r\n\tc")), "a\u{fffd}[2Jb\u{fffd}\n\tc");
    }
}
