//! Keys of payment channels.

use datanet_types::{Address, ChannelId, NodeKey};

use crate::state::DERIVED;

/// A channel. Example: `channels/record/0606060606060606060606060606060606060606060606060606060606060606`
pub fn channel(id: &ChannelId) -> String {
    format!("channels/record/{id}")
}

/// Prefix of the open channels to a node. Example:
/// `derived/channels/by_node/0202020202020202020202020202020202020202020202020202020202020202/`
pub fn all_of_node(node: &NodeKey) -> String {
    format!("{DERIVED}channels/by_node/{node}/")
}

/// An open channel to a node. Example:
/// `derived/channels/by_node/0202020202020202020202020202020202020202020202020202020202020202/0606060606060606060606060606060606060606060606060606060606060606`
pub fn of_node(node: &NodeKey, id: &ChannelId) -> String {
    format!("{}{id}", all_of_node(node))
}

/// Prefix of the open channels of a payer. Example: `derived/channels/by_payer/dn1qyqszqgpqyqszqgpqyqszqgpqyqszqgpxv98jv/`
pub fn all_of_payer(payer: &Address) -> String {
    format!("{DERIVED}channels/by_payer/{payer}/")
}

/// An open channel of a payer. Example:
/// `derived/channels/by_payer/dn1qyqszqgpqyqszqgpqyqszqgpqyqszqgpxv98jv/0606060606060606060606060606060606060606060606060606060606060606`
pub fn of_payer(payer: &Address, id: &ChannelId) -> String {
    format!("{}{id}", all_of_payer(payer))
}
