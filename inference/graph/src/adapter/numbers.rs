//! Numbers as files hold them.

use half::{bf16, f16};

/// How floats are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Float {
    Single,
    Half,
    Brain,
}

impl Float {
    pub(super) fn bytes(self) -> usize {
        if self == Self::Single { 4 } else { 2 }
    }

    /// The little-endian numbers; bytes left over are ignored.
    pub(super) fn read(self, bytes: &[u8]) -> Vec<f32> {
        let pairs = || bytes.as_chunks::<2>().0.iter().copied();
        match self {
            Self::Single => bytes.as_chunks::<4>().0.iter().copied().map(f32::from_le_bytes).collect(),
            Self::Half => pairs().map(|pair| f16::from_le_bytes(pair).to_f32()).collect(),
            Self::Brain => pairs().map(|pair| bf16::from_le_bytes(pair).to_f32()).collect(),
        }
    }
}

pub(super) fn little_endian(numbers: &[f32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

pub(super) fn finite(numbers: &[f32]) -> bool {
    numbers.iter().all(|number| number.is_finite())
}

/// A matrix of `rows` rows, read column by column.
pub(super) fn transposed(matrix: &[f32], rows: usize) -> Vec<f32> {
    let columns = matrix.len().checked_div(rows).unwrap_or(0);
    (0..columns).flat_map(|column| (0..rows).map(move |row| matrix[row * columns + column])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_matrix_turned_twice_is_itself() {
        let matrix = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        assert_eq!(transposed(&matrix, 2), [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
        assert_eq!(transposed(&transposed(&matrix, 2), 3), matrix);
        assert!(transposed(&[], 0).is_empty());
    }

    #[test]
    fn shorter_floats_are_widened() {
        assert_eq!(Float::Half.read(&[0x00, 0x3c, 0x00, 0xc0]), [1.0, -2.0]);
        assert_eq!(Float::Brain.read(&[0x80, 0x3f, 0x00, 0xc0]), [1.0, -2.0]);
    }
}
