//! The service with the real library and the real model.

mod embedding;

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use datanet_data::Embedding;
use prost::Message;

use super::network::Network;
use super::testing::{adapter, numbers, slots};
use super::*;
use crate::graph::GraphBuilder;
use crate::graph::adapt::LoraSlot;
use crate::graph::adapter::{Adapter, DenseTensor};
use crate::graph::build::{ModelFolder, Storage};
use crate::graph::quantise::Precision;
use crate::onnx::{DataType, Dim, TensorProto};
use crate::runtime::{Device, Locations, RuntimeError};

const HIDDEN: usize = 384;

/// The model and the library, or `None` after saying loudly that a test is skipped; where they are required, a failure.
fn installed() -> Option<(Locations, Runtime)> {
    let found = Locations::from_env().and_then(|locations| locations.check().map(|()| locations));
    match found {
        Ok(locations) => {
            let runtime = Runtime::init(&locations.dylib).unwrap();
            Some((locations, runtime))
        }
        Err(error) => {
            let required = ["CI", "DATANET_REQUIRE_MODEL"].iter().any(|key| std::env::var_os(key).is_some());
            assert!(!required, "the model is required here: {error}");
            eprintln!("\n*** SKIPPED: {error} ***\n");
            None
        }
    }
}

fn config() -> Option<(EncoderConfig, Runtime)> {
    let (locations, runtime) = installed()?;
    Some((EncoderConfig::new(EncoderSource::Folder(locations.model)), runtime))
}

/// One service for all tests that need no settings of their own.
fn service() -> Option<EncoderHandle> {
    static SERVICE: OnceLock<Option<EncoderHandle>> = OnceLock::new();
    let start = || config().map(|(config, runtime)| EncoderService::spawn(&runtime, config).unwrap());
    SERVICE.get_or_init(start).clone()
}

fn query_and_value() -> Vec<LoraSlot> {
    let names = ["encoder.layer.{}.attention.self.query", "encoder.layer.{}.attention.self.value"];
    slots(6, names, [[HIDDEN; 2]; 2])
}

fn random(rank: usize, seed: u64) -> Arc<Adapter> {
    Arc::new(adapter(&query_and_value(), rank, seed))
}

fn key(test: u8, number: usize) -> AdapterKey {
    AdapterKey([test, number as u8].repeat(16).try_into().unwrap())
}

fn text(number: usize) -> String {
    format!("text number {number} about peers and data")
}

fn request(text: &str, adapter: Option<AdapterKey>) -> EncodeRequest {
    EncodeRequest { adapter, ..vec![text.to_owned()].into() }
}

fn unit(vector: &[f32]) -> Embedding {
    Embedding::normalised(vector).unwrap()
}

fn difference(a: &[f32], b: &[f32]) -> f32 {
    unit(a).max_difference(&unit(b))
}

async fn one(service: &EncoderHandle, text: &str, adapter: Option<AdapterKey>) -> Vec<f32> {
    service.run(request(text, adapter)).await.unwrap().vectors.remove(0)
}

#[tokio::test]
async fn means_at_unit_length_are_the_unit_vectors_of_the_graph() {
    let (Some(service), Some((locations, runtime))) = (service(), installed()) else { return };
    let embedder = EncoderService::spawn(&runtime, EncoderConfig::embedder(locations.model)).unwrap();
    let texts: Vec<String> = (0..20).map(text).collect();
    let (ours, usage) = service.embed(texts.clone()).await.unwrap();
    let (theirs, expected) = embedder.embed(texts).await.unwrap();
    assert_eq!(usage, expected);
    for (a, b) in ours.iter().zip(&theirs) {
        assert!(a.max_difference(b) <= SAME_MACHINE_TOLERANCE, "{}", a.max_difference(b));
    }
}

#[tokio::test]
async fn thirty_two_mixed_adapters_give_what_each_gives_alone() {
    let Some((config, runtime)) = config() else { return };
    let service = EncoderService::spawn(&runtime, config).unwrap();
    let mut mixed = vec![(text(0), None)];
    for number in 1..=32 {
        let rank = [2, 4, 8][number % 3];
        service.load_adapter(key(1, number), random(rank, number as u64), Vec::new()).await.unwrap();
        mixed.push((text(number % 10), Some(key(1, number))));
    }
    let together = service.run_mixed(mixed.clone()).await.unwrap();
    let mut worst = 0.0f32;
    for ((text, adapter), vector) in mixed.iter().zip(&together) {
        let alone = one(&service, text, *adapter).await;
        assert_eq!(alone, one(&service, text, *adapter).await, "the same batch gives the same bytes");
        worst = worst.max(difference(&alone, vector));
        if adapter.is_some() {
            let base = one(&service, text, None).await;
            assert!(difference(&base, vector) > 1e-3, "the adapter makes a difference");
        }
    }
    eprintln!("largest difference between alone and among 33 with 32 adapters: {worst:e}");
    assert!(worst <= SAME_MACHINE_TOLERANCE, "{worst:e}");
}

#[tokio::test]
async fn the_base_model_is_the_same_before_and_after_adapters_come() {
    let Some((config, runtime)) = config() else { return };
    let service = EncoderService::spawn(&runtime, config).unwrap();
    let before = one(&service, &text(1), None).await;
    service.load_adapter(key(2, 1), random(4, 1), Vec::new()).await.unwrap();
    assert!(difference(&before, &one(&service, &text(1), None).await) <= SAME_MACHINE_TOLERANCE);
    let more = slots(
        6,
        ["encoder.layer.{}.intermediate.dense", "encoder.layer.{}.attention.self.key"],
        [[HIDDEN, 4 * HIDDEN], [HIDDEN, HIDDEN]],
    );
    let with_one = one(&service, &text(1), Some(key(2, 1))).await;
    service.load_adapter(key(2, 2), Arc::new(adapter(&more, 4, 9)), Vec::new()).await.unwrap();
    assert!(difference(&before, &one(&service, &text(1), None).await) <= SAME_MACHINE_TOLERANCE);
    let again = one(&service, &text(1), Some(key(2, 1))).await;
    assert!(difference(&with_one, &again) <= SAME_MACHINE_TOLERANCE, "new modules leave old adapters alone");
    assert!(difference(&before, &one(&service, &text(1), Some(key(2, 2))).await) > 1e-3);
}

#[tokio::test]
async fn more_adapters_than_the_bank_holds_take_turns() {
    let Some((config, runtime)) = config() else { return };
    let service = EncoderService::spawn(&runtime, EncoderConfig { bank_slots: 2, ..config }).unwrap();
    for number in 1..=5 {
        let rank = if number == 5 { 20 } else { 4 };
        service.load_adapter(key(3, number), random(rank, number as u64), Vec::new()).await.unwrap();
    }
    let mixed: Vec<_> = (0..20).map(|at| (text(1), Some(key(3, 1 + at % 5)))).collect();
    let vectors = service.run_mixed(mixed.clone()).await.unwrap();
    for (at, vector) in vectors.iter().enumerate() {
        assert!(difference(vector, &vectors[at % 5]) <= SAME_MACHINE_TOLERANCE, "{at}");
    }
    assert!(difference(&vectors[0], &vectors[1]) > 1e-3);
    assert!(service.unload(&key(3, 1)));
    let gone = service.run(request("x", Some(key(3, 1)))).await;
    assert!(matches!(gone, Err(ServeError::UnknownAdapter(_))));
    assert_eq!(service.adapters().len(), 4);
}

#[tokio::test]
async fn an_adapter_that_does_not_fit_is_refused_and_nothing_else_changes() {
    let Some(service) = service() else { return };
    let before = one(&service, &text(3), None).await;
    let narrow = slots(6, ["encoder.layer.{}.attention.self.query"; 2], [[16, 16]; 2]);
    let unknown = slots(1, ["encoder.layer.{}.attention.self.nothing"; 2], [[HIDDEN; 2]; 2]);
    let mut headed = adapter(&query_and_value(), 2, 1);
    let head = DenseTensor { shape: vec![2, 7], data: vec![0.0; 14] };
    headed.saved.insert("classifier.weight".to_owned(), head);
    for wrong in [adapter(&narrow, 2, 1), adapter(&unknown, 2, 1), adapter(&query_and_value(), 65, 1), headed] {
        let error = service.load_adapter(key(4, 1), Arc::new(wrong), Vec::new()).await.unwrap_err();
        let misfit = matches!(error, ServeError::Adapter(_) | ServeError::Adapt(_) | ServeError::Head(_));
        assert!(misfit || matches!(error, ServeError::Rank { .. }), "{error}");
        assert!(!error.is_fatal());
    }
    assert!(difference(&before, &one(&service, &text(3), None).await) <= SAME_MACHINE_TOLERANCE);
}

fn classifier(seed: u64, classes: usize) -> Adapter {
    let mut classifier = adapter(&query_and_value(), 8, seed);
    let tensor = |shape: Vec<usize>, seed| {
        let data = numbers(seed, shape.iter().product());
        DenseTensor { shape, data }
    };
    classifier.saved = BTreeMap::from([
        ("classifier.weight".to_owned(), tensor(vec![classes, HIDDEN], seed)),
        ("classifier.bias".to_owned(), tensor(vec![classes], seed + 1)),
    ]);
    classifier
}

#[tokio::test]
async fn a_classifier_says_its_labels_logits_and_probabilities() {
    let Some(service) = service() else { return };
    let labels: Vec<String> = ["a", "b", "c"].map(str::to_owned).to_vec();
    let adapter = Arc::new(classifier(5, 3));
    service.load_adapter(key(5, 1), adapter.clone(), labels.clone()).await.unwrap();
    let said = service.classify(request(&text(1), Some(key(5, 1)))).await.unwrap();
    let vector = one(&service, &text(1), Some(key(5, 1))).await;
    let expected = Head::of(&adapter, labels.clone()).unwrap().unwrap().classify(&vector);
    assert_eq!((said.answers[0].label, &said.labels), (expected.label, &labels));
    assert!((said.answers[0].probabilities.iter().sum::<f32>() - 1.0).abs() < 1e-6);
    assert!(said.answers[0].logits.iter().zip(&expected.logits).all(|(a, b)| (a - b).abs() < 1e-4));
    assert!(matches!(service.classify(request("x", None)).await, Err(ServeError::NoHead)));
}

#[tokio::test]
async fn unit_vectors_are_not_for_heads() {
    let Some((locations, runtime)) = installed() else { return };
    let embedder = EncoderService::spawn(&runtime, EncoderConfig::embedder(locations.model)).unwrap();
    let refused = embedder.load_adapter(key(8, 1), Arc::new(classifier(1, 2)), Vec::new()).await;
    assert!(matches!(refused, Err(ServeError::Head(_))), "{refused:?}");
    embedder.load_adapter(key(8, 2), random(4, 1), Vec::new()).await.unwrap();
    let (vectors, _) = embedder.embed(request("words", Some(key(8, 2)))).await.unwrap();
    assert!((vectors[0].dot(&vectors[0]) - 1.0).abs() < 1e-4);
}

#[tokio::test]
async fn a_poisoned_text_fails_alone() {
    let Some(service) = service() else { return };
    let texts = vec![vec![101, 2_000, 102, 0], vec![101, 9_999_999, 102, 0], vec![101, 3_000, 102, 0]];
    let mut replies = Vec::new();
    for reply in service.submit_ids(texts).unwrap() {
        replies.push(reply.await.unwrap());
    }
    assert!(matches!(replies[1], Err(ServeError::Runtime(_))), "{:?}", replies[1]);
    assert!(replies[0].is_ok() && replies[2].is_ok());
}

#[tokio::test]
async fn an_adapter_that_explodes_fails_its_own_texts_only() {
    let Some(service) = service() else { return };
    let mut wild = adapter(&query_and_value(), 2, 1);
    wild.modules.values_mut().for_each(|pair| pair.b.iter_mut().for_each(|number| *number = 3e38));
    service.load_adapter(key(7, 1), Arc::new(wild), Vec::new()).await.unwrap();
    let wild = service.run(request(&text(1), Some(key(7, 1)))).await;
    assert!(matches!(wild, Err(ServeError::Output(_))), "{wild:?}");
    one(&service, &text(1), None).await;
}

#[tokio::test]
async fn a_full_queue_is_an_overload_and_callers_who_leave_give_their_room_back() {
    let Some((config, runtime)) = config() else { return };
    let service = EncoderService::spawn(&runtime, EncoderConfig { queue_depth: 8, ..config }).unwrap();
    let many = |count: usize| EncodeRequest { long: Long::Cut, ..vec!["word ".repeat(300); count].into() };
    assert!(matches!(service.run(many(9)).await, Err(ServeError::TooManyTexts { texts: 9, limit: 8 })));
    let busy = tokio::spawn({
        let (service, request) = (service.clone(), many(8));
        async move { service.run(request).await }
    });
    // The other call takes its room when it is first polled, which is now.
    tokio::task::yield_now().await;
    let overload = service.run(many(1)).await.unwrap_err();
    assert!(overload.is_overload(), "{overload}");
    busy.abort();
    // What was left behind is dropped when its turn comes, and its room given back.
    while let Err(error) = service.run(many(8)).await {
        assert!(error.is_overload(), "{error}");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_model_that_comes_as_an_onnx_file_is_served() {
    let (Some(service), Some((locations, runtime))) = (service(), installed()) else { return };
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("minilm.onnx");
    let graph = ModelFolder::open(&locations.model).unwrap().encoder(Storage::Inline).unwrap();
    std::fs::write(&model, graph.encode_to_vec()).unwrap();
    let tokenizer = locations.model.join("tokenizer.json");
    let source = EncoderSource::Onnx { model, tokenizer, labels: Vec::new() };
    let onnx = EncoderService::spawn(&runtime, EncoderConfig::new(source)).unwrap();
    assert_eq!((onnx.model().dimensions, onnx.model().name.as_str()), (HIDDEN, "minilm"));
    let difference = difference(&one(&onnx, &text(1), None).await, &one(&service, &text(1), None).await);
    assert!(difference <= SAME_MACHINE_TOLERANCE, "its own sentence_embedding is read: {difference:e}");
}

/// A classifier of two classes: the mean of a row of two numbers for each token.
fn tiny_classifier() -> Vec<u8> {
    let mut graph = GraphBuilder::new("tiny", 20);
    let tokens = [Dim::Symbol("batch"), Dim::Symbol("seq")];
    let ids = graph.input("input_ids", DataType::Int64, &tokens);
    let mask = graph.input("attention_mask", DataType::Int64, &tokens);
    let types = graph.input("token_type_ids", DataType::Int64, &tokens);
    let table: Vec<u8> = numbers(1, 2 * 30_522).into_iter().flat_map(f32::to_le_bytes).collect();
    let table = graph.initializer(TensorProto::from_raw("table", DataType::Float, &[30_522, 2], table.into()));
    let rows = graph.gather(&table, &ids, 0);
    let weights = graph.add(&mask, &types);
    let weights = graph.cast(&weights, DataType::Float);
    let weights = graph.unsqueeze(&weights, &[-1]);
    let rows = graph.mul(&rows, &weights);
    let sum = graph.reduce_sum(&rows, &[1], false);
    graph.output(&sum, "logits", DataType::Float, &[Dim::Symbol("batch"), Dim::Size(2)]);
    graph.finish().encode_to_vec()
}

#[tokio::test]
async fn an_onnx_classifier_classifies_without_an_adapter() {
    let Some((locations, runtime)) = installed() else { return };
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("tiny.onnx");
    std::fs::write(&model, tiny_classifier()).unwrap();
    let start = |labels: &[&str]| {
        let labels = labels.iter().map(|label| (*label).to_owned()).collect();
        let tokenizer = locations.model.join("tokenizer.json");
        EncoderService::spawn(
            &runtime,
            EncoderConfig::new(EncoderSource::Onnx { model: model.clone(), tokenizer, labels }),
        )
    };
    let service = start(&["no", "yes"]).unwrap();
    let said = service.classify(request("data", None)).await.unwrap();
    let table = numbers(1, 2 * 30_522);
    // [CLS] data [SEP]
    let row = |class: usize| [101, 2_951, 102].map(|id: usize| table[2 * id + class]).iter().sum::<f32>();
    assert_eq!(said.labels, ["no", "yes"]);
    assert!((said.answers[0].logits[0] - row(0)).abs() < 1e-5 && (said.answers[0].logits[1] - row(1)).abs() < 1e-5);
    assert!(matches!(start(&["one"]), Err(ServeError::Onnx(_))));
}

#[test]
fn what_is_no_usable_onnx_file_is_refused() {
    let Some((locations, runtime)) = installed() else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut other = GraphBuilder::new("other", 20);
    let x = other.input("x", DataType::Float, &[Dim::Symbol("n")]);
    other.output(&x, "y", DataType::Float, &[Dim::Symbol("n")]);
    let whole = tiny_classifier();
    for bytes in [&b"garbage"[..], &other.finish().encode_to_vec(), &whole[..whole.len() / 2]] {
        let model = folder.path().join("bad.onnx");
        std::fs::write(&model, bytes).unwrap();
        let tokenizer = locations.model.join("tokenizer.json");
        let source = EncoderSource::Onnx { model, tokenizer, labels: Vec::new() };
        let error = EncoderService::spawn(&runtime, EncoderConfig::new(source)).unwrap_err();
        assert!(matches!(error, ServeError::Model(_)), "{error}");
    }
}

#[test]
fn the_processor_takes_over_from_a_lost_device_and_says_so() {
    let Some((config, runtime)) = config() else { return };
    let opened = source::open(&config).unwrap();
    let (mut network, tokenizer, _) = Network::load(&runtime, opened, &config).unwrap();
    let adapter = random(4, 1);
    network.session.cover(&adapter).unwrap();
    let loaded = Loaded::new(adapter).unwrap();
    let ids = tokenizer.encode("some words", Long::Refuse).unwrap();
    let run = |network: &mut Network| network.run(&[&ids], &[Some(&loaded)]).unwrap().remove(0).unwrap();
    let before = run(&mut network);
    network.session.recover(&RuntimeError::Lost("the GPU fell off the bus".to_owned())).unwrap();
    assert_eq!(run(&mut network), before);
    let provider = network.session.provider().borrow().clone();
    assert_eq!(provider.running, Device::Cpu);
    assert!(provider.fallback.unwrap().contains("fell off"));
}

#[test]
fn settings_without_sense_are_refused() {
    let Some((good, runtime)) = config() else { return };
    for bad in [
        EncoderConfig { bank_slots: 0, ..good.clone() },
        EncoderConfig { max_batch_tokens: 0, ..good.clone() },
        EncoderConfig { threads: 5_000, ..good.clone() },
        EncoderConfig { queue_depth: usize::MAX, ..good },
    ] {
        assert!(matches!(EncoderService::spawn(&runtime, bad), Err(ServeError::Config(_))));
    }
}

#[tokio::test]
async fn eight_bits_say_nearly_what_floats_say_with_adapters_too() {
    let (Some(float), Some((config, runtime))) = (service(), config()) else { return };
    let small = EncoderService::spawn(&runtime, EncoderConfig { precision: Precision::Int8, ..config }).unwrap();
    let mut mixed = vec![(text(0), None)];
    for number in 1..=4 {
        for service in [&float, &small] {
            service.load_adapter(key(9, number), random(4, number as u64), Vec::new()).await.unwrap();
        }
        mixed.push((text(number), Some(key(9, number))));
    }
    let together = small.run_mixed(mixed.clone()).await.unwrap();
    for ((text, adapter), vector) in mixed.iter().zip(&together) {
        let cosine = unit(vector).dot(&unit(&one(&float, text, *adapter).await));
        assert!(cosine > 0.97, "{text} {cosine}");
        assert_ne!(vector, &one(&float, text, *adapter).await, "it is another form of the model");
        let alone = one(&small, text, *adapter).await;
        assert!(difference(&alone, vector) <= 1e-3, "a rounding that falls otherwise: {}", difference(&alone, vector));
    }
}
