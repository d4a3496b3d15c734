//! Models that others have exported to ONNX: put up as they are, and adapted as bases.

use std::path::{Path, PathBuf};

use datanet_inference::graph::GraphBuilder;
use datanet_inference::graph::build::{ModelFolder, Storage};
use datanet_inference::onnx;
use prost::Message;
use reqwest::Method;
use serde_json::{Value, json};

use crate::cli;
use crate::factory::{prepared, small_job, trained};
use crate::kit::{TestNode, read, refused};
use onnx::{DataType, Dim, ModelProto, TensorProto};

#[path = "../../../inference/graph/tests/support/exported.rs"]
mod support;

/// Tokens that the embedding model's tokenizer knows.
const TOKENS: i64 = 30_522;

/// A model of one row of three numbers for each token, which gives their sum as `logits` or each as vectors.
fn tiny(output: &str) -> ModelProto {
    sized(output, 3)
}

fn sized(output: &str, width: i64) -> ModelProto {
    let mut graph = GraphBuilder::new("tiny", 17);
    let tokens = [Dim::Symbol("n"), Dim::Symbol("s")];
    let [ids, mask, _] =
        ["input_ids", "attention_mask", "token_type_ids"].map(|name| graph.input(name, DataType::Int64, &tokens));
    let numbers: Vec<f32> = (0..TOKENS * width).map(|at| ((at * 7_919) % 2_003) as f32 / 1_001.5 - 1.0).collect();
    let table = graph.initializer(TensorProto::from_f32("words", &[TOKENS, width], &numbers));
    let rows = graph.gather(&table, &ids, 0);
    if output == "logits" {
        let mask = graph.cast(&mask, DataType::Float);
        let mask = graph.unsqueeze(&mask, &[-1]);
        let rows = graph.mul(&rows, &mask);
        let sum = graph.reduce_sum(&rows, &[1], false);
        graph.output(&sum, output, DataType::Float, &[Dim::Symbol("n"), Dim::Size(width)]);
    } else {
        graph.output(&rows, output, DataType::Float, &[tokens[0].clone(), tokens[1].clone(), Dim::Size(width)]);
    }
    graph.finish()
}

/// The folder of a model in the node's models folder.
fn put(node: &TestNode, name: &str, model: &[u8], config: Option<Value>) -> PathBuf {
    let services = node.services();
    let folder = services.models.folder().join(name);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("model.onnx"), model).unwrap();
    std::fs::copy(services.embedder.folder().unwrap().join("tokenizer.json"), folder.join("tokenizer.json")).unwrap();
    if let Some(config) = config {
        std::fs::write(folder.join("config.json"), config.to_string()).unwrap();
    }
    folder
}

fn import(node: &TestNode, folder: &str, name: &str) -> reqwest::RequestBuilder {
    node.raw(Method::POST, "/v1/models/import").json(&json!({ "folder": folder, "name": name, "licence": "MIT" }))
}

#[tokio::test]
async fn an_exported_model_is_put_up_deployed_asked_and_proven() {
    let Some(node) = prepared().await else { return };
    let labels = json!({ "id2label": { "0": "low", "1": "middle", "2": "high" } });
    put(&node, "moods", &tiny("logits").encode_to_vec(), Some(labels));
    let made = read("import", import(&node, "moods", "moods")).await;
    assert_eq!((&made["task"], &made["labels"]), (&json!("classify"), &json!(["low", "middle", "high"])));
    let model = made["model"].as_str().unwrap().to_owned();
    let shown = node.get("/v1/models/moods").await;
    assert_eq!((&shown["ledger"]["licence"], &shown["manifest"]["base"]), (&json!("MIT"), &Value::Null), "{shown:#}");

    node.post("/v1/models/moods/deploy", json!({})).await;
    let answer = node.post("/v1/classify", json!({ "model": "moods", "input": "a rare day" })).await;
    let answer = &answer["data"][0];
    assert_eq!((&answer["fee"], &answer["attribution"]), (&json!(0), &json!("none")), "{answer:#}");
    assert_eq!(answer["probabilities"].as_array().unwrap().len(), 3);
    assert_eq!(answer["receipt"]["credits"], json!([]));

    // From its blobs alone, as any other node would.
    node.raw(Method::DELETE, "/v1/models/moods/deploy").send().await.unwrap().error_for_status().unwrap();
    std::fs::remove_dir_all(released(&node, &model)).unwrap();
    std::fs::remove_dir_all(node.services().models.folder().join("moods")).unwrap();
    let receipt = answer["receipt"]["id"].as_str().unwrap();
    let verdict = read("verify", node.raw(Method::POST, &format!("/v1/receipts/{receipt}/verify"))).await;
    assert_eq!(verdict["verdict"], "match", "{verdict:#}");
    assert!(released(&node, &model).is_dir());
    let said = node.get(&format!("/v1/attributions/{receipt}")).await;
    assert!(said["method"] == "none" && said["proves"].as_str().unwrap().contains("put up as it is"), "{said:#}");

    node.post("/v1/models/moods/deploy", json!({})).await;
    let ask = json!({ "model": "moods", "input": "x", "explain": true });
    let explain = node.raw(Method::POST, "/v1/classify").json(&ask);
    refused("no influence", explain, 422, "not-attributed", "put up as it is").await;
    let vectors = node.raw(Method::POST, "/v1/embeddings").json(&json!({ "model": "moods", "input": "x" }));
    refused("logits are no vectors", vectors, 422, "no-embeddings", "is a classifier").await;
    let again = node.raw(Method::POST, "/v1/models/moods/verify").json(&json!({}));
    refused("no run", again, 422, "not-trained", "no run to repeat").await;
}

#[tokio::test]
async fn logits_that_are_no_choice_of_one_class_give_the_sigmoid_of_each() {
    let Some(node) = prepared().await else { return };
    let three = sized("logits", 3).encode_to_vec();
    put(&node, "relevance", &sized("logits", 1).encode_to_vec(), None);
    put(&node, "tags", &three, Some(json!({ "problem_type": "multi_label_classification" })));
    put(&node, "stars", &three, Some(json!({ "problem_type": "regression" })));
    refused("regression", import(&node, "stars", "stars"), 422, "bad-model", "problem_type \"regression\"").await;
    let mut asked = Vec::new();
    for name in ["relevance", "tags"] {
        read("import", import(&node, name, name)).await;
        node.post(&format!("/v1/models/{name}/deploy"), json!({})).await;
        for text in ["a rare day", "soup"] {
            let answer = node.post("/v1/classify", json!({ "model": name, "input": text })).await["data"][0].clone();
            let probabilities = answer["probabilities"].as_array().unwrap().iter();
            asked.push(probabilities.map(|one| one["probability"].as_f64().unwrap()).collect::<Vec<_>>());
            let receipt = answer["receipt"]["id"].as_str().unwrap().to_owned();
            let verdict = read("verify", node.raw(Method::POST, &format!("/v1/receipts/{receipt}/verify"))).await;
            assert_eq!(verdict["verdict"], "match", "{verdict:#}");
        }
    }
    assert_ne!(asked[0], asked[1], "one logit says something: {asked:?}");
    assert!((asked[2].iter().sum::<f64>() - 1.0).abs() > 1e-3, "classes are right or not by themselves: {asked:?}");
}

fn released(node: &TestNode, model: &str) -> PathBuf {
    datanet_config::Home::new(node.home()).released().join(model)
}

#[tokio::test]
async fn what_cannot_be_put_up_is_refused_for_its_reason() {
    let Some(node) = prepared().await else { return };
    let whole = tiny("logits").encode_to_vec();
    put(&node, "classes", &whole, None);
    put(&node, "broken", &whole[..whole.len() / 2], None);
    put(&node, "odd", &tiny("scores").encode_to_vec(), None);
    put(&node, "mislabelled", &whole, Some(json!({ "id2label": { "0": "one" } })));
    let tensors = put(&node, "tensors", &whole, Some(json!({ "model_type": "bert" })));
    std::fs::write(tensors.join("model.safetensors"), b"").unwrap();
    put(&node, "vectors", &tiny("last_hidden_state").encode_to_vec(), None);

    for folder in ["nowhere", "../models", "/etc", ".", ""] {
        refused(folder, import(&node, folder, "m"), 404, "unknown-folder", "which holds broken, classes").await;
    }
    refused("safetensors", import(&node, "tensors", "m"), 422, "not-exported", "train an adapter over it").await;
    refused("cut off", import(&node, "broken", "m"), 422, "bad-model", "cut off").await;
    refused("another output", import(&node, "odd", "m"), 422, "bad-model", "but scores").await;
    refused("other labels", import(&node, "mislabelled", "m"), 422, "bad-model", "names 1 classes").await;
    refused("a path as its name", import(&node, "classes", "a/b"), 400, "bad-name", "letters").await;
    refused("a base's name", import(&node, "vectors", "vectors"), 409, "name-taken", "base model").await;
    let said = cli::said(node.home(), &["model", "import", "classes", "--name", "classes", "--licence", "MIT"]);
    assert!(said.contains("LABEL_2") && said.contains("next: datanet model deploy classes"), "{said}");
    refused("twice", import(&node, "classes", "classes"), 409, "name-taken", "on the ledger").await;
    let page = cli::said(node.home(), &["model", "show", "classes"]);
    assert!(page.contains("exported by others") && page.contains("model.onnx"), "{page}");

    read("import", import(&node, "vectors", "rows")).await;
    node.post("/v1/models/rows/deploy", json!({})).await;
    let found =
        node.post("/v1/embeddings", json!({ "model": "rows", "input": "one", "encoding_format": "float" })).await;
    assert_eq!(found["data"][0]["embedding"].as_array().unwrap().len(), 3, "{found:#}");

    let job = |base: &str| {
        let mut job = small_job(1);
        job["model"] = base.into();
        node.raw(Method::POST, "/v1/fine_tuning/jobs").json(&job)
    };
    refused("a broken base", job("broken"), 422, "bad-base-model", "cut off").await;
    refused("a classifier", job("classes"), 422, "bad-base-model", "served and not adapted").await;
    refused("no layers", job("vectors"), 422, "base-does-not-fit", "no target is named").await;
}

#[tokio::test]
async fn an_adapter_over_an_exported_base_is_trained_deployed_and_asked() {
    let Some(node) = prepared().await else { return };
    let built = ModelFolder::open(Path::new(&node.services().embedder.folder().unwrap())).unwrap();
    let exported = support::exported(built.encoder(Storage::Inline).unwrap());
    put(&node, "exported", &exported.encode_to_vec(), None);
    let mut job = small_job(2);
    (job["model"], job["suffix"]) = ("exported".into(), "over-onnx".into());
    let made = trained(&node, job).await;
    assert!(made["evaluation"]["accuracy"].as_f64().unwrap() > 0.5, "{made:#}");
    let model = made["fine_tuned_model"].as_str().unwrap();
    node.post(&format!("/v1/models/{model}/deploy"), json!({})).await;
    let ask = json!({ "model": "over-onnx", "input": "The striker volleyed", "account": "bob", "explain": true });
    let answer = node.post("/v1/classify", ask).await["data"][0].clone();
    assert_eq!((&answer["fee"], &answer["attribution"]), (&json!(1_000), &json!("influence")), "{answer:#}");
    let receipt = answer["receipt"]["id"].as_str().unwrap();
    let verdict = read("verify", node.raw(Method::POST, &format!("/v1/receipts/{receipt}/verify"))).await;
    assert!(matches!(verdict["verdict"].as_str(), Some("match" | "within")), "{verdict:#}");
}
