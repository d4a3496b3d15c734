//! The encoder that several benches share: its texts, its service, and the graph called without anything around it.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use datanet_inference::encoder::{EncoderConfig, EncoderHandle, EncoderService, EncoderSource};
use datanet_inference::graph::build::encoder::SENTENCE_EMBEDDING;
use datanet_inference::graph::build::{ATTENTION_MASK, INPUT_IDS, ModelFolder, Storage};
use datanet_inference::onnx::ModelProto;
use datanet_inference::runtime::{Runtime, Session, SessionConfig, Tensor};
use tokenizers::Tokenizer;

use crate::data::Dataset;
use crate::network;
use crate::ui::Ui;

/// Real passages, `most` of them where there are as many.
pub(super) fn passages(most: usize) -> Result<Vec<String>> {
    let data = Dataset::from_registry(1)?;
    let records = data.contributors.iter().flat_map(|c| &c.records).chain(&data.holdout).chain(&data.questions);
    Ok(records.map(|r| r.text.clone()).take(most).collect())
}

/// The model's files and the library that runs them, in this process.
#[derive(Debug, Clone)]
pub(super) struct Encoder {
    pub(super) runtime: Runtime,
    pub(super) model: PathBuf,
    pub(super) threads: usize,
}

impl Encoder {
    /// Fetches what is missing.
    pub(super) async fn ready(ui: &Ui, threads: usize) -> Result<Self> {
        let (tools, _) = network::setup(ui).await?;
        Ok(Self { runtime: Runtime::init(&tools.onnxruntime)?, model: tools.model_dir, threads })
    }

    /// Starts a service over `source`, with settings changed by `change`.
    pub(super) async fn service(
        &self,
        source: EncoderSource,
        change: impl FnOnce(&mut EncoderConfig),
    ) -> Result<EncoderHandle> {
        let mut config = EncoderConfig::new(source);
        config.threads = self.threads;
        change(&mut config);
        let runtime = self.runtime.clone();
        Ok(tokio::task::spawn_blocking(move || EncoderService::spawn(&runtime, config)).await??)
    }

    /// The folder as a service takes it.
    pub(super) fn folder(&self) -> EncoderSource {
        EncoderSource::Folder(self.model.clone())
    }

    /// The graph that the service runs.
    pub(super) fn graph(&self, storage: Storage) -> Result<ModelProto> {
        Ok(ModelFolder::open(&self.model)?.encoder(storage)?)
    }

    /// The same graph, bare.
    pub(super) fn bare(&self, graph: &ModelProto) -> Result<Bare> {
        let weights = Some(ModelFolder::open(&self.model)?.weights_folder().to_owned());
        let config = SessionConfig { threads: self.threads, weights, ..SessionConfig::default() };
        Ok(Bare { session: Session::load(&self.runtime, graph, &config)? })
    }

    /// `count` real texts of `tokens` tokens or more, joined from short passages and repeated where there are too few.
    pub(super) fn texts(&self, count: usize, tokens: usize) -> Result<Vec<String>> {
        let tokenizer = self.tokenizer(tokens)?;
        let (mut texts, mut text) = (Vec::new(), String::new());
        for passage in passages(usize::MAX)? {
            text.push_str(&passage);
            text.push(' ');
            let encoded = tokenizer.encode(text.as_str(), true).map_err(|e| anyhow::anyhow!("{e}"))?;
            if encoded.get_ids().len() >= tokens {
                texts.push(std::mem::take(&mut text));
            }
        }
        ensure!(!texts.is_empty(), "the passages hold no text of {tokens} tokens");
        Ok(texts.iter().cycle().take(count).cloned().collect())
    }

    /// Token ids of texts, cut at `most` tokens.
    pub(super) fn tokens(&self, texts: &[String], most: usize) -> Result<Vec<Vec<i64>>> {
        let encoded = self.tokenizer(most)?.encode_batch(texts.to_vec(), true).map_err(|e| anyhow::anyhow!("{e}"))?;
        Ok(encoded.iter().map(|e| e.get_ids().iter().map(|id| i64::from(*id)).collect()).collect())
    }

    fn tokenizer(&self, most: usize) -> Result<Tokenizer> {
        let path = self.model.join("tokenizer.json");
        let mut tokenizer = Tokenizer::from_file(path).map_err(|e| anyhow::anyhow!("{e}"))?;
        tokenizer.with_padding(None);
        let truncation = tokenizers::TruncationParams { max_length: most, ..Default::default() };
        tokenizer.with_truncation(Some(truncation)).map_err(|e| anyhow::anyhow!("{e}"))?;
        Ok(tokenizer)
    }
}

/// A session called directly.
#[derive(Debug)]
pub(super) struct Bare {
    session: Session,
}

impl Bare {
    /// The sentence embeddings of one batch, `[texts, width]` row by row.
    pub(super) fn embed(&mut self, texts: &[Vec<i64>]) -> Result<Vec<f32>> {
        let length = texts.iter().map(Vec::len).max().context("an empty batch")?;
        let (mut ids, mut mask) = (vec![0i64; texts.len() * length], vec![0i64; texts.len() * length]);
        for (row, text) in texts.iter().enumerate() {
            let start = row * length;
            ids[start..start + text.len()].copy_from_slice(text);
            mask[start..start + text.len()].fill(1);
        }
        let shape = [texts.len(), length];
        let (ids, mask) = (Tensor::new(&shape, ids)?, Tensor::new(&shape, mask)?);
        let outputs = self.session.run(&[(INPUT_IDS, &ids), (ATTENTION_MASK, &mask)], &[SENTENCE_EMBEDDING])?;
        Ok(outputs.first().context("no output")?.floats()?.to_vec())
    }

    /// All batches of `size` once; texts a second.
    pub(super) fn rate(&mut self, texts: &[Vec<i64>], size: usize) -> Result<f64> {
        let began = Instant::now();
        for batch in texts.chunks(size) {
            let numbers = self.embed(batch)?.len();
            ensure!(numbers > 0 && numbers.is_multiple_of(batch.len()), "{numbers} numbers for {} texts", batch.len());
        }
        Ok(texts.len() as f64 / began.elapsed().as_secs_f64())
    }
}
