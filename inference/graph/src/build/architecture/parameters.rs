//! Where a graph under construction gets its parameters from.

use std::borrow::Cow;

use crate::build::{BuildError, Storage, Weights};
use crate::onnx::{DataType, Dim};
use crate::{GraphBuilder, Value};

/// The parameters of a model, by name without the architecture's prefix.
pub(super) enum Parameters<'a> {
    /// Tensors of safetensors files, which may carry `prefix` before their names.
    File { weights: &'a Weights, storage: Storage, prefix: &'static str },
    /// Inputs of the graph, named by `name`.
    Inputs { name: fn(&str) -> String },
}

impl Parameters<'_> {
    /// A parameter as float32, whatever it is stored as.
    pub(super) fn value(&self, graph: &mut GraphBuilder, name: &str, shape: &[usize]) -> Result<Value, BuildError> {
        match self {
            Self::Inputs { name: full } => {
                let dims: Vec<Dim> = shape.iter().map(|&size| Dim::Size(size as i64)).collect();
                Ok(graph.input(&full(name), DataType::Float, &dims))
            }
            Self::File { weights, storage, prefix } => {
                let stored = stored_name(weights, prefix, name);
                let mut tensor = weights.tensor(&stored, shape, *storage)?;
                name.clone_into(&mut tensor.name);
                let float = tensor.data_type == i32::from(DataType::Float);
                let value = graph.initializer(tensor);
                let module = name.rsplit_once('.').map_or(name, |(module, _)| module);
                Ok(if float { value } else { graph.scoped(module, |graph| graph.cast(&value, DataType::Float)) })
            }
        }
    }
}

/// What some tools write before every name: Sentence Transformers, and those that keep a model as a part of theirs.
const WRAPPERS: [&str; 4] = ["", "0.auto_model.", "auto_model.", "model."];

/// The name under which a file has a parameter; the parameter's own where it has none.
fn stored_name<'a>(weights: &Weights, prefix: &str, name: &'a str) -> Cow<'a, str> {
    let spellings = std::iter::once(Cow::Borrowed(name)).chain(old_spelling(name).map(Cow::Owned));
    for spelling in spellings {
        for wrapper in WRAPPERS {
            for inner in [prefix, ""] {
                let full = format!("{wrapper}{inner}{spelling}");
                if weights.contains(&full) {
                    return Cow::Owned(full);
                }
            }
        }
    }
    Cow::Borrowed(name)
}

/// Files from TensorFlow call the two tensors of a normalisation gamma and beta.
fn old_spelling(name: &str) -> Option<String> {
    let (module, tensor) = name.rsplit_once('.')?;
    let old = match tensor {
        "weight" => "gamma",
        "bias" => "beta",
        _ => return None,
    };
    module.to_ascii_lowercase().ends_with("norm").then(|| format!("{module}.{old}"))
}
