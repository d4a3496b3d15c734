//! `tojson` as transformers has it: Python's `json.dumps`, without the escapes for HTML.

use crate::budget::Budget;
use crate::fault::{Run, failed};
use crate::text::Text;
use crate::value::{Value, float_text};

/// How it is written.
#[derive(Debug)]
pub(crate) struct Style {
    pub(crate) ascii: bool,
    /// What a level is indented with.
    pub(crate) indent: Option<Text>,
    pub(crate) between_items: Text,
    pub(crate) after_key: Text,
    pub(crate) sorted: bool,
}

pub(crate) fn to_json(value: &Value, style: &Style, budget: &mut Budget) -> Run<Text> {
    let mut out = Text::default();
    write(value, style, 0, &mut out, budget)?;
    Ok(out)
}

fn write(value: &Value, style: &Style, level: usize, out: &mut Text, budget: &mut Budget) -> Run<()> {
    budget.step()?;
    budget.write(16)?;
    match value {
        Value::None => out.push_part("null", false),
        Value::Bool(is) => out.push_part(if *is { "true" } else { "false" }, false),
        Value::Int(number) => out.push_part(&number.to_string(), false),
        Value::Float(number) => {
            let text = match float_text(*number).as_str() {
                "nan" => "NaN".to_owned(),
                "inf" => "Infinity".to_owned(),
                "-inf" => "-Infinity".to_owned(),
                text => text.to_owned(),
            };
            out.push_part(&text, false);
        }
        Value::Str(text) => write_string(text, style.ascii, out, budget)?,
        Value::List(list) => {
            let items = list.items.iter().map(|item| (None, item)).collect();
            write_all("[", items, "]", style, level, out, budget)?;
        }
        Value::Dict(dict) => {
            let mut items: Vec<(Option<Text>, &Value)> = Vec::with_capacity(dict.entries.len());
            for (key, value) in &dict.entries {
                budget.write(size_of::<(Text, &Value)>())?;
                items.push((Some(key_text(key, style, budget)?), value));
            }
            if style.sorted {
                items.sort_by(|(one, _), (two, _)| one.as_ref().map(Text::as_str).cmp(&two.as_ref().map(Text::as_str)));
            }
            write_all("{", items, "}", style, level, out, budget)?;
        }
        other => return failed(format!("{} has no form in JSON", other.kind())),
    }
    Ok(())
}

fn write_all(
    open: &str,
    items: Vec<(Option<Text>, &Value)>,
    close: &str,
    style: &Style,
    level: usize,
    out: &mut Text,
    budget: &mut Budget,
) -> Run<()> {
    out.push_part(open, false);
    let empty = items.is_empty();
    for (at, (key, value)) in items.into_iter().enumerate() {
        if at > 0 {
            budget.write(style.between_items.size())?;
            out.push(&style.between_items);
        }
        new_line(style, level + 1, out, budget)?;
        if let Some(key) = key {
            budget.write(key.size() + style.after_key.size())?;
            out.push(&key);
            out.push(&style.after_key);
        }
        write(value, style, level + 1, out, budget)?;
    }
    if !empty {
        new_line(style, level, out, budget)?;
    }
    out.push_part(close, false);
    Ok(())
}

fn new_line(style: &Style, level: usize, out: &mut Text, budget: &mut Budget) -> Run<()> {
    if let Some(indent) = &style.indent {
        budget.write(1 + indent.size() * level)?;
        out.push_part("\n", false);
        (0..level).for_each(|_| out.push(indent));
    }
    Ok(())
}

fn key_text(key: &Value, style: &Style, budget: &mut Budget) -> Run<Text> {
    let mut text = Text::default();
    match key {
        Value::Str(key) => write_string(key, style.ascii, &mut text, budget)?,
        Value::Int(_) | Value::Float(_) | Value::Bool(_) | Value::None => {
            text.push_part("\"", false);
            write(key, style, 0, &mut text, budget)?;
            text.push_part("\"", false);
        }
        other => return failed(format!("{} is no key in JSON", other.kind())),
    }
    Ok(text)
}

fn write_string(text: &Text, ascii: bool, out: &mut Text, budget: &mut Budget) -> Run<()> {
    budget.write(6 * text.size() + 2)?;
    out.push_part("\"", false);
    for (letter, people) in text.chars() {
        match letter {
            '"' => out.push_part("\\\"", people),
            '\\' => out.push_part("\\\\", people),
            '\n' => out.push_part("\\n", people),
            '\r' => out.push_part("\\r", people),
            '\t' => out.push_part("\\t", people),
            '\x08' => out.push_part("\\b", people),
            '\x0c' => out.push_part("\\f", people),
            letter if letter < ' ' || ascii && !letter.is_ascii() => {
                for unit in letter.encode_utf16(&mut [0; 2]) {
                    out.push_part(&format!("\\u{unit:04x}"), people);
                }
            }
            letter => out.push_part(letter.encode_utf8(&mut [0; 4]), people),
        }
    }
    out.push_part("\"", false);
    Ok(())
}
