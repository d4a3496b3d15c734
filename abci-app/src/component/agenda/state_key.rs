//! Keys of what is due.

use std::fmt::Display;

use super::Kind;
use crate::state::DERIVED;

/// Prefix of everything of a kind. Example: `derived/agenda/close-round/`
pub(in crate::component) fn all(kind: Kind) -> String {
    format!("{DERIVED}agenda/{}/", kind.name())
}

/// Prefix of what of a kind is due at a height or second. Example: `derived/agenda/close-round/00000000001700000000/`
pub(in crate::component) fn due_at(kind: Kind, due: u64) -> String {
    format!("{}{due:020}/", all(kind))
}

/// That something is to be done from a height or second on. Example:
/// `derived/agenda/close-round/00000000001700000000/0404040404040404040404040404040404040404040404040404040404040404`
pub(in crate::component) fn due(kind: Kind, due: u64, what: &impl Display) -> String {
    format!("{}{what}", due_at(kind, due))
}
