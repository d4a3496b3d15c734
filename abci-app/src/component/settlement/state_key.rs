//! Keys of settlement.

use datanet_types::NodeKey;

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

/// Prefix of a node's epochs with money left. Example:
/// `settlement/open/0202020202020202020202020202020202020202020202020202020202020202/`
pub fn all_open(node: &NodeKey) -> String {
    format!("settlement/open/{node}/")
}

/// That an epoch of a node has money left. Example:
/// `settlement/open/0202020202020202020202020202020202020202020202020202020202020202/00000000000000000003`
pub fn open(node: &NodeKey, number: u64) -> String {
    format!("{}{number:020}", all_open(node))
}

/// Prefix of what was claimed of an epoch with money left. Example:
/// `settlement/claimed/0202020202020202020202020202020202020202020202020202020202020202/00000000000000000003/`
pub fn all_claimed(node: &NodeKey, number: u64) -> String {
    format!("settlement/claimed/{node}/{number:020}/")
}

/// Which of 2,048 leaves of an epoch were claimed, by the number of the piece. Example:
/// `settlement/claimed/0202020202020202020202020202020202020202020202020202020202020202/00000000000000000003/000001`
pub fn claimed(node: &NodeKey, number: u64, piece: u64) -> String {
    format!("{}{piece:06}", all_claimed(node, number))
}

/// Fees of a node's epochs that are not final. Example:
/// `settlement/risk/0202020202020202020202020202020202020202020202020202020202020202`
pub fn at_risk(node: &NodeKey) -> String {
    format!("settlement/risk/{node}")
}

/// Who attested an epoch's statement. Example:
/// `settlement/kept/0202020202020202020202020202020202020202020202020202020202020202/00000000000000000003`
pub fn kept(node: &NodeKey, number: u64) -> String {
    format!("settlement/kept/{node}/{number:020}")
}

/// Prefix of who paid for a node's epochs that are not final. Example:
/// `settlement/paid/0202020202020202020202020202020202020202020202020202020202020202/`
pub fn all_payments(node: &NodeKey) -> String {
    format!("settlement/paid/{node}/")
}

/// Who paid how much for an epoch that is not final. Example:
/// `settlement/paid/0202020202020202020202020202020202020202020202020202020202020202/00000000000000000003`
pub fn payments(node: &NodeKey, number: u64) -> String {
    format!("{}{number:020}", all_payments(node))
}
