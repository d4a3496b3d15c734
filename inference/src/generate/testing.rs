//! Small decoders of random weights, for tests.

use std::path::Path;

use serde_json::json;
use tempfile::TempDir;
use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{
    DecoderWrapper, NormalizerWrapper, PostProcessorWrapper, PreTokenizerWrapper, Tokenizer, TokenizerBuilder,
};

use crate::encoder::testing::numbers;
use crate::graph::build::LlamaConfig;

/// What the tokenizer learns from.
const PARAGRAPH: &str = "A datanet is a network on which people pool specialised data, have it judged, train and serve \
    models on it, and are paid by how much their data measurably helped. One node is one process: it gossips \
    contributions, keeps blobs, indexes them, runs and trains models, and executes a ledger.";

/// Sizes of a decoder.
pub(super) struct Size {
    pub(super) vocabulary: usize,
    pub(super) hidden: usize,
    pub(super) inner: usize,
    pub(super) layers: usize,
    pub(super) heads: usize,
    pub(super) shared_heads: usize,
}

pub(super) const SMALL: Size = Size { vocabulary: 320, hidden: 32, inner: 64, layers: 2, heads: 4, shared_heads: 2 };

/// A byte-level BPE tokenizer of at most 320 tokens, without special tokens.
pub(super) fn tokenizer() -> Tokenizer {
    let bytes = || ByteLevel::new(false, true, true);
    let mut trainer = BpeTrainer::builder()
        .vocab_size(SMALL.vocabulary)
        .show_progress(false)
        .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
        .build();
    let builder =
        TokenizerBuilder::<BPE, NormalizerWrapper, PreTokenizerWrapper, PostProcessorWrapper, DecoderWrapper>::new();
    let built = builder
        .with_model(BPE::default())
        .with_pre_tokenizer(Some(bytes().into()))
        .with_decoder(Some(bytes().into()))
        .build();
    let mut tokenizer = built.unwrap();
    tokenizer.train(&mut trainer, std::iter::once(PARAGRAPH)).unwrap();
    Tokenizer::from_bytes(tokenizer.to_string(false).unwrap()).unwrap()
}

/// A model folder with `config.json`, `model.safetensors` and `tokenizer.json`.
pub(super) fn decoder_folder(eos: Option<u32>) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let config = json!({
        "model_type": "llama", "vocab_size": SMALL.vocabulary, "hidden_size": SMALL.hidden,
        "intermediate_size": SMALL.inner, "num_hidden_layers": SMALL.layers, "num_attention_heads": SMALL.heads,
        "num_key_value_heads": SMALL.shared_heads, "max_position_embeddings": 512, "rms_norm_eps": 1e-5,
        "rope_theta": 10_000.0, "tie_word_embeddings": false, "eos_token_id": eos
    });
    std::fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
    tokenizer().save(folder.path().join("tokenizer.json"), false).unwrap();
    write_weights(&LlamaConfig::parse(config.to_string().as_bytes()).unwrap(), folder.path());
    folder
}

fn write_weights(config: &LlamaConfig, folder: &Path) {
    let tensor = |(index, (name, shape)): (usize, (String, Vec<usize>))| {
        let count = shape.iter().product();
        // Norms are one; matrices keep the variance, and a little more, so that logits differ clearly.
        let scale = (6.0 / *shape.last().unwrap() as f32).sqrt();
        let numbers = if shape.len() == 1 {
            vec![1.0; count]
        } else {
            numbers(index as u64 + 1, count).into_iter().map(|number| number * scale).collect()
        };
        (name, shape, numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<u8>>())
    };
    let tensors: Vec<_> = config.tensors().into_iter().enumerate().map(tensor).collect();
    let views = tensors.iter().map(|(name, shape, bytes)| {
        (name, safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape.clone(), bytes).unwrap())
    });
    safetensors::serialize_to_file(views, None, &folder.join("model.safetensors")).unwrap();
}
