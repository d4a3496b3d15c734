//! Solving with large symmetric positive definite matrices, in f64.
//!
//! A damped curvature matrix is never singular, so its Cholesky factor is all that is needed: a third of n^3
//! multiplications, nearly all in matrix products, where an eigendecomposition takes ten times as many. One factor a
//! damping is still cheaper.

use ndarray::linalg::general_mat_mul;
use rayon::prelude::*;

/// Columns that are factored at a time.
const BLOCK: usize = 96;

/// The matrix was not positive definite: the damping is zero, or something in it is not finite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the curvature matrix is not positive definite; raise the damping")]
pub struct NotPositive;

/// The lower triangular L with L L^T = the matrix.
#[derive(Clone, Debug)]
pub struct Cholesky {
    size: usize,
    /// [n, n] row by row; only the lower triangle counts.
    lower: Vec<f64>,
}

impl Cholesky {
    /// Factors a symmetric matrix [n, n], of which only the lower triangle is read.
    ///
    /// # Errors
    /// When it is not positive definite.
    pub fn new(mut matrix: Vec<f64>, size: usize) -> Result<Self, NotPositive> {
        debug_assert_eq!(matrix.len(), size * size);
        for start in (0..size).step_by(BLOCK) {
            let end = (start + BLOCK).min(size);
            let (above, below) = matrix.split_at_mut(end * size);
            factor_diagonal(above, size, start, end)?;
            let above = &*above;
            below.par_chunks_mut(size).for_each(|row| eliminate(above, size, start, end, row));
            update_rest(below, size, start, end);
        }
        Ok(Self { size, lower: matrix })
    }

    /// Solves for every column of `right`, [n, columns], in place.
    pub fn solve(&self, right: &mut [f64], columns: usize) {
        debug_assert_eq!(right.len(), self.size * columns);
        if columns == 0 {
            return;
        }
        self.forward(right, columns);
        self.backward(right, columns);
    }

    /// right <- L^-1 right
    fn forward(&self, right: &mut [f64], columns: usize) {
        for start in (0..self.size).step_by(BLOCK) {
            let end = (start + BLOCK).min(self.size);
            let (above, below) = right.split_at_mut(end * columns);
            for i in start..end {
                let (solved, row) = above.split_at_mut(i * columns);
                let row = &mut row[..columns];
                (start..i).for_each(|j| subtract(row, self.at(i, j), &solved[j * columns..(j + 1) * columns]));
                row.iter_mut().for_each(|x| *x /= self.at(i, i));
            }
            let block = matrix(&above[start * columns..], end - start, columns);
            below.par_chunks_mut(BLOCK * columns).enumerate().for_each(|(at, rows)| {
                let from = end + at * BLOCK;
                let count = rows.len() / columns;
                let factor = self.part(from, count, start, end);
                general_mat_mul(-1.0, &factor, &block, 1.0, &mut matrix_mut(rows, count, columns));
            });
        }
    }

    /// right <- L^-T right
    fn backward(&self, right: &mut [f64], columns: usize) {
        let starts: Vec<usize> = (0..self.size).step_by(BLOCK).collect();
        for start in starts.into_iter().rev() {
            let end = (start + BLOCK).min(self.size);
            for i in (start..end).rev() {
                let (above, solved) = right.split_at_mut((i + 1) * columns);
                let row = &mut above[i * columns..];
                (i + 1..end).for_each(|j| {
                    subtract(row, self.at(j, i), &solved[(j - i - 1) * columns..(j - i) * columns]);
                });
                row.iter_mut().for_each(|x| *x /= self.at(i, i));
            }
            let (above, block) = right.split_at_mut(start * columns);
            let block = matrix(block, end - start, columns);
            above.par_chunks_mut(BLOCK * columns).enumerate().for_each(|(at, rows)| {
                let (from, count) = (at * BLOCK, rows.len() / columns);
                let factor = self.part(start, end - start, from, from + count);
                general_mat_mul(-1.0, &factor.t(), &block, 1.0, &mut matrix_mut(rows, count, columns));
            });
        }
    }

    fn at(&self, row: usize, column: usize) -> f64 {
        self.lower[row * self.size + column]
    }

    fn part(&self, row: usize, rows: usize, from: usize, to: usize) -> ndarray::ArrayView2<'_, f64> {
        let all = matrix(&self.lower, self.size, self.size);
        all.slice_move(ndarray::s![row..row + rows, from..to])
    }
}

/// Factors the block on the diagonal, all earlier columns having been subtracted already.
fn factor_diagonal(above: &mut [f64], size: usize, start: usize, end: usize) -> Result<(), NotPositive> {
    for i in start..end {
        let (done, row) = above.split_at_mut(i * size);
        for j in start..=i {
            let other = if j == i { None } else { Some(&done[j * size..j * size + j + 1]) };
            let sum = match other {
                Some(other) => row[j] - dot(&row[start..j], &other[start..j]),
                None => row[i] - dot(&row[start..i], &row[start..i]),
            };
            row[j] = match other {
                Some(other) => sum / other[j],
                None if sum > 0.0 && sum.is_finite() => sum.sqrt(),
                None => return Err(NotPositive),
            };
        }
    }
    Ok(())
}

/// The columns start..end of L in a row below the diagonal block.
fn eliminate(above: &[f64], size: usize, start: usize, end: usize, row: &mut [f64]) {
    for j in start..end {
        let other = &above[j * size..j * size + j + 1];
        row[j] = (row[j] - dot(&row[start..j], &other[start..j])) / other[j];
    }
}

/// Subtracts the new columns' products from the lower triangle that is left.
fn update_rest(below: &mut [f64], size: usize, start: usize, end: usize) {
    let count = below.len() / size.max(1);
    if count == 0 {
        return;
    }
    // A copy, so that tasks can read all of it while each writes rows of its own.
    let panel: Vec<f64> = below.chunks_exact(size).flat_map(|row| &row[start..end]).copied().collect();
    let width = end - start;
    let panel = matrix(&panel, count, width);
    below.par_chunks_mut(BLOCK * size).enumerate().for_each(|(at, rows)| {
        let (from, here) = (at * BLOCK, rows.len() / size);
        let own = panel.slice(ndarray::s![from..from + here, ..]);
        let upto = panel.slice(ndarray::s![..from + here, ..]);
        let rows = matrix_mut(rows, here, size);
        let mut rest = rows.slice_move(ndarray::s![.., end..end + from + here]);
        general_mat_mul(-1.0, &own, &upto.t(), 1.0, &mut rest);
    });
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn subtract(row: &mut [f64], factor: f64, other: &[f64]) {
    row.iter_mut().zip(other).for_each(|(x, y)| *x -= factor * y);
}

#[expect(clippy::unwrap_used, reason = "the slice is cut to the shape's size")]
fn matrix(data: &[f64], rows: usize, columns: usize) -> ndarray::ArrayView2<'_, f64> {
    ndarray::ArrayView2::from_shape((rows, columns), &data[..rows * columns]).unwrap()
}

#[expect(clippy::unwrap_used, reason = "the slice is cut to the shape's size")]
fn matrix_mut(data: &mut [f64], rows: usize, columns: usize) -> ndarray::ArrayViewMut2<'_, f64> {
    ndarray::ArrayViewMut2::from_shape((rows, columns), &mut data[..rows * columns]).unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Stream;

    #[test]
    fn solutions_fit_in_the_matrix() {
        for size in [1, 5, BLOCK, BLOCK + 1, 2 * BLOCK + 31] {
            let mut dice = Stream::new("cholesky", size as u64, 0);
            let half: Vec<f64> = (0..size * 3).map(|_| f64::from(dice.normal())).collect();
            let mut full = vec![0.0; size * size];
            for i in 0..size {
                for j in 0..size {
                    full[i * size + j] = dot(&half[i * 3..i * 3 + 3], &half[j * 3..j * 3 + 3]);
                }
                full[i * size + i] += 0.1;
            }
            let expected: Vec<f64> = (0..size * 2).map(|_| f64::from(dice.normal())).collect();
            let mut right = vec![0.0; size * 2];
            general_mat_mul(
                1.0,
                &matrix(&full, size, size),
                &matrix(&expected, size, 2),
                0.0,
                &mut matrix_mut(&mut right, size, 2),
            );
            Cholesky::new(full, size).unwrap().solve(&mut right, 2);
            right.iter().zip(&expected).for_each(|(a, b)| assert!((a - b).abs() < 1e-8, "{size}: {a} {b}"));
        }
    }

    #[test]
    fn a_matrix_that_is_not_positive_is_refused() {
        assert_eq!(Cholesky::new(vec![1.0, 0.0, 0.0, -1.0], 2).err(), Some(NotPositive));
        assert_eq!(Cholesky::new(vec![f64::NAN], 1).err(), Some(NotPositive));
    }
}
