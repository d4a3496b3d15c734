//! Keys of accounts.

use datanet_types::Address;

/// Prefix of all balances. Example: `accounts/balance/`
pub fn balances() -> String {
    "accounts/balance/".to_owned()
}

/// An account's balance. Example: `accounts/balance/dn1qyqszqgpqyqszqgpqyqszqgpqyqszqgpxv98jv`
pub fn balance(address: &Address) -> String {
    format!("{}{address}", balances())
}

/// An account's name. Example: `accounts/name/dn1qyqszqgpqyqszqgpqyqszqgpqyqszqgpxv98jv`
pub fn name(address: &Address) -> String {
    format!("accounts/name/{address}")
}

/// All the money there is. Example: `accounts/supply`
pub fn supply() -> String {
    "accounts/supply".to_owned()
}
