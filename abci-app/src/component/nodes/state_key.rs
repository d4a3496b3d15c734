//! Keys of nodes and reputations.

use datanet_types::{Address, NodeKey};

use crate::state::DERIVED;

/// Prefix of all nodes. Example: `nodes/record/`
pub fn nodes() -> String {
    "nodes/record/".to_owned()
}

/// A node. Example: `nodes/record/0202020202020202020202020202020202020202020202020202020202020202`
pub fn node(node: &NodeKey) -> String {
    format!("{}{node}", nodes())
}

/// The node of an account. Example: `derived/nodes/by_account/dn1qyqszqgpqyqszqgpqyqszqgpqyqszqgpxv98jv`
pub fn by_account(account: &Address) -> String {
    format!("{DERIVED}nodes/by_account/{account}")
}

/// Prefix of the nodes that judge. Example: `derived/nodes/validator/`
pub fn validators() -> String {
    format!("{DERIVED}nodes/validator/")
}

/// That a node judges. Example: `derived/nodes/validator/0202020202020202020202020202020202020202020202020202020202020202`
pub fn validator(node: &NodeKey) -> String {
    format!("{}{node}", validators())
}

/// Stake on its way back to an account, by when it arrives. Example:
/// `nodes/unbonding/dn1qyqszqgpqyqszqgpqyqszqgpqyqszqgpxv98jv/00000000001700000000`
pub fn unbonding(account: &Address, seconds: u64) -> String {
    format!("nodes/unbonding/{account}/{seconds:020}")
}

/// How many nodes keep data. Example: `derived/nodes/keepers`
pub fn keepers() -> String {
    format!("{DERIVED}nodes/keepers")
}

/// What an account is fined of stake that is on its way back. Example: `nodes/fined/dn1qyqszqgpqyqszqgpqyqszqgpqyqszqgpxv98jv`
pub fn fined(account: &Address) -> String {
    format!("nodes/fined/{account}")
}

/// An account's reputation. Example: `nodes/reputation/dn1qyqszqgpqyqszqgpqyqszqgpqyqszqgpxv98jv`
pub fn reputation(account: &Address) -> String {
    format!("nodes/reputation/{account}")
}
