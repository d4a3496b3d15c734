//! Keys of judging.

use datanet_types::{Address, ContributionId};

use crate::state::DERIVED;

/// A round of judging. Example:
/// `validation/round/0404040404040404040404040404040404040404040404040404040404040404/0000000000`
pub fn round(contribution: &ContributionId, number: u32) -> String {
    format!("validation/round/{contribution}/{number:010}")
}

/// A member's commitment. Example:
/// `validation/commitment/0404040404040404040404040404040404040404040404040404040404040404/0000000000/dn1qyqszqgpqyqszqgpqyqszqgpqyqszqgpxv98jv`
pub fn commitment(contribution: &ContributionId, number: u32, member: &Address) -> String {
    format!("validation/commitment/{contribution}/{number:010}/{member}")
}

/// A member's judgement. Example:
/// `validation/reveal/0404040404040404040404040404040404040404040404040404040404040404/0000000000/dn1qyqszqgpqyqszqgpqyqszqgpqyqszqgpxv98jv`
pub fn reveal(contribution: &ContributionId, number: u32, member: &Address) -> String {
    format!("validation/reveal/{contribution}/{number:010}/{member}")
}

/// Prefix of everything that waits for a height. Example: `derived/validation/due/`
pub fn all_due() -> String {
    format!("{DERIVED}validation/due/")
}

/// The height at whose end a contribution's round must be looked at. Example:
/// `derived/validation/due/00000000000000000042/0404040404040404040404040404040404040404040404040404040404040404`
pub fn due(height: u64, contribution: &ContributionId) -> String {
    format!("{}{height:020}/{contribution}", all_due())
}

/// Prefix of everything that will be forgotten. Example: `derived/validation/lapsed/`
pub fn all_lapsed() -> String {
    format!("{DERIVED}validation/lapsed/")
}

/// Prefix of what is forgotten from a block time on. Example: `derived/validation/lapsed/00000000001700000000/`
pub fn lapsed_at(seconds: u64) -> String {
    format!("{}{seconds:020}/", all_lapsed())
}

/// The block time from which it is forgotten how a contribution was judged. Example:
/// `derived/validation/lapsed/00000000001700000000/0404040404040404040404040404040404040404040404040404040404040404`
pub fn lapsed(seconds: u64, contribution: &ContributionId) -> String {
    format!("{}{contribution}", lapsed_at(seconds))
}
