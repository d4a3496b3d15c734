//! What falls due is settled by itself, even where nobody asked for it and no period is set.

use datanet::init::own_params;
use datanet_ledger::component::{Params, channels};
use datanet_types::action::CloseChannel;
use datanet_types::closing::ClosingStatement;
use datanet_types::{Action, ChannelId, NodeKey};
use reqwest::Method;
use serde_json::{Value, json};

use crate::corpus;
use crate::kit::{self, TestNode, read, refused};
use crate::payer::Payer;

const PRICE: u64 = 1_000;
/// Seconds that a channel lasts at least on this chain; a fifth of them before its expiry a node settles.
const LEAST: u64 = 10;
/// Seconds that the channel lasts: a little more.
const LASTS: u64 = 14;

/// A node that settles only what falls due, with a datanet of thirty records.
async fn world() -> Option<TestNode> {
    let tools = kit::tools_with_model().await?;
    let mut config = kit::config();
    config.serving.settle_every_seconds = 0;
    let params = Params { channel_min_seconds: LEAST, ..own_params() };
    let node = TestNode::spawn_on(tools, config, params).await;
    node.account("alice", 10_000_000).await;
    node.datanet("topics", &corpus::labelled(), corpus::jsonl(&corpus::samples(300, 45))).await;
    let upload = node.upload("topics", "alice", "application/x-ndjson", corpus::jsonl(&corpus::samples(0, 30)));
    let given = read("the upload", upload).await;
    node.follow(given["id"].as_str().unwrap()).await;
    Some(node)
}

async fn key_of(node: &TestNode) -> NodeKey {
    serde_json::from_value(node.get("/v1/status").await["node_key"].clone()).unwrap()
}

fn question(payment: (&str, Value)) -> Value {
    let mut body = json!({ "datanet": "topics", "question": "what do I do with lentils?" });
    body[payment.0] = payment.1;
    body
}

/// What is charged on a channel that is open.
async fn charged(node: &TestNode, channel: &ChannelId) -> Option<u64> {
    let channels = node.get("/v1/channels").await;
    let found = channels["channels"].as_array().unwrap().iter().find(|one| one["id"] == json!(channel)).cloned();
    found.map(|one: Value| one["charged"].as_u64().unwrap())
}

#[tokio::test]
async fn a_payer_who_closes_its_channel_gets_back_what_it_did_not_spend_even_if_nobody_ever_settles() {
    let Some(node) = world().await else { return };
    let (payer, this) = (Payer::new(&node).await, key_of(&node).await);
    let channel = payer.open(&node, this, 10 * PRICE, LASTS).await;
    let body = question(("voucher", payer.voucher(channel, PRICE)));
    read("the answer", node.raw(Method::POST, "/v1/ask").json(&body)).await;

    assert_eq!(charged(&node, &channel).await, Some(0), "nothing is due yet");
    kit::until("the channel is charged", async || (charged(&node, &channel).await? == PRICE).then_some(())).await;
    // After its expiry, and before it would close by itself.
    let chain = node.services().chain;
    let expires_at = channels::get(&chain.reader().unwrap(), &channel).unwrap().unwrap().expires_at;
    kit::until("the channel expires", async || (chain.block_seconds() >= expires_at).then_some(())).await;
    node.execute(&payer.key, Action::CloseChannel(CloseChannel { channel, statement: None })).await;
    let fees = 2 * 1_000;
    assert_eq!(node.balance(&payer.key.address().to_string()).await, 1_000_000 - PRICE - fees);
}

#[tokio::test]
async fn a_payer_who_closes_early_pays_for_what_it_asked_and_has_the_rest_back() {
    let Some(node) = world().await else { return };
    let (payer, this) = (Payer::new(&node).await, key_of(&node).await);
    let channel = payer.open(&node, this, 10 * PRICE, 100 * LASTS).await;
    let ask =
        |cumulative| node.raw(Method::POST, "/v1/ask").json(&question(("voucher", payer.voucher(channel, cumulative))));
    read("the answer", ask(PRICE)).await;
    let statement = || node.raw(Method::POST, &format!("/v1/channels/{channel}/statement"));
    refused("a word that nobody asked for", statement(), 409, "channel-open", "has not asked").await;

    node.execute(&payer.key, Action::CloseChannel(CloseChannel { channel, statement: None })).await;
    refused("another question", ask(2 * PRICE), 402, "channel-expired", "is being closed").await;
    // Nobody asks it to, and its period is never.
    kit::until("the node settles by itself", async || (charged(&node, &channel).await? == PRICE).then_some(())).await;
    let word: ClosingStatement = serde_json::from_value(read("the node's word", statement()).await).unwrap();
    assert_eq!((word.channel, word.charged), (channel, PRICE));
    node.execute(&payer.key, Action::CloseChannel(CloseChannel { channel, statement: Some(word) })).await;
    let fees = 3 * 1_000;
    assert_eq!(node.balance(&payer.key.address().to_string()).await, 1_000_000 - PRICE - fees);
    refused("a word on a closed channel", statement(), 402, "channel-expired", "was closed").await;
}

#[tokio::test]
async fn a_channel_with_this_node_is_topped_up_and_closed_in_one_step() {
    let Some(node) = world().await else { return };
    let opened = node.post("/v1/channels", json!({ "account": "alice", "deposit": PRICE })).await;
    let id = opened["channel"].as_str().unwrap().to_owned();
    let channel: ChannelId = id.parse().unwrap();
    let ask = || node.raw(Method::POST, "/v1/ask").json(&question(("account", json!("alice"))));
    read("the answer", ask()).await;
    refused("one that is used up", ask(), 402, "channel-exhausted", "datanet channel top-up").await;
    let top_up = |body: Value| node.raw(Method::POST, &format!("/v1/channels/{id}/top-up")).json(&body);
    refused("nothing more", top_up(json!({})), 422, "transaction-refused", "changes nothing").await;
    let more = read("more", top_up(json!({ "amount": 5 * PRICE, "seconds": 100_000 }))).await;
    assert_eq!(more["deposit"], 6 * PRICE);
    assert!(more["expires_at"].as_u64().unwrap() >= node.services().chain.block_seconds() + 100_000);
    read("another answer", ask()).await;

    let alice = node.get("/v1/keys").await["keys"]
        .as_array()
        .unwrap()
        .iter()
        .find(|key| key["name"] == "alice")
        .unwrap()["address"]
        .clone();
    let before = node.balance(alice.as_str().unwrap()).await;
    let closed = node.post(&format!("/v1/channels/{id}/close"), json!({})).await;
    assert_eq!(closed["closes_at"], Value::Null, "done: what was owed is settled, and the node gave its word");
    assert_eq!(node.balance(alice.as_str().unwrap()).await, before + 4 * PRICE - 1_000);
    assert_eq!(charged(&node, &channel).await, None);
}
