//! Amounts as people type them: `1.5DNT`, or base units with `base` behind them or nothing.

use datanet_types::amount::DNT;

/// Base units in what was typed.
///
/// # Errors
/// When it is no amount, is finer than a base unit, or does not fit.
pub(super) fn amount(typed: &str) -> Result<u64, String> {
    let text = typed.trim().replace('_', "");
    let split = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = (text[..split].trim(), &text[split..]);
    let base_units = match unit.to_ascii_lowercase().as_str() {
        "dnt" => in_dnt(number),
        "" | "base" => whole(number),
        _ => None,
    };
    base_units.ok_or_else(|| match whole_and_fraction(number) {
        Some(_) if unit.is_empty() => format!("base units are whole; write {number}DNT if that is meant"),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_typed_in_dnt_or_in_base_units() {
        for (typed, base_units) in [
            ("1.5DNT", 1_500_000),
            ("2 dnt", 2_000_000),
            (".000001DNT", 1),
            ("0.25 DNT", 250_000),
            ("1500base", 1_500),
            ("1_000", 1_000),
            ("7", 7),
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
        assert!(amount("1.5").unwrap_err().contains("write 1.5DNT if that is meant"));
    }
}
