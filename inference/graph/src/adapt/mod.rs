//! LoRA slots on the frozen linear layers of a graph.
//!
//! A layer `y = x W + b` becomes `y + scale · (x A) B`, with `A` and `B` inputs of the graph ([`Binding`] says in which
//! form), whose rank is chosen by whoever runs it. Layers are found as what they are, a `MatMul`, `Gemm` or quantised
//! product with a constant weight, in any ONNX model; they are called by their module path, as in the folder the graph
//! was built from, by the name of their weight, or by that of their node. With `B` all zeros the graph answers as the
//! base does, bit for bit.

mod error;
mod find;
mod target;
#[cfg(test)]
mod tests;
mod weave;

pub use error::AdaptError;
pub use target::bare_module;

use crate::model::Index;
use crate::onnx::{GraphProto, ModelProto};
use crate::shape;
use find::Linear;

/// Name of the input that picks each sample's slot with [`Binding::Bank`], int64 `[batch]`.
pub const ADAPTER_IDS: &str = "adapter_ids";

/// The target that means every linear layer but the output head, as PEFT has it.
pub const ALL_LINEAR: &str = "all-linear";

/// In which form adapters are handed to the graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binding {
    /// One adapter for the whole batch: `A [in, rank]`, `B [rank, out]`.
    Shared,
    /// One for each sample, so that a gradient is per sample: `A [batch, in, rank]`, `B [batch, rank, out]`.
    PerSample,
    /// A stack of adapters, of which `adapter_ids` picks one for each sample: `A [slots, in, rank]`,
    /// `B [slots, rank, out]`.
    Bank,
}

/// What to adapt, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct AdaptSpec {
    /// Modules, by PEFT's rule: one whose path is the target or ends with `.target`; `*` stands for anything, and
    /// [`ALL_LINEAR`] for every linear layer but the head. Names of weights and nodes are taken too.
    pub targets: Vec<String>,
    /// The layers adapted, counted from 0; all if `None`.
    pub layers: Option<Vec<usize>>,
    /// The form of the inputs.
    pub binding: Binding,
    /// Factor of the update, `alpha / rank` in PEFT; 1 where it is in `B` already.
    pub scale: f32,
}

/// A linear layer that takes adapters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoraSlot {
    /// Path of the module, without the architecture's prefix: `encoder.layer.0.attention.self.query`.
    pub module: String,
    /// Name of the input that holds `A`.
    pub a: String,
    /// Name of the input that holds `B`.
    pub b: String,
    /// Numbers that the layer reads.
    pub in_features: usize,
    /// Numbers that the layer writes.
    pub out_features: usize,
}

/// An adapted model.
#[derive(Clone, Debug)]
pub struct Adapted {
    /// The model, with further inputs.
    pub model: ModelProto,
    /// Its slots, in the order of the graph.
    pub slots: Vec<LoraSlot>,
}

/// Names of the inputs that hold `A` and `B` of a module.
pub fn input_names(module: &str) -> [String; 2] {
    [format!("lora.{module}.A"), format!("lora.{module}.B")]
}

/// The modules of a model that can be adapted, in the order of the graph, as slots.
///
/// # Errors
/// [`AdaptError::Graph`] and [`AdaptError::Shape`] for a graph that is not sound.
pub fn linear_modules(model: &ModelProto) -> Result<Vec<LoraSlot>, AdaptError> {
    let graph = graph(model)?;
    let shapes = shape::infer(model)?;
    Ok(find::linears(&Index::new(graph)?, &shapes).iter().map(Linear::slot).collect())
}

/// Gives the targeted layers slots.
///
/// # Errors
/// [`AdaptError::Unmatched`] for a target that matches nothing, [`AdaptError::NoLayer`] for a layer that is not there,
/// [`AdaptError::Flattened`] where samples cannot be told apart, and the graph's own errors.
pub fn adapt(model: &ModelProto, spec: &AdaptSpec) -> Result<Adapted, AdaptError> {
    if !spec.scale.is_finite() {
        return Err(AdaptError::Scale(spec.scale));
    }
    let shapes = shape::infer(model)?;
    let index = Index::new(graph(model)?)?;
    let all = find::linears(&index, &shapes);
    let chosen = target::choose(&all, spec)?;
    let slots = chosen.iter().map(|linear| linear.slot()).collect();
    let model = weave::weave(model, &index, &shapes, &chosen, spec)?;
    Ok(Adapted { model, slots })
}

fn graph(model: &ModelProto) -> Result<&GraphProto, AdaptError> {
    model.graph.as_ref().ok_or(AdaptError::Graph(crate::GraphError::NoGraph))
}
