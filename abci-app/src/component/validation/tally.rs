//! From votes to a verdict: arithmetic only.

use datanet_types::amount::BPS;
use datanet_types::split::split;
use datanet_types::{Amount, Scores};

/// What a member revealed, and how many seats speak with it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Vote {
    /// Its seats.
    pub seats: u32,
    /// The scores; none if it could not get the bytes.
    pub scores: Option<Scores>,
}

/// What the votes come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// These scores.
    Judged(Scores),
    /// There was nothing to judge.
    Unavailable,
    /// Too few voted, or too few agree whether there was anything to judge.
    Open,
}

/// Two thirds of the seats must have revealed. More than half of those decide that the bytes were not to be had; scores count if
/// more than half of all seats gave some: whoever shows the bytes to a few judges only does not choose his judges by that.
pub(super) fn outcome(votes: &[Vote], seats: u32) -> Outcome {
    let sum =
        |wanted: fn(&Vote) -> bool| votes.iter().filter(|vote| wanted(vote)).map(|v| u64::from(v.seats)).sum::<u64>();
    let (scored, unavailable, seats) = (sum(|v| v.scores.is_some()), sum(|v| v.scores.is_none()), u64::from(seats));
    let revealed = scored.saturating_add(unavailable);
    if seats == 0 || revealed.saturating_mul(3) < seats.saturating_mul(2) {
        return Outcome::Open;
    }
    if unavailable.saturating_mul(2) > revealed {
        return Outcome::Unavailable;
    }
    match medians(votes) {
        Some(scores) if scored.saturating_mul(2) > seats => Outcome::Judged(scores),
        _ => Outcome::Open,
    }
}

/// The median of each dimension over the seats that gave scores; `None` without any.
fn medians(votes: &[Vote]) -> Option<Scores> {
    let mut medians = [0; 4];
    for (index, median) in medians.iter_mut().enumerate() {
        let of = |vote: &Vote| vote.scores?.as_array().get(index).map(|score| (*score, vote.seats));
        *median = lower_median(votes.iter().filter_map(of).collect())?;
    }
    Some(Scores::from_array(medians))
}

/// The smallest value at which the seats at or below it are at least half. It is always a value that somebody gave, and no
/// minority of seats can move it beyond what the others gave.
fn lower_median(mut values: Vec<(u32, u32)>) -> Option<u32> {
    values.sort_unstable();
    let total = values.iter().fold(0u64, |sum, (_, seats)| sum.saturating_add(u64::from(*seats)));
    let mut below = 0u64;
    values.into_iter().find_map(|(value, seats)| {
        below = below.saturating_add(u64::from(seats));
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

/// What a member's work is paid by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Work {
    /// Its seats; 0 if it did nothing.
    pub seats: u32,
    /// Its reputation at the draw, in basis points.
    pub reputation_bps: u32,
    /// How close it was, in basis points.
    pub accuracy_bps: u32,
}

/// Divides the review fee in proportion to seats x reputation x accuracy; by the first two alone if nobody was accurate at all.
/// The parts sum to `fee` unless nobody did anything.
pub(super) fn rewards(fee: Amount, work: &[Work]) -> Vec<Amount> {
    let base = |work: &Work| u64::from(work.seats).saturating_mul(u64::from(work.reputation_bps.max(1)));
    let earned = |work: &Work| base(work).saturating_mul(u64::from(work.accuracy_bps));
    let inaccurate = work.iter().all(|work| earned(work) == 0);
    let weights: Vec<u64> = work.iter().map(|work| if inaccurate { base(work) } else { earned(work) }).collect();
    split(fee, &weights)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(score: u32) -> Scores {
        Scores::from_array([score; 4])
    }

    fn vote(seats: u32, score: u32) -> Vote {
        Vote { seats, scores: Some(all(score)) }
    }

    fn nothing(seats: u32) -> Vote {
        Vote { seats, scores: None }
    }

    fn votes() -> impl Strategy<Value = Vec<Vote>> {
        let one = ([0u32..=10_000, 0u32..=10_000, 0u32..=10_000, 0u32..=10_000], 1u32..64)
            .prop_map(|(scores, seats)| Vote { seats, scores: Some(Scores::from_array(scores)) });
        prop::collection::vec(one, 1..64)
    }

    proptest! {
        #[test]
        fn the_median_is_a_value_that_somebody_gave(votes in votes()) {
            let median = medians(&votes).unwrap().as_array();
            for (index, median) in median.into_iter().enumerate() {
                let given = |vote: &Vote| vote.scores.unwrap().as_array()[index];
                prop_assert!(votes.iter().any(|vote| given(vote) == median));
                let total: u32 = votes.iter().map(|vote| vote.seats).sum();
                let below: u32 = votes.iter().filter(|vote| given(vote) < median).map(|vote| vote.seats).sum();
                let above: u32 = votes.iter().filter(|vote| given(vote) > median).map(|vote| vote.seats).sum();
                prop_assert!(below * 2 < total && above * 2 <= total);
            }
        }

        #[test]
        fn rewards_sum_to_the_fee(
            fee: u64, work in prop::collection::vec((1u32..=64, 0u32..=10_000, 0u32..=10_000), 1..64),
        ) {
            let work: Vec<Work> = work
                .into_iter()
                .map(|(seats, reputation_bps, accuracy_bps)| Work { seats, reputation_bps, accuracy_bps })
                .collect();
            let paid: u128 = rewards(fee, &work).iter().map(|part| u128::from(*part)).sum();
            prop_assert_eq!(paid, u128::from(fee));
        }

        #[test]
        fn a_verdict_takes_two_thirds_of_the_seats_and_scores_a_majority_of_all(
            scored in 0u32..20, unavailable in 0u32..20, silent in 0u32..20,
        ) {
            let votes = [vote(scored, 7_000), nothing(unavailable)];
            let (seats, revealed) = (scored + unavailable + silent, scored + unavailable);
            match outcome(&votes, seats) {
                Outcome::Judged(scores) => {
                    prop_assert_eq!(scores, all(7_000));
                    prop_assert!(scored * 2 > seats && revealed * 3 >= seats * 2 && unavailable <= scored);
                }
                Outcome::Unavailable => prop_assert!(unavailable > scored && revealed * 3 >= seats * 2),
                Outcome::Open => prop_assert!(seats == 0 || revealed * 3 < seats * 2 || scored * 2 <= seats),
            }
        }
    }

    #[test]
    fn of_two_equal_halves_the_lower_score_counts() {
        assert_eq!(medians(&[vote(5, 9_000), vote(5, 4_000)]), Some(all(4_000)));
        assert_eq!(medians(&[]), None);
        assert_eq!(medians(&[nothing(3)]), None);
    }

    #[test]
    fn three_seats_outvote_two() {
        assert_eq!(outcome(&[vote(1, 1_000), vote(1, 2_000), vote(3, 9_000)], 5), Outcome::Judged(all(9_000)));
    }

    #[test]
    fn distance_costs_the_same_in_both_directions() {
        assert_eq!(accuracy(&all(6_000), &all(5_000)), 9_000);
        assert_eq!(accuracy(&all(4_000), &all(5_000)), 9_000);
        assert_eq!(accuracy(&all(10_000), &all(0)), 0);
    }

    #[test]
    fn two_thirds_are_enough_and_less_is_not() {
        assert_eq!(outcome(&[vote(2, 7_000)], 3), Outcome::Judged(all(7_000)));
        assert_eq!(outcome(&[vote(199, 7_000)], 300), Outcome::Open);
        assert_eq!(outcome(&[], 0), Outcome::Open);
        assert_eq!(outcome(&[nothing(2)], 3), Outcome::Unavailable);
        assert_eq!(outcome(&[nothing(1), vote(1, 1)], 3), Outcome::Open, "one against one is nothing");
        assert_eq!(outcome(&[nothing(1), vote(2, 7_000)], 4), Outcome::Open, "half of all seats are no majority");
    }

    #[test]
    fn reputation_decides_pay_and_nobody_accurate_is_paid_without_it() {
        let work = |seats, reputation_bps, accuracy_bps| Work { seats, reputation_bps, accuracy_bps };
        assert_eq!(rewards(30, &[work(1, 4_000, 9_000), work(1, 8_000, 9_000)]), vec![10, 20]);
        assert_eq!(rewards(10, &[work(3, 5_000, 0), work(1, 5_000, 0)]), vec![8, 2]);
        assert_eq!(rewards(10, &[work(0, 5_000, 0), work(1, 5_000, 9_000)]), vec![0, 10]);
    }
}
