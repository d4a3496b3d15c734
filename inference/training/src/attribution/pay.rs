//! What values pay: signed sums, of which only what is left above zero earns.
//!
//! Values are of what was given together (a contribution), each the sum over its records, by the mean table over random
//! [`halves`](super::halves). Sums are linear in the records, so that they are the same under one name or under ten; a
//! positive part is not. So the later it is taken, the less names are worth: over all answers of an epoch ([`netted`]), which is what nodes
//! pay, and not answer by answer ([`by_answer`]), which they once did.
//!
//! Answers pay the same, and must weigh the same: a model's loss moves by far more where it wavers, and whoever asked for such answers alone would have
//! the pay of all others follow them. So nodes pay by the answer's log-odds ([`of_odds`]), whose change is about as large for a sure answer as for an unsure one.

use super::model::Rows;

/// The surest answer that counts in full: nearer to certainty, 32-bit numbers say too little.
const SUREST: f32 = 1e-3;

/// What a change of the log-probability of an answer with this loss is as a change of its log-odds, ln(p / (1 - p)).
pub fn of_odds(value: f32, loss: f32) -> f32 {
    value / (-(-loss).exp_m1()).max(SUREST)
}

/// Shares of the fees of answers with these values `[columns, Q]`, each answer paying the same and by itself: what is above zero of each. They sum to 1, or
/// to 0 where nothing earns.
pub fn by_answer(values: &Rows) -> Vec<f64> {
    let mut shares = vec![0.0; values.rows];
    for answer in 0..values.columns {
        let helped: Vec<f64> = values.iter().map(|row| f64::from(row[answer].max(0.0))).collect();
        let total: f64 = helped.iter().sum();
        if total > 0.0 {
            shares.iter_mut().zip(helped).for_each(|(share, helped)| *share += helped / total);
        }
    }
    scaled(shares)
}

/// The shares that follow from sums over all answers, harm taken from help first.
pub fn netted(values: &Rows) -> Vec<f64> {
    let sum = |row: &[f32]| row.iter().map(|value| f64::from(*value)).sum::<f64>();
    scaled(values.iter().map(|row| sum(row).max(0.0)).collect())
}

fn scaled(mut shares: Vec<f64>) -> Vec<f64> {
    let sum: f64 = shares.iter().sum();
    if sum > 0.0 {
        shares.iter_mut().for_each(|share| *share /= sum);
    }
    shares
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rows(rows: usize, data: Vec<f32>) -> Rows {
        Rows { rows, columns: data.len() / rows, data }
    }

    #[test]
    fn harm_is_taken_from_help_and_what_harms_earns_nothing() {
        let values = rows(3, vec![3.0, -1.0, 1.0, 1.0, -2.0, 1.0]);
        assert_eq!(netted(&values), [0.5, 0.5, 0.0]);
        assert_eq!(by_answer(&values), [0.375, 0.375, 0.25]);
        assert_eq!((netted(&rows(1, vec![-1.0])), by_answer(&rows(1, vec![-1.0]))), (vec![0.0], vec![0.0]));
    }

    #[test]
    fn a_sure_answer_weighs_as_much_as_an_unsure_one() {
        // Of log-odds z = ln(p / (1 - p)) the loss is ln(1 + exp(-z)); a small move of z is found again from the loss alone.
        for z in [-3.0f32, 0.0, 2.0, 5.0] {
            let loss = |z: f32| (-z).exp().ln_1p();
            let value = loss(z) - loss(z + 0.01);
            assert!((of_odds(value, loss(z)) - 0.01).abs() < 5e-4, "{z}");
        }
        assert!((of_odds(1e-6, 0.0) - 1e-3).abs() < 1e-8, "and certainty is no division by nothing");
    }

    proptest! {
        /// Names without harm among them change nothing under either rule.
        #[test]
        fn shares_are_parts_of_a_whole(data in prop::collection::vec(-1.0f32..1.0, 24)) {
            for shares in [netted(&rows(6, data.clone())), by_answer(&rows(6, data))] {
                let sum: f64 = shares.iter().sum();
                prop_assert!(shares.iter().all(|share| *share >= 0.0) && (sum.abs() < 1e-9 || (sum - 1.0).abs() < 1e-9));
            }
        }

        #[test]
        fn netted_sums_gain_nothing_by_names_that_are_all_of_use(
            parts in prop::collection::vec(0.0f32..1.0, 8), other in 0.1f32..5.0,
        ) {
            let one = netted(&rows(2, vec![parts.iter().sum(), other]))[0];
            let mut under_many = parts.clone();
            under_many.push(other);
            let many: f64 = netted(&rows(9, under_many))[..8].iter().sum();
            prop_assert!((one - many).abs() < 1e-5);
        }
    }
}
