//! What the demo's data teaches: a fine-tuned model against a vote of the base's nearest records, and against a model that
//! learnt from what ought to be refused as well. Means over seeds, each with a deal of the data and a training of its own.

use anyhow::{Context as _, Result, ensure};

use super::Measure;
use crate::data::{Dataset, Kind};
use crate::demo::ACCEPT_THRESHOLD;
use crate::learning::{scores, train};
use crate::network;
use crate::ui::Ui;

/// Points of accuracy that fine-tuning is to gain over the base.
const GAIN: f64 = 15.0;
/// Points of accuracy that learning from refused data is to cost.
const COST: f64 = 3.0;

/// What to measure.
#[derive(Debug, Clone)]
pub struct LearningBench {
    /// Seeds, from 1 on: of the deal and of the training.
    pub seeds: u64,
}

/// Measures.
///
/// # Errors
/// When the registry holds too little, or a training fails.
pub async fn run(bench: &LearningBench, json: bool) -> Result<Vec<Measure>> {
    ensure!(bench.seeds > 0, "--seeds must be at least 1");
    let ui = Ui::new(json);
    let (tools, _) = network::setup(&ui).await?;
    let (mut tuned, mut vote, mut spoilt) = (Vec::new(), Vec::new(), Vec::new());
    let (mut honest_score, mut bad_score) = (u32::MAX, 0);
    for seed in 1..=bench.seeds {
        let step = ui.step(format!("seed {seed} of {}", bench.seeds));
        let data = Dataset::from_registry(seed)?;
        for (one, score) in data.contributors.iter().zip(scores(&tools, &data, ACCEPT_THRESHOLD).await?) {
            match one.kind {
                Kind::Honest => honest_score = honest_score.min(score),
                _ => bad_score = bad_score.max(score),
            }
        }
        let honest = train(&tools, &data, |one| one.kind == Kind::Honest, seed).await?;
        let all = train(&tools, &data, |_| true, seed).await?;
        let percent = |evaluation: &datanet_training::evaluate::Evaluation, name: &str| {
            evaluation.get(name).map(|share| share * 100.0).with_context(|| format!("the training says no {name}"))
        };
        tuned.push(percent(&honest, "accuracy")?);
        vote.push(percent(&honest, "base_accuracy")?);
        spoilt.push(percent(&all, "accuracy")?);
        step.done(format!(
            "{:.1} % held out, {:.1} % by the base's vote, {:.1} % with what is bad as well; scores so far: honest from \
             {honest_score}, bad to {bad_score}",
            tuned[tuned.len() - 1],
            vote[vote.len() - 1],
            spoilt[spoilt.len() - 1]
        ));
    }
    let mean = |shares: &[f64]| shares.iter().sum::<f64>() / shares.len() as f64;
    let (tuned, vote, spoilt) = (mean(&tuned), mean(&vote), mean(&spoilt));
    let against = |name: &str, peer: f64, points: f64| {
        let what = format!("held-out accuracy, mean of {} seeds", bench.seeds);
        Measure::rate(&what, "%", tuned, peer, name, (peer + points) / peer)
    };
    let gap = format!("lowest score of the honest (to pass: {ACCEPT_THRESHOLD})");
    let (honest, bad) = (f64::from(honest_score), f64::from(bad_score));
    Ok(vec![
        Measure::rate(&gap, "bp", honest, bad, "the highest of the bad", 1.0),
        against("a vote of the base model's nearest records", vote, GAIN),
        against("the same trained on what is bad as well", spoilt, COST),
    ])
}
