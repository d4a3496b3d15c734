//! Keys of datanets.

use datanet_types::DatanetId;

use crate::state::DERIVED;

/// Prefix of all datanets. Example: `datanets/record/`
pub fn datanets() -> String {
    "datanets/record/".to_owned()
}

/// A datanet. Example: `datanets/record/0303030303030303030303030303030303030303030303030303030303030303`
pub fn datanet(id: &DatanetId) -> String {
    format!("{}{id}", datanets())
}

/// The datanet of a name. Example: `derived/datanets/by_name/rust-docs`
pub fn by_name(name: &str) -> String {
    format!("{DERIVED}datanets/by_name/{name}")
}

/// Prefix of a datanet's history. Example:
/// `datanets/history/0303030303030303030303030303030303030303030303030303030303030303/`
pub fn histories(datanet: &DatanetId) -> String {
    format!("datanets/history/{datanet}/")
}

/// One entry of a datanet's history, by its place from 1. Example:
/// `datanets/history/0303030303030303030303030303030303030303030303030303030303030303/00000000000000000007`
pub fn history(datanet: &DatanetId, position: u64) -> String {
    format!("{}{position:020}", histories(datanet))
}

/// A datanet's counts. Example: `datanets/counts/0303030303030303030303030303030303030303030303030303030303030303`
pub fn counts(id: &DatanetId) -> String {
    format!("datanets/counts/{id}")
}

/// That a datanet was closed. Example: `datanets/closed/0303030303030303030303030303030303030303030303030303030303030303`
pub fn closed(id: &DatanetId) -> String {
    format!("datanets/closed/{id}")
}

/// A datanet's held-out set after the first, by its number. Example:
/// `datanets/holdout/0303030303030303030303030303030303030303030303030303030303030303/0000000007`
pub fn holdout(id: &DatanetId, number: u32) -> String {
    format!("datanets/holdout/{id}/{number:010}")
}
