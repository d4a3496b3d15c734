//! Keys of settlement.

use datanet_types::{Address, NodeKey};

/// A serving node's settlement so far. Example:
/// `settlement/node/0202020202020202020202020202020202020202020202020202020202020202`
pub fn settlement(node: &NodeKey) -> String {
    format!("settlement/node/{node}")
}

/// Prefix of a node's epochs. Example:
/// `settlement/epoch/0202020202020202020202020202020202020202020202020202020202020202/`
pub fn epochs(node: &NodeKey) -> String {
    format!("settlement/epoch/{node}/")
}

/// One epoch of a node. Example:
/// `settlement/epoch/0202020202020202020202020202020202020202020202020202020202020202/00000000000000000003`
pub fn epoch(node: &NodeKey, number: u64) -> String {
    format!("{}{number:020}", epochs(node))
}

/// What an account has been paid out of a node's pool. Example:
/// `settlement/claimed/0202020202020202020202020202020202020202020202020202020202020202/dn1qyqszqgpqyqszqgpqyqszqgpqyqszqgpxv98jv`
pub fn claimed(node: &NodeKey, account: &Address) -> String {
    format!("settlement/claimed/{node}/{account}")
}
