//! Parts per million: what weights, shares and probabilities are counted in, so that two nodes round them alike.

use std::fmt;
use std::iter::Sum;

use crate::split::split;

/// Parts in the whole.
const WHOLE: u64 = 1_000_000;

/// A share in parts per million: a weight, a probability, a tolerance. Sums of shares may exceed the whole.
///
/// In JSON a plain number; on the wire a message of one `uint64`, so that a bare number never passes for a share.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Ppm(#[prost(uint64, tag = "1")] pub u64);

impl Ppm {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// The whole.
    pub const ONE: Self = Self(WHOLE);

    /// `part` in `whole`, rounded down; nothing in nothing is [`Ppm::ZERO`].
    ///
    /// ```
    /// use datanet_types::Ppm;
    /// assert_eq!(Ppm::ratio(1, 3), Ppm(333_333));
    /// ```
    pub fn ratio(part: u64, whole: u64) -> Self {
        let share = u128::from(part).saturating_mul(u128::from(WHOLE)).checked_div(u128::from(whole)).unwrap_or(0);
        Self(u64::try_from(share).unwrap_or(u64::MAX))
    }

    /// The whole in proportion to `parts`, by largest remainder: the shares sum to [`Ppm::ONE`] exactly, or all are
    /// zero where all parts are.
    pub fn split(parts: &[u64]) -> Vec<Self> {
        split(WHOLE, parts).into_iter().map(Self).collect()
    }

    /// This share of `amount`, rounded down.
    pub fn of(self, amount: u64) -> u64 {
        let product = u128::from(amount).saturating_mul(u128::from(self.0));
        u64::try_from(product.checked_div(u128::from(WHOLE)).unwrap_or(0)).unwrap_or(u64::MAX)
    }

    /// The sum; what exceeds 64 bits is cut.
    pub const fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// What is left; not below zero.
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// How far two shares lie apart.
    pub const fn abs_diff(self, other: Self) -> Self {
        Self(self.0.abs_diff(other.0))
    }
}

impl Sum for Ppm {
    fn sum<I: Iterator<Item = Self>>(shares: I) -> Self {
        shares.fold(Self::ZERO, Self::saturating_add)
    }
}

impl fmt::Display for Ppm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} parts per million", self.0)
    }
}

/// A measured number, such as an accuracy or an agreement, in parts per million: negative ones and ones above the whole
/// as well.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct SignedPpm(#[prost(sint64, tag = "1")] pub i64);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use prost::Message;

    use super::*;

    #[test]
    fn a_share_of_nothing_is_nothing() {
        assert_eq!((Ppm::ratio(5, 0), Ppm::ratio(0, 5), Ppm::ratio(5, 5)), (Ppm::ZERO, Ppm::ZERO, Ppm::ONE));
        assert_eq!(Ppm::ratio(u64::MAX, 1), Ppm(u64::MAX));
        assert_eq!(Ppm(u64::MAX).of(u64::MAX), u64::MAX);
    }

    #[test]
    fn on_the_wire_it_is_a_message_and_in_json_a_number() {
        assert_eq!(hex::encode(Ppm(300).encode_to_vec()), "08ac02");
        assert_eq!(hex::encode(SignedPpm(-1).encode_to_vec()), "0801");
        assert_eq!(serde_json::to_string(&(Ppm(300), SignedPpm(-1))).unwrap(), "[300,-1]");
    }

    proptest! {
        #[test]
        fn shares_sum_to_the_whole(parts in prop::collection::vec(any::<u64>(), 1..40)) {
            prop_assume!(parts.iter().any(|part| *part > 0));
            prop_assert_eq!(Ppm::split(&parts).into_iter().sum::<Ppm>(), Ppm::ONE);
        }

        #[test]
        fn a_share_is_never_more_than_it_is_of(part: u64, whole in 1u64..) {
            let part = part % whole;
            let share = Ppm::ratio(part, whole);
            prop_assert!(share <= Ppm::ONE && share.of(whole) <= part);
        }
    }
}
