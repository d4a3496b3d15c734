//! What a token is drawn from: the likeliest that together reach a share of the probability.
//!
//! A number is drawn for the whole vocabulary, in its order, and again as long as it falls on a token outside the share. So a token that is a
//! little more or less likely elsewhere moves nothing but its own borders, and one that just fails to be within matters where it is drawn
//! and nowhere else: what two machines draw lies no further apart than their probabilities do.

/// Weights so near to one another, in natural logarithms, may have changed places elsewhere.
const TIE: f64 = 0.01;

/// All tokens with their weights.
pub(super) struct Nucleus {
    weights: Vec<f64>,
    /// Sums of the weights up to each token, itself included.
    sums: Vec<f64>,
    /// Only some are drawn.
    part: Option<Part>,
}

/// What is drawn from where that is not all.
struct Part {
    /// Of the whole.
    share: f64,
    /// All weights, the heaviest first.
    sorted: Vec<f64>,
    /// Sums of the first so many of those.
    before: Vec<f64>,
}

fn running(weights: impl Iterator<Item = f64>) -> impl Iterator<Item = f64> {
    weights.scan(0.0, |sum, weight| {
        *sum += weight;
        Some(*sum)
    })
}

impl Nucleus {
    pub(super) fn new(weights: Vec<f64>, share: f64) -> Self {
        let sums = running(weights.iter().copied()).collect();
        let part = (share < 1.0).then(|| {
            let mut sorted = weights.clone();
            sorted.sort_unstable_by(|a, b| b.total_cmp(a));
            let before = std::iter::once(0.0).chain(running(sorted.iter().copied())).collect();
            Part { share, sorted, before }
        });
        Self { weights, sums, part }
    }

    /// The first of the tokens at `draws`, numbers in [0, 1), that is within the share.
    pub(super) fn pick(&self, draws: impl Iterator<Item = f64>) -> Option<usize> {
        draws.map(|draw| self.at(draw)).find(|id| self.leaving(*id) > 0.0)
    }

    /// By how much the probabilities must be others for `claimed` to be picked: for it to be within the share, for one of the draws to fall on
    /// it, and for those before to fall on what is not within.
    pub(super) fn distance(&self, draws: impl Iterator<Item = f64>, claimed: usize) -> f64 {
        let entering = self.entering(claimed);
        let (mut least, mut passing) = (1.0_f64, 0.0_f64);
        for draw in draws {
            least = least.min(passing.max(entering + self.apart(draw, claimed)));
            if least <= passing {
                break;
            }
            passing = passing.max(self.passing(draw));
        }
        least
    }

    /// The token that a draw falls on.
    fn at(&self, draw: f64) -> usize {
        let wanted = draw * self.total();
        self.sums.partition_point(|sum| *sum <= wanted).min(self.sums.len().saturating_sub(1))
    }

    /// How far a draw lies from a token's place.
    fn apart(&self, draw: f64, id: usize) -> f64 {
        let (from, to) = ((self.sums[id] - self.weights[id]) / self.total(), self.sums[id] / self.total());
        // What a draw falls on is decided by sums as they are, without another rounding.
        if self.at(draw) == id { 0.0 } else { (from - draw).max(draw - to).max(f64::MIN_POSITIVE) }
    }

    /// By how much the probabilities must be others for a draw to be passed over: to fall beside the share, or for what it falls on to leave it.
    fn passing(&self, draw: f64) -> f64 {
        if self.part.is_none() {
            return 1.0;
        }
        let id = self.at(draw);
        let mut least = self.leaving(id);
        let mut nearer = |beside: usize| {
            let apart = self.apart(draw, beside);
            let is_nearer = apart < least;
            if is_nearer {
                least = least.min(apart + self.leaving(beside));
            }
            is_nearer
        };
        let _ = (0..id).rev().all(&mut nearer);
        let _ = (id + 1..self.weights.len()).all(&mut nearer);
        least
    }

    /// By how much the sums must be others for a token to be within the share.
    fn entering(&self, id: usize) -> f64 {
        let Some(part) = &self.part else { return 0.0 };
        (part.heavier_than(self.weights[id] * TIE.exp()) / self.total() - part.share).max(0.0)
    }

    /// By how much the sums must be others for a token not to be within the share; 0 for one that is not.
    fn leaving(&self, id: usize) -> f64 {
        let Some(part) = &self.part else { return 1.0 };
        let weight = self.weights[id];
        if part.heavier_than(weight) >= part.share * self.total() {
            return 0.0;
        }
        // Before those that may as well come before it.
        let before = part.heavier_than(weight * (-TIE).exp()) - weight;
        (part.share - before / self.total()).max(f64::MIN_POSITIVE)
    }

    fn total(&self) -> f64 {
        self.sums.last().copied().unwrap_or_default()
    }
}

impl Part {
    /// Sum of all weights above `weight`.
    fn heavier_than(&self, weight: f64) -> f64 {
        self.before[self.sorted.partition_point(|other| *other > weight)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nucleus(weights: &[f64], share: f64) -> Nucleus {
        Nucleus::new(weights.to_vec(), share)
    }

    #[test]
    fn all_are_drawn_in_the_order_of_the_vocabulary() {
        let all = nucleus(&[0.2, 0.5, 0.3], 1.0);
        let drawn: Vec<_> =
            [0.0, 0.19, 0.21, 0.69, 0.71, 0.999].map(|draw| all.pick([draw].into_iter()).unwrap()).into();
        assert_eq!(drawn, [0, 0, 1, 1, 2, 2]);
        let distance = |draw: f64, claimed| all.distance([draw, 0.5, 0.1].into_iter(), claimed);
        assert!((distance(0.1, 2) - 0.6).abs() < 1e-9 && (distance(0.9, 0) - 0.7).abs() < 1e-9);
        assert_eq!(distance(0.1, 0), 0.0, "a second draw counts for nothing where the first is good");
    }

    #[test]
    fn what_lies_outside_the_share_is_drawn_again() {
        let few = nucleus(&[0.2, 0.5, 0.3], 0.6);
        assert_eq!(few.pick([0.1, 0.1, 0.8].into_iter()), Some(2));
        assert_eq!(few.pick([0.1].into_iter()), None);
        assert_eq!(few.distance([0.1, 0.1, 0.8].into_iter(), 2), 0.0);
        // Claimed is what was passed over: the share would have to end .2 later.
        assert!((few.distance([0.1, 0.8].into_iter(), 0) - 0.2).abs() < 1e-9);
        // Claimed is what would have come next: what came must have been passed over.
        assert!(few.distance([0.3, 0.8].into_iter(), 2) > 0.09);
    }

    #[test]
    fn what_ends_the_share_may_be_in_or_out_for_as_little_as_is_missing() {
        // The second reaches the share by a hair, or does not.
        let with = |second: f64| nucleus(&[0.5, second, 0.5 - second], 0.8);
        let draws = [0.9, 0.6];
        let (few, all) = (with(0.301), with(0.299));
        assert_eq!((few.pick(draws.into_iter()), all.pick(draws.into_iter())), (Some(1), Some(2)));
        let (taken, passed) = (few.distance(draws.into_iter(), 2), all.distance(draws.into_iter(), 1));
        assert!((taken - 0.001).abs() < 1e-9 && (passed - 0.001).abs() < 1e-9, "{taken} {passed}");
        assert!(few.distance(draws.into_iter(), 0) > 0.09);
    }
}
