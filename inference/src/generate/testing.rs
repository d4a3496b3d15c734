//! Small decoders of random weights, for tests.

use std::path::Path;

use serde_json::json;
use tempfile::TempDir;
use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{
    AddedToken, DecoderWrapper, NormalizerWrapper, PostProcessorWrapper, PreTokenizerWrapper, Tokenizer,
    TokenizerBuilder,
};

use crate::encoder::testing::numbers;
use crate::graph::build::{ChatTemplate, Dialogue, LlamaConfig};

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

/// A template as a folder holds it.
pub(super) fn templated(source: &str) -> ChatTemplate {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("chat_template.jinja"), source).unwrap();
    let tokens = json!({ "bos_token": "<s>", "eos_token": "</s>" });
    std::fs::write(folder.path().join("tokenizer_config.json"), tokens.to_string()).unwrap();
    Dialogue::read(folder.path(), 1).unwrap().chat_template.unwrap()
}

/// The same tokenizer with these special tokens.
pub(super) fn with_special(special: &[&str]) -> Tokenizer {
    let mut tokenizer = tokenizer();
    tokenizer.add_special_tokens(&special.iter().map(|text| AddedToken::from(*text, true)).collect::<Vec<_>>());
    tokenizer
}

/// A model that says the second token of each pair after the first, whatever came before.
pub(super) fn chain_folder(tokenizer: &Tokenizer, next: &[(u32, u32)], further: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let vocabulary = tokenizer.get_vocab_size(true);
    let config = json!({
        "model_type": "llama", "vocab_size": vocabulary, "hidden_size": vocabulary, "intermediate_size": 2,
        "num_hidden_layers": 1, "num_attention_heads": 1, "head_dim": 2, "max_position_embeddings": 256
    });
    std::fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
    tokenizer.save(folder.path().join("tokenizer.json"), false).unwrap();
    for (name, text) in further {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let numbers = |_: usize, name: &str, shape: &[usize]| {
        let mut numbers = vec![if shape.len() == 1 { 1.0 } else { 0.0 }; shape.iter().product()];
        let row = |at: usize| at * vocabulary;
        match name {
            "model.embed_tokens.weight" => (0..vocabulary).for_each(|token| numbers[row(token) + token] = 1.0),
            "lm_head.weight" => next.iter().for_each(|&(last, next)| numbers[row(next as usize) + last as usize] = 1.0),
            _ => {}
        }
        numbers
    };
    write_tensors(&LlamaConfig::parse(config.to_string().as_bytes()).unwrap(), folder.path(), numbers);
    folder
}

fn write_weights(config: &LlamaConfig, folder: &Path) {
    write_tensors(config, folder, |index, _, shape| {
        let count = shape.iter().product();
        // Norms are one; matrices keep the variance, and a little more, so that logits differ clearly.
        let scale = (6.0 / *shape.last().unwrap() as f32).sqrt();
        if shape.len() == 1 {
            return vec![1.0; count];
        }
        numbers(index as u64 + 1, count).into_iter().map(|number| number * scale).collect()
    });
}

fn write_tensors(config: &LlamaConfig, folder: &Path, numbers: impl Fn(usize, &str, &[usize]) -> Vec<f32>) {
    let tensor = |(index, (name, shape)): (usize, (String, Vec<usize>))| {
        let numbers = numbers(index, &name, &shape);
        (name, shape, numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<u8>>())
    };
    let tensors: Vec<_> = config.tensors().into_iter().enumerate().map(tensor).collect();
    let views = tensors.iter().map(|(name, shape, bytes)| {
        (name, safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape.clone(), bytes).unwrap())
    });
    safetensors::serialize_to_file(views, None, &folder.join("model.safetensors")).unwrap();
}
