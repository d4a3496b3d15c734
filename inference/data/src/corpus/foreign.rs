//! Files of another kind than they were sent as, told by their first bytes: by those alone, or, where they are text that
//! was sent as prose, by how they read.

use datanet_types::record::Format;
use serde::de::IgnoredAny;

use super::error::CorpusError;

/// First bytes that are looked at.
pub(crate) const HEAD: usize = 64;

/// First bytes that are looked at of what is read from its start: markup and JSON take more to be told from prose.
pub(crate) const LONG_HEAD: usize = 4 << 10;

/// How a kind of file begins, what it is, and what to send instead. The first that fits counts.
const KINDS: [(&[u8], &str, &str); 17] = [
    (b"\x1f\x8b", "compressed with gzip", "unpack it, or send it with Content-Encoding: gzip"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd", "unpack it"),
    (b"BZh", "compressed with bzip2", "unpack it"),
    (b"\xfd7zXZ", "compressed with xz", "unpack it"),
    (b"\xd0\xcf\x11\xe0", "an Excel workbook (xls)", "save the sheet as CSV UTF-8"),
    (b"PAR1", "a Parquet file", "send it as application/vnd.apache.parquet, or end its name in .parquet"),
    (b"ARROW1", "an Arrow file", "write it as Parquet"),
    (b"FEA1", "a Feather file", "write it as Parquet"),
    (b"Obj\x01", "an Avro file", "write it as Parquet or JSONL"),
    (b"ORC", "an ORC file", "write it as Parquet"),
    (b"SQLite format 3\0", "an SQLite database", "export the table as CSV"),
    (b"\x89HDF", "an HDF5 file", "write it as Parquet or CSV"),
    (b"%PDF-", "a PDF document", "extract its text"),
    (b"\xff\xfe\0\0", "text in UTF-32", "save it as UTF-8"),
    (b"\xff\xfe", "text in UTF-16", "save it as UTF-8 (in Excel: CSV UTF-8)"),
    (b"\xfe\xff", "text in UTF-16", "save it as UTF-8 (in Excel: CSV UTF-8)"),
    (b"\0\0\xfe\xff", "text in UTF-32", "save it as UTF-8"),
];

/// Refuses what is certainly not of `format` by its first bytes, at most [`HEAD`] of them.
pub(crate) fn refuse_foreign(format: Format, head: &[u8]) -> Result<(), CorpusError> {
    match kind_of(head) {
        Some((_, "a Parquet file", _)) if format == Format::Parquet => Ok(()),
        // Letters that may begin a word: a name of a column, a first word.
        Some((start, ..)) if format != Format::Parquet && start.is_ascii() && is_text(head) => Ok(()),
        Some((_, kind, fix)) => Err(CorpusError::Foreign { format, kind, fix }),
        None => Ok(()),
    }
}

/// Refuses what was sent as prose and is surely written in another format, by its first bytes: all of them where
/// `is_whole`, else [`LONG_HEAD`] of them. `passage` is the column of the passages. What may be prose is left alone.
pub(crate) fn refuse_written(format: Format, head: &[u8], is_whole: bool, passage: &str) -> Result<(), CorpusError> {
    let text = match std::str::from_utf8(head) {
        Ok(text) => text,
        // A cut last character; the decoder tells any other.
        Err(error) => std::str::from_utf8(&head[..error.valid_up_to()]).unwrap_or_default(),
    };
    let text = text.trim_start_matches('\u{feff}').trim_start();
    let is_prose = matches!(format, Format::Text | Format::Markdown);
    let found = document(text)
        .or_else(|| json(text, is_whole).filter(|_| is_prose))
        .or_else(|| table(text, is_whole, passage).filter(|_| is_prose));
    found.map_or(Ok(()), |(kind, fix)| Err(CorpusError::Foreign { format, kind, fix }))
}

/// Documents that are text in part: how each begins, what it is, and what to do.
const DOCUMENTS: [(&str, &str, &str); 6] = [
    ("%PDF-", "a PDF document", "extract its text"),
    ("%!PS-Adobe-", "a PostScript document", "extract its text"),
    ("{\\rtf", "an RTF document", "save it as plain text (UTF-8)"),
    ("<!doctype html", "an HTML page", "extract its text"),
    ("<html", "an HTML page", "extract its text"),
    ("<?xml", "an XML document", "extract its text"),
];

/// What begins as a document and goes on as one: a word about documents begins so too.
fn document(text: &str) -> Option<(&'static str, &'static str)> {
    let begins = |start: &str| text.get(..start.len()).is_some_and(|head| head.eq_ignore_ascii_case(start));
    let (start, kind, fix) = DOCUMENTS.into_iter().find(|(start, ..)| begins(start))?;
    let rest = &text[start.len()..];
    let goes_on = match start {
        // A version, and a line of its own.
        "%PDF-" | "%!PS-Adobe-" => {
            let version = rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
            version.len() < rest.len() && version.starts_with(['\r', '\n'])
        }
        "{\\rtf" => rest.starts_with(|c: char| c.is_ascii_digit()),
        _ => rest.starts_with(|c: char| c == '>' || c.is_ascii_whitespace()),
    };
    goes_on.then_some((kind, fix))
}

/// A JSON array, one object, or one object a line.
fn json(text: &str, is_whole: bool) -> Option<(&'static str, &'static str)> {
    const LINES: &str = "send it as application/x-ndjson, or end its name in .jsonl";
    const ARRAY: &str = "write one object a line (jq -c '.[]' does it) and send it as application/x-ndjson";
    const OBJECT: &str = "write each object on one line (jq -c . does it) and send it as application/x-ndjson";
    if let Some(inner) = text.strip_prefix('[') {
        // A note in brackets is no list of texts or objects.
        let holds = inner.trim_start().starts_with(['{', '"', '[']);
        return (holds && is_json(text, is_whole)).then_some(("a JSON array", ARRAY));
    }
    if !text.starts_with('{') {
        return None;
    }
    let (cut, last) = text.rsplit_once('\n').unwrap_or(("", text));
    let mut lines = cut.lines().filter(|line| !line.trim().is_empty());
    let is_object = |line: &str| line.trim_start().starts_with('{') && is_json(line, true);
    if lines.clone().next().is_some_and(is_object) {
        let ends = last.trim().is_empty() || last.trim_start().starts_with('{') && is_json(last, is_whole);
        return (lines.all(is_object) && ends).then_some(("JSON, one object a line", LINES));
    }
    is_json(text, is_whole).then_some(("a JSON object", OBJECT))
}

/// Whether `text` is one JSON value, or, where it goes on, the beginning of one.
fn is_json(text: &str, is_whole: bool) -> bool {
    match serde_json::from_str::<IgnoredAny>(text) {
        Ok(_) => true,
        Err(error) => !is_whole && error.is_eof(),
    }
}

/// A table with a header that names the passage: every line has as many cells.
fn table(text: &str, is_whole: bool, passage: &str) -> Option<(&'static str, &'static str)> {
    let mut lines: Vec<&str> = text.lines().collect();
    if !is_whole {
        lines.pop();
    }
    let (header, rows) = lines.split_first()?;
    let is_table = |delimiter: &char| {
        let names: Vec<&str> = header.split(*delimiter).map(|name| name.trim_matches('"')).collect();
        let is_name = |name: &&str| !name.is_empty() && !name.contains(char::is_whitespace);
        let cells = |line: &str| line.matches(*delimiter).count() + 1;
        names.len() > 1
            && names.contains(&passage)
            && names.iter().all(is_name)
            && !rows.is_empty()
            && rows.iter().all(|row| cells(row) >= names.len())
    };
    let is_csv = [',', ';', '\t', '|'].iter().any(is_table);
    is_csv.then_some(("a table (CSV)", "send it as text/csv, or end its name in .csv"))
}

fn kind_of(head: &[u8]) -> Option<(&'static [u8], &'static str, &'static str)> {
    if head.starts_with(b"PK\x03\x04") {
        let (kind, fix) = zip(head);
        return Some((b"PK\x03\x04", kind, fix));
    }
    KINDS.into_iter().find(|(start, ..)| head.starts_with(start)).or_else(|| {
        // Text in two bytes a character, without the mark: every second byte of mostly Latin text is zero.
        let zeros = |offset: usize| head.iter().skip(offset).step_by(2).filter(|byte| **byte == 0).count();
        let (even, odd) = (zeros(0), zeros(1));
        let half = head.len() / 2;
        (half >= 4 && (even * 10 >= half * 9 && odd == 0 || odd * 10 >= half * 9 && even == 0)).then_some((
            b"\0".as_slice(),
            "text in UTF-16",
            "save it as UTF-8 (in Excel: CSV UTF-8)",
        ))
    })
}

/// What is packed into a ZIP file, by the name of its first member.
fn zip(head: &[u8]) -> (&'static str, &'static str) {
    let holds = |name: &[u8]| memchr::memmem::find(head, name).is_some();
    if holds(b"opendocument.spreadsheet") || holds(b"mimetypeapplication/vnd.oasis") {
        ("an OpenDocument file", "save the sheet as CSV UTF-8")
    } else if holds(b"[Content_Types].xml") || holds(b"xl/") || holds(b"_rels/") || holds(b"docProps/") {
        ("an Office file, such as an Excel workbook (xlsx)", "save the sheet as CSV UTF-8")
    } else {
        ("a ZIP archive (an Excel workbook is one too)", "unpack it; save a sheet as CSV UTF-8")
    }
}

/// Whether the bytes read as text: a cut last character does not count against them.
fn is_text(head: &[u8]) -> bool {
    let no_control = |byte: &u8| !byte.is_ascii_control() || matches!(byte, b'\n' | b'\r' | b'\t');
    let is_utf8 = match std::str::from_utf8(head) {
        Ok(_) => true,
        Err(error) => error.error_len().is_none(),
    };
    is_utf8 && head.iter().all(no_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(format: Format, head: &[u8]) -> String {
        refuse_foreign(format, head).map_or_else(|error| error.to_string(), |()| String::new())
    }

    #[test]
    fn files_of_other_kinds_are_named_with_what_to_send_instead() {
        let utf16: Vec<u8> = "text,label\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        for (head, kind, fix) in [
            (b"\x1f\x8b\x08\0\0\0\0\0".to_vec(), "gzip", "Content-Encoding: gzip"),
            (b"PK\x03\x04\x14\0\x06\0\x08\0\0\0!\0....[Content_Types].xml".to_vec(), "xlsx", "CSV UTF-8"),
            (b"PK\x03\x04\x14\0\0\x08mimetypeapplication/vnd.oasis.opendocument".to_vec(), "OpenDocument", "CSV UTF-8"),
            ([b"\xff\xfe".as_slice(), &utf16].concat(), "UTF-16", "UTF-8"),
            (utf16, "UTF-16", "UTF-8"),
            (b"PAR1\x15\x04\x15\x10".to_vec(), "a Parquet file", "application/vnd.apache.parquet"),
        ] {
            let said = refusal(Format::Csv, &head);
            assert!(said.contains(kind) && said.contains(fix), "{said}");
        }
        assert!(refusal(Format::Parquet, b"PK\x03\x04").contains("ZIP"));
    }

    fn written(format: Format, head: &str) -> String {
        let is_whole = head.len() < LONG_HEAD;
        let read = refuse_written(format, head.as_bytes(), is_whole, "text");
        read.map_or_else(|error| error.to_string(), |()| String::new())
    }

    #[test]
    fn other_formats_sent_as_prose_are_named_with_what_to_do() {
        let array = format!("[\n{}", "{\"text\": \"owl\"},\n".repeat(400));
        let array = &array[..LONG_HEAD];
        let long = format!("{{\"text\": \"{}", "owl ".repeat(2_000));
        let long = &long[..LONG_HEAD];
        for (head, kind, fix) in [
            ("%PDF-1.4\n%\u{e2}\n1 0 obj", "PDF", "extract its text"),
            ("\u{feff}\n<!DOCTYPE html>\n<p>owl", "HTML page", "extract its text"),
            ("<HTML lang=\"en\"><p>owl", "HTML page", "extract its text"),
            ("<?xml version=\"1.0\"?><a/>", "XML", "extract its text"),
            ("{\\rtf1\\ansi owl}", "RTF", "plain text"),
            ("[\"owl\", \"duck\"]\n", "JSON array", "jq -c '.[]'"),
            (array, "JSON array", "jq -c '.[]'"),
            ("{\n  \"text\": \"owl\"\n}\n", "JSON object", "jq -c ."),
            ("{\"text\": \"owl\"}\n\n{\"text\": \"duck\"}", "one object a line", ".jsonl"),
            (long, "JSON object", "application/x-ndjson"),
            ("text,label\nowl,bird\n\"a, b\",c\n", "table", "text/csv"),
            ("label\ttext\nbird\tan owl\n", "table", ".csv"),
        ] {
            let said = written(Format::Text, head);
            assert!(said.contains(kind) && said.contains(fix), "{head}: {said}");
        }
        assert!(written(Format::Csv, "<!doctype html>\n<p>").contains("HTML page"));
        assert!(written(Format::Markdown, "[{\"text\": \"owl\"}]").contains("JSON array"));
    }

    #[test]
    fn prose_is_left_alone_whatever_it_begins_with() {
        for head in [
            "%PDF-1.7 explained",
            "<htmlx> is no tag",
            "<p>A paragraph</p>",
            "[1] Smith, Owls, 1990.",
            "[1]",
            "[",
            "{",
            "[Editor's note: owls]",
            "[link](to) owls",
            "[\"An owl\", he said.]",
            "{\"a\": 1}\n\nis an object in JSON.",
            "{{ template }}",
            "text, label\nand so on, and on",
            "text,label",
            "text,and,so on\nan owl\n",
            "{\"text\": \"owl",
            "[{\"text\"",
            "",
            "\u{feff}",
        ] {
            assert_eq!(written(Format::Text, head), "", "{head}");
        }
    }

    #[test]
    fn text_is_left_alone_whatever_its_first_word() {
        for head in ["text,label", "", "ORC,text", "PAR1 is a word", "BZh", "%PDF-1.7 explained", "ééé", "\u{feff}text"]
        {
            assert_eq!(refusal(Format::Csv, head.as_bytes()), "", "{head}");
        }
        assert_eq!(refusal(Format::Parquet, b"PAR1"), "");
    }
}
