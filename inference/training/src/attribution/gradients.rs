//! The gradients of any number of samples, and their products.

use std::ops::Range;

use ndarray::linalg::general_mat_mul;
use rayon::prelude::*;

use super::model::{Model, ModelError, Rows, matrix_mut};

/// Records that a product takes at a time.
const BLOCK: usize = 128;
/// Records whose gradients are asked for at a time: bounds a network's memory.
const BATCH: usize = 32;

/// The gradient of each sample, [n, P].
///
/// # Errors
/// When the network cannot run.
pub fn all(model: &mut dyn Model, theta: &[f32], samples: &[usize]) -> Result<Rows, ModelError> {
    all_telling(model, theta, samples, &mut |_| {})
}

/// Like [`all`]; `asked` hears after each batch how many samples it had.
///
/// # Errors
/// When the network cannot run.
pub fn all_telling(
    model: &mut dyn Model,
    theta: &[f32],
    samples: &[usize],
    asked: &mut dyn FnMut(usize),
) -> Result<Rows, ModelError> {
    let mut all = Rows::none(theta.len());
    all.data.reserve_exact(samples.len() * theta.len());
    for batch in samples.chunks(BATCH) {
        all.append(model.loss_gradients(theta, batch)?.1);
        asked(batch.len());
    }
    Ok(all)
}

/// a b^T: [n, P] and [q, P] to [n, q]; the same bytes whatever the number of threads.
pub fn product(a: &Rows, b: &Rows) -> Rows {
    product_of(a, b, 0..a.columns)
}

/// a b^T over some of the columns only.
pub fn product_of(a: &Rows, b: &Rows, columns: Range<usize>) -> Rows {
    let mut result = Rows::zeros(a.rows, b.rows);
    if result.data.is_empty() {
        return result;
    }
    let right = b.view();
    let right = right.slice(ndarray::s![.., columns.clone()]);
    result.data.par_chunks_mut(BLOCK * b.rows).enumerate().for_each(|(at, rows)| {
        let (from, count) = (at * BLOCK, rows.len() / b.rows);
        let left = a.view();
        let left = left.slice(ndarray::s![from..from + count, columns.clone()]);
        general_mat_mul(1.0, &left, &right.t(), 0.0, &mut matrix_mut(rows, count, b.rows));
    });
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Stream;

    fn random(seed: u64, rows: usize, columns: usize) -> Rows {
        let mut dice = Stream::new("gradients", seed, 0);
        Rows { rows, columns, data: (0..rows * columns).map(|_| dice.normal()).collect() }
    }

    #[test]
    fn products_of_many_rows_are_dot_products() {
        let (a, b) = (random(0, BLOCK + 9, 20), random(1, 3, 20));
        let product = product(&a, &b);
        for (i, row) in a.iter().enumerate() {
            for (j, other) in b.iter().enumerate() {
                let expected: f32 = row.iter().zip(other).map(|(x, y)| x * y).sum();
                assert!((product.row(i)[j] - expected).abs() < 1e-4);
            }
        }
    }
}
