//! What a generation service runs, on what, and how much at once.

use std::path::PathBuf;

use super::GenerateError;
use crate::encoder::check_bounds;
use crate::graph::quantise::Precision;
use crate::runtime::Device;

/// Settings of a generation service.
#[derive(Clone, Debug)]
pub struct GenerateConfig {
    /// Hugging Face folder of a Llama-family decoder: `config.json`, safetensors and `tokenizer.json`.
    pub folder: PathBuf,
    /// The numbers that products with the base's weights are computed in.
    pub precision: Precision,
    /// Where to run.
    pub device: Device,
    /// Threads inside one operator; 0 is the number of cores, at most 2.
    pub threads: usize,
    /// Sequences that are generated at once; further ones wait.
    pub max_sequences: usize,
    /// Tokens, padding included, that the key/value cache may grow to: it bounds the memory, of which a step needs the
    /// cache twice. At least the context, so that every request fits alone.
    pub cache_tokens: usize,
    /// Prompt tokens that are read between two steps of the sequences under way.
    pub prefill_tokens: usize,
    /// Sequences that may wait before callers are told [`GenerateError::Serve`] with an overload.
    pub queue_depth: usize,
    /// Most tokens of a prompt with its answer; the model's own limit where that is lower.
    pub max_context: usize,
    /// Most tokens of an answer that asks for no number.
    pub default_max_tokens: usize,
    /// As [`crate::encoder::EncoderConfig::targets`].
    pub targets: Vec<String>,
    /// Different adapters that the sequences under way can have.
    pub bank_slots: usize,
    /// Adapters kept in memory.
    pub max_adapters: usize,
}

impl GenerateConfig {
    /// The defaults for this model, on the processor.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            precision: Precision::Float,
            device: Device::Cpu,
            threads: 0,
            max_sequences: 16,
            cache_tokens: 32_768,
            prefill_tokens: 256,
            queue_depth: 256,
            max_context: 4_096,
            default_max_tokens: 256,
            targets: Vec::new(),
            bank_slots: 16,
            max_adapters: 256,
        }
    }

    pub(super) fn check(&self) -> Result<(), GenerateError> {
        check_bounds(&[
            ("max_sequences", self.max_sequences, 1 << 12),
            ("cache_tokens", self.cache_tokens, 1 << 28),
            ("prefill_tokens", self.prefill_tokens, 1 << 20),
            ("queue_depth", self.queue_depth, 1 << 20),
            ("max_context", self.max_context, self.cache_tokens),
            ("default_max_tokens", self.default_max_tokens, 1 << 20),
            ("bank_slots", self.bank_slots, 1 << 12),
            ("max_adapters", self.max_adapters, 1 << 16),
            ("threads + 1", self.threads.saturating_add(1), 1_025),
        ])?;
        Ok(())
    }
}
