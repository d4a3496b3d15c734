//! Whether a run tells by itself how far its values are from retraining: its first-order error along the run, and what
//! answers say at its end, each beside the LDS that retraining finds.

use datanet_training::attribution::audit::Progress;
use datanet_training::attribution::rank::spearman;
use datanet_training::attribution::{Belonging, Ground, Model, Rows, gradients};
use datanet_training::random::Stream;
use serde::{Deserialize, Serialize};

use super::{Study, StudyError, by_record, losses, replay_name, retrained, values};

/// Draws behind an interval.
const DRAWS: u64 = 1_000;
/// The part of the draws that lies outside of it, below as above.
const TAIL: f64 = 0.025;

/// What a run foretold of one of its replays, and what retraining found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Foretold {
    /// Which replay.
    pub method: String,
    /// The first-order error along the run, 0 or more.
    pub first_order: Option<f32>,
    /// 1 - the rank agreement, over the audit's subsets and for each answer, of the summed values with how the answer's loss
    /// changes where the parameters are moved by the subset's columns: what first order misses of the answers themselves, at
    /// the end of the run and without retraining.
    pub by_answers: Option<f32>,
    /// 1 - LDS by retraining.
    pub missing: Option<f32>,
}

/// A rank correlation with its 95 % interval over the runs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Correlation {
    /// Spearman's.
    pub rho: f64,
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
    /// Runs that it is over.
    pub runs: usize,
}

/// Follows the study's training with each of its curvatures, and holds what that foretells against retraining.
///
/// # Errors
/// As [`run`](super::run).
pub fn foretold(
    model: &mut dyn Model,
    study: &Study<'_>,
    progress: &mut Progress<'_>,
) -> Result<Vec<Foretold>, StudyError> {
    let belonging = Belonging::by_record(study.contributors);
    let retrainings = study.plan.retrainings(&belonging);
    let after = retrained(model, study.again(), retrainings.removed(), progress)?;
    let ground = retrainings.ground(&after);
    let mut all = Vec::with_capacity(study.curvatures.len());
    for curvature in study.curvatures {
        let followed = study.course.follow(model, by_record(study, *curvature))?;
        let answers = gradients::all(model, &followed.theta, study.queries)?;
        let names = (0..study.contributors.len()).map(|record| record.to_string()).collect();
        let values = values(&followed.replay.table(names)?, &answers)?;
        let moved = |subset: &Vec<usize>| {
            let mut theta = followed.theta.clone();
            for column in subset {
                theta.iter_mut().zip(followed.replay.column(*column)).for_each(|(theta, d)| *theta -= d);
            }
            theta
        };
        let at_end = at_end(model, study, &followed.theta, ground.subsets.iter().map(moved))?;
        let at_end = Ground { subset_rises: at_end, ..ground.clone() };
        let missing = |ground: &Ground| ground.judge(&belonging, &values).lds.map(|lds| 1.0 - lds);
        all.push(Foretold {
            method: replay_name(*curvature),
            first_order: followed.first_order.error(),
            by_answers: missing(&at_end),
            missing: missing(&ground),
        });
    }
    Ok(all)
}

/// How the loss of each query rises from `theta` to other parameters, [others, Q].
fn at_end(
    model: &mut dyn Model,
    study: &Study<'_>,
    theta: &[f32],
    others: impl Iterator<Item = Vec<f32>>,
) -> Result<Rows, StudyError> {
    let base = losses(model, theta, study.queries)?;
    let mut rises = Rows::none(base.len());
    for theta in others {
        let losses = losses(model, &theta, study.queries)?;
        let data = losses.iter().zip(&base).map(|(loss, base)| loss - base).collect();
        rises.append(Rows { rows: 1, columns: base.len(), data });
    }
    Ok(rises)
}

/// The rank correlation of what was foretold with what was found, in runs that each have both; none where they are too few
/// or all the same. The interval is of runs drawn again with replacement, seeded.
pub fn correlation(pairs: &[(f32, f32)], seed: u64) -> Option<Correlation> {
    let of = |runs: &[usize]| {
        let (foretold, found): (Vec<f32>, Vec<f32>) = runs.iter().map(|run| pairs[*run]).unzip();
        spearman(&foretold, &found)
    };
    let runs = pairs.len();
    let rho = of(&(0..runs).collect::<Vec<_>>())?;
    let draw = |draw: u64| {
        let mut stream = Stream::new("foretold", seed, draw);
        of(&(0..runs).map(|_| stream.below(runs)).collect::<Vec<_>>())
    };
    let mut draws: Vec<f64> = (0..DRAWS).filter_map(draw).collect();
    draws.sort_unstable_by(f64::total_cmp);
    let cut = (draws.len() as f64 * TAIL) as usize;
    let (low, high) = (*draws.get(cut)?, *draws.get(draws.len().checked_sub(1 + cut)?)?);
    Some(Correlation { rho, low, high, runs })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_orders_runs_as_they_are_correlates_and_noise_does_not() {
        let mut dice = Stream::new("foretold test", 0, 0);
        let worth: Vec<f32> = (0..30).map(|_| dice.normal()).collect();
        let near: Vec<(f32, f32)> = worth.iter().map(|x| (*x, x + 0.1 * dice.normal())).collect();
        let noise: Vec<(f32, f32)> = worth.iter().map(|x| (*x, dice.normal())).collect();
        let found = correlation(&near, 1).unwrap();
        assert!(found.rho > 0.9 && found.low > 0.8 && found.low <= found.rho && found.rho <= found.high, "{found:?}");
        assert_eq!(found.runs, 30);
        let found = correlation(&noise, 1).unwrap();
        assert!(found.low < 0.0 && found.high > 0.0 || found.rho.abs() < 0.5, "{found:?}");
        assert_eq!((correlation(&[], 1), correlation(&[(1.0, 1.0), (1.0, 2.0)], 1)), (None, None));
        assert_eq!(correlation(&near, 2), correlation(&near, 2));
    }
}
