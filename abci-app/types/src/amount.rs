//! Money: whole base units, never a fraction.

/// An amount in base units. One `DNT` is a million of them.
pub type Amount = u64;

/// Base units in one `DNT`.
pub const DNT: Amount = 1_000_000;

/// Basis points in the whole: scores, reputations and shares are given in these.
pub const BPS: u64 = 10_000;

/// `amount * numerator / denominator`, rounded down, without overflow in between.
///
/// `None` if `denominator` is zero or the result does not fit.
pub fn mul_div(amount: Amount, numerator: u64, denominator: u64) -> Option<Amount> {
    let product = u128::from(amount).checked_mul(u128::from(numerator))?;
    Amount::try_from(product.checked_div(u128::from(denominator))?).ok()
}

/// `1234567` as `1.234567 DNT`: for people, never for arithmetic.
pub fn display(amount: Amount) -> String {
    let (whole, part) = (amount / DNT, amount % DNT);
    let text = format!("{whole}.{part:06}");
    format!("{} DNT", text.trim_end_matches('0').trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_beyond_64_bits_still_divide() {
        assert_eq!(mul_div(u64::MAX, 10_000, 10_000), Some(u64::MAX));
        assert_eq!(mul_div(u64::MAX, 2, 1), None);
        assert_eq!(mul_div(1, 1, 0), None);
    }

    #[test]
    fn amounts_read_as_people_write_them() {
        assert_eq!(display(1_500_000), "1.5 DNT");
        assert_eq!(display(2_000_000), "2 DNT");
        assert_eq!(display(1), "0.000001 DNT");
    }
}
