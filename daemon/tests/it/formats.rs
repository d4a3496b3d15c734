//! What a node with a model does with each format, with copies, and for callers who only want vectors.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use serde_json::{Value, json};

use crate::corpus::{self, Sample};
use crate::kit::{Api, node_with_model, read, refused};

/// Gives, waits for the verdict, and reads the records back.
async fn becomes_final(node: &Api, datanet: &str, media_type: &str, body: Vec<u8>, expected: Vec<Value>) {
    let given = read(media_type, node.upload(datanet, "alice", media_type, body)).await;
    let (_, view) = node.follow(given["id"].as_str().unwrap()).await;
    assert_eq!(view["state"], "final", "{media_type}: {view:#}");
    let records = node.get(&format!("/v1/contributions/{}/records", given["id"].as_str().unwrap())).await;
    assert_eq!(records, json!({ "total": expected.len(), "records": expected }), "{media_type}");
}

fn with_labels(samples: &[Sample]) -> Vec<Value> {
    samples.iter().map(|(text, label)| json!({ "text": text, "label": label })).collect()
}

fn without_labels(samples: &[Sample]) -> Vec<Value> {
    samples.iter().map(|(text, _)| json!({ "text": text })).collect()
}

#[tokio::test]
async fn csv_and_parquet_become_final_and_read_back() {
    let Some(node) = node_with_model().await else { return };
    let (first, second) = (corpus::samples(60, 24), corpus::samples(90, 24));
    becomes_final(&node, "topics", "text/csv", corpus::csv(&first).into_bytes(), with_labels(&first)).await;
    let parquet = "application/vnd.apache.parquet";
    becomes_final(&node, "topics", parquet, corpus::parquet(&second), with_labels(&second)).await;
}

#[tokio::test]
async fn markdown_and_plain_text_become_final_and_read_back() {
    let Some(node) = node_with_model().await else { return };
    let (first, second) = (corpus::samples(120, 24), corpus::samples(150, 24));
    let markdown = corpus::paragraphs(&first).into_bytes();
    becomes_final(&node, "notes", "text/markdown", markdown, without_labels(&first)).await;
    let plain = corpus::paragraphs(&second).into_bytes();
    becomes_final(&node, "notes", "text/plain; charset=utf-8", plain, without_labels(&second)).await;
}

#[tokio::test]
async fn a_copy_is_refused_and_the_reason_names_it() {
    let Some(node) = node_with_model().await else { return };
    node.account("copycat", 10_000_000).await;
    let samples = corpus::samples(180, 24);
    let jsonl = "application/x-ndjson";
    let original = read("the original", node.upload("topics", "alice", jsonl, corpus::jsonl(&samples))).await;
    assert_eq!(node.follow(original["id"].as_str().unwrap()).await.1["state"], "final");
    let reversed: Vec<Sample> = samples.into_iter().rev().collect();
    let copy = read("the copy", node.upload("topics", "copycat", jsonl, corpus::jsonl(&reversed))).await;
    let (_, view) = node.follow(copy["id"].as_str().unwrap()).await;
    assert_eq!((&view["state"], &view["scores"]["uniqueness"]), (&json!("refused"), &json!(0)), "{view:#}");
    assert!(!view["reason"].as_str().unwrap().is_empty());
    let report = view["reports"][0].to_string();
    assert!(report.contains(original["id"].as_str().unwrap()), "the report names the original: {report}");
}

#[tokio::test]
async fn embeddings_come_as_openai_clients_want_them() {
    let Some(node) = node_with_model().await else { return };
    let texts = ["simmer the soup", "the rocket launched"];
    let floats = node.post("/v1/embeddings", json!({ "input": texts, "encoding_format": "float" })).await;
    let packed = node.post("/v1/embeddings", json!({ "input": texts, "encoding_format": "base64" })).await;
    assert_eq!((&floats["object"], &floats["data"][1]["object"]), (&json!("list"), &json!("embedding")));
    assert_eq!((&floats["data"][0]["index"], &floats["data"][1]["index"]), (&json!(0), &json!(1)));
    assert!(floats["usage"]["prompt_tokens"].as_u64().unwrap() > 4);
    assert_eq!(floats["usage"]["prompt_tokens"], floats["usage"]["total_tokens"]);
    for at in 0..2 {
        let plain: Vec<f32> =
            floats["data"][at]["embedding"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap() as f32).collect();
        let bytes = STANDARD.decode(packed["data"][at]["embedding"].as_str().unwrap()).unwrap();
        let unpacked: Vec<f32> = bytes.chunks(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
        assert_eq!(plain, unpacked);
        let length: f32 = plain.iter().map(|value| value * value).sum();
        assert!((length - 1.0).abs() < 1e-4, "a unit vector, not {length}");
    }
    let model = node.get("/v1/models").await["data"][0].clone();
    assert_eq!(model["dimensions"], floats["data"][0]["embedding"].as_array().unwrap().len());
    let named = node.post("/v1/embeddings", json!({ "input": texts[0], "model": model["id"] })).await;
    assert_eq!(named["model"], model["id"]);

    let ask = |body: Value| node.raw(Method::POST, "/v1/embeddings").json(&body);
    refused(
        "another model",
        ask(json!({ "input": "a", "model": "gpt" })),
        404,
        "unknown-model",
        "models that embed here",
    )
    .await;
    refused("no text", ask(json!({ "input": [] })), 400, "empty-input", "at least one").await;
    refused("an empty text", ask(json!({ "input": ["a", ""] })), 400, "empty-input", "none may be empty").await;
    refused("numbers", ask(json!({ "input": [1, 2] })), 400, "bad-parameter", "send the text").await;
    refused("an object", ask(json!({ "input": {} })), 422, "bad-field", "a text or a list of texts").await;
    let short = ask(json!({ "input": "a", "dimensions": 2 }));
    refused("fewer dimensions", short, 400, "bad-parameter", "dimensions").await;
    let long = ask(json!({ "input": ["short", "soup ".repeat(400)] }));
    refused(
        "one longer than the model reads",
        long,
        400,
        "context-too-long",
        "text 2 has 402 tokens, and the model reads 256",
    )
    .await;
    let many = vec!["a"; 5_000];
    refused("too many", ask(json!({ "input": many })), 413, "too-many-texts", "").await;
}
