//! What attribution asks of a trained network, and the shapes it is given in.

use std::ops::Range;

use serde::{Deserialize, Serialize};

/// A network whose trainable parameters are one flat vector theta of P numbers, with its examples loaded.
///
/// Samples are indices into those examples: what it trains on comes first, what is held out follows.
pub trait Model {
    /// P.
    fn parameters(&self) -> usize;

    /// Where each layer's parameters lie in theta, in order and without gaps: DataInf damps each layer by itself.
    fn layers(&self) -> Vec<Range<usize>> {
        std::iter::once(0..self.parameters()).collect()
    }

    /// The loss of each sample.
    ///
    /// # Errors
    /// When the network cannot run, or a sample does not exist.
    fn losses(&mut self, theta: &[f32], samples: &[usize]) -> Result<Vec<f32>, ModelError>;

    /// The loss of each sample and its gradient in theta: n losses and rows [n, P].
    ///
    /// # Errors
    /// As [`Model::losses`].
    fn loss_gradients(&mut self, theta: &[f32], samples: &[usize]) -> Result<(Vec<f32>, Rows), ModelError>;

    /// The loss of each sample and the sum of their gradients, P numbers. A network that can sum inside its graph should:
    /// a training that follows nobody does nothing else.
    ///
    /// # Errors
    /// As [`Model::losses`].
    fn loss_gradient_sum(&mut self, theta: &[f32], samples: &[usize]) -> Result<(Vec<f32>, Vec<f32>), ModelError> {
        let (losses, gradients) = self.loss_gradients(theta, samples)?;
        Ok((losses, gradients.sum()))
    }

    /// The mean loss of what is held out, by which a training may end early; not a number where nothing is.
    ///
    /// # Errors
    /// As [`Model::losses`].
    fn held_out_loss(&mut self, _theta: &[f32]) -> Result<f64, ModelError> {
        Ok(f64::NAN)
    }

    /// Gauss-Newton rows of the samples, [n k, P], so that rows^T rows / n is the mean curvature; see [`Curvature`] for
    /// each choice. `seed` picks the random signs and must be another one at every step.
    ///
    /// # Errors
    /// As [`Model::losses`].
    fn curvature_rows(
        &mut self,
        theta: &[f32],
        samples: &[usize],
        curvature: Curvature,
        seed: u64,
    ) -> Result<Rows, ModelError>;

    /// The share of samples whose label is the most probable one; `None` where there are no labels.
    ///
    /// # Errors
    /// As [`Model::losses`].
    fn accuracy(&mut self, theta: &[f32], samples: &[usize]) -> Result<Option<f32>, ModelError>;
}

/// Why a network could not answer.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct ModelError(Box<dyn std::error::Error + Send + Sync + 'static>);

impl ModelError {
    /// Carries the error of a network.
    pub fn new(error: impl Into<Box<dyn std::error::Error + Send + Sync + 'static>>) -> Self {
        Self(error.into())
    }
}

/// Which rows M stand for the curvature M^T M of the loss while training is replayed forward.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Curvature {
    /// sqrt(p_k) grad log p_k for each class k: exact Gauss-Newton, one backward pass a class.
    All,
    /// grad log p of the true label (the empirical Fisher matrix): the per-sample gradients again, hence free.
    #[default]
    TrueLabel,
    /// So many random sign combinations, sum_k e_k sqrt(p_k) grad log p_k, divided by the root of their number; for a
    /// sequence of m tokens also by sqrt(m). Unbiased, and the form for vocabularies.
    Signs(usize),
    /// No curvature: how far the adapter has already moved is not followed.
    None,
}

impl Curvature {
    /// Rows that a sample has, among `classes`.
    pub fn rows_per_sample(self, classes: usize) -> usize {
        match self {
            Self::All => classes,
            Self::TrueLabel => 1,
            Self::Signs(count) => count,
            Self::None => 0,
        }
    }
}

/// A matrix [rows, columns] of f32, row by row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rows {
    /// Number of rows.
    pub rows: usize,
    /// Numbers in a row: P for gradients.
    pub columns: usize,
    /// `rows * columns` numbers.
    pub data: Vec<f32>,
}

impl Rows {
    /// A matrix of zeros.
    pub fn zeros(rows: usize, columns: usize) -> Self {
        Self { rows, columns, data: vec![0.0; rows * columns] }
    }

    /// No rows of `columns` numbers.
    pub fn none(columns: usize) -> Self {
        Self::zeros(0, columns)
    }

    /// One row.
    pub fn row(&self, at: usize) -> &[f32] {
        &self.data[at * self.columns..(at + 1) * self.columns]
    }

    /// One row, to write to.
    pub fn row_mut(&mut self, at: usize) -> &mut [f32] {
        &mut self.data[at * self.columns..(at + 1) * self.columns]
    }

    /// Every row in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[f32]> {
        (0..self.rows).map(|at| self.row(at))
    }

    /// The rows `range`.
    pub fn part(&self, range: Range<usize>) -> Self {
        let data = self.data[range.start * self.columns..range.end * self.columns].to_vec();
        Self { rows: range.len(), columns: self.columns, data }
    }

    /// These rows, in this order.
    pub fn picked(&self, rows: &[usize]) -> Self {
        let data = rows.iter().flat_map(|at| self.row(*at)).copied().collect();
        Self { rows: rows.len(), columns: self.columns, data }
    }

    /// Puts the rows of `other`, which has as many columns, below these.
    pub fn append(&mut self, other: Self) {
        debug_assert_eq!(self.columns, other.columns);
        self.rows += other.rows;
        self.data.extend(other.data);
    }

    /// The sum of all rows, added from first to last.
    pub fn sum(&self) -> Vec<f32> {
        let mut sum = vec![0.0; self.columns];
        for row in self.iter() {
            sum.iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
        }
        sum
    }

    /// The mean of all rows over `count`, which for the last batch of a job may differ from their number.
    pub fn mean(&self, count: usize) -> Vec<f32> {
        mean(self.sum(), count)
    }

    /// As a matrix.
    pub fn view(&self) -> ndarray::ArrayView2<'_, f32> {
        matrix(&self.data, self.rows, self.columns)
    }
}

/// A sum divided by `count`, in the one way that training, retraining and replay share.
pub fn mean(mut sum: Vec<f32>, count: usize) -> Vec<f32> {
    let over = 1.0 / count.max(1) as f32;
    sum.iter_mut().for_each(|x| *x *= over);
    sum
}

/// `data` as a matrix; its length is the caller's promise.
#[expect(clippy::unwrap_used, reason = "the slice is cut to the shape's size")]
pub(crate) fn matrix(data: &[f32], rows: usize, columns: usize) -> ndarray::ArrayView2<'_, f32> {
    ndarray::ArrayView2::from_shape((rows, columns), &data[..rows * columns]).unwrap()
}

/// `data` as a matrix to write to; its length is the caller's promise.
#[expect(clippy::unwrap_used, reason = "the slice is cut to the shape's size")]
pub fn matrix_mut(data: &mut [f32], rows: usize, columns: usize) -> ndarray::ArrayViewMut2<'_, f32> {
    ndarray::ArrayViewMut2::from_shape((rows, columns), &mut data[..rows * columns]).unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_add_up() {
        let mut rows = Rows { rows: 2, columns: 2, data: vec![1.0, 2.0, 3.0, 4.0] };
        rows.append(Rows { rows: 1, columns: 2, data: vec![2.0, 3.0] });
        assert_eq!((rows.rows, rows.sum(), rows.mean(3)), (3, vec![6.0, 9.0], vec![2.0, 3.0]));
        assert_eq!(rows.part(1..3).row(1), [2.0, 3.0]);
    }
}
