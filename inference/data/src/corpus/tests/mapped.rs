//! Inputs whose columns are called otherwise than the fields, and columns that are left out.

use std::io::Cursor;

use datanet_types::record::Format;
use datanet_types::schema::Schema;

use super::*;

fn read(format: Format, input: &str, columns: &Columns) -> Result<Vec<String>, CorpusError> {
    let schema = Schema::text_and_label(&["ash", "oak"]);
    let source = Cursor::new(input.to_owned().into_bytes());
    let records = read_records_by(format, source, &schema, columns, Limits::default())?;
    records.map(|record| record.map(|record| record.canonical().to_owned())).collect()
}

fn mapped(pairs: &[&str], ignored: &[&str]) -> Columns {
    Columns::read(pairs.iter().copied(), ignored.iter().copied()).unwrap()
}

const RECORD: &str = r#"{"label":"oak","text":"Bark."}"#;

#[test]
fn fields_are_read_from_the_columns_that_are_named_for_them() {
    let columns = mapped(&["text=sentence", "label=text"], &["idx", "meta"]);
    let jsonl = r#"{"idx": 4, "sentence": "Bark.", "meta": {"a": [1, {"b": null}], "c": "}"}, "text": "oak"}"#;
    assert_eq!(read(Format::Jsonl, jsonl, &columns).unwrap(), [RECORD]);
    let csv = "idx;sentence;text;meta\n4;Bark.;oak;{}\n";
    assert_eq!(read(Format::Csv, csv, &columns).unwrap(), [RECORD]);
    let others = mapped(&["text=sentence", "label=text"], &["*"]);
    assert_eq!(read(Format::Csv, csv, &others).unwrap(), [RECORD]);
}

#[test]
fn a_column_that_is_not_there_is_told_with_those_that_are() {
    let columns = mapped(&["text=phrase"], &[]);
    for (format, input) in
        [(Format::Jsonl, r#"{"sentence": "Bark.", "label": "oak"}"#), (Format::Csv, "sentence,label\nBark.,oak\n")]
    {
        let said = read(format, input, &mapped(&["text=phrase"], &["sentence"])).unwrap_err().to_string();
        assert!(said.contains("\"phrase\"") && said.contains("\"text\"") && said.contains("\"sentence\""), "{said}");
        assert!(read(format, input, &columns).is_err());
    }
    let said = read(Format::Csv, "text,label\nx,oak\n", &mapped(&["body=text"], &[])).unwrap_err().to_string();
    assert!(said.contains("no field \"body\"") && said.contains("\"label\", \"text\""), "{said}");
    let said = read(Format::Text, "Bark.", &mapped(&["text=x"], &[])).unwrap_err().to_string();
    assert!(said.contains("no columns to map"), "{said}");
}

#[test]
fn where_a_record_is_from_is_no_data() {
    let jsonl = r#"{"text":"Bark.","label":"oak","_datanet_index":3,"_datanet_hash":"ab","_datanet_contributor":null}"#;
    let csv = "_datanet_index,text,label,_datanet_hash\n3,Bark.,oak,ab\n";
    for (format, input) in [(Format::Jsonl, jsonl), (Format::Csv, csv)] {
        assert_eq!(read(format, input, &Columns::default()).unwrap(), [RECORD]);
    }
    let said = read(Format::Jsonl, r#"{"text":"x","label":"oak","datanet_x":1}"#, &Columns::default());
    assert!(said.unwrap_err().to_string().contains("unknown field"));
}

#[test]
fn what_is_left_out_must_still_be_json_and_not_deep() {
    let columns = mapped(&[], &["junk"]);
    let line = |junk: &str| format!(r#"{{"text":"Bark.","label":"oak","junk":{junk}}}"#);
    for good in ["[]", "{}", "[1,2.5e3,\"]\"]", r#"{"a":{"b":[true,false,null]}}"#, "\"\\u00e9\""] {
        assert_eq!(read(Format::Jsonl, &line(good), &columns).unwrap(), [RECORD], "{good}");
    }
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    for bad in ["[1,]", "[1 2]", "{\"a\"}", "nul", "{1:2}", "[", &deep] {
        assert!(read(Format::Jsonl, &line(bad), &columns).is_err(), "{}", &bad[..bad.len().min(20)]);
    }
}

#[test]
fn numbers_of_classes_are_read_by_their_names() {
    let columns = mapped(&["label=class"], &[]).with_classes("class", vec!["oak".into(), "ash".into()]);
    for (format, input) in [
        (Format::Jsonl, "{\"text\":\"Bark.\",\"class\":0}\n{\"text\":\"Bark.\",\"class\":\"oak\"}\n"),
        (Format::Csv, "text,class\nBark.,0\nBark.,oak\n"),
        (Format::Jsonl, "{\"text\":\"Bark.\",\"class\":0.0}\n{\"text\":\"Bark.\",\"class\":0}\n"),
    ] {
        assert_eq!(read(format, input, &columns).unwrap(), [RECORD, RECORD], "{input}");
    }
    let said = read(Format::Csv, "text,class\nBark.,2\n", &columns).unwrap_err().to_string();
    assert!(said.contains("class number 2") && said.contains("from 0 to 1"), "{said}");
    let said = read(Format::Jsonl, "{\"text\":\"x\",\"class\":-1}", &columns).unwrap_err().to_string();
    assert!(said.contains("lacks the field \"label\""), "no class at all where one is required: {said}");
}
