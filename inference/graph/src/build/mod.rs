//! From a Hugging Face model folder to an ONNX graph.
//!
//! ```text
//!  ModelFolder ── config.json ──► EncoderConfig | LlamaConfig     sizes, each within bounds
//!       │
//!       ├──────── safetensors ──► Weights                         headers, checked against the files' real lengths
//!       ├► encoder, decoder  ───► ModelProto                      the graph, its names the folder's own module paths
//!       └► classifier             ▲
//!              model.onnx ──► Export                              what somebody else exported, brought into the same form
//! ```
//!
//! Every check is made before a tensor is touched, so a hostile folder costs no more than reading its headers; one with
//! an ONNX file costs reading that.
//!
//! Names: an initialiser is called as the tensor is, without the architecture's prefix
//! (`encoder.layer.5.attention.self.query.weight`, `layers.0.mlp.up_proj.weight`). What enters layer `k` is the value
//! `hidden.k` ([`hidden`]); what leaves the last of `n` layers is `hidden.n`.

mod config;
pub mod decoder;
pub mod encoder;
mod error;
mod export;
mod finite;
mod folder;
mod inline;
mod llama;
mod names;
mod operators;
mod parameters;
mod rotary;
#[cfg(test)]
mod tests;
mod weights;

pub use config::{Activation, EncoderConfig};
pub use decoder::DecoderForm;
pub use error::BuildError;
pub use export::Export;
pub use folder::{Architecture, ModelFolder, ONNX_FILE, is_exported};
pub use inline::inline;
pub use llama::{AttentionBias, LlamaConfig};
pub use rotary::{Rotary, RotaryScaling};
pub(crate) use weights::MAX_INLINE_BYTES;
pub use weights::{Storage, Weights, model_files};

/// The operator set that the graphs are written in: the first with `Gelu`.
pub const OPSET: i64 = 20;

/// Name of the input that holds the token ids, int64 `[batch, seq]`.
pub const INPUT_IDS: &str = "input_ids";
/// Name of the input that tells tokens (1) from padding (0), int64.
pub const ATTENTION_MASK: &str = "attention_mask";
/// Name of the output with one vector a token, `[batch, seq, hidden]`.
pub const LAST_HIDDEN_STATE: &str = "last_hidden_state";

/// Name of the value that enters layer `layer`, counted from 0; that of the number of layers leaves the last one.
pub fn hidden(layer: usize) -> String {
    format!("hidden.{layer}")
}
