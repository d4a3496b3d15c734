//! Keys of pools.

use datanet_types::{Address, Asset};

/// Prefix of all pools. Example: `pools/record/`
pub fn all() -> String {
    "pools/record/".to_owned()
}

/// The pool of an asset's shares. Example: `pools/record/model:0505050505050505050505050505050505050505050505050505050505050505`
pub fn pool(asset: &Asset) -> String {
    format!("{}{asset}", all())
}

/// Prefix of who has a part of a pool. Example: `pools/position/model:0505050505050505050505050505050505050505050505050505050505050505/`
pub fn positions(asset: &Asset) -> String {
    format!("pools/position/{asset}/")
}

/// An account's part of a pool. Example:
/// `pools/position/model:0505050505050505050505050505050505050505050505050505050505050505/dn1qyqszqgpqyqszqgpqyqszqgpqyqszqgpxv98jv`
pub fn position(asset: &Asset, provider: &Address) -> String {
    format!("{}{provider}", positions(asset))
}
