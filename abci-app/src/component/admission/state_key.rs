//! Keys of transactions that were executed.

use datanet_types::Digest;

use crate::state::DERIVED;

/// Prefix of all of them. Example: `derived/admission/executed/`
pub fn all_executed() -> String {
    format!("{DERIVED}admission/executed/")
}

/// An executed transaction, until it expires. Example:
/// `derived/admission/executed/00000000000000000042/0101010101010101010101010101010101010101010101010101010101010101`
pub fn executed(expiry: u64, id: &[u8; 32]) -> String {
    format!("{DERIVED}admission/executed/{expiry:020}/{}", Digest(*id))
}
