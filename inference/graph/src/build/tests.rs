//! Built graphs against Hugging Face transformers: `tests/data/generate.py` wrote the models and what they answer.

mod folder;

use std::path::{Path, PathBuf};

use ort::session::Session;
use ort::value::DynValue;
use serde::Deserialize;

use super::decoder::{LOGITS, POSITION_IDS, past, present};
use super::encoder::{POOLED, SENTENCE_EMBEDDING};
use super::*;
use crate::onnx::{DataType, Dim, ModelProto, ValueInfoProto};
use crate::testing::{floats, ints, session};

const TOLERANCE: f32 = 1e-5;

#[derive(Deserialize)]
pub(super) struct Encoded {
    pub(super) ids: Vec<Vec<i64>>,
    pub(super) mask: Vec<Vec<i64>>,
    pub(super) states: Vec<f32>,
    first: Vec<f32>,
}

#[derive(Deserialize)]
struct Decoded {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    ids: Vec<Vec<i64>>,
    mask: Vec<Vec<i64>>,
    logits: Vec<f32>,
}

pub(super) fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

pub(super) fn expected<T: serde::de::DeserializeOwned>(name: &str) -> T {
    serde_json::from_slice(&std::fs::read(data(name).join("expected.json")).unwrap()).unwrap()
}

pub(super) fn table(rows: &[Vec<i64>]) -> DynValue {
    ints(&[rows.len(), rows[0].len()], &rows.concat())
}

pub(super) fn run(session: &mut Session, inputs: &[(&str, DynValue)], output: &str) -> Vec<f32> {
    crate::testing::run(session, inputs, output).1
}

/// Makes a value in between an output.
pub(super) fn expose(model: &mut ModelProto, name: &str, rank: &'static [&'static str]) {
    let dims: Vec<Dim> = rank.iter().map(|symbol| Dim::Symbol(symbol)).collect();
    model.graph.as_mut().unwrap().output.push(ValueInfoProto::tensor(name, DataType::Float, &dims));
}

/// The largest difference over the rows of real tokens.
fn worst(ours: &[f32], theirs: &[f32], mask: &[Vec<i64>]) -> f32 {
    assert_eq!(ours.len(), theirs.len());
    let real = mask.concat();
    let width = ours.len() / real.len();
    let rows = ours.chunks(width).zip(theirs.chunks(width)).zip(real).filter(|(_, real)| *real == 1);
    rows.flat_map(|((a, b), _)| a.iter().zip(b)).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn encoders_answer_as_transformers_does() {
    for name in ["distilbert", "roberta"] {
        let folder = ModelFolder::open(&data(name)).unwrap();
        let expected: Encoded = expected(name);
        let mut model = folder.encoder(Storage::Inline).unwrap();
        expose(&mut model, &hidden(1), &["batch", "seq", "width"]);
        expose(&mut model, POOLED, &["batch", "width"]);
        let mut session = session(&model).unwrap();
        let inputs = [(INPUT_IDS, table(&expected.ids)), (ATTENTION_MASK, table(&expected.mask))];
        let states = run(&mut session, &inputs, LAST_HIDDEN_STATE);
        assert!(worst(&states, &expected.states, &expected.mask) < TOLERANCE, "{name}");
        let first = run(&mut session, &inputs, &hidden(1));
        assert!(worst(&first, &expected.first, &expected.mask) < TOLERANCE, "{name}");
        let unit = run(&mut session, &inputs, SENTENCE_EMBEDDING);
        let pooled = run(&mut session, &inputs, POOLED);
        let width = folder.hidden_size();
        for (row, (unit, pooled)) in unit.chunks(width).zip(pooled.chunks(width)).enumerate() {
            let tokens = expected.mask[row].iter().sum::<i64>() as usize;
            let rows = &states[row * width * expected.ids[0].len()..];
            let mean = |i: usize| (0..tokens).map(|t| rows[t * width + i]).sum::<f32>() / tokens as f32;
            let norm = pooled.iter().map(|x| x * x).sum::<f32>().sqrt();
            for i in 0..width {
                assert!((pooled[i] - mean(i)).abs() < TOLERANCE, "{name}");
                assert!((unit[i] - pooled[i] / norm).abs() < TOLERANCE, "{name}");
            }
        }
    }
}

const DECODERS: [&str; 3] = ["llama", "qwen2", "llama-sharded"];

#[test]
fn decoders_answer_as_transformers_does_whichever_side_is_padded() {
    for name in DECODERS {
        let folder = ModelFolder::open(&data(name)).unwrap();
        assert_eq!(folder.architecture(), Architecture::Llama);
        let mut full = session(&folder.decoder(Storage::Inline, DecoderForm::Full).unwrap()).unwrap();
        for case in expected::<Decoded>(name).cases {
            let inputs = [(INPUT_IDS, table(&case.ids)), (ATTENTION_MASK, table(&case.mask))];
            let logits = run(&mut full, &inputs, LOGITS);
            let worst = worst(&logits, &case.logits, &case.mask);
            assert!(worst < TOLERANCE, "{name}: {worst:e}");
        }
    }
}

/// A cache as the graph gives and takes it, with its mask.
struct Cache {
    parts: Vec<(String, Vec<i64>, Vec<f32>)>,
    mask: Vec<Vec<i64>>,
}

impl Cache {
    fn empty(config: &LlamaConfig, batch: usize) -> Self {
        let shape = vec![batch as i64, config.num_key_value_heads as i64, 0, config.head_dim as i64];
        let parts = (0..config.num_hidden_layers).flat_map(past).map(|name| (name, shape.clone(), Vec::new()));
        Self { parts: parts.collect(), mask: vec![Vec::new(); batch] }
    }

    /// Feeds new tokens; gives their logits.
    fn feed(&mut self, session: &mut Session, ids: &[Vec<i64>], mask: &[Vec<i64>]) -> Vec<f32> {
        let mut positions = Vec::new();
        for (all, new) in self.mask.iter_mut().zip(mask) {
            let seen = all.iter().sum::<i64>();
            let before = (0..new.len()).map(|i| seen + new[..i].iter().sum::<i64>());
            positions.push(before.collect::<Vec<_>>());
            all.extend(new);
        }
        let mut inputs =
            vec![(INPUT_IDS, table(ids)), (ATTENTION_MASK, table(&self.mask)), (POSITION_IDS, table(&positions))];
        for (name, shape, data) in &self.parts {
            let shape: Vec<usize> = shape.iter().map(|&size| size as usize).collect();
            inputs.push((name, floats(&shape, data)));
        }
        let names: Vec<String> = (0..self.parts.len() / 2).flat_map(present).collect();
        let inputs: Vec<(&str, ort::session::SessionInputValue<'_>)> =
            inputs.iter().map(|(name, value)| (*name, value.into())).collect();
        let outputs = session.run(inputs).unwrap();
        let logits = outputs[LOGITS].try_extract_tensor::<f32>().unwrap().1.to_vec();
        let kept: Vec<_> = names
            .iter()
            .map(|name| outputs[name.as_str()].try_extract_tensor::<f32>().unwrap())
            .map(|(shape, data)| (shape.to_vec(), data.to_vec()))
            .collect();
        drop(outputs);
        for (part, (shape, data)) in self.parts.iter_mut().zip(kept) {
            (part.1, part.2) = (shape, data);
        }
        logits
    }
}

fn columns(rows: &[Vec<i64>], range: std::ops::Range<usize>) -> Vec<Vec<i64>> {
    rows.iter().map(|row| row[range.clone()].to_vec()).collect()
}

#[test]
fn generation_with_a_cache_equals_the_whole_text_token_by_token() {
    for name in DECODERS {
        let folder = ModelFolder::open(&data(name)).unwrap();
        let config = folder.decoder_config().unwrap();
        let mut cached = session(&folder.decoder(Storage::Inline, DecoderForm::Cached).unwrap()).unwrap();
        for case in expected::<Decoded>(name).cases {
            let (batch, seq) = (case.ids.len(), case.ids[0].len());
            // A prompt of so many tokens at once, then one by one.
            for prompt in [1, 3, seq] {
                let mut cache = Cache::empty(config, batch);
                let mut logits = vec![Vec::new(); batch];
                let mut start = 0;
                for end in prompt..=seq {
                    let range = start..end;
                    let (ids, mask) = (columns(&case.ids, range.clone()), columns(&case.mask, range.clone()));
                    let new = cache.feed(&mut cached, &ids, &mask);
                    let row = new.len() / batch;
                    logits.iter_mut().zip(new.chunks(row)).for_each(|(all, new)| all.extend(new));
                    start = end;
                }
                let worst = worst(&logits.concat(), &case.logits, &case.mask);
                assert!(worst < TOLERANCE, "{name}, prompt {prompt}: {worst:e}");
            }
        }
    }
}

#[test]
fn weights_left_in_their_files_have_the_names_and_places_of_the_folder() {
    let folder = ModelFolder::open(&data("llama-sharded")).unwrap();
    let model = folder.decoder(Storage::Mapped, DecoderForm::Full).unwrap();
    let graph = model.graph.unwrap();
    let named = |name: &str| graph.initializer.iter().find(|tensor| tensor.name == name);
    let location = |name: &str| named(name).unwrap().external_data[0].value.clone();
    assert_eq!(location("embed_tokens.weight"), "model-00001-of-00002.safetensors");
    assert_eq!(location("lm_head.weight"), "model-00002-of-00002.safetensors");
    let defined = |name: &str| graph.node.iter().any(|node| node.output.iter().any(|output| output == name));
    assert!((0..=folder.layers()).all(|layer| defined(&hidden(layer))));
    assert!(!graph.node.iter().any(|node| node.op_type == "Identity"));
}

#[test]
fn a_decoder_whose_parameters_are_inputs_answers_as_the_one_that_holds_them() {
    for name in DECODERS {
        let folder = ModelFolder::open(&data(name)).unwrap();
        let config = folder.decoder_config().unwrap();
        let holding = folder.decoder(Storage::Inline, DecoderForm::Full).unwrap();
        let mut trainable = session(&config.decoder_trainable().unwrap()).unwrap();
        let case = &expected::<Decoded>(name).cases[0];
        let tensors = config.tensors();
        let parameter = |name: &str| {
            let bare = name.strip_prefix("model.").unwrap_or(name);
            let tensor = holding.graph.as_ref().unwrap().initializer.iter().find(|tensor| tensor.name == bare).unwrap();
            let raw = tensor.raw_data.as_ref().unwrap();
            raw.chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect::<Vec<_>>()
        };
        let mut inputs = vec![(INPUT_IDS, table(&case.ids)), (ATTENTION_MASK, table(&case.mask))];
        inputs.extend(tensors.iter().map(|(name, shape)| (name.as_str(), floats(shape, &parameter(name)))));
        let logits = run(&mut trainable, &inputs, LOGITS);
        assert!(worst(&logits, &case.logits, &case.mask) < TOLERANCE, "{name}");
    }
}

#[test]
fn a_folder_that_is_not_what_its_configuration_says_is_refused_by_the_tensors_name() {
    let folder = tempfile::tempdir().unwrap();
    for file in ["config.json", "model.safetensors"] {
        std::fs::copy(data("llama").join(file), folder.path().join(file)).unwrap();
    }
    let config = std::fs::read_to_string(folder.path().join("config.json")).unwrap();
    let open = |config: String| {
        std::fs::write(folder.path().join("config.json"), config).unwrap();
        ModelFolder::open(folder.path())
    };
    let decoder = |config: String| open(config).and_then(|folder| folder.decoder(Storage::Inline, DecoderForm::Full));
    let deeper = decoder(config.replace("\"num_hidden_layers\": 2", "\"num_hidden_layers\": 3"));
    assert!(matches!(deeper, Err(BuildError::MissingTensor(name)) if name.starts_with("layers.2.")));
    let wider = decoder(config.replace("\"vocab_size\": 40", "\"vocab_size\": 41"));
    assert!(matches!(wider, Err(BuildError::WrongShape { name, .. }) if name == "model.embed_tokens.weight"));
    let encoder = open(config.clone()).unwrap().encoder(Storage::Inline);
    assert!(matches!(encoder, Err(BuildError::WrongKind { .. })));
    std::fs::remove_file(folder.path().join("model.safetensors")).unwrap();
    assert!(matches!(open(config), Err(BuildError::Read { .. })));
}
