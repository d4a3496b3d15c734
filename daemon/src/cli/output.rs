//! Printing: tables for people, JSON for programs.

use std::io::Write;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{ColumnConstraint, ContentArrangement, Table, Width};
use datanet_types::amount;
use indicatif::HumanDuration;
use serde_json::Value;

use super::client::Refused;

/// The longest word that a table keeps in one piece: an id is 64 characters long.
const LONGEST_WORD: usize = 64;

/// Whether this process runs a node, which goes on whoever reads.
static SERVING: AtomicBool = AtomicBool::new(false);

/// From now on a reader that went away does not end this process: it runs a node.
pub(super) fn serve() {
    SERVING.store(true, Ordering::Relaxed);
}

/// Prints a line; see `say!`.
pub(super) fn line(text: std::fmt::Arguments<'_>) {
    printed(writeln!(std::io::stdout(), "{text}"));
}

/// Prints bytes as they are, at once.
pub(super) fn piece(bytes: &[u8]) {
    let mut out = std::io::stdout();
    printed(out.write_all(bytes).and_then(|()| out.flush()));
}

fn printed(result: std::io::Result<()>) {
    match result {
        Err(error) if !SERVING.load(Ordering::Relaxed) => {
            let quiet = error.kind() == std::io::ErrorKind::BrokenPipe;
            if !quiet {
                note!("error: cannot write the output: {error}");
            }
            std::process::exit(i32::from(!quiet));
        }
        _ => {}
    }
}

/// Prints a line to standard error; see `note!`.
pub(super) fn note(text: std::fmt::Arguments<'_>) {
    // There is nowhere left to say that it could not be said.
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Says what is wrong with a command, or prints the help that it asks for.
pub(super) fn usage(error: &clap::Error, json: bool) -> ExitCode {
    if json && error.use_stderr() {
        let text = error.to_string();
        let said = text.trim_end().trim_start_matches("error: ");
        note!("{}", serde_json::json!({ "error": said }));
    } else {
        printed(error.print());
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}

/// How to print.
#[derive(Debug, Clone, Copy)]
pub(super) struct Output {
    /// JSON instead of tables.
    pub json: bool,
}

impl Output {
    /// Prints `value` as JSON, or what `people` makes of it.
    pub(super) fn show(self, value: &Value, people: impl FnOnce(&Value)) {
        if self.json {
            say!("{value}");
        } else {
            people(value);
        }
    }

    /// Prints an error to standard error.
    pub(super) fn fail(self, error: &anyhow::Error) -> ExitCode {
        // Cards, files and answers of strangers are quoted in errors.
        let said: String = format!("{error:#}").chars().map(harmless).collect();
        if self.json {
            let mut value = serde_json::json!({ "error": said });
            // The node's own name for it, by which programs tell one from another.
            if let Some(refused) = error.downcast_ref::<Refused>() {
                value["code"] = refused.code.as_str().into();
            }
            note!("{value}");
        } else {
            note!("error: {said}");
        }
        ExitCode::FAILURE
    }
}

/// A column: its heading, and what it shows of a row.
pub(super) type Column<'a> = (&'a str, &'a dyn Fn(&Value) -> String);

/// Prints a table of the entries of `rows`: for each column its heading and how to get its text. A column that has
/// nothing to say of any row is left out, and no word is broken: an id that stands on two lines can't be copied.
pub(super) fn table(rows: &Value, columns: &[Column<'_>]) {
    say!("{}", table_of(rows, columns));
}

/// The same; nothing at all where there are no rows.
pub(super) fn table_if_any(rows: &Value, columns: &[Column<'_>]) {
    if rows.as_array().is_some_and(|rows| !rows.is_empty()) {
        table(rows, columns);
    }
}

fn table_of(rows: &Value, columns: &[Column<'_>]) -> Table {
    let rows = rows.as_array().map(Vec::as_slice).unwrap_or_default();
    let mut table = Table::new();
    table.load_preset(UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
    let filled: Vec<(&str, Vec<String>)> = columns
        .iter()
        .map(|(heading, cell)| (*heading, rows.iter().map(cell).collect::<Vec<_>>()))
        .filter(|(_, cells)| rows.is_empty() || cells.iter().any(|cell| !matches!(cell.as_str(), "" | "-")))
        .collect();
    table.set_header(filled.iter().map(|(heading, _)| *heading));
    for row in 0..rows.len() {
        table.add_row(filled.iter().filter_map(|(_, cells)| cells.get(row)));
    }
    for (column, (heading, cells)) in table.column_iter_mut().zip(&filled) {
        let words = cells.iter().flat_map(|cell| cell.split_whitespace()).chain(heading.split_whitespace());
        let longest = words.map(|word| word.chars().count()).max().unwrap_or_default().min(LONGEST_WORD);
        let padded = u16::try_from(longest).unwrap_or_default().saturating_add(2);
        column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(padded)));
    }
    table
}

/// Prints the fields of an object, one a line, those that matter first.
pub(super) fn fields(value: &Value, names: &[&str]) {
    lines(&names.iter().map(|name| (*name, text(&value[*name]))).collect::<Vec<_>>());
}

/// Prints what is known of something, one a line: what it is called, and what it is.
pub(super) fn lines(parts: &[(&str, String)]) {
    let width = parts.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    for (name, said) in parts {
        say!("{name:width$}  {said}");
    }
}

/// A value as people write it.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::Array(items) if items.is_empty() => "-".to_owned(),
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
pub(super) fn money(value: &Value) -> String {
    value.as_u64().map_or_else(|| "-".to_owned(), amount::display)
}

/// Parts per million as a percentage.
pub(super) fn percent(value: &Value) -> String {
    format!("{:.1} %", value.as_f64().unwrap_or_default() / 10_000.0)
}

/// How long ago a moment in seconds since 1970 was.
pub(super) fn ago(value: &Value) -> String {
    let Some(moment) = value.as_u64() else { return "-".to_owned() };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("{} ago", HumanDuration(now.saturating_sub(Duration::from_secs(moment))))
}

/// So many seconds in words.
pub(super) fn span(seconds: u64) -> String {
    HumanDuration(Duration::from_secs(seconds)).to_string()
}

/// How long it is until a second since 1970.
pub(super) fn until(value: &Value) -> String {
    let left = value.as_u64().unwrap_or_default().saturating_sub(crate::db::now());
    if left == 0 { "now".to_owned() } else { format!("in {}", HumanDuration(Duration::from_secs(left))) }
}

/// The first eight characters of an id: enough to tell them apart, and every command takes them for the whole.
pub(super) fn short(value: &Value) -> String {
    text(value).chars().take(8).collect()
}

/// One line of at most `limit` characters.
pub(super) fn excerpt(value: &Value, limit: usize) -> String {
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

    #[test]
    fn a_table_breaks_no_id_and_shows_no_empty_column() {
        let id = "5e".repeat(32);
        let rows = serde_json::json!([{ "id": id, "about": "owls and ducks ".repeat(9), "label": null }]);
        let columns: [Column<'_>; 3] = [
            ("id", &|row| text(&row["id"])),
            ("about", &|row| text(&row["about"])),
            ("label", &|row| text(&row["label"])),
        ];
        let mut table = table_of(&rows, &columns);
        let printed = table.set_width(80).to_string();
        assert!(printed.contains(&id) && !printed.contains("label"), "{printed}");
        assert!(printed.lines().count() > 6, "the words beside it wrap: {printed}");
    }
}
