//! Keys of audits.

use datanet_types::NodeKey;

/// The audit of an epoch. Example:
/// `audits/epoch/0202020202020202020202020202020202020202020202020202020202020202/00000000000000000003`
pub fn audit(node: &NodeKey, epoch: u64) -> String {
    format!("audits/epoch/{node}/{epoch:020}")
}
