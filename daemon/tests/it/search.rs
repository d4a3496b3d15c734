//! Searching over all datanets: none of them speaks for the others.

use serde_json::Value;

use crate::corpus;
use crate::kit::{self, TestNode, read, refused};

#[tokio::test]
async fn a_datanet_that_cannot_be_searched_takes_nothing_from_the_others() {
    let Some(tools) = kit::tools_with_model().await else { return };
    let node = TestNode::spawn(tools).await;
    node.account("alice", 10_000_000).await;
    node.datanet("topics", &corpus::labelled(), corpus::jsonl(&corpus::samples(300, 45))).await;
    let broken = node.datanet("broken", &corpus::labelled(), corpus::jsonl(&corpus::samples(345, 45))).await;
    // Where its index would be.
    std::fs::write(node.home().join("data/index").join(&broken), b"no folder").unwrap();

    let upload = node.upload("topics", "alice", "application/x-ndjson", corpus::jsonl(&corpus::samples(0, 30)));
    let given = read("the upload", upload).await;
    node.follow(given["id"].as_str().unwrap()).await;
    let hits: Value = kit::until("the contribution is found", async || {
        let hits = node.get("/v1/search?q=soccer+match+goal+scored&limit=1").await;
        (!hits["hits"].as_array().unwrap().is_empty()).then_some(hits)
    })
    .await;
    assert_eq!(hits["hits"][0]["label"], "football", "{hits:#}");
    let alone = node.raw(reqwest::Method::GET, "/v1/search?q=soccer&datanet=broken");
    refused("the broken one alone", alone, 500, "index", "").await;
}
