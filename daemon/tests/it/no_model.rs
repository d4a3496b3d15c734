//! A missing model stops what needs it, and nothing else.

use reqwest::Method;
use serde_json::json;

use crate::kit::{plain_node, read, refused, until};

#[tokio::test]
async fn without_a_model_only_what_needs_it_is_refused() {
    let node = plain_node().await;
    let embed = node.raw(Method::POST, "/v1/embeddings").json(&json!({ "input": "a" }));
    refused("embeddings", embed, 503, "no-model", "run `datanet setup`").await;
    let search = node.raw(Method::GET, "/v1/search?q=soup&datanet=topics&mode=semantic");
    refused("semantic search", search, 503, "no-model", "datanet setup").await;
    let register = node.raw(Method::POST, "/v1/models").json(&json!({ "name": "m", "licence": "MIT" }));
    refused("registering it", register, 503, "no-model", "datanet setup").await;

    let status = node.get("/v1/status").await;
    assert_eq!(status["model"]["id"], json!(null));
    assert!(status["model"]["provider"].as_str().unwrap().contains("left out of this test"), "{status:#}");
    assert_eq!(node.get("/v1/models").await["data"], json!([]));
    let ready = node.bare(Method::GET, "/health/ready");
    refused("ready, with roles that need a model", ready, 503, "not-ready", "model: this node has no embedding").await;

    let body = "{\"text\":\"it rains on the just and the unjust\"}\n";
    let given = read("an upload", node.upload("notes", "alice", "application/x-ndjson", body)).await;
    let id = given["id"].as_str().unwrap();
    let records = node.get(&format!("/v1/contributions/{id}/records")).await;
    assert_eq!(records["total"], 1);
    // It can be kept, and nobody judges it here.
    until("it is kept", async || {
        let view = node.get(&format!("/v1/contributions/{id}")).await;
        (view["state"] == "judging" && view["attestations"] == 1).then_some(())
    })
    .await;
}
