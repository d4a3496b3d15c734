//! Many adapters in one batch, against one adapter in the batch and against one by one.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Result, ensure};
use datanet_inference::encoder::{AdapterKey, EncodeRequest, EncoderHandle, Long};
use datanet_inference::graph::adapt::{AdaptSpec, Binding, LoraSlot, adapt};
use datanet_inference::graph::adapter::{Adapter, LoraPair};
use datanet_inference::graph::build::Storage;
use datanet_training::random::Stream;
use futures::{StreamExt as _, TryStreamExt as _, stream};

use super::encoder::Encoder;
use super::{Measure, median};
use crate::ui::Ui;

/// Rank of every adapter.
const RANK: usize = 8;
/// Modules that are adapted, in every layer.
const TARGETS: [&str; 2] = ["query", "value"];
/// Adapters that share a batch.
const MIXED: [usize; 2] = [32, 64];
/// Tokens of a text.
const TOKENS: [usize; 2] = [8, 64];
/// Batches in flight, so that the next one is full when the last is done.
const WAVES: usize = 4;
/// Share of one adapter's rate that a mix is to keep.
const GOAL_ONE: f64 = 0.95;
/// Times the rate of one by one, for the shorter texts: with the longer ones a single text keeps the cores as busy as a
/// batch does, so what is told of them has no goal.
const GOALS_SINGLY: [f64; 2] = [3.0, 0.0];

/// What to measure.
#[derive(Debug, Clone)]
pub struct AdaptersBench {
    /// Rounds of each, in turn.
    pub rounds: usize,
    /// Threads of the model.
    pub threads: usize,
}

/// Measures.
///
/// # Errors
/// When the model cannot be loaded or a text fails.
pub async fn run(bench: &AdaptersBench, json: bool) -> Result<Vec<Measure>> {
    let ui = Ui::new(json);
    let encoder = Encoder::ready(&ui, bench.threads).await?;
    let spec =
        AdaptSpec { targets: TARGETS.map(str::to_owned).to_vec(), layers: None, binding: Binding::Bank, scale: 1.0 };
    let slots = adapt(&encoder.graph(Storage::Mapped)?, &spec)?.slots;
    let mut measures = Vec::new();
    for (tokens, goal) in TOKENS.into_iter().zip(GOALS_SINGLY) {
        for mixed in MIXED {
            let [ours, same, singly] = mix(&encoder, &slots, mixed, tokens, bench.rounds, &ui).await?;
            let name = format!("{mixed} adapters mixed, {tokens} tokens");
            measures.push(Measure::rate(&name, "1/s", ours, same, "one adapter in the batch", GOAL_ONE));
            measures.push(Measure::rate(&name, "1/s", ours, singly, "one by one", goal));
        }
    }
    Ok(measures)
}

/// Texts a second: mixed adapters, one adapter in the batch, one text at a time.
async fn mix(
    encoder: &Encoder,
    slots: &[LoraSlot],
    count: usize,
    tokens: usize,
    rounds: usize,
    ui: &Ui,
) -> Result<[f64; 3]> {
    let step = ui.bar(format!("{count} adapters, {tokens} tokens"), rounds + 1);
    let settings = |config: &mut datanet_inference::encoder::EncoderConfig| {
        (config.max_text_tokens, config.max_batch_texts, config.max_batch_tokens) = (tokens, count, count * tokens);
        (config.bank_slots, config.targets) = (count, TARGETS.map(str::to_owned).to_vec());
    };
    let service = encoder.service(encoder.folder(), settings).await?;
    let keys: Vec<AdapterKey> = (0..count).map(|at| AdapterKey(*blake3::hash(&at.to_le_bytes()).as_bytes())).collect();
    for (seed, key) in keys.iter().enumerate() {
        service.load_adapter(*key, Arc::new(random(slots, seed as u64)), Vec::new()).await?;
    }
    let texts = encoder.texts(count, tokens)?;
    let one = vec![keys[0]; count];
    let (mut together, mut same, mut singly) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..=rounds {
        let a = rate(&service, &texts, &keys, WAVES * count).await?;
        let b = rate(&service, &texts, &one, WAVES * count).await?;
        let c = rate(&service, &texts, &keys, 1).await?;
        // The first round fills the bank.
        if round > 0 {
            together.push(a);
            same.push(b);
            singly.push(c);
        }
        step.one(format!("{a:.0} / {b:.0} / {c:.0} per second"));
    }
    step.done("");
    service.shutdown().await;
    Ok([together, same, singly].map(median))
}

/// Texts a second, each under its own adapter, `at_once` of them in flight; several times all of them.
async fn rate(service: &EncoderHandle, texts: &[String], keys: &[AdapterKey], at_once: usize) -> Result<f64> {
    let rounds = if at_once == 1 { 1 } else { 2 * WAVES };
    let requests = (0..rounds).flat_map(|_| texts.iter().zip(keys));
    let began = Instant::now();
    let counts: Vec<usize> = stream::iter(requests)
        .map(|(text, key)| async move {
            let request = EncodeRequest { texts: vec![text.clone()], adapter: Some(*key), long: Long::Cut };
            Ok::<_, anyhow::Error>(service.run(request).await?.vectors.len())
        })
        .buffer_unordered(at_once)
        .try_collect()
        .await?;
    let seconds = began.elapsed().as_secs_f64();
    ensure!(counts.len() == rounds * texts.len(), "a text has no vector");
    Ok(counts.len() as f64 / seconds)
}

/// An adapter of random numbers of the size that training gives.
fn random(slots: &[LoraSlot], seed: u64) -> Adapter {
    let pair = |(at, slot): (usize, &LoraSlot)| {
        let mut dice = Stream::new("bench adapters", seed, at as u64);
        let mut numbers = |count: usize| (0..count).map(|_| 0.02 * dice.normal()).collect::<Vec<f32>>();
        let (a, b) = (numbers(RANK * slot.in_features), numbers(slot.out_features * RANK));
        let pair = LoraPair { a, b, in_features: slot.in_features, out_features: slot.out_features };
        (slot.module.clone(), pair)
    };
    Adapter {
        base: "minilm-l6".to_owned(),
        rank: RANK,
        alpha: 2.0 * RANK as f32,
        targets: TARGETS.map(str::to_owned).to_vec(),
        modules: slots.iter().enumerate().map(pair).collect(),
        saved: BTreeMap::new(),
    }
}
