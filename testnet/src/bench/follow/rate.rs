//! How rare something is that was found seldom, or never.

/// What a rate that is larger would make so unlikely.
const CHANCE: f64 = 0.05;
/// Halvings: as far as 64 bits go.
const HALVINGS: usize = 60;

/// The largest rate at which so few of so many are still found once in twenty times: the upper end of the exact binomial interval (Clopper and
/// Pearson 1934), 95 % to one side. Of none found it is about three by their number.
pub(super) fn at_most(found: usize, of: usize) -> f64 {
    if found >= of {
        return 1.0;
    }
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..HALVINGS {
        let middle = (low + high) / 2.0;
        if so_few(found, of, middle) > CHANCE {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}

/// The chance of at most `found` of `of` at this rate.
fn so_few(found: usize, of: usize, rate: f64) -> f64 {
    let (mut logarithm, mut sum) = (of as f64 * (1.0 - rate).ln(), 0.0);
    for count in 0..=found {
        sum += logarithm.exp();
        logarithm += ((of - count) as f64 / (count + 1) as f64).ln() + (rate / (1.0 - rate)).ln();
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_none_found_three_by_their_number_is_the_most() {
        assert!((at_most(0, 4_800) * 4_800.0 - 2.995).abs() < 1e-2);
        assert!((at_most(0, 100_000) * 100_000.0 - 2.996).abs() < 1e-2);
    }

    #[test]
    fn it_is_what_tables_say() {
        assert!((at_most(5, 10) - 0.7776).abs() < 1e-4);
        assert!((at_most(1, 20) - 0.2161).abs() < 1e-4);
        assert_eq!((at_most(3, 3), at_most(0, 0)), (1.0, 1.0));
    }
}
