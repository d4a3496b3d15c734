//! The graphs that are built here from model folders, adapted and whole.

use std::path::Path;

use ort::value::DynValue;

use super::{numbers, served};
use crate::GraphBuilder;
use crate::adapt::{AdaptSpec, Adapted, Binding, adapt};
use crate::build::{DecoderForm, ModelFolder, Storage};
use crate::differentiate::{differentiate, gradient_name};
use crate::onnx::{AttributeProto, DataType, Dim, ModelProto, TensorProto};
use crate::testing::{floats, ints, run};

const BATCH: usize = 2;
const TOKENS: usize = 5;
const RANK: usize = 2;

fn folder(name: &str) -> ModelFolder {
    ModelFolder::open(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)).unwrap()
}

/// A decoder with the loss of each next token, `[batch, tokens - 1]`.
fn language_model(model: ModelProto) -> ModelProto {
    let mut graph = GraphBuilder::from_model(model).unwrap();
    let [ids, logits] = ["input_ids", "logits"].map(|name| graph.value(name).unwrap());
    let [zero, one, last, all, axis] = [0, 1, -1, i64::MAX, 1].map(|number| graph.int_list(&[number]));
    let labels = graph.op("Slice", &[&ids, &one, &all, &axis], Vec::new());
    let logits = graph.op("Slice", &[&logits, &zero, &last, &axis], Vec::new());
    let logits = graph.transpose(&logits, &[0, 2, 1]);
    let reduction = vec![AttributeProto::string("reduction", "none")];
    let loss = graph.op("SoftmaxCrossEntropyLoss", &[&logits, &labels], reduction);
    graph.output(&loss, "loss", DataType::Float, &[Dim::Symbol("batch"), Dim::Symbol("next")]);
    graph.finish()
}

/// An encoder with a number for each text.
fn scorer(model: ModelProto) -> ModelProto {
    let mut graph = GraphBuilder::from_model(model).unwrap();
    let pooled = graph.value("sentence_embedding").unwrap();
    let square = graph.mul(&pooled, &pooled);
    let cube = graph.mul(&square, &pooled);
    let loss = graph.reduce_sum(&cube, &[1], false);
    graph.output(&loss, "loss", DataType::Float, &[Dim::Symbol("batch")]);
    graph.finish()
}

fn texts(vocabulary: usize) -> Vec<(&'static str, DynValue)> {
    let ids: Vec<i64> = (0..BATCH * TOKENS).map(|at| (at as i64 * 31 + 7) % vocabulary as i64).collect();
    let mut mask = vec![1; BATCH * TOKENS];
    mask[BATCH * TOKENS - 1] = 0;
    vec![("input_ids", ints(&[BATCH, TOKENS], &ids)), ("attention_mask", ints(&[BATCH, TOKENS], &mask))]
}

fn total(model: &ModelProto, inputs: &[(&str, DynValue)], output: &str) -> f64 {
    run(&mut served(model, 1), inputs, output).1.iter().map(|&number| f64::from(number)).sum()
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

/// Compares the slope along a direction through all adapters with a difference quotient.
fn check_adapters(model: &ModelProto, vocabulary: usize, binding: Binding, finish: impl Fn(ModelProto) -> ModelProto) {
    let spec = AdaptSpec { targets: vec!["all-linear".to_owned()], layers: None, binding, scale: 0.5 };
    let Adapted { model, slots } = adapt(model, &spec).unwrap();
    let model = finish(model);
    let shape = |rows: usize, columns: usize| match binding {
        Binding::Shared => vec![rows, columns],
        Binding::PerSample => vec![BATCH, rows, columns],
        Binding::Bank => vec![3, rows, columns],
    };
    let sizes: Vec<(String, Vec<usize>)> = slots
        .iter()
        .flat_map(|slot| {
            [(slot.a.clone(), shape(slot.in_features, RANK)), (slot.b.clone(), shape(RANK, slot.out_features))]
        })
        .collect();
    let wrt: Vec<&str> = sizes.iter().map(|(name, _)| name.as_str()).collect();
    let gradient = differentiate(&model, "loss", &wrt).unwrap();
    let at = |distance: f32| {
        let mut inputs = texts(vocabulary);
        if binding == Binding::Bank {
            inputs.push(("adapter_ids", ints(&[BATCH], &[2, 0])));
        }
        for (seed, (name, shape)) in sizes.iter().enumerate() {
            let (here, along) = (place(seed, shape), direction(seed, shape));
            let moved: Vec<f32> = here.iter().zip(along).map(|(here, along)| here + distance * along).collect();
            inputs.push((name.as_str(), floats(shape, &moved)));
        }
        inputs
    };
    let expected = (total(&model, &at(1e-2), "loss") - total(&model, &at(-1e-2), "loss")) / 2e-2;
    let mut backward = served(&gradient, 2);
    let found: f64 = sizes
        .iter()
        .enumerate()
        .map(|(seed, (name, shape))| {
            dot(&run(&mut backward, &at(0.0), &gradient_name(name)).1, &direction(seed, shape))
        })
        .sum();
    assert!((found - expected).abs() < 5e-3 * (0.1 + expected.abs()), "{binding:?}: {found}, expected {expected}");
}

fn place(seed: usize, shape: &[usize]) -> Vec<f32> {
    numbers(seed, shape.iter().product(), -0.3, 0.3)
}

fn direction(seed: usize, shape: &[usize]) -> Vec<f32> {
    numbers(seed + 1000, shape.iter().product(), -0.5, 0.6)
}

#[test]
fn adapted_decoders_are_differentiated() {
    for name in ["llama", "qwen2"] {
        let folder = folder(name);
        let model = folder.decoder(Storage::Inline, DecoderForm::Full).unwrap();
        for binding in [Binding::Shared, Binding::PerSample, Binding::Bank] {
            check_adapters(&model, folder.vocab_size(), binding, language_model);
        }
    }
}

#[test]
fn adapted_encoders_are_differentiated() {
    for name in ["distilbert", "roberta"] {
        let folder = folder(name);
        let model = folder.encoder(Storage::Inline).unwrap();
        for binding in [Binding::Shared, Binding::PerSample] {
            check_adapters(&model, folder.vocab_size(), binding, scorer);
        }
    }
}

#[test]
fn all_weights_of_a_decoder_can_be_trained() {
    let folder = folder("llama");
    let model = language_model(folder.decoder(Storage::Inline, DecoderForm::Full).unwrap());
    let is_weight =
        |tensor: &&TensorProto| tensor.name.ends_with("weight") && tensor.data_type == i32::from(DataType::Float);
    let weights: Vec<TensorProto> =
        model.graph.as_ref().unwrap().initializer.iter().filter(is_weight).cloned().collect();
    let names: Vec<&str> = weights.iter().map(|tensor| tensor.name.as_str()).collect();
    assert!(names.len() > 8, "{names:?}");
    let gradient = differentiate(&model, "loss", &names).unwrap();
    let shape = |tensor: &TensorProto| tensor.dims.iter().map(|&size| size as usize).collect::<Vec<_>>();
    let moved = |distance: f32| {
        let mut model = model.clone();
        for tensor in model.graph.as_mut().unwrap().initializer.iter_mut().filter(|tensor| is_weight(&&**tensor)) {
            let seed = names.iter().position(|name| *name == tensor.name).unwrap();
            let raw = tensor.raw_data.as_deref().unwrap().as_chunks().0;
            let along = direction(seed, &shape(tensor));
            let data: Vec<f32> =
                raw.iter().zip(along).map(|(bytes, along)| f32::from_le_bytes(*bytes) + distance * along).collect();
            *tensor = TensorProto::from_f32(&tensor.name, &tensor.dims, &data);
        }
        total(&model, &texts(folder.vocab_size()), "loss")
    };
    let expected = (moved(1e-3) - moved(-1e-3)) / 2e-3;
    let mut backward = served(&gradient, 2);
    let inputs = texts(folder.vocab_size());
    let slope = |(seed, tensor): (usize, &TensorProto)| {
        dot(&run(&mut backward, &inputs, &gradient_name(&tensor.name)).1, &direction(seed, &shape(tensor)))
    };
    let found: f64 = weights.iter().enumerate().map(slope).sum();
    assert!((found - expected).abs() < 1e-2 * (0.1 + expected.abs()), "{found}, expected {expected}");
}
