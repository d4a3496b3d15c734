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

/// Prefix of the channels that wait for a time. Example: `derived/channels/due/`
pub fn all_due() -> String {
    format!("{DERIVED}channels/due/")
}

/// Prefix of the channels that are due at a second. Example: `derived/channels/due/00000000001700000000/`
pub fn due_at(seconds: u64) -> String {
    format!("{}{seconds:020}/", all_due())
}

/// When a channel closes by itself or, once it is closed, is forgotten. Example:
/// `derived/channels/due/00000000001700000000/0606060606060606060606060606060606060606060606060606060606060606`
pub fn due(seconds: u64, id: &ChannelId) -> String {
    format!("{}{id}", due_at(seconds))
}

/// Prefix of the channels that end by themselves after their expiry. Example: `derived/channels/expiring/`
pub fn all_expiring() -> String {
    format!("{DERIVED}channels/expiring/")
}

/// Prefix of the channels that end at a height. Example: `derived/channels/expiring/00000000000000000042/`
pub fn expiring_at(height: u64) -> String {
    format!("{}{height:020}/", all_expiring())
}

/// The height at whose end a channel is closed if nobody has closed it before. Example:
/// `derived/channels/expiring/00000000000000000042/0606060606060606060606060606060606060606060606060606060606060606`
pub fn expiring(height: u64, id: &ChannelId) -> String {
    format!("{}{id}", expiring_at(height))
}
