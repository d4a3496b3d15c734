//! Keys of who speaks for an account.

use datanet_types::{Address, PublicKey};

/// An account's owners, once it has set some. Example: `authority/keys/dn1qyqszqgpqyqszqgpqyqszqgpqyqszqgpxv98jv`
pub fn keys(account: &Address) -> String {
    format!("authority/keys/{account}")
}

/// What all sub-keys of an agent's account may spend together. Example: `authority/purse/dn1qyqszqgpqyqszqgpqyqszqgpqyqszqgpxv98jv`
pub fn purse(account: &Address) -> String {
    format!("authority/purse/{account}")
}

/// Prefix of an account's sub-keys. Example: `authority/grant/dn1qyqszqgpqyqszqgpqyqszqgpqyqszqgpxv98jv/`
pub fn grants(account: &Address) -> String {
    format!("authority/grant/{account}/")
}

/// A sub-key of an account. Example:
/// `authority/grant/dn1qyqszqgpqyqszqgpqyqszqgpqyqszqgpxv98jv/0202020202020202020202020202020202020202020202020202020202020202`
pub fn grant(account: &Address, key: &PublicKey) -> String {
    format!("{}{key}", grants(account))
}
