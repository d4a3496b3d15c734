//! Requests that are refused before they mean anything: strangers, garbage, things that do not exist.

use datanet_types::SigningKey;
use reqwest::Method;
use serde_json::{Value, json};

use crate::corpus;
use crate::kit::{self, MAX_BODY, plain_node, read, refused};

#[tokio::test]
async fn strangers_are_refused() {
    let node = plain_node().await;
    let before = node.world().await;
    let body = json!({ "from": "node", "to": before["accounts"][0]["address"], "amount": 1 });
    let transfer = || node.bare(Method::POST, "/v1/transfers").json(&body);
    refused("no token", transfer(), 401, "token", "api-token").await;
    refused("a wrong token", transfer().bearer_auth("guess"), 401, "token", "wrong").await;
    refused("an empty token", transfer().header("authorization", "Bearer "), 401, "token", "api-token").await;
    let basic = transfer().basic_auth("node", Some(node.token()));
    refused("another scheme", basic, 401, "token", "Authorization: Bearer").await;
    let with_token = || transfer().bearer_auth(node.token());
    let rebound = with_token().header("host", "node.evil.example");
    refused("a rebound name", rebound, 403, "foreign-host", "api.allowed_hosts").await;
    let page = with_token().header("origin", "https://evil.example");
    refused("a foreign page", page, 403, "foreign-origin", "other origins are refused").await;
    for path in ["/health/live", "/metrics", "/openapi.json", "/docs/"] {
        let rebound = node.bare(Method::GET, path).header("host", "node.evil.example");
        refused(path, rebound, 403, "foreign-host", "127.0.0.1").await;
    }
    assert_eq!(node.world().await, before);
}

#[tokio::test]
async fn what_does_not_exist_is_not_found() {
    let node = plain_node().await;
    let get = |path: &str| node.raw(Method::GET, path);
    let id = "ab".repeat(32);
    refused("a route", get("/v1/nothing"), 404, "unknown-route", "/docs").await;
    refused("a route outside", node.bare(Method::GET, "/wp-login.php"), 404, "unknown-route", "/docs").await;
    refused("a datanet", get("/v1/datanets/nothing"), 404, "unknown-datanet", "GET /v1/datanets").await;
    refused("a list", get("/v1/datanets/nothing/contributions"), 404, "unknown-datanet", "nothing").await;
    refused("a search", get("/v1/search?q=soup&datanet=nothing"), 404, "unknown-datanet", "nothing").await;
    for tail in ["", "/events", "/records"] {
        let path = format!("/v1/contributions/{id}{tail}");
        refused(&path, get(&path), 404, "unknown-contribution", &id).await;
    }
    refused("a transaction", get(&format!("/v1/tx/{id}")), 404, "unknown-transaction", &id).await;
    refused("a receipt", get(&format!("/v1/receipts/{id}")), 404, "unknown-receipt", &id).await;
    let verify = node.raw(Method::POST, &format!("/v1/receipts/{id}/verify"));
    refused("a receipt to verify", verify, 404, "unknown-receipt", &id).await;
    let close = node.raw(Method::POST, &format!("/v1/channels/{id}/close")).json(&json!({}));
    refused("a channel", close, 404, "unknown-channel", &id).await;
    refused("an account's name", get("/v1/channels?account=nobody"), 404, "unknown-key", "datanet keys add").await;
    let address = SigningKey::from_bytes(&kit::random()).address();
    assert_eq!(node.get(&format!("/v1/accounts/{address}")).await["balance"], 0, "an unknown account owns nothing");
}

#[tokio::test]
async fn wrong_methods_are_told_so() {
    let node = plain_node().await;
    for (method, path) in [
        (Method::DELETE, "/v1/status"),
        (Method::GET, "/v1/transfers"),
        (Method::PUT, "/v1/datanets"),
        (Method::POST, "/health/live"),
        (Method::DELETE, "/v1/datanets/notes/contributions"),
    ] {
        refused(path, node.raw(method, path), 405, "wrong-method", "/docs").await;
    }
}

#[tokio::test]
async fn ids_and_queries_that_do_not_parse_are_refused() {
    let node = plain_node().await;
    let get = |path: &str| node.raw(Method::GET, path);
    for path in [
        "/v1/contributions/short",
        "/v1/contributions/zz/records",
        "/v1/tx/12",
        "/v1/receipts/0x12",
        "/v1/accounts/dn1nonsense",
        "/v1/accounts/node/earnings",
        "/v1/datanets/%ff",
        "/v1/datanets/%ff/contributions",
    ] {
        refused(path, get(path), 400, "bad-path", "").await;
    }
    for path in [
        "/v1/search",
        "/v1/search?q=soup&mode=psychic",
        "/v1/search?q=soup&limit=many",
        "/v1/search?q=soup&colour=red",
        "/v1/datanets/notes/contributions?limit=-1",
    ] {
        refused(path, get(path), 400, "bad-query", "").await;
    }
}

#[tokio::test]
async fn bodies_that_do_not_parse_are_refused_and_change_nothing() {
    let node = plain_node().await;
    let before = node.world().await;
    let routes =
        ["/v1/keys", "/v1/transfers", "/v1/datanets", "/v1/ask", "/v1/channels", "/v1/embeddings", "/v1/models"];
    for path in routes {
        let json =
            |text: &'static str| node.raw(Method::POST, path).header("content-type", "application/json").body(text);
        refused(path, json("{\""), 400, "bad-body", "").await;
        refused(path, json("\u{0}\u{1}garbage"), 400, "bad-body", "").await;
        refused(path, json("[]"), 422, "bad-field", "").await;
        refused(path, json(""), 400, "bad-body", "").await;
        refused(path, node.raw(Method::POST, path).body("{}"), 415, "unsupported-media-type", "application/json").await;
    }
    let large = vec![b' '; usize::try_from(MAX_BODY).unwrap() + 1];
    for path in ["/v1/keys", "/v1/ask", "/v1/tx", "/v1/receipts/check"] {
        let body = node.raw(Method::POST, path).header("content-type", "application/json").body(large.clone());
        refused(path, body, 413, "body-too-large", "").await;
    }
    assert_eq!(node.world().await, before);
}

#[tokio::test]
async fn datanets_that_make_no_sense_are_refused_and_change_nothing() {
    let node = plain_node().await;
    let before = node.world().await;
    let good = kit::new_datanet("fresh", &corpus::labelled(), corpus::jsonl(&corpus::samples(0, 9)));
    let create = |change: &dyn Fn(&mut Value)| {
        let mut body = good.clone();
        change(&mut body);
        node.raw(Method::POST, "/v1/datanets").json(&body)
    };
    let no_text = create(&|body| body["schema"]["fields"] = json!([{ "name": "label", "role": "label" }]));
    refused("no text field", no_text, 422, "bad-schema", "role \"text\"").await;
    refused(
        "a wrong held-out set",
        create(&|b| b["holdout"] = json!("{\"text\":1}")),
        422,
        "bad-holdout",
        "held-out set",
    )
    .await;
    refused("no held-out set", create(&|b| b["holdout"] = json!("")), 422, "bad-holdout", "send at least one").await;
    refused("a name in use", create(&|b| b["name"] = json!("topics")), 409, "name-taken", "choose another").await;
    refused("an odd name", create(&|b| b["name"] = json!("Not A Name")), 422, "transaction-refused", "").await;
    refused("an account unknown here", create(&|b| b["account"] = json!("nobody")), 404, "unknown-key", "keys add")
        .await;
    refused("a committee of none", create(&|b| b["committee_size"] = json!(0)), 422, "transaction-refused", "").await;
    refused("a field unknown", create(&|b| b["colour"] = json!("red")), 422, "bad-field", "colour").await;
    refused("a threshold over all", create(&|b| b["accept_threshold"] = json!(10_001)), 422, "transaction-refused", "")
        .await;
    assert_eq!(node.world().await, before);
}

#[tokio::test]
async fn keys_and_transfers_that_cannot_be_are_refused_and_change_nothing() {
    let node = plain_node().await;
    let before = node.world().await;
    let to = SigningKey::from_bytes(&kit::random()).address().to_string();
    let to = to.as_str();
    let key = |name: &str| node.raw(Method::POST, "/v1/keys").json(&json!({ "name": name }));
    refused("a key's name in use", key("alice"), 409, "key-exists", "choose another name").await;
    for name in ["", "../node", "a b", ".hidden", &"n".repeat(65)] {
        refused(name, key(name), 400, "bad-key-name", "1 to 64").await;
    }
    let transfer = |from: &str, to: &str, amount: Value| {
        node.raw(Method::POST, "/v1/transfers").json(&json!({ "from": from, "to": to, "amount": amount }))
    };
    refused("more than there is", transfer("alice", to, json!(u64::MAX)), 402, "insufficient-funds", "").await;
    refused("nothing", transfer("alice", to, json!(0)), 422, "transaction-refused", "").await;
    refused("less than nothing", transfer("alice", to, json!(-5)), 422, "bad-field", "").await;
    refused("a fraction", transfer("alice", to, json!(0.5)), 422, "bad-field", "").await;
    refused("from nobody", transfer("nobody", to, json!(5)), 404, "unknown-key", "keys add").await;
    refused("to no address", transfer("alice", "dn1bad", json!(5)), 422, "bad-field", "").await;
    assert_eq!(node.world().await, before);
}

#[tokio::test]
async fn a_settlement_of_nothing_is_a_conflict() {
    let node = plain_node().await;
    let settle = node.raw(Method::POST, "/v1/epochs/settle");
    refused("nothing", settle, 409, "nothing-to-settle", "no paid answers").await;
    let address = node.get("/v1/status").await["account"].as_str().unwrap().to_owned();
    let claim = read("claim", node.raw(Method::POST, &format!("/v1/accounts/{address}/claim"))).await;
    assert_eq!(claim, json!({ "claims": [], "total": 0, "failed": [] }));
}
