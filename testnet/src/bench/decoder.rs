//! A decoder of random weights, and its graph driven by a bare loop.

use std::path::Path;

use anyhow::{Context as _, Result};
use datanet_inference::graph::build::decoder::{LOGITS, POSITION_IDS, past, present};
use datanet_inference::graph::build::{ATTENTION_MASK, DecoderForm, INPUT_IDS, LlamaConfig, ModelFolder, Storage};
use datanet_inference::runtime::{Runtime, Session, SessionConfig, Tensor};
use datanet_training::random::Stream;
use datanet_training::tokenizer;
use safetensors::tensor::{Dtype, TensorView};
use serde_json::json;

/// Tokens that the model knows.
const VOCABULARY: usize = 8_192;
/// Width of the hidden state.
const HIDDEN: usize = 256;
/// Layers.
const LAYERS: usize = 6;
/// Heads of the queries, and of the keys and values.
const HEADS: [usize; 2] = [8, 4];

/// Writes a Llama folder of some 9 million random numbers, about what two cores train from nothing: `config.json`,
/// `model.safetensors` and a `tokenizer.json` learnt from `texts`. No token ends an answer.
pub(super) fn write(folder: &Path, texts: &[String]) -> Result<()> {
    let config = json!({
        "model_type": "llama", "vocab_size": VOCABULARY, "hidden_size": HIDDEN, "intermediate_size": 4 * HIDDEN,
        "num_hidden_layers": LAYERS, "num_attention_heads": HEADS[0], "num_key_value_heads": HEADS[1],
        "max_position_embeddings": 512, "rms_norm_eps": 1e-5, "rope_theta": 10_000.0, "tie_word_embeddings": false,
    });
    std::fs::write(folder.join("config.json"), config.to_string())?;
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    std::fs::write(folder.join("tokenizer.json"), tokenizer::learn(&texts, VOCABULARY)?)?;
    let config = LlamaConfig::parse(config.to_string().as_bytes())?;
    let mut tensors = Vec::new();
    for (at, (name, shape)) in config.tensors().into_iter().enumerate() {
        let bytes: Vec<u8> = numbers(at, &shape).iter().flat_map(|number| number.to_le_bytes()).collect();
        tensors.push((name, shape, bytes));
    }
    let views = tensors
        .iter()
        .map(|(name, shape, bytes)| Ok((name.as_str(), TensorView::new(Dtype::F32, shape.clone(), bytes)?)));
    let views = views.collect::<Result<Vec<_>, safetensors::SafeTensorError>>()?;
    safetensors::serialize_to_file(views, None, &folder.join("model.safetensors"))?;
    Ok(())
}

/// Norms are one; matrices keep the variance of what they are given.
fn numbers(at: usize, shape: &[usize]) -> Vec<f32> {
    let count = shape.iter().product();
    let inputs = match shape {
        [_, inputs] => *inputs,
        _ => return vec![1.0; count],
    };
    let (mut dice, scale) = (Stream::new("bench decoder", 0, at as u64), (1.0 / inputs as f32).sqrt());
    (0..count).map(|_| scale * dice.normal()).collect()
}

/// The graph with a key/value cache, one sequence at a time, without anything of ours around it.
#[derive(Debug)]
pub(super) struct BareDecoder {
    session: Session,
    /// Names of the cache's inputs.
    past: Vec<String>,
    /// The logits, and the cache's outputs in the order of the inputs.
    outputs: Vec<String>,
    /// `[1, heads, 0, head size]`
    empty: [usize; 4],
}

impl BareDecoder {
    /// Loads the folder.
    pub(super) fn load(runtime: &Runtime, folder: &Path, threads: usize) -> Result<Self> {
        let folder = ModelFolder::open(folder)?;
        let config = folder.decoder_config().context("the folder holds no decoder")?;
        let (layers, empty) = (config.num_hidden_layers, [1, config.num_key_value_heads, 0, config.head_dim]);
        let weights = Some(folder.weights_folder().to_owned());
        let settings = SessionConfig { threads, weights, ..SessionConfig::default() };
        let graph = folder.decoder(Storage::Mapped, DecoderForm::Cached)?;
        Ok(Self {
            session: Session::load(runtime, &graph, &settings)?,
            past: (0..layers).flat_map(past).collect(),
            outputs: std::iter::once(LOGITS.to_owned()).chain((0..layers).flat_map(present)).collect(),
            empty,
        })
    }

    /// The `count` most probable tokens after `prompt`, one after another: step, largest logit, step.
    pub(super) fn generate(&mut self, prompt: &[u32], count: usize) -> Result<Vec<u32>> {
        let mut cache = Vec::new();
        for _ in &self.past {
            cache.push(Tensor::new(&self.empty, Vec::<f32>::new())?);
        }
        let mut ids: Vec<i64> = prompt.iter().map(|id| i64::from(*id)).collect();
        let (mut width, mut answer) = (0, Vec::with_capacity(count));
        for _ in 0..count {
            let (next, longer) = self.step(&ids, width, &cache)?;
            width += ids.len();
            cache = longer;
            ids = vec![i64::from(next)];
            answer.push(next);
        }
        Ok(answer)
    }

    /// Reads `ids` after the `width` tokens in the cache; gives the most probable next token and the longer cache.
    fn step(&mut self, ids: &[i64], width: usize, cache: &[Tensor]) -> Result<(u32, Vec<Tensor>)> {
        let end = width + ids.len();
        let positions: Vec<i64> = (width as i64..end as i64).collect();
        let shape = [1, ids.len()];
        let (tokens, positions) = (Tensor::new(&shape, ids.to_vec())?, Tensor::new(&shape, positions)?);
        let mask = Tensor::new(&[1, end], vec![1i64; end])?;
        let mut inputs = vec![(INPUT_IDS, &tokens), (ATTENTION_MASK, &mask), (POSITION_IDS, &positions)];
        inputs.extend(self.past.iter().map(String::as_str).zip(cache));
        let outputs: Vec<&str> = self.outputs.iter().map(String::as_str).collect();
        let mut results = self.session.run(&inputs, &outputs)?.into_iter();
        let logits = results.next().context("the graph gave no logits")?;
        let last = logits.floats()?.chunks_exact(VOCABULARY).next_back().context("the graph gave no logits")?;
        let best = last.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).context("the model knows no token")?;
        Ok((u32::try_from(best.0)?, results.collect()))
    }
}
