//! What falls due is settled by itself, even where nobody asked for it and no period is set.

use datanet::chain::Engine;
use datanet_types::action::CloseChannel;
use datanet_types::{Action, NodeKey};
use reqwest::Method;
use serde_json::{Value, json};

use crate::corpus;
use crate::kit::{self, TestNode, read};
use crate::payer::Payer;

const PRICE: u64 = 1_000;
/// Blocks that the channel lasts: a little more than the least.
const BLOCKS: u64 = 700;

#[tokio::test]
async fn a_payer_who_closes_its_channel_gets_back_what_it_did_not_spend_even_if_nobody_ever_settles() {
    let Some(tools) = kit::tools_with_model().await else { return };
    let mut config = kit::config();
    config.serving.settle_every_seconds = 0;
    let node = TestNode::spawn_with(tools, config).await;
    node.account("alice", 10_000_000).await;
    node.datanet("topics", &corpus::labelled(), corpus::jsonl(&corpus::samples(300, 45))).await;
    let upload = node.upload("topics", "alice", "application/x-ndjson", corpus::jsonl(&corpus::samples(0, 30)));
    let given = read("the upload", upload).await;
    node.follow(given["id"].as_str().unwrap()).await;

    let (payer, this) = (Payer::new(&node).await, node.get("/v1/status").await["node_key"].clone());
    let this: NodeKey = serde_json::from_value(this).unwrap();
    let channel = payer.open(&node, this, 10 * PRICE, BLOCKS).await;
    let voucher = payer.voucher(channel, PRICE);
    let body = json!({ "datanet": "topics", "question": "what do I do with lentils?", "voucher": voucher });
    read("the answer", node.raw(Method::POST, "/v1/ask").json(&body)).await;

    let engine = node.services().chain.engine().clone();
    let advance = async |blocks| match &engine {
        Engine::Solo(solo) => solo.advance(blocks).await.unwrap(),
        Engine::CometBft(_) => unreachable!("these nodes are alone"),
    };
    let charged = async || {
        let channels = node.get("/v1/channels").await;
        let found = channels["channels"].as_array().unwrap().iter().find(|one| one["id"] == json!(channel)).cloned();
        found.map(|one: Value| one["charged"].as_u64().unwrap())
    };
    assert_eq!(charged().await, Some(0), "nothing is due yet");
    advance(BLOCKS - 100).await;
    kit::until("the channel is charged", async || {
        advance(1).await;
        (charged().await? == PRICE).then_some(())
    })
    .await;
    advance(BLOCKS).await;
    node.execute(&payer.key, Action::CloseChannel(CloseChannel { channel })).await;
    let fees = 2 * 1_000;
    assert_eq!(node.balance(&payer.key.address().to_string()).await, 1_000_000 - PRICE - fees);
}
