//! Keys of what binds derived state to the tree.

use crate::state::DERIVED;

/// The digest of everything that was ever written to derived state. Example: `derived/digest`
pub fn digest() -> String {
    format!("{DERIVED}digest")
}

/// That digest as of the last block that changed the tree: a leaf like every other. Example: `chain/derived`
pub fn leaf() -> String {
    "chain/derived".to_owned()
}
