//! Amounts and times as they are written in a spec: `"1.5DNT"`, `"10m"`.

use datanet_types::Amount;
use datanet_types::amount::display;
use serde::de::Error;
use serde::{Deserialize, Deserializer};

use crate::amounts;

/// Base units, written as `"1.5DNT"` or `"1500base"`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Money(pub Amount);

impl std::fmt::Display for Money {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&display(self.0))
    }
}

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        amounts::amount(&text).map(Self).map_err(D::Error::custom)
    }
}

/// A time, written as `"90s"`, `"15m"`, `"12h"` or `"7d"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seconds(pub u64);

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        amounts::seconds(&text).map(Self).map_err(D::Error::custom)
    }
}
