//! Agents on the ledger, over the protocol: made and limited by the operator's token, by no other, and found by strangers.

use serde_json::json;

use super::agent::{Agent, given, is_refusal};
use super::owners::program;
use crate::cli;
use crate::kit::{TestNode, read, refused, tools_without_model};
use crate::x402::{face, public_config};

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_is_registered_limited_ended_and_found_by_strangers() {
    let node = TestNode::spawn_with(tools_without_model(), public_config()).await;
    let home = node.home().to_owned();
    let owner = node.account("principal", 50_000_000).await;
    let agent = Agent::old(&node);
    let card = "0a".repeat(32);
    let new =
        json!({ "name": "owl\u{202e}", "card": card, "budget": 1_000_000, "funds": 5_000_000, "account": "principal" });
    agent.refused("agent_register", new.clone(), "price-not-agreed", "max_price").await;
    let mut agreed = new;
    agreed["max_price"] = json!(6_000_000);
    agent.refused("agent_register", json!({ "name": "x", "card": "zz", "budget": 1 }), "bad-argument", "no hash").await;
    let made = agent.does("agent_register", agreed).await;
    let (id, account) = (made["id"].as_str().unwrap(), made["account"].as_str().unwrap());
    assert_eq!(node.balance(account).await, 5_000_000);

    cli::json(&home, &["keys", "add", "runner", "--account", account]);
    let granting = json!({ "agent": id, "key": "runner", "actions": ["transfer"], "budget": 400_000, "account": "principal", "max_price": 5_000 });
    agent.does("agent_grant", granting).await;
    let pay = ["transfer", "principal", "0.3DNT", "--from", "runner", "--yes"];
    cli::json(&home, &pay);
    let changing = json!({ "agent": id, "budget": 2_000_000, "account": "principal", "max_price": 5_000 });
    agent.does("agent_update", changing).await;
    let shown = agent.does("agent", json!({ "agent": id })).await;
    assert_eq!((&shown["budget"]["units"], &shown["owner"]), (&json!(2_000_000), &json!(owner)));
    assert_eq!((&shown["name"], &shown["retired"]), (&json!("owl"), &json!(false)), "without what nobody sees");
    let revoking = json!({ "agent": id, "key": "runner", "account": "principal", "max_price": 5_000 });
    agent.does("agent_revoke", revoking.clone()).await;
    cli::fails(&home, &pay, "does not speak for account");

    // A program with a token of its own sees agents, and decides about none.
    let api = program(&node, "principal", &["read", "spend"]).await;
    let other = Agent::old(&api);
    assert_eq!(other.does("agents", json!({ "owner": owner })).await["agents"][0]["id"], json!(id));
    is_refusal("revoking", &other.call("agent_revoke", revoking).await, "scope", "admin");

    // And whoever has nothing here finds them, with what is said of sellers.
    let face = face(&node);
    let stranger = Agent::new(&face);
    let found = stranger.does("agents", json!({ "limit": 1 })).await;
    assert_eq!((&found["agents"][0]["account"], &found["next"]), (&json!(account), &json!(id)));
    assert_eq!(stranger.does("agents", json!({ "after": id })).await["agents"], json!([]));
    assert_eq!(
        given("agent", &stranger.call("agent", json!({ "agent": id })).await),
        shown_of(&shown, &agent, id).await
    );
    let seller = stranger.does("sellers", json!({ "account": account })).await;
    assert_eq!((&seller["sellers"][0]["agent"], &seller["sellers"][0]["score_bps"]), (&json!(id), &json!(null)));
    assert_eq!(stranger.does("sellers", json!({})).await["sellers"], json!([]));
    let get = |path: &str| face.bare(reqwest::Method::GET, path);
    assert_eq!(read("agents", get("/v1/agents")).await["agents"][0]["id"], json!(id));
    refused("too many", get("/v1/agents?limit=101"), 400, "bad-query", "from 1 to 100").await;
    refused("none", get(&format!("/v1/agents/{}", "0b".repeat(32))), 404, "unknown-agent", "there is no agent").await;
    // What its operator does not give out is not there for them.
    std::fs::write(home.join("denied"), format!("{id}\n")).unwrap();
    crate::kit::until("it is denied", async || {
        let listed = read("agents", get("/v1/agents")).await;
        (listed["agents"] == json!([])).then_some(())
    })
    .await;
    refused("denied", get(&format!("/v1/agents/{id}")), 403, "denied", "does not give this out").await;
}

/// What the operator's agent is told now: money has moved since `before`.
async fn shown_of(before: &serde_json::Value, agent: &Agent<'_>, id: &str) -> serde_json::Value {
    let now = agent.does("agent", json!({ "agent": id })).await;
    assert_eq!(now["card"], before["card"]);
    now
}
