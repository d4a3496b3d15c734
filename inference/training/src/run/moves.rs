//! Gauss-Newton influence as a table: how each column's records moved the adapter, by a linear model at its end.

use ndarray::linalg::general_mat_mul;
use rayon::prelude::*;

use crate::attribution::Rows;
use crate::attribution::cholesky::{Cholesky, NotPositive};
use crate::attribution::gradients::product;
use crate::attribution::model::{matrix, matrix_mut};

/// Columns that are worked on by one task.
const BLOCK: usize = 32;

/// d_c = -(M^T M / n + damping I)^-1 g_c / n for curvature rows M `[R, P]` of n records and summed gradients g_c
/// `[C, P]`; solved on the side of the rows: (g - M^T (M M^T + l I)^-1 M g) / l, with M over the root of n.
///
/// # Errors
/// [`NotPositive`] where the damped matrix cannot be inverted.
pub(super) fn moves(mut rows: Rows, columns: &Rows, records: usize, damping: f32) -> Result<Rows, NotPositive> {
    let count = records.max(1) as f32;
    let over = 1.0 / count.sqrt();
    rows.data.iter_mut().for_each(|x| *x *= over);
    let size = rows.rows;
    let mut square: Vec<f64> = product(&rows, &rows).data.iter().map(|&x| f64::from(x)).collect();
    (0..size).for_each(|at| square[at * size + at] += f64::from(damping));
    let factor = Cholesky::new(square, size)?;
    // M g, with a column for each of C.
    let along = product(&rows, columns);
    let mut right: Vec<f64> = along.data.iter().map(|&x| f64::from(x)).collect();
    factor.solve(&mut right, columns.rows);
    let turned: Vec<f32> = (0..columns.rows)
        .flat_map(|column| right.iter().skip(column).step_by(columns.rows.max(1)))
        .map(|&x| x as f32)
        .collect();
    let mut moved = columns.clone();
    // Columns apart, so that the bytes do not depend on the number of threads.
    moved.data.par_chunks_mut(BLOCK * columns.columns.max(1)).enumerate().for_each(|(at, into)| {
        let count = into.len() / columns.columns.max(1);
        let by = matrix(&turned[at * BLOCK * size..], count, size);
        general_mat_mul(-1.0, &by, &rows.view(), 1.0, &mut matrix_mut(into, count, columns.columns));
    });
    let scale = -1.0 / (damping * count);
    moved.data.iter_mut().for_each(|x| *x *= scale);
    Ok(moved)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_damped_system_is_solved() {
        let rows = Rows { rows: 2, columns: 3, data: vec![1.0, 2.0, 0.0, 0.0, 1.0, -1.0] };
        let g = Rows { rows: 1, columns: 3, data: vec![0.5, -1.0, 2.0] };
        let d = moves(rows.clone(), &g, 2, 0.1).unwrap();
        // (M^T M / 2 + .1 I) d * -2 = g
        for at in 0..3 {
            let curved: f32 = (0..2)
                .map(|row| {
                    rows.row(row)[at] * rows.row(row).iter().zip(d.row(0)).map(|(a, b)| a * b).sum::<f32>() / 2.0
                })
                .sum();
            assert!((-2.0 * (curved + 0.1 * d.row(0)[at]) - g.row(0)[at]).abs() < 1e-4);
        }
    }
}
