//! Amounts as agents read them.

use datanet_types::Amount;
use datanet_types::amount::display;
use schemars::JsonSchema;
use serde::Serialize;

/// An amount of money.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(super) struct Money {
    /// Base units; a million make one DNT.
    units: u64,
    /// The same for people.
    shown: String,
}

impl From<Amount> for Money {
    fn from(units: Amount) -> Self {
        Self { units, shown: display(units) }
    }
}
