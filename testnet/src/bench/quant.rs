//! Smaller weights against float: the speed and nearness of 8 bits when served, the memory and error of 4 bits.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use datanet_data::Embedding;
use datanet_inference::encoder::{EncodeRequest, EncoderHandle, EncoderSource, Long};
use datanet_inference::graph::build::Storage;
use datanet_inference::graph::build::encoder::SENTENCE_EMBEDDING;
use datanet_inference::graph::quantise::{Quantised, Scheme, quantise};
use datanet_inference::onnx::ModelProto;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use prost::Message as _;

use super::encoder::{Encoder, passages};
use super::{Measure, median};
use crate::ui::Ui;

/// Texts of a batch and of a request.
const BATCH: usize = 32;
/// Tokens of a text whose speed is measured.
const TOKENS: usize = 64;
/// Tokens of a passage that is compared.
const PASSAGE_TOKENS: usize = 256;
/// Requests in flight.
const IN_FLIGHT: usize = 4;
/// Numbers that share a scale, in both forms of 4 bits.
const BLOCK: usize = 64;
/// 8 bits against float serving.
const GOAL_SPEED: f64 = 1.5;
/// The least cosine of an 8-bit embedding with its float one.
const GOAL_COSINE: f64 = 0.96;
/// Float memory against that of 4 bits.
const GOAL_MEMORY: f64 = 5.0;

/// What to measure.
#[derive(Debug, Clone)]
pub struct QuantBench {
    /// Texts a round, and passages that are compared.
    pub texts: usize,
    /// Rounds, ours and the peer's in turn.
    pub rounds: usize,
    /// Threads of the model on both sides.
    pub threads: usize,
}

/// Measures.
///
/// # Errors
/// When the model cannot be quantised, loaded or run.
pub async fn run(bench: &QuantBench, json: bool) -> Result<Vec<Measure>> {
    let ui = Ui::new(json);
    let encoder = Encoder::ready(&ui, bench.threads).await?;
    let step = ui.step("quantising to 8 bits");
    let float = encoder.graph(Storage::Inline)?;
    let small = quantise(&float, Scheme::Int8Dynamic, |_| true)?;
    let folder = tempfile::tempdir()?;
    let ours = EncoderSource::Onnx {
        model: write(small.model, folder.path())?,
        tokenizer: encoder.model.join("tokenizer.json"),
        labels: Vec::new(),
    };
    step.done(format!("{} weights", small.report.len()));
    let mut measures = speed(&encoder, ours.clone(), bench, &ui).await?;
    measures.push(nearness(&encoder, ours, bench, &ui).await?);
    let passages = encoder.tokens(&passages(bench.texts)?, PASSAGE_TOKENS)?;
    for (name, scheme) in [("int4", Scheme::Int4 { block: BLOCK }), ("nf4", Scheme::Nf4 { block: BLOCK })] {
        let step = ui.step(format!("quantising to 4 bits ({name})"));
        measures.extend(four_bits(&encoder, &float, name, scheme, &passages)?);
        step.done("");
    }
    Ok(measures)
}

/// The model as a file that gives nothing but the sentence's vector.
fn write(mut model: ModelProto, folder: &Path) -> Result<std::path::PathBuf> {
    let graph = model.graph.as_mut().context("the quantised model has no graph")?;
    graph.output.retain(|output| output.name == SENTENCE_EMBEDDING);
    let path = folder.join("int8.onnx");
    std::fs::write(&path, model.encode_to_vec())?;
    Ok(path)
}

async fn speed(encoder: &Encoder, ours: EncoderSource, bench: &QuantBench, ui: &Ui) -> Result<Vec<Measure>> {
    let settings = |config: &mut datanet_inference::encoder::EncoderConfig| {
        (config.max_text_tokens, config.max_batch_texts, config.max_batch_tokens) = (TOKENS, BATCH, BATCH * TOKENS);
    };
    let small = encoder.service(ours, settings).await?;
    let float = encoder.service(encoder.folder(), settings).await?;
    let texts = encoder.texts(bench.texts.div_ceil(BATCH).max(1) * BATCH, TOKENS)?;
    let step = ui.bar("serving 8 bits and float", bench.rounds + 1);
    let (mut ours, mut peer) = (Vec::new(), Vec::new());
    for round in 0..=bench.rounds {
        let a = rate(&small, &texts).await?;
        let b = rate(&float, &texts).await?;
        // The first round warms both up.
        if round > 0 {
            ours.push(a);
            peer.push(b);
        }
        step.one(format!("{a:.1} / {b:.1} per second"));
    }
    step.done("");
    small.shutdown().await;
    float.shutdown().await;
    let name = "int8 embeddings served, 32 x 64 tokens";
    Ok(vec![Measure::rate(name, "1/s", median(ours), median(peer), "float serving", GOAL_SPEED)])
}

async fn rate(service: &EncoderHandle, texts: &[String]) -> Result<f64> {
    let began = Instant::now();
    let vectors = embed(service, texts).await?;
    let seconds = began.elapsed().as_secs_f64();
    ensure!(vectors.len() == texts.len(), "a text has no vector");
    Ok(texts.len() as f64 / seconds)
}

/// The vectors of texts, in their order.
async fn embed(service: &EncoderHandle, texts: &[String]) -> Result<Vec<Embedding>> {
    let parts: Vec<Vec<Embedding>> = stream::iter(texts.chunks(BATCH))
        .map(|texts| async move {
            let request = EncodeRequest { texts: texts.to_vec(), adapter: None, long: Long::Cut };
            Ok::<_, anyhow::Error>(service.embed(request).await?.0)
        })
        .buffered(IN_FLIGHT)
        .try_collect()
        .await?;
    Ok(parts.into_iter().flatten().collect())
}

/// The passage whose vector moves farthest.
async fn nearness(encoder: &Encoder, ours: EncoderSource, bench: &QuantBench, ui: &Ui) -> Result<Measure> {
    let texts = passages(bench.texts)?;
    let step = ui.step(format!("comparing {} passages", texts.len()));
    let small = encoder.service(ours, |_| ()).await?;
    let float = encoder.service(encoder.folder(), |_| ()).await?;
    let (a, b) = (embed(&small, &texts).await?, embed(&float, &texts).await?);
    ensure!(a.len() == b.len() && !a.is_empty(), "a passage has no vector");
    let least = a.iter().zip(&b).map(|(a, b)| a.dot(b)).fold(f32::INFINITY, f32::min);
    step.done(format!("least cosine {least:.4}"));
    small.shutdown().await;
    float.shutdown().await;
    let name = "int8 embeddings, the least cosine";
    Ok(Measure::rate(name, "cosine", f64::from(least), 1.0, "float itself", GOAL_COSINE))
}

fn four_bits(
    encoder: &Encoder,
    float: &ModelProto,
    name: &str,
    scheme: Scheme,
    passages: &[Vec<i64>],
) -> Result<Vec<Measure>> {
    let small = quantise(float, scheme, |_| true)?;
    let mib = |bytes: u64| bytes as f64 / (1024.0 * 1024.0);
    let sum =
        |of: fn(&datanet_inference::graph::quantise::WeightReport) -> u64| -> u64 { small.report.iter().map(of).sum() };
    let (before, after): (u64, u64) = (sum(|w| w.bytes_before), sum(|w| w.bytes_after));
    let cosine = least_cosine(encoder, float, &small, passages)?;
    let error = relative_error(&small);
    let (label, goal) = (format!("{name}, blocks of {BLOCK}: "), GOAL_MEMORY);
    let whole = [mib(small.bytes_after), mib(small.bytes_before)];
    Ok(vec![
        Measure::size(&(label.clone() + "the weights quantised"), "MiB", mib(after), mib(before), "float", goal),
        Measure::size(&(label.clone() + "the whole model"), "MiB", whole[0], whole[1], "float", goal),
        // Only told: what 4 bits are for is training over them, and `bench train --qlora` says what that costs.
        Measure::of(&(label.clone() + "relative error"), "share", error, 0.0, "float itself", 1.0 - error, 0.0),
        Measure::rate(&(label + "the least cosine"), "cosine", cosine, 1.0, "float itself", 0.0),
    ])
}

/// The error of all weights together, larger weights counting for more.
fn relative_error(small: &Quantised) -> f64 {
    let bytes: f64 = small.report.iter().map(|weight| weight.bytes_before as f64).sum();
    small.report.iter().map(|weight| weight.relative_error * weight.bytes_before as f64 / bytes).sum()
}

fn least_cosine(encoder: &Encoder, float: &ModelProto, small: &Quantised, texts: &[Vec<i64>]) -> Result<f64> {
    let (mut ours, mut peer) = (encoder.bare(&small.model)?, encoder.bare(float)?);
    let mut least = f64::INFINITY;
    for batch in texts.chunks(BATCH) {
        let (a, b) = (ours.embed(batch)?, peer.embed(batch)?);
        ensure!(a.len() == b.len(), "{} numbers of 4 bits, {} of float", a.len(), b.len());
        let width = a.len() / batch.len();
        for (a, b) in a.chunks_exact(width).zip(b.chunks_exact(width)) {
            // Both are of unit length.
            least = least.min(a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum());
        }
    }
    Ok(least)
}
