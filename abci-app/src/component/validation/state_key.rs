//! Keys of judging.

use datanet_types::{Address, ContributionId};

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

/// The challenge of a contribution's verdict. Example:
/// `validation/challenge/0404040404040404040404040404040404040404040404040404040404040404`
pub fn challenge(contribution: &ContributionId) -> String {
    format!("validation/challenge/{contribution}")
}

/// A member's judgement. Example:
/// `validation/reveal/0404040404040404040404040404040404040404040404040404040404040404/0000000000/dn1qyqszqgpqyqszqgpqyqszqgpqyqszqgpxv98jv`
pub fn reveal(contribution: &ContributionId, number: u32, member: &Address) -> String {
    format!("validation/reveal/{contribution}/{number:010}/{member}")
}
