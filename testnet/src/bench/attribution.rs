//! Whose records helped: forward replay and every other method, held against real retraining in the same run.
//!
//! Three tasks: handwritten digits on a small network, clean and with noisy contributors; the demo's texts on a
//! transformer; and the same texts to be continued, on a decoder. A row compares forward replay's agreement with retraining with that of another method; further rows
//! say whether it reaches what the arithmetic ought to.

use std::ops::ControlFlow;
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use datanet_study::{DigitsTask, Logistic, MethodScores, Peers, Plain, Points, Report, convex, replay_name};
use datanet_training::attribution::{AuditPlan, Curvature, Faithfulness};
use datanet_training::job::{Attribution, Method};
use datanet_training::run::Gradient;

use super::attribution_language::{self, Language, LanguageBench};
use super::attribution_text::{self, Texts};
use super::tuned::Tuned;
use super::{Measure, attribution_attacks, attribution_foretold, attribution_pay, attribution_peers};
use crate::peer::{Python, PythonPackages};
use crate::ui::Ui;

/// Where the digits come from.
const DIGITS: PythonPackages = PythonPackages { name: "digits", packages: &["scikit-learn==1.9.1"] };
/// Gives the digits' CSV file.
const SCRIPT: &str = include_str!("peers/digits.py");
/// Records and queries of the convex check.
const CONVEX: [usize; 2] = [1_400, 100];
/// Damping of the convex check's minimum.
const CONVEX_L2: f32 = 1e-2;
/// Where the loss is convex, influence functions are the truth to first order.
const GOAL_CONVEX: f64 = 0.99;
/// The least agreement that another method is divided by: below it a ratio says nothing.
const LEAST: f64 = 0.01;
/// Losses in thousandths.
const MILLI: f64 = 1e3;
/// Contributors left out one by one: all of them.
const LEFT_OUT: usize = 20;

/// What to measure.
#[derive(Debug, Clone)]
pub struct AttributionBench {
    /// Data in the demo's form instead of the demo's own, for the text task.
    pub data: Option<PathBuf>,
    /// Whether attacks are measured instead of methods.
    pub attacks: bool,
    /// Seeds over which it is measured what pays, against Shapley values, instead.
    pub pay: Option<u64>,
    /// Seeds over which it is measured whether runs foretell their own error, instead.
    pub first_order: Option<u64>,
    /// Attackers on the texts.
    pub attackers: usize,
    /// A record's gradient is at most so many times its batch's median; 0 for no bound, none for what a job ships with.
    pub clip: Option<f32>,
    /// The only task that is measured on; none for all.
    pub only: Option<AttributionTask>,
    /// Retrainings with a tenth of the records removed, each task.
    pub subsets: usize,
    /// Whether other people's software values the same records.
    pub peers: bool,
    /// Another recipe for texts.
    pub tuned: Tuned,
    /// The task of language.
    pub language: LanguageBench,
}

/// What is learnt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum AttributionTask {
    /// Handwritten digits on a small network.
    Digits,
    /// Texts on a transformer.
    Texts,
    /// Texts to be continued, on a decoder.
    Language,
}

impl AttributionBench {
    /// The bound on a record's gradient.
    fn clip(&self) -> Option<f32> {
        let shipped = Attribution { method: Method::Influence, ..Attribution::default() };
        Attribution { clip: self.clip.unwrap_or(shipped.clip), ..shipped }.bound()
    }

    fn wants(&self, task: AttributionTask) -> bool {
        // Attacks are on what is labelled.
        let is_there = task != AttributionTask::Language || !self.attacks;
        is_there && self.only.is_none_or(|only| only == task)
    }
}

/// Measures.
///
/// # Errors
/// When the digits or texts cannot be had, or a training fails.
pub async fn run(bench: &AttributionBench, json: bool) -> Result<Vec<Measure>> {
    let is_attacked = bench.attacks && bench.only == Some(AttributionTask::Language);
    ensure!(!is_attacked, "attacks are measured on the digits and the texts; leave --only language out");
    let ui = Ui::new(json);
    let points = if bench.wants(AttributionTask::Digits) { Some(digits(&ui).await?) } else { None };
    let texts = match bench.wants(AttributionTask::Texts) {
        true => Some(attribution_text::Texts::ready(&ui, bench.data.as_deref(), bench.tuned).await?),
        false => None,
    };
    let language = match bench.wants(AttributionTask::Language) {
        true => Some(Language::ready(&ui, bench.data.as_deref(), bench.language.records).await?),
        false => None,
    };
    let python = if bench.peers { Some(attribution_peers::ready(&ui).await?) } else { None };
    let bench = bench.clone();
    // Trainings of minutes, which no asynchronous thread should be kept by.
    tokio::task::spawn_blocking(move || {
        let mut measures = measure(&bench, points.as_ref(), texts.as_ref(), python.as_ref(), &ui)?;
        if let Some(language) = &language {
            measures.extend(match bench.pay {
                Some(seeds) => attribution_language::paid(language, &bench.language, seeds, bench.clip(), &ui)?,
                None => attribution_language::run(language, &bench.language, bench.subsets, bench.clip(), &ui)?,
            });
        }
        Ok::<_, anyhow::Error>(measures)
    })
    .await?
}

fn measure(
    bench: &AttributionBench,
    points: Option<&Points>,
    texts: Option<&Texts>,
    python: Option<&Python>,
    ui: &Ui,
) -> Result<Vec<Measure>> {
    let (clip, mut measures) = (bench.clip(), Vec::new());
    if let Some(points) = points {
        measures.extend(match (bench.pay, bench.first_order, bench.attacks) {
            (Some(seeds), _, _) => attribution_pay::on_digits(points, seeds, clip, ui)?,
            (None, Some(seeds), _) => attribution_foretold::on_digits(points, seeds, bench.subsets, clip, ui)?,
            (None, None, true) => attribution_attacks::on_digits(points, clip, ui)?,
            (None, None, false) => on_digits(points, bench.subsets, clip, python, ui)?,
        });
    }
    if let Some(texts) = texts {
        measures.extend(match (bench.pay, bench.attacks) {
            (Some(seeds), _) => attribution_text::paid(texts, seeds, clip, ui)?,
            (None, true) => attribution_attacks::on_texts(texts, bench.attackers, clip, ui)?,
            (None, false) => attribution_text::run(texts, bench.subsets, clip, python, ui)?,
        });
    }
    Ok(measures)
}

fn on_digits(
    points: &Points,
    subsets: usize,
    clip: Option<f32>,
    python: Option<&Python>,
    ui: &Ui,
) -> Result<Vec<Measure>> {
    let mut measures = vec![convex_check(points, subsets, ui)?];
    for noisy in [false, true] {
        let report = study_digits(points, noisy, subsets, clip, python, ui)?;
        measures.extend(compared(if noisy { "noisy digits" } else { "digits" }, &report, Curvature::All));
    }
    Ok(measures)
}

async fn digits(ui: &Ui) -> Result<Points> {
    let step = ui.step(format!("the digits ({})", DIGITS.packages.join(", ")));
    let ready = async {
        let told = DIGITS.ready().await?.run(SCRIPT, &[]).await?;
        let csv = told["csv"].as_str().context("scikit-learn's digits are not where they were")?;
        Ok::<_, anyhow::Error>(Points::digits(csv.as_bytes())?)
    };
    match ready.await {
        Ok(points) => {
            step.done(format!("{} of them", points.len()));
            Ok(points)
        }
        Err(error) => {
            step.failed(format!("{error:#}"));
            Err(error.context("the digits come with a package that cannot be installed"))
        }
    }
}

fn convex_check(points: &Points, subsets: usize, ui: &Ui) -> Result<Measure> {
    let step = ui.step("the convex check");
    let [records, queries] = CONVEX;
    let network = Logistic { features: points.features, classes: points.classes };
    let mut model = Plain { network, points: points.shuffled(0) };
    let plan = AuditPlan { subsets, ..AuditPlan::default() };
    let samples: Vec<usize> = (0..records).collect();
    let asked: Vec<usize> = (records..records + queries).collect();
    let lds = convex::check(&mut model, &samples, &asked, CONVEX_L2, &plan.draw_subsets(records))?;
    step.done(format!("LDS {lds:.4}"));
    Ok(reached("convex check: influence functions", "LDS", Some(lds), GOAL_CONVEX))
}

fn study_digits(
    points: &Points,
    noisy: bool,
    subsets: usize,
    clip: Option<f32>,
    python: Option<&Python>,
    ui: &Ui,
) -> Result<Report> {
    let mut task = DigitsTask::new(points, noisy, 0)?;
    task.course.gradient = Gradient::ByRecord { bound: clip };
    let plan = AuditPlan { subsets, contributors: LEFT_OUT, ..AuditPlan::default() };
    let step = ui.step(if noisy { "noisy digits" } else { "digits" });
    let peers = python.map(|python| attribution_peers::digits(python, &task, ui));
    let peers = peers.as_ref().map(|peers| peers as &dyn Peers);
    let report = task.run(&plan, peers, &mut |done, all| {
        step.say(format!("retraining {done} of {all}"));
        ControlFlow::Continue(())
    })?;
    step.done(summary(&report));
    Ok(report)
}

/// What was studied, in a few words.
pub(super) fn summary(report: &Report) -> String {
    let accuracy = report.accuracy.map(|share| format!("accuracy {share:.3}, ")).unwrap_or_default();
    let Report { loss, steps, parameters, training_seconds, .. } = report;
    format!("{accuracy}loss {loss:.3}, {parameters} parameters, {steps} steps, {training_seconds:.1} s a training")
}

/// Forward replay with these rows beside every method, itself with cheaper rows included: the latter, and agreement
/// across contributors, are told without a goal.
pub(super) fn compared(task: &str, report: &Report, curvature: Curvature) -> Vec<Measure> {
    let Some(ours) = find(report, curvature) else { return Vec::new() };
    let own = replay_name(curvature);
    let mut measures = Vec::new();
    for row in report.rows.iter().filter(|row| row.method != own) {
        let goal = if row.method.starts_with("forward replay") { 0.0 } else { 1.0 };
        let scores = [
            ("LDS", ours.lds, row.faithfulness.lds, goal),
            ("leave-one-out rank", ours.leave_one_out, row.faithfulness.leave_one_out, 0.0),
            ("pay", ours.pay, row.faithfulness.pay, 0.0),
        ];
        for (unit, ours, peer, goal) in scores {
            let (Some(ours), Some(peer)) = (ours, peer) else { continue };
            let (ours, peer) = (f64::from(ours), f64::from(peer));
            let (name, ratio) = (format!("{task}: {own}"), ours / peer.max(LEAST));
            measures.push(Measure::of(&name, unit, ours, peer, &row.method, ratio, goal));
        }
    }
    measures.extend(tops(task, report, curvature));
    measures.extend(report.rows.iter().filter_map(|row| foretold(task, row)));
    measures
}

/// What the loss rises by without what forward replay with this curvature values highest, beside what other methods do,
/// and chance.
fn tops(task: &str, report: &Report, curvature: Curvature) -> Vec<Measure> {
    let (own, ours) = (replay_name(curvature), row(report, curvature).and_then(|row| row.qld));
    let others = report.rows.iter().filter(|row| row.method != own);
    let others = others.map(|row| (row.method.as_str(), row.qld));
    let peers = others.chain([("a hundredth drawn by chance", report.qld_by_chance)]);
    let told = |(name, peer): (&str, Option<f32>)| {
        let (ours, peer) = (f64::from(ours?) * MILLI, f64::from(peer?) * MILLI);
        let ratio = ours / peer.max(LEAST);
        Some(Measure::of(&format!("{task}: {own}"), "QLD, 0.001 nats", ours, peer, name, ratio, 0.0))
    };
    peers.filter_map(told).collect()
}

/// What a replay foretold of its own error, beside how far its LDS is from all that there is.
fn foretold(task: &str, row: &MethodScores) -> Option<Measure> {
    let (error, missing) = (f64::from(row.first_order?), 1.0 - f64::from(row.faithfulness.lds?));
    let (name, ratio) = (format!("{task}: {}", row.method), error / missing.max(LEAST));
    Some(Measure::of(&name, "first-order error", error, missing, "1 - LDS by retraining", ratio, 0.0))
}

/// The scores of forward replay with this curvature.
pub(super) fn find(report: &Report, curvature: Curvature) -> Option<&Faithfulness> {
    row(report, curvature).map(|row| &row.faithfulness)
}

fn row(report: &Report, curvature: Curvature) -> Option<&MethodScores> {
    let name = replay_name(curvature);
    report.rows.iter().find(|row| row.method == name)
}

/// Agreement with retraining, of which 1 is all there is; a score that could not be measured reaches nothing.
pub(super) fn reached(name: &str, unit: &str, score: Option<f32>, goal: f64) -> Measure {
    let score = score.map_or(0.0, f64::from);
    Measure::of(name, unit, score, 1.0, "real retraining", score, goal)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn report() -> Report {
        let scores = |name: String, lds: f32| {
            let faithfulness = Faithfulness { lds: Some(lds), leave_one_out: None, pay: Some(-0.5) };
            MethodScores::new(name, faithfulness, Duration::ZERO)
        };
        let rows = vec![
            scores(replay_name(Curvature::All), 0.9),
            scores(replay_name(Curvature::TrueLabel), 0.8),
            scores("DataInf".to_owned(), 0.45),
        ];
        Report {
            rows,
            accuracy: Some(0.5),
            loss: 1.0,
            parameters: 1,
            steps: 1,
            training_seconds: 1.0,
            pay_agreement: None,
            qld_by_chance: Some(0.001),
        }
    }

    #[test]
    fn every_other_method_is_a_peer_and_cheaper_rows_are_only_told() {
        let measures = compared("digits", &report(), Curvature::All);
        let lds: Vec<&Measure> = measures.iter().filter(|measure| measure.unit == "LDS").collect();
        assert_eq!((measures.len(), lds.len()), (4, 2));
        assert!(lds[0].goal == 0.0 && lds[1].goal == 1.0 && (lds[1].ratio - 2.0).abs() < 1e-6);
        assert!(measures.iter().all(|measure| measure.ratio.is_finite()));
    }

    #[test]
    fn tops_are_held_against_other_methods_and_chance_and_errors_against_what_was_missed() {
        let mut report = report();
        (report.rows[0].qld, report.rows[2].qld, report.rows[0].first_order) = (Some(0.02), Some(-0.01), Some(0.3));
        let found = tops("digits", &report, Curvature::All);
        let names: Vec<&str> = found.iter().map(|measure| measure.peer_name.as_str()).collect();
        assert_eq!(names, ["DataInf", "a hundredth drawn by chance"]);
        let cheaper = tops("digits", &report, Curvature::TrueLabel);
        assert!(cheaper.is_empty(), "its own top is not known");
        report.rows[1].qld = Some(0.01);
        let cheaper = tops("digits", &report, Curvature::TrueLabel);
        assert_eq!((cheaper.len(), cheaper[0].peer_name.as_str()), (3, "forward replay, all rows"));
        assert_eq!(cheaper[0].measure, "digits: forward replay, true label only");
        assert!((found[1].ours - 20.0).abs() < 1e-3 && (found[1].ratio - 20.0).abs() < 1e-3, "{:?}", found[1]);
        let error = foretold("digits", &report.rows[0]).unwrap();
        assert!((error.ours - 0.3).abs() < 1e-6 && (error.peer - 0.1).abs() < 1e-6);
        assert!(foretold("digits", &report.rows[1]).is_none());
    }

    #[test]
    fn what_was_not_measured_reaches_nothing() {
        let missing = reached("text", "LDS", None, 0.8);
        assert!(missing.ratio < missing.goal);
    }
}
