//! How long a training step takes beside the forward pass alone: `cargo test -p datanet-graph speed -- --ignored --nocapture`.

use std::time::{Duration, Instant};

use ort::session::Session;
use ort::value::DynValue;

use super::{numbers, session};
use crate::differentiate::differentiate;
use crate::onnx::{DataType, Dim, ModelProto};
use crate::testing::{floats, ints, minilm};
use crate::{GraphBuilder, Value};

const BATCH: usize = 32;
const TOKENS: usize = 64;
const WIDTH: usize = 384;
const RANK: usize = 8;

/// The encoder with an adapter on the queries and values of each layer, and a loss for each text; each adapter is
/// shared by all texts, or there is one for each.
fn adapted(each: bool) -> (ModelProto, Vec<String>) {
    let mut graph = GraphBuilder::from_model(minilm()).unwrap();
    let mut inputs = Vec::new();
    for layer in 0..6 {
        for part in ["query", "value"] {
            let module = format!("encoder.layer.{layer}.attention.self.{part}");
            let weight = format!("{module}.weight");
            let shape = |sizes: [Dim; 2]| [if each { vec![Dim::Symbol("batch")] } else { Vec::new() }, sizes.to_vec()].concat();
            let (width, rank) = (Dim::Size(WIDTH as i64), Dim::Symbol("rank"));
            let a = graph.input(&format!("{module}.A"), DataType::Float, &shape([width.clone(), rank.clone()]));
            let b = graph.input(&format!("{module}.B"), DataType::Float, &shape([rank, width]));
            inputs.extend([a.name().to_owned(), b.name().to_owned()]);
            insert(&mut graph, &weight, &a, &b);
        }
    }
    let pooled = graph.value("sentence_embedding").unwrap();
    let target = graph.input("target", DataType::Float, &[Dim::Symbol("batch"), Dim::Size(WIDTH as i64)]);
    let product = graph.mul(&pooled, &target);
    let loss = graph.reduce_sum(&product, &[1], false);
    graph.output(&loss, "loss", DataType::Float, &[Dim::Symbol("batch")]);
    let mut model = graph.finish();
    crate::model::topological_sort(&mut model).unwrap();
    (model, inputs)
}

/// Adds `(x A) B` to the product with the weight of this name.
fn insert(graph: &mut GraphBuilder, weight: &str, a: &Value, b: &Value) {
    let reader = |graph: &GraphBuilder, value: &str| {
        graph.graph().node.iter().find(|node| node.input.iter().any(|input| input == value)).cloned().unwrap()
    };
    let turned = reader(graph, weight);
    let product = reader(graph, &turned.output[0]);
    let x = graph.value(&product.input[0]).unwrap();
    let low = graph.matmul(&x, a);
    let change = graph.matmul(&low, b);
    let base = graph.value(&product.output[0]).unwrap();
    let bias = reader(graph, base.name());
    let sum = graph.add(&base, &change);
    for node in graph.nodes_mut().iter_mut().filter(|node| node.output == bias.output) {
        for input in node.input.iter_mut().filter(|input| *input == base.name()) {
            *input = sum.name().to_owned();
        }
    }
}

fn inputs(names: &[String], each: bool) -> Vec<(String, DynValue)> {
    let rank_first = |name: &str| name.ends_with('B');
    let adapters = names.iter().enumerate().map(|(at, name)| {
        let mut shape = if rank_first(name) { vec![RANK, WIDTH] } else { vec![WIDTH, RANK] };
        let mut data = numbers(at, RANK * WIDTH, -0.05, 0.05);
        if each {
            shape.insert(0, BATCH);
            data = data.repeat(BATCH);
        }
        (name.clone(), floats(&shape, &data))
    });
    let ids: Vec<i64> = (0..BATCH * TOKENS).map(|at| 1000 + (at as i64 * 7919) % 20_000).collect();
    let target = numbers(3, BATCH * WIDTH, -1.0, 1.0);
    adapters
        .chain([
            ("input_ids".to_owned(), ints(&[BATCH, TOKENS], &ids)),
            ("attention_mask".to_owned(), ints(&[BATCH, TOKENS], &[1; BATCH * TOKENS])),
            ("target".to_owned(), floats(&[BATCH, WIDTH], &target)),
        ])
        .collect()
}

/// The shortest of several runs: what the machine takes when nothing else runs on it.
fn shortest(session: &mut Session, inputs: &[(String, DynValue)]) -> Duration {
    let runs = (0..12).map(|_| {
        let feed: Vec<(&str, ort::session::SessionInputValue<'_>)> =
            inputs.iter().map(|(name, value)| (name.as_str(), value.into())).collect();
        let start = Instant::now();
        session.run(feed).unwrap();
        start.elapsed()
    });
    runs.min().unwrap()
}

#[test]
#[ignore = "measures time, so it wants a quiet machine"]
fn speed_of_a_training_step_of_minilm() {
    for each in [false, true] {
        let (model, names) = adapted(each);
        let wrt: Vec<&str> = names.iter().map(String::as_str).collect();
        let gradient = differentiate(&model, "loss", &wrt).unwrap();
        if let Some(folder) = std::env::var_os("DATANET_DUMP") {
            use prost::Message;
            let path = std::path::Path::new(&folder);
            std::fs::write(path.join(format!("forward-{each}.onnx")), model.encode_to_vec()).unwrap();
            std::fs::write(path.join(format!("gradient-{each}.onnx")), gradient.encode_to_vec()).unwrap();
        }
        let inputs = inputs(&names, each);
        let forward = shortest(&mut session(&model, 2), &inputs);
        let step = shortest(&mut session(&gradient, 2), &inputs);
        println!("adapter per text: {each}; forward {forward:?}, forward and backward {step:?}");
    }
}
