//! Adapters as files: against PEFT's own, against ONNX Runtime's loader, and hostile ones.

use std::path::{Path, PathBuf};

use ort::memory::Allocator;
use ort::session::{Adapter as Loaded, RunOptions};
use proptest::prelude::*;
use serde::Deserialize;

use super::*;
use crate::adapt::{AdaptSpec, Adapted, Binding, adapt};
use crate::build::{ATTENTION_MASK, Architecture, DecoderForm, INPUT_IDS, LAST_HIDDEN_STATE, ModelFolder, Storage};
use crate::testing::{floats, ints, run, session};

#[derive(Deserialize)]
struct Expected {
    base: String,
    ids: Vec<Vec<i64>>,
    mask: Vec<Vec<i64>>,
    values: Vec<f32>,
}

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

/// The base graph with slots for exactly the adapter's modules, and the name of its output.
fn graph(base: &str, adapter: &Adapter, scale: f32) -> (Adapted, &'static str) {
    let folder = ModelFolder::open(&data(base)).unwrap();
    let (model, output) = match folder.architecture() {
        Architecture::Llama => (folder.decoder(Storage::Inline, DecoderForm::Full), "logits"),
        _ => (folder.encoder(Storage::Inline), LAST_HIDDEN_STATE),
    };
    let targets = adapter.modules.keys().cloned().collect();
    let spec = AdaptSpec { targets, layers: None, binding: Binding::Shared, scale };
    (adapt(&model.unwrap(), &spec).unwrap(), output)
}

/// What the adapted base answers.
fn answer(adapter: &Adapter, expected: &Expected) -> Vec<f32> {
    let (adapted, output) = graph(&expected.base, adapter, adapter.scale());
    adapter.fits(&adapted.slots).unwrap();
    let shape = [expected.ids.len(), expected.ids[0].len()];
    let mut inputs = vec![
        (INPUT_IDS, ints(&shape, &expected.ids.concat())),
        (ATTENTION_MASK, ints(&shape, &expected.mask.concat())),
    ];
    for slot in &adapted.slots {
        let pair = &adapter.modules[&slot.module];
        inputs.push((&slot.a, floats(&[pair.in_features, adapter.rank], &pair.graph_a())));
        inputs.push((&slot.b, floats(&[adapter.rank, pair.out_features], &pair.graph_b(1.0))));
    }
    run(&mut session(&adapted.model).unwrap(), &inputs, output).1
}

fn close(ours: &[f32], expected: &Expected) {
    assert_eq!(ours.len(), expected.values.len());
    let real = expected.mask.concat();
    let width = ours.len() / real.len();
    for (row, real) in real.into_iter().enumerate().filter(|(_, real)| *real == 1) {
        for (a, b) in ours[row * width..].iter().zip(&expected.values[row * width..]).take(width) {
            assert!((a - b).abs() < 2e-5 * real as f32, "{a} {b}");
        }
    }
}

fn expected(name: &str) -> Expected {
    serde_json::from_slice(&std::fs::read(data(name).join("expected.json")).unwrap()).unwrap()
}

#[test]
fn an_adapter_that_peft_saved_answers_here_as_it_does_there() {
    for (name, modules, targets, alpha, saved) in
        [("roberta-adapter", 6, 3, 6.0, 4), ("llama-adapter", 14, 14, 16.0, 0)]
    {
        let adapter = peft::read(&data(name)).unwrap();
        assert_eq!((adapter.rank, adapter.alpha), (4, alpha), "{name}");
        let found = (adapter.modules.len(), adapter.targets.len(), adapter.saved.len());
        assert_eq!(found, (modules, targets, saved), "{name}");
        let expected = expected(name);
        close(&answer(&adapter, &expected), &expected);
    }
}

/// Reproducible numbers, exact in 16 bits.
fn numbers(seed: usize, count: usize) -> Vec<f32> {
    (0..count).map(|i| ((i * 37 + seed * 101) % 129) as f32 / 256.0 - 0.25).collect()
}

fn pair(seed: usize, in_features: usize, out_features: usize) -> LoraPair {
    LoraPair { a: numbers(seed, 2 * in_features), b: numbers(seed + 1, 2 * out_features), in_features, out_features }
}

fn made(base: &str, modules: &[(&str, usize, usize)]) -> Adapter {
    let pairs = modules.iter().enumerate();
    let modules: BTreeMap<_, _> =
        pairs.map(|(i, (module, input, output))| ((*module).to_owned(), pair(i, *input, *output))).collect();
    let targets = modules.keys().cloned().collect();
    Adapter { base: base.to_owned(), rank: 2, alpha: 4.0, targets, modules, saved: BTreeMap::new() }
}

fn for_distilbert() -> Adapter {
    let mut adapter = made(
        "distilbert",
        &[("transformer.layer.0.attention.q_lin", 16, 16), ("transformer.layer.1.ffn.lin1", 16, 24)],
    );
    let saved = [("classifier.weight", vec![3, 16]), ("classifier.bias", vec![3])].map(|(name, shape)| {
        let data = numbers(9, shape.iter().product());
        (name.to_owned(), DenseTensor { shape, data })
    });
    adapter.saved.extend(saved);
    adapter
}

fn for_llama() -> Adapter {
    made("llama", &[("layers.0.self_attn.q_proj", 16, 32), ("layers.1.mlp.down_proj", 24, 16), ("lm_head", 16, 40)])
}

#[test]
fn an_adapter_written_here_answers_in_peft_as_it_does_here() {
    for (name, adapter) in [("distilbert-written", for_distilbert()), ("llama-written", for_llama())] {
        let folder = tempfile::tempdir().unwrap();
        peft::write(&adapter, folder.path()).unwrap();
        assert_eq!(peft::read(folder.path()).unwrap(), adapter, "{name}");
        if std::env::var_os("UPDATE_FIXTURES").is_some() {
            peft::write(&adapter, &data(name)).unwrap();
            continue;
        }
        for file in [peft::CONFIG, peft::TENSORS] {
            let same =
                std::fs::read(folder.path().join(file)).unwrap() == std::fs::read(data(name).join(file)).unwrap();
            assert!(same, "{name}/{file} is what PEFT was given");
        }
        let expected = expected(name);
        close(&answer(&adapter, &expected), &expected);
    }
}

#[test]
fn both_forms_of_an_adapter_hold_the_same_numbers() {
    for adapter in [for_distilbert(), for_llama()] {
        let read = onnx_adapter::read(&onnx_adapter::write(&adapter).unwrap()).unwrap();
        assert_eq!((read.rank, read.scale()), (2, 1.0));
        for (module, pair) in &adapter.modules {
            assert_eq!(read.modules[module].graph_a(), pair.graph_a());
            assert_eq!(read.modules[module].graph_b(read.scale()), pair.graph_b(adapter.scale()));
        }
        let folder = tempfile::tempdir().unwrap();
        peft::write(&read, folder.path()).unwrap();
        assert_eq!(peft::read(folder.path()).unwrap(), read);
    }
}

#[test]
fn onnx_runtime_itself_loads_what_is_written_and_gives_the_same_answer() {
    let (adapter, expected) = (for_llama(), expected("llama-written"));
    let (adapted, output) = graph(&expected.base, &adapter, 1.0);
    let mut session = session(&adapted.model).unwrap();
    let bytes = onnx_adapter::write(&adapter).unwrap();
    let loaded = Loaded::from_memory(&bytes, None::<&Allocator>).unwrap();
    let mut options = RunOptions::new().unwrap();
    options.add_adapter(&loaded).unwrap();
    let shape = [expected.ids.len(), expected.ids[0].len()];
    let ids = ints(&shape, &expected.ids.concat());
    let mask = ints(&shape, &expected.mask.concat());
    let outputs = session.run_with_options(ort::inputs![INPUT_IDS => ids, ATTENTION_MASK => mask], &options).unwrap();
    let values = outputs[output].try_extract_tensor::<f32>().unwrap().1;
    close(values, &expected);
    assert_eq!(values, answer(&adapter, &expected), "to the bit");
}

#[test]
fn numbers_that_are_not_finite_and_sizes_that_disagree_are_refused() {
    let broken: [fn(&mut Adapter); 8] = [
        |a| a.rank = 0,
        |a| a.rank = 3,
        |a| a.rank = usize::MAX,
        |a| a.alpha = f32::NAN,
        |a| a.modules.clear(),
        |a| a.modules.get_mut("lm_head").unwrap().a[3] = f32::INFINITY,
        |a| a.modules.get_mut("lm_head").unwrap().in_features = 0,
        |a| drop(a.saved.insert("x".to_owned(), DenseTensor { shape: vec![usize::MAX, 2], data: vec![0.0] })),
    ];
    for (number, broken) in broken.iter().enumerate() {
        let mut adapter = for_llama();
        broken(&mut adapter);
        assert!(adapter.check().is_err(), "{number}");
        let folder = tempfile::tempdir().unwrap();
        assert!(peft::write(&adapter, folder.path()).is_err(), "{number}");
        assert!(onnx_adapter::write(&adapter).is_err(), "{number}");
    }
}

#[test]
fn an_adapter_of_another_model_does_not_fit() {
    let (adapted, _) = graph("llama", &for_llama(), 1.0);
    let mut other = for_llama();
    other.modules.insert("layers.7.self_attn.q_proj".to_owned(), pair(0, 16, 32));
    assert!(matches!(other.fits(&adapted.slots), Err(AdapterError::Misfit { found: None, .. })));
    other = for_llama();
    other.modules.insert("lm_head".to_owned(), pair(0, 16, 41));
    assert!(matches!(other.fits(&adapted.slots), Err(AdapterError::Misfit { found: Some([16, 40]), .. })));
}

/// A PEFT folder with these tensors.
fn folder(tensors: &[(&str, &[usize], &[f32])]) -> tempfile::TempDir {
    use safetensors::tensor::{Dtype, TensorView};
    let folder = tempfile::tempdir().unwrap();
    peft::write(&for_llama(), folder.path()).unwrap();
    let bytes: Vec<Vec<u8>> = tensors.iter().map(|(_, _, data)| numbers::little_endian(data)).collect();
    let views = tensors.iter().zip(&bytes);
    let views =
        views.map(|((name, shape, _), bytes)| (*name, TensorView::new(Dtype::F32, shape.to_vec(), bytes).unwrap()));
    std::fs::write(folder.path().join(peft::TENSORS), safetensors::serialize(views, None).unwrap()).unwrap();
    folder
}

#[test]
fn folders_that_hold_something_else_are_refused() {
    let (a, b) = ("base_model.model.x.lora_A.weight", "base_model.model.x.lora_B.weight");
    let read = |tensors: &[(&str, &[usize], &[f32])]| peft::read(folder(tensors).path());
    let (numbers, row, column): (&[f32], &[usize], &[usize]) = (&[1.0, 2.0], &[2, 1], &[1, 2]);
    assert!(read(&[(a, row, numbers), (b, column, numbers)]).is_ok());
    assert!(matches!(read(&[(a, row, numbers)]), Err(AdapterError::Unpaired(_))));
    assert!(matches!(read(&[(a, &[2], numbers), (b, column, numbers)]), Err(AdapterError::Shape { .. })));
    assert!(matches!(read(&[(a, column, numbers), (b, row, numbers)]), Err(AdapterError::Shape { .. })), "rank");
    assert!(matches!(read(&[(a, row, &[1.0, f32::NAN]), (b, column, numbers)]), Err(AdapterError::NotFinite(_))));
    let again = "base_model.model.bert.x.lora_A.weight";
    assert!(matches!(read(&[(a, row, numbers), (again, row, numbers)]), Err(AdapterError::Duplicate(_))));
    let odd = "base_model.model.x.lora_magnitude_vector.weight";
    assert!(matches!(read(&[(odd, row, numbers)]), Err(AdapterError::Unsupported(_))));
    assert!(matches!(read(&[("x.lora_A.weight", row, numbers)]), Err(AdapterError::UnknownName(_))));
    let missing = tempfile::tempdir().unwrap();
    assert!(matches!(peft::read(missing.path()), Err(AdapterError::File { .. })));
}

#[test]
fn an_onnx_adapter_with_a_stranger_or_a_twin_among_its_parameters_is_refused() {
    let bytes = onnx_adapter::write(&for_llama()).unwrap();
    let replaced = |from: &str, to: &str| {
        assert_eq!(from.len(), to.len());
        let at = bytes.windows(from.len()).position(|window| window == from.as_bytes()).unwrap();
        let mut bytes = bytes.clone();
        bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
        onnx_adapter::read(&bytes)
    };
    assert!(matches!(replaced("lora.lm_head.A", "LoRA.lm_head.A"), Err(AdapterError::UnknownName(_))));
    assert!(matches!(replaced("lora.lm_head.A", "lora.lm_head.C"), Err(AdapterError::Unpaired(_))));
    assert!(matches!(replaced("lora.lm_head.A", "lora.lm_head.B"), Err(AdapterError::Duplicate(_))));
    assert!(matches!(replaced("TORT", "TART"), Err(AdapterError::Damaged(_))));
    for length in 0..bytes.len() {
        assert!(onnx_adapter::read(&bytes[..length]).is_err(), "{length} bytes");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn garbage_is_no_adapter_and_never_a_panic(tail in proptest::collection::vec(any::<u8>(), 0..256), real in any::<bool>()) {
        let head: &[u8] = if real { &[20, 0, 0, 0, b'T', b'O', b'R', b'T'] } else { &[] };
        prop_assert!(onnx_adapter::read(&[head, &tail].concat()).is_err());
    }

    #[test]
    fn a_damaged_onnx_adapter_is_read_or_refused_but_never_panics(at in 0usize..400, byte in any::<u8>(), seed in any::<usize>()) {
        let mut bytes = onnx_adapter::write(&for_llama()).unwrap();
        bytes[at] = byte;
        let other = seed % bytes.len();
        bytes[other] ^= 0x80;
        if let Ok(adapter) = onnx_adapter::read(&bytes) {
            prop_assert!(adapter.check().is_ok());
        }
    }

    #[test]
    fn a_damaged_peft_folder_is_read_or_refused_but_never_panics(at in 0usize..1200, byte in any::<u8>()) {
        let folder = tempfile::tempdir().unwrap();
        peft::write(&for_llama(), folder.path()).unwrap();
        let path = folder.path().join(peft::TENSORS);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[at] = byte;
        std::fs::write(&path, bytes).unwrap();
        if let Ok(adapter) = peft::read(folder.path()) {
            prop_assert!(adapter.check().is_ok());
        }
    }
}
