//! A contributor takes data back: it is found, answered from and paid no more, and what was said before stays provable as
//! far as that is possible.

use std::process::Command;

use datanet_p2p::TagKind;
use datanet_types::action::RegisterModel;
use datanet_types::release::DataSnapshot;
use datanet_types::{Action, ContributionId, DatanetId, Digest, ModelId};
use reqwest::Method;
use serde_json::{Value, json};

use crate::corpus;
use crate::kit::{self, Api, TestNode, read, refused};
use crate::payer::Payer;

const JSONL: &str = "application/x-ndjson";

/// Gives `count` records from `first` on; the contribution's id, once it is final.
pub async fn give_final(node: &Api, account: &str, first: usize, count: usize) -> String {
    let body = corpus::jsonl(&corpus::samples(first, count));
    let given = read("the upload", node.upload("topics", account, JSONL, body)).await;
    let id = given["id"].as_str().unwrap().to_owned();
    let (_, view) = node.follow(&id).await;
    assert_eq!(view["state"], "final", "{view:#}");
    id
}

async fn ask(node: &Api, text: &str) -> Value {
    node.post("/v1/ask", json!({ "datanet": "topics", "text": text, "account": "bob" })).await
}

fn credited(answer: &Value) -> Vec<String> {
    let credits = answer["receipt"]["credits"].as_array().unwrap().iter();
    credits.map(|credit| credit["contribution"].as_str().unwrap().to_owned()).collect()
}

async fn verdict(node: &Api, answer: &Value) -> Value {
    let id = answer["receipt"]["id"].as_str().unwrap();
    read("verify", node.raw(Method::POST, &format!("/v1/receipts/{id}/verify"))).await
}

#[tokio::test]
async fn what_is_revoked_is_gone_and_models_trained_on_it_are_flagged() {
    let Some(tools) = kit::tools_with_model().await else { return };
    let mut node = TestNode::spawn(tools).await;
    node.account("alice", 10_000_000).await;
    node.account("carol", 10_000_000).await;
    node.account("bob", 10_000_000).await;
    let datanet = node.datanet("topics", &corpus::labelled(), corpus::jsonl(&corpus::samples(300, 45))).await;
    let datanet: DatanetId = datanet.parse().unwrap();
    let alices = give_final(&node, "alice", 0, 30).await;
    let carols = give_final(&node, "carol", 30, 30).await;
    node.post("/v1/channels", json!({ "account": "bob", "deposit": 20_000 })).await;

    let passage = corpus::samples(0, 1)[0].0.clone();
    let before = ask(&node, &passage).await;
    assert!(credited(&before).contains(&alices), "{before:#}");
    assert_eq!(verdict(&node, &before).await["verdict"], "match");
    let model = trained_on_all(&node, &datanet, &alices, &carols).await;

    let output = Command::new(env!("CARGO_BIN_EXE_datanet"))
        .args(["--json", "--home"])
        .arg(node.home())
        .args(["contribution", "revoke", &alices, "--yes"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let revoked: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&revoked["id"], &revoked["state"]), (&json!(alices), &json!("revoked")));

    gone(&node, &alices).await;
    let after = ask(&node, &passage).await;
    assert_eq!(credited(&after), [carols.as_str()], "{after:#}");
    assert_eq!(verdict(&node, &after).await["verdict"], "match");
    quoted_no_more(&node, &before, &alices).await;
    let old = verdict(&node, &before).await;
    assert_eq!(old["verdict"], "unverifiable", "{old:#}");
    assert!(old["details"].as_str().unwrap().contains("was revoked at height"));
    trained_on_less(&node, &datanet, &model, &alices, &carols).await;
    history(&node, &alices, &carols).await;

    node.restart(std::time::Duration::from_secs(3_600)).await;
    gone(&node, &alices).await;
    assert_eq!(verdict(&node, &after).await["verdict"], "match");
}

/// Its receipts stay, without its words: neither in what is shown nor in what is stored and given to others.
async fn quoted_no_more(node: &TestNode, answer: &Value, revoked: &str) {
    let id = answer["receipt"]["id"].as_str().unwrap();
    let shown = node.get(&format!("/v1/receipts/{id}")).await;
    let stored = hex::decode(shown["record"].as_str().unwrap()).unwrap();
    let quoted = answer["passages"].as_array().unwrap().iter().zip(shown["quotes"].as_array().unwrap());
    let mut withdrawn = 0;
    for (passage, words) in quoted {
        let text = passage["text"].as_str().unwrap();
        // What was asked is the caller's own.
        let asked = shown["input"]["text"] == text;
        let stores = stored.windows(text.len()).any(|window| window == text.as_bytes());
        assert!(asked || !stores, "a receipt stores {text:?}");
        if passage["contribution"] == revoked {
            assert!(words.is_null(), "{words:#}");
            withdrawn += 1;
        } else {
            assert_eq!(words, text);
        }
    }
    assert!(withdrawn > 0);
}

/// Nothing of it is served here any more.
async fn gone(node: &TestNode, id: &str) {
    let view = node.get(&format!("/v1/contributions/{id}")).await;
    assert_eq!(view["state"], "revoked", "{view:#}");
    assert!(view["revoked_height"].as_u64() > view["final_height"].as_u64());
    refused("records", node.raw(Method::GET, &format!("/v1/contributions/{id}/records")), 404, "revoked", "are gone")
        .await;
    let again = node.raw(Method::POST, &format!("/v1/contributions/{id}/revoke"));
    refused("once more", again, 422, "transaction-refused", "once is enough").await;
    let counts = node.get("/v1/datanets/topics").await;
    assert_eq!(
        (&counts["final_contributions"], &counts["revoked"], &counts["records"]),
        (&json!(1), &json!(1), &json!(30))
    );
    let finals = node.get("/v1/datanets/topics/contributions?state=final").await;
    assert_eq!(finals["contributions"].as_array().unwrap().len(), 1);
    let tag = TagKind::Contribution.tag(id);
    kit::until("the bytes are let go of", async || {
        node.services().blobs.kept(&tag).await.unwrap().is_none().then_some(())
    })
    .await;
    let datanet = view["datanet"].as_str().unwrap().parse().unwrap();
    let index = node.services().indexes.open(&datanet).await.unwrap();
    let contribution: ContributionId = id.parse().unwrap();
    kit::until("the index forgets it", async || (!index.contains(&contribution)).then_some(())).await;
    for mode in ["text", "semantic", "hybrid"] {
        let hits = node.get(&format!("/v1/search?datanet=topics&limit=50&q=lentils+pot+sauce&mode={mode}")).await;
        assert!(hits["hits"].as_array().unwrap().iter().all(|hit| hit["contribution"] != id), "{mode}: {hits:#}");
    }
}

/// Everybody can follow what was there when, and check the digests.
async fn history(node: &Api, first: &str, second: &str) {
    let history = node.get("/v1/datanets/topics/history").await;
    let entries = history["entries"].as_array().unwrap();
    let told: Vec<_> = entries.iter().map(|e| (e["contribution"].clone(), e["change"].clone())).collect();
    let expected = [(first, "final"), (second, "final"), (first, "revoked")];
    assert_eq!(told, expected.map(|(id, change)| (json!(id), json!(change))));
    let latest: DataSnapshot = serde_json::from_value(history["latest"].clone()).unwrap();
    let (first, second) = (first.parse().unwrap(), second.parse().unwrap());
    assert_eq!(latest, DataSnapshot::start(latest.datanet).then(&first, false).then(&second, false).then(&first, true));
    let page = node.get("/v1/datanets/topics/history?after=1&limit=1").await;
    assert_eq!((&page["entries"][0], &page["next"]), (&entries[1], &json!(2)));
}

const MANIFEST: Digest = Digest([3; 32]);

/// All records are there to train on, and a model registered on them is clean.
async fn trained_on_all(node: &TestNode, datanet: &DatanetId, first: &str, second: &str) -> ModelId {
    let (records, chain) = (node.services().records, node.services().chain);
    let snapshot = records.data_snapshot(datanet, None).unwrap();
    let data = records.training_records(&snapshot, 1_000).await.unwrap();
    assert_eq!((data.records.len(), data.total, data.revoked.len()), (60, 60, 0));
    let ids: Vec<String> = data.contributions.iter().map(|contribution| contribution.id.to_string()).collect();
    assert_eq!(ids, [first, second]);
    let samples: Vec<(String, &str)> = corpus::samples(0, 60);
    for (record, (text, label)) in data.records.iter().zip(&samples) {
        assert_eq!((record.record.text(), record.record.label()), (text.as_str(), Some(*label)));
    }
    let few = records.training_records(&snapshot, 35).await.unwrap();
    assert_eq!((few.records.len(), few.total, few.records[34].index), (35, 60, 4));
    // What is left out takes nobody's place, and is read as far as one may learn: 20 of the first's 30 beside 20 of the second's.
    let out = [first.parse::<ContributionId>().unwrap()].into();
    let beside = records.training_records_telling(&snapshot, 20, &out, &mut || {}).await.unwrap();
    let (left_out, learnt) = beside.records.split_at(20);
    assert!(left_out.iter().all(|record| record.contribution.to_string() == first));
    assert!(learnt.len() == 20 && learnt.iter().all(|record| record.contribution.to_string() == second));
    assert_eq!(records.held_out_records(&data.datanet, 0).await.unwrap().len(), 45);

    let payer = Payer::new(node).await;
    let action = RegisterModel {
        manifest: MANIFEST,
        name: "topics".into(),
        licence: "MIT".into(),
        datanets: vec![*datanet],
        snapshots: vec![snapshot],
        ..RegisterModel::default()
    };
    let model = action.id(&payer.key.address());
    node.execute(&payer.key, Action::RegisterModel(action)).await;
    assert!(!chain.model_on_ledger(&model).unwrap().unwrap().tainted);
    model
}

/// The same snapshot gives less, and says so; the model is flagged.
async fn trained_on_less(node: &TestNode, datanet: &DatanetId, model: &ModelId, revoked: &str, kept: &str) {
    let (records, chain) = (node.services().records, node.services().chain);
    let then = records.data_snapshot(datanet, Some(2)).unwrap();
    let data = records.training_records(&then, 1_000).await.unwrap();
    assert_eq!((data.records.len(), data.total), (30, 30));
    assert!(data.records.iter().all(|record| record.contribution.to_string() == kept));
    assert_eq!(data.revoked.iter().map(ToString::to_string).collect::<Vec<_>>(), [revoked]);
    let now = records.data_snapshot(datanet, None).unwrap();
    assert_eq!((now.count, records.training_records(&now, 9).await.unwrap().revoked.len()), (3, 0));
    assert_eq!(records.data_snapshot(datanet, Some(4)).unwrap_err().code.as_str(), "unknown-snapshot");
    let model = chain.model_on_ledger(model).unwrap().unwrap();
    assert!(model.tainted);
    assert_eq!(model.taint[0].contribution.to_string(), revoked);
    assert_eq!(chain.models_on_ledger().unwrap().len(), 1);
}

#[tokio::test]
async fn only_who_holds_the_key_takes_a_contribution_back() {
    let node = kit::plain_node().await;
    let nothing = ContributionId([9; 32]);
    let revoke = node.raw(Method::POST, &format!("/v1/contributions/{nothing}/revoke"));
    refused("an unknown one", revoke, 404, "unknown-contribution", "there is no contribution").await;
}
