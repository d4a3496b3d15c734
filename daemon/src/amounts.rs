//! Amounts as people type them: `1.5DNT`, or base units with `base` behind them. A bare number could be either, and the one
//! is a million times the other, so it is neither; nothing is nothing in both.

use datanet_types::amount::{DNT, display};

/// Base units in what was typed.
///
/// # Errors
/// When it is no amount, has no unit, is finer than a base unit, or does not fit.
pub(crate) fn amount(typed: &str) -> Result<u64, String> {
    let text = typed.trim().replace('_', "");
    let split = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = (text[..split].trim(), &text[split..]);
    let base_units = match unit.to_ascii_lowercase().as_str() {
        "dnt" => in_dnt(number),
        "base" => whole(number),
        "" => whole(number).filter(|number| *number == 0),
        _ => None,
    };
    base_units.ok_or_else(|| match (unit, whole(number), whole_and_fraction(number)) {
        ("", Some(base), _) => {
            format!("{number} of what? write {number}DNT, or {number}base for base units, which are {}", display(base))
        }
        ("", None, Some(_)) => format!("{number} of what? write {number}DNT"),
        _ => "write an amount such as 1.5DNT, of at most six decimals, or 1500000base for base units".to_owned(),
    })
}

fn in_dnt(number: &str) -> Option<u64> {
    let (units, fraction) = whole_and_fraction(number).or_else(|| Some((whole(number)?, 0)))?;
    units.checked_mul(DNT)?.checked_add(fraction)
}

/// The units before the point, and the base units behind it.
fn whole_and_fraction(number: &str) -> Option<(u64, u64)> {
    let (units, fraction) = number.split_once('.')?;
    let fits = (1..=6).contains(&fraction.len());
    let units = if units.is_empty() { 0 } else { whole(units)? };
    fits.then(|| Some((units, whole(&format!("{fraction:0<6}"))?))).flatten()
}

/// Digits alone: no sign, which `parse` would take.
fn whole(digits: &str) -> Option<u64> {
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
}

/// A time as it is typed: `90s`, `15m`, `12h` or `7d`, in seconds.
pub(crate) fn seconds(typed: &str) -> Result<u64, String> {
    let text = typed.trim();
    let split = text.len().saturating_sub(1);
    let unit = match text.get(split..) {
        Some("s") => 1,
        Some("m") => 60,
        Some("h") => 3_600,
        Some("d") => 24 * 3_600,
        _ => 0u64,
    };
    let number: Option<u64> = text.get(..split).and_then(|number| number.parse().ok());
    let seconds = number.and_then(|number| number.checked_mul(unit)).filter(|seconds| *seconds > 0);
    seconds.ok_or_else(|| format!("{typed:?} is no time; write 90s, 15m, 12h or 7d"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_typed_with_their_unit() {
        let typed = ["90s", "15m", "12h", "7d"].map(|typed| seconds(typed).unwrap());
        assert_eq!(typed, [90, 900, 43_200, 604_800]);
        for wrong in ["", "7", "d", "0d", "-1d", "1.5h", "1w", "ü", "99999999999999999999s", "9999999999999999d"] {
            assert!(seconds(wrong).unwrap_err().contains("write 90s"), "{wrong}");
        }
    }

    #[test]
    fn amounts_are_typed_in_dnt_or_in_base_units() {
        for (typed, base_units) in [
            ("1.5DNT", 1_500_000),
            ("2 dnt", 2_000_000),
            (".000001DNT", 1),
            ("0.25 DNT", 250_000),
            ("1500base", 1_500),
            ("1_000base", 1_000),
            ("0", 0),
        ] {
            assert_eq!(amount(typed), Ok(base_units), "{typed}");
        }
        assert_eq!(amount("18446744073709.551615DNT"), Ok(u64::MAX));
    }

    #[test]
    fn what_is_no_amount_is_told_how_to_write_one() {
        for typed in [
            "",
            "DNT",
            "-1",
            "+1DNT",
            "1.0000001DNT",
            "1.DNT",
            "1.5base",
            "1e6",
            "1,5DNT",
            "0x10",
            "5EUR",
            "18446744073710DNT",
        ] {
            assert!(amount(typed).unwrap_err().contains("1.5DNT"), "{typed}");
        }
        assert_eq!(amount("1.5").unwrap_err(), "1.5 of what? write 1.5DNT");
        let bare = amount("5000000").unwrap_err();
        assert_eq!(bare, "5000000 of what? write 5000000DNT, or 5000000base for base units, which are 5 DNT");
    }
}
