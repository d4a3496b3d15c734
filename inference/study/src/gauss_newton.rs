//! Influence by the damped curvature at the final adapter: g_record^T (M^T M / n + l I)^-1 g_answer / n.
//!
//! With R Gauss-Newton rows and P parameters, the smaller of the two makes the matrix that is factored: [P, P]
//! itself, or [R, R] by Woodbury's identity, l (M^T M / n + l I)^-1 = I - (M/sqrt n)^T (M M^T / n + l I)^-1 (M/sqrt
//! n). What is behind the factor is the same for every damping, so a sweep costs a Cholesky factor each.

use datanet_training::attribution::cholesky::{Cholesky, NotPositive};
use datanet_training::attribution::gradients::product;
use datanet_training::attribution::model::matrix_mut;
use datanet_training::attribution::{ModelError, Rows};

/// Dampings l worth trying: on text and language tasks the best lies among them.
pub const DAMPINGS: [f32; 3] = [0.03, 0.1, 0.3];
/// Largest matrix that is factored: 8,192 x 8,192 in f64 is half a GiB.
pub const MAX_SIZE: usize = 8_192;

/// Why there is no such influence.
#[derive(Debug, thiserror::Error)]
pub enum GaussNewtonError {
    /// The network failed.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The damping is too small.
    #[error(transparent)]
    NotPositive(#[from] NotPositive),
    /// Neither side of the matrix is small enough.
    #[error(
        "{rows} curvature rows of {parameters} parameters: one must be at most {MAX_SIZE}; ask for fewer rows a record"
    )]
    TooLarge {
        /// R.
        rows: usize,
        /// P.
        parameters: usize,
    },
}

/// The curvature of all records at the final adapter, ready for any damping.
#[derive(Debug)]
pub struct GaussNewton {
    /// c = <g_record, g_answer>, [n, Q].
    direct: Rows,
    side: Side,
    records: usize,
}

#[derive(Debug)]
enum Side {
    /// The matrix [R, R] is M M^T / n; M g_record, [n, R], and M g_answer, [Q, R], both divided by sqrt n.
    Rows { matrix: Vec<f64>, records: Rows, answers: Rows },
    /// The matrix [P, P] is M^T M / n; the gradients themselves.
    Parameters { matrix: Vec<f64>, records: Rows, answers: Rows },
}

impl GaussNewton {
    /// From curvature rows of the n records, [n k, P], their gradients, [n, P], and those of the answers, [Q, P].
    ///
    /// # Errors
    /// When the matrix would be too large.
    pub fn new(mut rows: Rows, records: &Rows, answers: &Rows) -> Result<Self, GaussNewtonError> {
        if rows.rows.min(rows.columns) > MAX_SIZE {
            return Err(GaussNewtonError::TooLarge { rows: rows.rows, parameters: rows.columns });
        }
        let root = (records.rows.max(1) as f32).sqrt();
        rows.data.iter_mut().for_each(|x| *x /= root);
        let direct = product(records, answers);
        let side = if rows.rows <= rows.columns {
            let matrix = wide(&product(&rows, &rows));
            Side::Rows { matrix, records: product(records, &rows), answers: product(answers, &rows) }
        } else {
            let turned = transpose(&rows);
            drop(rows);
            Side::Parameters {
                matrix: wide(&product(&turned, &turned)),
                records: records.clone(),
                answers: answers.clone(),
            }
        };
        Ok(Self { direct, side, records: records.rows })
    }

    /// Values [n, Q] with damping l.
    ///
    /// # Errors
    /// When the damped matrix is still not positive definite.
    pub fn values(&self, damping: f32) -> Result<Rows, GaussNewtonError> {
        let damping = f64::from(damping);
        let mut values = self.direct.clone();
        match &self.side {
            Side::Rows { matrix, records, answers } => {
                let moved = product(records, &solve(matrix, answers, damping)?);
                let scale = 1.0 / damping / self.records as f64;
                let numbers = values.data.iter_mut().zip(&moved.data);
                numbers.for_each(|(value, moved)| *value = ((f64::from(*value) - f64::from(*moved)) * scale) as f32);
            }
            Side::Parameters { matrix, records, answers } => {
                values = product(records, &solve(matrix, answers, damping)?);
                values.data.iter_mut().for_each(|value| *value /= self.records as f32);
            }
        }
        Ok(values)
    }
}

/// (matrix + damping I)^-1 applied to each row of `vectors`, as rows.
fn solve(matrix: &[f64], vectors: &Rows, damping: f64) -> Result<Rows, NotPositive> {
    let size = vectors.columns;
    let mut damped = matrix.to_vec();
    (0..size).for_each(|at| damped[at * size + at] += damping);
    let mut right = wide(&transpose(vectors));
    Cholesky::new(damped, size)?.solve(&mut right, vectors.rows);
    let right = Rows { rows: size, columns: vectors.rows, data: right.into_iter().map(|x| x as f32).collect() };
    Ok(transpose(&right))
}

fn wide(rows: &Rows) -> Vec<f64> {
    rows.data.iter().map(|x| f64::from(*x)).collect()
}

fn transpose(rows: &Rows) -> Rows {
    let mut turned = Rows::zeros(rows.columns, rows.rows);
    turned_view(&mut turned).assign(&rows.view().t());
    turned
}

fn turned_view(rows: &mut Rows) -> ndarray::ArrayViewMut2<'_, f32> {
    matrix_mut(&mut rows.data, rows.rows, rows.columns)
}

#[cfg(test)]
mod tests {
    use datanet_training::random::Stream;

    use super::*;

    fn random(seed: u64, rows: usize, columns: usize) -> Rows {
        let mut dice = Stream::new("gauss newton", seed, 0);
        Rows { rows, columns, data: (0..rows * columns).map(|_| dice.normal()).collect() }
    }

    #[test]
    fn both_sides_of_woodburys_identity_agree() {
        let (records, answers) = (random(1, 6, 9), random(2, 3, 9));
        let few = random(0, 5, 9);
        // The same curvature from more rows than parameters: rows of zeros add nothing.
        let mut many = few.clone();
        many.append(Rows::zeros(10, 9));
        for damping in DAMPINGS {
            let by_rows = GaussNewton::new(few.clone(), &records, &answers).unwrap().values(damping).unwrap();
            let by_parameters = GaussNewton::new(many.clone(), &records, &answers).unwrap().values(damping).unwrap();
            for (a, b) in by_rows.data.iter().zip(&by_parameters.data) {
                assert!((a - b).abs() < 1e-4 * (1.0 + b.abs()), "{a} {b}");
            }
        }
    }

    #[test]
    fn without_curvature_it_is_the_scaled_dot_product() {
        let (records, answers) = (random(1, 4, 5), random(2, 2, 5));
        let values = GaussNewton::new(Rows::zeros(1, 5), &records, &answers).unwrap().values(0.5).unwrap();
        let direct = product(&records, &answers);
        values.data.iter().zip(&direct.data).for_each(|(a, b)| assert!((a - b / 0.5 / 4.0).abs() < 1e-5));
    }

    #[test]
    fn what_cannot_be_factored_is_said_before_memory_is_taken() {
        let rows = Rows { rows: MAX_SIZE + 1, columns: MAX_SIZE + 1, data: Vec::new() };
        let error = GaussNewton::new(rows, &Rows::none(1), &Rows::none(1)).unwrap_err();
        assert!(matches!(error, GaussNewtonError::TooLarge { .. }));
    }
}
