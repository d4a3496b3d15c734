//! When a network begins. Before the time of its genesis nobody makes blocks, with CometBFT or without.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use indicatif::HumanDuration;

use crate::cometbft::rfc3339;

/// Seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Beginning(pub u64);

impl Beginning {
    /// A network that has begun.
    pub const PAST: Self = Self(0);

    /// How long it is until then; `None` once it is past.
    pub fn is_in(self) -> Option<Duration> {
        self.after(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
    }

    fn after(self, now: Duration) -> Option<Duration> {
        Duration::from_secs(self.0).checked_sub(now).filter(|left| !left.is_zero())
    }

    /// What a node that waits for it says; `None` once it is past.
    pub fn told(self) -> Option<String> {
        let left = HumanDuration(self.is_in()?);
        Some(format!("the network begins at {}, in {left}; this node waits and goes on by itself", rfc3339(self.0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_begins_at_its_genesis_and_not_before() {
        let (begins, second) = (Beginning(100), Duration::from_secs(1));
        assert_eq!(begins.after(99 * second), Some(second));
        assert_eq!((begins.after(100 * second), begins.after(101 * second)), (None, None));
        assert_eq!(Beginning::PAST.told(), None);
        let told = Beginning(4_107_542_400).told().unwrap();
        assert!(told.contains("begins at 2100-03-01T00:00:00Z, in ") && told.contains("goes on by itself"), "{told}");
    }
}
