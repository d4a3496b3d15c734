//! Adapted graphs on the runtime: against the base, against each other, and against sums done by hand.

use std::path::Path;

use ort::value::DynValue;

use super::*;
use crate::GraphBuilder;
use crate::build::encoder::SENTENCE_EMBEDDING;
use crate::build::{ATTENTION_MASK, INPUT_IDS, LAST_HIDDEN_STATE, ModelFolder, Storage};
use crate::onnx::{AttributeProto, DataType, Dim, TensorProto};
use crate::quantise::{Scheme, quantise};
use crate::testing::{floats, ints, minilm, run, session};

fn tiny(name: &str) -> ModelProto {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name);
    let folder = ModelFolder::open(&folder).unwrap();
    match folder.decoder_config() {
        None => folder.encoder(Storage::Inline).unwrap(),
        Some(_) => folder.decoder(Storage::Inline, crate::build::DecoderForm::Full).unwrap(),
    }
}

fn spec(targets: &[&str], binding: Binding, scale: f32) -> AdaptSpec {
    AdaptSpec { targets: targets.iter().map(|&target| target.to_owned()).collect(), layers: None, binding, scale }
}

/// Reproducible numbers around zero, another sequence for each seed.
fn noise(seed: usize, count: usize) -> Vec<f32> {
    (0..count).map(|i| (((i * 7_919 + seed * 104_729 + 13) % 2_003) as f32 / 2_003.0 - 0.5) * 0.6).collect()
}

fn tokens() -> Vec<(&'static str, DynValue)> {
    vec![
        (INPUT_IDS, ints(&[3, 4], &[2, 9, 4, 7, 2, 8, 3, 1, 2, 30, 11, 5])),
        (ATTENTION_MASK, ints(&[3, 4], &[1, 1, 1, 1, 1, 1, 1, 0, 1, 1, 1, 1])),
    ]
}

const RANK: usize = 2;

/// `A` and `B` of each slot for adapter `number`; number 0 is all zeros.
fn weights(slots: &[LoraSlot], number: usize) -> Vec<[Vec<f32>; 2]> {
    let made = slots.iter().enumerate().map(|(index, slot)| {
        let [a, b] = [slot.in_features, slot.out_features].map(|size| noise(number * 100 + index, size * RANK));
        if number == 0 { [vec![0.0; a.len()], vec![0.0; b.len()]] } else { [a, b] }
    });
    made.collect()
}

/// Inputs that hold these adapters, stacked.
fn stacked<'a>(slots: &'a [LoraSlot], numbers: &[usize]) -> Vec<(&'a str, DynValue)> {
    let all: Vec<_> = numbers.iter().map(|&number| weights(slots, number)).collect();
    let mut inputs = Vec::new();
    for (index, slot) in slots.iter().enumerate() {
        let [a, b] = [0, 1].map(|part| all.iter().flat_map(|one| one[index][part].clone()).collect::<Vec<f32>>());
        inputs.push((slot.a.as_str(), floats(&[numbers.len(), slot.in_features, RANK], &a)));
        inputs.push((slot.b.as_str(), floats(&[numbers.len(), RANK, slot.out_features], &b)));
    }
    inputs
}

fn shared(slots: &[LoraSlot], number: usize) -> Vec<(&str, DynValue)> {
    let mut inputs = Vec::new();
    for (slot, [a, b]) in slots.iter().zip(weights(slots, number)) {
        inputs.push((slot.a.as_str(), floats(&[slot.in_features, RANK], &a)));
        inputs.push((slot.b.as_str(), floats(&[RANK, slot.out_features], &b)));
    }
    inputs
}

fn with<'a>(mut inputs: Vec<(&'a str, DynValue)>, more: Vec<(&'a str, DynValue)>) -> Vec<(&'a str, DynValue)> {
    inputs.extend(more);
    inputs
}

#[test]
fn with_b_all_zeros_minilm_answers_as_the_base_does_bit_for_bit() {
    let base = minilm();
    let expected = run(&mut session(&base).unwrap(), &tokens(), SENTENCE_EMBEDDING);
    for binding in [Binding::Shared, Binding::PerSample, Binding::Bank] {
        let adapted = adapt(&base, &spec(&[ALL_LINEAR], binding, 2.0)).unwrap();
        assert_eq!(adapted.slots.len(), 36);
        let inputs = adapted.slots.iter().flat_map(|slot| {
            let (a, b) = (noise(1, slot.in_features * RANK), vec![0.0; RANK * slot.out_features]);
            let (mut a_shape, mut b_shape) = (vec![slot.in_features, RANK], vec![RANK, slot.out_features]);
            let copies = match binding {
                Binding::Shared => return [(slot.a.as_str(), floats(&a_shape, &a)), (&slot.b, floats(&b_shape, &b))],
                Binding::PerSample => 3,
                Binding::Bank => 5,
            };
            a_shape.insert(0, copies);
            b_shape.insert(0, copies);
            [(slot.a.as_str(), floats(&a_shape, &a.repeat(copies))), (&slot.b, floats(&b_shape, &b.repeat(copies)))]
        });
        let mut inputs = with(tokens(), inputs.collect());
        if binding == Binding::Bank {
            inputs.push((ADAPTER_IDS, ints(&[3], &[4, 0, 2])));
        }
        let answer = run(&mut session(&adapted.model).unwrap(), &inputs, SENTENCE_EMBEDDING);
        let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&answer.1), bits(&expected.1), "{binding:?}");
    }
}

#[test]
fn one_batch_mixes_adapters_and_equals_separate_calls_in_every_form() {
    for (name, targets, output) in [
        ("roberta", &["query", "value", "output.dense"][..], LAST_HIDDEN_STATE),
        ("distilbert", &["q_lin", "lin1"], LAST_HIDDEN_STATE),
        ("llama", &["q_proj", "v_proj", "down_proj", "lm_head"], "logits"),
        ("qwen2", &["k_proj", "lm_head"], "logits"),
    ] {
        let base = tiny(name);
        let numbers = [2, 0, 3];
        let alone = adapt(&base, &spec(targets, Binding::Shared, 2.0)).unwrap();
        let mut alone_session = session(&alone.model).unwrap();
        let plain = run(&mut session(&base).unwrap(), &tokens(), output).1;
        let mut expected = Vec::new();
        for (row, &number) in numbers.iter().enumerate() {
            let all = run(&mut alone_session, &with(tokens(), shared(&alone.slots, number)), output).1;
            let width = all.len() / 3;
            expected.extend_from_slice(&all[row * width..(row + 1) * width]);
        }
        assert!(expected.iter().zip(&plain).any(|(a, b)| (a - b).abs() > 0.01), "{name}: adapters change something");
        let each = adapt(&base, &spec(targets, Binding::PerSample, 2.0)).unwrap();
        let inputs = with(tokens(), stacked(&each.slots, &numbers));
        let per_sample = run(&mut session(&each.model).unwrap(), &inputs, output).1;
        let bank = adapt(&base, &spec(targets, Binding::Bank, 2.0)).unwrap();
        let mut inputs = with(tokens(), stacked(&bank.slots, &[0, 1, 2, 3]));
        inputs.push((ADAPTER_IDS, ints(&[3], &numbers.map(|number| number as i64))));
        let banked = run(&mut session(&bank.model).unwrap(), &inputs, output).1;
        for (i, expected) in expected.iter().enumerate() {
            assert!((per_sample[i] - expected).abs() < 1e-5, "{name}, per sample");
            assert!((banked[i] - expected).abs() < 1e-5, "{name}, bank");
        }
    }
}

/// `x [batch, 4]` times a weight of 4 inputs and 3 outputs, in the ways that exporters write it.
fn exported(kind: &str) -> ModelProto {
    let mut graph = GraphBuilder::new("exported", 21);
    let x = graph.input("x", DataType::Float, &[Dim::Symbol("n"), Dim::Size(4)]);
    let w = noise(9, 12);
    let transposed: Vec<f32> = (0..12).map(|i| w[(i % 4) * 3 + i / 4]).collect();
    let y = match kind {
        "gemm" => {
            let w = graph.initializer(TensorProto::from_f32("bert.classifier.weight", &[3, 4], &transposed));
            let b = graph.initializer(TensorProto::from_f32("bert.classifier.bias", &[3], &[1.0, 2.0, 3.0]));
            graph.op("Gemm", &[&x, &w, &b], vec![AttributeProto::int("transB", 1)])
        }
        "matmul" => {
            let w = graph.initializer(TensorProto::from_f32("onnx::MatMul_17", &[4, 3], &w));
            let b = graph.initializer(TensorProto::from_f32("classifier.bias", &[3], &[1.0, 2.0, 3.0]));
            graph.scoped("/classifier", |graph| {
                let y = graph.matmul(&x, &w);
                graph.add(&b, &y)
            })
        }
        _ => {
            let levels = TensorProto::from_raw(
                "classifier.weight.quantised",
                DataType::Int8,
                &[3, 4],
                (0..12i8).map(|i| (i - 6).cast_unsigned()).collect::<Vec<u8>>().into(),
            );
            let levels = graph.initializer(levels);
            let scale = graph.initializer(TensorProto::from_f32("classifier.weight.scale", &[], &[0.125]));
            let w = graph.op("DequantizeLinear", &[&levels, &scale], Vec::new());
            let w = graph.transpose(&w, &[1, 0]);
            graph.matmul(&x, &w)
        }
    };
    graph.output(&y, "y", DataType::Float, &[Dim::Symbol("n"), Dim::Size(3)]);
    graph.finish()
}

#[test]
fn exported_and_quantised_layers_are_found_under_their_module_and_give_the_sum_done_by_hand() {
    let x = noise(5, 8);
    for kind in ["gemm", "matmul", "quantised"] {
        let base = exported(kind);
        let plain = run(&mut session(&base).unwrap(), &[("x", floats(&[2, 4], &x))], "y").1;
        for binding in [Binding::Shared, Binding::PerSample, Binding::Bank] {
            let adapted = adapt(&base, &spec(&["classifier"], binding, 0.5)).unwrap();
            let slot = &adapted.slots[0];
            assert_eq!((slot.module.as_str(), slot.in_features, slot.out_features), ("classifier", 4, 3), "{kind}");
            let numbers = if binding == Binding::Shared { [1, 1] } else { [1, 2] };
            let mut inputs = vec![("x", floats(&[2, 4], &x))];
            match binding {
                Binding::Shared => inputs.extend(shared(&adapted.slots, 1)),
                Binding::PerSample => inputs.extend(stacked(&adapted.slots, &numbers)),
                Binding::Bank => {
                    inputs.extend(stacked(&adapted.slots, &[0, 1, 2]));
                    inputs.push((ADAPTER_IDS, ints(&[2], &[1, 2])));
                }
            }
            let y = run(&mut session(&adapted.model).unwrap(), &inputs, "y").1;
            for (row, &number) in numbers.iter().enumerate() {
                let [a, b] = &weights(&adapted.slots, number)[0];
                for out in 0..3 {
                    let low = |r: usize| (0..4).map(|i| x[row * 4 + i] * a[i * RANK + r]).sum::<f32>();
                    let update = (0..RANK).map(|r| low(r) * b[r * 3 + out]).sum::<f32>() * 0.5;
                    let expected = plain[row * 3 + out] + update;
                    assert!((y[row * 3 + out] - expected).abs() < 1e-5, "{kind} {binding:?}");
                }
            }
        }
    }
}

#[test]
fn weights_of_four_bits_have_the_slots_of_the_float_model_and_the_same_updates() {
    let base = tiny("roberta");
    let targets = spec(&["query", "output.dense"], Binding::Bank, 1.0);
    let float = adapt(&base, &targets).unwrap();
    for scheme in [Scheme::Int4 { block: 16 }, Scheme::Nf4 { block: 16 }] {
        let packed = quantise(&base, scheme, |name| name.contains("attention")).unwrap().model;
        let kinds: Vec<_> = packed.graph.as_ref().unwrap().node.iter().map(|node| node.op_type.clone()).collect();
        assert!(kinds.iter().any(|kind| kind.starts_with("MatMulNBits") || kind.starts_with("MatMulBnb4")));
        let adapted = adapt(&packed, &targets).unwrap();
        assert_eq!(adapted.slots, float.slots, "{scheme:?}");
        let mut inputs = with(tokens(), stacked(&adapted.slots, &[0, 1]));
        inputs.push((ADAPTER_IDS, ints(&[3], &[0, 1, 0])));
        let plain = run(&mut session(&packed).unwrap(), &tokens(), LAST_HIDDEN_STATE).1;
        let answer = run(&mut session(&adapted.model).unwrap(), &inputs, LAST_HIDDEN_STATE).1;
        let row = plain.len() / 3;
        assert_eq!((&answer[..row], &answer[2 * row..]), (&plain[..row], &plain[2 * row..]), "slot 0 is the base");
        assert!((row..2 * row).any(|i| (answer[i] - plain[i]).abs() > 0.01));
    }
}

#[test]
fn layers_are_known_by_the_names_of_weights_and_nodes_too() {
    for target in ["onnx::MatMul_17", "/classifier/MatMul.node", "*sifi*"] {
        assert_eq!(adapt(&exported("matmul"), &spec(&[target], Binding::Shared, 1.0)).unwrap().slots.len(), 1);
    }
}

#[test]
fn a_target_that_matches_nothing_is_an_error_that_lists_what_there_is() {
    let base = tiny("roberta");
    let error = adapt(&base, &spec(&["query", "q_proj"], Binding::Shared, 1.0)).unwrap_err().to_string();
    assert!(error.contains("\"q_proj\"") && error.contains("encoder.layer.*.attention.self.query"), "{error}");
    assert!(matches!(adapt(&base, &spec(&[], Binding::Shared, 1.0)), Err(AdaptError::NoTargets(_))));
    assert!(matches!(adapt(&base, &spec(&["query"], Binding::Shared, f32::NAN)), Err(AdaptError::Scale(_))));
    let layers = |layers| adapt(&base, &AdaptSpec { layers: Some(layers), ..spec(&["query"], Binding::Shared, 1.0) });
    assert_eq!(layers(vec![1]).unwrap().slots[0].module, "encoder.layer.1.attention.self.query");
    assert!(matches!(layers(vec![0, 2]), Err(AdaptError::NoLayer { layer: 2, .. })));
    assert!(matches!(layers(vec![]), Err(AdaptError::NoTargets(_))));
    let twice = adapt(&base, &spec(&["query"], Binding::Shared, 1.0)).unwrap().model;
    assert!(matches!(adapt(&twice, &spec(&["query"], Binding::Shared, 1.0)), Err(AdaptError::Adapted(_))));
}

#[test]
fn a_layer_that_sees_all_tokens_as_one_list_takes_a_shared_adapter_only() {
    let mut graph = GraphBuilder::new("flat", 20);
    let x = graph.input("x", DataType::Float, &[Dim::Symbol("batch"), Dim::Size(5), Dim::Size(4)]);
    let flat = graph.reshape(&x, &[-1, 4]);
    let w = graph.initializer(TensorProto::from_f32("w.weight", &[4, 3], &noise(1, 12)));
    let y = graph.matmul(&flat, &w);
    graph.output(&y, "y", DataType::Float, &[Dim::Symbol("rows"), Dim::Size(3)]);
    let model = graph.finish();
    assert!(adapt(&model, &spec(&["w"], Binding::Shared, 1.0)).is_ok());
    let error = adapt(&model, &spec(&["w"], Binding::Bank, 1.0)).unwrap_err();
    assert!(matches!(&error, AdaptError::Flattened { batch, .. } if batch == "batch"), "{error}");
}

#[test]
fn a_layer_whose_weight_has_no_telling_name_is_called_after_its_bias_or_what_the_exporter_noted() {
    let mut graph = GraphBuilder::new("dynamo", 20);
    let x = graph.input("x", DataType::Float, &[Dim::Symbol("batch"), Dim::Size(2)]);
    let weight = |name: &str| TensorProto::from_f32(name, &[2, 2], &[1.0; 4]);
    let first = graph.initializer(weight("val_86"));
    let bias = graph.initializer(TensorProto::from_f32("bert.layer.0.query.bias", &[2], &[1.0; 2]));
    let second = graph.initializer(weight("val_94"));
    let product = graph.matmul(&x, &first);
    let sum = graph.add(&product, &bias);
    let last = graph.matmul(&sum, &second);
    graph.output(&last, "y", DataType::Float, &[Dim::Symbol("batch"), Dim::Size(2)]);
    let mut model = graph.finish();
    let noted = crate::onnx::StringStringEntryProto {
        key: "pkg.torch.onnx.name_scopes".to_owned(),
        value: "['', 'bert', 'bert.layer.0', 'bert.layer.0.value', 'linear_1']".to_owned(),
    };
    model.graph.as_mut().unwrap().node[2].metadata_props.push(noted);
    let modules: Vec<String> = linear_modules(&model).unwrap().into_iter().map(|slot| slot.module).collect();
    assert_eq!(modules, ["layer.0.query", "layer.0.value"]);
}
