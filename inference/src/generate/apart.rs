//! How far an answer from elsewhere lies from what would be drawn here, and how far it may.

use crate::graph::quantise::Precision;

/// By how much the probabilities that two machines compute may differ where it decides a token: hundreds of times what other kernels, other numbers
/// of threads and other company in the batch have ever made of it in floats. What machines draw lies no further apart than their probabilities do, twice
/// that where only the likeliest are drawn: whoever's differ by less than half of it is never refused.
pub const DRAW_TOLERANCE: f64 = 1e-3;

/// The same for a token that a model in 8 bits *tips*: an activation on the edge of two steps is rounded to one here and to the other there, by the last digit
/// of a float before it. That happens at one token of two hundred, and moves probabilities by a sixtieth at most; at all others they differ as
/// floats do.
pub const TIP_TOLERANCE: f64 = 0.05;

/// Tokens of an answer in 8 bits that may be drawn otherwise for having been tipped, and of how many of its tokens one more may. One of some thousand
/// is, so that three of sixty-four are about as rare as one in ten million.
const TIPPED: usize = 2;
const ONE_MORE: usize = 64;

/// How far an answer that is checked lies from what would have been drawn with its seed: token by token, by how much the probabilities would
/// have to be others for that token to come.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Apart {
    /// The numbers that the model computes in.
    pub precision: Precision,
    /// Tokens looked at, the one that ended it included.
    pub tokens: usize,
    /// Of these, others than would have been drawn.
    pub others: usize,
    /// Of those, beyond [`DRAW_TOLERANCE`].
    pub beyond: usize,
    /// Sum of the distances.
    pub sum: f64,
    /// The largest.
    pub most: f64,
}

impl Apart {
    pub(super) fn of(precision: Precision) -> Self {
        Self { precision, ..Self::default() }
    }

    /// Whether the model that checks can have drawn it, on another machine.
    pub fn passes(&self) -> bool {
        self.most <= self.tolerance() && self.beyond <= self.tips()
    }

    /// How far a token may lie.
    pub fn tolerance(&self) -> f64 {
        match self.precision {
            Precision::Float => DRAW_TOLERANCE,
            Precision::Int8 => TIP_TOLERANCE,
        }
    }

    /// How many tokens may lie beyond [`DRAW_TOLERANCE`].
    pub fn tips(&self) -> usize {
        match self.precision {
            Precision::Float => 0,
            Precision::Int8 => TIPPED + self.tokens / ONE_MORE,
        }
    }

    pub(super) fn add(&mut self, distance: f64) {
        self.tokens += 1;
        self.others += usize::from(distance > 0.0);
        self.beyond += usize::from(distance > DRAW_TOLERANCE);
        self.sum += distance;
        self.most = self.most.max(distance);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apart(precision: Precision, distances: &[f64]) -> Apart {
        let mut apart = Apart::of(precision);
        distances.iter().for_each(|distance| apart.add(*distance));
        apart
    }

    #[test]
    fn floats_have_no_tips_and_8_bits_have_few_and_small_ones() {
        let passes = |precision, distances: &[f64]| apart(precision, distances).passes();
        assert!(passes(Precision::Float, &[0.0, 9e-4, 9e-4, 9e-4, 0.0]) && !passes(Precision::Float, &[0.0, 1.1e-3]));
        assert!(passes(Precision::Int8, &[0.0, 0.04, 0.04, 9e-4]) && !passes(Precision::Int8, &[0.0, 0.06]));
        assert!(!passes(Precision::Int8, &[0.0, 0.04, 0.04, 2e-3]), "three of four are no tips");
        let long = [[0.0; 63].as_slice(), &[0.04; 3]].concat();
        assert!(passes(Precision::Int8, &long) && !passes(Precision::Int8, &[&long[..], &[0.04]].concat()));
    }
}
