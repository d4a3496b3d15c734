//! Every rule against central differences, on the runtime that executes the graphs.

mod elementwise;
mod indexing;
mod losses;
mod matrix;
mod models;
mod network;
mod path;
mod random;
mod reduce;

use ort::session::Session;
use ort::value::DynValue;

use super::{differentiate, gradient_name};
use crate::onnx::types::type_proto;
use crate::onnx::{DataType, Dim, ModelProto};
use crate::testing::{floats, run, served};
use crate::{GraphBuilder, Value};

/// What the graph says of its inputs' shapes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shapes {
    /// All sizes.
    Known,
    /// A symbol a size: equal sizes are known to be equal, and size 1 is known to be 1.
    Symbols,
    /// A symbol of its own for each axis: any of them might be 1.
    Ranks,
    /// Nothing, not even ranks.
    Nothing,
}

/// All that a rule may have to go by.
const ANY: &[Shapes] = &[Shapes::Known, Shapes::Symbols, Shapes::Ranks, Shapes::Nothing];
/// For rules that must know ranks.
const RANKED: &[Shapes] = &[Shapes::Known, Shapes::Symbols, Shapes::Ranks];

/// Numbers between `low` and `high` in an order without pattern, no two closer than a small gap, so that a difference
/// quotient crosses no kink between them.
fn numbers(seed: usize, count: usize, low: f32, high: f32) -> Vec<f32> {
    let places: Vec<usize> = {
        let mut places: Vec<usize> = (0..count).collect();
        let mut state = seed as u64 * 7919 + 17;
        for at in (1..count).rev() {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            places.swap(at, (state >> 33) as usize % (at + 1));
        }
        places
    };
    // The seed also shifts them, so that equal places of two inputs are no ties.
    let shift = 0.2 + 0.13 * (seed % 5) as f32;
    places.iter().map(|&place| low + (high - low) * (place as f32 + shift) / count as f32).collect()
}

/// A graph of float inputs `x0`, `x1`, ... and the output `y`.
fn graph(shapes: &[&[usize]], known: Shapes, body: &dyn Fn(&mut GraphBuilder, &[Value]) -> Value) -> ModelProto {
    let mut builder = GraphBuilder::new("check", 20);
    let mut axes = 0;
    let mut inputs = Vec::new();
    for (at, shape) in shapes.iter().enumerate() {
        let dims: Vec<Dim> = shape
            .iter()
            .map(|&size| {
                axes += 1;
                match known {
                    Shapes::Known => Dim::Size(size as i64),
                    Shapes::Symbols if size == 1 => Dim::Size(1),
                    Shapes::Symbols => Dim::Symbol(format!("s{size}").leak()),
                    Shapes::Ranks | Shapes::Nothing => Dim::Symbol(format!("a{axes}").leak()),
                }
            })
            .collect();
        inputs.push(builder.input(&format!("x{at}"), DataType::Float, &dims));
    }
    let y = body(&mut builder, &inputs);
    // A second function on top, so that the gradient that comes in is not all ones.
    let y = builder.op("Sin", &[&y], Vec::new());
    builder.output(&y, "y", DataType::Float, &[]);
    let mut model = builder.finish();
    let graph = model.graph.as_mut().unwrap();
    forget_shape(&mut graph.output[0]);
    if known == Shapes::Nothing {
        graph.input.iter_mut().for_each(forget_shape);
    }
    model
}

fn forget_shape(value: &mut crate::onnx::ValueInfoProto) {
    if let Some(type_proto::Value::TensorType(tensor)) = value.r#type.as_mut().and_then(|known| known.value.as_mut()) {
        tensor.shape = None;
    }
}

fn feed(shapes: &[&[usize]], data: &[Vec<f32>]) -> Vec<(String, DynValue)> {
    let values = shapes.iter().zip(data).enumerate();
    values.map(|(at, (shape, data))| (format!("x{at}"), floats(shape, data))).collect()
}

fn evaluate(session: &mut Session, shapes: &[&[usize]], data: &[Vec<f32>], output: &str) -> (Vec<i64>, Vec<f32>) {
    let inputs: Vec<(String, DynValue)> = feed(shapes, data);
    let inputs: Vec<(&str, DynValue)> = inputs.into_iter().map(|(name, value)| (&*name.leak(), value)).collect();
    run(session, &inputs, output)
}

/// Compares the gradients by all inputs with difference quotients, for inputs between `low` and `high`.
fn check_between(
    range: (f32, f32),
    shapes: &[&[usize]],
    known: &[Shapes],
    body: impl Fn(&mut GraphBuilder, &[Value]) -> Value,
) {
    let data: Vec<Vec<f32>> = shapes
        .iter()
        .enumerate()
        .map(|(at, shape)| numbers(at + 1, shape.iter().product(), range.0, range.1))
        .collect();
    for &known in known {
        check_at(&data, shapes, known, &body);
    }
}

fn check_at(
    data: &[Vec<f32>],
    shapes: &[&[usize]],
    known: Shapes,
    body: &dyn Fn(&mut GraphBuilder, &[Value]) -> Value,
) {
    const STEP: f32 = 2e-3;
    let names: Vec<String> = (0..shapes.len()).map(|at| format!("x{at}")).collect();
    let wrt: Vec<&str> = names.iter().map(String::as_str).collect();
    let model = graph(shapes, known, body);
    let gradient = differentiate(&model, "y", &wrt).unwrap();
    let (mut forward, mut backward) = (served(&model, 1), served(&gradient, 1));
    let mut total = |data: &[Vec<f32>]| -> f64 {
        evaluate(&mut forward, shapes, data, "y").1.iter().map(|&number| f64::from(number)).sum()
    };
    for (at, name) in names.iter().enumerate() {
        let (shape, found) = evaluate(&mut backward, shapes, data, &gradient_name(name));
        assert_eq!(shape, shapes[at].iter().map(|&size| size as i64).collect::<Vec<_>>(), "{known:?} shape of {name}");
        for element in 0..data[at].len() {
            let mut moved = data.to_vec();
            moved[at][element] += STEP;
            let above = total(&moved);
            moved[at][element] = data[at][element] - STEP;
            let expected = (above - total(&moved)) / f64::from(2.0 * STEP);
            let found = f64::from(found[element]);
            let tolerance = 3e-3 * (1.0 + expected.abs());
            assert!((found - expected).abs() < tolerance, "{known:?} {name}[{element}]: {found}, expected {expected}");
        }
    }
}

/// As [`check_between`], for inputs around 0.
fn check(shapes: &[&[usize]], known: &[Shapes], body: impl Fn(&mut GraphBuilder, &[Value]) -> Value) {
    check_between((-1.5, 1.6), shapes, known, body);
}
