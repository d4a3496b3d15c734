//! Keys of the chain's authority and of what it spends.

use crate::state::DERIVED;

/// Who is the chain's authority, if anybody is. Example: `treasury/authority`
pub fn authority() -> String {
    "treasury/authority".to_owned()
}

/// What the present period may spend, and has. Example: `treasury/budget`
pub fn budget() -> String {
    "treasury/budget".to_owned()
}

/// The number of the last payment that was announced. Example: `treasury/last`
pub fn last() -> String {
    "treasury/last".to_owned()
}

/// Prefix of the payments that are announced. Example: `treasury/spend/`
pub fn spends() -> String {
    "treasury/spend/".to_owned()
}

/// A payment that is announced. Example: `treasury/spend/00000000000000000003`
pub fn spend(number: u64) -> String {
    format!("{}{number:020}", spends())
}

/// Prefix of when payments are made. Example: `derived/treasury/due/`
pub fn all_due() -> String {
    format!("{DERIVED}treasury/due/")
}

/// Payments that are made from a block time on. Example: `derived/treasury/due/00000000001700000000/`
pub fn due_at(seconds: u64) -> String {
    format!("{}{seconds:020}/", all_due())
}

/// When a payment is made. Example: `derived/treasury/due/00000000001700000000/00000000000000000003`
pub fn due(seconds: u64, number: u64) -> String {
    format!("{}{number:020}", due_at(seconds))
}
