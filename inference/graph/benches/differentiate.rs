//! What a step of LoRA training takes, against its forward pass alone: one adapter for all texts of a batch, and one for
//! each text, as gradients by record want it.
//!
//! `cargo bench --profile dev -p datanet-graph --bench differentiate`

#![expect(clippy::unwrap_used, reason = "a measurement stops at what goes wrong")]

use std::time::{Duration, Instant};

use datanet_graph::adapt::{AdaptSpec, Adapted, Binding, adapt};
use datanet_graph::differentiate::differentiate;
use datanet_graph::onnx::{DataType, Dim, ModelProto};
use datanet_graph::{GraphBuilder, build, onnx};
use ort::session::{Session, SessionInputValue};
use ort::value::DynValue;

#[expect(dead_code, reason = "tests use more of it")]
#[path = "../src/testing.rs"]
mod testing;

use testing::{floats, ints, minilm, served};

const BATCH: usize = 32;
const TOKENS: usize = 64;
const WIDTH: usize = 384;
const RANK: usize = 8;
const THREADS: usize = 2;
const ROUNDS: usize = 12;

fn main() {
    println!("{BATCH} texts of {TOKENS} tokens, rank {RANK} on query and value of every layer, {THREADS} threads");
    for (name, binding) in [("one adapter", Binding::Shared), ("an adapter a text", Binding::PerSample)] {
        let inputs_of = |names: &[String]| inputs(names, binding == Binding::PerSample);
        let (model, names) = adapted(binding);
        let wrt: Vec<&str> = names.iter().map(String::as_str).collect();
        let gradient = differentiate(&model, "loss", &wrt).unwrap();
        let inputs = inputs_of(&names);
        let [forward, step] =
            [&model, &gradient].map(|graph| shortest(&mut served(graph, THREADS), &inputs).as_secs_f64());
        println!(
            "{name:<18} {:>6.0} ms, {:.2} times the forward pass ({:.0} ms)",
            step * 1e3,
            step / forward,
            forward * 1e3
        );
    }
}

/// The encoder with adapters, and a loss for each text.
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

/// Adapters for `names`, one `for_each` text or one for all, and texts with what their loss is taken from.
fn inputs(names: &[String], for_each: bool) -> Vec<(String, DynValue)> {
    let adapters = names.iter().map(|name| {
        let mut shape = if name.ends_with('B') { vec![RANK, WIDTH] } else { vec![WIDTH, RANK] };
        let mut data = numbers(RANK * WIDTH, 0.05);
        if for_each {
            shape.insert(0, BATCH);
            data = data.repeat(BATCH);
        }
        (name.clone(), floats(&shape, &data))
    });
    let ids: Vec<i64> = (0..BATCH * TOKENS).map(|at| 1_000 + (at as i64 * 7_919) % 20_000).collect();
    adapters
        .chain([
            ("input_ids".to_owned(), ints(&[BATCH, TOKENS], &ids)),
            ("attention_mask".to_owned(), ints(&[BATCH, TOKENS], &[1; BATCH * TOKENS])),
            ("target".to_owned(), floats(&[BATCH, WIDTH], &numbers(BATCH * WIDTH, 1.0))),
        ])
        .collect()
}

/// Numbers between `-size` and `size`.
fn numbers(count: usize, size: f32) -> Vec<f32> {
    (0..count).map(|at| size * ((at * 7_919 % 2_003) as f32 / 1_001.0 - 1.0)).collect()
}

/// The shortest of several runs: what the machine takes when nothing else runs on it.
fn shortest(session: &mut Session, inputs: &[(String, DynValue)]) -> Duration {
    let run = |_| {
        let feed: Vec<(&str, SessionInputValue<'_>)> =
            inputs.iter().map(|(name, value)| (name.as_str(), value.into())).collect();
        let start = Instant::now();
        session.run(feed).unwrap();
        start.elapsed()
    };
    (0..ROUNDS).map(run).min().unwrap()
}
