//! The convex check: where the loss is convex and trained to its minimum, influence functions are the truth to first
//! order, so that any doubt about the arithmetic ends here.

use datanet_training::attribution::cholesky::Cholesky;
use datanet_training::attribution::model::mean;
use datanet_training::attribution::rank::spearman;
use datanet_training::attribution::{Curvature, Model, ModelError, Rows, curvature, gradients};

use crate::gauss_newton::{GaussNewton, GaussNewtonError};

/// Newton steps until the minimum of a well-damped logistic regression, with a margin.
const STEPS: usize = 25;

/// The minimum of sum of the kept losses / n + l2/2 |theta|^2 by Newton's method, from zeros. The Gauss-Newton matrix
/// must be the Hessian, as for logistic regression.
///
/// # Errors
/// When the network cannot run or the damping is too small.
pub fn minimum(model: &mut dyn Model, samples: &[usize], kept: &[bool], l2: f32) -> Result<Vec<f32>, GaussNewtonError> {
    let size = model.parameters();
    let own: Vec<usize> = samples.iter().zip(kept).filter(|(_, kept)| **kept).map(|(at, _)| *at).collect();
    let count = samples.len();
    let mut theta = vec![0.0f32; size];
    for _ in 0..STEPS {
        let mut step: Vec<f64> = mean(model.loss_gradient_sum(&theta, &own)?.1, count)
            .iter()
            .zip(&theta)
            .map(|(g, theta)| f64::from(*g) + f64::from(l2) * f64::from(*theta))
            .collect();
        let rows = curvature::all(model, &theta, &own, Curvature::All, 0)?;
        let turned = turned(&rows);
        let mut hessian: Vec<f64> =
            gradients::product(&turned, &turned).data.iter().map(|x| f64::from(*x) / count as f64).collect();
        (0..size).for_each(|at| hessian[at * size + at] += f64::from(l2));
        Cholesky::new(hessian, size)?.solve(&mut step, 1);
        // Far from the minimum a full step may overshoot: keep it within what the model is still about linear in.
        let length = step.iter().map(|x| x * x).sum::<f64>().sqrt();
        let factor = (5.0 / length.max(1e-12)).min(1.0);
        theta.iter_mut().zip(&step).for_each(|(theta, step)| *theta -= (factor * step) as f32);
        if length < 1e-6 {
            break;
        }
    }
    Ok(theta)
}

/// The LDS of influence functions for `queries` over `subsets` (places in `samples`), each really removed.
///
/// # Errors
/// As [`minimum`].
pub fn check(
    model: &mut dyn Model,
    samples: &[usize],
    queries: &[usize],
    l2: f32,
    subsets: &[Vec<usize>],
) -> Result<f32, GaussNewtonError> {
    let theta = minimum(model, samples, &vec![true; samples.len()], l2)?;
    let base = model.losses(&theta, queries)?;
    let values = influence(model, &theta, samples, queries, l2)?;
    let mut predicted = vec![Vec::new(); queries.len()];
    let mut actual = vec![Vec::new(); queries.len()];
    for subset in subsets {
        let mut kept = vec![true; samples.len()];
        subset.iter().for_each(|at| kept[*at] = false);
        let losses = retrained(model, samples, &kept, l2, queries)?;
        for query in 0..queries.len() {
            predicted[query].push(subset.iter().map(|at| values.row(*at)[query]).sum::<f32>());
            actual[query].push(losses[query] - base[query]);
        }
    }
    let rhos: Vec<f64> = predicted.iter().zip(&actual).filter_map(|(p, a)| spearman(p, a)).collect();
    Ok((rhos.iter().sum::<f64>() / rhos.len().max(1) as f64) as f32)
}

fn influence(
    model: &mut dyn Model,
    theta: &[f32],
    samples: &[usize],
    queries: &[usize],
    l2: f32,
) -> Result<Rows, GaussNewtonError> {
    let records = gradients::all(model, theta, samples)?;
    let answers = gradients::all(model, theta, queries)?;
    let rows = curvature::all(model, theta, samples, Curvature::All, 0)?;
    GaussNewton::new(rows, &records, &answers)?.values(l2)
}

fn retrained(
    model: &mut dyn Model,
    samples: &[usize],
    kept: &[bool],
    l2: f32,
    queries: &[usize],
) -> Result<Vec<f32>, GaussNewtonError> {
    let theta = minimum(model, samples, kept, l2)?;
    Ok(model.losses(&theta, queries).map_err(|error: ModelError| error)?)
}

fn turned(rows: &Rows) -> Rows {
    let mut turned = Rows::zeros(rows.columns, rows.rows);
    for (at, row) in rows.iter().enumerate() {
        row.iter().enumerate().for_each(|(column, x)| turned.data[column * rows.rows + at] = *x);
    }
    turned
}

#[cfg(test)]
mod tests {
    use datanet_training::attribution::AuditPlan;

    use super::*;
    use crate::{Logistic, Plain, Points};

    #[test]
    fn influence_functions_are_the_truth_of_a_convex_model() {
        let points = Points::blobs(660, 6, 4, 2.0, 3);
        let mut model = Plain { network: Logistic { features: 6, classes: 4 }, points };
        let samples: Vec<usize> = (0..600).collect();
        let queries: Vec<usize> = (600..660).collect();
        let subsets = AuditPlan { subsets: 16, removed: 0.05, ..AuditPlan::default() }.draw_subsets(600);
        let lds = check(&mut model, &samples, &queries, 1e-2, &subsets).unwrap();
        assert!(lds >= 0.99, "{lds}");
    }
}
