//! Keys of ratings.

use datanet_types::Address;

use crate::component::settlement::Place;

/// Prefix of who has paid and been paid. Example: `ratings/trader/`
pub fn traders() -> String {
    "ratings/trader/".to_owned()
}

/// What an account has paid and been paid, and how it was rated. Example: `ratings/trader/dn1qyqszqgpqyqszqgpqyqszqgpqyqszqgpxv98jv`
pub fn trader(account: &Address) -> String {
    format!("{}{account}", traders())
}

/// Prefix of who may still rate which epoch. Example: `ratings/open/`
pub(in crate::component) fn all_open() -> String {
    "ratings/open/".to_owned()
}

/// Who may still rate an epoch. Example:
/// `ratings/open/0202020202020202020202020202020202020202020202020202020202020202/00000000000000000003`
pub(in crate::component) fn open(place: &Place) -> String {
    format!("{}{place}", all_open())
}
