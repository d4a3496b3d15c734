//! How long a training step takes beside the forward pass alone: `cargo test -p datanet-graph speed -- --ignored --nocapture`.

use std::time::{Duration, Instant};

use ort::session::Session;
use ort::value::DynValue;

use super::{numbers, session};
use crate::GraphBuilder;
use crate::adapt::{AdaptSpec, Adapted, Binding, adapt};
use crate::differentiate::differentiate;
use crate::onnx::{DataType, Dim, ModelProto};
use crate::testing::{floats, ints, minilm};

const BATCH: usize = 32;
const TOKENS: usize = 64;
const WIDTH: usize = 384;
const RANK: usize = 8;

/// The encoder with adapters on the queries and values of each layer, and a loss for each text.
fn adapted(binding: Binding) -> (ModelProto, Vec<String>) {
    let targets = ["query", "value"].map(str::to_owned).to_vec();
    let spec = AdaptSpec { targets, layers: None, binding, scale: 1.0 };
    let Adapted { model, slots } = adapt(&minilm(), &spec).unwrap();
    let mut graph = GraphBuilder::from_model(model).unwrap();
    let embedding = graph.value("sentence_embedding").unwrap();
    let target = graph.input("target", DataType::Float, &[Dim::Symbol("batch"), Dim::Size(WIDTH as i64)]);
    let product = graph.mul(&embedding, &target);
    let loss = graph.reduce_sum(&product, &[1], false);
    graph.output(&loss, "loss", DataType::Float, &[Dim::Symbol("batch")]);
    (graph.finish(), slots.into_iter().flat_map(|slot| [slot.a, slot.b]).collect())
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
    for (each, binding) in [(false, Binding::Shared), (true, Binding::PerSample)] {
        let (model, names) = adapted(binding);
        let wrt: Vec<&str> = names.iter().map(String::as_str).collect();
        let gradient = differentiate(&model, "loss", &wrt).unwrap();
        let inputs = inputs(&names, each);
        let forward = shortest(&mut session(&model, 2), &inputs);
        let step = shortest(&mut session(&gradient, 2), &inputs);
        println!("adapter per text: {each}; forward {forward:?}, forward and backward {step:?}");
    }
}
