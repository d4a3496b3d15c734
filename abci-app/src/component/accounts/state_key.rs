//! Keys of accounts.

use std::sync::LazyLock;

use datanet_types::Address;

use super::Account;

/// Of the account through which each transaction's fee goes: written once.
static FEES: LazyLock<String> = LazyLock::new(|| format!("accounts/module/{}", super::fees()));

/// Prefix of all balances of users. Example: `accounts/balance/`
pub fn balances() -> String {
    "accounts/balance/".to_owned()
}

/// Prefix of all balances of modules. Example: `accounts/module/`
pub fn modules() -> String {
    "accounts/module/".to_owned()
}

/// An account's balance. Examples: `accounts/balance/dn1qyqszqgpqyqszqgpqyqszqgpqyqszqgpxv98jv`,
/// `accounts/module/dnmod1qyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqsle930z`
pub fn balance(account: impl Into<Account>) -> String {
    match account.into() {
        Account::User(address) => format!("accounts/balance/{address}"),
        Account::Module(address) if address == super::fees() => FEES.clone(),
        Account::Module(address) => format!("accounts/module/{address}"),
    }
}

/// A user's name. Example: `accounts/name/dn1qyqszqgpqyqszqgpqyqszqgpqyqszqgpxv98jv`
pub fn name(address: &Address) -> String {
    format!("accounts/name/{address}")
}

/// All the money there is. Example: `accounts/supply`
pub fn supply() -> String {
    "accounts/supply".to_owned()
}
