//! Shortening the gradients of single records: nobody buys influence with a record made to have a huge gradient.
//!
//! A batch's gradients are shortened to a multiple of their median length. A shortened record counts with a factor
//! below one, in its gradient as in its curvature, whose rows shrink by the factor's root.

use super::model::Rows;

/// The multiple that jobs clip at where they name none. It takes the edge off outliers and leaves honest records
/// alone: at 2, digits of clean contributors are told apart a point worse than unclipped, at 3 a tenth of a point.
pub const ORDINARY: f32 = 3.0;

/// Shortens each row to at most `multiple` times the median length, and says by which factor each row was scaled.
pub fn shorten(gradients: &mut Rows, multiple: f32) -> Vec<f32> {
    let limit = limit(gradients, multiple);
    shorten_to(gradients, limit)
}

/// `multiple` times the median length of these rows.
pub fn limit(gradients: &Rows, multiple: f32) -> f32 {
    multiple * median(&gradients.iter().map(length).collect::<Vec<f32>>())
}

/// Shortens each row to at most `limit`, and says by which factor each row was scaled.
pub fn shorten_to(gradients: &mut Rows, limit: f32) -> Vec<f32> {
    let lengths: Vec<f32> = gradients.iter().map(length).collect();
    let factor = |length: &f32| if *length > limit && *length > 0.0 { limit / length } else { 1.0 };
    let factors: Vec<f32> = lengths.iter().map(factor).collect();
    scale(gradients, factors.iter().copied());
    factors
}

/// Scales the curvature rows of records that were shortened by `factors`.
pub fn follow(curvature: &mut Rows, factors: &[f32]) {
    if factors.is_empty() || curvature.rows == 0 {
        return;
    }
    let each = curvature.rows / factors.len();
    scale(curvature, factors.iter().flat_map(|factor| std::iter::repeat_n(factor.sqrt(), each)));
}

fn scale(rows: &mut Rows, factors: impl Iterator<Item = f32>) {
    for (row, factor) in factors.enumerate().take(rows.rows) {
        if factor != 1.0 {
            rows.row_mut(row).iter_mut().for_each(|x| *x *= factor);
        }
    }
}

fn length(row: &[f32]) -> f32 {
    row.iter().map(|x| f64::from(*x) * f64::from(*x)).sum::<f64>().sqrt() as f32
}

/// The lower median; 0 of nothing.
fn median(numbers: &[f32]) -> f32 {
    let mut sorted = numbers.to_vec();
    sorted.sort_unstable_by(f32::total_cmp);
    sorted.get(sorted.len().saturating_sub(1) / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outlier_is_shortened_and_the_rest_left_alone() {
        let mut rows = Rows { rows: 3, columns: 2, data: vec![3.0, 4.0, 0.0, 5.0, 60.0, 80.0] };
        let factors = shorten(&mut rows, 2.0);
        assert_eq!(factors, [1.0, 1.0, 0.1]);
        assert_eq!((rows.row(0), rows.row(1)), ([3.0, 4.0].as_slice(), [0.0, 5.0].as_slice()));
        assert!((length(rows.row(2)) - 10.0).abs() < 1e-5);
    }

    #[test]
    fn curvature_follows_by_the_root() {
        let mut rows = Rows { rows: 4, columns: 1, data: vec![1.0; 4] };
        follow(&mut rows, &[1.0, 0.25]);
        assert_eq!(rows.data, [1.0, 1.0, 0.5, 0.5]);
    }

    #[test]
    fn a_batch_without_gradient_stays() {
        let mut rows = Rows::zeros(3, 2);
        assert_eq!(shorten(&mut rows, 2.0), [1.0; 3]);
        assert!(shorten(&mut Rows::none(2), 2.0).is_empty());
    }
}
