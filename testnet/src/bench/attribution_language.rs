//! The task of language: the demo's honest contributors teach a decoder how such sentences go on, by adapters over one that a job has made of
//! other sentences (or over somebody's own), and the held-out sentences ask: whose records made this sentence likelier?

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use anyhow::Result;
use datanet_inference::runtime::{Runtime, SessionConfig};
use datanet_study::gauss_newton::DAMPINGS;
use datanet_study::{TextPlan, TextTask, losses};
use datanet_training::attribution::{AuditPlan, Curvature};
use datanet_training::run::Gradient;

use super::attribution::{compared, find, reached, summary};
use super::language::{self, Sentences};
use super::tuned::Tuned;
use super::{Measure, attribution_pay};
use crate::network;
use crate::ui::Ui;

/// Combinations that Gauss-Newton influence takes its curvature from.
const GAUSS_NEWTON_ROWS: usize = 4;
/// Contributors left out one by one: all of them.
const LEFT_OUT: usize = 100;
/// Agreement with retraining that forward replay is to reach: LDS, leave-one-out rank by answer, and pay.
const GOALS: [f64; 3] = [0.85, 0.82, 0.85];

/// How large the task of language is.
#[derive(Debug, Clone)]
pub struct LanguageBench {
    /// Records of each contributor.
    pub records: usize,
    /// Width of the decoder that is made.
    pub hidden: usize,
    /// A decoder's folder in its place, as Hugging Face has it.
    pub base: Option<PathBuf>,
    /// Random sign combinations of forward replay.
    pub rows: usize,
    /// Another recipe for the adapters.
    pub tuned: Tuned,
}

/// The sentences, and what trains on them.
#[derive(Debug, Clone)]
pub(super) struct Language {
    sentences: Sentences,
    runtime: Runtime,
}

impl Language {
    /// Reads the data; fetches what is missing.
    pub(super) async fn ready(ui: &Ui, data: Option<&Path>, records: usize) -> Result<Self> {
        let (tools, _) = network::setup(ui).await?;
        let runtime = Runtime::init(&tools.onnxruntime)?;
        Ok(Self { sentences: Sentences::read(data, records)?, runtime })
    }

    /// The decoder: the one that is given, or one made in `folder`.
    fn decoder(&self, bench: &LanguageBench, folder: &Path, ui: &Ui) -> Result<PathBuf> {
        if let Some(base) = &bench.base {
            return Ok(base.clone());
        }
        let step = ui.step(format!("a decoder of {} sentences", self.sentences.others.len()));
        let (job, data) = (language::scratch(bench.hidden, 0), language::prose(&self.sentences.others));
        let decoder = language::made((&job, &data), folder, &self.runtime, folder, &step)?;
        step.done("");
        Ok(decoder)
    }
}

/// What pays, against Shapley values by retraining.
///
/// # Errors
/// When a training fails.
pub(super) fn paid(
    ready: &Language,
    bench: &LanguageBench,
    seeds: u64,
    clip: Option<f32>,
    ui: &Ui,
) -> Result<Vec<Measure>> {
    let (folder, cache) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let base = ready.decoder(bench, folder.path(), ui)?;
    let session = SessionConfig::default();
    let mut task = |seed: u64| {
        let mut job = language::job(bench.tuned);
        job.recipe.seed = seed;
        let mut task = TextTask::new(&ready.sentences.given, &job, &base, cache.path(), &ready.runtime, &session)?;
        task.course.gradient = Gradient::ByRecord { bound: clip };
        Ok((task, None))
    };
    attribution_pay::on_texts("language", Curvature::Signs(bench.rows), seeds, &mut task, ui)
}

/// Compares the methods.
///
/// # Errors
/// When a training fails.
pub(super) fn run(
    ready: &Language,
    bench: &LanguageBench,
    subsets: usize,
    clip: Option<f32>,
    ui: &Ui,
) -> Result<Vec<Measure>> {
    let (folder, cache) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let base = ready.decoder(bench, folder.path(), ui)?;
    let (data, job) = (&ready.sentences.given, language::job(bench.tuned));
    job.check()?;
    let step = ui.step(format!("{} sentences of {} contributors", data.train.len(), data.sources.len()));
    let session = SessionConfig::default();
    let mut task = TextTask::new(data, &job, &base, cache.path(), &ready.runtime, &session)?;
    task.course.gradient = Gradient::ByRecord { bound: clip };
    let before = losses(&mut task.network, &task.course.initial, &task.queries)?;
    let ours = Curvature::Signs(bench.rows);
    let audit = AuditPlan { subsets, contributors: LEFT_OUT, ..AuditPlan::default() };
    let plan = TextPlan {
        curvatures: &[ours, Curvature::Signs(bench.rows.div_ceil(2)), Curvature::TrueLabel],
        dampings: &DAMPINGS,
        gauss_newton_rows: Curvature::Signs(GAUSS_NEWTON_ROWS),
        peers: None,
        audit: &audit,
    };
    let report = task.run(&plan, &mut |done, all| {
        step.say(format!("retraining {done} of {all}"));
        ControlFlow::Continue(())
    })?;
    step.done(summary(&report));
    let before = before.iter().map(|loss| f64::from(*loss)).sum::<f64>() / before.len().max(1) as f64;
    let name = format!("language: forward replay, {} random combinations", bench.rows);
    let found = find(&report, ours);
    let mut measures =
        vec![Measure::size("language: loss held out", "nats", f64::from(report.loss), before, "without adapters", 1.0)];
    measures.extend(compared("language", &report, ours));
    let [goal_lds, goal_who, goal_pay] = GOALS;
    measures.extend([
        reached(&name, "LDS", found.and_then(|scores| scores.lds), goal_lds),
        reached(&name, "leave-one-out rank", found.and_then(|scores| scores.leave_one_out), goal_who),
        reached(&name, "pay", found.and_then(|scores| scores.pay), goal_pay),
    ]);
    Ok(measures)
}
