//! Several answers to one question, and several questions in one conversation.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};

use crate::cli;
use crate::factory::{prepared, trained, writer_job};
use crate::kit::{Api, TestNode, read, refused};

fn ask(more: Value) -> Value {
    let mut body = json!({
        "model": "writer", "prompt": "The striker", "max_tokens": 12, "seed": 3, "temperature": 0.9, "account": "bob",
    });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

fn texts(choices: &Value) -> Vec<String> {
    choices.as_array().unwrap().iter().map(|choice| choice["text"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn several_answers_are_each_drawn_charged_and_proven_as_if_asked_for_alone() {
    let Some(node) = prepared().await else { return };
    trained(&node, writer_job()).await;
    node.post("/v1/models/writer/deploy", json!({})).await;
    let (mut alone, mut written) = (Vec::new(), 0);
    for seed in 3..6 {
        let one = node.post("/v1/completions", ask(json!({ "seed": seed }))).await;
        alone.extend(texts(&one["choices"]));
        written += one["usage"]["completion_tokens"].as_u64().unwrap();
    }
    let three = node.post("/v1/completions", ask(json!({ "n": 3, "logprobs": 1 }))).await;
    assert_eq!(texts(&three["choices"]), alone, "{three:#}");
    for (index, choice) in three["choices"].as_array().unwrap().iter().enumerate() {
        assert_eq!(choice["index"], index);
        assert_eq!(choice["logprobs"]["text_offset"][0], 0, "{choice:#}");
    }
    assert_eq!(three["usage"]["completion_tokens"], written, "{three:#}");
    assert_eq!(three["datanet"]["fee"], 3_000, "{three:#}");
    let answers = three["datanet"]["answers"].as_array().unwrap();
    let receipts: BTreeSet<&str> = answers.iter().map(|one| one["receipt"]["id"].as_str().unwrap()).collect();
    assert_eq!(receipts.len(), 3);
    for (answer, seed) in answers.iter().zip(3..) {
        assert_eq!(answer["seed"], seed);
        let verify = format!("/v1/receipts/{}/verify", answer["receipt"]["id"].as_str().unwrap());
        let verdict = read("verify", node.raw(Method::POST, &verify)).await;
        assert!(matches!(verdict["verdict"].as_str(), Some("match" | "within")), "{verdict:#}");
    }
    streamed(&node, &alone).await;
    all_or_none(&node).await;
    conversations(&node).await;
}

async fn streamed(node: &Api, alone: &[String]) {
    let body = ask(json!({ "n": 3, "stream": true, "stream_options": { "include_usage": true } }));
    let response = node.raw(Method::POST, "/v1/completions").json(&body).send().await.unwrap();
    let text = response.text().await.unwrap();
    let parts: Vec<Value> = text
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .filter(|data| *data != "[DONE]")
        .map(|data| serde_json::from_str(data).unwrap())
        .collect();
    let mut written = vec![String::new(); 3];
    let mut ends = 0;
    for choice in parts.iter().flat_map(|part| part["choices"].as_array().unwrap()) {
        let index = choice["index"].as_u64().unwrap() as usize;
        written[index].push_str(choice["text"].as_str().unwrap());
        ends += usize::from(!choice["finish_reason"].is_null());
    }
    assert_eq!((written.as_slice(), ends), (alone, 3), "{text}");
    let last = parts.last().unwrap();
    assert_eq!(last["datanet"]["answers"].as_array().unwrap().len(), 3, "{last:#}");
    assert!(last["usage"]["total_tokens"].is_u64(), "{last:#}");
    assert_eq!(parts.iter().filter(|part| part["datanet"].is_object()).count(), 1);
}

/// Where not all are paid for, none is written and nothing is charged.
async fn all_or_none(node: &TestNode) {
    node.account("dave", 1_000_000).await;
    node.post("/v1/channels", json!({ "account": "dave", "deposit": 2_000 })).await;
    let three = || node.raw(Method::POST, "/v1/completions").json(&ask(json!({ "n": 3, "account": "dave" })));
    let before = node.get("/v1/receipts").await;
    refused("too little for three", three(), 402, "channel-exhausted", "or open another").await;
    assert_eq!(node.get("/v1/receipts").await, before);
    let two = node.post("/v1/completions", ask(json!({ "n": 2, "account": "dave" }))).await;
    assert_eq!((texts(&two["choices"]).len(), &two["datanet"]["fee"]), (2, &json!(2_000)), "{two:#}");
    let chat = json!({
        "model": "writer", "messages": [{ "role": "user", "content": "hi" }], "max_tokens": 4, "n": 2, "account": "bob",
    });
    let chat = node.post("/v1/chat/completions", chat).await;
    let said: Vec<&Value> = chat["choices"].as_array().unwrap().iter().map(|one| &one["message"]["role"]).collect();
    assert_eq!(said, [&json!("assistant"); 2], "{chat:#}");
}

/// Each line is a turn; what was said before is part of the next; a refusal ends what comes from a pipe.
async fn conversations(node: &TestNode) {
    let chat = |more: &[&str], input: &str| {
        let args = ["chat", "writer", "--max-tokens", "4", "--seed", "1", "--account", "bob"];
        cli::typed(node.home(), &[&args[..], more].concat(), input)
    };
    let (code, said, beside) = chat(&["--system", "Be brief."], "hi\n\n/reset\nho\n/exit\nnever said\n");
    assert_eq!((code, said.matches("receipt ").count()), (Some(0), 2), "{said} {beside}");
    let (code, said, beside) = chat(&["--json"], "hi\nho\n/reset\nhi");
    let answers: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let read: Vec<u64> = answers.iter().map(|one| one["usage"]["prompt_tokens"].as_u64().unwrap()).collect();
    assert_eq!((code, read.len()), (Some(0), 3), "{said} {beside}");
    assert!(read[0] == read[2] && read[1] > read[0], "{read:?}");
    let (code, said, beside) = chat(&[], &format!("hi\n{}\nho\n", "a b c d ".repeat(300)));
    assert_eq!((code, said.matches("receipt ").count()), (Some(1), 1), "{said} {beside}");
    assert!(beside.contains("longer than the model reads: /reset begins anew"), "{beside}");
    let (code, _, beside) = cli::typed(node.home(), &["chat", "writer", "--account", "nobody"], "hi\nho\n");
    assert!(code == Some(1) && beside.contains("nobody"), "{beside}");
    let once = cli::said(node.home(), &["chat", "writer", "hi", "--max-tokens", "4", "--account", "bob"]);
    assert_eq!(once.matches("receipt ").count(), 1, "{once}");
}
