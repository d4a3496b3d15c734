//! From a Hugging Face model folder to an ONNX graph.
//!
//! ```text
//!  ModelFolder ── config.json ──► EncoderConfig | LlamaConfig     sizes, each within bounds
//!       │
//!       ├──────── safetensors ──► Weights                         headers, checked against the files' real lengths
//!       ├──────── modules.json, tokenizer_config.json … ──► Sentence, Dialogue    what else changes answers
//!       ├► encoder, decoder  ───► ModelProto                      the graph, its names the folder's own module paths
//!       └► classifier             ▲
//!              model.onnx ──► Export                              what somebody else exported, brought into the same form
//! ```
//!
//! `architecture` writes the graphs of the families known here, `imported` brings what others exported into the same
//! form, and both read the files with `folder`.
//!
//! Every check is made before a tensor is touched, so a hostile folder costs no more than reading its headers; one with
//! an ONNX file costs reading that.
//!
//! Names: an initialiser is called as the tensor is, without the architecture's prefix
//! (`encoder.layer.5.attention.self.query.weight`, `layers.0.mlp.up_proj.weight`). What enters layer `k` is the value
//! `hidden.k` ([`hidden`]); what leaves the last of `n` layers is `hidden.n`.

mod architecture;
mod error;
mod folder;
mod imported;
mod model_folder;
mod pooling;
#[cfg(test)]
mod tests;

pub use architecture::{
    Activation, Architecture, AttentionBias, DecoderForm, EncoderConfig, LlamaConfig, Rotary, RotaryScaling, decoder,
    encoder,
};
pub use error::BuildError;
pub(crate) use folder::MAX_INLINE_BYTES;
pub use folder::{
    ChatTemplate, Dialogue, ModelFiles, ONNX_FILE, Sentence, Storage, Weights, inline, is_exported, is_text_file,
    model_files,
};
pub use imported::{Export, Scores};
pub use model_folder::ModelFolder;
pub use pooling::Pooling;

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
