//! What pays, against Shapley values of contributors by real retraining; and, on the digits, what more names for the same
//! records bring.

use std::ops::ControlFlow;

use anyhow::Result;
use datanet_study::semivalues::{NameGain, RuleScore, SemivalueTask};
use datanet_study::{Paid, Points, TextTask, Truth};
use datanet_training::attribution::Curvature;
use datanet_training::job;
use datanet_training::network::Network;

use super::Measure;
use crate::ui::Ui;

/// Records, where some contributors have random labels.
const NOISY: usize = 400;
/// Records, where all contributors are alike and one of them has many names.
const ALIKE: usize = 800;
/// Random orders of contributors behind a Shapley value: ten retrainings each.
const ORDERS: u64 = 40;
/// Pairs of random halves of the contributors, and of random orders of them, on texts, whose trainings take seconds.
const PAIRS: (u64, u64) = (60, 6);
/// The most that shares on texts should be away from the truth.
const GOAL: f64 = 0.10;
/// Names that a contributor's records are spread over.
const NAMES: [usize; 2] = [2, 10];
/// Random spreads of each.
const SPLITS: u64 = 50;
/// Student's t beyond which one in forty lies, by degrees of freedom from 1 on; above these, that of the normal
/// distribution nearly.
const T: [f64; 20] = [
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131, 2.120,
    2.110, 2.101, 2.093, 2.086,
];
const MANY: f64 = 2.0;

/// Measures over so many seeds.
///
/// # Errors
/// When a training fails.
pub(super) fn on_digits(points: &Points, seeds: u64, bound: Option<f32>, ui: &Ui) -> Result<Vec<Measure>> {
    let step = ui.bar("what pays, on the digits", usize::try_from(2 * seeds)?);
    let (mut scores, mut gains): (Vec<Vec<RuleScore>>, Vec<Vec<NameGain>>) = (Vec::new(), Vec::new());
    for seed in 0..seeds {
        let mut noisy = SemivalueTask::new(points, NOISY, true, bound, seed);
        let truth = noisy.truth(ORDERS)?;
        scores.push(noisy.rules(&truth)?);
        step.one(format!("noisy, seed {seed}"));
        let mut alike = SemivalueTask::new(points, ALIKE, false, bound, seed);
        gains.push(alike.names(job::HALVES, &NAMES, SPLITS)?);
        step.one(format!("names, seed {seed}"));
    }
    step.done("");
    Ok(rules(&scores).into_iter().chain(names(&gains)).collect())
}

/// A seed's task on texts, and the network that has the answers that its model gave for labels, where it gives some.
pub(super) type Asked = (TextTask, Option<Network>);

/// Measures over so many seeds of a task on texts.
///
/// # Errors
/// When a training fails.
pub(super) fn on_texts(
    name: &str,
    curvature: Curvature,
    seeds: u64,
    task: &mut dyn FnMut(u64) -> Result<Asked>,
    ui: &Ui,
) -> Result<Vec<Measure>> {
    let (mut paid, mut truths): (Vec<Vec<Paid>>, Vec<Truth>) = (Vec::new(), Vec::new());
    for seed in 0..seeds {
        let step = ui.step(format!("what pays, {name}, seed {seed}"));
        let (mut task, mut given) = task(seed)?;
        let truth = task.truth(PAIRS.0, PAIRS.1, &mut |done, all| {
            step.say(format!("retraining {done} of {all}"));
            ControlFlow::Continue(())
        })?;
        paid.push(task.paid(&truth, curvature, given.as_mut())?);
        step.done(format!("worth at one half {:.3?}", truth.half.values));
        truths.push(truth);
    }
    let noise = |of: fn(&Truth) -> f64| mean(truths.iter().map(of).collect());
    let mut measures = vec![
        told(&format!("{name}: semivalue by half of its trainings"), "TV", noise(|one| one.half.noise()), GOAL, "goal"),
        told(&format!("{name}: Shapley by half of its orders"), "TV", noise(|one| one.shapley.noise()), GOAL, "goal"),
    ];
    for (at, Paid { rule, .. }) in paid.first().into_iter().flatten().enumerate() {
        let of = |distance: fn(&Paid) -> f64| mean(paid.iter().map(|all| distance(&all[at])).collect());
        measures.push(told(&format!("{name}, to the semivalue: {rule}"), "TV", of(|one| one.half), GOAL, "goal"));
        measures.push(told(&format!("{name}, to Shapley: {rule}"), "TV", of(|one| one.shapley), GOAL, "goal"));
    }
    Ok(measures)
}

/// Every rule beside retraining, and beside the rule that paid by single records.
fn rules(scores: &[Vec<RuleScore>]) -> Vec<Measure> {
    let of = |figure: fn(&RuleScore) -> f64, rule: usize| mean(scores.iter().map(|all| figure(&all[rule])).collect());
    let (truth, before) = (of(|one| one.noisy, 0), of(|one| one.distance, 1));
    let mut measures = Vec::new();
    for (at, RuleScore { rule, .. }) in scores.first().into_iter().flatten().enumerate() {
        if at > 0 {
            let what = format!("distance to Shapley: {rule}");
            measures.push(told(&what, "TV", of(|one| one.distance, at), before.0, "records, with standing"));
        }
        let what = format!("share of the noisy: {rule}");
        measures.push(told(&what, "share", of(|one| one.noisy, at), truth.0, "retraining"));
    }
    measures
}

/// What names gain by each table and rule.
fn names(gains: &[Vec<NameGain>]) -> Vec<Measure> {
    type Figure = fn(&NameGain) -> f64;
    let figures: [(&str, Figure); 2] = [("netted", |one| one.netted), ("answer by answer", |one| one.by_answer)];
    let mut measures = Vec::new();
    for (at, NameGain { table, names, .. }) in gains.first().into_iter().flatten().enumerate() {
        for (how, figure) in figures {
            let gain = mean(gains.iter().map(|all| figure(&all[at])).filter(|gain| gain.is_finite()).collect());
            measures.push(told(&format!("gain of {names} names: {table}, {how}"), "times", gain, 1.0, "one name"));
        }
    }
    measures
}

/// The mean, and half of its 95 % interval.
fn mean(numbers: Vec<f64>) -> (f64, f64) {
    let count = numbers.len() as f64;
    let mean = numbers.iter().sum::<f64>() / count.max(1.0);
    if numbers.len() < 2 {
        return (mean, f64::NAN);
    }
    let variance = numbers.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (count - 1.0);
    (mean, T.get(numbers.len() - 2).unwrap_or(&MANY) * (variance / count).sqrt())
}

fn told(what: &str, unit: &str, (ours, half): (f64, f64), peer: f64, peer_name: &str) -> Measure {
    let ratio = ours / peer.max(f64::MIN_POSITIVE);
    Measure::of(&format!("{what} (± {half:.3})"), unit, ours, peer, peer_name, ratio, 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_is_students() {
        let (mean, half) = mean(vec![1.0, 2.0, 3.0]);
        assert!(mean == 2.0 && (half - 4.303 / 3f64.sqrt()).abs() < 1e-9, "{half}");
    }
}
