//! Vectors and classes from the serving worker, against bare ONNX Runtime calls on the same graph; and how long one
//! text waits when others ask too.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use datanet_inference::encoder::{AdapterKey, EncodeRequest, EncoderHandle, Long};
use datanet_inference::graph::adapter::{Adapter, DenseTensor};
use datanet_inference::graph::build::Storage;
use futures::{StreamExt as _, TryStreamExt as _, stream};

use super::encoder::{Encoder, passages};
use super::{Measure, median};
use crate::ui::Ui;

/// Texts of a batch and of a request.
const BATCH: usize = 32;
/// Tokens of a text: with [`BATCH`], what the service takes in one batch.
const TOKENS: usize = 64;
/// Requests in flight, so that the next batch waits already.
const IN_FLIGHT: usize = 4;
/// The ratio to reach at full batches.
const GOAL: f64 = 0.95;
/// Clients at once, of whose waits the 99th percentile is told.
const CLIENTS: [usize; 3] = [1, 8, 64];
/// Requests of all clients together.
const REQUESTS: usize = 640;
/// Classes of the head that classifies.
const CLASSES: usize = 6;

/// What to measure.
#[derive(Debug, Clone)]
pub struct ServeBench {
    /// Texts a round.
    pub texts: usize,
    /// Rounds, ours and the peer's in turn.
    pub rounds: usize,
    /// Threads of the model on both sides.
    pub threads: usize,
}

/// Measures.
///
/// # Errors
/// When the model cannot be loaded, or a side fails.
pub async fn run(bench: &ServeBench, json: bool) -> Result<Vec<Measure>> {
    let ui = Ui::new(json);
    let encoder = Encoder::ready(&ui, bench.threads).await?;
    let mut measures = full_batches(&encoder, bench, &ui).await?;
    measures.extend(waits(&encoder, &ui).await?);
    Ok(measures)
}

async fn full_batches(encoder: &Encoder, bench: &ServeBench, ui: &Ui) -> Result<Vec<Measure>> {
    let mut bare = encoder.bare(&encoder.graph(Storage::Mapped)?)?;
    let texts = encoder.texts(bench.texts.div_ceil(BATCH).max(1) * BATCH, TOKENS)?;
    let tokens = encoder.tokens(&texts, TOKENS)?;
    let settings = |config: &mut datanet_inference::encoder::EncoderConfig| {
        (config.max_text_tokens, config.max_batch_texts, config.max_batch_tokens) = (TOKENS, BATCH, BATCH * TOKENS);
    };
    let service = encoder.service(encoder.folder(), settings).await?;
    let head = AdapterKey([1; 32]);
    service.load_adapter(head, Arc::new(classifier(service.model().dimensions)), Vec::new()).await?;
    let step = ui.bar("serving full batches", bench.rounds + 1);
    let (mut embedded, mut classified, mut peer) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..=bench.rounds {
        let a = embed(&service, &texts).await?;
        let b = bare.rate(&tokens, BATCH)?;
        let c = classify(&service, &texts, head).await?;
        // The first round warms all up.
        if round > 0 {
            embedded.push(a);
            peer.push(b);
            classified.push(c);
        }
        step.one(format!("{a:.1} / {b:.1} per second"));
    }
    step.done("");
    service.shutdown().await;
    let (peer, name) = (median(peer), "bare ONNX Runtime");
    Ok(vec![
        Measure::rate("embeddings served, 32 x 64 tokens", "1/s", median(embedded), peer, name, GOAL),
        Measure::rate("texts classified, 32 x 64 tokens", "1/s", median(classified), peer, name, GOAL),
    ])
}

/// A head without anything below it: the graph stays the peer's.
fn classifier(hidden: usize) -> Adapter {
    let weight = (0..CLASSES * hidden).map(|at| (at as f32).sin()).collect();
    let weight = DenseTensor { shape: vec![CLASSES, hidden], data: weight };
    let bias = DenseTensor { shape: vec![CLASSES], data: vec![0.0; CLASSES] };
    let saved = BTreeMap::from([("classifier.weight".to_owned(), weight), ("classifier.bias".to_owned(), bias)]);
    Adapter { base: "minilm-l6".to_owned(), rank: 1, alpha: 1.0, saved, ..Adapter::default() }
}

async fn embed(service: &EncoderHandle, texts: &[String]) -> Result<f64> {
    let began = Instant::now();
    let counts: Vec<usize> = stream::iter(texts.chunks(BATCH))
        .map(|texts| async move {
            let request = EncodeRequest { texts: texts.to_vec(), adapter: None, long: Long::Cut };
            Ok::<_, anyhow::Error>(service.embed(request).await?.0.len())
        })
        .buffer_unordered(IN_FLIGHT)
        .try_collect()
        .await?;
    let seconds = began.elapsed().as_secs_f64();
    ensure!(counts.iter().sum::<usize>() == texts.len(), "a text has no vector");
    Ok(texts.len() as f64 / seconds)
}

async fn classify(service: &EncoderHandle, texts: &[String], head: AdapterKey) -> Result<f64> {
    let began = Instant::now();
    let counts: Vec<usize> = stream::iter(texts.chunks(BATCH))
        .map(|texts| async move {
            let request = EncodeRequest { texts: texts.to_vec(), adapter: Some(head), long: Long::Cut };
            Ok::<_, anyhow::Error>(service.classify(request).await?.answers.len())
        })
        .buffer_unordered(IN_FLIGHT)
        .try_collect()
        .await?;
    let seconds = began.elapsed().as_secs_f64();
    ensure!(counts.iter().sum::<usize>() == texts.len(), "a text has no class");
    Ok(texts.len() as f64 / seconds)
}

/// The 99th percentile of the wait for one passage, by how many ask at once; the service as nodes run it.
async fn waits(encoder: &Encoder, ui: &Ui) -> Result<Vec<Measure>> {
    let service = encoder.service(encoder.folder(), |_| ()).await?;
    let texts: Vec<String> = passages(REQUESTS)?;
    ensure!(!texts.is_empty(), "there are no passages to ask about");
    let mut measures: Vec<Measure> = Vec::new();
    let mut alone = f64::NAN;
    for clients in CLIENTS {
        let step = ui.step(format!("{clients} clients, one passage a request"));
        // A few requests first, so that no cold cache counts.
        wait(&service, &texts, clients, 2 * clients).await?;
        let p99 = wait(&service, &texts, clients, REQUESTS).await?;
        if clients == 1 {
            alone = p99;
        }
        step.done(format!("p99 {p99:.1} ms"));
        let name = format!("p99 wait of {clients} client{}", if clients == 1 { "" } else { "s" });
        measures.push(Measure::size(&name, "ms", p99, alone, "one client alone", 0.0));
    }
    service.shutdown().await;
    Ok(measures)
}

/// The 99th percentile of `requests` waits, in milliseconds, each client asking again as soon as it is answered.
async fn wait(service: &EncoderHandle, texts: &[String], clients: usize, requests: usize) -> Result<f64> {
    let mut waits: Vec<f64> = stream::iter(texts.iter().cycle().take(requests))
        .map(|text| async move {
            let began = Instant::now();
            service.embed(EncodeRequest { texts: vec![text.clone()], adapter: None, long: Long::Cut }).await?;
            Ok::<_, anyhow::Error>(began.elapsed().as_secs_f64() * 1e3)
        })
        .buffer_unordered(clients)
        .try_collect()
        .await?;
    waits.sort_by(f64::total_cmp);
    let at = (waits.len() * 99).div_ceil(100).saturating_sub(1);
    waits.get(at).copied().context("nobody asked")
}
