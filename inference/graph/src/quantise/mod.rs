//! Smaller weights: 4-bit blocks of frozen weights for training adapters over them, 8-bit products for serving.
//!
//! What the runtime does with each form was measured on MiniLM (2 cores with AVX-512):
//!
//! - 4 bits: `com.microsoft.MatMulNBits` (symmetric blocks) and `MatMulBnb4` (normal-float look-up) take about the
//!   time of the float product, and a float copy of one weight at a time at most. Look-up tables (embeddings) are
//!   gathered packed and unpacked row by row. The backward product unpacks with [`unpack`]. `MatMulBnb4` with
//!   `transB = 0` would be the backward product, but the processor kernel ignores the flag and reads beyond its buffer.
//! - 8 bits: standard `MatMulInteger`, the activations quantised token by token: half the time of float. One range
//!   for the whole batch (`DynamicQuantizeLinear`) is 1.3 times faster still, but then what a text gets depends on
//!   what shares its batch. Weights use 7 of the 8 bits, so that no processor's kernel saturates and all give the
//!   same integers.

mod blocks;
mod find;
mod four_bit;
mod integer;
#[cfg(test)]
mod tests;

pub use four_bit::unpack;

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::build::{BuildError, MAX_INLINE_BYTES, inline};
use crate::model::{GraphError, prune, topological_sort};
use crate::onnx::ModelProto;
use crate::{GraphBuilder, Value};

use find::Site;

/// How weights are made smaller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Blocks of `block` neighbours in a row with one scale, 16 even steps: products and look-up tables.
    Int4 {
        /// 16, 32, 64, 128 or 256.
        block: usize,
    },
    /// Blocks as before, 16 steps as the quantiles of a normal distribution lie (QLoRA): products and look-up tables.
    Nf4 {
        /// 16, 32, 64, 128 or 256.
        block: usize,
    },
    /// 8-bit weights with one scale an output, activations quantised token by token as the graph runs: products only.
    Int8Dynamic,
}

/// The first operator set that has what quantised graphs are made of.
const LEAST_OPSET: i64 = 13;

/// The numbers that a model's products with fixed weights are computed in when it serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 32-bit floats, as it was trained.
    #[default]
    Float,
    /// 8-bit integers, as [`Scheme::Int8Dynamic`] says.
    Int8,
}

impl Precision {
    /// Whether it is what a model was trained in.
    pub fn is_float(&self) -> bool {
        *self == Self::Float
    }
}

/// What became of one weight.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WeightReport {
    /// The weight's name in the float model.
    pub name: String,
    /// Its bytes there.
    pub bytes_before: u64,
    /// Its bytes now, scales included.
    pub bytes_after: u64,
    /// `||W - Q|| / ||W||`, Euclidean norms over all elements.
    pub relative_error: f64,
}

/// A weight that was asked for and stays float.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The weight.
    pub name: String,
    /// Why.
    pub reason: String,
}

/// A model with smaller weights.
#[derive(Clone, Debug)]
pub struct Quantised {
    /// The model; inputs and outputs are those of the float model. The new tensors of a weight `w` are called
    /// `w.quantised` and `w.scales`.
    pub model: ModelProto,
    /// What was done, in the order of the graph.
    pub report: Vec<WeightReport>,
    /// What stays float although the filter took it.
    pub kept: Vec<Kept>,
    /// Bytes of all initialisers of the float model.
    pub bytes_before: u64,
    /// Bytes of all initialisers now.
    pub bytes_after: u64,
}

/// Bytes of all initialisers of a model.
pub fn weight_bytes(model: &ModelProto) -> u64 {
    model.graph.iter().flat_map(|graph| &graph.initializer).filter_map(|tensor| tensor.declared_bytes()).sum()
}

/// Why a model cannot be quantised.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QuantiseError {
    /// The graph is not sound.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// A weight lies in another file.
    #[error("weight {0:?} lies in another file; build the model with its weights inline")]
    External(String),
    /// A weight has NaN or an infinity in it.
    #[error("weight {0:?} holds NaN or an infinity; the model is damaged, fetch it again")]
    NotFinite(String),
    /// A block length that the runtime has no kernel for.
    #[error("blocks of {0} are not supported; use 16, 32, 64, 128 or 256")]
    Block(usize),
    /// The graph's operator set is too old.
    #[error("operator set {0} is too old to be quantised; export the model with operator set 13 or newer")]
    Opset(i64),
    /// The filter took no weight that can be quantised.
    #[error("no weight was quantised; the filter must take weights of products: {0}")]
    Nothing(String),
    /// A node to be unpacked is no 4-bit product written here.
    #[error("node {node} cannot be unpacked: {reason}; quantise the float model again")]
    Unpack {
        /// The node.
        node: String,
        /// Why not.
        reason: String,
    },
}

/// Quantises the weights whose initialiser names `filter` takes. Weights lie in the model ([`crate::build::Storage::Inline`]).
///
/// # Errors
/// [`QuantiseError`]; a weight whose form does not fit the scheme stays float and is listed in [`Quantised::kept`].
pub fn quantise(model: &ModelProto, scheme: Scheme, filter: impl Fn(&str) -> bool) -> Result<Quantised, QuantiseError> {
    if let Scheme::Int4 { block } | Scheme::Nf4 { block } = scheme
        && ![16, 32, 64, 128, 256].contains(&block)
    {
        return Err(QuantiseError::Block(block));
    }
    let bytes_before = weight_bytes(model);
    let mut graph = GraphBuilder::from_model(model.clone())?;
    let opset = graph.opset("").unwrap_or(0);
    if opset < LEAST_OPSET {
        return Err(QuantiseError::Opset(opset));
    }
    let sites = find::sites(graph.graph(), filter)?;
    let mut work = Work { graph: &mut graph, scheme, report: Vec::new(), kept: Vec::new() };
    let replaced = match scheme {
        Scheme::Int8Dynamic => integer::rewrite(&mut work, &sites)?,
        Scheme::Int4 { .. } | Scheme::Nf4 { .. } => four_bit::rewrite(&mut work, &sites)?,
    };
    let Work { report, kept, .. } = work;
    if report.is_empty() {
        let reasons = kept.iter().map(|kept| format!("{} {}", kept.name, kept.reason)).collect::<Vec<_>>().join(", ");
        return Err(QuantiseError::Nothing(if reasons.is_empty() { "it took none".to_owned() } else { reasons }));
    }
    let mut position = 0;
    graph.nodes_mut().retain(|_| {
        position += 1;
        !replaced.contains(&(position - 1))
    });
    let mut model = graph.finish();
    prune(&mut model);
    topological_sort(&mut model)?;
    let bytes_after = weight_bytes(&model);
    Ok(Quantised { model, report, kept, bytes_before, bytes_after })
}

/// A model in 8 bits, as it is served and as that is measured; weights that lie in files are read from the folder `weights`.
///
/// # Errors
/// [`QuantiseError`], and [`BuildError`] where the weights cannot be read.
pub fn eight_bit<E: From<BuildError> + From<QuantiseError>>(
    model: &ModelProto,
    weights: Option<&Path>,
) -> Result<Quantised, E> {
    let mut model = model.clone();
    if let Some(folder) = weights {
        inline(&mut model, folder)?;
    }
    Ok(quantise(&model, Scheme::Int8Dynamic, |_| true)?)
}

/// Whether a model whose weights may lie in files can be put into 8 bits, as far as can be said without reading them.
///
/// # Errors
/// [`BuildError::TooLarge`], and [`QuantiseError::Opset`].
pub fn check_eight_bit<E: From<BuildError> + From<QuantiseError>>(model: &ModelProto) -> Result<(), E> {
    let bytes = weight_bytes(model);
    if bytes > MAX_INLINE_BYTES {
        return Err(BuildError::TooLarge { bytes }.into());
    }
    let graph = GraphBuilder::from_model(model.clone()).map_err(QuantiseError::from)?;
    match graph.opset("").unwrap_or(0) {
        known if known < LEAST_OPSET => Err(QuantiseError::Opset(known).into()),
        _ => Ok(()),
    }
}

/// A rewriting under way.
struct Work<'a> {
    graph: &'a mut GraphBuilder,
    scheme: Scheme,
    report: Vec<WeightReport>,
    kept: Vec<Kept>,
}

impl Work<'_> {
    fn keep(&mut self, site: &Site, reason: &str) {
        let kept = Kept { name: site.weight.clone(), reason: reason.to_owned() };
        if !self.kept.contains(&kept) {
            self.kept.push(kept);
        }
    }

    /// Lets `value` take the place of what a node replaced gave under `name`.
    fn deliver(&mut self, value: &Value, name: &str) {
        for node in self.graph.nodes_mut().iter_mut().rev() {
            if let Some(output) = node.output.iter_mut().find(|output| output.as_str() == value.name()) {
                name.clone_into(output);
                return;
            }
        }
    }
}
