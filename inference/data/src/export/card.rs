//! The card of an exported folder: YAML that `datasets` and the Hub read, and a page for people.

use std::fmt::Write;

use datanet_types::schema::{FieldKind, FieldRole};

use super::Column;
use super::about::About;
use crate::corpus::PROVENANCE;
use crate::hub::licence_to_hub;

/// Contributors that the page lists; the files name all of them.
const LISTED: usize = 20;

/// The text of `README.md`.
pub fn card(about: &About) -> String {
    let mut out = String::from("---\n");
    // Writing to a string cannot fail.
    let _ = yaml(&mut out, about);
    out.push_str("---\n\n");
    let _ = page(&mut out, about);
    out
}

fn yaml(out: &mut String, about: &About) -> std::fmt::Result {
    writeln!(out, "pretty_name: {}", quoted(&about.name))?;
    match licence_to_hub(&about.licence) {
        Some(known) => writeln!(out, "license: {known}")?,
        None => writeln!(out, "license: other\nlicense_name: {}", quoted(&about.licence))?,
    }
    if about.columns.iter().any(|column| column.role == FieldRole::Label) {
        writeln!(out, "task_categories:\n- text-classification")?;
    }
    writeln!(out, "size_categories:\n- {}", size(about.records()))?;
    writeln!(out, "tags:\n- datanet\n- croissant")?;
    writeln!(out, "configs:\n- config_name: default\n  data_files:")?;
    for split in &about.splits {
        writeln!(out, "  - split: {0}\n    path: data/{0}-*", split.name)?;
    }
    writeln!(out, "dataset_info:\n  features:")?;
    for column in &about.columns {
        writeln!(out, "  - name: {}", quoted(&column.name))?;
        feature(out, column)?;
    }
    writeln!(out, "  splits:")?;
    for split in &about.splits {
        let bytes: u64 = split.files.iter().map(|file| file.bytes).sum();
        writeln!(out, "  - name: {}\n    num_bytes: {bytes}\n    num_examples: {}", split.name, split.records)?;
    }
    Ok(())
}

fn feature(out: &mut String, column: &Column) -> std::fmt::Result {
    if column.role == FieldRole::Label && !column.classes.is_empty() {
        writeln!(out, "    dtype:\n      class_label:\n        names:")?;
        let mut classes = column.classes.iter().enumerate();
        return classes.try_for_each(|(number, name)| writeln!(out, "          '{number}': {}", quoted(name)));
    }
    let kind = match column.kind {
        FieldKind::String => "string",
        FieldKind::Integer => "int64",
        FieldKind::Number => "float64",
        FieldKind::Boolean => "bool",
    };
    writeln!(out, "    dtype: {kind}")
}

fn page(out: &mut String, about: &About) -> std::fmt::Result {
    writeln!(out, "# {}\n", about.name)?;
    if !about.description.trim().is_empty() {
        writeln!(out, "{}\n", about.description.trim())?;
    }
    writeln!(
        out,
        "All final records of the datanet `{}` on the chain `{}` at height {}, under {}, given by {} and judged before they \
         were taken. `test` is the datanet's held-out set: train on none of it.\n",
        about.id,
        about.chain,
        about.height,
        about.licence,
        counted(about.contributors().len() as u64, "contributor")
    )?;
    writeln!(out, "| split | records |\n|---|---|")?;
    about.splits.iter().try_for_each(|split| writeln!(out, "| `{}` | {} |", split.name, split.records))?;
    if about.columns.iter().any(|column| column.name.starts_with(PROVENANCE)) {
        writeln!(
            out,
            "\nColumns that begin with `{PROVENANCE}` say where a record is from: its contribution, the address that gave \
             it, its licence, its index there, and the hash that is a leaf under the contribution's record root on the \
             ledger. Contributing these files to a datanet leaves them out."
        )?;
    }
    let contributors = about.contributors();
    if !contributors.is_empty() {
        writeln!(out, "\n| contributor | records |\n|---|---|")?;
        let mut listed = contributors.iter().take(LISTED);
        listed.try_for_each(|(address, records)| writeln!(out, "| `{address}` | {records} |"))?;
        if contributors.len() > LISTED {
            writeln!(out, "| {} more | |", contributors.len() - LISTED)?;
        }
    }
    writeln!(out, "\n```bibtex\n{}\n```", about.citation())
}

fn counted(number: u64, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

/// The Hub's words for how large a data set is.
fn size(records: u64) -> &'static str {
    match records {
        0..1_000 => "n<1K",
        1_000..10_000 => "1K<n<10K",
        10_000..100_000 => "10K<n<100K",
        100_000..1_000_000 => "100K<n<1M",
        1_000_000..10_000_000 => "1M<n<10M",
        _ => "10M<n<100M",
    }
}

/// A text in double quotes, as every reader of YAML reads it: what is no plain character is escaped.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            ' '..='~'
            | '\u{a0}'..='\u{2027}'
            | '\u{202a}'..='\u{d7ff}'
            | '\u{e000}'..='\u{fefe}'
            | '\u{ff00}'..='\u{fffd}' => {
                out.push(c);
            }
            '\u{10000}'.. => out.push(c),
            other => out.push_str(&format!("\\u{:04x}", u32::from(other))),
        }
    }
    out.push('"');
    out
}
