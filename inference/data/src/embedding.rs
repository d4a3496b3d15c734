//! The vector of a text.

use std::sync::Arc;

/// The numbers given are no vector of a text: none at all, not finite, or all zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an embedding needs at least one number, all finite and not all zero")]
pub struct NotAVector;

/// A vector of unit length; cheap to clone.
#[derive(Clone, Debug, PartialEq)]
pub struct Embedding(Arc<[f32]>);

impl Embedding {
    /// `values` scaled to unit length.
    ///
    /// # Errors
    /// If there are no values, one is not finite, or all are zero.
    pub fn normalised(values: &[f32]) -> Result<Self, NotAVector> {
        let squares: f64 = values.iter().map(|&value| f64::from(value) * f64::from(value)).sum();
        if !(squares.is_finite() && squares > 0.0) {
            return Err(NotAVector);
        }
        let scale = 1.0 / squares.sqrt();
        Ok(Self(values.iter().map(|&value| (f64::from(value) * scale) as f32).collect()))
    }

    /// `values` as they are, which must be of unit length already (within 1e-3).
    ///
    /// # Errors
    /// If they are not, or not finite.
    pub fn from_unit(values: Vec<f32>) -> Result<Self, NotAVector> {
        let squares: f64 = values.iter().map(|&value| f64::from(value) * f64::from(value)).sum();
        // A NaN is in no range, so it is refused as well.
        if (0.998..1.002).contains(&squares) { Ok(Self(values.into())) } else { Err(NotAVector) }
    }

    /// The numbers.
    pub fn as_slice(&self) -> &[f32] {
        &self.0
    }

    /// How many numbers there are.
    pub fn dimensions(&self) -> usize {
        self.0.len()
    }

    /// Dot product, the cosine of the angle between the two; of the common numbers where the dimensions differ.
    pub fn dot(&self, other: &Self) -> f32 {
        dot(&self.0, &other.0)
    }

    /// Largest absolute difference of two numbers at one place; infinite where the dimensions differ.
    pub fn max_difference(&self, other: &Self) -> f32 {
        if self.dimensions() != other.dimensions() {
            return f32::INFINITY;
        }
        self.0.iter().zip(other.0.iter()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
    }
}

impl AsRef<[f32]> for Embedding {
    fn as_ref(&self) -> &[f32] {
        &self.0
    }
}

/// The dot product of the common numbers. Eight running sums, which the compiler turns into vector instructions; one sum
/// must keep its order and cannot be.
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    let (a, b) = (&a[..a.len().min(b.len())], &b[..a.len().min(b.len())]);
    let (a_chunks, a_rest) = a.as_chunks::<8>();
    let (b_chunks, b_rest) = b.as_chunks::<8>();
    let mut sums = [0.0f32; 8];
    for (x, y) in a_chunks.iter().zip(b_chunks) {
        for lane in 0..8 {
            sums[lane] += x[lane] * y[lane];
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(x, y)| x * y).sum();
    sums.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_no_vector_is_refused() {
        for bad in [&[][..], &[0.0, 0.0], &[f32::NAN], &[f32::INFINITY, 1.0]] {
            assert_eq!(Embedding::normalised(bad), Err(NotAVector));
            assert_eq!(Embedding::from_unit(bad.to_vec()), Err(NotAVector));
        }
        assert_eq!(Embedding::from_unit(vec![2.0]), Err(NotAVector));
    }

    proptest! {
        #[test]
        fn a_vector_has_unit_length(values in proptest::collection::vec(-1e6f32..1e6, 1..100)) {
            prop_assume!(values.iter().any(|value| value.abs() > 1e-3));
            let embedding = Embedding::normalised(&values).unwrap();
            prop_assert!((embedding.dot(&embedding) - 1.0).abs() < 1e-4);
        }
    }
}
