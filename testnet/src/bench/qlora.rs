//! LoRA over a base that is held in 4 bits (QLoRA), against the same LoRA over a float base.

use std::path::Path;

use anyhow::{Context as _, Result};
use datanet_inference::runtime::SessionConfig;
use datanet_training::data::Task;
use datanet_training::job::{Job, Quantise};
use datanet_training::network::QuantisedBase;
use datanet_training::run::{self, Control, Setup};

use super::Measure;
use super::attribution_text::Texts;
use super::train::TrainBench;
use super::tuned::Tuned;
use crate::ui::Ui;

/// Seeds: a single one decides few of the held-out passages.
const SEEDS: [u64; 3] = [1, 2, 3];
/// Epochs of each.
const EPOCHS: usize = 2;
/// Float memory against that of 4 bits.
const GOAL_MEMORY: f64 = 5.0;
/// Accuracy may fall by a hundredth.
const GOAL_ACCURACY: f64 = 0.99;

/// Measures.
///
/// # Errors
/// When a training fails.
pub(super) async fn run(bench: &TrainBench, json: bool) -> Result<Vec<Measure>> {
    let ui = Ui::new(json);
    let texts = Texts::ready(&ui, bench.data.as_deref(), Tuned::default()).await?;
    let step = ui.bar("training in float and in 4 bits", 2 * SEEDS.len());
    let threads = bench.threads;
    let trained = {
        let step = step.clone();
        tokio::task::spawn_blocking(move || {
            let mut all = Vec::new();
            for seed in SEEDS {
                let float = train(&texts, seed, Quantise::None, threads)?;
                step.one(format!("seed {seed}, float: {:.3}", float.accuracy));
                let small = train(&texts, seed, Quantise::Nf4, threads)?;
                step.one(format!("seed {seed}, 4 bits: {:.3}", small.accuracy));
                all.push((float, small));
            }
            Ok::<_, anyhow::Error>(all)
        })
        .await??
    };
    step.done("");
    let mean = |of: fn(&(Trained, Trained)) -> f64| trained.iter().map(of).sum::<f64>() / trained.len() as f64;
    let (float, small) = (mean(|pair| pair.0.accuracy), mean(|pair| pair.1.accuracy));
    let base = trained.iter().find_map(|(_, small)| small.base.as_ref()).context("nothing was held in 4 bits")?;
    let mib = |bytes: u64| bytes as f64 / (1024.0 * 1024.0);
    let peer = "our LoRA in float";
    Ok(vec![
        Measure::size("memory of the base", "MiB", mib(base.bytes_after), mib(base.bytes_before), peer, GOAL_MEMORY),
        Measure::of(
            "held-out accuracy, mean of 3 seeds",
            "share",
            small,
            float,
            peer,
            1.0 + small - float,
            GOAL_ACCURACY,
        ),
        Measure::size("a step", "s", mean(|pair| pair.1.step), mean(|pair| pair.0.step), peer, 0.0),
    ])
}

/// A training's end.
struct Trained {
    accuracy: f64,
    /// Seconds a step.
    step: f64,
    /// What 4 bits changed, if there are any.
    base: Option<QuantisedBase>,
}

fn train(texts: &Texts, seed: u64, quantise: Quantise, threads: usize) -> Result<Trained> {
    let mut job = Job::new("minilm-l6", Task::Classify);
    (job.quantise, job.recipe.seed, job.recipe.epochs, job.max_tokens) = (quantise, seed, EPOCHS, 64);
    let folder = tempfile::tempdir()?;
    let session = SessionConfig { threads, ..SessionConfig::default() };
    let setup = Setup {
        job: &job,
        data: &texts.data,
        snapshot: "",
        memory: None,
        base: &texts.model,
        runtime: texts.runtime.clone(),
        session,
        folder: folder.path(),
    };
    let outcome = run::train(&setup, &mut |_| Control::Continue)?;
    let accuracy = outcome.evaluation.get("accuracy").context("the training says nothing of its accuracy")?;
    let base = outcome.files.iter().find(|(name, _)| name == "quantisation.json");
    let base = base.map(|(_, path)| report(path)).transpose()?;
    Ok(Trained { accuracy, step: outcome.seconds / outcome.steps.max(1) as f64, base })
}

fn report(path: &Path) -> Result<QuantisedBase> {
    Ok(serde_json::from_slice(&std::fs::read(path)?)?)
}
