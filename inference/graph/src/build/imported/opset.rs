//! Older operator sets, written anew as one that gradients can be written in.

use std::collections::BTreeMap;

use crate::model::GraphError;
use crate::onnx::{AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto};
use crate::shape::{self, Shapes};

/// The version that models are raised to. From 13 on nothing has changed up to it but batch normalisation in training.
const RAISED: i64 = 17;
/// The oldest version that is raised: before it, indices and sizes were attributes nearly everywhere.
const OLDEST: i64 = 11;
/// The first whose softmax goes along one axis, and whose axes are inputs.
const AXES_ARE_INPUTS: i64 = 13;
/// The first file format version that goes with [`RAISED`].
const RAISED_IR: i64 = 8;

/// Raises the model's standard operators to [`RAISED`] where that changes no result; a model that is newer, or holds
/// something that cannot be carried over, stays as it is.
///
/// # Errors
/// [`GraphError`] for a graph that is not sound.
pub(super) fn raise(model: &mut ModelProto) -> Result<(), GraphError> {
    let standard = |domain: &str| matches!(domain, "" | "ai.onnx");
    let Some(found) = model.opset_import.iter().find(|import| standard(&import.domain)).map(|import| import.version)
    else {
        return Ok(());
    };
    if !(OLDEST..RAISED).contains(&found) || !model.functions.is_empty() {
        return Ok(());
    }
    let shapes = shape::infer(model)?;
    let Some(graph) = model.graph.as_mut() else { return Ok(()) };
    let Some(raised) = raised(graph, found, &shapes) else { return Ok(()) };
    *graph = raised;
    model.ir_version = model.ir_version.max(RAISED_IR);
    for import in model.opset_import.iter_mut().filter(|import| standard(&import.domain)) {
        import.version = RAISED;
    }
    Ok(())
}

/// The graph in the newer operators; `None` where that cannot be.
fn raised(graph: &GraphProto, found: i64, shapes: &Shapes) -> Option<GraphProto> {
    let mut graph = graph.clone();
    let mut lists = Lists::default();
    for node in graph.node.iter_mut().filter(|node| matches!(node.domain.as_str(), "" | "ai.onnx")) {
        let nested = node.attribute.iter().any(|attribute| attribute.g.is_some() || !attribute.graphs.is_empty());
        if nested && found < AXES_ARE_INPUTS || node.op_type == "BatchNormalization" && node.output.len() > 1 {
            return None;
        }
        if found < AXES_ARE_INPUTS {
            modernise(node, shapes, &mut lists)?;
        }
    }
    graph.initializer.extend(lists.0.into_values());
    Some(graph)
}

/// Brings a node of version 11 or 12 into the form of 13.
fn modernise(node: &mut NodeProto, shapes: &Shapes, lists: &mut Lists) -> Option<()> {
    match node.op_type.as_str() {
        "Softmax" | "LogSoftmax" | "Hardmax" => {
            // It went along all axes from this one on: the same as now along the last alone.
            let rank = i64::try_from(shapes.get(node.input.first()?)?.rank()?).ok()?;
            let axis = node.int("axis").unwrap_or(1);
            if axis != -1 && axis + 1 != rank {
                return None;
            }
            node.attribute.retain(|attribute| attribute.name != "axis");
            node.attribute.push(AttributeProto::int("axis", -1));
        }
        "ReduceSum" | "Squeeze" | "Unsqueeze" => as_input(node, "axes", lists),
        "Split" => as_input(node, "split", lists),
        "Dropout" => node.attribute.retain(|attribute| attribute.name != "ratio"),
        _ => {}
    }
    Some(())
}

fn as_input(node: &mut NodeProto, attribute: &str, lists: &mut Lists) {
    let Some(numbers) = node.ints(attribute).map(<[i64]>::to_vec) else { return };
    node.attribute.retain(|other| other.name != attribute);
    node.input.truncate(1);
    node.input.push(lists.name(&numbers));
}

/// Lists of integers that attributes were, each written once.
#[derive(Default)]
struct Lists(BTreeMap<Vec<i64>, TensorProto>);

impl Lists {
    fn name(&mut self, numbers: &[i64]) -> String {
        let spelt = numbers.iter().map(i64::to_string).collect::<Vec<_>>().join("_");
        let name = format!("raised.list.{spelt}");
        let make = || TensorProto::from_i64(&name, &[numbers.len() as i64], numbers);
        self.0.entry(numbers.to_vec()).or_insert_with(make).name.clone()
    }
}
