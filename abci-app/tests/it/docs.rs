//! The ledger's own page says what the code does.

use datanet_ledger::code::{self, Code};
use datanet_ledger::component::Params;

const PAGE: &str = include_str!("../../../docs/ledger.md");

/// The names in the first column of the page's tables.
fn rows() -> Vec<Vec<&'static str>> {
    let cells =
        |line: &'static str| line.trim_matches('|').split(" | ").map(|cell| cell.trim().trim_matches('`')).collect();
    PAGE.lines().filter(|line| line.starts_with("| ")).map(cells).collect()
}

#[test]
fn every_parameter_is_on_the_page_and_no_other() {
    let params = serde_json::to_value(Params::default()).unwrap();
    let section = PAGE.split("\n## ").find(|section| section.starts_with("Parameters")).unwrap();
    let named: Vec<&str> = section.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    let known: Vec<&str> = params.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(named, known);
}

#[test]
fn every_code_is_on_the_page_with_its_name_and_meaning() {
    let codes = code::ALL.iter().map(|(code, name, meaning)| (*code, *name, meaning.trim()));
    let rows = rows();
    let told = rows.iter().filter_map(|row| Some((row[0].parse::<Code>().ok()?, row[1], row[2])));
    assert_eq!(told.collect::<Vec<_>>(), codes.collect::<Vec<_>>());
}
