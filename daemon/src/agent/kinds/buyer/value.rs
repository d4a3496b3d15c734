//! What an answer of a seller is worth.

use datanet_types::Amount;

use crate::agent::journal::Tally;

/// Answers whose truth was known.
pub(super) fn graded(tally: &Tally) -> u64 {
    tally.right.saturating_add(tally.wrong)
}

/// What an answer is expected to be worth, where a right one is worth `worth`: by Laplace's rule, with the bonus of UCB1, halved, for who has been
/// tried little among `tried` answers of all; a refusal counts as half a wrong answer.
pub(super) fn expected(tally: &Tally, tried: u64, worth: Amount) -> f64 {
    let (right, n) = (tally.right as f64, graded(tally) as f64 + tally.refused as f64 / 2.0);
    let likely = (right + 1.0) / (n + 2.0);
    let bonus = (2.0 * (tried as f64 + 1.0).ln() / (n + 1.0)).sqrt() / 2.0;
    (likely + bonus).min(1.0) * worth as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tally(right: u64, wrong: u64, refused: u64) -> Tally {
        Tally { right, wrong, refused, ..Tally::default() }
    }

    #[test]
    fn whoever_is_right_more_often_is_worth_more_and_who_is_new_is_tried() {
        assert!(expected(&tally(90, 10, 0), 200, 1_000) > expected(&tally(60, 40, 0), 200, 1_000));
        assert!(expected(&tally(0, 0, 0), 200, 1_000) > expected(&tally(60, 40, 0), 200, 1_000));
        assert!(expected(&tally(0, 0, 9), 0, 1_000) < expected(&tally(0, 0, 0), 0, 1_000));
        assert_eq!(expected(&tally(0, 0, 0), 0, 1_000), 500.0);
    }

    proptest! {
        #[test]
        fn no_answer_is_worth_more_than_a_right_one(right: u32, wrong: u32, refused: u32, tried: u32, worth: u32) {
            let value = expected(&tally(right.into(), wrong.into(), refused.into()), tried.into(), worth.into());
            prop_assert!(value >= 0.0 && value <= f64::from(worth));
        }
    }
}
