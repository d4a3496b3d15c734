//! The Gauss-Newton rows of a batch, from what the network gives.
//!
//! The curvature of a loss -log p(label) over C classes is J^T (diag(p) - p p^T) J, with J the Jacobian of the
//! logits. Any set of rows u J whose u^T u adds up to diag(p) - p p^T (exactly, or on average over random signs)
//! stands for it.

use std::borrow::Cow;

use super::model::{Curvature, Model, ModelError, Rows};
use crate::random::Stream;

/// Samples whose rows are asked for at a time.
const BATCH: usize = 32;

/// The seed of the random signs at a step (counted from 0): training and audit must draw the same.
pub fn step_seed(seed: u64, step: usize) -> u64 {
    Stream::new("curvature", seed, step as u64).next_u64()
}

/// The rows of a batch, [n k, P]. `gradients` are the batch's own, at the same theta: the true label's rows are these
/// again (their sign does not matter), so they cost nothing.
///
/// # Errors
/// When the network cannot run.
pub fn rows<'a>(
    model: &mut dyn Model,
    theta: &[f32],
    samples: &[usize],
    gradients: &'a Rows,
    curvature: Curvature,
    seed: u64,
) -> Result<Cow<'a, Rows>, ModelError> {
    match curvature {
        Curvature::TrueLabel => Ok(Cow::Borrowed(gradients)),
        Curvature::None | Curvature::Signs(0) => Ok(Cow::Owned(Rows::none(gradients.columns))),
        Curvature::All | Curvature::Signs(_) => Ok(Cow::Owned(model.curvature_rows(theta, samples, curvature, seed)?)),
    }
}

/// The rows of any number of samples, [n k, P], with other signs for each batch.
///
/// # Errors
/// When the network cannot run.
pub fn all(
    model: &mut dyn Model,
    theta: &[f32],
    samples: &[usize],
    kind: Curvature,
    seed: u64,
) -> Result<Rows, ModelError> {
    all_telling(model, theta, samples, kind, seed, &mut |_| {})
}

/// Like [`all`]; `asked` hears after each batch how many samples it had.
///
/// # Errors
/// When the network cannot run.
pub fn all_telling(
    model: &mut dyn Model,
    theta: &[f32],
    samples: &[usize],
    kind: Curvature,
    seed: u64,
    asked: &mut dyn FnMut(usize),
) -> Result<Rows, ModelError> {
    let mut all = Rows::none(theta.len());
    for (at, batch) in samples.chunks(BATCH).enumerate() {
        let seed = step_seed(seed, at);
        all.append(match kind {
            Curvature::TrueLabel => model.loss_gradients(theta, batch)?.1,
            Curvature::None => Rows::none(theta.len()),
            _ => model.curvature_rows(theta, batch, kind, seed)?,
        });
        asked(batch.len());
    }
    Ok(all)
}

/// What to multiply the Jacobian of the logits with from the left: k vectors u of C numbers for one sample with these
/// class probabilities.
pub fn cotangents(probabilities: &[f32], label: usize, curvature: Curvature, signs: &mut Stream) -> Vec<Vec<f32>> {
    let classes = probabilities.len();
    // grad log p_k = e_k - p in the logits.
    let towards = |class: usize, weight: f32| {
        let mut row: Vec<f32> = probabilities.iter().map(|p| -p * weight).collect();
        row[class] += weight;
        row
    };
    match curvature {
        Curvature::All => (0..classes).map(|class| towards(class, probabilities[class].sqrt())).collect(),
        Curvature::TrueLabel => vec![towards(label, 1.0)],
        Curvature::Signs(count) => {
            let combine = |signs: Vec<f32>| {
                let weights: Vec<f32> =
                    signs.iter().zip(probabilities).map(|(e, p)| e * p.sqrt() / (count as f32).sqrt()).collect();
                let total: f32 = weights.iter().sum();
                weights.iter().zip(probabilities).map(|(weight, p)| weight - p * total).collect()
            };
            (0..count).map(|_| combine(signs.signs(classes))).collect()
        }
        Curvature::None => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const P: [f32; 3] = [0.5, 0.3, 0.2];

    /// Adds u^T u.
    fn outer(rows: &[Vec<f32>], sum: &mut [[f64; 3]; 3]) {
        for row in rows {
            for (i, sum) in sum.iter_mut().enumerate() {
                sum.iter_mut().enumerate().for_each(|(j, sum)| *sum += f64::from(row[i] * row[j]));
            }
        }
    }

    fn fisher(i: usize, j: usize) -> f64 {
        f64::from(if i == j { P[i] } else { 0.0 } - P[i] * P[j])
    }

    #[test]
    fn all_rows_make_the_whole_curvature() {
        let mut sum = [[0.0; 3]; 3];
        outer(&cotangents(&P, 0, Curvature::All, &mut Stream::new("test", 0, 0)), &mut sum);
        for (i, row) in sum.iter().enumerate() {
            row.iter().enumerate().for_each(|(j, x)| assert!((x - fisher(i, j)).abs() < 1e-6));
        }
    }

    #[test]
    fn random_signs_make_it_on_average() {
        let mut signs = Stream::new("test", 0, 0);
        let mut sum = [[0.0; 3]; 3];
        (0..20_000).for_each(|_| outer(&cotangents(&P, 0, Curvature::Signs(2), &mut signs), &mut sum));
        for (i, row) in sum.iter().enumerate() {
            row.iter().enumerate().for_each(|(j, x)| assert!((x / 20_000.0 - fisher(i, j)).abs() < 5e-3));
        }
    }

    #[test]
    fn true_labels_make_it_on_average_over_the_labels() {
        let mut sum = [[0.0; 3]; 3];
        for (label, p) in P.iter().enumerate() {
            let mut rows = cotangents(&P, label, Curvature::TrueLabel, &mut Stream::new("test", 0, 0));
            rows[0].iter_mut().for_each(|x| *x *= p.sqrt());
            outer(&rows, &mut sum);
        }
        for (i, row) in sum.iter().enumerate() {
            row.iter().enumerate().for_each(|(j, x)| assert!((x - fisher(i, j)).abs() < 1e-6));
        }
    }

    #[test]
    fn every_step_draws_other_signs() {
        assert_ne!(step_seed(0, 0), step_seed(0, 1));
        assert_ne!(step_seed(0, 0), step_seed(1, 0));
        assert!(cotangents(&P, 0, Curvature::None, &mut Stream::new("test", 0, 0)).is_empty());
    }
}
