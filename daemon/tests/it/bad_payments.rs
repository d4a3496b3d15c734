//! Payments for answers that are none: refused before the node works for them.

use datanet_types::action::{RegisterNode, role};
use datanet_types::voucher::SignedVoucher;
use datanet_types::{Action, ChannelId, NodeKey, SigningKey};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::corpus;
use crate::kit::{self, Api, CHAIN, plain_node, refused};
use crate::payer::Payer;
use crate::revoked::give_final;

/// Another serving node, by name only.
async fn another_node(api: &Api, payer: &Payer) -> NodeKey {
    let secret = SigningKey::from_bytes(&kit::random());
    let node = secret.node_key();
    let proof = secret.sign(&RegisterNode::sign_bytes(CHAIN, &payer.key.address(), &node));
    let action = RegisterNode { node, proof, roles: role::SERVING, stake: 0, name: "another".into() };
    api.execute(&payer.key, Action::RegisterNode(action)).await;
    node
}

fn ask(api: &Api, extra: Value) -> RequestBuilder {
    let mut body = json!({ "datanet": "topics", "question": "how do I thicken a soup?" });
    body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    api.raw(Method::POST, "/v1/ask").json(&body)
}

#[tokio::test]
async fn answers_without_good_payment_are_refused_and_change_nothing() {
    let node = plain_node().await;
    let this: NodeKey = serde_json::from_value(node.get("/v1/status").await["node_key"].clone()).unwrap();
    let payer = Payer::new(&node).await;
    let (channel, small) = (payer.open(&node, this, 5_000, 1_000).await, payer.open(&node, this, 900, 1_000).await);
    let foreign = payer.open(&node, another_node(&node, &payer).await, 5_000, 1_000).await;
    let stranger = Payer::new(&node).await;
    let before = node.world().await;
    let voucher = |voucher: Value| ask(&node, json!({ "voucher": voucher }));

    refused("no payment", ask(&node, json!({})), 402, "payment-required", "datanet channel open").await;
    refused("no channel", ask(&node, json!({ "account": "alice" })), 402, "no-channel", "datanet channel open").await;
    refused("no such account", ask(&node, json!({ "account": "nobody" })), 404, "unknown-key", "keys add").await;
    let unknown = voucher(payer.voucher(ChannelId([9; 32]), 1_000));
    refused("an unknown channel", unknown, 402, "no-channel", "datanet channel open").await;
    let elsewhere = voucher(payer.voucher(foreign, 1_000));
    refused("a channel with another node", elsewhere, 402, "foreign-channel", "pays node").await;
    let forged = voucher(stranger.voucher(channel, 1_000));
    refused("another's channel", forged, 402, "bad-voucher", "not signed by the channel's key").await;
    let other_chain = SignedVoucher::sign("elsewhere", channel, 1_000, &payer.key);
    let other_chain = voucher(serde_json::to_value(other_chain).unwrap());
    refused("another chain", other_chain, 402, "bad-voucher", "for this chain").await;
    let backwards = voucher(payer.voucher(channel, 0));
    refused("no step forward", backwards, 402, "wrong-voucher-amount", "goes backwards").await;
    refused("too little", voucher(payer.voucher(channel, 999)), 402, "wrong-voucher-amount", "sign for 1000").await;
    refused("too much", voucher(payer.voucher(channel, 1_001)), 402, "wrong-voucher-amount", "sign for 1000").await;
    let over = voucher(payer.voucher(small, 1_000));
    refused("over the deposit", over, 402, "channel-exhausted", "or open another").await;
    let both = ask(&node, json!({ "voucher": payer.voucher(channel, 1_000), "account": "alice" }));
    refused("two payments", both, 400, "two-payments", "not both").await;
    refused("no voucher", ask(&node, json!({ "voucher": { "channel": "12" } })), 422, "bad-field", "").await;
    assert_eq!(node.world().await, before);
}

#[tokio::test]
async fn questions_that_make_no_sense_are_refused() {
    let node = plain_node().await;
    let ask = |body: Value| node.raw(Method::POST, "/v1/ask").json(&body);
    let both = ask(json!({ "datanet": "topics", "question": "a", "text": "b" }));
    refused("question and text", both, 400, "what-to-ask", "either").await;
    refused("neither", ask(json!({ "datanet": "topics" })), 400, "what-to-ask", "either").await;
    refused("blanks", ask(json!({ "datanet": "topics", "question": "  " })), 400, "empty-text", "empty").await;
    let long = ask(json!({ "datanet": "topics", "text": "a".repeat(70_000) }));
    refused("a book", long, 413, "text-too-long", "at most 65536 bytes").await;
    let many = ask(json!({ "datanet": "topics", "question": "a", "neighbours": 101 }));
    refused("a crowd", many, 400, "bad-parameter", "at most 100").await;
    refused("no datanet", ask(json!({ "datanet": "none", "question": "a" })), 404, "unknown-datanet", "none").await;
}

#[tokio::test]
async fn channels_that_cannot_be_opened_are_refused_and_change_nothing() {
    let node = plain_node().await;
    let before = node.world().await;
    let open = |body: Value| node.raw(Method::POST, "/v1/channels").json(&body);
    refused("no money", open(json!({ "account": "alice", "deposit": u64::MAX })), 402, "insufficient-funds", "").await;
    refused("no deposit", open(json!({ "account": "alice", "deposit": 0 })), 422, "transaction-refused", "").await;
    refused("no account", open(json!({ "account": "nobody", "deposit": 5 })), 404, "unknown-key", "keys add").await;
    let short = open(json!({ "account": "alice", "deposit": 5, "seconds": 1 }));
    refused("too short", short, 422, "channel-too-short", "at least").await;
    let nowhere = open(json!({ "account": "alice", "deposit": 5, "node": "ab".repeat(32) }));
    refused("an unknown node", nowhere, 422, "transaction-refused", "").await;
    assert_eq!(node.world().await, before);
}

#[tokio::test]
async fn who_names_nobody_is_paid_for_by_the_default_payer_or_told_which_field_names_one() {
    let Some(tools) = kit::tools_with_model().await else { return };
    let mut config = kit::config();
    config.api.payer = "bob".to_owned();
    let node = kit::TestNode::spawn_with(tools, config).await;
    node.datanet("topics", &corpus::labelled(), corpus::jsonl(&corpus::samples(300, 45))).await;
    refused("no such key", ask(&node, json!({})), 404, "unknown-key", "api.payer names who pays, but there is no key")
        .await;
    node.account("bob", 10_000_000).await;
    refused("no channel", ask(&node, json!({})), 402, "no-channel", "open one with `datanet channel open --account")
        .await;
    give_final(&node, "bob", 0, 30).await;
    let opened = node.post("/v1/channels", json!({ "account": "bob", "deposit": 5_000 })).await;
    let answer = kit::until("the index is filled", async || {
        let answer = kit::read("an answer", ask(&node, json!({}))).await;
        (answer["fee"] == 1_000).then_some(answer)
    })
    .await;
    assert_eq!(answer["receipt"]["channel"], opened["channel"], "{answer:#}");

    let plain = plain_node().await;
    let says = "OpenAI's clients: as \"user\", or in extra_body";
    refused("nobody pays", ask(&plain, json!({})), 402, "payment-required", says).await;
    let problem: Value = ask(&plain, json!({})).send().await.unwrap().json().await.unwrap();
    assert_eq!(problem["error"]["param"], "account", "{problem:#}");
    let said = problem["detail"].as_str().unwrap();
    assert!(said.starts_with("an answer costs 0.001 DNT (1000 base units) and nothing says who pays"), "{said}");
}
