//! Keys of audits.

use datanet_types::NodeKey;

use crate::state::DERIVED;

/// The audit of an epoch. Example:
/// `audits/epoch/0202020202020202020202020202020202020202020202020202020202020202/00000000000000000003`
pub fn audit(node: &NodeKey, epoch: u64) -> String {
    format!("audits/epoch/{node}/{epoch:020}")
}

/// Prefix of the audits that go on. Example:
/// `derived/audits/due/`
pub fn all_due() -> String {
    format!("{DERIVED}audits/due/")
}

/// Prefix of the audits that are due at a height. Example:
/// `derived/audits/due/00000000000000000009/`
pub fn due_at(height: u64) -> String {
    format!("{}{height:020}/", all_due())
}

/// When an audit has its next step. Example:
/// `derived/audits/due/00000000000000000009/0202020202020202020202020202020202020202020202020202020202020202/00000000000000000003`
pub fn due(height: u64, node: &NodeKey, epoch: u64) -> String {
    format!("{}{node}/{epoch:020}", due_at(height))
}
