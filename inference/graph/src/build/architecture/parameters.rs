//! Where a graph under construction gets its parameters from.

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
                let full = format!("{prefix}{name}");
                let stored = if weights.contains(&full) { full.as_str() } else { name };
                let mut tensor = weights.tensor(stored, shape, *storage)?;
                name.clone_into(&mut tensor.name);
                let float = tensor.data_type == i32::from(DataType::Float);
                let value = graph.initializer(tensor);
                let module = name.rsplit_once('.').map_or(name, |(module, _)| module);
                Ok(if float { value } else { graph.scoped(module, |graph| graph.cast(&value, DataType::Float)) })
            }
        }
    }
}
