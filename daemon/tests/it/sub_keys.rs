//! A program spends somebody's money with a key of its own: as much as was granted, where it was, until it is revoked. And an owner's key
//! is rotated.

use serde_json::json;

use crate::cli;
use crate::kit::{Api, plain_node, refused};

const DNT: u64 = 1_000_000;

async fn balance(api: &Api, name: &str) -> u64 {
    let keys = api.get("/v1/keys").await;
    let key = keys["keys"].as_array().unwrap().iter().find(|key| key["name"] == name).unwrap().clone();
    let path = format!("/v1/accounts/{}", key["address"].as_str().unwrap());
    api.get(&path).await["balance"].as_u64().unwrap()
}

/// An account with ten DNT.
async fn account(api: &Api, name: &str) -> String {
    let key = api.post("/v1/keys", json!({ "name": name })).await;
    let address = key["address"].as_str().unwrap().to_owned();
    api.post("/v1/transfers", json!({ "from": "node", "to": address, "amount": 10 * DNT })).await;
    address
}

#[tokio::test]
async fn an_agent_pays_with_a_key_of_its_own_within_its_limits_and_until_it_is_revoked() {
    let node = plain_node().await;
    let address = account(&node, "principal").await;
    let shop = node.post("/v1/keys", json!({ "name": "shop" })).await["address"].as_str().unwrap().to_owned();
    let agent = node.post("/v1/keys", json!({ "name": "agent", "account": address })).await;
    assert_eq!(agent["address"], address);
    let pay = |to: &str, amount: u64| {
        let body = json!({ "from": "agent", "to": to, "amount": amount });
        node.raw(reqwest::Method::POST, "/v1/transfers").json(&body)
    };
    refused("not granted yet", pay(&shop, 5), 422, "transaction-refused", "does not speak for account").await;

    let limits = json!({
        "key": "agent", "actions": ["transfer"], "counterparties": [shop], "budget": DNT, "period_seconds": 86_400,
        "lasts_seconds": 86_400,
    });
    let granted = node.post("/v1/keys/principal/grants", limits.clone()).await;
    assert_eq!((&granted["key"], &granted["account"]), (&agent["public_key"], &json!(address)));
    let elsewhere = node.raw(reqwest::Method::POST, "/v1/keys/node/grants").json(&limits);
    refused("another account's key", elsewhere, 422, "bad-field", "name an owner of the former").await;
    let before = balance(&node, "principal").await;
    node.post("/v1/transfers", json!({ "from": "agent", "to": shop, "amount": DNT / 2 })).await;
    assert_eq!((before - balance(&node, "principal").await, balance(&node, "shop").await), (DNT / 2 + 1_000, DNT / 2));
    refused("more than is left", pay(&shop, DNT / 2), 422, "transaction-refused", "until its next period").await;
    refused("somebody else", pay("node", 5), 422, "transaction-refused", "only with the 1 counterparties").await;
    let escalation =
        json!({ "key": "agent", "actions": ["transfer"], "budget": DNT, "period_seconds": 1, "lasts_seconds": 9 });
    let escalation = node.raw(reqwest::Method::POST, "/v1/keys/agent/grants").json(&escalation);
    refused("a grant by a sub-key", escalation, 422, "transaction-refused", "may not grant_key").await;

    let shown = node.get(&format!("/v1/accounts/{address}/keys")).await;
    let sub_key = &shown["sub_keys"][0];
    assert_eq!(sub_key["left"], DNT / 2 - 1_000, "{shown}");
    assert_eq!(
        (&shown["version"], &sub_key["actions"], &sub_key["ended"]),
        (&json!(0), &json!(["transfer"]), &json!(false))
    );

    // Whatever a key signs for here, it is the ledger that knows what was granted.
    let elsewhere = node.raw(reqwest::Method::POST, "/v1/keys/node/revoke").json(&json!({ "key": "agent" }));
    refused("never granted there", elsewhere, 422, "transaction-refused", "has no sub-key").await;
    node.post("/v1/keys/principal/revoke", json!({ "key": "agent" })).await;
    refused("revoked", pay(&shop, 5), 422, "transaction-refused", "does not speak for account").await;
    let again = node.raw(reqwest::Method::POST, "/v1/keys/principal/revoke").json(&json!({ "key": "agent" }));
    refused("revoked before", again, 422, "transaction-refused", "has no sub-key").await;
    let mut wrong = limits;
    wrong["actions"] = json!(["pay"]);
    let wrong = node.raw(reqwest::Method::POST, "/v1/keys/principal/grants").json(&wrong);
    refused("no such action", wrong, 422, "bad-field", "there is no action").await;
}

#[tokio::test]
async fn a_rotated_key_goes_on_for_its_account_and_its_guardian_brings_it_back() {
    let node = plain_node().await;
    let address = account(&node, "rotated").await;
    let guardian = node.post("/v1/keys", json!({ "name": "guardian" })).await["address"].as_str().unwrap().to_owned();
    node.post("/v1/transfers", json!({ "from": "node", "to": guardian, "amount": DNT })).await;
    let path = format!("/v1/accounts/{address}/keys");
    let how = json!({ "guardian": guardian, "recovery_seconds": 1_000_000 });
    let rotated = node.post("/v1/keys/rotated/rotate", how).await;
    assert_eq!(rotated["address"], address);
    let shown = node.get(&path).await;
    assert_eq!(
        (&shown["version"], &shown["owners"], &shown["guardian"]),
        (&json!(1), &json!([rotated["public_key"]]), &json!(guardian))
    );
    node.post("/v1/transfers", json!({ "from": "rotated", "to": "node", "amount": 5 })).await;
    // Once more, with the same guardian.
    let again = node.post("/v1/keys/rotated/rotate", json!({})).await;
    assert_ne!(again["public_key"], rotated["public_key"]);
    assert_eq!(node.get(&path).await["guardian"], guardian.as_str());
    node.post("/v1/transfers", json!({ "from": "rotated", "to": "node", "amount": 5 })).await;

    let recovery = format!("/v1/accounts/{address}/recovery");
    let stranger = node.raw(reqwest::Method::POST, &recovery).json(&json!({ "guardian": "node", "owners": ["node"] }));
    refused("no guardian", stranger, 422, "transaction-refused", "is not the guardian").await;
    let begun = node.post(&recovery, json!({ "guardian": "guardian", "owners": ["guardian"] })).await;
    assert_eq!(node.get(&path).await["pending"]["due"], begun["due"]);
    node.post("/v1/transfers", json!({ "from": "rotated", "to": "node", "amount": 5 })).await;
    let cancelled = node.raw(reqwest::Method::DELETE, "/v1/keys/rotated/recovery").send().await.unwrap();
    assert!(cancelled.status().is_success());
    assert!(node.get(&path).await["pending"].is_null());
    let sub_key = node.post("/v1/keys", json!({ "name": "no-owner", "account": address })).await;
    assert_eq!(sub_key["address"], address);
    let rotate = node.raw(reqwest::Method::POST, "/v1/keys/no-owner/rotate").json(&json!({}));
    refused("a sub-key", rotate, 409, "not-an-owner", "only owners are rotated").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_of_it_is_typed() {
    let node = plain_node().await;
    let address = account(&node, "typist").await;
    let (home, to_node) = (node.home(), node.get("/v1/status").await["account"].as_str().unwrap().to_owned());
    let agent = cli::json(home, &["keys", "add", "typed-agent", "--account", &address]);
    let key = agent["public_key"].as_str().unwrap();
    let grant = |may: &'static str| {
        let limits = ["--may", may, "--with", &to_node, "--budget", "0.5DNT", "--per", "1h", "--lasts", "7d"];
        [&["keys", "grant", key], limits.as_slice()].concat().into_iter().map(str::to_owned)
    };
    let run = |args: Vec<String>| cli::said(home, &args.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(run(grant("transfer").collect()).contains(&format!("0.5 DNT of account {address} every")));
    let wrong: Vec<String> = grant("fly").collect();
    cli::fails(home, &wrong.iter().map(String::as_str).collect::<Vec<_>>(), "there is no action \"fly\"");
    let pay = ["transfer", "node", "0.1DNT", "--from", "typed-agent", "--yes"];
    cli::said(home, &pay);
    let shown = cli::said(home, &["keys", "show", "typist"]);
    assert!(shown.contains("0.399 DNT") && shown.contains("transfer"), "{shown}");
    assert!(cli::said(home, &["keys", "list"]).contains(key));
    cli::fails(home, &["keys", "revoke", key, "--owner", "node"], "has no sub-key");
    cli::said(home, &["keys", "revoke", "typed-agent"]);
    cli::fails(home, &pay, "does not speak for account");
    cli::fails(home, &["keys", "rotate", "typist"], "add --yes");
    let rotated = cli::json(home, &["keys", "rotate", "typist", "--guardian", "node", "--delay", "7d", "--yes"]);
    assert_eq!(rotated["address"], address);
    cli::said(home, &["keys", "recover", &address, "--to", "typed-agent", "--guardian", "node", "--yes"]);
    assert!(cli::said(home, &["keys", "show", &address]).contains("a recovery is under way"));
    cli::said(home, &["keys", "cancel-recovery", "typist"]);
    cli::fails(home, &["keys", "cancel-recovery", "typist"], "no recovery of account");
}
