//! Dividing what comes in among units that change hands: by what one unit has earned since the beginning.
//!
//! Whoever holds units remembers up to where it was counted. So income costs one write however many holders there are, and a holder one more
//! when its units change. All is exact: what does not divide is carried, by the whole in [`Accumulator::undivided`] and by each holder in
//! [`Holding::rest`], so that
//!
//! ```text
//!   all that came in x 2^64 = undivided + sum over holders of (per unit - counted) x units + owed x 2^64 + rest of the holder
//! ```
//!
//! holds at any time, less what was paid out.

use datanet_types::Amount;

/// What one unit has earned since the beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct PerUnit(u128);

impl PerUnit {
    fn of((high, low): (u64, u64)) -> Self {
        Self(u128::from(high) << 64 | u128::from(low))
    }

    fn halves(self) -> (u64, u64) {
        (half(self.0 >> 64), half(self.0 & u128::from(u64::MAX)))
    }
}

/// A number that fits: of the upper half of one twice as wide, or of a remainder.
fn half(number: u128) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// What has come in for so many units, by the unit.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct Accumulator {
    /// What one unit has earned since the beginning, in base units times 2^64: the upper half.
    #[prost(uint64, tag = "1")]
    high: u64,
    /// The lower half.
    #[prost(uint64, tag = "2")]
    low: u64,
    /// What did not divide by the units, in parts of 2^-64 base units: the next income takes it along.
    #[prost(uint64, tag = "3")]
    rest: u64,
    /// Whole base units that came when there was no unit to divide them by: they wait for the first.
    #[prost(uint64, tag = "4")]
    waiting: Amount,
}

impl Accumulator {
    /// Divides `amount` base units among `units`, and `dust`, parts of 2^-64 of one, which a holder has left that holds nothing any more.
    pub(in crate::component) fn add(&mut self, amount: Amount, dust: u64, units: u64) {
        // The supply of money is below 2^64, so that this fits.
        let whole = u128::from(self.waiting.saturating_add(amount)) << 64;
        let scaled = whole.saturating_add(u128::from(self.rest)).saturating_add(u128::from(dust));
        let wide = u128::from(units);
        let (Some(each), Some(rest)) = (scaled.checked_div(wide), scaled.checked_rem(wide)) else {
            (self.waiting, self.rest) = PerUnit(scaled).halves();
            return;
        };
        let sum = PerUnit(PerUnit::of((self.high, self.low)).0.saturating_add(each));
        (self.high, self.low) = sum.halves();
        (self.waiting, self.rest) = (0, half(rest));
    }

    /// What is divided among nobody yet, in parts of 2^-64 base units.
    pub fn undivided(&self) -> u128 {
        PerUnit::of((self.waiting, self.rest)).0
    }
}

/// What somebody holds, of shares or of a pool.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct Holding {
    /// Units.
    #[prost(uint64, tag = "1")]
    pub units: u64,
    /// The accumulator up to which they were counted: the upper half.
    #[prost(uint64, tag = "2")]
    high: u64,
    /// The lower half.
    #[prost(uint64, tag = "3")]
    low: u64,
    /// Base units that they have earned and that are not paid out.
    #[prost(uint64, tag = "4")]
    pub owed: Amount,
    /// What they have earned beside, in parts of 2^-64 base units.
    #[prost(uint64, tag = "5")]
    rest: u64,
    /// Base units locked for this record: the holder's once it goes.
    #[prost(uint64, tag = "6")]
    pub deposit: Amount,
}

impl Holding {
    /// Counts what the units have earned since the last time.
    pub(in crate::component) fn count(&mut self, accumulator: &Accumulator) {
        let (now, before) = (PerUnit::of((accumulator.high, accumulator.low)), PerUnit::of((self.high, self.low)));
        let (high, low) = PerUnit(now.0.saturating_sub(before.0)).halves();
        let (high, low, units) = (u128::from(high), u128::from(low), u128::from(self.units));
        // Two factors of 64 bits and one more number fit 128.
        let parts = low.saturating_mul(units).saturating_add(u128::from(self.rest));
        let whole = high.saturating_mul(units).saturating_add(parts >> 64);
        self.owed = self.owed.saturating_add(half(whole));
        self.rest = half(parts & u128::from(u64::MAX));
        (self.high, self.low) = (accumulator.high, accumulator.low);
    }

    /// So many units that have earned nothing, before anything was divided.
    pub(super) fn new(units: u64, deposit: Amount) -> Self {
        Self { units, deposit, ..Self::default() }
    }

    /// One whose numbers are as long as they get.
    pub(super) fn longest() -> Self {
        let most = u64::MAX;
        Self { units: most, high: most, low: most, owed: most, rest: most, deposit: most }
    }

    /// Whether nothing is left in it but what is less than a base unit.
    pub(in crate::component) fn is_empty(&self) -> bool {
        self.units == 0 && self.owed == 0
    }

    /// What it has earned beside [`Holding::owed`], in parts of 2^-64 base units.
    pub fn rest(&self) -> u64 {
        self.rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn nothing_is_lost_whatever_comes_in_and_whoever_it_goes_to(
            steps in prop::collection::vec((any::<bool>(), 0usize..5, 0usize..5, 0u64..1 << 40), 0..60),
            supply in 1u64..1 << 50,
        ) {
            let (mut all, mut holders, mut came) = (Accumulator::default(), [Holding::default(); 5], 0u128);
            holders[0].units = supply;
            for (income, from, to, number) in steps {
                if income {
                    all.add(number, 0, supply);
                    came += u128::from(number);
                } else if from != to {
                    holders[from].count(&all);
                    holders[to].count(&all);
                    let moved = number.min(holders[from].units);
                    holders[from].units -= moved;
                    holders[to].units += moved;
                }
            }
            holders.iter_mut().for_each(|holder| holder.count(&all));
            let held: u128 = holders.iter().map(|one| (u128::from(one.owed) << 64) + u128::from(one.rest)).sum();
            prop_assert_eq!(held + all.undivided(), came << 64);
            prop_assert_eq!(holders.iter().map(|one| one.units).sum::<u64>(), supply);
        }
    }

    #[test]
    fn who_holds_twice_as_much_has_twice_as_much_to_the_last_unit() {
        let mut all = Accumulator::default();
        let mut holders = [1u64, 2].map(|units| Holding { units, ..Holding::default() });
        (0..3).for_each(|_| all.add(1, 0, 3));
        holders.iter_mut().for_each(|holder| holder.count(&all));
        assert_eq!(holders.map(|holder| holder.owed), [1, 2]);
        // Ten units among three: a third stays, and with the next two it is one.
        all.add(10, 0, 3);
        holders.iter_mut().for_each(|holder| holder.count(&all));
        assert_eq!(holders.map(|holder| holder.owed), [4, 8]);
        all.add(2, 0, 3);
        holders.iter_mut().for_each(|holder| holder.count(&all));
        assert_eq!(holders.map(|holder| holder.owed), [5, 10]);
    }

    #[test]
    fn the_most_that_can_be_fits() {
        let mut all = Accumulator::default();
        let mut holder = Holding { units: 1, ..Holding::default() };
        all.add(u64::MAX, u64::MAX, 1);
        holder.count(&all);
        assert_eq!(holder.owed, u64::MAX);
        // What comes when nobody holds anything waits for who holds something next.
        let mut empty = Accumulator::default();
        let mut next = Holding { units: 5, ..Holding::default() };
        empty.add(5, u64::MAX, 0);
        empty.add(5, 1, 0);
        assert_eq!(empty.undivided(), 11 << 64);
        empty.add(0, 0, 5);
        next.count(&empty);
        assert_eq!(
            (next.owed, empty.undivided() >> 64),
            (10, 0),
            "a fifth of eleven, five times, and the rest is carried"
        );
    }
}
