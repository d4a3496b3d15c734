// What PyTorch's exporter would have made of a graph built here: the test modules of several crates include this file.

use std::collections::HashMap;

use super::onnx::{DataType, Dim, ModelProto, NodeProto, TensorProto, ValueInfoProto};

/// The graph with token types as an input, one vector a token as its output, weights without their names and turned, and
/// the modules' paths in the names of nodes only.
pub(crate) fn exported(mut model: ModelProto) -> ModelProto {
    let graph = model.graph.as_mut().unwrap();
    let tensors: HashMap<String, TensorProto> =
        graph.initializer.iter().map(|tensor| (tensor.name.clone(), tensor.clone())).collect();
    let mut turned: HashMap<String, (String, String)> = HashMap::new();
    let mut nodes = Vec::new();
    for node in std::mem::take(&mut graph.node) {
        match tensors.get(&node.input[0]) {
            Some(weight) if node.op_type == "Transpose" => {
                let name = format!("onnx::MatMul_{}", 100 + turned.len());
                graph.initializer.push(transposed(weight, &name));
                turned.insert(node.output[0].clone(), (name, node_path(&weight.name)));
            }
            _ => nodes.push(node),
        }
    }
    for (number, node) in nodes.iter_mut().enumerate() {
        node.name = format!("/{}_{number}", node.op_type);
        if let Some((weight, path)) = node.input.get(1).and_then(|input| turned.get(input)) {
            (node.name, node.input[1]) = (format!("{path}/MatMul"), weight.clone());
        }
        if node.input[0].contains("token_type_embeddings") {
            node.input[1] = "token_type_ids".to_owned();
        }
    }
    let mut names: HashMap<String, String> = HashMap::new();
    for (number, node) in nodes.iter().enumerate() {
        let kept = node.output[0] == "last_hidden_state";
        let name = if kept { node.output[0].clone() } else { format!("/{}_{number}_output_0", node.op_type) };
        names.insert(node.output[0].clone(), name);
    }
    let rename = |name: &mut String| {
        if let Some(new) = names.get(name.as_str()) {
            name.clone_from(new);
        }
    };
    let all = |node: &mut NodeProto| node.input.iter_mut().chain(&mut node.output).for_each(rename);
    nodes.iter_mut().for_each(all);
    graph.node = nodes;
    let tokens = [Dim::Symbol("batch_size"), Dim::Symbol("sequence_length")];
    let input = |name: &&str| ValueInfoProto::tensor(name, DataType::Int64, &tokens);
    graph.input = ["input_ids", "token_type_ids", "attention_mask"].iter().map(input).collect();
    graph.output.retain(|output| output.name == "last_hidden_state");
    graph.initializer.retain(|tensor| graph.node.iter().any(|node| node.input.contains(&tensor.name)));
    model.producer_name = "pytorch".to_owned();
    model
}

fn transposed(weight: &TensorProto, name: &str) -> TensorProto {
    let (rows, columns) = (weight.dims[0] as usize, weight.dims[1] as usize);
    let numbers = weight.to_f32().unwrap();
    let turned: Vec<f32> = (0..rows * columns).map(|at| numbers[at % rows * columns + at / rows]).collect();
    TensorProto::from_f32(name, &[columns as i64, rows as i64], &turned)
}

/// `/encoder/layer.0/attention/self/query` for `encoder.layer.0.attention.self.query.weight`.
fn node_path(weight: &str) -> String {
    let mut path = String::new();
    for part in weight.trim_end_matches(".weight").split('.') {
        path.push(if part.bytes().all(|byte| byte.is_ascii_digit()) { '.' } else { '/' });
        path.push_str(part);
    }
    path
}
