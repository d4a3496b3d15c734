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
    fn only_json_numbers_are_numbers() {
        for bad in ["", "-", "01", "1.", ".5", "1e", "1e+", "+1", "NaN", "inf"] {
            assert!(scan_number(bad.as_bytes()).is_none_or(|(end, _)| end != bad.len()), "{bad}");
        }
        assert_eq!(scan_number(b"-0.5e-3,"), Some((7, false)));
        assert_eq!(scan_number(b"17}"), Some((2, true)));
    }

    proptest! {
        #[test]
        fn a_written_number_reads_back(value in proptest::num::f64::NORMAL | proptest::num::f64::SUBNORMAL) {
            let text = written(value);
            prop_assert_eq!(text.parse::<f64>().unwrap(), value);
            prop_assert_eq!(scan_number(text.as_bytes()).map(|(end, _)| end), Some(text.len()));
            prop_assert!(serde_json::from_str::<f64>(&text).is_ok());
        }
    }
}
