//! How a model is trained: rates, batches, and the order of the records.

use serde::{Deserialize, Serialize};

use crate::random::Stream;

/// AdamW with warm-up and linear decay. The defaults are the ordinary recipe that attribution is measured to be
/// faithful with; a hotter one halves the trust in what contributors are paid.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Recipe {
    /// Highest learning rate, reached after the warm-up.
    pub learning_rate: f32,
    /// Inside the root of AdamW's denominator, so that its derivative exists.
    pub epsilon: f32,
    /// Decay of the parameters per unit of rate.
    pub weight_decay: f32,
    /// Decay of the mean gradient.
    pub beta1: f32,
    /// Decay of the mean squared gradient.
    pub beta2: f32,
    /// Records a step.
    pub batch: usize,
    /// Passes over the data.
    pub epochs: usize,
    /// Steps over which the rate rises.
    pub warmup: usize,
    /// Seed of the first adapter and of the records' order.
    pub seed: u64,
    /// Gradients longer than this are shortened to it; none leaves them as they are. The replay does not follow the
    /// clipping, so a recipe with influence is better off without.
    pub clip: Option<f32>,
}

impl Default for Recipe {
    fn default() -> Self {
        Self {
            learning_rate: 2e-3,
            epsilon: 1e-8,
            weight_decay: 1e-2,
            beta1: 0.9,
            beta2: 0.99,
            batch: 32,
            epochs: 4,
            warmup: 10,
            seed: 0,
            clip: None,
        }
    }
}

/// A recipe that cannot work.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{key} = {value} is not possible; it must be {range}")]
pub struct RecipeError {
    /// The key, as in a job file.
    pub key: &'static str,
    /// What it is.
    pub value: String,
    /// What it may be.
    pub range: &'static str,
}

impl Recipe {
    /// Checks every value.
    ///
    /// # Errors
    /// The first key that is out of its range.
    pub fn check(&self) -> Result<(), RecipeError> {
        let number = |key, value: f32, fits: bool, range| {
            if fits { Ok(()) } else { Err(RecipeError { key, value: value.to_string(), range }) }
        };
        let count = |key, value: usize, fits: bool, range| {
            if fits { Ok(()) } else { Err(RecipeError { key, value: value.to_string(), range }) }
        };
        let rate = self.learning_rate;
        number("recipe.learning_rate", rate, rate > 0.0 && rate <= 1.0, "above 0 and at most 1")?;
        number("recipe.epsilon", self.epsilon, (1e-12..=1.0).contains(&self.epsilon), "from 1e-12 to 1")?;
        number("recipe.weight_decay", self.weight_decay, (0.0..=1.0).contains(&self.weight_decay), "from 0 to 1")?;
        number("recipe.beta1", self.beta1, (0.0..1.0).contains(&self.beta1), "from 0 to below 1")?;
        number("recipe.beta2", self.beta2, (0.0..1.0).contains(&self.beta2), "from 0 to below 1")?;
        count("recipe.batch", self.batch, (1..=4096).contains(&self.batch), "from 1 to 4096")?;
        count("recipe.epochs", self.epochs, (1..=1000).contains(&self.epochs), "from 1 to 1000")?;
        count("recipe.warmup", self.warmup, self.warmup <= 100_000, "at most 100000")?;
        let clip = self.clip.unwrap_or(1.0);
        number("recipe.clip", clip, clip.is_finite() && clip > 0.0, "above 0, or left out")
    }

    /// The learning rate of a step (counted from 0) of `steps`.
    pub fn rate(&self, step: usize, steps: usize) -> f32 {
        let warm = ((step + 1) as f64 / self.warmup.max(1) as f64).min(1.0);
        let left = 1.0 - step as f64 / steps.max(1) as f64;
        (f64::from(self.learning_rate) * warm * left) as f32
    }

    /// Steps that `samples` records make.
    pub fn steps(&self, samples: usize) -> usize {
        let batch = self.batch.max(1);
        let per_epoch = if samples >= batch { samples / batch } else { usize::from(samples > 0) };
        self.epochs.saturating_mul(per_epoch)
    }

    /// The records of every step: each epoch a new seeded order, cut into batches. What is left at an epoch's end
    /// waits for the next one, unless there are fewer records than one batch.
    pub fn schedule(&self, samples: usize) -> Vec<Vec<usize>> {
        let batch = self.batch.max(1);
        let mut steps = Vec::with_capacity(self.steps(samples));
        for epoch in 0..self.epochs {
            let order = Stream::new("schedule", self.seed, epoch as u64).permutation(samples);
            if samples < batch {
                steps.extend((samples > 0).then_some(order));
            } else {
                steps.extend(order.chunks_exact(batch).map(<[usize]>::to_vec));
            }
        }
        steps
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_rate_rises_and_falls_as_stated() {
        let recipe = Recipe::default();
        assert!((recipe.rate(0, 100) - 2e-4).abs() < 1e-9);
        assert!((recipe.rate(9, 100) - 2e-3 * 0.91).abs() < 1e-8);
        assert!((recipe.rate(99, 100) - 2e-5).abs() < 1e-8);
    }

    #[test]
    fn absurd_values_are_named() {
        let bad = Recipe { learning_rate: f32::NAN, ..Recipe::default() };
        assert!(bad.check().unwrap_err().to_string().contains("learning_rate"));
        assert!(Recipe { batch: 0, ..Recipe::default() }.check().is_err());
        assert!(Recipe { beta2: 1.0, ..Recipe::default() }.check().is_err());
        assert!(Recipe { clip: Some(-1.0), ..Recipe::default() }.check().is_err());
        assert_eq!(Recipe::default().check(), Ok(()));
    }

    proptest! {
        #[test]
        fn each_epoch_shows_a_record_at_most_once(
            samples in 0usize..300, batch in 1usize..40, epochs in 1usize..4, seed: u64
        ) {
            let recipe = Recipe { batch, epochs, seed, ..Recipe::default() };
            let schedule = recipe.schedule(samples);
            prop_assert_eq!(schedule.len(), recipe.steps(samples));
            prop_assert_eq!(&schedule, &recipe.schedule(samples));
            let per_epoch = schedule.len() / epochs;
            for epoch in 0..epochs {
                let mut seen: Vec<usize> = schedule[epoch * per_epoch..(epoch + 1) * per_epoch].concat();
                let shown = seen.len();
                seen.sort_unstable();
                seen.dedup();
                prop_assert!(seen.len() == shown && seen.iter().all(|&at| at < samples));
                prop_assert!(samples == 0 || samples - shown < batch);
            }
        }

        #[test]
        fn rates_stay_between_zero_and_the_highest(steps in 1usize..500, warmup in 0usize..50) {
            let recipe = Recipe { warmup, ..Recipe::default() };
            for step in 0..steps {
                let rate = recipe.rate(step, steps);
                prop_assert!(rate > 0.0 && rate <= recipe.learning_rate);
            }
        }
    }
}
