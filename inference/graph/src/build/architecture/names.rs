//! Names put where they belong, without a node to carry them.

use std::collections::{HashMap, HashSet};

use crate::onnx::GraphProto;

/// Gives what an `Identity` renames that very name and drops the node, wherever the value has no name of its own yet.
///
/// A copy between a key/value cache and an output of the graph would else be made in every step of generation.
pub(super) fn absorb_identities(graph: &mut GraphProto) {
    let mut fixed: HashSet<String> = graph.input.iter().map(|input| input.name.clone()).collect();
    fixed.extend(graph.initializer.iter().map(|tensor| tensor.name.clone()));
    let mut renamed: HashMap<String, String> = HashMap::new();
    let mut dropped = HashSet::new();
    for node in &graph.node {
        let ([source], [target]) = (node.input.as_slice(), node.output.as_slice()) else { continue };
        if node.op_type == "Identity" && !fixed.contains(source) && !renamed.contains_key(source) {
            renamed.insert(source.clone(), target.clone());
            fixed.insert(target.clone());
            dropped.insert(target.clone());
        }
    }
    let gone = |op: &str, output: &[String]| op == "Identity" && output.iter().all(|name| dropped.contains(name));
    graph.node.retain(|node| !gone(&node.op_type, &node.output));
    for name in graph.node.iter_mut().flat_map(|node| node.input.iter_mut().chain(&mut node.output)) {
        if let Some(new) = renamed.get(name) {
            new.clone_into(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::GraphBuilder;
    use crate::onnx::{DataType, Dim};

    #[test]
    fn a_value_takes_the_name_of_the_place_it_is_put_in_and_a_second_name_stays_a_copy() {
        let mut builder = GraphBuilder::new("g", 20);
        let x = builder.input("x", DataType::Float, &[Dim::Size(1)]);
        let one = builder.scalar(1.0);
        let sum = builder.add(&x, &one);
        let place = builder.named(&sum, "place");
        builder.output(&place, "y", DataType::Float, &[Dim::Size(1)]);
        builder.output(&x, "same", DataType::Float, &[Dim::Size(1)]);
        let mut graph = builder.finish().graph.unwrap();
        super::absorb_identities(&mut graph);
        let nodes: Vec<_> = graph
            .node
            .iter()
            .map(|node| (node.op_type.as_str(), node.input[0].as_str(), node.output[0].as_str()))
            .collect();
        assert_eq!(nodes, [("Add", "x", "place"), ("Identity", "place", "y"), ("Identity", "x", "same")]);
    }
}
