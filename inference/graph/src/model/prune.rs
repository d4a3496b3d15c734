//! Dropping what no output needs.

use std::collections::{HashMap, HashSet};

use super::reads;
use crate::onnx::ModelProto;

/// Drops nodes, initialisers and value types that no output of the graph depends on; inputs stay.
pub fn prune(model: &mut ModelProto) {
    let Some(graph) = model.graph.as_mut() else { return };
    let mut producers: HashMap<&str, usize> = HashMap::new();
    for (position, node) in graph.node.iter().enumerate() {
        producers.extend(node.output.iter().filter(|name| !name.is_empty()).map(|name| (name.as_str(), position)));
    }
    let mut needed: HashSet<String> = HashSet::new();
    let mut alive = vec![false; graph.node.len()];
    let mut pending: Vec<&str> = graph.output.iter().map(|output| output.name.as_str()).collect();
    while let Some(name) = pending.pop() {
        if !needed.insert(name.to_owned()) {
            continue;
        }
        if let Some(&position) = producers.get(name)
            && !std::mem::replace(&mut alive[position], true)
        {
            pending.extend(reads(&graph.node[position]));
        }
    }
    drop(producers);
    let mut alive = alive.into_iter();
    graph.node.retain(|_| alive.next().unwrap_or(true));
    graph.initializer.retain(|tensor| needed.contains(&tensor.name));
    graph
        .sparse_initializer
        .retain(|sparse| sparse.values.as_ref().is_some_and(|values| needed.contains(&values.name)));
    graph.value_info.retain(|value| needed.contains(&value.name));
    graph.quantization_annotation.retain(|annotation| needed.contains(&annotation.tensor_name));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::GraphBuilder;
    use crate::onnx::{DataType, Dim};

    #[test]
    fn what_no_output_needs_goes_and_the_rest_stays() {
        let mut graph = GraphBuilder::new("g", 20);
        let x = graph.input("x", DataType::Float, &[Dim::Symbol("n")]);
        let (two, three) = (graph.scalar(2.0), graph.scalar(3.0));
        let kept = graph.mul(&x, &two);
        let dead = graph.mul(&x, &three);
        graph.relu(&dead);
        graph.output(&kept, "y", DataType::Float, &[Dim::Symbol("n")]);
        let mut model = graph.finish();
        prune(&mut model);
        let graph = model.graph.unwrap();
        assert_eq!(graph.node.iter().map(|node| node.op_type.as_str()).collect::<Vec<_>>(), ["Mul", "Identity"]);
        assert_eq!(graph.initializer.len(), 1);
        assert_eq!(graph.input.len(), 1);
    }
}
