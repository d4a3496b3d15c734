//! QLD: by how much the queries' loss rises when the records that a method values highest are left out and the model is
//! trained again. LDS asks whether all of an order is right; this one, whether its top is.

use datanet_training::attribution::Rows;
use datanet_training::random::Stream;

/// The part of the records that is left out.
const PART: f64 = 0.01;
/// Random draws of as many records, for comparison.
const CHANCE: u64 = 4;

/// True at the hundredth of the records (one at least) with the highest sum of values over all queries, `[records, Q]`; of
/// equal ones the first.
pub fn top(values: &Rows) -> Vec<bool> {
    let sum = |row: &[f32]| row.iter().map(|x| f64::from(*x)).sum::<f64>();
    // What is no number is no reason to leave a record out.
    let worth: Vec<f64> = values.iter().map(sum).map(|x| if x.is_nan() { f64::NEG_INFINITY } else { x }).collect();
    let mut order: Vec<usize> = (0..worth.len()).collect();
    order.sort_by(|a, b| worth[*b].total_cmp(&worth[*a]));
    first(&order)
}

/// As many records, drawn by chance a few times.
pub fn by_chance(records: usize, seed: u64) -> Vec<Vec<bool>> {
    (0..CHANCE).map(|draw| first(&Stream::new("qld", seed, draw).permutation(records))).collect()
}

/// The mean rise of the losses above `base`, in nats.
pub fn rise(losses: &[f32], base: &[f32]) -> f32 {
    let sum: f64 = losses.iter().zip(base).map(|(loss, base)| f64::from(loss - base)).sum();
    (sum / base.len().max(1) as f64) as f32
}

/// True at the first hundredth of an order of records.
fn first(order: &[usize]) -> Vec<bool> {
    let count = ((order.len() as f64 * PART).round() as usize).max(1);
    let mut chosen = vec![false; order.len()];
    order.iter().take(count).for_each(|record| chosen[*record] = true);
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_top_is_a_hundredth_and_one_at_least() {
        let values = |rows: usize| Rows { rows, columns: 2, data: (0..2 * rows).map(|at| at as f32).collect() };
        let chosen = |out: Vec<bool>| (0..out.len()).filter(|at| out[*at]).collect::<Vec<_>>();
        assert_eq!(chosen(top(&values(300))), [297, 298, 299]);
        assert_eq!(chosen(top(&values(20))), [19]);
        assert_eq!(chosen(top(&Rows { rows: 3, columns: 1, data: vec![1.0, f32::NAN, 1.0] })), [0]);
        assert!(top(&Rows::none(2)).is_empty());
        let drawn = by_chance(300, 1);
        assert!(drawn.len() == 4 && drawn[0] != drawn[1] && drawn == by_chance(300, 1));
        assert!(drawn.into_iter().all(|out| chosen(out).len() == 3));
    }

    #[test]
    fn a_rise_is_a_mean() {
        assert!((rise(&[1.5, 2.0], &[1.0, 1.0]) - 0.75).abs() < 1e-6);
        assert!(rise(&[], &[]) == 0.0);
    }
}
