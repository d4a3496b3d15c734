//! Callers who do not wait for one another, or for an answer.

use std::collections::BTreeSet;

use futures::StreamExt;
use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use crate::corpus;
use crate::kit::{self, Api, node_with_model, plain_node, read};

const JSONL: &str = "application/x-ndjson";

#[tokio::test]
async fn an_upload_sent_many_times_at_once_is_one_contribution() {
    let node = plain_node().await;
    let body = corpus::jsonl_of_texts(&corpus::samples(0, 5));
    let keyed = |_| {
        let upload = node.upload("notes", "alice", JSONL, body.clone()).header("idempotency-key", "at-once");
        read("one of many", upload)
    };
    let replies: Vec<Value> = join_all((0..6).map(keyed)).await;
    assert!(replies.iter().all(|reply| *reply == replies[0]), "{replies:#?}");

    let other = corpus::jsonl_of_texts(&corpus::samples(5, 5));
    let bare = join_all((0..6).map(|_| node.upload("notes", "alice", JSONL, other.clone()).send())).await;
    let mut states: Vec<u16> = bare.into_iter().map(|response| response.unwrap().status().as_u16()).collect();
    states.sort_unstable();
    assert_eq!(states, [202, 409, 409, 409, 409, 409]);
}

#[tokio::test]
async fn a_client_that_leaves_before_its_answer_finds_it_when_it_comes_back() {
    let node = plain_node().await;
    let body = corpus::jsonl_of_texts(&corpus::samples(10, 5));
    let upload = || node.upload("notes", "alice", JSONL, body.clone()).header("idempotency-key", "impatient");
    let before = contributions(&node).await;
    let first = tokio::spawn(upload().send());
    kit::until("the contribution is on the ledger", async || (contributions(&node).await > before).then_some(())).await;
    first.abort();
    let given = read("again", upload()).await;
    assert_eq!(given["records"], 5);
    assert_eq!(contributions(&node).await, before + 1);
}

async fn contributions(api: &Api) -> u64 {
    api.get("/v1/datanets/notes").await["contributions"].as_u64().unwrap()
}

#[tokio::test]
async fn answers_asked_for_at_once_are_charged_one_by_one() {
    let Some(node) = node_with_model().await else { return };
    let given =
        read("an upload", node.upload("topics", "alice", JSONL, corpus::jsonl(&corpus::samples(210, 24)))).await;
    assert_eq!(node.follow(given["id"].as_str().unwrap()).await.1["state"], "final");
    kit::until("it is indexed", async || {
        let hits = node.get("/v1/search?q=lentils+soup+goal&datanet=topics&mode=text").await;
        (hits["hits"] != json!([])).then_some(())
    })
    .await;
    node.account("crowd", 10_000_000).await;
    let opened = node.post("/v1/channels", json!({ "account": "crowd", "deposit": 5_500 })).await;
    let ask = |n: usize| {
        let body = json!({ "datanet": "topics", "question": format!("question {n} about soup"), "account": "crowd" });
        node.raw(Method::POST, "/v1/ask").json(&body).send()
    };
    let mut paid = BTreeSet::new();
    let mut refused = 0;
    for response in join_all((0..8).map(ask)).await {
        let response = response.unwrap();
        if response.status() == 402 {
            refused += 1;
            continue;
        }
        let answer: Value = response.json().await.unwrap();
        paid.insert((
            answer["receipt"]["cumulative"].as_u64().unwrap(),
            answer["receipt"]["sequence"].as_u64().unwrap(),
        ));
    }
    let amounts: Vec<u64> = paid.iter().map(|(amount, _)| *amount).collect();
    assert_eq!((amounts, refused), (vec![1_000, 2_000, 3_000, 4_000, 5_000], 3), "five answers for five prices");
    let sequences: Vec<u64> = paid.iter().map(|(_, sequence)| *sequence).collect();
    assert!(sequences.windows(2).all(|pair| pair[1] == pair[0] + 1), "{sequences:?}");
    let channels = node.get("/v1/channels?account=crowd").await;
    assert_eq!(
        (&channels["channels"][0]["id"], &channels["channels"][0]["promised"]),
        (&opened["channel"], &json!(5_000))
    );
}

#[tokio::test]
async fn a_node_stops_although_somebody_listens() {
    let mut node = kit::TestNode::spawn(kit::tools_without_model()).await;
    node.datanet("notes", &corpus::text_only(), corpus::jsonl_of_texts(&corpus::samples(0, 5))).await;
    let given =
        read("an upload", node.upload("notes", "node", JSONL, corpus::jsonl_of_texts(&corpus::samples(9, 5)))).await;
    let path = format!("/v1/contributions/{}/events", given["id"].as_str().unwrap());
    let events = node.raw(Method::GET, &path).send().await.unwrap();
    let half_a_request = half_a_request(&node).await;
    let endless = futures::stream::iter([Ok::<_, std::io::Error>("{\"text\"")]).chain(futures::stream::pending());
    let upload = node.raw(Method::POST, "/v1/datanets/notes/contributions").header("content-type", JSONL);
    let upload = tokio::spawn(upload.body(reqwest::Body::wrap_stream(endless)).send());
    let started = std::time::Instant::now();
    node.stop();
    assert!(started.elapsed() < std::time::Duration::from_secs(15), "{:?}", started.elapsed());
    assert!(!node.home().join("run.json").exists(), "its absence says that the node was stopped in order");
    drop((events, half_a_request, upload));
}

/// A connection whose sender has stopped in the middle of the headers.
async fn half_a_request(node: &kit::TestNode) -> tokio::net::TcpStream {
    let mut stream = tokio::net::TcpStream::connect(node.authority()).await.unwrap();
    stream.write_all(b"GET /v1/status HTTP/1.1\r\nhost: ").await.unwrap();
    stream
}

#[tokio::test]
async fn more_requests_than_configured_are_told_to_come_again() {
    let mut config = kit::config();
    config.api.max_requests = 1;
    let node = kit::TestNode::spawn_with(kit::tools_without_model(), config).await;
    node.datanet("notes", &corpus::text_only(), corpus::jsonl_of_texts(&corpus::samples(0, 5))).await;
    let given =
        read("an upload", node.upload("notes", "node", JSONL, corpus::jsonl_of_texts(&corpus::samples(9, 5)))).await;
    let path = format!("/v1/contributions/{}/events", given["id"].as_str().unwrap());
    let events = node.raw(Method::GET, &path).send().await.unwrap();
    let status = || node.raw(Method::GET, "/v1/status");
    kit::refused("one too many", status(), 429, "too-many-requests", "api.max_requests").await;
    assert!(node.bare(Method::GET, "/health/live").send().await.unwrap().status().is_success());
    drop(events);
    kit::until("the place is free", async || status().send().await.unwrap().status().is_success().then_some(())).await;
}
