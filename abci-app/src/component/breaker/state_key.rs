//! Keys of breakers.

use crate::component::Component;

/// Prefix of all breakers that have tripped. Example: `breaker/tripped/`
pub fn all_tripped() -> String {
    "breaker/tripped/".to_owned()
}

/// A component's breaker, once it has tripped. Example: `breaker/tripped/channels`
pub fn tripped(component: Component) -> String {
    format!("{}{component}", all_tripped())
}

/// When settlement ran again after it stood still. Example: `breaker/settles-again`
pub fn settles_again() -> String {
    "breaker/settles-again".to_owned()
}
