//! Whole layers, with adapters for all samples together and for each apart.

use super::{RANKED, Shapes, check_between, evaluate, numbers, served};
use crate::differentiate::differentiate;
use crate::onnx::{DataType, Dim, ModelProto, TensorProto};
use crate::{GraphBuilder, Value};

const WIDTH: usize = 4;
const RANK: usize = 2;

/// A frozen weight that is the same wherever it is asked for.
fn frozen(graph: &mut GraphBuilder, seed: usize, shape: &[usize]) -> Value {
    let count = shape.iter().product();
    let dims: Vec<i64> = shape.iter().map(|&size| size as i64).collect();
    graph.initializer(TensorProto::from_f32("weight", &dims, &numbers(seed, count, -0.8, 0.9)))
}

fn linear(graph: &mut GraphBuilder, x: &Value, seed: usize, output: usize, input: usize) -> Value {
    let weight = frozen(graph, seed, &[output, input]);
    let bias = frozen(graph, seed + 1, &[output]);
    graph.linear(x, &weight, &bias)
}

/// `x W + 0.5 (x A) B`.
fn adapted(graph: &mut GraphBuilder, x: &Value, seed: usize, a: &Value, b: &Value) -> Value {
    let base = linear(graph, x, seed, WIDTH, WIDTH);
    let low = graph.matmul(x, a);
    let half = graph.scalar(0.5);
    let low = graph.mul(&low, &half);
    let change = graph.matmul(&low, b);
    graph.add(&base, &change)
}

fn heads(graph: &mut GraphBuilder, x: &Value, axes: &[i64]) -> Value {
    let split = graph.reshape(x, &[0, 0, 2, (WIDTH / 2) as i64]);
    graph.transpose(&split, axes)
}

/// An encoder layer of BERT with an adapter on queries and values.
fn layer(graph: &mut GraphBuilder, x: &Value, adapters: &[Value]) -> Value {
    let query = adapted(graph, x, 1, &adapters[0], &adapters[1]);
    let key = linear(graph, x, 3, WIDTH, WIDTH);
    let value = adapted(graph, x, 5, &adapters[2], &adapters[3]);
    let query = heads(graph, &query, &[0, 2, 1, 3]);
    let key = heads(graph, &key, &[0, 2, 3, 1]);
    let value = heads(graph, &value, &[0, 2, 1, 3]);
    let scores = graph.matmul(&query, &key);
    let root = graph.scalar(2.0f32.sqrt());
    let scores = graph.div(&scores, &root);
    let mask = graph.initializer(TensorProto::from_f32("mask", &[1, 1, 1, 3], &[0.0, 0.0, -3.0]));
    let scores = graph.add(&scores, &mask);
    let shares = graph.softmax(&scores, -1);
    let mixed = graph.matmul(&shares, &value);
    let mixed = graph.transpose(&mixed, &[0, 2, 1, 3]);
    let mixed = graph.reshape(&mixed, &[0, 0, WIDTH as i64]);
    let mixed = linear(graph, &mixed, 7, WIDTH, WIDTH);
    let sum = graph.add(&mixed, x);
    let (scale, bias) = (frozen(graph, 9, &[WIDTH]), frozen(graph, 10, &[WIDTH]));
    let middle = graph.layer_norm(&sum, &scale, &bias, 1e-5);
    let wide = linear(graph, &middle, 11, 2 * WIDTH, WIDTH);
    let wide = graph.gelu(&wide);
    let narrow = linear(graph, &wide, 13, WIDTH, 2 * WIDTH);
    let sum = graph.add(&narrow, &middle);
    graph.layer_norm(&sum, &scale, &bias, 1e-5)
}

#[test]
fn a_transformer_layer_by_its_input_and_its_adapters() {
    let shapes: [&[usize]; 5] = [&[2, 3, WIDTH], &[WIDTH, RANK], &[RANK, WIDTH], &[WIDTH, RANK], &[RANK, WIDTH]];
    check_between((-1.0, 1.0), &shapes, RANKED, |graph, x| layer(graph, &x[0], &x[1..]));
}

#[test]
fn a_transformer_layer_with_an_adapter_a_sample() {
    let shapes: [&[usize]; 5] =
        [&[2, 3, WIDTH], &[2, WIDTH, RANK], &[2, RANK, WIDTH], &[2, WIDTH, RANK], &[2, RANK, WIDTH]];
    check_between((-1.0, 1.0), &shapes, &[Shapes::Known, Shapes::Symbols], |graph, x| layer(graph, &x[0], &x[1..]));
}

/// Two layers and a loss for each sample; adapters are inputs of the given shapes.
fn network(adapter: impl Fn(bool) -> Vec<Dim>) -> ModelProto {
    let mut graph = GraphBuilder::new("network", 20);
    let batch = Dim::Symbol("batch");
    let x = graph.input("x0", DataType::Float, &[batch, Dim::Symbol("seq"), Dim::Size(WIDTH as i64)]);
    let adapters: Vec<Value> =
        (1..9).map(|at| graph.input(&format!("x{at}"), DataType::Float, &adapter(at % 2 == 1))).collect();
    let hidden = layer(&mut graph, &x, &adapters[..4]);
    let hidden = layer(&mut graph, &hidden, &adapters[4..]);
    let square = graph.mul(&hidden, &hidden);
    let square = graph.mul(&square, &hidden);
    let loss = graph.reduce_sum(&square, &[1, 2], false);
    graph.output(&loss, "loss", DataType::Float, &[Dim::Symbol("batch")]);
    graph.finish()
}

#[test]
fn gradients_by_sample_are_those_of_each_sample_alone_and_add_up_to_the_batch() {
    const BATCH: usize = 5;
    let (width, rank) = (Dim::Size(WIDTH as i64), Dim::Symbol("rank"));
    let pair = |left: bool| if left { vec![width.clone(), rank.clone()] } else { vec![rank.clone(), width.clone()] };
    let shared = network(pair);
    let apart = network(|left| [vec![Dim::Symbol("batch")], pair(left)].concat());
    let names: Vec<String> = (1..9).map(|at| format!("x{at}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut shared = served(&differentiate(&shared, "loss", &names).unwrap(), 2);
    let mut apart = served(&differentiate(&apart, "loss", &names).unwrap(), 2);

    let x = numbers(20, BATCH * 3 * WIDTH, -1.0, 1.0);
    let adapters: Vec<Vec<f32>> = (1..9).map(|at| numbers(at, WIDTH * RANK, -0.7, 0.7)).collect();
    let shape = |left: bool| if left { [WIDTH, RANK] } else { [RANK, WIDTH] };
    let feed = |rows: std::ops::Range<usize>, copies: usize| {
        let x = x[rows.start * 3 * WIDTH..rows.end * 3 * WIDTH].to_vec();
        let copied = adapters.iter().map(|adapter| adapter.repeat(copies));
        [vec![x], copied.collect()].concat()
    };
    let shared_shapes: Vec<[usize; 2]> = (1..9).map(|at| shape(at % 2 == 1)).collect();
    let apart_shapes: Vec<[usize; 3]> = shared_shapes.iter().map(|[a, b]| [BATCH, *a, *b]).collect();
    let x_shape = |rows| [rows, 3, WIDTH];
    for name in &names {
        let output = format!("grad.{name}");
        let mut in_common = |rows: std::ops::Range<usize>| {
            let x_shape = x_shape(rows.len());
            let shapes: Vec<&[usize]> =
                std::iter::once(&x_shape[..]).chain(shared_shapes.iter().map(|shape| &shape[..])).collect();
            evaluate(&mut shared, &shapes, &feed(rows, 1), &output).1
        };
        let x_shape = x_shape(BATCH);
        let shapes: Vec<&[usize]> =
            std::iter::once(&x_shape[..]).chain(apart_shapes.iter().map(|shape| &shape[..])).collect();
        let (_, rows) = evaluate(&mut apart, &shapes, &feed(0..BATCH, BATCH), &output);
        let size = WIDTH * RANK;
        let largest = rows.iter().fold(0.0f32, |largest, number| largest.max(number.abs()));
        let close = |a: f32, b: f32| (a - b).abs() < 1e-5 * (1.0 + largest);
        for (sample, row) in rows.chunks(size).enumerate() {
            let alone = in_common(sample..sample + 1);
            assert!(row.iter().zip(&alone).all(|(a, b)| close(*a, *b)), "{name} of sample {sample}");
        }
        let batch = in_common(0..BATCH);
        for (at, whole) in batch.iter().enumerate() {
            let sum: f32 = rows.chunks(size).map(|row| row[at]).sum();
            assert!(close(sum, *whole), "{name}[{at}]: {sum}, of the batch {whole}");
        }
    }
}

#[test]
fn adapters_picked_from_a_bank_collect_the_gradients_of_their_samples() {
    check_between((-1.0, 1.0), &[&[3, 2, WIDTH], &[4, WIDTH, RANK], &[4, RANK, WIDTH]], RANKED, |graph, x| {
        let ids = graph.initializer(TensorProto::from_i64("ids", &[3], &[2, 0, 2]));
        let (a, b) = (graph.gather(&x[1], &ids, 0), graph.gather(&x[2], &ids, 0));
        adapted(graph, &x[0], 1, &a, &b)
    });
}
