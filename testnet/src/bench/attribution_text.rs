//! The text task: the demo's honest contributors teach a transformer which part of an API's contract a sentence states, and the
//! held-out sentences ask.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use datanet_inference::runtime::{Runtime, SessionConfig};
use datanet_study::gauss_newton::DAMPINGS;
use datanet_study::{Peers, TextPlan, TextTask};
use datanet_training::attribution::{AuditPlan, Curvature};
use datanet_training::data::{Dataset as TrainingData, Example, Source, Task};
use datanet_training::job::Job;
use datanet_training::run::Gradient;

use super::attribution::{compared, find, reached, summary};
use super::tuned::Tuned;
use super::{Measure, attribution_pay, attribution_peers};
use crate::data::{Dataset, Kind, Record};
use crate::network;
use crate::peer::Python;
use crate::ui::Ui;

/// Tokens of a passage that are read.
pub(super) const TOKENS: usize = 48;
/// Rank of the adapters, and scale times rank.
const LORA: (usize, f32) = (4, 8.0);
/// The layers adapted: those below run once a record.
const LAYERS: [usize; 2] = [4, 5];
/// Contributors left out one by one, at most.
const LEFT_OUT: usize = 20;
/// Agreement with retraining that forward replay is to reach: with all rows, with the true label, and by contributor.
const GOALS: [f64; 3] = [0.84, 0.80, 0.78];

/// The texts, and what trains on them.
#[derive(Debug, Clone)]
pub(super) struct Texts {
    pub(super) data: TrainingData,
    pub(super) model: PathBuf,
    pub(super) runtime: Runtime,
    tuned: Tuned,
}

impl Texts {
    /// Reads the data; fetches what is missing.
    pub(super) async fn ready(ui: &Ui, data: Option<&Path>, tuned: Tuned) -> Result<Self> {
        let (tools, _) = network::setup(ui).await?;
        let data = match data {
            Some(folder) => Dataset::from_folder(folder, 1)?,
            None => Dataset::from_registry(1)?,
        };
        let runtime = Runtime::init(&tools.onnxruntime)?;
        Ok(Self { data: training(&data)?, model: tools.model_dir, runtime, tuned })
    }

    /// How the transformer is trained.
    pub(super) fn job(&self) -> Job {
        let mut job = Job::new("minilm-l6", Task::Classify);
        (job.lora.rank, job.lora.alpha) = LORA;
        (job.lora.layers, job.max_tokens) = (Some(LAYERS.to_vec()), TOKENS);
        self.tuned.apply(&mut job.recipe);
        job
    }
}

/// Records of everybody who is not known to be bad; the held-out set asks.
fn training(data: &Dataset) -> Result<TrainingData> {
    let example = |record: &Record, source: usize| {
        let label = record.label.as_ref()?;
        let label = data.labels.iter().position(|known| known == label)?;
        Some(Example { text: record.text.clone(), label: Some(label), pair: None, source })
    };
    let good: Vec<_> = data.contributors.iter().filter(|one| !matches!(one.kind, Kind::Bad(_))).collect();
    ensure!(good.len() > 2, "{} contributors are too few to tell whose records helped", good.len());
    let train = good.iter().enumerate().flat_map(|(at, one)| one.records.iter().filter_map(move |r| example(r, at)));
    let training = TrainingData {
        task: Task::Classify,
        labels: data.labels.clone(),
        train: train.collect(),
        held_out: data.holdout.iter().filter_map(|record| example(record, 0)).collect(),
        sources: good.iter().map(|one| Source { name: one.name.clone() }).collect(),
        parts: Vec::new(),
    };
    training.check()?;
    Ok(training)
}

/// What pays, against Shapley values by retraining: by the right answers, and by those that were given.
///
/// # Errors
/// When a training fails.
pub(super) fn paid(texts: &Texts, seeds: u64, clip: Option<f32>, ui: &Ui) -> Result<Vec<Measure>> {
    let (cache, session) = (tempfile::tempdir()?, SessionConfig::default());
    let mut task = |seed: u64| {
        let mut job = texts.job();
        job.recipe.seed = seed;
        let new = |data: &TrainingData| {
            TextTask::new(data, &job, &texts.model, cache.path(), &texts.runtime, &session).map(|mut task| {
                task.course.gradient = Gradient::ByRecord { bound: clip };
                task
            })
        };
        let mut task = new(&texts.data)?;
        let mut given = texts.data.clone();
        let answers = task.answered()?;
        given.held_out.iter_mut().zip(answers).for_each(|(asked, answer)| asked.label = Some(answer));
        Ok((task, Some(new(&given)?.network)))
    };
    attribution_pay::on_texts("texts", Curvature::All, seeds, &mut task, ui)
}

/// Compares the methods.
///
/// # Errors
/// When a training fails.
pub(super) fn run(
    texts: &Texts,
    subsets: usize,
    clip: Option<f32>,
    python: Option<&Python>,
    ui: &Ui,
) -> Result<Vec<Measure>> {
    let step = ui.step(format!("{} texts on a transformer", texts.data.train.len()));
    let cache = tempfile::tempdir()?;
    let (job, session) = (texts.job(), SessionConfig::default());
    let mut task = TextTask::new(&texts.data, &job, &texts.model, cache.path(), &texts.runtime, &session)?;
    task.course.gradient = Gradient::ByRecord { bound: clip };
    let peers = python.map(|python| attribution_peers::texts(python, texts, &job, &task.network, ui)).transpose()?;
    let peers = peers.as_ref().map(|peers| peers as &dyn Peers);
    let audit = AuditPlan { subsets, contributors: LEFT_OUT, ..AuditPlan::default() };
    let plan = TextPlan {
        curvatures: &[Curvature::All, Curvature::TrueLabel, Curvature::Signs(2)],
        dampings: &DAMPINGS,
        gauss_newton_rows: Curvature::All,
        peers,
        audit: &audit,
    };
    let report = task.run(&plan, &mut |done, all| {
        step.say(format!("retraining {done} of {all}"));
        ControlFlow::Continue(())
    })?;
    step.done(summary(&report));
    let mut measures = compared("texts", &report, Curvature::All);
    let (all, label) = (find(&report, Curvature::All), find(&report, Curvature::TrueLabel));
    let [goal_all, goal_label, goal_who] = GOALS;
    measures.extend([
        reached("texts: forward replay, all rows", "LDS", all.and_then(|scores| scores.lds), goal_all),
        reached("texts: forward replay, true label only", "LDS", label.and_then(|scores| scores.lds), goal_label),
        reached(
            "texts: forward replay, all rows",
            "leave-one-out rank",
            all.and_then(|scores| scores.leave_one_out),
            goal_who,
        ),
    ]);
    Ok(measures)
}
