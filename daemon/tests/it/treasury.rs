//! The chain's parameters and treasury as its authority handles them, and a ledger that moves to another home.

use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use datanet::init::own_params;
use datanet_ledger::component::Params;
use serde_json::json;

use crate::cli::{fails, json, said};
use crate::kit::{TestNode, config, refused, tools_without_model, until};

#[tokio::test(flavor = "multi_thread")]
async fn parameters_and_payments_are_announced_and_the_ledger_moves_to_another_home() {
    let params = Params { authority_delay_seconds: 2, treasury_period_bps: 10_000, ..own_params() };
    let mut node = TestNode::spawn_on(tools_without_model(), config(), params).await;
    let home = node.home().to_owned();
    let shown = json(&home, &["params", "show"]);
    assert_eq!(
        (&shown["version"], &shown["params"]["min_fee"], &shown["announced"]),
        (&json!(0), &json!(1_000), &json!(null))
    );

    let receiver = node.post("/v1/keys", json!({ "name": "receiver" })).await["address"].as_str().unwrap().to_owned();
    fails(&home, &["params", "set", "min_fees=1", "--yes"], "no parameter \"min_fees\"");
    fails(&home, &["params", "set", "min_fee", "--yes"], "write NAME=VALUE");
    fails(&home, &["params", "cancel"], "no parameters are announced");
    fails(&home, &["params", "set", "min_fee=1", "--account", "receiver", "--yes"], "not this chain's authority");
    json(&home, &["params", "set", "min_fee=1500", "--yes"]);
    json(&home, &["treasury", "spend", "receiver", "700base", "--reason", "a test", "--yes"]);
    let treasury = json(&home, &["treasury", "show"]);
    assert_eq!((&treasury["announced"][0]["amount"], &treasury["announced"][0]["to"]), (&json!(700), &json!(receiver)));
    assert_eq!(treasury["period_spent"], 700, "{treasury}");
    json(&home, &["treasury", "spend", "receiver", "1base", "--reason", "another", "--yes"]);
    json(&home, &["treasury", "cancel", "2"]);
    let silent = json!({ "to": receiver, "amount": 5, "reason": " " });
    let silent = node.raw(reqwest::Method::POST, "/v1/treasury/spends").json(&silent);
    refused("no reason", silent, 422, "bad-field", "say what the payment is for").await;
    until("it is paid", async || (node.balance(&receiver).await == 700).then_some(())).await;
    until("they hold", async || (node.get("/v1/params").await["version"] == 1).then_some(())).await;
    assert!(said(&home, &["params", "show"]).contains("1500"));
    assert!(said(&home, &["treasury", "show"]).contains("in the treasury"));

    let beside = tempfile::tempdir().unwrap();
    let file = beside.path().join("ledger.export");
    let export = ["ledger", "export", file.to_str().unwrap()];
    fails(&home, &export, "another node runs in");
    node.stop();
    let exported = json(&home, &export);
    fails(&home, &export, "name a file that is not there");
    let next = TestNode::new_home();
    keys(&home, next.path());
    let import = ["ledger", "import", file.to_str().unwrap()];
    let imported = json(next.path(), &import);
    for name in ["chain_id", "height", "app_hash"] {
        assert_eq!(imported[name], exported[name]);
    }
    assert_eq!(json(next.path(), &import), imported, "said again, it changes nothing");
    fails(&home, &import, "belongs to another network");
    std::fs::write(&file, "no export").unwrap();
    fails(&beside.path().join("never"), &import, "no export of a ledger");

    let moved = TestNode::spawn_in(tools_without_model(), config(), next).await;
    let before = exported["height"].as_u64();
    let goes_on = async || (moved.get("/v1/status").await["height"].as_u64() > before).then_some(());
    until("it goes on from there", goes_on).await;
    assert_eq!((moved.balance(&receiver).await, moved.get("/v1/params").await["version"].as_u64()), (700, Some(1)));
}

/// Brings a home's keys into another, before that is made.
fn keys(from: &Path, to: &Path) {
    let mut private = std::fs::DirBuilder::new();
    private.recursive(true).mode(0o700);
    private.create(to.join("cometbft/config")).unwrap();
    private.create(to.join("keys")).unwrap();
    let mut files: Vec<PathBuf> =
        ["node-key", "beacon-key", "cometbft/config/priv_validator_key.json"].map(PathBuf::from).to_vec();
    for entry in std::fs::read_dir(from.join("keys")).unwrap().flatten() {
        files.push(Path::new("keys").join(entry.file_name()));
    }
    for file in files {
        std::fs::copy(from.join(&file), to.join(&file)).unwrap();
    }
}
