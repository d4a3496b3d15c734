//! How far forward replay's first order is from what a run would really have done, told along the run itself.
//!
//! At a few steps a tenth of the columns, S, is left out by first order: the parameters become theta - sum of dtheta_c, and
//! the batch loses its records of S. The gradient g' that it really has there is held against the one that forward replay goes
//! on with,
//!
//! ```text
//! expected = g - (1/B) sum of g_i over the batch's records of S - (1/B) M^T M (sum of dtheta_c)
//! missed   = g' - expected            changed = g' - g
//! ```
//!
//! and the figure of the run is sqrt(sum of eta^2 |missed|^2 / sum of eta^2 |changed|^2) over the steps looked at: 0 where each
//! step is as linear as it is taken for, 1 where what is missed is as large as all that leaving records out changes. It sees
//! the curvature beyond Gauss-Newton's, rows that stand for others (true labels, random signs), the shortening of long
//! gradients, and contrasts between records; it does not see the optimiser's own root, nor how an error grows in later steps.
//!
//! A parameter counts by what the batch's records have there each by itself, as the optimiser's divisor has it; one where they
//! have next to nothing by a hundredth of the mean over parameters.

use super::model::Rows;
use super::replay::Replay;
use crate::random::Stream;

/// Steps of a run that are looked at.
const LOOKS: usize = 10;
/// Fewest steps between two looks, so that a short run does not pay more for them than for itself.
const APART: usize = 5;
/// One column in so many is left out.
const LEFT_OUT: usize = 10;
/// The least weight of a parameter's scale, in the mean over parameters.
const LEAST: f64 = 1e-2;

/// What first order has missed of how gradients change, summed over the steps that were looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct FirstOrder {
    /// Square of the rate times squared length of what was missed.
    pub missed: f64,
    /// The same of the whole change.
    pub changed: f64,
    /// Steps that were looked at.
    pub looks: u64,
}

/// A batch as forward replay follows it, before the step.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected<'a> {
    /// B: what sums of gradients are divided by.
    pub batch: usize,
    /// The mean gradient, P numbers.
    pub mean: &'a [f32],
    /// The gradient of each record, [n, P].
    pub gradients: &'a Rows,
    /// Gauss-Newton rows, without the 1/sqrt(B).
    pub curvature: &'a Rows,
    /// Whether each record of the batch is left out.
    pub out: &'a [bool],
    /// The sum of the left-out columns' derivatives, P numbers.
    pub moved: &'a [f32],
}

/// Whether the step (counted from 0) of so many is looked at.
pub(crate) fn is_looked_at(step: usize, steps: usize) -> bool {
    let apart = steps.div_ceil(LOOKS).max(APART);
    (step + 1).is_multiple_of(apart) || step + 1 == steps
}

/// The columns that are left out at a step: true at a tenth of them, at one at least.
pub(crate) fn drawn(seed: u64, step: usize, columns: usize) -> Vec<bool> {
    let mut out = vec![false; columns];
    let count = (columns / LEFT_OUT).max(1);
    let order = Stream::new("first order", seed, step as u64).permutation(columns);
    order.into_iter().take(count).for_each(|column| out[column] = true);
    out
}

/// The sum of what the columns of `out` did to the parameters.
pub(crate) fn moved(replay: &Replay, out: &[bool]) -> Vec<f32> {
    let mut sum = vec![0.0; replay.parameters()];
    for column in (0..out.len()).filter(|column| out[*column]) {
        sum.iter_mut().zip(replay.column(column)).for_each(|(sum, x)| *sum += x);
    }
    sum
}

impl FirstOrder {
    /// Adds a step of this rate, at which the batch's mean gradient without the left-out columns really is `there`.
    pub(crate) fn add(&mut self, expected: &Expected<'_>, there: &[f32], rate: f32) {
        let (missed, changed) = expected.apart(there);
        let weight = f64::from(rate).powi(2);
        self.missed += weight * missed;
        self.changed += weight * changed;
        self.looks += 1;
    }

    /// The first-order error of the run: the length of what was missed over that of the whole change, 0 or more. None where
    /// nothing was looked at or nothing changed, or where a number is not finite.
    pub fn error(&self) -> Option<f32> {
        let error = (self.missed / self.changed).sqrt() as f32;
        (self.looks > 0 && error.is_finite()).then_some(error)
    }

    /// For a checkpoint: to the bit.
    pub(crate) fn to_text(self) -> String {
        format!("{} {} {}", self.missed.to_bits(), self.changed.to_bits(), self.looks)
    }

    /// What [`FirstOrder::to_text`] wrote.
    pub(crate) fn from_text(text: &str) -> Option<Self> {
        let mut numbers = text.split(' ').map(str::parse::<u64>);
        let mut next = || numbers.next()?.ok();
        let (missed, changed, looks) = (f64::from_bits(next()?), f64::from_bits(next()?), next()?);
        Some(Self { missed, changed, looks })
    }
}

impl Expected<'_> {
    /// Squared lengths of what was missed, and of the whole change.
    fn apart(&self, there: &[f32]) -> (f64, f64) {
        let over = 1.0 / self.batch.max(1) as f64;
        let mut change = vec![0.0; self.mean.len()];
        for (row, _) in self.gradients.iter().zip(self.out).filter(|(_, out)| **out) {
            change.iter_mut().zip(row).for_each(|(sum, g)| *sum -= over * f64::from(*g));
        }
        for row in self.curvature.iter() {
            let along: f64 = row.iter().zip(self.moved).map(|(m, d)| f64::from(*m) * f64::from(*d)).sum();
            change.iter_mut().zip(row).for_each(|(sum, m)| *sum -= over * along * f64::from(*m));
        }
        let (mut missed, mut changed) = (0.0, 0.0);
        let numbers = there.iter().zip(self.mean).zip(change.iter().zip(self.scales()));
        for ((there, mean), (expected, scale)) in numbers {
            let real = f64::from(*there) - f64::from(*mean);
            missed += (real - expected).powi(2) / scale;
            changed += real.powi(2) / scale;
        }
        (missed, changed)
    }

    /// By parameter, the square of what the batch's records have there each by itself, and not much less than the mean of it.
    fn scales(&self) -> Vec<f64> {
        let mut scales = vec![0.0; self.mean.len()];
        for row in self.gradients.iter() {
            scales.iter_mut().zip(row).for_each(|(sum, g)| *sum += f64::from(*g).powi(2));
        }
        let least = LEAST * scales.iter().sum::<f64>() / scales.len().max(1) as f64;
        scales.iter_mut().for_each(|scale| *scale = (*scale + least).max(f64::MIN_POSITIVE));
        scales
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn some_steps_are_looked_at_and_always_the_last() {
        let looked = |steps: usize| (0..steps).filter(|step| is_looked_at(*step, steps)).collect::<Vec<_>>();
        assert_eq!(looked(200), (1..=10).map(|at| at * 20 - 1).collect::<Vec<_>>());
        assert_eq!(looked(18), [4, 9, 14, 17]);
        assert_eq!((looked(1), looked(0)), (vec![0], vec![]));
    }

    #[test]
    fn a_tenth_of_the_columns_is_left_out_and_another_at_another_step() {
        let count = |out: Vec<bool>| out.into_iter().filter(|out| *out).count();
        assert_eq!((count(drawn(1, 0, 96)), count(drawn(1, 0, 3)), count(drawn(1, 0, 0))), (9, 1, 0));
        assert!(drawn(1, 0, 96) == drawn(1, 0, 96) && drawn(1, 0, 96) != drawn(1, 1, 96));
        assert_ne!(drawn(1, 0, 96), drawn(2, 0, 96));
    }

    /// Two records of a loss (w . x)^2 / 2 each, at w = (1, 2): what a quadratic does is first order and Gauss-Newton, exactly.
    #[test]
    fn a_quadratic_misses_nothing_and_a_bend_is_missed() {
        let curvature = Rows { rows: 2, columns: 2, data: vec![1.0, 0.0, 1.0, 1.0] };
        let gradients = Rows { rows: 2, columns: 2, data: vec![1.0, 0.0, 3.0, 3.0] };
        let (mean, moved) = (gradients.mean(2), [0.5, -0.25]);
        let expected = Expected {
            batch: 2,
            mean: &mean,
            gradients: &gradients,
            curvature: &curvature,
            out: &[false, false],
            moved: &moved,
        };
        // At (0.5, 2.25) the gradients are (0.5, 0) and (2.75, 2.75).
        let mut found = FirstOrder::default();
        found.add(&expected, &[1.625, 1.375], 1e-3);
        assert!(found.error().is_some_and(|error| error < 1e-6), "{found:?}");
        // Without the first record, and with its curvature still counted, as forward replay does.
        let without = Expected { out: &[true, false], ..expected };
        let mut found = FirstOrder::default();
        found.add(&without, &[1.375, 1.375], 1e-3);
        let error = found.error().unwrap();
        assert!(error > 0.1 && error < 1.0, "{error}");
        assert_eq!(FirstOrder::default().error(), None);
        let nothing = FirstOrder { looks: 1, ..FirstOrder::default() };
        assert_eq!(nothing.error(), None);
    }

    proptest! {
        #[test]
        fn a_checkpoint_keeps_every_bit(missed: f64, changed: f64, looks: u64) {
            let found = FirstOrder { missed, changed, looks };
            let again = FirstOrder::from_text(&found.to_text()).unwrap();
            prop_assert_eq!(again.missed.to_bits(), missed.to_bits());
            prop_assert_eq!((again.changed.to_bits(), again.looks), (changed.to_bits(), looks));
            prop_assert_eq!(FirstOrder::from_text("1 x 2"), None);
        }
    }
}
