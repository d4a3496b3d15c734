//! One payment buys one answer: however many ask for it at once, and however often the connection breaks.

use std::collections::BTreeSet;

use datanet_types::{ChannelId, NodeKey};
use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use crate::corpus;
use crate::kit::{self, Api, node_with_model, read, refused};
use crate::payer::Payer;

/// What an answer of the datanet costs.
const PRICE: u64 = 1_000;

async fn asked(api: &Api, question: &str, voucher: &Value) -> (u16, Value) {
    let body = json!({ "datanet": "topics", "question": question, "voucher": voucher });
    let response = api.raw(Method::POST, "/v1/ask").json(&body).send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

async fn something_to_find(node: &Api, first: usize) {
    let records = corpus::jsonl(&corpus::samples(first, 24));
    let given = read("an upload", node.upload("topics", "alice", "application/x-ndjson", records)).await;
    assert_eq!(node.follow(given["id"].as_str().unwrap()).await.1["state"], "final");
}

async fn promised(api: &Api, payer: &Payer, channel: &ChannelId) -> u64 {
    let channels = api.get(&format!("/v1/channels?account={}", payer.key.address())).await;
    let all = channels["channels"].as_array().unwrap().clone();
    let found = all.into_iter().find(|one| one["id"] == channel.to_string()).unwrap();
    found["promised"].as_u64().unwrap()
}

#[tokio::test]
async fn one_voucher_buys_one_answer_and_that_one_again_and_again() {
    let Some(node) = node_with_model().await else { return };
    something_to_find(&node, 240).await;
    let this: NodeKey = serde_json::from_value(node.get("/v1/status").await["node_key"].clone()).unwrap();
    let payer = Payer::new(&node).await;
    let channel = payer.open(&node, this, 50_000, 1_000).await;

    let voucher = payer.voucher(channel, PRICE);
    let questions: Vec<String> = (0..64).map(|n| format!("how long does soup number {n} cook?")).collect();
    let answers = join_all(questions.iter().map(|question| asked(&node, question, &voucher))).await;
    let served: Vec<_> = answers.iter().zip(&questions).filter(|((status, _), _)| *status == 200).collect();
    assert_eq!(served.len(), 1, "one voucher bought {} of 64 answers", served.len());
    let refusals: BTreeSet<_> =
        answers.iter().filter(|(status, _)| *status != 200).map(|(_, problem)| problem["code"].to_string()).collect();
    assert!(refusals.iter().all(|code| ["\"answer-under-way\"", "\"voucher-spent\""].contains(&code.as_str())));
    assert_eq!(promised(&node, &payer, &channel).await, PRICE);

    let ((_, first), question) = served[0];
    let (status, again) = asked(&node, question, &voucher).await;
    assert_eq!((status, &again["receipt"]["id"]), (200, &first["receipt"]["id"]), "the same purchase");
    let other = json!({ "datanet": "topics", "question": "something else", "voucher": voucher });
    let other = node.raw(Method::POST, "/v1/ask").json(&other);
    refused("another question", other, 409, "voucher-spent", "sign for 2000").await;

    let voucher = payer.voucher(channel, 2 * PRICE);
    let same = join_all((0..16).map(|_| asked(&node, "what goes into a stew?", &voucher))).await;
    let receipts: BTreeSet<_> =
        same.iter().map(|(status, answer)| (*status, answer["receipt"]["id"].to_string())).collect();
    assert_eq!(receipts.len(), 1, "sixteen impatient clients of one payment are given one answer: {receipts:?}");
    assert_eq!(promised(&node, &payer, &channel).await, 2 * PRICE);
}

#[tokio::test]
async fn an_answer_whose_connection_broke_is_paid_once_and_can_be_had() {
    let Some(node) = node_with_model().await else { return };
    something_to_find(&node, 270).await;
    let this: NodeKey = serde_json::from_value(node.get("/v1/status").await["node_key"].clone()).unwrap();
    let payer = Payer::new(&node).await;
    let channel = payer.open(&node, this, 50_000, 1_000).await;
    for n in 1..=10 {
        let (question, voucher) = (format!("broken {n}: how is rice cooked?"), payer.voucher(channel, n * PRICE));
        let body = json!({ "datanet": "topics", "question": question, "voucher": voucher });
        let request = tokio::spawn(node.raw(Method::POST, "/v1/ask").json(&body).send());
        // Broken at another moment each time, and sometimes too late.
        for _ in 0..n * 40 {
            tokio::task::yield_now().await;
        }
        request.abort();
        let (status, answer) = asked(&node, &question, &voucher).await;
        assert_eq!(status, 200, "{answer:#}");
        assert_eq!(promised(&node, &payer, &channel).await, n * PRICE, "paid once");
        let (_, again) = asked(&node, &question, &voucher).await;
        assert_eq!(again["receipt"]["id"], answer["receipt"]["id"]);
    }
}

/// Streams of a decoder: the first has the voucher, all others are turned away before they are written a word.
pub async fn one_voucher_buys_one_stream(node: &kit::TestNode, model: &str) {
    let this: NodeKey = serde_json::from_value(node.get("/v1/status").await["node_key"].clone()).unwrap();
    let payer = Payer::new(node).await;
    let channel = payer.open(node, this, 50_000, 1_000).await;
    let voucher = payer.voucher(channel, PRICE);
    let ask = |n: usize| {
        let body = json!({
            "model": model, "prompt": format!("The striker {n}"), "max_tokens": 12, "stream": true, "voucher": voucher,
        });
        let request = node.raw(Method::POST, "/v1/completions").json(&body);
        async move { request.send().await.unwrap().text().await.unwrap() }
    };
    let said = join_all((0..64).map(ask)).await;
    let finished = |text: &&String| text.contains("\"receipt\"") && text.contains("[DONE]");
    assert_eq!(said.iter().filter(finished).count(), 1);
    let begun = said.iter().filter(|text| text.contains("text_completion")).count();
    assert_eq!(begun, 1, "nothing is written for those who have not paid");

    // Whoever leaves in the middle has paid, and finds all of it.
    let voucher = payer.voucher(channel, 2 * PRICE);
    let body = json!({ "model": model, "prompt": "A keeper", "max_tokens": 12, "stream": true, "voucher": voucher });
    let mut left = node.raw(Method::POST, "/v1/completions").json(&body).send().await.unwrap();
    left.chunk().await.unwrap();
    drop(left);
    let mut whole = body.clone();
    whole["stream"] = json!(false);
    let whole = read("the same again", node.raw(Method::POST, "/v1/completions").json(&whole)).await;
    assert!(whole["datanet"]["receipt"]["id"].is_string(), "{whole:#}");
    assert!(whole["usage"]["completion_tokens"].as_u64() > Some(0), "{whole:#}");
    assert_eq!(promised(node, &payer, &channel).await, 2 * PRICE);
}
