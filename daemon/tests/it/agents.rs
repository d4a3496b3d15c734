//! An agent as people handle it: registered, run by a key with limits, funded, changed and retired; and what is said of sellers.

use datanet_api::agents::{AgentView, Agents};
use datanet_api::sellers::{OpenRatings, SellerView, Sellers};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::cli::{fails, json, said};
use crate::kit::{Api, plain_node, refused};

/// What the node writes at `path` is read as a `T`, which is written the same again.
async fn same<T: Serialize + DeserializeOwned>(node: &Api, path: &str) -> T {
    let text = node.raw(reqwest::Method::GET, path).send().await.unwrap().text().await.unwrap();
    let value: T = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error} in {text}"));
    assert_eq!(serde_json::to_string(&value).unwrap(), text, "{path}");
    value
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_is_registered_run_within_its_budget_and_retired() {
    let node = plain_node().await;
    let home = node.home().to_owned();
    let owner = node.account("principal", 100_000_000).await;
    let shop = node.account("shop", 1_000_000).await;
    let card = home.join("card.json");
    std::fs::write(&card, r#"{"name": "owl"}"#).unwrap();
    let card = card.to_str().unwrap();
    let register = ["agent", "register", "owl", "--card", card, "--budget", "1DNT", "--funds", "5DNT"];
    let register: Vec<&str> = register.into_iter().chain(["--account", "principal", "--yes"]).collect();
    let agent = json(&home, &register);
    let (id, account) = (agent["id"].as_str().unwrap(), agent["account"].as_str().unwrap());
    assert_eq!(node.balance(account).await, 5_000_000);
    fails(&home, &register, "give this one another name");
    fails(&home, &["agent", "show", &"0a".repeat(32)], "there is no agent");
    fails(&home, &["agent", "update", id, "--made-from", "model:x", "--account", "principal"], "write ASSET=BPS");

    json(&home, &["keys", "add", "runner", "--account", account]);
    let pay = |amount: &'static str| ["transfer", "shop", amount, "--from", "runner", "--yes"];
    fails(&home, &pay("0.1DNT"), "does not speak for account");
    let grant = ["agent", "grant", id, "runner", "--may", "transfer", "--budget", "9DNT", "--account"];
    fails(&home, &grant.into_iter().chain(["shop"]).collect::<Vec<_>>(), "does not speak for account");
    assert!(said(&home, &grant.into_iter().chain(["principal"]).collect::<Vec<_>>()).contains("may spend 9 DNT"));
    json(&home, &pay("0.6DNT"));
    fails(&home, &pay("0.6DNT"), "with all its sub-keys together has");
    let shown: AgentView = same(&node, &format!("/v1/agents/{id}")).await;
    // What its owner signs for it, the grant, costs the agent, and not its budget.
    assert_eq!((shown.left, shown.budget, shown.balance), (399_000, 1_000_000, 4_398_000));
    assert_eq!((shown.owner.to_string(), shown.release, shown.retired_height), (owner.clone(), 0, 0));
    let keys = node.get(&format!("/v1/accounts/{account}/keys")).await;
    assert_eq!((&keys["governor"], &keys["sub_keys"][0]["ended"]), (&json!(owner), &json!(false)));

    json(&home, &["agent", "update", id, "--budget", "2DNT", "--account", "principal"]);
    json(&home, &pay("0.6DNT"));
    json(&home, &["agent", "update", id, "--end-keys", "--account", "principal"]);
    fails(&home, &pay("0.1DNT"), "does not speak for account");
    let keys = node.get(&format!("/v1/accounts/{account}/keys")).await;
    assert_eq!(keys["sub_keys"][0]["ended"], true);
    fails(&home, &["agent", "update", id, "--account", "principal"], "changes nothing");
    fails(&home, &["agent", "update", id, "--end-keys", "--account", "shop"], "only that account");

    json(&home, &["agent", "fund", id, "1DNT", "--account", "shop", "--yes"]);
    assert!(said(&home, &["agent", "show", id]).contains("may spend"));
    assert!(said(&home, &["agent", "list", "--owner", "principal"]).contains("owl"));
    let before = node.balance(&owner).await;
    let left = node.balance(account).await;
    json(&home, &["agent", "retire", id, "--account", "principal", "--yes"]);
    assert_eq!((node.balance(&owner).await, node.balance(account).await), (before + left - 1_000, 0));
    let of_owner: Agents = same(&node, &format!("/v1/agents?owner={owner}")).await;
    assert!(of_owner.agents.is_empty());
    assert_eq!(same::<Agents>(&node, "/v1/agents").await.agents.len(), 1);
    let bad = json!({ "name": "wren", "card": "0a".repeat(32), "suppliers": [{ "asset": "x", "floor_bps": 1 }], "budget": 1, "period_seconds": 1 });
    let bad = node.raw(reqwest::Method::POST, "/v1/agents").json(&bad);
    refused("no asset", bad, 422, "bad-field", "datanet:ID, model:ID or agent:ID").await;
    assert_eq!(node.balance(&shop).await, 1_000_000 + 600_000 + 600_000 - 1_000_000 - 1_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_sold_nothing_has_no_score_and_who_has_paid_nothing_says_none() {
    let node = plain_node().await;
    let home = node.home().to_owned();
    let account = node.get("/v1/status").await["account"].as_str().unwrap().to_owned();
    assert!(same::<Sellers>(&node, "/v1/sellers").await.sellers.is_empty());
    let seller: SellerView = same(&node, &format!("/v1/sellers/{account}")).await;
    assert_eq!((seller.score_bps, seller.rated, seller.agent), (None, 0, None));
    assert!(same::<OpenRatings>(&node, &format!("/v1/accounts/{account}/ratings")).await.open.is_empty());
    let key = node.get("/v1/status").await["node_key"].as_str().unwrap().to_owned();
    fails(&home, &["sellers", "rate", &format!("{key}/1"), "90"], "has nothing to rate");
    fails(&home, &["sellers", "rate", &key, "90"], "write NODE/NUMBER");
    assert!(said(&home, &["sellers", "show", "node"]).contains("nothing counts"));
    for command in [["sellers", "list"], ["sellers", "open"]] {
        assert!(!said(&home, &command).contains(&account), "{command:?}");
    }
}
