//! Keys of datanets.

use datanet_types::DatanetId;

/// Prefix of all datanets. Example: `datanets/record/`
pub fn datanets() -> String {
    "datanets/record/".to_owned()
}

/// A datanet. Example: `datanets/record/0303030303030303030303030303030303030303030303030303030303030303`
pub fn datanet(id: &DatanetId) -> String {
    format!("{}{id}", datanets())
}

/// The datanet of a name. Example: `datanets/by_name/rust-docs`
pub fn by_name(name: &str) -> String {
    format!("datanets/by_name/{name}")
}

/// A datanet's counts. Example: `datanets/counts/0303030303030303030303030303030303030303030303030303030303030303`
pub fn counts(id: &DatanetId) -> String {
    format!("datanets/counts/{id}")
}
