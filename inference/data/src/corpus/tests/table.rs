//! Tables as people's tools write them: one table of logical types, whatever the format.

use std::io::Cursor;
use std::sync::Arc;

use ::parquet::basic::{BrotliLevel, Compression, GzipLevel, ZstdLevel};
use ::parquet::data_type::{
    BoolType, ByteArray, ByteArrayType, DataType, DoubleType, FixedLenByteArray, FixedLenByteArrayType, Int32Type,
    Int64Type,
};
use ::parquet::file::properties::WriterProperties;
use ::parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use ::parquet::schema::parser::parse_message_type;
use datanet_types::record::Format;
use datanet_types::schema::{Field, FieldKind, Schema};
use proptest::prelude::*;

use super::*;

/// A text, a label, and an optional field of each other kind.
fn schema() -> Schema {
    let mut schema = Schema::text_and_label(&["ash", "oak"]);
    for (name, kind) in [("age", FieldKind::Integer), ("height", FieldKind::Number), ("felled", FieldKind::Boolean)] {
        schema.fields.push(Field { name: name.into(), kind: kind as i32, ..Field::default() });
    }
    schema
}

fn summary(format: Format, bytes: impl Into<Vec<u8>>) -> Result<Summary, CorpusError> {
    check(format, Cursor::new(bytes.into()), &schema(), Limits::default())
}

fn refusal(format: Format, bytes: impl Into<Vec<u8>>) -> String {
    summary(format, bytes).expect_err("this is refused").to_string()
}

fn canonical(format: Format, bytes: impl Into<Vec<u8>>) -> Vec<String> {
    let records = read_records(format, Cursor::new(bytes.into()), &schema(), Limits::default()).unwrap();
    records.map(|record| record.unwrap().canonical().to_owned()).collect()
}

#[derive(Debug, Clone)]
struct Tree {
    text: String,
    is_oak: bool,
    age: Option<i64>,
    height: Option<f64>,
    felled: Option<bool>,
}

impl Tree {
    fn label(&self) -> &'static str {
        if self.is_oak { "oak" } else { "ash" }
    }

    /// As pandas writes it where the column has holes: whole numbers as doubles.
    fn json(&self) -> String {
        let age = self.age.map(|age| age as f64);
        format!(
            "{{\"age\": {}, \"text\": {}, \"label\": \"{}\", \"height\": {}, \"felled\": {}}}\n",
            age.map_or("null".to_owned(), |age| format!("{age:?}")),
            serde_json::to_string(&self.text).unwrap(),
            self.label(),
            self.height.map_or("null".to_owned(), |height| format!("{height:?}")),
            self.felled.map_or("null".to_owned(), |felled| felled.to_string()),
        )
    }

    fn row(&self, number: usize, delimiter: char) -> String {
        let quoted = format!("\"{}\"", self.text.replace('"', "\"\""));
        let cells = [
            number.to_string(),
            quoted,
            self.label().to_owned(),
            self.age.map_or(String::new(), |age| format!("{:?}", age as f64)),
            self.height.map_or(String::new(), |height| height.to_string()),
            self.felled.map_or("", |felled| if felled { "True" } else { "False" }).to_owned(),
        ];
        cells.join(&delimiter.to_string()) + "\n"
    }
}

fn trees() -> impl Strategy<Value = Vec<Tree>> {
    let text = "[a-zéß木 ,;\"\n\t|]{0,24}x";
    let age = proptest::option::of(-(1i64 << 53)..=1i64 << 53);
    let height = proptest::option::of(prop_oneof![-1e6f64..1e6, proptest::num::f64::NORMAL]);
    let tree = (text, any::<bool>(), age, height, any::<Option<bool>>());
    let tree = tree.prop_map(|(text, is_oak, age, height, felled)| Tree { text, is_oak, age, height, felled });
    proptest::collection::vec(tree, 1..12)
}

fn column<T: DataType>(group: &mut SerializedRowGroupWriter<'_, impl std::io::Write + Send>, values: &[Option<T::T>]) {
    let mut column = group.next_column().unwrap().unwrap();
    let levels: Vec<i16> = values.iter().map(|value| i16::from(value.is_some())).collect();
    let values: Vec<T::T> = values.iter().flatten().cloned().collect();
    column.typed::<T>().write_batch(&values, Some(&levels), None).unwrap();
    column.close().unwrap();
}

fn texts(values: impl IntoIterator<Item = String>) -> Vec<Option<ByteArray>> {
    values.into_iter().map(|value| Some(ByteArray::from(value.as_str()))).collect()
}

/// A file of one row group: the optional columns of `message`, written by `write`.
fn parquet(
    message: &str,
    codec: Compression,
    write: impl FnOnce(&mut SerializedRowGroupWriter<'_, &mut Vec<u8>>),
) -> Vec<u8> {
    let schema = Arc::new(parse_message_type(&format!("message m {{ {message} }}")).unwrap());
    let properties = WriterProperties::builder().set_compression(codec).build();
    let mut bytes = Vec::new();
    let mut writer = SerializedFileWriter::new(&mut bytes, schema, Arc::new(properties)).unwrap();
    let mut group = writer.next_row_group().unwrap();
    write(&mut group);
    group.close().unwrap();
    writer.close().unwrap();
    bytes
}

fn trees_as_parquet(trees: &[Tree], codec: Compression) -> Vec<u8> {
    let message = "optional binary text (UTF8); optional binary label (UTF8); optional double age; \
                   optional double height; optional boolean felled; optional int64 __index_level_0__;";
    parquet(message, codec, |group| {
        column::<ByteArrayType>(group, &texts(trees.iter().map(|tree| tree.text.clone())));
        column::<ByteArrayType>(group, &texts(trees.iter().map(|tree| tree.label().to_owned())));
        column::<DoubleType>(group, &trees.iter().map(|tree| tree.age.map(|age| age as f64)).collect::<Vec<_>>());
        column::<DoubleType>(group, &trees.iter().map(|tree| tree.height).collect::<Vec<_>>());
        column::<BoolType>(group, &trees.iter().map(|tree| tree.felled).collect::<Vec<_>>());
        column::<Int64Type>(group, &(0i64..).map(Some).take(trees.len()).collect::<Vec<_>>());
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn one_table_has_one_root_in_every_format(trees in trees()) {
        let jsonl: String = trees.iter().map(Tree::json).collect();
        let root = summary(Format::Jsonl, jsonl).unwrap().root;
        for (delimiter, mark) in [(',', ""), (';', "\u{feff}"), ('\t', ""), ('|', "")] {
            let rows = trees.iter().enumerate().map(|(number, tree)| tree.row(number + 7, delimiter));
            let header = ["", "text", "label", "age", "height", "felled"].join(&delimiter.to_string());
            let csv = format!("{mark}{header}\n{}", rows.collect::<String>());
            prop_assert_eq!(summary(Format::Csv, csv).unwrap().root, root);
        }
        prop_assert_eq!(summary(Format::Parquet, trees_as_parquet(&trees, Compression::SNAPPY)).unwrap().root, root);
    }
}

#[test]
fn every_codec_of_parquet_gives_the_same_records() {
    let tree =
        Tree { text: "The crown is wide.".into(), is_oak: true, age: Some(90), height: Some(21.5), felled: None };
    let trees = vec![tree; 40];
    let root = summary(Format::Jsonl, trees.iter().map(Tree::json).collect::<String>()).unwrap().root;
    for codec in [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::GZIP(GzipLevel::default()),
        Compression::BROTLI(BrotliLevel::default()),
        Compression::LZ4,
        Compression::LZ4_RAW,
        Compression::ZSTD(ZstdLevel::default()),
    ] {
        assert_eq!(summary(Format::Parquet, trees_as_parquet(&trees, codec)).unwrap().root, root, "{codec}");
    }
}

#[test]
fn whole_numbers_with_a_point_are_whole_and_others_are_told_how_to_be_written() {
    let jsonl = |age: &str| format!("{{\"text\":\"x\",\"label\":\"oak\",\"age\":{age}}}\n");
    let csv = |age: &str| format!("text,label,age\nx,oak,{age}\n");
    for spelling in ["5", "5.0", "5.00", "5e0", "0.5e1"] {
        for records in [canonical(Format::Jsonl, jsonl(spelling)), canonical(Format::Csv, csv(spelling))] {
            assert_eq!(records, ["{\"age\":5,\"label\":\"oak\",\"text\":\"x\"}"], "{spelling}");
        }
    }
    for (spelling, found, fix) in [
        ("4.5", "a number with a fraction", "round it"),
        ("9007199254740993.0", "may have rounded", "column of integers"),
    ] {
        for said in [refusal(Format::Jsonl, jsonl(spelling)), refusal(Format::Csv, csv(spelling))] {
            assert!(said.contains(found) && said.contains(fix) && said.contains("\"age\""), "{said}");
        }
    }
    assert!(refusal(Format::Csv, csv("1,5").replace("1,5", "\"1,5\"")).contains("such as 1234.5"));
    assert!(refusal(Format::Csv, csv("NaN")).contains("leave the cell empty"));
    assert!(refusal(Format::Jsonl, jsonl("NaN")).contains("write null"));
}

#[test]
fn a_number_that_no_double_holds_is_refused_from_every_format() {
    let jsonl = "{\"text\":\"x\",\"label\":\"oak\",\"height\":9007199254740993}\n";
    let csv = "text,label,height\nx,oak,-9007199254740993\n";
    let long = one_row("optional int64 height;", |group| column::<Int64Type>(group, &[Some(i64::MAX)]));
    let unsigned =
        one_row("optional int64 height (UINT_64);", |group| column::<Int64Type>(group, &[Some(i64::MIN + 1)]));
    for said in [
        refusal(Format::Jsonl, jsonl),
        refusal(Format::Csv, csv),
        refusal(Format::Parquet, long),
        refusal(Format::Parquet, unsigned),
    ] {
        assert!(said.contains("\"height\"") && said.contains("a double changes the last"), "{said}");
    }
    let held = one_row("optional int64 height;", |group| column::<Int64Type>(group, &[Some(1 << 60)]));
    assert!(canonical(Format::Parquet, held)[0].contains("\"height\":1.152921504606847e18"));
}

const TEXT_AND_LABEL: &str = "optional binary text (UTF8); optional binary label (UTF8);";

fn one_row(more: &str, write: impl FnOnce(&mut SerializedRowGroupWriter<'_, &mut Vec<u8>>)) -> Vec<u8> {
    parquet(&format!("{TEXT_AND_LABEL} {more}"), Compression::UNCOMPRESSED, |group| {
        column::<ByteArrayType>(group, &texts(["x".to_owned()]));
        column::<ByteArrayType>(group, &texts(["oak".to_owned()]));
        write(group);
    })
}

#[test]
fn halves_and_decimals_are_numbers_and_dates_are_refused_by_name() {
    let half = FixedLenByteArray::from(ByteArray::from(vec![0x00, 0x38]));
    let half = one_row("optional fixed_len_byte_array(2) height (FLOAT16);", |group| {
        column::<FixedLenByteArrayType>(group, &[Some(half)]);
    });
    assert_eq!(canonical(Format::Parquet, half), ["{\"height\":0.5,\"label\":\"oak\",\"text\":\"x\"}"]);
    let decimals = one_row("optional int32 height (DECIMAL(9,2)); optional int64 age (DECIMAL(12,1));", |group| {
        column::<Int32Type>(group, &[Some(12_345)]);
        column::<Int64Type>(group, &[Some(70)]);
    });
    assert_eq!(
        canonical(Format::Parquet, decimals),
        ["{\"age\":7,\"height\":123.45,\"label\":\"oak\",\"text\":\"x\"}"]
    );
    for (kind, named, instead) in [
        ("optional int32 age (DATE);", "holds dates", "2026-01-31"),
        ("optional int64 age (TIMESTAMP(NANOS,true));", "holds timestamps", "astype(str)"),
        ("optional int32 age (TIME_MILLIS);", "times of day", "12:30:00"),
    ] {
        let file = one_row(kind, |group| {
            if kind.contains("int64") {
                column::<Int64Type>(group, &[Some(1)]);
            } else {
                column::<Int32Type>(group, &[Some(1)]);
            }
        });
        let said = refusal(Format::Parquet, file);
        assert!(said.contains(named) && said.contains(instead) && said.contains("\"age\""), "{said}");
    }
}

/// Files of two rows by PyArrow, which writes what Rust's writer does not: the checksums of pages, durations, encrypted
/// columns.
mod by_pyarrow {
    pub(super) const CHECKSUMS: &[u8] = include_bytes!("data/checksums.parquet");
    pub(super) const DURATIONS: &[u8] = include_bytes!("data/durations.parquet");
    pub(super) const ENCRYPTED: &[u8] = include_bytes!("data/encrypted.parquet");
}

#[test]
fn a_page_whose_checksum_is_wrong_is_refused() {
    assert_eq!(canonical(Format::Parquet, by_pyarrow::CHECKSUMS).len(), 2);
    let mut changed = by_pyarrow::CHECKSUMS.to_vec();
    let at = memchr::memmem::find(&changed, b"owl").unwrap();
    changed[at] = b'O';
    assert!(refusal(Format::Parquet, changed).contains("the checksum of a page is wrong; it is damaged"));
}

#[test]
fn durations_and_encrypted_columns_are_refused_by_name() {
    let said = refusal(Format::Parquet, by_pyarrow::DURATIONS);
    assert!(said.contains("\"age\" holds durations") && said.contains("seconds"), "{said}");
    let said = refusal(Format::Parquet, by_pyarrow::ENCRYPTED);
    assert!(said.contains("encrypted columns") && said.contains("without encryption"), "{said}");
}

#[test]
fn a_damaged_page_is_told_in_words() {
    let latin = parquet(TEXT_AND_LABEL, Compression::UNCOMPRESSED, |group| {
        column::<ByteArrayType>(group, &[Some(ByteArray::from(b"caf\xe9".to_vec()))]);
        column::<ByteArrayType>(group, &texts(["oak".to_owned()]));
    });
    let said = refusal(Format::Parquet, latin);
    assert!(said.contains("not UTF-8") && !said.contains('['), "{said}");
    let tree = Tree { text: "Bark.".repeat(20), is_oak: true, age: None, height: None, felled: None };
    let good = trees_as_parquet(&vec![tree; 30], Compression::SNAPPY);
    for at in (4..good.len() - 8).step_by(7) {
        let mut damaged = good.clone();
        damaged[at] = !damaged[at];
        let said = summary(Format::Parquet, damaged).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(!said.contains("Bytes") && !said.contains("BYTE_ARRAY"), "{said}");
    }
}

#[test]
fn a_column_that_numbers_rows_is_left_out_and_one_that_does_not_is_refused() {
    for name in ["", "Unnamed: 0"] {
        let records = canonical(Format::Csv, format!("{name},text,label\n12,x,oak\n14,y,ash\n"));
        assert_eq!(records[1], "{\"label\":\"ash\",\"text\":\"y\"}");
    }
    assert!(refusal(Format::Csv, ",text,label\ntall,x,oak\n").contains("index=False"));
    assert!(refusal(Format::Csv, "text,label,\nx,oak,\n").contains("at the end of the line"));
    let named = one_row("optional binary __index_level_0__ (UTF8);", |group| {
        column::<ByteArrayType>(group, &texts(["a".to_owned()]));
    });
    assert!(refusal(Format::Parquet, named).contains("drop it"));
}

#[test]
fn classes_given_by_number_are_asked_for_by_name() {
    let ids = parquet("optional binary text (UTF8); optional int64 label;", Compression::UNCOMPRESSED, |group| {
        column::<ByteArrayType>(group, &texts(["x".to_owned()]));
        column::<Int64Type>(group, &[Some(1)]);
    });
    for said in [
        refusal(Format::Parquet, ids),
        refusal(Format::Jsonl, "{\"text\":\"x\",\"label\":1}\n"),
        refusal(Format::Csv, "text,label\nx,1\n"),
    ] {
        assert!(said.contains("write the names of the classes instead of their numbers"), "{said}");
    }
}

#[test]
fn quotes_that_do_not_close_as_csv_has_it_are_told_with_their_line() {
    for (csv, line, says) in [
        ("text,label\nfine,oak\n\"never closed,ash\nfine,oak\n", 3, "never closed; close it"),
        ("text,label\n\"Oak\" is the word,oak\n", 2, "behind the closing quote"),
        ("text,label\nfine,oak\n\"the \\\"holm\\\" oak\",oak\n", 3, "a backslash escapes nothing"),
        ("text,label\nfine,oak\n\"two\nlines\" and more,oak\n", 3, "behind the closing quote"),
    ] {
        let said = refusal(Format::Csv, csv);
        assert!(said.contains(&format!("(line {line})")) && said.contains(says), "{said}");
    }
    let kept = canonical(Format::Csv, "text,label\nThe \"holm\" oak,oak\n");
    assert_eq!(kept, ["{\"label\":\"oak\",\"text\":\"The \\\"holm\\\" oak\"}"]);
}

#[test]
fn json_that_is_not_one_object_a_line_is_told_how_to_become_so() {
    assert!(refusal(Format::Jsonl, "[\n{\"text\":\"x\",\"label\":\"oak\"}]").contains("jq -c '.[]'"));
    assert!(refusal(Format::Jsonl, "{\n  \"text\": \"x\",\n  \"label\": \"oak\"\n}\n").contains("jq -c ."));
}

#[test]
fn advice_about_a_parquet_file_is_for_what_is_wrong_with_it() {
    let tree = Tree { text: "Bark.".into(), is_oak: true, age: None, height: None, felled: None };
    let good = trees_as_parquet(&vec![tree; 30], Compression::SNAPPY);
    assert!(refusal(Format::Parquet, &good[..good.len() - 9]).contains("cut short"));
    assert!(refusal(Format::Parquet, "text,label\nx,oak\n").contains("name the format that it has"));
    let mut damaged = good;
    (8..60).for_each(|at| damaged[at] = !damaged[at]);
    assert!(refusal(Format::Parquet, damaged).contains("it is damaged"));
    assert!(
        refusal(Format::Csv, trees_as_parquet(&[], Compression::SNAPPY)).contains("application/vnd.apache.parquet")
    );
}
