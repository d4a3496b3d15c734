//! Whether a run's own first-order error says how far its values are from retraining, on the digits: over seeds, over clean
//! and noisy contributors, and over gentle and hot recipes.

use anyhow::Result;
use datanet_study::{DigitsTask, Foretold, Points, correlation};
use datanet_training::attribution::AuditPlan;
use datanet_training::run::Gradient;

use super::Measure;
use crate::ui::Ui;

/// Learning rates; the second is the ordinary one.
const RATES: [f32; 4] = [1e-3, ORDINARY, 5e-3, 1e-2];
const ORDINARY: f32 = 2e-3;
/// The least that another number is divided by.
const LEAST: f64 = 0.01;

/// One run.
struct Run {
    noisy: bool,
    rate: f32,
    said: Foretold,
}

/// A figure that may foretell.
type Figure = (&'static str, fn(&Foretold) -> Option<f32>);

const FIGURES: [Figure; 2] =
    [("first-order error along the run", |one| one.first_order), ("answers at the run's end", |one| one.by_answers)];

/// Measures over so many seeds.
///
/// # Errors
/// When a training fails.
pub(super) fn on_digits(
    points: &Points,
    seeds: u64,
    subsets: usize,
    bound: Option<f32>,
    ui: &Ui,
) -> Result<Vec<Measure>> {
    let step = ui.bar("what runs foretell, on the digits", usize::try_from(seeds)? * 2 * RATES.len());
    let mut runs = Vec::new();
    for seed in 0..seeds {
        for noisy in [false, true] {
            let mut task = DigitsTask::new(points, noisy, seed)?;
            task.course.gradient = Gradient::ByRecord { bound };
            let plan = AuditPlan { subsets, contributors: 0, seed, ..AuditPlan::default() };
            for rate in RATES {
                let found = task.foretold(rate, &plan)?;
                runs.extend(found.into_iter().map(|said| Run { noisy, rate, said }));
                step.one(format!("seed {seed}, rate {rate}"));
            }
        }
    }
    step.done("");
    Ok(told(&runs))
}

/// How well each figure orders runs, over all and over those of the ordinary rate; then the means of each kind of run.
fn told(runs: &[Run]) -> Vec<Measure> {
    let mut measures = Vec::new();
    for (name, figure) in FIGURES {
        let ordinary: Vec<&Run> = runs.iter().filter(|run| run.rate == ORDINARY).collect();
        for (which, some) in [("all rates", runs.iter().collect()), ("the ordinary rate", ordinary)] {
            measures.extend(ordered(name, figure, which, &some));
        }
    }
    for noisy in [false, true] {
        for rate in RATES {
            let some: Vec<&Run> = runs.iter().filter(|run| run.noisy == noisy && run.rate == rate).collect();
            let task = if noisy { "noisy digits" } else { "digits" };
            measures.extend(FIGURES.iter().filter_map(|figure| means(&format!("{task}, rate {rate}"), *figure, &some)));
        }
    }
    measures
}

fn ordered(name: &str, figure: fn(&Foretold) -> Option<f32>, which: &str, runs: &[&Run]) -> Option<Measure> {
    let pairs: Vec<(f32, f32)> = runs.iter().filter_map(|run| Some((figure(&run.said)?, run.said.missing?))).collect();
    let found = correlation(&pairs, 0)?;
    let what = format!("{name}, {which}: 95 % {:.2} to {:.2}, {} runs", found.low, found.high, found.runs);
    Some(Measure::of(&what, "rank correlation with 1 - LDS", found.rho, 1.0, "the order by retraining", found.rho, 0.0))
}

fn means(what: &str, (name, figure): Figure, runs: &[&Run]) -> Option<Measure> {
    let mean = |of: &dyn Fn(&Foretold) -> Option<f32>| {
        let known: Vec<f64> = runs.iter().filter_map(|run| of(&run.said)).map(f64::from).collect();
        (!known.is_empty()).then(|| known.iter().sum::<f64>() / known.len() as f64)
    };
    let (ours, peer) = (mean(&figure)?, mean(&|said: &Foretold| said.missing)?);
    Some(Measure::of(
        &format!("{what}: {name}"),
        "error",
        ours,
        peer,
        "1 - LDS by retraining",
        ours / peer.max(LEAST),
        0.0,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_held_against_what_retraining_found() {
        let run = |seed: usize, rate: f32| {
            let missing = rate * 20.0 + seed as f32 * 0.001;
            let said = Foretold {
                method: String::new(),
                first_order: Some(2.0 * missing),
                by_answers: Some(0.5 - missing),
                missing: Some(missing),
            };
            Run { noisy: false, rate, said }
        };
        let runs: Vec<Run> = RATES.iter().flat_map(|rate| (0..5).map(move |seed| run(seed, *rate))).collect();
        let measures = told(&runs);
        // Two figures over all and over the ordinary rate, and the means of four rates of clean contributors.
        assert_eq!(measures.len(), 4 + 8);
        let rhos: Vec<f64> = measures[..4].iter().map(|measure| measure.ours).collect();
        assert!(rhos[0] > 0.999 && rhos[1] > 0.999 && rhos[2] < -0.999 && rhos[3] < -0.999, "{rhos:?}");
        assert!(measures[0].measure.contains("20 runs") && measures[1].measure.contains("5 runs"));
        assert!((measures[4].ours - 2.0 * measures[4].peer).abs() < 1e-6, "{:?}", measures[4]);
    }
}
