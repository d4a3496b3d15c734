//! An exported graph in the form of those built here.

use std::collections::{HashMap, HashSet};

use super::opset;
use super::signature::{Input, Reading, Signature, TOKEN_TYPES};
use super::sizes::Sizes;
use crate::build::decoder::LOGITS;
use crate::build::encoder::{POOLED, SENTENCE_EMBEDDING};
use crate::build::{ATTENTION_MASK, BuildError, INPUT_IDS, LAST_HIDDEN_STATE};
use crate::model::prune;
use crate::onnx::types::{tensor_shape, type_proto};
use crate::onnx::{AttributeProto, DataType, Dim, GraphProto, ModelProto, NodeProto, ValueInfoProto};
use crate::{GraphBuilder, GraphError, Value};

/// Names that the canonical form gives to values of its own.
const OWN: [&str; 4] = [POOLED, SENTENCE_EMBEDDING, LAST_HIDDEN_STATE, LOGITS];

/// The graph with the inputs and outputs that [`super`] documents.
pub(super) fn write(model: &ModelProto, signature: &Signature, sizes: &Sizes) -> Result<ModelProto, BuildError> {
    let mut model = model.clone();
    opset::raise(&mut model)?;
    let graph = model.graph.as_mut().ok_or(GraphError::NoGraph)?;
    let renamed = make_room(graph, signature);
    feed(graph, signature, &renamed);
    graph.output.clear();
    let mut graph = GraphBuilder::from_model(model)?;
    let value = |graph: &GraphBuilder, name: &str| {
        let name = renamed.get(name).map_or(name, String::as_str);
        graph.value(name).ok_or_else(|| GraphError::NoValue(name.to_owned()))
    };
    let read = value(&graph, signature.reading.output())?;
    let tokens = signature.tokens.as_ref().map(|name| value(&graph, name)).transpose()?;
    let width = Dim::Size(sizes.width as i64);
    let [batch, seq] = [Dim::Symbol("batch"), Dim::Symbol("seq")];
    let read = graph.cast(&read, DataType::Float);
    let mean = match &signature.reading {
        Reading::Logits(_) => {
            graph.output(&read, LOGITS, DataType::Float, &[batch, width]);
            return Ok(finish(graph));
        }
        Reading::Vector(_) => read,
        Reading::Tokens(_) => mean(&mut graph, &read),
    };
    let pooled = graph.named(&mean, POOLED);
    if let Some(tokens) = tokens {
        let tokens = graph.cast(&tokens, DataType::Float);
        // A projection may have made the text's vector narrower than the tokens'.
        let width = if matches!(signature.reading, Reading::Tokens(_)) { width.clone() } else { Dim::Symbol("hidden") };
        graph.output(&tokens, LAST_HIDDEN_STATE, DataType::Float, &[batch.clone(), seq, width]);
    }
    let unit = unit_length(&mut graph, &pooled);
    graph.output(&unit, SENTENCE_EMBEDDING, DataType::Float, &[batch, width]);
    Ok(finish(graph))
}

fn finish(graph: GraphBuilder) -> ModelProto {
    let mut model = graph.finish();
    prune(&mut model);
    // The exporter may have called nodes as those added here are called.
    let mut taken = HashSet::new();
    for node in model.graph.iter_mut().flat_map(|graph| &mut graph.node) {
        // A name that is taken tells nothing apart; a node may have none.
        if !node.name.is_empty() && !taken.insert(node.name.clone()) {
            node.name.clear();
        }
    }
    model
}

/// Renames values whose names are needed, and sizes that are those of the inputs. Gives the new names.
fn make_room(graph: &mut GraphProto, signature: &Signature) -> HashMap<String, String> {
    let mut names = HashSet::new();
    collect(graph, &mut names);
    let narrow = signature.inputs.iter().filter(|input| input.element != DataType::Int64).map(|input| input.name);
    let mut renamed = HashMap::new();
    for name in OWN.into_iter().chain(narrow).filter(|name| names.contains(*name)) {
        let mut other = format!("exported.{name}");
        while names.contains(&other) {
            other.push('_');
        }
        renamed.insert(name.to_owned(), other);
    }
    rename(graph, &renamed);
    let mut symbols = HashMap::new();
    for (axis, ours) in ["batch", "seq"].into_iter().enumerate() {
        let theirs = signature.inputs.iter().filter_map(|input| input.symbols[axis].as_deref());
        symbols.extend(theirs.map(|symbol| (symbol, ours)));
    }
    graph.value_info.iter_mut().for_each(|value| rename_sizes(value, &symbols));
    renamed
}

/// Declares the two inputs and makes of them what the graph was given before.
fn feed(graph: &mut GraphProto, signature: &Signature, renamed: &HashMap<String, String>) {
    let tokens = [Dim::Symbol("batch"), Dim::Symbol("seq")];
    let declared = [INPUT_IDS, ATTENTION_MASK].map(|name| ValueInfoProto::tensor(name, DataType::Int64, &tokens));
    // What else is listed among the inputs has a value already.
    graph.input = declared.into();
    for Input { name, element, .. } in &signature.inputs {
        let inner = renamed.get(*name).map_or(*name, String::as_str);
        let zeros = format!("{inner}.zeros");
        let source = if *name == TOKEN_TYPES {
            let output = if *element == DataType::Int64 { inner } else { &zeros };
            graph.node.push(node("Sub", &[INPUT_IDS, INPUT_IDS], output));
            &zeros
        } else {
            *name
        };
        if *element != DataType::Int64 {
            let mut cast = node("Cast", &[source], inner);
            cast.attribute.push(AttributeProto::int("to", i64::from(i32::from(*element))));
            graph.node.push(cast);
        }
    }
}

fn node(op_type: &str, inputs: &[&str], output: &str) -> NodeProto {
    NodeProto {
        name: format!("{output}.node"),
        op_type: op_type.to_owned(),
        input: inputs.iter().map(|&input| input.to_owned()).collect(),
        output: vec![output.to_owned()],
        ..NodeProto::default()
    }
}

/// The mean over the tokens that are no padding; written with products, which every operator set has alike.
fn mean(graph: &mut GraphBuilder, tokens: &Value) -> Value {
    let Some(mask) = graph.value(ATTENTION_MASK) else { return tokens.clone() };
    graph.scoped("pool", |graph| {
        let mask = graph.cast(&mask, DataType::Float);
        let (row, column) = (graph.reshape(&mask, &[0, 1, -1]), graph.reshape(&mask, &[0, -1, 1]));
        let sum = graph.matmul(&row, tokens);
        let count = graph.matmul(&row, &column);
        let tiny = graph.scalar(1e-9);
        let count = graph.max(&count, &tiny);
        let mean = graph.div(&sum, &count);
        graph.reshape(&mean, &[0, -1])
    })
}

fn unit_length(graph: &mut GraphBuilder, vectors: &Value) -> Value {
    graph.scoped("pool", |graph| {
        let (row, column) = (graph.reshape(vectors, &[0, 1, -1]), graph.reshape(vectors, &[0, -1, 1]));
        let square = graph.matmul(&row, &column);
        let square = graph.reshape(&square, &[0, -1]);
        // Below the square root, whose slope has no bound at 0.
        let tiny = graph.scalar(1e-18);
        let square = graph.max(&square, &tiny);
        let norm = graph.op("Sqrt", &[&square], Vec::new());
        graph.div(vectors, &norm)
    })
}

/// All names of values in a graph and those inside it.
fn collect(graph: &GraphProto, names: &mut HashSet<String>) {
    let values = graph.input.iter().chain(&graph.output).chain(&graph.value_info).map(|value| &value.name);
    names.extend(values.chain(graph.initializer.iter().map(|tensor| &tensor.name)).cloned());
    for node in &graph.node {
        names.extend(node.input.iter().chain(&node.output).cloned());
        for inner in node.attribute.iter().flat_map(|attribute| attribute.g.iter().chain(&attribute.graphs)) {
            collect(inner, names);
        }
    }
}

fn rename(graph: &mut GraphProto, renamed: &HashMap<String, String>) {
    let change = |name: &mut String| {
        if let Some(new) = renamed.get(name.as_str()) {
            name.clone_from(new);
        }
    };
    let values = graph.input.iter_mut().chain(&mut graph.output).chain(&mut graph.value_info);
    values.for_each(|value| change(&mut value.name));
    graph.initializer.iter_mut().for_each(|tensor| change(&mut tensor.name));
    graph.sparse_initializer.iter_mut().filter_map(|sparse| sparse.values.as_mut()).for_each(|t| change(&mut t.name));
    graph.quantization_annotation.iter_mut().for_each(|annotation| change(&mut annotation.tensor_name));
    for node in &mut graph.node {
        node.input.iter_mut().chain(&mut node.output).for_each(change);
        for attribute in &mut node.attribute {
            attribute.g.iter_mut().chain(&mut attribute.graphs).for_each(|inner| rename(inner, renamed));
        }
    }
}

/// Calls the sizes that the inputs have by our names, so that they are the same wherever the file declares them.
fn rename_sizes(value: &mut ValueInfoProto, symbols: &HashMap<&str, &str>) {
    let declared = value.r#type.as_mut().and_then(|declared| declared.value.as_mut());
    let Some(type_proto::Value::TensorType(tensor)) = declared else { return };
    for dimension in tensor.shape.iter_mut().flat_map(|shape| &mut shape.dim) {
        if let Some(tensor_shape::Value::DimParam(symbol)) = &mut dimension.value
            && let Some(&ours) = symbols.get(symbol.as_str())
        {
            ours.clone_into(symbol);
        }
    }
}
