//! What an engine runs, on what, and how much at once.

use std::path::PathBuf;

use super::{Device, EngineError};
use crate::runtime::SessionConfig;

/// Settings of an engine.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// Folder with `config.json`, `model.safetensors` and `tokenizer.json`.
    pub model_dir: PathBuf,
    /// The ONNX Runtime library, version 1.31 or newer.
    pub dylib: PathBuf,
    /// Where to run.
    pub device: Device,
    /// Threads inside one operator; 0 is the number of cores, at most 2, since nodes often share a machine.
    pub threads: usize,
    /// Most tokens in one batch, padding included; it bounds the memory for activations. On a processor larger batches
    /// gain little.
    pub max_batch_tokens: usize,
    /// Most texts in one batch.
    pub max_batch_texts: usize,
    /// Texts that may wait before callers are told [`EngineError::Overloaded`]; also the most in one call.
    pub queue_depth: usize,
    /// Tokens of a text that are read; the rest is cut off.
    pub max_text_tokens: usize,
    /// Texts are padded to a multiple of this many tokens: a larger step means fuller batches and more padding. On a
    /// processor 4 to 8 was fastest for texts of mixed lengths; a GPU wants more. Vectors under different steps agree
    /// within the tolerance for other machines only.
    pub length_step: usize,
}

impl EngineConfig {
    /// The defaults for this model and library, on the processor.
    pub fn new(model_dir: impl Into<PathBuf>, dylib: impl Into<PathBuf>) -> Self {
        Self {
            model_dir: model_dir.into(),
            dylib: dylib.into(),
            device: Device::Cpu,
            threads: 0,
            max_batch_tokens: 1_024,
            max_batch_texts: 32,
            queue_depth: 4_096,
            max_text_tokens: 256,
            length_step: 4,
        }
    }

    /// The same on a GPU, with batches of a size that keeps one busy.
    #[must_use]
    pub fn on_cuda(mut self, id: u32) -> Self {
        self.device = Device::Cuda { id };
        self.max_batch_tokens = 32_768;
        self.max_batch_texts = 512;
        self.length_step = 32;
        self
    }

    /// The session's part of these settings, for weights that lie in `folder`.
    pub(super) fn session(&self, folder: Option<PathBuf>) -> SessionConfig {
        SessionConfig { device: self.device, threads: self.threads, weights: folder }
    }

    pub(super) fn check(&self) -> Result<(), EngineError> {
        let bounds = [
            ("max_batch_tokens", self.max_batch_tokens, 1 << 20),
            ("max_batch_texts", self.max_batch_texts, 1 << 16),
            ("queue_depth", self.queue_depth, 1 << 20),
            ("max_text_tokens", self.max_text_tokens, 1 << 16),
            ("length_step", self.length_step, 1 << 10),
        ];
        for (name, value, max) in bounds {
            if !(1..=max).contains(&value) {
                return Err(EngineError::Config(format!("{name} is {value}; set it between 1 and {max}")));
            }
        }
        if self.threads > 1_024 {
            return Err(EngineError::Config(format!("threads is {}; set it between 0 and 1024", self.threads)));
        }
        Ok(())
    }
}
