//! Embeddings a second: through a node's API, against bare ONNX Runtime calls on the same graph.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use datanet_inference::graph::build::encoder::SENTENCE_EMBEDDING;
use datanet_inference::graph::build::{ATTENTION_MASK, INPUT_IDS, ModelFolder, Storage};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};
use ort::session::{HasSelectedOutputs, OutputSelector, RunOptions, Session};
use ort::value::Tensor;
use prost::Message as _;
use serde_json::Value;
use tokenizers::Tokenizer;

use super::encoder::passages;
use super::solo::Solo;
use super::{Measure, median};
use crate::network::{self, Network};
use crate::ui::Ui;

/// Texts of one request, and of one bare call.
const BATCH: usize = 32;
/// Tokens of a text that both sides read.
const MAX_TOKENS: usize = 256;
/// The ratio to reach.
const GOAL: f64 = 0.9;

/// What to measure.
#[derive(Debug, Clone)]
pub struct EmbedBench {
    /// Texts a round.
    pub texts: usize,
    /// Rounds, ours and the peer's in turn.
    pub rounds: usize,
    /// Requests in flight.
    pub clients: usize,
    /// Threads of the model on both sides.
    pub threads: u32,
}

/// Measures.
///
/// # Errors
/// When the node does not start, or a side fails.
pub async fn run(bench: &EmbedBench, json: bool) -> Result<Vec<Measure>> {
    let ui = Ui::new(json);
    let (tools, _) = network::setup(&ui).await?;
    let step = ui.step("loading the model twice");
    let mut bare = Bare::load(&tools.onnxruntime, &tools.model_dir, bench.threads)?;
    let batches = bare.batches(bench.texts)?;
    let tokens = batches.iter().map(|texts| bare.tokenise(texts)).collect::<Result<Vec<_>>>()?;
    let solo = Solo::start(&Network::default_root(), bench.threads).await?;
    step.done(format!("{} batches of {BATCH}, {} threads", batches.len(), bench.threads));
    solo.during(async |solo| {
        let client = solo.client()?;
        let (mut ours, mut peer) = (Vec::new(), Vec::new());
        let step = ui.bar("embedding", bench.rounds + 1);
        for round in 0..=bench.rounds {
            let a = through_api(&client, &batches, bench.clients).await?;
            let b = bare.run_all(&tokens)?;
            // The first round warms both up.
            if round > 0 {
                ours.push(a);
                peer.push(b);
            }
            step.one(format!("{a:.1} / {b:.1} per second"));
        }
        step.done("");
        Ok(vec![Measure::rate(
            "embeddings through the API",
            "1/s",
            median(ours),
            median(peer),
            "bare ONNX Runtime",
            GOAL,
        )])
    })
    .await
}

/// All batches once, several requests at a time; embeddings a second.
async fn through_api(client: &crate::api::Client, batches: &[Vec<String>], at_once: usize) -> Result<f64> {
    let began = Instant::now();
    let answers: Vec<bytes::Bytes> = stream::iter(batches)
        .map(|texts| client.embeddings("minilm-l6", texts))
        .buffer_unordered(at_once.max(1))
        .try_collect()
        .await?;
    let seconds = began.elapsed().as_secs_f64();
    for answer in &answers {
        let answer: Value = serde_json::from_slice(answer)?;
        let count = answer["data"].as_array().map_or(0, Vec::len);
        ensure!(count == BATCH, "the node gave {count} vectors for {BATCH} texts");
    }
    Ok((batches.len() * BATCH) as f64 / seconds)
}

/// The same graph in this process, called without anything of ours around it.
struct Bare {
    session: Session,
    options: RunOptions<HasSelectedOutputs>,
    tokenizer: Tokenizer,
}

/// One batch as the graph wants it.
struct Tokens {
    shape: [usize; 2],
    ids: Vec<i64>,
    mask: Vec<i64>,
}

impl Bare {
    fn load(library: &Path, model: &Path, threads: u32) -> Result<Self> {
        let environment = ort::init_from(library)?.with_name("bench").with_telemetry(false).build()?;
        let graph = ModelFolder::open(model)?.encoder(Storage::Inline)?.encode_to_vec();
        let refused = |error: ort::Error<SessionBuilder>| anyhow::anyhow!("{}", error.message());
        let session = SessionBuilder::new(&environment)?
            .with_optimization_level(GraphOptimizationLevel::All)
            .map_err(refused)?
            .with_intra_threads(threads as usize)
            .map_err(refused)?
            .with_inter_threads(1)
            .map_err(refused)?
            // The two sides take turns on the same cores: a pool that spins while idle would slow down the other.
            .with_intra_op_spinning(false)
            .map_err(refused)?
            .commit_from_memory(&graph)?;
        let mut tokenizer = Tokenizer::from_file(model.join("tokenizer.json")).map_err(|e| anyhow::anyhow!("{e}"))?;
        tokenizer.with_padding(None);
        let truncation = tokenizers::TruncationParams { max_length: MAX_TOKENS, ..Default::default() };
        tokenizer.with_truncation(Some(truncation)).map_err(|e| anyhow::anyhow!("{e}"))?;
        let options = RunOptions::new()?.with_outputs(OutputSelector::no_default().with(SENTENCE_EMBEDDING));
        Ok(Self { session, options, tokenizer })
    }

    /// Real passages in batches, sorted by tokens: hardly any padding, so that neither side gains by grouping better.
    fn batches(&self, most: usize) -> Result<Vec<Vec<String>>> {
        let texts = passages(most.max(BATCH))?;
        let encoded = self.tokenizer.encode_batch(texts.clone(), true).map_err(|e| anyhow::anyhow!("{e}"))?;
        let mut sized: Vec<(usize, String)> = encoded.iter().map(|e| e.get_ids().len()).zip(texts).collect();
        sized.sort();
        let texts: Vec<String> = sized.into_iter().map(|(_, text)| text).collect();
        Ok(texts.chunks_exact(BATCH).map(<[String]>::to_vec).collect())
    }

    fn tokenise(&self, texts: &[String]) -> Result<Tokens> {
        let encoded = self.tokenizer.encode_batch(texts.to_vec(), true).map_err(|e| anyhow::anyhow!("{e}"))?;
        let length = encoded.iter().map(|e| e.get_ids().len()).max().context("an empty batch")?;
        let (mut ids, mut mask) = (vec![0; texts.len() * length], vec![0; texts.len() * length]);
        for (row, encoding) in encoded.iter().enumerate() {
            for (column, id) in encoding.get_ids().iter().enumerate() {
                ids[row * length + column] = i64::from(*id);
                mask[row * length + column] = 1;
            }
        }
        Ok(Tokens { shape: [texts.len(), length], ids, mask })
    }

    /// All batches once; embeddings a second.
    fn run_all(&mut self, batches: &[Tokens]) -> Result<f64> {
        let began = Instant::now();
        for batch in batches {
            let inputs = ort::inputs![
                INPUT_IDS => Tensor::from_array((batch.shape, batch.ids.clone()))?,
                ATTENTION_MASK => Tensor::from_array((batch.shape, batch.mask.clone()))?,
            ];
            let outputs = self.session.run_with_options(inputs, &self.options)?;
            let (_, values) = outputs.get(SENTENCE_EMBEDDING).context("no output")?.try_extract_tensor::<f32>()?;
            ensure!(
                values.len() % batch.shape[0] == 0,
                "the graph gave {} numbers for {} texts",
                values.len(),
                batch.shape[0]
            );
        }
        let texts: usize = batches.iter().map(|b| b.shape[0]).sum();
        Ok(texts as f64 / began.elapsed().as_secs_f64())
    }
}
