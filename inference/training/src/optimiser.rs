//! AdamW on the host, in the form that can be differentiated: epsilon lies inside the root.

use crate::recipe::Recipe;

/// The optimiser's state.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct AdamW {
    /// Running mean of the gradients.
    pub m: Vec<f32>,
    /// Running mean of their squares.
    pub v: Vec<f32>,
}

/// What a step was made with; the replay needs it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Update {
    /// The step's learning rate.
    pub eta: f32,
    /// 1 - beta1^(t+1).
    pub k1: f32,
    /// 1 - beta2^(t+1).
    pub k2: f32,
}

impl Update {
    /// The factors of step `t` (counted from 0) of `steps`.
    pub fn of(recipe: &Recipe, t: usize, steps: usize) -> Self {
        let power = i32::try_from(t + 1).unwrap_or(i32::MAX);
        let correction = |beta: f32| (1.0 - f64::from(beta).powi(power)) as f32;
        Self { eta: recipe.rate(t, steps), k1: correction(recipe.beta1), k2: correction(recipe.beta2) }
    }
}

impl AdamW {
    /// The state before the first step.
    pub fn new(parameters: usize) -> Self {
        Self { m: vec![0.0; parameters], v: vec![0.0; parameters] }
    }

    /// One step (counted from 0) of `steps`: with D = sqrt(v'/k2 + epsilon^2),
    /// theta -= eta ((m'/k1)/D + weight decay * theta). All slices have the parameters' length.
    pub fn step(&mut self, recipe: &Recipe, t: usize, steps: usize, theta: &mut [f32], g: &[f32]) -> Update {
        debug_assert!(theta.len() == g.len() && self.m.len() == g.len() && self.v.len() == g.len());
        let update = Update::of(recipe, t, steps);
        let (b1, b2, squared) = (recipe.beta1, recipe.beta2, recipe.epsilon * recipe.epsilon);
        let (c1, c2) = (1.0 - b1, 1.0 - b2);
        let (over_k1, over_k2) = (1.0 / update.k1, 1.0 / update.k2);
        let (eta, decay) = (update.eta, recipe.weight_decay);
        // Zipped slices: the compiler drops the bounds checks and takes four numbers at once.
        let moments = self.m.iter_mut().zip(&mut self.v);
        for (((theta, &g), m), v) in theta.iter_mut().zip(g).zip(moments).map(|(x, (m, v))| ((x, m), v)) {
            *m = b1 * *m + c1 * g;
            *v = b2 * *v + c2 * g * g;
            let root = (*v * over_k2 + squared).sqrt();
            *theta -= eta * (*m * over_k1 / root + decay * *theta);
        }
        update
    }
}

/// Shortens `g` to the length `limit` where it is longer; gives the length that it had.
pub fn clip(g: &mut [f32], limit: f32) -> f32 {
    let norm = g.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt() as f32;
    if norm > limit {
        let factor = limit / norm;
        g.iter_mut().for_each(|x| *x *= factor);
    }
    norm
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_follow_the_formulas() {
        let recipe = Recipe { warmup: 2, epsilon: 1e-2, ..Recipe::default() };
        let (mut adam, mut theta) = (AdamW::new(1), vec![0.5f32]);
        let (mut m, mut v, mut x) = (0.0f64, 0.0f64, 0.5f64);
        for (t, g) in [0.3f64, -0.2, 0.05].into_iter().enumerate() {
            let update = adam.step(&recipe, t, 3, &mut theta, &[g as f32]);
            m = 0.9 * m + 0.1 * g;
            v = 0.99 * v + 0.01 * g * g;
            let (k1, k2) = (1.0 - 0.9f64.powi(t as i32 + 1), 1.0 - 0.99f64.powi(t as i32 + 1));
            let eta = 2e-3 * ((t + 1) as f64 / 2.0).min(1.0) * (1.0 - t as f64 / 3.0);
            x -= eta * ((m / k1) / (v / k2 + 1e-4).sqrt() + 1e-2 * x);
            assert!((f64::from(theta[0]) - x).abs() < 1e-6, "{t}");
            assert!((f64::from(update.k2) - k2).abs() < 1e-6 && (f64::from(update.eta) - eta).abs() < 1e-8);
        }
    }

    #[test]
    fn a_parameter_without_gradient_only_decays() {
        let recipe = Recipe { warmup: 1, ..Recipe::default() };
        let (mut adam, mut theta) = (AdamW::new(1), vec![1.0f32]);
        adam.step(&recipe, 0, 1, &mut theta, &[0.0]);
        assert!((theta[0] - (1.0 - 2e-3 * 1e-2)).abs() < 1e-7);
    }

    #[test]
    fn clipping_keeps_the_direction() {
        let mut g = [3.0, 4.0];
        assert_eq!(clip(&mut g, 1.0), 5.0);
        assert!((g[0] - 0.6).abs() < 1e-6 && (g[1] - 0.8).abs() < 1e-6);
        assert_eq!(clip(&mut g, 10.0), 1.0);
    }
}
