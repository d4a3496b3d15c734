//! The formats side by side.

mod mapped;
mod table;

use std::io::Cursor;
use std::sync::Arc;

use ::parquet::data_type::{ByteArray, ByteArrayType, DoubleType};
use ::parquet::file::properties::WriterProperties;
use ::parquet::file::writer::SerializedFileWriter;
use ::parquet::schema::parser::parse_message_type;
use datanet_types::merkle;
use datanet_types::record::Format;
use datanet_types::schema::{Field, FieldKind, FieldRole, Schema};
use proptest::prelude::*;

use super::*;

const ALL: [Format; 5] = [Format::Jsonl, Format::Csv, Format::Parquet, Format::Markdown, Format::Text];

fn labelled() -> Schema {
    Schema::text_and_label(&["a", "b"])
}

fn text_only() -> Schema {
    let mut schema = Schema::text_and_label(&[]);
    schema.fields.truncate(1);
    schema
}

/// A text, a label and one optional field of each other kind.
fn rich() -> Schema {
    let mut schema = labelled();
    for (name, kind) in [("whole", FieldKind::Integer), ("any", FieldKind::Number), ("yes", FieldKind::Boolean)] {
        schema.fields.push(Field { name: name.into(), kind: kind as i32, ..Field::default() });
    }
    schema.fields.push(Field { name: "note".into(), role: FieldRole::Data as i32, ..Field::default() });
    schema
}

fn read(format: Format, bytes: &[u8], schema: &Schema) -> Result<Vec<Record>, CorpusError> {
    read_records(format, Cursor::new(bytes.to_vec()), schema, Limits::default())?.collect()
}

fn root_of(records: &[Record]) -> datanet_types::id::Digest {
    merkle::root(&records.iter().map(Record::leaf).collect::<Vec<_>>())
}

fn check_in_chunks(format: Format, bytes: &[u8], schema: &Schema, chunk: usize) -> Result<Summary, CorpusError> {
    let mut checker = StreamChecker::new(format, schema, Limits::default())?;
    bytes.chunks(chunk.max(1)).try_for_each(|chunk| checker.push(chunk))?;
    checker.finish()
}

fn fault(json: &str) -> Fault {
    match Record::from_json(json, &rich()) {
        Err(CorpusError::Record { fault, .. }) => fault,
        other => panic!("{json} gave {other:?}"),
    }
}

fn parquet_file(rows: usize) -> Vec<u8> {
    let columns = "message m { required binary text (UTF8); required binary label (UTF8); optional double any; }";
    let schema = Arc::new(parse_message_type(columns).unwrap());
    let mut bytes = Vec::new();
    let mut writer =
        SerializedFileWriter::new(&mut bytes, schema, Arc::new(WriterProperties::builder().build())).unwrap();
    for group in 0..2 {
        let mut row_group = writer.next_row_group().unwrap();
        let texts: Vec<ByteArray> = (0..rows).map(|i| ByteArray::from(format!("text {group} {i}").as_str())).collect();
        let mut column = row_group.next_column().unwrap().unwrap();
        column.typed::<ByteArrayType>().write_batch(&texts, None, None).unwrap();
        column.close().unwrap();
        let mut column = row_group.next_column().unwrap().unwrap();
        column.typed::<ByteArrayType>().write_batch(&vec![ByteArray::from("a"); rows], None, None).unwrap();
        column.close().unwrap();
        let mut column = row_group.next_column().unwrap().unwrap();
        column.typed::<DoubleType>().write_batch(&vec![2.5; rows], Some(&vec![1; rows]), None).unwrap();
        column.close().unwrap();
        row_group.close().unwrap();
    }
    writer.close().unwrap();
    bytes
}

#[test]
fn the_canonical_form_sorts_keys_drops_blanks_and_composes_text() {
    let json = "{ \"whole\" : -0 , \"text\":\"e\\u0301 \\/ \\ud83d\\ude00\\n\", \"any\": 1.50e0,\"yes\":true, \"label\":\"b\",\"note\":null }";
    let record = Record::from_json(json, &rich()).unwrap();
    assert_eq!(record.canonical(), "{\"any\":1.5,\"label\":\"b\",\"text\":\"é / 😀\\n\",\"whole\":0,\"yes\":true}");
    assert_eq!((record.text(), record.label()), ("é / 😀\n", Some("b")));
}

#[test]
fn each_fault_is_told_apart_and_names_the_fix() {
    assert_eq!(fault("[1]"), Fault::Array);
    assert_eq!(fault("1"), Fault::NotAnObject);
    assert!(matches!(fault("{\"text\":\"x\""), Fault::Json { .. }));
    assert!(matches!(fault("{\"text\":\"x\",\"label\":\"a\"} x"), Fault::Json { .. }));
    assert!(matches!(fault("{\"text\":\"\\ud800\",\"label\":\"a\"}"), Fault::Json { .. }));
    assert!(matches!(fault("{\"text\":\"a\tb\",\"label\":\"a\"}"), Fault::Json { .. }));
    assert!(matches!(fault("{\"text\":\"x\"}"), Fault::Missing { field } if field == "label"));
    assert!(matches!(fault("{\"text\":\"x\",\"label\":null}"), Fault::Missing { field } if field == "label"));
    assert!(
        matches!(fault("{\"text\":\"x\",\"label\":\"a\",\"more\":1}"), Fault::Unknown { field, .. } if field == "more")
    );
    assert!(
        matches!(fault("{\"text\":\"x\",\"text\":\"y\",\"label\":\"a\"}"), Fault::Duplicate { field } if field == "text")
    );
    assert!(matches!(fault("{\"text\":\"x\",\"te\\u0078t\":\"y\",\"label\":\"a\"}"), Fault::Duplicate { .. }));
    assert!(matches!(fault("{\"text\":5,\"label\":\"a\"}"), Fault::Kind { found: "a number", .. }));
    assert!(matches!(fault("{\"text\":[\"x\"],\"label\":\"a\"}"), Fault::Kind { found: "a list", .. }));
    assert!(matches!(fault("{\"text\":\"x\",\"label\":\"a\",\"any\":1e999}"), Fault::Kind { .. }));
    assert!(matches!(fault("{\"text\":\"x\",\"label\":\"a\",\"whole\":1.5}"), Fault::Kind { .. }));
    assert!(matches!(fault("{\"text\":\"x\",\"label\":\"a\",\"whole\":9223372036854775808}"), Fault::Kind { .. }));
    assert!(matches!(fault("{\"text\":\"x\",\"label\":\"a\",\"any\":NaN}"), Fault::Json { .. }));
    assert!(matches!(fault("{\"text\":\"x\",\"label\":\"c\"}"), Fault::NotAllowed { value, .. } if value == "c"));
    assert!(matches!(fault("{\"text\":\" \\n\",\"label\":\"a\"}"), Fault::Empty { field } if field == "text"));
    let long = format!("{{\"text\":\"{}\",\"label\":\"a\"}}", "x".repeat(65 * 1024));
    assert!(matches!(fault(&long), Fault::TooLong { bytes, .. } if bytes == 65 * 1024));
    let unknown = fault("{\"txt\":\"x\"}").to_string();
    assert!(unknown.contains("\"txt\"") && unknown.contains("\"text\""), "{unknown}");
}

#[test]
fn errors_say_which_record_and_line_however_far_in() {
    let good = "{\"text\":\"some text\",\"label\":\"a\"}\n\n";
    let input = good.repeat(50_000) + "{\"label\":\"a\"}\n" + &good.repeat(1_000);
    let error = check_in_chunks(Format::Jsonl, input.as_bytes(), &labelled(), 70_001).unwrap_err();
    assert!(matches!(error, CorpusError::Record { record: 50_000, line: 100_001, .. }), "{error}");
    assert!(matches!(
        read(Format::Jsonl, input.as_bytes(), &labelled()),
        Err(CorpusError::Record { record: 50_000, .. })
    ));
}

#[test]
fn broken_utf8_is_refused_with_its_offset_in_every_text_format() {
    for (format, start) in [
        (Format::Jsonl, "{\"text\":\"é"),
        (Format::Csv, "text\nabc é"),
        (Format::Markdown, "some é"),
        (Format::Text, "some é"),
    ] {
        let mut bytes = start.as_bytes().to_vec();
        bytes.extend_from_slice(b"\xff rest\n");
        for chunk in [1, 2, 7, 1000] {
            let error = check_in_chunks(format, &bytes, &text_only(), chunk).unwrap_err();
            assert!(
                matches!(error, CorpusError::Utf8 { offset } if offset == start.len() as u64),
                "{format:?} {error}"
            );
        }
        let cut = &start.as_bytes()[..start.len() - 1];
        let error = check_in_chunks(format, cut, &text_only(), 3).unwrap_err();
        assert!(matches!(error, CorpusError::Utf8 { offset } if offset == cut.len() as u64 - 1), "{format:?} {error}");
    }
}

#[test]
fn an_empty_body_is_refused_in_every_format() {
    for (format, body) in [
        (Format::Jsonl, "\n \n"),
        (Format::Csv, "text\n"),
        (Format::Csv, ""),
        (Format::Markdown, "\n"),
        (Format::Text, ""),
    ] {
        let error = check(format, Cursor::new(body.as_bytes().to_vec()), &text_only(), Limits::default()).unwrap_err();
        assert!(matches!(error, CorpusError::NoRecords), "{format:?}: {error}");
    }
    assert!(matches!(
        check(Format::Parquet, Cursor::new(Vec::new()), &text_only(), Limits::default()),
        Err(CorpusError::Parquet(_))
    ));
    assert!(matches!(
        check(Format::Parquet, Cursor::new(parquet_file(0)), &rich(), Limits::default()),
        Err(CorpusError::NoRecords)
    ));
}

/// A file on a disk that reads its end, where the footer stands, and nothing before it.
struct BadSector(Cursor<Vec<u8>>, u64);

impl std::io::Read for BadSector {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.0.position() < self.1 {
            return Err(std::io::Error::other("a bad sector"));
        }
        self.0.read(buffer)
    }
}

impl std::io::Seek for BadSector {
    fn seek(&mut self, to: std::io::SeekFrom) -> std::io::Result<u64> {
        self.0.seek(to)
    }
}

#[test]
fn a_disk_that_fails_is_not_a_contributors_bad_file() {
    let file = parquet_file(3);
    for good_from in [5, file.len() as u64] {
        let source = BadSector(Cursor::new(file.clone()), good_from);
        let error = check(Format::Parquet, source, &rich(), Limits::default()).unwrap_err();
        assert!(matches!(error, CorpusError::Io(_)), "{error}");
    }
}

#[test]
fn limits_hold_while_the_input_streams() {
    let limits = Limits { records: 3, bytes: 200_000, record_bytes: 1_000 };
    for (format, record) in [
        (Format::Jsonl, "{\"text\":\"x\"}\n"),
        (Format::Csv, "text\n"),
        (Format::Text, "x\n\n"),
        (Format::Markdown, "x\n\n"),
    ] {
        let error = check(format, Cursor::new(record.repeat(5).into_bytes()), &text_only(), limits).unwrap_err();
        assert!(matches!(error, CorpusError::TooManyRecords { limit: 3 }), "{format:?}: {error}");
    }
    assert!(matches!(
        check(Format::Parquet, Cursor::new(parquet_file(2)), &rich(), limits),
        Err(CorpusError::TooManyRecords { .. })
    ));
    for format in [Format::Jsonl, Format::Csv, Format::Text] {
        let mut checker = StreamChecker::new(format, &text_only(), limits).unwrap();
        let error = (0..200).find_map(|_| checker.push(&[b'x'; 1_024]).err()).expect("an endless line is refused");
        assert!(
            matches!(error, CorpusError::Record { .. } | CorpusError::TooManyBytes { .. } | CorpusError::Column { .. }),
            "{format:?}: {error}"
        );
    }
}

#[test]
fn csv_cells_become_values_by_the_kind_of_their_field() {
    let csv = "\u{feff}label,text,whole,any,yes,note\r\nb,\"two\nlines, \"\"quoted\"\"\",7,1.50,TRUE,\r\n\r\na,x,,,,\" \"\r\n";
    let records = read(Format::Csv, csv.as_bytes(), &rich()).unwrap();
    assert_eq!(
        records[0].canonical(),
        "{\"any\":1.5,\"label\":\"b\",\"text\":\"two\\nlines, \\\"quoted\\\"\",\"whole\":7,\"yes\":true}"
    );
    assert_eq!(records[1].canonical(), "{\"label\":\"a\",\"note\":\" \",\"text\":\"x\"}");
}

#[test]
fn an_uneven_csv_row_and_a_bad_header_are_refused() {
    let uneven = |csv: &str| {
        check(Format::Csv, Cursor::new(csv.as_bytes().to_vec()), &labelled(), Limits::default()).unwrap_err()
    };
    let error = uneven("text,label\none,a\ntwo,a,b\n");
    assert!(
        matches!(error, CorpusError::Record { record: 1, line: 3, fault: Fault::Uneven { found: 3, expected: 2, .. } }),
        "{error}"
    );
    assert!(matches!(uneven("text,label\none\n"), CorpusError::Record { fault: Fault::Uneven { .. }, .. }));
    assert!(uneven("text,label,x\n").to_string().contains("not in the schema"));
    assert!(uneven("text,text\n").to_string().contains("twice"));
    assert!(uneven("text\nx\n").to_string().contains("missing"));
    assert!(matches!(uneven("text,label\n,a\n"), CorpusError::Record { fault: Fault::Missing { .. }, .. }));
}

#[test]
fn markdown_keeps_prose_and_leaves_markup_code_and_headings_out() {
    let markdown = "---\ntitle: x\n---\n# Title\n\nFirst *para*\nwith `code` and a [link](http://x).\n\n```rust\nfn x() {}\n```\n\n\
        - item one\n  goes on\n- item two\n  - inner\n\n> a quote\n>\n> of two parts\n\n![badge](http://x)\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n<div>raw</div>\n";
    let texts: Vec<String> = read(Format::Markdown, markdown.as_bytes(), &text_only())
        .unwrap()
        .iter()
        .map(|r| r.text().to_owned())
        .collect();
    assert_eq!(
        texts,
        [
            "First para with code and a link.",
            "item one goes on",
            "item two",
            "inner",
            "a quote of two parts",
            "1 | 2",
            "raw"
        ]
    );
}

#[test]
fn nothing_of_markdown_vanishes_without_a_word() {
    let refused = |markdown: &str| read(Format::Markdown, markdown.as_bytes(), &text_only()).unwrap_err().to_string();
    for (markdown, line, what) in [
        ("An owl.\n\n```sh\nls\n\nA duck.\n", 3, "a code block"),
        ("An owl.\n\n~~~\n```\n", 3, "a code block"),
        ("- an owl\n\n  ```\n  ls\n\nA duck.\n", 3, "a code block"),
        ("> ```\n> ls\n\nA duck.\n", 1, "a code block"),
        ("```", 1, "a code block"),
        ("An owl.\n\n<!-- not yet\n\nA duck.\n", 3, "a comment"),
        ("<script>\n\nA duck.\n", 1, "a script"),
    ] {
        let said = refused(markdown);
        assert!(said.contains(&format!("(line {line})")) && said.contains(what), "{markdown}: {said}");
    }
    for closed in
        ["A duck.\n\n- x\n\n  ```\n  ls\n  ```\n", "A duck.\n\n> ~~~~ sh\n> ~~~\n> ~~~~\n", "A duck.\n\n    ```\n"]
    {
        assert_eq!(read(Format::Markdown, closed.as_bytes(), &text_only()).unwrap()[0].text(), "A duck.");
    }
    for left_out in ["# Title\n", "```\nls\n```\n", "| a |\n|---|\n", "![owl](x)\n", "<div>\n</div>\n"] {
        assert!(refused(left_out).contains("headings, code blocks"), "{left_out}");
    }
    let table = "| bird | sound |\n|---|---|\n| owl | hoots |\n| duck | |\n";
    let rows = read(Format::Markdown, table.as_bytes(), &text_only()).unwrap();
    assert_eq!(rows.iter().map(Record::text).collect::<Vec<_>>(), ["owl | hoots", "duck"]);
}

#[test]
fn a_long_markdown_document_is_parsed_in_sections() {
    let input = "A paragraph of a long\ndocument.\n\n```\n\ncode\n\n```\n\n".repeat(30_000);
    let summary = check_in_chunks(Format::Markdown, input.as_bytes(), &text_only(), 65_536).unwrap();
    assert_eq!(summary.records, 30_000);
}

#[test]
fn plain_text_is_cut_at_blank_lines() {
    let records = read(Format::Text, "one\r\n  two\r\n \r\nthree".as_bytes(), &text_only()).unwrap();
    assert_eq!(records.iter().map(Record::text).collect::<Vec<_>>(), ["one two", "three"]);
}

#[test]
fn every_format_knows_every_end_of_a_line_and_a_mark_further_on() {
    let jsonl = "{\"text\":\"one\"}\n\n{\"text\":\"two\"}\n";
    for (format, text) in [
        (Format::Jsonl, jsonl),
        (Format::Csv, "text\n\none\ntwo\n"),
        (Format::Text, "one\n\ntwo\n"),
        (Format::Markdown, "one\n\ntwo\n"),
    ] {
        for end in ["\n", "\r\n", "\r", "\r\r\n"] {
            let text = text.replace('\n', end);
            for chunk in [1, 3, 1_000] {
                let summary = check_in_chunks(format, text.as_bytes(), &text_only(), chunk).unwrap();
                assert_eq!(summary.records, 2, "{format:?} {end:?}");
            }
            assert_eq!(read(format, text.as_bytes(), &text_only()).unwrap()[1].text(), "two");
        }
    }
    let twice = |text: &str| format!("\u{feff}{text}\u{feff}{text}");
    for (format, text, line) in [(Format::Jsonl, jsonl, 4), (Format::Csv, "text\none\n", 3)] {
        let error = read(format, twice(text).as_bytes(), &text_only()).unwrap_err();
        assert!(matches!(error, CorpusError::Record { line: at, fault: Fault::Mark, .. } if at == line), "{error}");
    }
    for format in [Format::Text, Format::Markdown] {
        let records = read(format, twice("one\n\n").as_bytes(), &text_only()).unwrap();
        assert_eq!(records.iter().map(Record::text).collect::<Vec<_>>(), ["one", "one"]);
    }
}

#[test]
fn formats_without_fields_are_refused_where_a_label_is_required() {
    for format in [Format::Markdown, Format::Text] {
        let error = StreamChecker::new(format, &labelled(), Limits::default()).unwrap_err();
        assert!(matches!(&error, CorpusError::TextOnly { field, .. } if field == "label"), "{error}");
    }
    assert!(matches!(StreamChecker::new(Format::Parquet, &labelled(), Limits::default()), Err(CorpusError::NeedsFile)));
}

#[test]
fn parquet_and_jsonl_of_the_same_records_have_the_same_root() {
    let bytes = parquet_file(3);
    let jsonl: String = (0..2)
        .flat_map(|group| {
            (0..3).map(move |i| format!("{{\"text\":\"text {group} {i}\",\"label\":\"a\",\"any\":2.5}}\n"))
        })
        .collect();
    let mut file = tempfile::tempfile().unwrap();
    std::io::Write::write_all(&mut file, &bytes).unwrap();
    let from_file = check_parquet(file, &rich(), Limits::default()).unwrap();
    let from_lines = check(Format::Jsonl, Cursor::new(jsonl.into_bytes()), &rich(), Limits::default()).unwrap();
    assert_eq!((from_file.records, from_file.root), (6, from_lines.root));
    assert_eq!(root_of(&read(Format::Parquet, &bytes, &rich()).unwrap()), from_file.root);
}

#[test]
fn a_parquet_file_cut_anywhere_is_refused() {
    let bytes = parquet_file(20);
    for end in 0..bytes.len() {
        let error = check(Format::Parquet, Cursor::new(bytes[..end].to_vec()), &rich(), Limits::default()).unwrap_err();
        assert!(matches!(error, CorpusError::Parquet(_)), "{end}: {error}");
    }
}

/// A record as some client may spell it.
fn spelled() -> impl Strategy<Value = String> {
    let text =
        prop_oneof!["[ -~]{0,40}y", "[a-z\n\t\"\\\\/é\u{301}\u{2019}\u{1f600}\u{8}\u{1f}]{0,20}z", "\\PC{0,20}x",];
    (text, any::<Option<i64>>(), proptest::option::of(proptest::num::f64::NORMAL), any::<bool>(), any::<u8>()).prop_map(
        |(text, whole, any, ascii, order)| {
            let mut text = serde_json::to_string(&text).unwrap();
            if ascii {
                text = text.chars().flat_map(escape_wide).collect();
            }
            let mut fields = vec![format!("\"text\": {text}"), "\"label\" :\"a\"".to_owned()];
            fields.extend(whole.map(|n| format!("\"whole\":{n}")));
            fields.extend(any.map(|n| format!("\t\"any\":{n:e} ")));
            let turn = usize::from(order) % fields.len();
            fields.rotate_left(turn);
            format!("{{{}}}", fields.join(","))
        },
    )
}

/// Non-ASCII as `\uXXXX`, the way Python writes JSON.
fn escape_wide(c: char) -> Vec<char> {
    if c.is_ascii() {
        return vec![c];
    }
    let mut units = [0; 2];
    c.encode_utf16(&mut units).iter().flat_map(|unit| format!("\\u{unit:04x}").chars().collect::<Vec<_>>()).collect()
}

proptest! {
    #[test]
    fn the_canonical_form_is_a_fixed_point_and_means_the_same(json in spelled()) {
        use unicode_normalization::UnicodeNormalization;
        let record = Record::from_json(&json, &rich()).unwrap();
        let again = Record::from_json(record.canonical(), &rich()).unwrap();
        prop_assert_eq!(&again, &record);
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        prop_assert_eq!(value["text"].as_str().unwrap().nfc().collect::<String>(), record.text());
        let canonical: serde_json::Value = serde_json::from_str(record.canonical()).unwrap();
        prop_assert_eq!(canonical["whole"].as_i64(), value["whole"].as_i64());
        prop_assert_eq!(canonical["text"].as_str().unwrap(), record.text());
    }

    #[test]
    fn checker_and_reader_agree_however_the_input_is_cut(lines in prop::collection::vec(spelled(), 1..12), chunk in 1usize..300) {
        let input = lines.join("\n");
        let records = read(Format::Jsonl, input.as_bytes(), &rich()).unwrap();
        let summary = check_in_chunks(Format::Jsonl, input.as_bytes(), &rich(), chunk).unwrap();
        prop_assert_eq!((summary.records, summary.root), (records.len() as u64, root_of(&records)));
        prop_assert_eq!(summary.bytes, input.len() as u64);
    }

    #[test]
    fn csv_text_and_markdown_do_not_depend_on_chunks(body in "([ -~éß\u{2019}]{0,12}(\n|\r\n|\n\n|,|\"|```\n)){0,30}", chunk in 1usize..50) {
        for format in [Format::Csv, Format::Markdown, Format::Text] {
            let body = if format == Format::Csv { format!("text\n{body}") } else { body.clone() };
            let whole = check_in_chunks(format, body.as_bytes(), &text_only(), usize::MAX >> 1).map_err(|e| e.to_string());
            let pieces = check_in_chunks(format, body.as_bytes(), &text_only(), chunk).map_err(|e| e.to_string());
            prop_assert_eq!(&whole, &pieces);
            let read = read(format, body.as_bytes(), &text_only()).map(|records| root_of(&records)).map_err(|e| e.to_string());
            prop_assert_eq!(whole.map(|summary| summary.root), read);
        }
    }

    #[test]
    fn garbage_is_an_error_never_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..400), chunk in 1usize..64) {
        for format in ALL {
            let _ = check(format, Cursor::new(bytes.clone()), &text_only(), Limits::default());
            let _ = read(format, &bytes, &rich());
            if format != Format::Parquet {
                let _ = check_in_chunks(format, &bytes, &text_only(), chunk);
            }
        }
    }

    #[test]
    fn json_like_garbage_is_read_as_serde_reads_it(line in "[{}\\[\\]\",:\\\\ a-cu0-9.eE+-]{0,40}|\\{\"text\":\"[a-c\\\\\"u0/nd89]{0,12}\",?\"label\":\"[ab]\"[} ]{0,3}") {
        let ours = Record::from_json(&line, &labelled());
        if let Ok(record) = &ours {
            let value: serde_json::Value = serde_json::from_str(&line).unwrap();
            prop_assert!(value.is_object() && !record.text().is_empty());
        } else if let Ok(serde_json::Value::Object(map)) = serde_json::from_str(&line) {
            // Refused for its fields, then, not for its syntax.
            let syntax = matches!(ours, Err(CorpusError::Record { fault: Fault::Json { .. } | Fault::NotAnObject | Fault::Array, .. }));
            prop_assert!(!syntax, "{} {:?} {:?}", line, map, ours);
        }
    }

    #[test]
    fn a_damaged_parquet_file_never_panics(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = parquet_file(5);
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let _ = check(Format::Parquet, Cursor::new(bytes), &rich(), Limits::default());
    }
}
