//! What following columns costs a step of training, by columns and by rows of curvature, against the demo's: a column for
//! each of 13 contributors.
//!
//! `cargo bench --profile dev -p datanet-training --bench replay`

#![expect(clippy::unwrap_used, reason = "a measurement stops at what goes wrong")]

use std::time::Instant;

use datanet_training::attribution::Replay;
use datanet_training::recipe::Recipe;
use datanet_training::{attribution, optimiser, random, recipe};

#[path = "../src/attribution/replay/tests/numbers.rs"]
mod numbers;

/// Of rank 4 on query and value of two layers of the small encoder, with a head.
const PARAMETERS: usize = 14_598;
const BATCH: usize = 32;
/// Steps that are timed, after one that is not.
const STEPS: usize = 5;
/// Columns and rows.
const SIZES: [(usize, usize); 6] = [(13, 192), (800, 0), (800, 32), (800, 64), (800, 192), (2_000, 192)];

fn main() {
    let recipe = Recipe::default();
    let mut baseline = None;
    for (columns, rows) in SIZES {
        let mut step = numbers::numbers(1, PARAMETERS, columns, BATCH, rows);
        // So many rows of this length would make the derivatives explode.
        step.curvature.data.iter_mut().for_each(|x| *x *= 0.05);
        let mut replay = Replay::new(PARAMETERS, columns).unwrap();
        replay.step(step.step(&recipe, 0)).unwrap();
        let start = Instant::now();
        (1..=STEPS).for_each(|t| replay.step(step.step(&recipe, t)).unwrap());
        let millis = start.elapsed().as_secs_f64() * 1e3 / STEPS as f64;
        let times = millis / *baseline.get_or_insert(millis);
        println!("{columns:>5} columns {rows:>4} rows {millis:>7.1} ms a step, {times:>5.1} times the first");
    }
}
