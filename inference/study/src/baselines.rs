//! Values from gradients at the final adapter alone: the baselines that forward replay is compared with.
//!
//! All give [n, Q] values, of n records for Q answers, in one sense: positive where the record helped. They are
//! comparable by rank, not by size.

use std::ops::Range;

use datanet_training::attribution::Rows;
use datanet_training::attribution::gradients::{product, product_of};
use datanet_training::attribution::model::matrix_mut;
use ndarray::linalg::general_mat_mul;
use rayon::prelude::*;

/// Records that a product takes at a time.
const BLOCK: usize = 128;

/// Grad-Dot: <g_record, g_answer>.
pub fn grad_dot(records: &Rows, answers: &Rows) -> Rows {
    product(records, answers)
}

/// DataInf: per layer, with l a tenth of the mean square of a gradient's numbers,
/// h = (1/(n l)) sum_i [g_answer - (<g_answer, g_i> / (l + |g_i|^2)) g_i] and the value <h, g_record>.
pub fn data_inf(records: &Rows, answers: &Rows, layers: &[Range<usize>]) -> Rows {
    let mut sum = Rows::zeros(records.rows, answers.rows);
    for layer in layers {
        let squares: Vec<f64> = records.iter().map(|row| square(&row[layer.clone()])).collect();
        let damping = squares.iter().sum::<f64>() / (records.rows * layer.len()).max(1) as f64 / 10.0;
        if damping <= 0.0 {
            continue;
        }
        let own = product_of(records, answers, layer.clone());
        let among = product_of(records, records, layer.clone());
        let mut weighted = own.clone();
        for (row, square) in squares.iter().enumerate() {
            let factor = (1.0 / (damping + square) / records.rows as f64) as f32;
            weighted.row_mut(row).iter_mut().for_each(|x| *x *= factor);
        }
        let moved = multiply(&among, &weighted);
        let values = own.data.iter().zip(&moved.data);
        sum.data.iter_mut().zip(values).for_each(|(sum, (own, moved))| *sum += (own - moved) / damping as f32);
    }
    sum
}

/// a b: [n, m] and [m, q] to [n, q].
fn multiply(a: &Rows, b: &Rows) -> Rows {
    let mut result = Rows::zeros(a.rows, b.columns);
    if result.data.is_empty() {
        return result;
    }
    result.data.par_chunks_mut(BLOCK * b.columns).enumerate().for_each(|(at, rows)| {
        let (from, count) = (at * BLOCK, rows.len() / b.columns);
        let left = a.view();
        let left = left.slice(ndarray::s![from..from + count, ..]);
        general_mat_mul(1.0, &left, &b.view(), 0.0, &mut matrix_mut(rows, count, b.columns));
    });
    result
}

fn square(row: &[f32]) -> f64 {
    row.iter().map(|x| f64::from(*x) * f64::from(*x)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use datanet_training::random::Stream;

    fn random(seed: u64, rows: usize, columns: usize) -> Rows {
        let mut dice = Stream::new("gradients", seed, 0);
        Rows { rows, columns, data: (0..rows * columns).map(|_| dice.normal()).collect() }
    }

    #[test]
    fn data_inf_follows_its_formula_in_every_layer() {
        let (records, answers) = (random(0, 7, 10), random(1, 2, 10));
        let layers = [0..4, 4..10];
        let found = data_inf(&records, &answers, &layers);
        for record in 0..7 {
            for answer in 0..2 {
                let mut expected = 0.0;
                for layer in layers.clone() {
                    let part = |rows: &Rows, at: usize| -> Vec<f64> {
                        rows.row(at)[layer.clone()].iter().map(|x| f64::from(*x)).collect()
                    };
                    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
                    let all: Vec<Vec<f64>> = (0..7).map(|at| part(&records, at)).collect();
                    let size = layer.len() as f64;
                    let damping = all.iter().map(|g| dot(g, g) / size).sum::<f64>() / 7.0 / 10.0;
                    let v = part(&answers, answer);
                    let mut h = vec![0.0; v.len()];
                    for g in &all {
                        let factor = dot(&v, g) / (damping + dot(g, g));
                        h.iter_mut()
                            .zip(v.iter().zip(g))
                            .for_each(|(h, (v, g))| *h += (v - factor * g) / 7.0 / damping);
                    }
                    expected += dot(&h, &all[record]);
                }
                assert!((f64::from(found.row(record)[answer]) - expected).abs() < 1e-3 * (1.0 + expected.abs()));
            }
        }
    }
}
