//! From judgements to a verdict: arithmetic only.

use datanet_types::amount::BPS;
use datanet_types::split::split;
use datanet_types::{Amount, Scores};

/// One member's judgement and what it weighs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Judgement {
    /// Stake x reputation.
    pub weight: u128,
    /// The scores.
    pub scores: Scores,
}

/// Whether those who revealed carry at least two thirds of the drawn weight.
pub(super) fn is_quorum(revealed: u128, drawn: u128) -> bool {
    drawn > 0 && revealed.saturating_mul(3) >= drawn.saturating_mul(2)
}

/// The weighted median of each dimension; `None` without judgements.
pub(super) fn medians(judgements: &[Judgement]) -> Option<Scores> {
    let mut medians = [0; 4];
    for (index, median) in medians.iter_mut().enumerate() {
        let of = |j: &Judgement| j.scores.as_array().get(index).map(|score| (*score, j.weight));
        *median = weighted_median(judgements.iter().filter_map(of).collect())?;
    }
    Some(Scores::from_array(medians))
}

/// The lower weighted median: the smallest value at which those at or below it carry at least half of the weight.
/// It is always a value that somebody gave, and no minority of weight can move it beyond what the others gave.
fn weighted_median(mut values: Vec<(u32, u128)>) -> Option<u32> {
    values.sort_unstable();
    let total = values.iter().fold(0u128, |sum, (_, weight)| sum.saturating_add(*weight));
    let mut below = 0u128;
    values.into_iter().find_map(|(value, weight)| {
        below = below.saturating_add(weight);
        (below.saturating_mul(2) >= total).then_some(value)
    })
}

/// Closeness to the tally in basis points: 10,000 less the mean distance over the four dimensions, in whichever
/// direction.
pub(super) fn accuracy(scores: &Scores, tally: &Scores) -> u32 {
    let distance = scores
        .as_array()
        .into_iter()
        .zip(tally.as_array())
        .fold(0u32, |sum, (given, agreed)| sum.saturating_add(given.abs_diff(agreed)));
    let mean = distance.checked_div(4).unwrap_or(0);
    u32::try_from(BPS).unwrap_or(u32::MAX).saturating_sub(mean)
}

/// Divides the review fee in proportion to accuracy x weight; by weight alone if nobody was accurate at all.
/// The parts sum to `fee` unless there is nobody.
pub(super) fn rewards(fee: Amount, judges: &[(u128, u32)]) -> Vec<Amount> {
    let earned: Vec<u128> =
        judges.iter().map(|(weight, accuracy)| weight.saturating_mul(u128::from(*accuracy))).collect();
    let weights = if earned.iter().all(|w| *w == 0) { judges.iter().map(|(w, _)| *w).collect() } else { earned };
    split(fee, &scaled(&weights))
}

/// The weights, all halved until the largest fits 64 bits: what is cut off is below one part in 2^63.
fn scaled(weights: &[u128]) -> Vec<u64> {
    let largest = weights.iter().copied().max().unwrap_or(0);
    let shift = 64u32.saturating_sub(largest.leading_zeros());
    weights.iter().map(|w| u64::try_from(w.checked_shr(shift).unwrap_or(0)).unwrap_or(u64::MAX)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(score: u32) -> Scores {
        Scores::from_array([score; 4])
    }

    fn judgements() -> impl Strategy<Value = Vec<Judgement>> {
        let one = ([0u32..=10_000, 0u32..=10_000, 0u32..=10_000, 0u32..=10_000], 1u128..1 << 78)
            .prop_map(|(scores, weight)| Judgement { weight, scores: Scores::from_array(scores) });
        prop::collection::vec(one, 1..64)
    }

    proptest! {
        #[test]
        fn the_median_is_a_value_that_somebody_gave(judgements in judgements()) {
            let median = medians(&judgements).unwrap().as_array();
            for (index, median) in median.into_iter().enumerate() {
                let given = |j: &Judgement| j.scores.as_array()[index];
                prop_assert!(judgements.iter().any(|j| given(j) == median));
                let total: u128 = judgements.iter().map(|j| j.weight).sum();
                let below: u128 = judgements.iter().filter(|j| given(j) < median).map(|j| j.weight).sum();
                let above: u128 = judgements.iter().filter(|j| given(j) > median).map(|j| j.weight).sum();
                prop_assert!(below * 2 < total && above * 2 <= total);
            }
        }

        #[test]
        fn rewards_sum_to_the_fee(fee: u64, judges in prop::collection::vec((1u128..1 << 78, 0u32..=10_000), 1..64)) {
            let paid: u128 = rewards(fee, &judges).iter().map(|part| u128::from(*part)).sum();
            prop_assert_eq!(paid, u128::from(fee));
        }
    }

    #[test]
    fn of_two_equal_weights_the_lower_score_counts() {
        let judgement = |score| Judgement { weight: 5, scores: all(score) };
        assert_eq!(medians(&[judgement(9_000), judgement(4_000)]), Some(all(4_000)));
        assert_eq!(medians(&[]), None);
    }

    #[test]
    fn a_heavy_member_outweighs_two_light_ones() {
        let judgements = [(1, 1_000), (1, 2_000), (3, 9_000)].map(|(weight, s)| Judgement { weight, scores: all(s) });
        assert_eq!(medians(&judgements), Some(all(9_000)));
    }

    #[test]
    fn distance_costs_the_same_in_both_directions() {
        assert_eq!(accuracy(&all(6_000), &all(5_000)), 9_000);
        assert_eq!(accuracy(&all(4_000), &all(5_000)), 9_000);
        assert_eq!(accuracy(&all(10_000), &all(0)), 0);
    }

    #[test]
    fn two_thirds_are_enough_and_less_is_not() {
        assert!(is_quorum(2, 3));
        assert!(!is_quorum(199, 300));
        assert!(!is_quorum(0, 0));
    }

    #[test]
    fn nobody_accurate_is_paid_by_weight() {
        assert_eq!(rewards(10, &[(3, 0), (1, 0)]), vec![8, 2]);
    }
}
