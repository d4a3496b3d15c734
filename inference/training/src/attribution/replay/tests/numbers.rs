//! Steps of random numbers to replay, for tests and a bench.

use crate::attribution::{ReplayStep, Rows};
use crate::optimiser::Update;
use crate::random::Stream;
use crate::recipe::Recipe;

/// A step of random numbers, small enough to stay finite.
pub(super) struct Numbers {
    pub(super) gradients: Rows,
    pub(super) columns: Vec<Option<usize>>,
    pub(super) curvature: Rows,
    pub(super) mean: Vec<f32>,
    pub(super) m: Vec<f32>,
    pub(super) v: Vec<f32>,
}

pub(super) fn numbers(seed: u64, parameters: usize, columns: usize, records: usize, rows: usize) -> Numbers {
    let mut dice = Stream::new("replay test", seed, 0);
    let mut draw = |count: usize| -> Vec<f32> { (0..count).map(|_| dice.normal()).collect() };
    let mut curvature = draw(rows * parameters);
    curvature.iter_mut().for_each(|x| *x *= 0.1);
    Numbers {
        gradients: Rows { rows: records, columns: parameters, data: draw(records * parameters) },
        columns: (0..records).map(|record| (record % 5 != 4).then_some((record + seed as usize) % columns)).collect(),
        curvature: Rows { rows, columns: parameters, data: curvature },
        mean: draw(parameters),
        m: draw(parameters),
        v: draw(parameters).iter().map(|x| x * x + 0.1).collect(),
    }
}

impl Numbers {
    pub(super) fn step<'a>(&'a self, recipe: &'a Recipe, t: usize) -> ReplayStep<'a> {
        ReplayStep {
            gradients: &self.gradients,
            columns: &self.columns,
            curvature: &self.curvature,
            batch: self.gradients.rows,
            mean: &self.mean,
            m: &self.m,
            v: &self.v,
            update: Update::of(recipe, t, 20),
            recipe,
        }
    }
}
