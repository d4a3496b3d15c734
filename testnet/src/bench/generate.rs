//! Tokens a second from the generation service, against the same graph driven by a bare loop.

use std::time::Instant;

use anyhow::{Result, ensure};
use datanet_inference::generate::{FinishReason, SamplingParams};
use datanet_inference::generate::{GenerateConfig, GenerateHandle, GenerateRequest, GenerateService, Prompt};
use datanet_inference::runtime::Runtime;
use futures::future::try_join_all;

use super::decoder::{self, BareDecoder};
use super::encoder::passages;
use super::{Measure, median};
use crate::network;
use crate::ui::Ui;

/// Tokens of a prompt.
const PROMPT: usize = 32;
/// Tokens that every prompt may be made of: bytes, which any tokenizer has.
const PLAIN: usize = 256;
/// The ratio to reach with one stream.
const GOAL_ONE: f64 = 0.95;
/// The ratio to reach with all streams.
const GOAL_MANY: f64 = 3.0;

/// What to measure.
#[derive(Debug, Clone)]
pub struct GenerateBench {
    /// Tokens of an answer.
    pub tokens: usize,
    /// Streams at once.
    pub streams: usize,
    /// Rounds of each, in turn.
    pub rounds: usize,
    /// Threads of the model on both sides.
    pub threads: usize,
}

/// Measures.
///
/// # Errors
/// When the model cannot be loaded, a side fails, or the two do not say the same.
pub async fn run(bench: &GenerateBench, json: bool) -> Result<Vec<Measure>> {
    let ui = Ui::new(json);
    ensure!(bench.streams > 0 && bench.tokens > 0, "--streams and --tokens must be above 0");
    let (tools, _) = network::setup(&ui).await?;
    let runtime = Runtime::init(&tools.onnxruntime)?;
    let step = ui.step("a decoder of random weights");
    let folder = tempfile::tempdir()?;
    decoder::write(folder.path(), &passages(400)?)?;
    let mut bare = BareDecoder::load(&runtime, folder.path(), bench.threads)?;
    let service = service(runtime, folder.path(), bench).await?;
    step.done(format!("{} tokens known", service.model().vocabulary));
    same(&service, &mut bare, bench.tokens).await?;
    let step = ui.bar("generating", bench.rounds + 1);
    let (mut alone, mut many, mut peer) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..=bench.rounds {
        let a = rate(&service, 1, bench.tokens).await?;
        let b = bare_rate(&mut bare, bench.tokens)?;
        let c = rate(&service, bench.streams, bench.tokens).await?;
        // The first round warms all up.
        if round > 0 {
            alone.push(a);
            peer.push(b);
            many.push(c);
        }
        step.one(format!("{a:.0} / {b:.0} / {c:.0} tokens per second"));
    }
    step.done("");
    service.shutdown().await;
    let (peer, name) = (median(peer), "a bare loop over the graph");
    Ok(vec![
        Measure::rate("tokens generated, one stream", "1/s", median(alone), peer, name, GOAL_ONE),
        Measure::rate(
            &format!("tokens generated, {} streams", bench.streams),
            "1/s",
            median(many),
            peer,
            name,
            GOAL_MANY,
        ),
    ])
}

async fn service(runtime: Runtime, folder: &std::path::Path, bench: &GenerateBench) -> Result<GenerateHandle> {
    let mut config = GenerateConfig::new(folder);
    (config.threads, config.max_sequences) = (bench.threads, bench.streams);
    Ok(tokio::task::spawn_blocking(move || GenerateService::spawn(&runtime, &config)).await??)
}

/// A prompt that differs from others in its first token already.
fn prompt(number: usize) -> Vec<u32> {
    (0..PROMPT).map(|at| ((number * 31 + at * 7) % PLAIN) as u32 + 3).collect()
}

async fn answer(service: &GenerateHandle, number: usize, tokens: usize) -> Result<Vec<u32>> {
    let sampling = SamplingParams::greedy(tokens);
    let request = GenerateRequest { prompt: Prompt::Tokens(prompt(number)), adapter: None, sampling, claimed: None };
    let answer = service.complete(request).await?;
    ensure!(answer.reason == FinishReason::Length, "an answer ended after {} tokens", answer.ids.len());
    Ok(answer.ids)
}

/// Both begin alike; later a rounding may turn one of two tokens that are about as probable.
async fn same(service: &GenerateHandle, bare: &mut BareDecoder, tokens: usize) -> Result<()> {
    let (ours, peer) = (answer(service, 0, tokens).await?, bare.generate(&prompt(0), tokens)?);
    let alike = ours.iter().zip(&peer).take_while(|(a, b)| a == b).count();
    ensure!(alike >= tokens.min(8), "the service and the bare loop part after {alike} tokens");
    Ok(())
}

/// Tokens a second of so many streams together, their prompts' reading included.
async fn rate(service: &GenerateHandle, streams: usize, tokens: usize) -> Result<f64> {
    let began = Instant::now();
    let answers = try_join_all((0..streams).map(|number| answer(service, number, tokens))).await?;
    let count: usize = answers.iter().map(Vec::len).sum();
    Ok(count as f64 / began.elapsed().as_secs_f64())
}

fn bare_rate(bare: &mut BareDecoder, tokens: usize) -> Result<f64> {
    let began = Instant::now();
    let count = bare.generate(&prompt(0), tokens)?.len();
    Ok(count as f64 / began.elapsed().as_secs_f64())
}
