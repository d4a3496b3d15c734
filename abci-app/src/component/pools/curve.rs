//! The arithmetic of a pool: whatever is rounded is rounded for it, so that shares times money by unit squared never falls.
//!
//! Reserves are records. What lies in the pool's accounts has no part in any price: nobody can pay into these, and if somebody could, it would
//! change nothing.

use datanet_types::Amount;
use datanet_types::amount::BPS;

/// Units of a pool that nobody ever owns: so that its first provider, who could otherwise make one unit worth any sum, cannot make those after
/// it lose more than a thousandth by rounding.
pub const LOCKED_UNITS: u64 = 1_000;

/// What of a pool is moved together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parts {
    /// Units of the pool.
    pub units: u64,
    /// Shares.
    pub shares: u64,
    /// Base units.
    pub amount: Amount,
}

/// `a * b / c`, rounded down.
fn down(a: u64, b: u64, c: u64) -> Option<u64> {
    u64::try_from(u128::from(a).checked_mul(b.into())?.checked_div(c.into())?).ok()
}

/// The same, rounded up.
fn up(a: u64, b: u64, c: u64) -> Option<u64> {
    if c == 0 {
        return None;
    }
    u64::try_from(u128::from(a).checked_mul(b.into())?.div_ceil(c.into())).ok()
}

/// What `given` brings of the other side: the fee, rounded up, stays in the pool, and shares times money does not fall. `None` where a sum does not
/// fit.
pub fn exchange(given: u64, reserve_given: u64, reserve_taken: u64, fee_bps: u32) -> Option<u64> {
    reserve_given.checked_add(given)?;
    let counted = down(given, BPS.checked_sub(fee_bps.into())?, BPS)?;
    down(reserve_taken, counted, reserve_given.checked_add(counted)?)
}

/// Units of a pool that begins with so much; the square root of shares times money, of which [`LOCKED_UNITS`] are nobody's.
pub fn first_units(shares: u64, amount: Amount) -> u64 {
    let product = u128::from(shares).saturating_mul(amount.into());
    // The root of a number of 128 bits has 64.
    u64::try_from(product.isqrt()).unwrap_or(u64::MAX)
}

/// What is put into a pool that holds `pool`, of at most so many shares and so much money: as many units as both are enough for, rounded
/// down, and for them of both sides, rounded up. `None` where that does not fit.
pub fn add(pool: &Parts, max_shares: u64, max_amount: Amount) -> Option<Parts> {
    // More than a number holds of one side is more than the other side is enough for.
    let most = |max, reserve| down(max, pool.units, reserve).unwrap_or(u64::MAX);
    let units = most(max_shares, pool.shares).min(most(max_amount, pool.amount));
    pool.units.checked_add(units)?;
    let (shares, amount) = (up(units, pool.shares, pool.units)?, up(units, pool.amount, pool.units)?);
    pool.shares.checked_add(shares)?;
    pool.amount.checked_add(amount)?;
    Some(Parts { units, shares, amount })
}

/// What so many units of a pool that holds `pool` are worth, rounded down.
pub fn remove(pool: &Parts, units: u64) -> Option<Parts> {
    let (shares, amount) = (down(units, pool.shares, pool.units)?, down(units, pool.amount, pool.units)?);
    Some(Parts { units, shares, amount })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Whether shares times money by unit squared has not fallen.
    fn grew(before: &Parts, after: &Parts) -> bool {
        use num::Wide;
        let product = |one: &Parts, other: &Parts| {
            let held = u128::from(one.shares) * u128::from(one.amount);
            Wide::product(held, u128::from(other.units) * u128::from(other.units))
        };
        product(after, before) >= product(before, after)
    }

    /// Products of two numbers of 128 bits.
    mod num {
        #[derive(PartialEq, Eq, PartialOrd, Ord)]
        pub(super) struct Wide(u128, u128);

        impl Wide {
            pub(super) fn product(a: u128, b: u128) -> Self {
                let half = |n: u128| (n >> 64, n & u128::from(u64::MAX));
                let ((ah, al), (bh, bl)) = (half(a), half(b));
                let (low, middle) = (al * bl, [ah * bl, al * bh]);
                let mut carry = low >> 64;
                let mut high = ah * bh;
                for part in middle {
                    let (part_high, part_low) = half(part);
                    carry += part_low;
                    high += part_high;
                }
                Self(high + (carry >> 64), (carry << 64) | (low & u128::from(u64::MAX)))
            }
        }
    }

    fn after(pool: &Parts, step: (u8, u64, u64), fee: u32) -> Option<Parts> {
        let (kind, a, b) = step;
        Some(match kind % 4 {
            0 => {
                let out = exchange(a, pool.amount, pool.shares, fee)?;
                Parts { shares: pool.shares - out, amount: pool.amount + a, ..*pool }
            }
            1 => {
                let out = exchange(a, pool.shares, pool.amount, fee)?;
                Parts { amount: pool.amount - out, shares: pool.shares + a, ..*pool }
            }
            2 => {
                let more = add(pool, a, b)?;
                assert!(more.shares <= a && more.amount <= b, "no more than was given");
                Parts {
                    units: pool.units + more.units,
                    shares: pool.shares + more.shares,
                    amount: pool.amount + more.amount,
                }
            }
            _ => {
                let less = remove(pool, a % (pool.units - LOCKED_UNITS + 1))?;
                Parts {
                    units: pool.units - less.units,
                    shares: pool.shares - less.shares,
                    amount: pool.amount - less.amount,
                }
            }
        })
    }

    proptest! {
        #[test]
        fn whatever_is_done_in_whatever_order_what_a_unit_stands_for_never_falls(
            shares in 1u64..1 << 50,
            amount in 1u64..1 << 60,
            fee in 0u32..1_000,
            steps in prop::collection::vec((any::<u8>(), 0u64..1 << 62, 0u64..1 << 62), 0..40),
        ) {
            let units = first_units(shares, amount);
            prop_assume!(units > LOCKED_UNITS);
            let mut pool = Parts { units, shares, amount };
            for step in steps {
                let Some(next) = after(&pool, step, fee) else { continue };
                prop_assert!(grew(&pool, &next), "{pool:?} became {next:?}");
                prop_assert!(next.shares > 0 && next.amount > 0, "a pool is never empty");
                pool = next;
            }
        }

        #[test]
        fn there_and_back_gives_no_more(given in 1u64..1 << 50, shares in 1u64..1 << 50, amount in 1u64..1 << 50, fee in 0u32..1_000) {
            let bought = exchange(given, amount, shares, fee).unwrap();
            let back = exchange(bought, shares - bought, amount + given, fee).unwrap();
            prop_assert!(back <= given);
        }
    }

    #[test]
    fn what_an_exchange_gives_is_what_a_hand_reckons() {
        // 10,000 x 1,000,000 at 30 basis points: 99,700 count of 100,000, and 10,000 x 99,700 / 1,099,700 is 906.6.
        assert_eq!(exchange(100_000, 1_000_000, 10_000, 30), Some(906));
        assert_eq!(exchange(1, 1_000_000, 10_000, 30), Some(0), "less than a unit of fee is a whole one");
        assert_eq!(exchange(u64::MAX, 1, 1, 0), None);
        assert_eq!(first_units(10_000, 1_000_000), 100_000);
        assert_eq!(first_units(u64::MAX, u64::MAX), u64::MAX);
        let pool = Parts { units: 100_000, shares: 10_000, amount: 1_000_000 };
        assert_eq!(add(&pool, 100, 20_000), Some(Parts { units: 1_000, shares: 100, amount: 10_000 }));
        assert_eq!(add(&pool, 100, 9_999), Some(Parts { units: 999, shares: 100, amount: 9_990 }));
        assert_eq!(remove(&pool, 999), Some(Parts { units: 999, shares: 99, amount: 9_990 }));
    }
}
