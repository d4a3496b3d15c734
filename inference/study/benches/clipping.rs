//! What a bound on the gradients of single records costs in accuracy, on handwritten digits.
//!
//! `DATANET_DIGITS=/path/of/digits.csv cargo bench --profile dev -p datanet-study --bench clipping -- 10`: scikit-learn's
//! file, unpacked; the mean of so many seeds.

#![expect(clippy::unwrap_used, reason = "a measurement stops at what goes wrong")]

use datanet_study::{DigitsTask, Points};
use datanet_training::attribution::Model as _;
use datanet_training::run::Gradient;

fn main() {
    let Some(path) = std::env::var_os("DATANET_DIGITS") else {
        return println!("DATANET_DIGITS names no file; give scikit-learn's digits.csv, unpacked");
    };
    let points = Points::digits(&std::fs::read(path).unwrap()).unwrap();
    // Cargo adds `--bench`.
    let seeds = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(10);
    for noisy in [false, true] {
        let mut unbound = None;
        for bound in [None, Some(4.0), Some(3.0), Some(2.0)] {
            let outcomes: Vec<[f32; 2]> = (0..seeds).map(|seed| train(&points, noisy, seed, bound)).collect();
            let [accuracy, loss] =
                [0, 1].map(|of| outcomes.iter().map(|one| one[of]).sum::<f32>() / outcomes.len() as f32);
            let ratio = accuracy / *unbound.get_or_insert(accuracy);
            let labels = if noisy { "noisy" } else { "clean" };
            let name = bound.map_or_else(|| "no bound".to_owned(), |times| format!("{times} times the median"));
            println!("{labels} {name:<18} accuracy {accuracy:.4}, {ratio:.4} of no bound; loss {loss:.4}");
        }
    }
}

/// Accuracy and loss on the held-out digits.
fn train(points: &Points, noisy: bool, seed: u64, bound: Option<f32>) -> [f32; 2] {
    let mut task = DigitsTask::new(points, noisy, seed).unwrap();
    task.course.gradient = Gradient::ByRecord { bound };
    let theta = task.course.train(&mut task.model, &[]).unwrap();
    let accuracy = task.model.accuracy(&theta, &task.queries).unwrap().unwrap();
    let losses = task.model.losses(&theta, &task.queries).unwrap();
    [accuracy, losses.iter().sum::<f32>() / losses.len() as f32]
}
