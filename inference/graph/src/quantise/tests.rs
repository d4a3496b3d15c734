//! Quantised graphs on the runtime, against float.

use proptest::prelude::*;
use prost::Message;

use super::*;
use crate::onnx::{DataType, Dim};
use crate::testing;

const SCHEMES: [Scheme; 3] = [Scheme::Int4 { block: 32 }, Scheme::Nf4 { block: 64 }, Scheme::Int8Dynamic];

/// Numbers that look random, the same every time.
fn noise(count: usize, seed: f32) -> Vec<f32> {
    (0..count).map(|at| ((at as f32 * 12.9898 + seed).sin() * 43_758.547).fract()).collect()
}

/// `y = x Wᵀ + b` with `W` `[out, in]`, behind an embedding of `ids`.
fn linear(inputs: i64, outputs: i64) -> ModelProto {
    let mut graph = GraphBuilder::new("g", 20);
    let ids = graph.input("ids", DataType::Int64, &[Dim::Symbol("n"), Dim::Symbol("m")]);
    let count = |a: i64, b: i64| usize::try_from(a * b).unwrap();
    let table = noise(count(10, inputs), 0.1);
    let table = graph.initializer(crate::onnx::TensorProto::from_f32("table", &[10, inputs], &table));
    let weight = noise(count(outputs, inputs), 0.7);
    let weight = graph.initializer(crate::onnx::TensorProto::from_f32("w.weight", &[outputs, inputs], &weight));
    let bias = noise(count(outputs, 1), 0.3);
    let bias = graph.initializer(crate::onnx::TensorProto::from_f32("w.bias", &[outputs], &bias));
    let x = graph.gather(&table, &ids, 0);
    let x = graph.named(&x, "x");
    let y = graph.linear(&x, &weight, &bias);
    graph.output(&y, "y", DataType::Float, &[Dim::Symbol("n"), Dim::Symbol("m"), Dim::Size(outputs)]);
    graph.finish()
}

fn run(model: &ModelProto) -> Vec<f32> {
    let mut session = testing::session(model).unwrap();
    testing::run(&mut session, &[("ids", testing::ints(&[2, 3], &[0, 1, 9, 4, 4, 7]))], "y").1
}

fn relative(a: &[f32], b: &[f32]) -> f64 {
    let squared = |x: f32| f64::from(x) * f64::from(x);
    let miss: f64 = a.iter().zip(b).map(|(a, b)| squared(a - b)).sum();
    (miss / b.iter().map(|&b| squared(b)).sum::<f64>()).sqrt()
}

#[test]
fn a_quantised_graph_gives_nearly_what_the_float_graph_gives() {
    let model = linear(128, 48);
    let float = run(&model);
    for scheme in SCHEMES {
        let quantised = quantise(&model, scheme, |_| true).unwrap();
        let miss = relative(&run(&quantised.model), &float);
        let limit = if scheme == Scheme::Int8Dynamic { 0.02 } else { 0.16 };
        assert!(miss < limit, "{scheme:?}: {miss}");
        let told: Vec<&str> = quantised.report.iter().map(|weight| weight.name.as_str()).collect();
        let expected = if scheme == Scheme::Int8Dynamic { vec!["w.weight"] } else { vec!["table", "w.weight"] };
        assert_eq!(told, expected, "{scheme:?}");
        let graph = quantised.model.graph.unwrap();
        assert!(!graph.initializer.iter().any(|tensor| tensor.name == "w.weight"), "the float weight is gone");
    }
}

/// The gradient's product uses the very weight that the forward product uses.
#[test]
fn the_unpacked_weight_is_the_weight_multiplied_with() {
    for scheme in &SCHEMES[..2] {
        let quantised = quantise(&linear(128, 48), *scheme, |name| name == "w.weight").unwrap().model;
        let node = quantised.graph.as_ref().unwrap().node.iter().find(|node| node.op_type.starts_with("MatMul"));
        let node = node.unwrap().clone();
        let mut graph = GraphBuilder::from_model(quantised).unwrap();
        let (x, bias) = (graph.value("x").unwrap(), graph.value("w.bias").unwrap());
        let weight = unpack(&mut graph, &node, &x).unwrap();
        let again = graph.linear(&x, &weight, &bias);
        let y = graph.value("y").unwrap();
        let difference = graph.sub(&again, &y);
        graph.output(&difference, "difference", DataType::Float, &[Dim::Symbol("n"), Dim::Symbol("m"), Dim::Size(48)]);
        let model = graph.finish();
        let mut session = testing::session(&model).unwrap();
        let ids = || testing::ints(&[2, 3], &[0, 1, 9, 4, 4, 7]);
        let (_, difference) = testing::run(&mut session, &[("ids", ids())], "difference");
        assert!(difference.iter().all(|miss| miss.abs() < 1e-4), "{scheme:?}: {difference:?}");
        crate::shape::infer(&model).unwrap();
    }
}

/// The product is linear, so a step of any length changes it by exactly what the gradient says.
#[test]
fn gradients_pass_through_quantised_products() {
    for scheme in &SCHEMES[..2] {
        let quantised = quantise(&linear(128, 48), *scheme, |name| name == "w.weight").unwrap().model;
        let part = crate::model::extract(&quantised, &["x"], &["y"]).unwrap();
        let trained = crate::differentiate::differentiate(&part, "y", &["x"]).unwrap();
        let mut session = testing::session(&trained).unwrap();
        let (x, step) = (noise(2 * 3 * 128, 0.9), noise(2 * 3 * 128, 0.2));
        let moved: Vec<f32> = x.iter().zip(&step).map(|(x, step)| x + step).collect();
        let mut run =
            |x: &[f32], output: &str| testing::run(&mut session, &[("x", testing::floats(&[2, 3, 128], x))], output).1;
        let sum = |values: Vec<f32>| values.iter().map(|&value| f64::from(value)).sum::<f64>();
        let change = sum(run(&moved, "y")) - sum(run(&x, "y"));
        let gradient = run(&x, &crate::differentiate::gradient_name("x"));
        let told: f64 = gradient.iter().zip(&step).map(|(g, step)| f64::from(g * step)).sum();
        assert!((change - told).abs() < 1e-3 * (1.0 + told.abs()), "{scheme:?}: {change} against {told}");
    }
}

#[test]
fn minilm_shrinks_to_a_fifth_and_its_sentences_stay_close() {
    let model = testing::minilm();
    let tokens: Vec<i64> = noise(8 * 24, 0.4).iter().map(|x| 2000 + (x.abs() * 20_000.0) as i64).collect();
    let inputs =
        || [("input_ids", testing::ints(&[8, 24], &tokens)), ("attention_mask", testing::ints(&[8, 24], &[1; 192]))];
    let embed =
        |model: &ModelProto| testing::run(&mut testing::session(model).unwrap(), &inputs(), "sentence_embedding").1;
    let float = embed(&model);
    for (scheme, share, least) in [
        (Scheme::Int8Dynamic, 0.66, 0.96),
        (Scheme::Nf4 { block: 64 }, 0.16, 0.85),
        (Scheme::Int4 { block: 32 }, 0.18, 0.80),
    ] {
        let quantised = quantise(&model, scheme, |name| !name.contains("position")).unwrap();
        let (before, after) = (quantised.bytes_before, quantised.bytes_after);
        assert!((after as f64) < share * before as f64, "{scheme:?}: {after} of {before}");
        assert!(quantised.model.encoded_len() as u64 >= after);
        let embedded = embed(&quantised.model);
        let cosine = |at: usize| -> f32 { (0..384).map(|i| float[at * 384 + i] * embedded[at * 384 + i]).sum() };
        let worst = (0..8).map(cosine).fold(1.0, f32::min);
        assert!(worst > least, "{scheme:?}: {worst}");
    }
}

/// What a text gets must not depend on what shares its batch: receipts are computed again, in other batches.
#[test]
fn eight_bit_rows_do_not_depend_on_their_neighbours() {
    let model = quantise(&linear(64, 16), Scheme::Int8Dynamic, |_| true).unwrap().model;
    let mut session = testing::session(&model).unwrap();
    let mut run =
        |shape: &[usize], ids: &[i64]| testing::run(&mut session, &[("ids", testing::ints(shape, ids))], "y").1;
    let together = run(&[2, 1], &[3, 8]);
    assert_eq!(together[16..], run(&[1, 1], &[8]));
}

#[test]
fn what_cannot_be_quantised_is_said() {
    let model = linear(128, 48);
    let fail = |model: &ModelProto, scheme| quantise(model, scheme, |_| true).unwrap_err();
    assert_eq!(fail(&model, Scheme::Int4 { block: 48 }), QuantiseError::Block(48));
    assert!(matches!(quantise(&model, SCHEMES[0], |_| false), Err(QuantiseError::Nothing(_))));
    let odd = quantise(&linear(100, 48), Scheme::Int4 { block: 32 }, |_| true).unwrap_err().to_string();
    assert!(odd.contains("blocks of 32"), "{odd}");
    let tensor = |model: &mut ModelProto, change: &dyn Fn(&mut crate::onnx::TensorProto)| {
        let graph = model.graph.as_mut().unwrap();
        change(graph.initializer.iter_mut().find(|tensor| tensor.name == "w.weight").unwrap());
    };
    let mut damaged = model.clone();
    tensor(&mut damaged, &|tensor| {
        *tensor = crate::onnx::TensorProto::from_f32("w.weight", &[48, 128], &[f32::NAN; 48 * 128])
    });
    assert_eq!(fail(&damaged, SCHEMES[0]), QuantiseError::NotFinite("w.weight".into()));
    let mut elsewhere = model.clone();
    tensor(&mut elsewhere, &|tensor| {
        *tensor = crate::onnx::TensorProto::external("w.weight", DataType::Float, &[48, 128], "f", 0, 24576);
    });
    assert_eq!(fail(&elsewhere, SCHEMES[1]), QuantiseError::External("w.weight".into()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn any_width_works_with_some_block(inputs in 1i64..5, outputs in 1i64..40) {
        let model = linear(inputs * 32, outputs);
        let float = run(&model);
        for scheme in [Scheme::Int4 { block: 16 }, Scheme::Nf4 { block: 32 }, Scheme::Int8Dynamic] {
            let quantised = quantise(&model, scheme, |_| true).unwrap();
            prop_assert!(relative(&run(&quantised.model), &float) < 0.25);
        }
    }
}
