//! All problems of an input are told at once, with counts and places.

use std::io::Cursor;

use super::*;

fn review(files: &[(&str, Format, &str)], columns: &Columns) -> Review {
    let schema = Schema::text_and_label(&["ash", "oak"]);
    let mut reviews = Reviews::default();
    for (name, format, bytes) in files {
        let source = Cursor::new((*bytes).to_owned().into_bytes());
        reviews.read(Some(name), *format, source, &schema, columns, Limits::default());
    }
    reviews.finish()
}

fn kinds(review: &Review) -> Vec<(&str, Option<&str>, u64, Option<u64>)> {
    let told = |problem: &'_ Problem| problem.first[0].line;
    let all = review.problems.iter();
    all.map(|problem| (problem.kind.as_str(), problem.field.as_deref(), problem.count, told(problem))).collect()
}

const GOOD: &str = r#"{"text": "The bark of an old oak is deeply furrowed.", "label": "oak"}"#;

#[test]
fn all_problems_of_a_jsonl_file_are_told_with_counts_and_first_lines() {
    let lines = [
        GOOD,
        "",
        r#"{"text": "no label"}"#,
        "not json",
        r#"{"text": "x", "label": "elm"}"#,
        r#"{"text": "y", "label": "elm", "age": 3}"#,
        r#"{"label": "oak"}"#,
        r#"{"text": "Ash.", "label": "ash"}"#,
        GOOD,
        r#"{"text": "again no label"}"#,
    ];
    let review = review(&[("a.jsonl", Format::Jsonl, &lines.join("\n"))], &Columns::default());
    assert_eq!(
        kinds(&review),
        [
            ("missing-field", Some("label"), 2, Some(3)),
            ("not-an-object", None, 1, Some(4)),
            ("not-allowed", Some("label"), 2, Some(5)),
            ("missing-field", Some("text"), 1, Some(7)),
        ]
    );
    assert_eq!((review.records, review.fitting, review.is_cut), (9, 3, false));
    assert_eq!((review.too_short.count, review.copies.count), (1, 1));
    assert_eq!(review.copies.first[0].record, Some(7));
    assert!(review.problems[0].example.contains("lacks the field \"label\""));
}

#[test]
fn all_columns_that_are_wrong_are_told_and_no_row_is_blamed_for_them() {
    let csv = "sentence,age,class\na,1,oak\nb,2,ash\n";
    let wrong = review(&[("a.csv", Format::Csv, csv)], &Columns::default());
    let columns: Vec<_> = wrong.problems.iter().map(|problem| problem.field.as_deref().unwrap()).collect();
    assert_eq!(columns, ["sentence", "age", "class", "label", "text"]);
    assert!(wrong.is_cut && wrong.records == 0);
    let mapped = Columns::read(["text=sentence", "label=class"], ["age"]).unwrap();
    assert!(review(&[("a.csv", Format::Csv, csv)], &mapped).is_good());
}

#[test]
fn rows_that_do_not_fit_do_not_hide_those_behind_them() {
    let csv = "text,label\na,oak,more\nb,elm\nc,ash\n\"d,oak\n";
    let review =
        review(&[("a.csv", Format::Csv, csv), ("b.csv", Format::Csv, "text,label\nc,ash\n")], &Columns::default());
    assert_eq!(
        kinds(&review),
        [
            ("uneven-row", None, 1, Some(2)),
            ("not-allowed", Some("label"), 1, Some(3)),
            ("broken-quotes", None, 1, Some(5))
        ]
    );
    assert_eq!((review.records, review.fitting, review.is_cut, review.copies.count), (4, 2, true, 1));
    assert_eq!(review.copies.first[0].file.as_deref(), Some("b.csv"));
}

#[test]
fn what_is_told_is_bounded_however_much_is_wrong() {
    let lines: String = (0..500).map(|n| format!("{{\"text\": \"x\", \"label\": \"oak\", \"f{n}\": 1}}\n")).collect();
    let review = review(&[("a.jsonl", Format::Jsonl, &lines)], &Columns::default());
    assert_eq!(review.problems.len(), MAX_KINDS + 1);
    assert_eq!(review.problems.iter().map(|problem| problem.count).sum::<u64>(), 500);
    assert!(review.problems.iter().all(|problem| problem.first.len() <= MAX_PLACES));
}
