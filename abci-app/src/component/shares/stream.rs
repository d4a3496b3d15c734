//! Income on its way to holders: evenly over a while, not at once.
//!
//! Anybody can choose the moment at which an epoch's income is claimed, and shares can be bought and sold within a block. Were income divided
//! at the moment at which it comes, whoever buys just before and sells just after would take it from those who held for the whole time. Over
//! [`Params::income_seconds`](crate::component::Params::income_seconds), who holds for a minute has a minute's part.
//!
//! Each income has that long for itself: the end of all of it together is the mean by amount, so that dust that somebody adds again and
//! again moves it by next to nothing.

use datanet_types::Amount;

/// What has come in and is not divided yet.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct Stream {
    /// Base units.
    #[prost(uint64, tag = "1")]
    pub left: Amount,
    /// Up to when it was divided, in seconds of block time since 1970.
    #[prost(uint64, tag = "2")]
    pub since: u64,
    /// When all of it is.
    #[prost(uint64, tag = "3")]
    pub until: u64,
}

impl Stream {
    /// Takes out what is due at `now`; rounded down, and what is left is due by the end.
    pub(super) fn flow(&mut self, now: u64) -> Amount {
        let (passed, span) = (now.saturating_sub(self.since), self.until.saturating_sub(self.since));
        let part = u128::from(self.left).saturating_mul(u128::from(passed)).checked_div(u128::from(span));
        let due = match part {
            Some(part) if now < self.until => Amount::try_from(part).unwrap_or(self.left).min(self.left),
            _ => self.left,
        };
        self.left = self.left.saturating_sub(due);
        self.since = self.since.max(now);
        due
    }

    /// Adds income at `now`, which is to take `seconds`; what is due has been taken out.
    pub(super) fn add(&mut self, amount: Amount, now: u64, seconds: u64) {
        let remaining = u128::from(self.until.saturating_sub(now));
        let (before, more) = (u128::from(self.left), u128::from(amount));
        // Money and seconds are below 2^64, and their product below 2^128; of two such sums the larger is what can be at most.
        let weighed = before.saturating_mul(remaining).saturating_add(more.saturating_mul(u128::from(seconds)));
        let mean = weighed.checked_div(before.saturating_add(more)).unwrap_or(0);
        self.until = now.saturating_add(u64::try_from(mean).unwrap_or(seconds));
        self.left = self.left.saturating_add(amount);
        self.since = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn income_flows_evenly_and_all_of_it() {
        let mut stream = Stream::default();
        stream.add(1_000, 100, 10);
        assert_eq!((stream.flow(100), stream.flow(101), stream.flow(105), stream.flow(109)), (0, 100, 400, 400));
        assert_eq!((stream.flow(110), stream.flow(500), stream.left), (100, 0, 0));
        stream.add(7, 600, 0);
        assert_eq!(stream.flow(600), 7, "at once where nothing is to be waited for");
    }

    #[test]
    fn dust_that_comes_again_and_again_does_not_hold_up_what_is_under_way() {
        let mut stream = Stream::default();
        stream.add(1_000_000, 0, 1_000);
        let mut due = 0;
        for now in 1..=1_000 {
            due += stream.flow(now);
            stream.add(1, now, 1_000);
        }
        // A thousand base units of dust keep back what would have been there to the last: not a hundredth of it.
        assert!(due > 990_000, "{due}");
    }

    proptest! {
        #[test]
        fn what_flows_is_what_came(steps in prop::collection::vec((0u64..1 << 50, 0u64..5_000), 0..50)) {
            let (mut stream, mut now, mut came, mut due) = (Stream::default(), 1_700_000_000, 0u64, 0u64);
            for (amount, seconds) in steps {
                now += seconds;
                due += stream.flow(now);
                stream.add(amount, now, 3_600);
                prop_assert!(stream.until <= now + 3_600);
                came += amount;
                prop_assert_eq!(due + stream.left, came);
            }
            due += stream.flow(now + 3_600);
            prop_assert_eq!(due, came);
        }
    }
}
