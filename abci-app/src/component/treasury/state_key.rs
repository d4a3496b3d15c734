//! Keys of the chain's authority and of what it spends.

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
