//! What doubting a verdict is worth.

use datanet_types::Amount;

/// How much the owner's confidence weighs, in challenges.
const WEIGHT: f64 = 10.0;

/// What a challenge is expected to bring back: with the deposit up to as much again, half of the penalty, if it is right; as often as the judge's own
/// record says, which begins with the owner's confidence, in percent.
pub(super) fn expected(right: u64, wrong: u64, confidence: u32, deposit: Amount, penalty: Amount) -> f64 {
    let prior = f64::from(confidence.min(100)) / 100.0;
    let likely = (right as f64 + WEIGHT * prior) / (right as f64 + wrong as f64 + WEIGHT);
    likely * deposit.saturating_add(deposit.min(penalty / 2)) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_judge_who_is_wrong_too_often_stops_doubting() {
        let gain = |right, wrong, penalty| expected(right, wrong, 80, 300, penalty) - 300.0;
        assert!(gain(0, 0, 600) > 0.0, "eight in ten are right, and double");
        assert!(gain(0, 20, 600) < 0.0);
        assert!(gain(50, 5, 600) > gain(0, 0, 600));
        assert!(gain(50, 0, 0) < 0.0, "nothing is won where no bond is lost");
    }
}
