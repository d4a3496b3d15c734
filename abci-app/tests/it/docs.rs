//! The ledger's own page says what the code does.

use datanet_ledger::component::Params;

const PAGE: &str = include_str!("../../../docs/ledger.md");
const CODES: &str = include_str!("../../src/code.rs");

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
fn every_code_is_on_the_page_with_its_number() {
    let constant = |line: &str| {
        let (name, number) = line.strip_prefix("pub const ")?.strip_suffix(';')?.split_once(": u32 = ")?;
        Some((number.to_owned(), name.to_owned()))
    };
    let codes: Vec<(String, String)> = CODES.lines().filter_map(constant).collect();
    let rows = rows();
    let numbered = rows.iter().filter(|row| row[0].parse::<u32>().is_ok());
    let told: Vec<(String, String)> = numbered.map(|row| (row[0].to_owned(), row[1].to_owned())).collect();
    assert!(codes.len() > 40, "{}", codes.len());
    assert_eq!(told, codes);
}
