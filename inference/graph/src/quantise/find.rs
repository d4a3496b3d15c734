//! Where weights are used in a form that can be quantised.

use std::collections::HashMap;

use super::QuantiseError;
use crate::model::Index;
use crate::onnx::{GraphProto, NodeProto, TensorProto};

/// One use of a weight.
#[derive(Clone, Debug)]
pub(super) struct Site {
    /// Position of the node.
    pub position: usize,
    /// Name of the initialiser.
    pub weight: String,
    pub usage: Usage,
}

/// How a node uses a weight `[rows, columns]`, as stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Usage {
    /// `x W`, with `W` stored `[in, out]`, or `[out, in]` and transposed; after a product may come a bias (`Gemm`).
    Product { transposed: bool },
    /// Rows picked by integers.
    Rows,
}

/// A weight in memory, as the product uses it.
pub(super) struct Weight {
    /// Row by row, `[outputs, inputs]`; for look-up tables a row is an entry.
    pub values: Vec<f32>,
    pub rows: usize,
    pub columns: usize,
    /// Bytes of the initialiser.
    pub bytes: u64,
}

/// All uses of 2-dimensional float initialisers that the filter takes, in the order of the nodes.
pub(super) fn sites(graph: &GraphProto, filter: impl Fn(&str) -> bool) -> Result<Vec<Site>, QuantiseError> {
    let index = Index::new(graph)?;
    let mut taken: HashMap<&str, bool> = HashMap::new();
    let mut sites = Vec::new();
    for (position, node) in graph.node.iter().enumerate() {
        let Some((tensor, usage)) = used(&index, node) else { continue };
        if !*taken.entry(&tensor.name).or_insert_with(|| filter(&tensor.name)) {
            continue;
        }
        if tensor.is_external() {
            return Err(QuantiseError::External(tensor.name.clone()));
        }
        sites.push(Site { position, weight: tensor.name.clone(), usage });
    }
    Ok(sites)
}

/// The weight that the node uses, and how.
fn used<'a>(index: &Index<'a>, node: &'a NodeProto) -> Option<(&'a TensorProto, Usage)> {
    if !matches!(node.domain.as_str(), "" | "ai.onnx") {
        return None;
    }
    let (input, mut transposed) = match node.op_type.as_str() {
        "MatMul" => (1, false),
        "Gemm" => (1, node.int("transB").unwrap_or(0) != 0),
        "Gather" if node.int("axis").unwrap_or(0) == 0 => (0, false),
        _ => return None,
    };
    let mut name = node.input.get(input)?.as_str();
    // A weight may be converted and turned on its way; each value on it depends on that weight alone.
    while let Some(position) = index.producer(name) {
        let step = index.node(position);
        match step.op_type.as_str() {
            "Transpose" if step.ints("perm").is_none_or(|order| order == [1, 0]) => transposed = !transposed,
            "Cast" | "Identity" => {}
            _ => return None,
        }
        name = step.input.first()?;
    }
    let tensor = index.initialiser(name).filter(|tensor| tensor.dims.len() == 2)?;
    let float = [1, 10, 16].contains(&tensor.data_type);
    let usage = if input == 0 { Usage::Rows } else { Usage::Product { transposed } };
    (float && !(transposed && usage == Usage::Rows)).then_some((tensor, usage))
}

/// Whether a `Gemm` is a plain product with a bias.
pub(super) fn plain_gemm(node: &NodeProto) -> bool {
    let one = |name: &str| node.float(name).is_none_or(|factor| factor == 1.0);
    node.int("transA").unwrap_or(0) == 0 && one("alpha") && one("beta")
}

/// The weight's numbers; `None` where the data do not fill the shape.
pub(super) fn load(graph: &GraphProto, site: &Site) -> Result<Option<Weight>, QuantiseError> {
    let Some(tensor) = graph.initializer.iter().find(|tensor| tensor.name == site.weight) else { return Ok(None) };
    let (Some(values), Some(bytes)) = (tensor.to_f32(), tensor.declared_bytes()) else { return Ok(None) };
    if values.iter().any(|value| !value.is_finite()) {
        return Err(QuantiseError::NotFinite(site.weight.clone()));
    }
    let size = |axis: usize| tensor.dims.get(axis).and_then(|&dim| usize::try_from(dim).ok()).unwrap_or(0);
    let (rows, columns) = (size(0), size(1));
    if rows == 0 || columns == 0 {
        return Ok(None);
    }
    Ok(Some(match site.usage {
        Usage::Product { transposed: false } => {
            let turned = (0..columns).flat_map(|column| (0..rows).map(move |row| row * columns + column));
            let values = turned.map(|at| values[at]).collect();
            Weight { values, rows: columns, columns: rows, bytes }
        }
        _ => Weight { values, rows, columns, bytes },
    }))
}
