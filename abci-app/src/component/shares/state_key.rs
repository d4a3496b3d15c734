//! Keys of shares.

use datanet_types::{Account, Asset};

use crate::state::DERIVED;

/// Prefix of all assets with shares. Example: `shares/record/`
pub fn all() -> String {
    "shares/record/".to_owned()
}

/// An asset's shares. Example: `shares/record/datanet:0303030303030303030303030303030303030303030303030303030303030303`
pub fn shares(asset: &Asset) -> String {
    format!("{}{asset}", all())
}

/// Prefix of who holds shares of an asset. Example:
/// `shares/holding/datanet:0303030303030303030303030303030303030303030303030303030303030303/`
pub fn holdings(asset: &Asset) -> String {
    format!("shares/holding/{asset}/")
}

/// What an account holds of an asset. Example:
/// `shares/holding/datanet:0303030303030303030303030303030303030303030303030303030303030303/dn1qyqszqgpqyqszqgpqyqszqgpqyqszqgpxv98jv`
pub fn holding(asset: &Asset, holder: &Account) -> String {
    format!("{}{holder}", holdings(asset))
}

/// Prefix of the assets of which an account holds shares. Example: `derived/shares/of/dn1qyqszqgpqyqszqgpqyqszqgpqyqszqgpxv98jv/`
pub fn all_of(holder: &Account) -> String {
    format!("{DERIVED}shares/of/{holder}/")
}

/// That an account holds shares of an asset. Example:
/// `derived/shares/of/dn1qyqszqgpqyqszqgpqyqszqgpqyqszqgpxv98jv/model:0505050505050505050505050505050505050505050505050505050505050505`
pub fn of(holder: &Account, asset: &Asset) -> String {
    format!("{}{asset}", all_of(holder))
}
