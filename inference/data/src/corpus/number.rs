//! One spelling for each number.

use std::fmt::Write;

/// Whole numbers up to here are exact in a double, and are written without a fraction.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Appends the canonical spelling of a finite `value`: whole numbers up to 2^53 as such, everything else as the shortest
/// decimal that reads back as the same double, with an exponent below 1e-5 and from 1e17 on.
pub(crate) fn write_number(out: &mut String, value: f64) {
    let written = if value.fract() == 0.0 && value.abs() <= EXACT {
        // In range by the test above; -0.0 becomes 0.
        write!(out, "{}", value as i64)
    } else if (1e-5..1e17).contains(&value.abs()) {
        write!(out, "{value}")
    } else {
        write!(out, "{value:e}")
    };
    // Writing to a string cannot fail.
    let _ = written;
}

/// Why a number is not taken for a whole one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotWhole {
    /// It has a fraction.
    Fraction,
    /// From here on doubles skip whole numbers: what was meant is not known.
    Inexact,
}

/// The whole number that a double is exactly.
pub(crate) fn whole_double(value: f64) -> Result<i64, NotWhole> {
    match (value.fract() == 0.0, value.abs() <= EXACT) {
        (false, _) => Err(NotWhole::Fraction),
        (_, false) => Err(NotWhole::Inexact),
        // In range by the test above.
        _ => Ok(value as i64),
    }
}

/// The whole number that a JSON number with a fraction or an exponent is exactly, by its digits: 5.0, 5e0, 50e-1. The
/// bound is that of doubles, so that one value is read alike from every format.
pub(crate) fn whole_value(literal: &str) -> Result<i64, NotWhole> {
    let (mantissa, exponent) = literal.split_once(['e', 'E']).unwrap_or((literal, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let is_negative = whole.starts_with('-');
    let digits = format!("{}{fraction}", whole.trim_start_matches('-'));
    let significant = digits.trim_end_matches('0');
    if significant.is_empty() {
        return Ok(0);
    }
    // An exponent beyond 64 bits is far out of range on its side of zero.
    let exponent = exponent.parse::<i64>().unwrap_or(if exponent.starts_with('-') { i64::MIN } else { i64::MAX });
    let dropped = (digits.len() - significant.len()) as i64 - fraction.len() as i64;
    let scale = exponent.saturating_add(dropped);
    if scale < 0 {
        return Err(NotWhole::Fraction);
    }
    let significant = significant.trim_start_matches('0');
    let power = u32::try_from(scale).ok().and_then(|scale| 10_i64.checked_pow(scale)).ok_or(NotWhole::Inexact)?;
    let value = significant.parse::<i64>().ok().and_then(|value| value.checked_mul(power)).ok_or(NotWhole::Inexact)?;
    if value as f64 > EXACT || value > EXACT as i64 {
        return Err(NotWhole::Inexact);
    }
    Ok(if is_negative { -value } else { value })
}

/// Whether a number keeps its value in a field of doubles: of whole ones without an exponent, one that is a double, or the
/// spelling of one. People mean every digit of those (ids, amounts), and a double would change the last of them.
pub(crate) fn is_kept(literal: &str, value: f64) -> bool {
    let digits = literal.trim_start_matches('-');
    let whole = match digits.split_once('.') {
        None => digits,
        Some((whole, fraction)) if fraction.bytes().all(|byte| byte == b'0') => whole,
        Some(_) => return true,
    };
    // Fifteen digits always fit.
    whole.len() <= 15
        || !value.is_finite()
        || whole.contains(['e', 'E'])
        || format!("{:.0}", value.abs()) == whole
        || value.abs().to_string() == whole
}

/// Length of the JSON number at the start of `bytes`, and whether it has neither fraction nor exponent.
pub(crate) fn scan_number(bytes: &[u8]) -> Option<(usize, bool)> {
    let digits = |from: usize| bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let mut at = usize::from(bytes.first() == Some(&b'-'));
    let whole = digits(at);
    if whole == 0 || (whole > 1 && bytes[at] == b'0') {
        return None;
    }
    at += whole;
    let mut is_whole = true;
    if bytes.get(at) == Some(&b'.') {
        let fraction = digits(at + 1);
        if fraction == 0 {
            return None;
        }
        at += 1 + fraction;
        is_whole = false;
    }
    if matches!(bytes.get(at), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
        let exponent = digits(at + 1 + sign);
        if exponent == 0 {
            return None;
        }
        at += 1 + sign + exponent;
        is_whole = false;
    }
    Some((at, is_whole))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(value: f64) -> String {
        let mut out = String::new();
        write_number(&mut out, value);
        out
    }

    #[test]
    fn numbers_have_one_spelling() {
        for (value, text) in [(1.0, "1"), (-0.0, "0"), (1.5, "1.5"), (1e300, "1e300"), (1e-7, "1e-7"), (0.1, "0.1")] {
            assert_eq!(written(value), text);
        }
    }

    #[test]
    fn whole_numbers_are_told_by_their_digits() {
        for (literal, value) in
            [("5.0", 5), ("-5.00", -5), ("0.0", 0), ("-0e9", 0), ("1.5e1", 15), ("50e-1", 5), ("1E3", 1000)]
        {
            assert_eq!(whole_value(literal), Ok(value), "{literal}");
        }
        assert_eq!(whole_value("9007199254740992.0"), Ok(1 << 53));
        for literal in ["4.5", "1e-1", "4.00000000000000000001", "5e-99999999999999999999"] {
            assert_eq!(whole_value(literal), Err(NotWhole::Fraction), "{literal}");
        }
        for literal in ["9007199254740993.0", "1e30", "1e99999999999999999999", "-9007199254740993e0"] {
            assert_eq!(whole_value(literal), Err(NotWhole::Inexact), "{literal}");
        }
    }

    #[test]
    fn a_whole_number_that_a_double_would_change_is_told() {
        let kept = |literal: &str| is_kept(literal, literal.parse().unwrap());
        // The last but two are 2^63 and the double next to 2^60 as other systems print it.
        for literal in [
            "9007199254740992",
            "-9007199254740994",
            "1e300",
            "9007199254740993e0",
            "0.12345678901234567890",
            "9223372036854775808",
            "1152921504606847000",
            "100000000000000000000.00",
            &"9".repeat(400),
        ] {
            assert!(kept(literal), "{literal}");
        }
        for literal in ["9007199254740993", "-9007199254740993", "9007199254740993.0", "18446744073709551615"] {
            assert!(!kept(literal), "{literal}");
        }
    }

    #[test]
    fn only_json_numbers_are_numbers() {
        for bad in ["", "-", "01", "1.", ".5", "1e", "1e+", "+1", "NaN", "inf"] {
            assert!(scan_number(bad.as_bytes()).is_none_or(|(end, _)| end != bad.len()), "{bad}");
        }
        assert_eq!(scan_number(b"-0.5e-3,"), Some((7, false)));
        assert_eq!(scan_number(b"17}"), Some((2, true)));
    }

    proptest! {
        #[test]
        fn digits_and_doubles_agree_on_what_is_whole(value in prop_oneof![-1e16f64..1e16, (-1i64 << 54..1i64 << 54).prop_map(|n| n as f64)]) {
            prop_assert_eq!(whole_value(&format!("{value:?}")), whole_double(value));
        }

        #[test]
        fn a_written_number_reads_back(value in proptest::num::f64::NORMAL | proptest::num::f64::SUBNORMAL) {
            let text = written(value);
            prop_assert_eq!(text.parse::<f64>().unwrap(), value);
            prop_assert_eq!(scan_number(text.as_bytes()).map(|(end, _)| end), Some(text.len()));
            prop_assert!(serde_json::from_str::<f64>(&text).is_ok());
            prop_assert!(is_kept(&text, value));
        }
    }
}
