//! A decoder from nothing: its tokenizer, its size, and the Hugging Face folder that it becomes.

use std::path::Path;

use datanet_inference::graph::build::LlamaConfig;
use safetensors::{Dtype, tensor::TensorView};
use serde_json::json;
use tokenizers::Tokenizer;

use super::TrainError;
use super::state::write_whole;
use crate::data::{Dataset, TokenError};
use crate::job::Scratch;
use crate::network::Layout;
use crate::tokenizer::{BEGIN, END, PAD, learn};

/// Learns the tokenizer from the training texts, writes it and the decoder's configuration to `folder`.
pub(crate) fn begin(plan: &Scratch, data: &Dataset, folder: &Path) -> Result<LlamaConfig, TrainError> {
    std::fs::create_dir_all(folder).map_err(|source| TrainError::files(folder, source))?;
    let texts: Vec<&str> = data.train.iter().map(|example| example.text.as_str()).collect();
    let tokenizer = learn(&texts, plan.vocabulary)?;
    let read = Tokenizer::from_bytes(&tokenizer).map_err(|error| TokenError::Tokenizer(error.to_string()))?;
    let config = json!({
        "model_type": "llama",
        "vocab_size": read.get_vocab_size(true),
        "hidden_size": plan.hidden,
        "intermediate_size": plan.intermediate,
        "num_hidden_layers": plan.layers,
        "num_attention_heads": plan.heads,
        "num_key_value_heads": plan.kv_heads,
        "max_position_embeddings": plan.max_positions,
        "rms_norm_eps": 1e-5,
        "rope_theta": 10_000.0,
        "hidden_act": "silu",
        "tie_word_embeddings": true,
        "bos_token_id": BEGIN,
        "eos_token_id": END,
    });
    let config = LlamaConfig::parse(config.to_string().as_bytes())?;
    write_whole(&folder.join("tokenizer.json"), tokenizer.as_bytes())?;
    let mut json = config.to_json();
    if let Some(fields) = json.as_object_mut() {
        fields.insert("pad_token_id".to_owned(), PAD.into());
    }
    write_whole(&folder.join("config.json"), format!("{json:#}\n").as_bytes())?;
    Ok(config)
}

/// Hash of what the decoder starts from.
pub(super) fn hash(folder: &Path, start: &[f32]) -> Result<String, TrainError> {
    let mut hasher = blake3::Hasher::new_derive_key("datanet training 2026 decoder from nothing");
    for file in ["config.json", "tokenizer.json"] {
        let path = folder.join(file);
        let bytes = std::fs::read(&path).map_err(|source| TrainError::files(&path, source))?;
        hasher.update(&(bytes.len() as u64).to_le_bytes());
        hasher.update(&bytes);
    }
    hasher.update(crate::transcript::theta_hash(start).as_bytes());
    Ok(hasher.finalize().to_hex().to_string())
}

/// The weights as `model.safetensors`.
pub(super) fn weights(layout: &Layout, theta: &[f32]) -> Result<Vec<u8>, TrainError> {
    let fail = |error: safetensors::SafeTensorError| TrainError::Release(error.to_string());
    let bytes: Vec<u8> = theta.iter().flat_map(|x| x.to_le_bytes()).collect();
    let mut tensors = Vec::new();
    for part in layout.parts() {
        let own = &bytes[part.range.start * 4..part.range.end * 4];
        tensors.push((part.input.as_str(), TensorView::new(Dtype::F32, part.shape.clone(), own).map_err(fail)?));
    }
    // transformers wants to be told who wrote the file.
    let metadata = std::collections::HashMap::from([("format".to_owned(), "pt".to_owned())]);
    safetensors::serialize(tensors, Some(metadata)).map_err(fail)
}
