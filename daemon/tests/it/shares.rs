//! Shares of a datanet as people handle them: issued, given away, traded, and paid.

use datanet::init::own_params;
use datanet_api::shares::{AllShares, HeldShares, PoolView, Pools, Quote, SharesView};
use datanet_ledger::component::Params;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::cli::{fails, json, said};
use crate::corpus;
use crate::kit::{Api, TestNode, config, refused, tools_without_model};

/// What the node writes at `path` is read as a `T`, which is written the same again.
async fn same<T: Serialize + DeserializeOwned>(node: &Api, path: &str) -> T {
    let text = node.raw(reqwest::Method::GET, path).send().await.unwrap().text().await.unwrap();
    let value: T = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error} in {text}"));
    assert_eq!(serde_json::to_string(&value).unwrap(), text, "{path}");
    value
}

#[tokio::test(flavor = "multi_thread")]
async fn a_datanets_income_is_shared_traded_and_paid() {
    let params = Params { income_seconds: 0, ..own_params() };
    let node = TestNode::spawn_on(tools_without_model(), config(), params).await;
    let home = node.home().to_owned();
    let bob = node.account("bob", 100_000_000).await;
    node.datanet("topics", &corpus::labelled(), corpus::jsonl(&corpus::samples(300, 45))).await;
    let of = "datanet:topics";

    fails(&home, &["shares", "show", of], "has issued no shares");
    fails(&home, &["shares", "issue", "topics", "1000000", "--yes"], "write datanet:NAME, model:NAME");
    fails(&home, &["shares", "issue", of, "99", "--yes"], "from 100 to");
    fails(&home, &["shares", "issue", of, "1000000", "--account", "bob", "--yes"], "only that account");
    json(&home, &["shares", "issue", of, "1000000", "--yes"]);
    fails(&home, &["shares", "issue", of, "1000000", "--yes"], "that is done once");
    json(&home, &["shares", "transfer", of, "100000", "--to", "bob", "--yes"]);
    fails(&home, &["shares", "transfer", of, "1000000", "--to", "bob", "--yes"], "has 900000 shares");

    fails(&home, &["pool", "quote", of, "--buy", "1DNT"], "there is no pool");
    json(&home, &["pool", "create", of, "--shares", "200000", "--amount", "20DNT", "--yes"]);
    let quote = json(&home, &["pool", "quote", of, "--buy", "1DNT"]);
    assert_eq!((&quote["take"], &quote["fee"], &quote["worse_bps"]), (&json!(9_496), &json!(3_000), &json!(504)));
    assert!(said(&home, &["pool", "quote", of, "--buy", "1DNT"]).contains("1 DNT buy 9496 shares"));
    let swap = ["pool", "swap", of, "--buy", "1DNT", "--slippage-bps", "0", "--account", "bob", "--yes"];
    json(&home, &swap);
    // What would bring less than it did a moment ago is refused.
    let asset = quote["asset"].as_str().unwrap();
    let greedy = json!({ "account": "bob", "give": 1_000_000, "least": 9_496 });
    let greedy = node.raw(reqwest::Method::POST, &format!("/v1/pools/{asset}/buy")).json(&greedy);
    refused("a price that has moved", greedy, 422, "transaction-refused", "the price has moved").await;
    json(&home, &["pool", "add", of, "--shares", "50000", "--amount", "2DNT", "--account", "bob", "--yes"]);
    json(&home, &["pool", "swap", of, "--sell", "5000", "--yes"]);

    json(&home, &["shares", "pay", of, "10DNT", "--yes"]);
    let held = json(&home, &["shares", "list", "--account", "bob"]);
    let owed = held["held"][0]["owed"].as_u64().unwrap();
    assert!((1_000_000..1_100_000).contains(&owed), "about a tenth, in the pool and outside: {held:#}");
    let before = node.balance(&bob).await;
    json(&home, &["shares", "withdraw", of, "--account", "bob"]);
    assert_eq!(node.balance(&bob).await, before + owed - 1_000);
    fails(&home, &["shares", "withdraw", of, "--account", "bob"], "earned nothing");
    let units = held["held"][0]["units"].to_string();
    json(&home, &["pool", "remove", of, "--units", &units, "--account", "bob", "--yes"]);
    assert_eq!(json(&home, &["shares", "claim", of]), json!({ "claims": [], "total": 0, "failed": [] }));

    let shown: SharesView = same(&node, &format!("/v1/shares/{asset}")).await;
    assert_eq!(shown.holders.iter().map(|holder| holder.shares).sum::<u64>(), 1_000_000);
    assert_eq!((shown.supply, shown.income, shown.holders.len()), (1_000_000, 10_000_000, 3));
    let pool: PoolView = same(&node, &format!("/v1/pools/{asset}")).await;
    assert_eq!((pool.fee_bps, pool.price > 100), (30, true));
    same::<AllShares>(&node, "/v1/shares").await;
    same::<Pools>(&node, "/v1/pools").await;
    same::<HeldShares>(&node, &format!("/v1/accounts/{bob}/shares")).await;
    same::<Quote>(&node, &format!("/v1/pools/{asset}/quote?sell=10")).await;
    let both = node.raw(reqwest::Method::GET, &format!("/v1/pools/{asset}/quote?sell=10&buy=10"));
    refused("both ways", both, 400, "bad-query", "say either").await;
    for command in [&["shares", "list"][..], &["shares", "show", of], &["pool", "list"], &["pool", "show", of]] {
        assert!(!said(&home, command).is_empty());
    }
    let supply = node.get("/v1/supply").await;
    assert_eq!(supply["supply"], supply["minted"]);
}
