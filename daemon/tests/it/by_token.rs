//! Text that is paid by its tokens: quoted for the most, promised ahead, taken as used, and checked by whoever wants to.

use datanet_types::NodeKey;
use reqwest::Method;
use serde_json::{Value, json};

use crate::factory::{prepared_as, trained, writer_job};
use crate::kit::{self, TestNode, read, refused};
use crate::payer::Payer;

/// What the datanet asks for an answer, and this node for a token.
const PRICE: u64 = 1_000;
const TOKEN: u64 = 100;

fn ask(more: Value) -> Value {
    let mut body =
        json!({ "model": "writer", "prompt": "The striker", "max_tokens": 12, "seed": 3, "temperature": 0.9 });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

fn most(tokens: u64) -> u64 {
    PRICE + tokens * TOKEN
}

/// What it cost is what its tokens do, here and to whoever verifies it; the tokens.
async fn counted(node: &TestNode, answer: &Value) -> u64 {
    let tokens = answer["usage"]["completion_tokens"].as_u64().unwrap();
    let (shown, receipt) = (&answer["datanet"], &answer["datanet"]["receipt"]);
    assert_eq!((&shown["fee"], &receipt["fee"]), (&json!(most(tokens)), &json!(most(tokens))), "{answer:#}");
    let rate = json!({ "answer": PRICE, "thousand": 1_000 * TOKEN });
    assert_eq!(receipt["usage"], json!({ "rate": rate, "tokens": tokens }), "{answer:#}");
    let verify = format!("/v1/receipts/{}/verify", receipt["id"].as_str().unwrap());
    let verdict = read("verify", node.raw(Method::POST, &verify)).await;
    assert!(matches!(verdict["verdict"].as_str(), Some("match" | "within")), "{verdict:#}");
    tokens
}

#[tokio::test]
async fn text_costs_what_its_tokens_do_and_ends_where_the_money_does() {
    let mut config = kit::config();
    config.serving.token_price = 1_000 * TOKEN;
    let Some(node) = prepared_as(config).await else { return };
    trained(&node, writer_job()).await;
    node.post("/v1/models/writer/deploy", json!({})).await;

    // The node's word is for the most, and holds for less; an account of the node is charged for what was used.
    let quote = node.post("/v1/quotes", json!({ "completion": ask(json!({})) })).await["quote"].clone();
    assert_eq!(quote["price"], most(12), "{quote:#}");
    assert_eq!(quote["rate"], json!({ "answer": PRICE, "thousand": 1_000 * TOKEN }), "{quote:#}");
    let answer = node.post("/v1/completions", ask(json!({ "account": "bob", "quote": quote }))).await;
    assert!(counted(&node, &answer).await <= 12);
    let named = node.post("/v1/quotes", json!({ "model": "writer" })).await["quote"].clone();
    assert!(named["price"].as_u64() > quote["price"].as_u64(), "of as many tokens as it writes");
    let answer = node.post("/v1/completions", ask(json!({ "account": "bob", "quote": named, "seed": 4 }))).await;
    counted(&node, &answer).await;

    by_pieces(&node).await;
}

/// A payer without an account of the node pays for five tokens, and then for the rest.
async fn by_pieces(node: &TestNode) {
    let this: NodeKey = serde_json::from_value(node.get("/v1/status").await["node_key"].clone()).unwrap();
    let payer = Payer::new(node).await;
    let channel = payer.open(node, this, 50_000, 1_000).await;
    let paid = |cumulative: u64, more: Value| {
        let mut body = ask(json!({ "voucher": payer.voucher(channel, cumulative) }));
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let nothing = paid(most(1) - 1, json!({}));
    let request = node.raw(Method::POST, "/v1/completions").json(&nothing);
    refused("less than a token", request, 402, "wrong-voucher-amount", &format!("sign for {}", most(12))).await;

    let first = node.post("/v1/completions", paid(most(5), json!({}))).await;
    let used = counted(node, &first).await;
    let ended = if used == 5 { "length" } else { "stop" };
    assert!(used <= 5 && first["choices"][0]["finish_reason"] == ended, "{first:#}");
    assert_eq!(first["datanet"]["receipt"]["cumulative"], most(used));
    // The same promise is the same answer, and no other.
    let again = node.post("/v1/completions", paid(most(5), json!({}))).await;
    assert_eq!(again["datanet"]["receipt"]["id"], first["datanet"]["receipt"]["id"]);
    let other = node.raw(Method::POST, "/v1/completions").json(&paid(most(5), json!({ "prompt": "A keeper" })));
    refused("a voucher is spent once", other, 409, "voucher-spent", "another question").await;

    // What is left of it pays for the next, which is told as it is written.
    let said = format!("The striker{}", first["choices"][0]["text"].as_str().unwrap());
    let next = paid(most(used) + most(12), json!({ "prompt": said, "stream": true }));
    let text = node.raw(Method::POST, "/v1/completions").json(&next).send().await.unwrap().text().await.unwrap();
    let last = text.lines().rfind(|line| line.contains("\"receipt\"")).unwrap_or_else(|| panic!("{text}"));
    let last: Value = serde_json::from_str(last.strip_prefix("data: ").unwrap()).unwrap();
    let receipt = &last["datanet"]["receipt"];
    let tokens = receipt["usage"]["tokens"].as_u64().unwrap();
    assert_eq!(receipt["cumulative"], most(used) + most(tokens), "{last:#}");
}
