//! Real numbers as the ledger and receipts hold them, and back: the only place where one becomes the other.

use datanet_types::{Ppm, SignedPpm};

/// The whole.
pub(crate) const WHOLE: f64 = 1e6;

/// The nearest share; not below zero, and a number that is none is zero.
pub(crate) fn share(value: f64) -> Ppm {
    Ppm((value * WHOLE).round() as u64)
}

/// The nearest measure; a number that is none is zero.
pub(crate) fn measure(value: f64) -> SignedPpm {
    SignedPpm((value * WHOLE).round() as i64)
}

/// A share as a real number.
pub(crate) fn real(share: Ppm) -> f64 {
    share.0 as f64 / WHOLE
}

/// A measure as a real number.
pub(crate) fn real_measure(measure: SignedPpm) -> f64 {
    measure.0 as f64 / WHOLE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_share_becomes_the_nearest_one() {
        assert_eq!((share(0.75), share(-1.0), share(f64::NAN)), (Ppm(750_000), Ppm::ZERO, Ppm::ZERO));
        assert_eq!((measure(-0.25), real_measure(SignedPpm(-250_000))), (SignedPpm(-250_000), -0.25));
        assert_eq!(real(share(0.123_456)), 0.123_456);
    }
}
