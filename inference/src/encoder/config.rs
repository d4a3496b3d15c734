//! What an encoder service runs, on what, and how much at once.

use std::path::PathBuf;

use super::ServeError;
use super::batch::BatchLimits;
use crate::graph::quantise::Precision;
use crate::runtime::Device;

/// Where an encoder or classifier comes from.
#[derive(Clone, Debug)]
pub enum EncoderSource {
    /// A Hugging Face folder with `tokenizer.json` and either `config.json` and safetensors, or a `model.onnx`, and what
    /// else [`crate::graph::build::model_files`] lists.
    Folder(PathBuf),
    /// An ONNX file as [`crate::graph::build::Export`] reads it, whose tokenizer lies elsewhere.
    Onnx {
        /// The ONNX file.
        model: PathBuf,
        /// The `tokenizer.json` that goes with it.
        tokenizer: PathBuf,
        /// Names of the classes of a model with `logits`, in place of those of a `config.json` beside it; may be empty.
        labels: Vec<String>,
    },
}

/// Settings of an encoder service.
#[derive(Clone, Debug)]
pub struct EncoderConfig {
    /// The model.
    pub source: EncoderSource,
    /// Whether vectors leave the graph at unit length, as embeddings that are compared, instead of as the pooled ones
    /// that heads classify.
    pub unit: bool,
    /// The numbers that products with the base's weights are computed in.
    pub precision: Precision,
    /// Where to run.
    pub device: Device,
    /// Threads inside one operator; 0 is the number of cores, at most 2, since nodes often share a machine.
    pub threads: usize,
    /// Most tokens in one batch, padding included; it bounds the memory for activations.
    pub max_batch_tokens: usize,
    /// Most texts in one batch.
    pub max_batch_texts: usize,
    /// Texts that may wait before callers are told [`ServeError::Overloaded`]; also the most in one call.
    pub queue_depth: usize,
    /// Tokens of a text that are read, or fewer where the model's folder says so; see [`super::Long`] for what is longer.
    pub max_text_tokens: usize,
    /// Texts are padded to a multiple of this many tokens: a larger step means fuller batches and more padding. On a
    /// processor 4 to 8 was fastest for texts of mixed lengths; a GPU wants more. Vectors under different steps agree
    /// within the tolerance for other machines only.
    pub length_step: usize,
    /// Modules that get adapter slots at once (see [`crate::graph::adapt::AdaptSpec`]). Modules of adapters loaded later
    /// are added when the first such adapter comes, which takes as long as loading the model.
    pub targets: Vec<String>,
    /// Different adapters of one rank bucket that the bank holds, and so that one batch can mix; the memory for a
    /// slot is that of one adapter padded to its bucket.
    pub bank_slots: usize,
    /// Adapters kept in memory, whether or not the bank holds them; the one used longest ago is forgotten first.
    pub max_adapters: usize,
}

impl EncoderConfig {
    /// The defaults for this model, on the processor.
    pub fn new(source: EncoderSource) -> Self {
        Self {
            source,
            unit: false,
            precision: Precision::Float,
            device: Device::Cpu,
            threads: 0,
            max_batch_tokens: 2_048,
            max_batch_texts: 64,
            queue_depth: 4_096,
            max_text_tokens: 256,
            length_step: 4,
            targets: Vec::new(),
            bank_slots: 64,
            max_adapters: 1_024,
        }
    }

    /// The defaults for the embeddings that a node indexes and judges by, on the processor: unit vectors, in batches that
    /// keep the memory for activations small. On a processor larger ones gain little.
    pub fn embedder(folder: impl Into<PathBuf>) -> Self {
        let source = EncoderSource::Folder(folder.into());
        Self { unit: true, max_batch_tokens: 1_024, max_batch_texts: 32, ..Self::new(source) }
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

    pub(super) fn limits(&self) -> BatchLimits {
        BatchLimits { tokens: self.max_batch_tokens, texts: self.max_batch_texts }
    }

    pub(super) fn check(&self) -> Result<(), ServeError> {
        check_bounds(&[
            ("max_batch_tokens", self.max_batch_tokens, 1 << 20),
            ("max_batch_texts", self.max_batch_texts, 1 << 16),
            ("queue_depth", self.queue_depth, 1 << 20),
            ("max_text_tokens", self.max_text_tokens, 1 << 16),
            ("length_step", self.length_step, 1 << 10),
            ("bank_slots", self.bank_slots, 1 << 12),
            ("max_adapters", self.max_adapters, 1 << 16),
        ])?;
        if self.threads > 1_024 {
            return Err(ServeError::Config(format!("threads is {}; set it between 0 and 1024", self.threads)));
        }
        Ok(())
    }
}

/// Each value must be between 1 and its largest.
pub(crate) fn check_bounds(bounds: &[(&str, usize, usize)]) -> Result<(), ServeError> {
    for &(name, value, max) in bounds {
        if !(1..=max).contains(&value) {
            return Err(ServeError::Config(format!("{name} is {value}; set it between 1 and {max}")));
        }
    }
    Ok(())
}
