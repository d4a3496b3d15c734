//! The texts of a file, one after the other: what can't be read of it is told line by line, and ends nothing.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::cli::args::TextsFrom;

/// The longest line or record that is read, in bytes: texts of a passage's length are far shorter.
const MAX_LINE: u64 = 4 << 20;

/// A text, or why there is none, and the line where it begins.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub number: u64,
    pub text: Result<String, String>,
}

/// What the end of a file's name says of it.
pub(super) fn form_of(path: &Path) -> Result<TextsFrom> {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    Ok(match extension.to_ascii_lowercase().as_str() {
        "jsonl" | "ndjson" => TextsFrom::Jsonl,
        "csv" => TextsFrom::Csv,
        "tsv" => TextsFrom::Tsv,
        "txt" => TextsFrom::Txt,
        _ => bail!("{} ends in none of .jsonl, .csv, .tsv and .txt; say what it is with --from", path.display()),
    })
}

/// The texts of what is read; `field` is where they stand in each record.
///
/// # Errors
/// When the first line, which names the columns, can't be read or doesn't name this one.
pub(super) fn lines(
    input: impl Read + Send + 'static,
    form: TextsFrom,
    field: &str,
) -> Result<Box<dyn Iterator<Item = Line> + Send>> {
    let field = field.to_owned();
    Ok(match form {
        TextsFrom::Txt => Box::new(plain(input)),
        TextsFrom::Jsonl => Box::new(
            plain(input).map(move |line| Line { text: line.text.and_then(|text| of_json(&text, &field)), ..line }),
        ),
        TextsFrom::Csv => Box::new(columns(input, b',', &field)?),
        TextsFrom::Tsv => Box::new(columns(input, b'\t', &field)?),
    })
}

/// Lines that are not blank.
fn plain(input: impl Read) -> impl Iterator<Item = Line> {
    let (mut input, mut number, mut over) = (BufReader::new(input), 0_u64, false);
    let next = move || {
        if over {
            return None;
        }
        number = number.saturating_add(1);
        let mut bytes = Vec::new();
        let read = (&mut input).take(MAX_LINE.saturating_add(1)).read_until(b'\n', &mut bytes);
        let text = match read {
            Ok(0) => return None,
            Ok(_) if bytes.len() as u64 > MAX_LINE => {
                over = true;
                Err(format!("it has more than {MAX_LINE} bytes; what follows is not read"))
            }
            Ok(_) => {
                let start = if number == 1 && bytes.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
                let bytes = bytes.get(start..).unwrap_or_default();
                let text = std::str::from_utf8(bytes).map_err(|_| "it is no UTF-8 text".to_owned());
                text.map(|text| text.trim_end_matches(['\n', '\r']).to_owned())
            }
            Err(error) => {
                over = true;
                Err(format!("it cannot be read: {error}"))
            }
        };
        Some(Line { number, text })
    };
    std::iter::from_fn(next).filter(|line| line.text.as_ref().map_or(true, |text| !text.trim().is_empty()))
}

/// The text of a record, which may be a text by itself.
fn of_json(line: &str, field: &str) -> Result<String, String> {
    match serde_json::from_str::<Value>(line) {
        Ok(Value::String(text)) => Ok(text),
        Ok(Value::Object(record)) => match record.get(field) {
            Some(Value::String(text)) => Ok(text.clone()),
            Some(_) => Err(format!("its field {field:?} is no text")),
            None => Err(format!("it has no field {field:?}; --field names another")),
        },
        Ok(_) => Err("it is no record".to_owned()),
        Err(error) => Err(format!("it is no JSON: {error}")),
    }
}

/// The records of a table whose first line names its columns.
fn columns<R: Read>(input: R, delimiter: u8, field: &str) -> Result<impl Iterator<Item = Line> + use<R>> {
    let read = Arc::new(AtomicU64::new(0));
    let input = Bounded { inner: input, read: read.clone() };
    let mut table = csv::ReaderBuilder::new().delimiter(delimiter).from_reader(input);
    let headers = table.headers().context("the first line, which names the columns, cannot be read")?.clone();
    let Some(column) = headers.iter().position(|name| name == field) else {
        let known = headers.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ");
        bail!("no column is called {field:?}; the first line names {known}, and --field chooses one");
    };
    let mut over = false;
    Ok(std::iter::from_fn(move || {
        if over {
            return None;
        }
        read.store(0, Ordering::Relaxed);
        let mut record = csv::StringRecord::new();
        let number = table.position().line();
        let text = match table.read_record(&mut record) {
            Ok(false) => return None,
            Ok(true) => Ok(record.get(column).unwrap_or_default().to_owned()),
            Err(error) => {
                over = error.is_io_error();
                Err(error.to_string())
            }
        };
        let number = record.position().map_or(number, csv::Position::line);
        Some(Line { number, text })
    }))
}

/// Gives up where a record does not end: a quote that is left open would have all that follows in it.
struct Bounded<R> {
    inner: R,
    read: Arc<AtomicU64>,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.inner.read(buffer)?;
        if self.read.fetch_add(count as u64, Ordering::Relaxed) > MAX_LINE {
            let what = format!("a record has more than {MAX_LINE} bytes; is a quote left open?");
            return Err(std::io::Error::other(what));
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, form: TextsFrom) -> Vec<(u64, Result<String, String>)> {
        let bytes = std::io::Cursor::new(text.as_bytes().to_vec());
        lines(bytes, form, "text").unwrap().map(|line| (line.number, line.text)).collect()
    }

    fn good(found: &[(u64, Result<String, String>)]) -> Vec<(u64, &str)> {
        found.iter().filter_map(|(number, text)| Some((*number, text.as_deref().ok()?))).collect()
    }

    #[test]
    fn each_form_gives_its_texts_with_their_lines() {
        let found = read("\u{feff}one\r\n\n  \ntwo", TextsFrom::Txt);
        assert_eq!(good(&found), [(1, "one"), (4, "two")]);
        let found = read("{\"text\": \"a\\nb\", \"x\": 1}\n\"plain\"\n", TextsFrom::Jsonl);
        assert_eq!(good(&found), [(1, "a\nb"), (2, "plain")]);
        let found = read("id,text\n1,\"a\nb\"\n2,c\n", TextsFrom::Csv);
        assert_eq!(good(&found), [(2, "a\nb"), (4, "c")]);
        assert_eq!(good(&read("text\tid\nx\t1\n", TextsFrom::Tsv)), [(2, "x")]);
    }

    #[test]
    fn what_cannot_be_read_is_told_with_its_line_and_the_rest_goes_on() {
        let found =
            read("{\"text\": \"a\"}\n{\"text\"\n{\"txt\": 1}\n{\"text\": 2}\n7\n{\"text\": \"b\"}\n", TextsFrom::Jsonl);
        assert_eq!(good(&found), [(1, "a"), (6, "b")]);
        for (line, says) in [(2, "no JSON"), (3, "no field \"text\""), (4, "is no text"), (5, "no record")] {
            let (_, text) = found.iter().find(|(number, _)| *number == line).unwrap();
            assert!(text.as_ref().unwrap_err().contains(says), "{line} {text:?}");
        }
        let found = read("id,text\n1,a\n2\n3,b\n", TextsFrom::Csv);
        assert_eq!(good(&found), [(2, "a"), (4, "b")]);
        assert!(found[1].1.is_err(), "{found:?}");
        let mut bytes = b"one\n\xff\xfe\ntwo\n".to_vec();
        let found: Vec<Line> = lines(std::io::Cursor::new(bytes.clone()), TextsFrom::Txt, "text").unwrap().collect();
        assert_eq!((found.len(), found[1].text.is_err(), found[2].number), (3, true, 3));
        bytes.splice(0..0, std::iter::repeat_n(b'a', MAX_LINE as usize + 9));
        let found: Vec<Line> = lines(std::io::Cursor::new(bytes), TextsFrom::Txt, "text").unwrap().collect();
        assert!(found.len() == 1 && found[0].text.is_err());
    }

    #[test]
    fn a_column_that_is_not_there_and_a_quote_that_is_left_open_are_named() {
        let bytes = std::io::Cursor::new(b"id,body\n1,a\n".to_vec());
        let error = lines(bytes, TextsFrom::Csv, "text").map(drop).unwrap_err().to_string();
        assert!(error.contains("\"id\", \"body\"") && error.contains("--field"), "{error}");
        let open = format!("text\n\"{}", "a\n".repeat(MAX_LINE as usize));
        let found = read(&open, TextsFrom::Csv);
        assert_eq!(found.len(), 1);
        assert!(found[0].1.as_ref().unwrap_err().contains("left open"), "{:.200?}", found[0].1);
    }

    #[test]
    fn the_name_of_a_file_says_its_form() {
        assert!(matches!(form_of(Path::new("a.JSONL")), Ok(TextsFrom::Jsonl)));
        assert!(form_of(Path::new("a.xlsx")).unwrap_err().to_string().contains("--from"));
    }
}
