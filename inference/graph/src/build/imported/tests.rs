//! Exported files against the models they were made from, and files that are refused.

use std::path::Path;

use ort::value::DynValue;
use proptest::prelude::*;
use prost::Message;

use super::*;
use crate::GraphBuilder;
use crate::adapt::{ALL_LINEAR, AdaptSpec, Binding, adapt, linear_modules};
use crate::build::decoder::LOGITS;
use crate::build::encoder::{POOLED, SENTENCE_EMBEDDING};
use crate::build::{ATTENTION_MASK, Architecture, INPUT_IDS, LAST_HIDDEN_STATE, ModelFolder, Storage, model_files};
use crate::differentiate::{differentiate, gradient_name};
use crate::onnx::{self, AttributeProto, DataType, Dim, TensorProto};
use crate::testing::{floats, ints, minilm, run, session};

#[path = "../../../tests/support/exported.rs"]
mod support;

fn folder(model: &ModelProto, config: Option<serde_json::Value>) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("model.onnx"), model.encode_to_vec()).unwrap();
    if let Some(config) = config {
        std::fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
    }
    folder
}

fn open(model: &ModelProto, config: Option<serde_json::Value>) -> Result<ModelFolder, BuildError> {
    ModelFolder::open(folder(model, config).path())
}

fn texts() -> Vec<(&'static str, DynValue)> {
    vec![
        (INPUT_IDS, ints(&[2, 4], &[2, 9, 4, 7, 2, 8, 0, 0])),
        (ATTENTION_MASK, ints(&[2, 4], &[1, 1, 1, 1, 1, 1, 0, 0])),
    ]
}

fn close(a: &[f32], b: &[f32]) {
    assert_eq!(a.len(), b.len());
    let apart = a.iter().zip(b).fold(0.0f32, |most, (a, b)| most.max((a - b).abs()));
    assert!(apart < 2e-5, "{apart}");
}

/// An encoder of one table and one product, written in the operators of `opset`.
struct Tiny {
    opset: i64,
    element: DataType,
    output: (&'static str, &'static [i64]),
    input: &'static str,
}

impl Default for Tiny {
    fn default() -> Self {
        Self { opset: 17, element: DataType::Int64, output: (LAST_HIDDEN_STATE, &[0, 0, 4]), input: ATTENTION_MASK }
    }
}

impl Tiny {
    fn build(&self) -> ModelProto {
        let mut graph = GraphBuilder::new("tiny", self.opset);
        let tokens = [Dim::Symbol("n"), Dim::Symbol("s77")];
        let ids = graph.input(INPUT_IDS, self.element, &tokens);
        let mask = graph.input(self.input, self.element, &tokens);
        let kinds = graph.input("token_type_ids", self.element, &tokens);
        let numbers = |count: usize, seed: usize| -> Vec<f32> {
            (0..count).map(|at| ((at * 37 + seed * 11) % 23) as f32 / 23.0 - 0.4).collect()
        };
        let mut table = |name: &str, rows: usize| {
            graph.initializer(TensorProto::from_f32(name, &[rows as i64, 4], &numbers(rows * 4, rows)))
        };
        let (words, sorts, weight) = (table("words", 11), table("kinds", 2), table("proj.query.weight", 4));
        let places = table(POOLED, 6);
        let words = graph.gather(&words, &ids, 0);
        let sorts = graph.gather(&sorts, &kinds, 0);
        let length = graph.axis_size(&ids, 1);
        let places = graph.first_rows(&places, &length);
        let sum = graph.add(&words, &sorts);
        let sum = graph.add(&sum, &places);
        let query = graph.matmul(&sum, &weight);
        let scores = graph.transpose(&query, &[0, 2, 1]);
        let scores = graph.matmul(&query, &scores);
        let bias = graph.cast(&mask, DataType::Float);
        let bias = self.unsqueeze(&mut graph, &bias);
        let scores = graph.mul(&scores, &bias);
        let shares = match self.opset < 13 {
            true => graph.op("Softmax", &[&scores], vec![AttributeProto::int("axis", 2)]),
            false => graph.softmax(&scores, -1),
        };
        let mixed = graph.matmul(&shares, &sum);
        let (name, shape) = self.output;
        let mixed = match shape.len() {
            2 => self.first(&mut graph, &mixed),
            _ => mixed,
        };
        let shape: Vec<Dim> =
            shape.iter().map(|&size| if size > 0 { Dim::Size(size) } else { Dim::Symbol("n") }).collect();
        let shape = if shape.len() == 3 { vec![Dim::Symbol("n"), Dim::Symbol("s77"), Dim::Size(4)] } else { shape };
        graph.output(&mixed, name, DataType::Float, &shape);
        graph.finish()
    }

    fn unsqueeze(&self, graph: &mut GraphBuilder, x: &crate::Value) -> crate::Value {
        if self.opset < 13 {
            return graph.op("Unsqueeze", &[x], vec![AttributeProto::ints("axes", &[1])]);
        }
        graph.unsqueeze(x, &[1])
    }

    /// The vector of the first token.
    fn first(&self, graph: &mut GraphBuilder, x: &crate::Value) -> crate::Value {
        let zero = graph.int_scalar(0);
        graph.gather(x, &zero, 1)
    }
}

#[test]
fn an_exported_model_is_the_model() {
    let built = minilm();
    let exported = open(&support::exported(built.clone()), None).unwrap();
    assert_eq!(exported.architecture(), Architecture::Onnx);
    assert_eq!((exported.hidden_size(), exported.vocab_size(), exported.max_positions()), (384, 30_522, 512));
    let encoder = exported.encoder(Storage::Mapped).unwrap();
    assert_eq!(encoder.graph.as_ref().unwrap().input.len(), 2);
    let modules = |model| linear_modules(model).unwrap();
    assert_eq!(modules(&encoder), modules(&built), "an adapter of one fits the other");
    let (mut ours, mut theirs) = (session(&built).unwrap(), session(&encoder).unwrap());
    for output in [LAST_HIDDEN_STATE, SENTENCE_EMBEDDING] {
        let (shape, expected) = run(&mut ours, &texts(), output);
        let (found_shape, found) = run(&mut theirs, &texts(), output);
        assert_eq!(found_shape, shape);
        let real = if output == LAST_HIDDEN_STATE { 4 * 384 } else { expected.len() };
        close(&found[..real], &expected[..real]);
    }
}

#[test]
fn names_symbols_and_integers_of_any_exporter_are_brought_into_one_form() {
    let exported = open(&Tiny { element: DataType::Int32, ..Tiny::default() }.build(), None).unwrap();
    assert_eq!((exported.hidden_size(), exported.vocab_size(), exported.max_positions()), (4, 11, 6));
    let encoder = exported.encoder(Storage::Inline).unwrap();
    let shapes = shape::infer(&encoder).unwrap();
    assert_eq!(shapes.get(INPUT_IDS).unwrap().element, DataType::Int64);
    let sizes = shapes.get(POOLED).unwrap().shape.as_ref().unwrap().iter().map(ToString::to_string);
    assert_eq!(sizes.collect::<Vec<_>>(), ["batch", "4"], "the initialiser of that name made room");
    let plain = open(&Tiny::default().build(), None).unwrap().encoder(Storage::Inline).unwrap();
    let [narrow, wide] =
        [&encoder, &plain].map(|model| run(&mut session(model).unwrap(), &texts(), SENTENCE_EMBEDDING));
    assert_eq!(narrow, wide);
}

#[test]
fn an_older_operator_set_is_raised_without_changing_a_number_and_can_be_trained() {
    let old = Tiny { opset: 11, ..Tiny::default() }.build();
    let raised = open(&old, None).unwrap().encoder(Storage::Inline).unwrap();
    assert_eq!(raised.opset_import[0].version, 17);
    let new = open(&Tiny::default().build(), None).unwrap().encoder(Storage::Inline).unwrap();
    let [a, b] = [&raised, &new].map(|model| run(&mut session(model).unwrap(), &texts(), SENTENCE_EMBEDDING).1);
    assert_eq!(a, b);
    let targets = vec![ALL_LINEAR.to_owned()];
    let spec = AdaptSpec { targets, layers: None, binding: Binding::PerSample, scale: 1.0 };
    let adapted = adapt(&raised, &spec).unwrap();
    let slot = &adapted.slots[0];
    assert_eq!(slot.module, "proj.query");
    let trained = differentiate(&adapted.model, SENTENCE_EMBEDDING, &[&slot.b]).unwrap();
    let mut inputs = texts();
    inputs.push((&slot.a, floats(&[2, 4, 1], &[0.5; 8])));
    inputs.push((&slot.b, floats(&[2, 1, 4], &[0.0; 8])));
    let (shape, gradient) = run(&mut session(&trained).unwrap(), &inputs, &gradient_name(&slot.b));
    assert_eq!(shape, [2, 1, 4]);
    assert!(gradient.iter().all(|number| number.is_finite()) && gradient.iter().any(|&number| number != 0.0));
}

#[test]
fn a_models_own_vector_comes_before_the_mean() {
    let own = Tiny { output: (SENTENCE_EMBEDDING, &[0, 4]), ..Tiny::default() }.build();
    let tokens = Tiny::default().build();
    let exported = open(&own, None).unwrap().encoder(Storage::Inline).unwrap();
    let (_, all) = run(
        &mut session(&open(&tokens, None).unwrap().encoder(Storage::Inline).unwrap()).unwrap(),
        &texts(),
        LAST_HIDDEN_STATE,
    );
    let (_, unit) = run(&mut session(&exported).unwrap(), &texts(), SENTENCE_EMBEDDING);
    let norm = all[..4].iter().map(|x| x * x).sum::<f32>().sqrt();
    close(&unit[..4], &all[..4].iter().map(|x| x / norm).collect::<Vec<_>>());
}

#[test]
fn a_classifier_has_logits_labels_and_no_encoder() {
    let model = Tiny { output: (LOGITS, &[0, 4]), ..Tiny::default() }.build();
    let unnamed = open(&model, None).unwrap();
    assert!(unnamed.is_classifier());
    assert_eq!((unnamed.hidden_size(), unnamed.labels()[3].as_str()), (4, "LABEL_3"));
    assert!(matches!(unnamed.encoder(Storage::Inline), Err(BuildError::Classifier)));
    let (shape, _) = run(&mut session(&unnamed.classifier().unwrap()).unwrap(), &texts(), LOGITS);
    assert_eq!(shape, [2, 4]);
    let names = |names: &[&str]| {
        let named = names.iter().enumerate().map(|(class, name)| (class.to_string(), (*name).into()));
        Some(serde_json::json!({ "id2label": serde_json::Map::from_iter(named), "hidden_size": 96 }))
    };
    assert_eq!(open(&model, names(&["a", "b", "c", "d"])).unwrap().labels(), ["a", "b", "c", "d"]);
    let error = open(&model, names(&["a", "b"])).unwrap_err().to_string();
    assert!(error.contains("names 2 classes, its logits have 4"), "{error}");
    let holes = serde_json::json!({ "id2label": { "0": "a", "2": "b" } });
    assert!(matches!(open(&model, Some(holes)), Err(BuildError::Config(_))));
}

#[test]
fn config_json_is_checked_against_the_graph() {
    let open = |config| open(&Tiny::default().build(), Some(config));
    let opened = open(serde_json::json!({ "hidden_size": 4, "max_position_embeddings": 5, "n_layers": 1 })).unwrap();
    assert_eq!((opened.max_positions(), opened.layers()), (5, 1));
    assert_eq!(open(serde_json::json!({ "max_position_embeddings": 4_096 })).unwrap().max_positions(), 6);
    let other = open(serde_json::json!({ "hidden_size": 8 })).unwrap_err().to_string();
    assert!(other.contains("4 numbers wide, hidden_size of config.json is 8"), "{other}");
    for absurd in [serde_json::json!({ "max_position_embeddings": 0 }), serde_json::json!({ "hidden_size": "wide" })] {
        assert!(matches!(open(absurd), Err(BuildError::Config(_))));
    }
}

#[test]
fn tables_of_positions_that_begin_behind_padding_are_shorter() {
    let roberta = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/roberta");
    let built = ModelFolder::open(&roberta).unwrap();
    let exported = open(&built.encoder(Storage::Inline).unwrap(), None).unwrap();
    assert_eq!(exported.max_positions(), built.max_positions());
    assert_eq!(exported.vocab_size(), built.vocab_size());
}

#[test]
fn each_hostile_file_is_refused_for_its_own_reason() {
    let tiny = Tiny::default().build();
    let bytes = tiny.encode_to_vec();
    let refused = |bytes: &[u8]| {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("model.onnx"), bytes).unwrap();
        ModelFolder::open(folder.path()).unwrap_err().to_string()
    };
    let changed = |change: fn(&mut onnx::GraphProto)| {
        let mut model = tiny.clone();
        change(model.graph.as_mut().unwrap());
        refused(&model.encode_to_vec())
    };
    let cases = [
        (refused(b"garbage"), "no ONNX model"),
        (refused(&bytes[..bytes.len() / 2]), "cut off"),
        (refused(&Tiny { input: "mask", ..Tiny::default() }.build().encode_to_vec()), "no input attention_mask"),
        (refused(&Tiny { output: ("answer", &[0, 4]), ..Tiny::default() }.build().encode_to_vec()), "but answer"),
        (
            refused(&Tiny { output: (LOGITS, &[0, 0, 4]), ..Tiny::default() }.build().encode_to_vec()),
            "where 2 axes are read",
        ),
        (changed(|graph| graph.node[0].op_type = "Loop".to_owned()), "uses operator Loop"),
        (
            changed(|graph| {
                let weight = &mut graph.initializer[0];
                *weight = TensorProto::external(&weight.name, DataType::Float, &[11, 4], "/etc/passwd", 0, 176);
            }),
            "another file",
        ),
        (
            changed(|graph| {
                graph.initializer.push(TensorProto::from_raw("on", DataType::Bool, &[], vec![1].into()));
                let last = graph.node.len() - 1;
                graph.node[last].op_type = "Dropout".to_owned();
                graph.node[last].input.extend([String::new(), "on".to_owned()]);
            }),
            "evaluation mode",
        ),
        (
            changed(|graph| {
                let fixed = [Dim::Size(1), Dim::Size(6)];
                graph.input[0] = onnx::ValueInfoProto::tensor(INPUT_IDS, DataType::Int64, &fixed);
            }),
            "fixed size [1, 6]",
        ),
    ];
    for (error, why) in cases {
        assert!(error.contains(why), "{error:?} does not say {why:?}");
    }
}

#[test]
fn the_files_of_an_exported_model_are_those_that_are_there() {
    let names = |folder: &Path| -> Vec<String> {
        let files = model_files(folder).unwrap().model;
        files.iter().map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect()
    };
    let tiny = Tiny::default().build();
    assert_eq!(names(folder(&tiny, None).path()), ["model.onnx", "tokenizer.json"]);
    let both = folder(&tiny, Some(serde_json::json!({})));
    assert_eq!(names(both.path()), ["config.json", "model.onnx", "tokenizer.json"]);
    std::fs::write(both.path().join("model.safetensors"), b"").unwrap();
    assert_eq!(names(both.path()), ["config.json", "model.safetensors", "tokenizer.json"], "ids stay what they were");
}

#[test]
fn a_pooling_that_the_graph_does_not_have_is_refused_and_not_replaced_by_the_mean() {
    let asks = |model: &ModelProto, mode: &str| {
        let folder = folder(model, None);
        let modules = r#"[{"type":"m.Transformer","path":""},{"type":"m.Pooling","path":"pool"}]"#;
        std::fs::create_dir(folder.path().join("pool")).unwrap();
        std::fs::write(folder.path().join("modules.json"), modules).unwrap();
        std::fs::write(folder.path().join("pool/config.json"), format!(r#"{{"pooling_mode":"{mode}"}}"#)).unwrap();
        ModelFolder::open(folder.path()).map_err(|error| error.to_string())
    };
    let (tokens, own) =
        (Tiny::default().build(), Tiny { output: (SENTENCE_EMBEDDING, &[0, 4]), ..Tiny::default() }.build());
    assert!(asks(&tokens, "mean").is_ok() && asks(&own, "cls").is_ok());
    let refused = asks(&tokens, "cls").unwrap_err();
    assert!(refused.contains("Cls") && refused.contains("sentence_embedding"), "{refused}");
}

proptest! {
    #[test]
    fn a_changed_file_is_read_or_refused_but_never_panics(at in 0.0f64..1.0, byte: u8) {
        let mut bytes = Tiny::default().build().encode_to_vec();
        let at = (bytes.len() as f64 * at) as usize;
        bytes[at] = byte;
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("model.onnx"), bytes).unwrap();
        if let Ok(opened) = ModelFolder::open(folder.path()) {
            let _ = opened.encoder(Storage::Inline);
        }
    }
}
