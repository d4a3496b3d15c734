//! Dividing an integer amount by weights so that nothing is lost: the largest-remainder rule (Hamilton's method).

use crate::amount::Amount;

/// Splits `total` in proportion to `weights`. The parts sum to `total` exactly; each is within one base unit of its
/// exact share; left-over units go to the largest remainders, ties to the lower index.
///
/// All weights zero (or none given) yields all zeros: the caller decides who gets the total then.
pub fn split(total: Amount, weights: &[u64]) -> Vec<Amount> {
    let sum: u128 = weights.iter().map(|w| u128::from(*w)).sum();
    if sum == 0 {
        return vec![0; weights.len()];
    }
    let mut parts = Vec::with_capacity(weights.len());
    let mut remainders = Vec::with_capacity(weights.len());
    for (index, weight) in weights.iter().enumerate() {
        // Two 64-bit factors always fit 128 bits; sum is not zero; a share is at most the total.
        let product = u128::from(total).saturating_mul(u128::from(*weight));
        let share = product.checked_div(sum).unwrap_or(0);
        parts.push(Amount::try_from(share).unwrap_or(total));
        remainders.push((product.checked_rem(sum).unwrap_or(0), index));
    }
    let given: u128 = parts.iter().map(|p| u128::from(*p)).sum();
    let left = usize::try_from(u128::from(total).saturating_sub(given)).unwrap_or(0);
    remainders.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
    for (_, index) in remainders.into_iter().take(left) {
        if let Some(part) = parts.get_mut(index) {
            *part = part.saturating_add(1);
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ties_go_to_the_first() {
        assert_eq!(split(10, &[1, 1, 1]), vec![4, 3, 3]);
        assert_eq!(split(1, &[5, 5]), vec![1, 0]);
    }

    #[test]
    fn no_weight_gives_nothing() {
        assert_eq!(split(10, &[0, 0]), vec![0, 0]);
        assert!(split(10, &[]).is_empty());
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_shares_are_fair(total: u64, weights in prop::collection::vec(any::<u64>(), 1..40)) {
            prop_assume!(weights.iter().any(|w| *w > 0));
            let parts = split(total, &weights);
            let sum: u128 = parts.iter().map(|p| u128::from(*p)).sum();
            prop_assert_eq!(sum, u128::from(total));
            let all: u128 = weights.iter().map(|w| u128::from(*w)).sum();
            for (part, weight) in parts.iter().zip(&weights) {
                let floor = u128::from(total) * u128::from(*weight) / all;
                prop_assert!(u128::from(*part) == floor || u128::from(*part) == floor + 1);
                prop_assert!(*weight > 0 || *part == 0);
            }
        }
    }
}
