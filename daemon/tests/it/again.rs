//! The same bytes once more: what was refused, what was taken back, and what is there already.

use serde_json::{Value, json};

use crate::cli::{fails, said};
use crate::corpus;
use crate::kit::{self, Api, TestNode, read, refused};
use crate::revoked::give_final;

const JSONL: &str = "application/x-ndjson";

/// The upload of a batch with a bond.
fn upload(node: &Api, account: &str, bond: u64, body: &str) -> reqwest::RequestBuilder {
    node.upload("topics", account, JSONL, body.to_owned()).query(&[("bond", bond)])
}

/// Given and judged.
async fn verdict(node: &Api, request: reqwest::RequestBuilder) -> Value {
    let given = read("the upload", request).await;
    node.follow(given["id"].as_str().unwrap()).await.1
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_refused_or_taken_back_is_given_again_by_its_owner_for_a_price() {
    let Some(tools) = kit::tools_with_model().await else { return };
    let node = TestNode::spawn(tools).await;
    for name in ["alice", "carol"] {
        node.account(name, 10_000_000).await;
    }
    node.datanet("topics", &corpus::labelled(), corpus::jsonl(&corpus::samples(300, 45))).await;
    let alices = give_final(&node, "alice", 0, 30).await;

    // A batch of copies and something new: how many of how many, whose, and what to do.
    let mut mixed = corpus::samples(0, 20);
    mixed.extend(corpus::samples(60, 4));
    let mixed = corpus::jsonl(&mixed);
    let first = verdict(&node, upload(&node, "carol", 100, &mixed)).await;
    assert_eq!(first["state"], "refused", "{first:#}");
    let reason = first["reason"].as_str().unwrap();
    let copies = format!("20 of 24 records are copies of contribution {}", &alices[..8]);
    assert!(reason.contains(&copies) && reason.contains("drop what is repeated and give the rest"), "{reason}");
    report(&node, first["id"].as_str().unwrap(), &alices).await;
    tickets_run_out(&node, &mixed, first["id"].as_str().unwrap()).await;

    let body = corpus::jsonl(&corpus::samples(0, 30));
    let there = upload(&node, "alice", 100, &body);
    refused("there already", there, 409, "already-contributed", "all 30 records are there already").await;
    said(node.home(), &["contribution", "revoke", &alices, "--yes"]);
    let others = upload(&node, "carol", 100, &body);
    refused("taken back", others, 403, "foreign-contribution", "only that account may give them again").await;
    let again = verdict(&node, upload(&node, "alice", 100, &body)).await;
    assert_eq!(again["state"], "final", "{again:#}");
    assert_ne!(again["id"], alices.as_str());
    let before = node.get(&format!("/v1/contributions/{alices}")).await;
    assert_eq!(before["state"], "revoked");
    let page = node.get(&format!("/v1/contributions/{}/records", again["id"].as_str().unwrap())).await;
    assert_eq!(page["total"], 30);
}

/// Each costs more than the one before, there are three, and a refusal of one changes nothing.
async fn tickets_run_out(node: &TestNode, body: &str, first: &str) {
    let cheap = upload(node, "carol", 199_999, body);
    refused("for nothing", cheap, 422, "bond-too-small", "with a bond of at least 0.2 DNT").await;
    let file = node.home().join("mixed.jsonl");
    std::fs::write(&file, body).unwrap();
    fails(node.home(), &["contribute", "topics", file.to_str().unwrap(), "--account", "carol"], &first[..8]);
    for bond in [200_000, 400_000] {
        let view = verdict(node, upload(node, "carol", bond, body)).await;
        assert_eq!((&view["state"], &view["bond"]), (&json!("refused"), &json!(bond)), "{view:#}");
    }
    let once_more = upload(node, "carol", 5_000_000, body);
    refused("a fourth", once_more, 409, "refused-for-good", "3 committees have refused these very bytes").await;
}

/// Its giver reads which records are copies of whose, and what nobody knows.
async fn report(node: &TestNode, id: &str, source: &str) {
    let report = node.get(&format!("/v1/contributions/{id}/report")).await;
    let copies = &report["copies"][0];
    assert_eq!(
        (&copies["contribution"], &copies["records"], &copies["exact"]),
        (&json!(source), &json!(20), &json!(20))
    );
    assert!(copies["contributor"].as_str().unwrap().starts_with("dn1"));
    let named = report["named"].as_array().unwrap();
    assert_eq!(named.iter().filter(|one| one["copy_of"]["contribution"] == source).count(), 20, "{report:#}");
    assert_eq!((&report["records"], &report["judged"]), (&json!(24), &json!(24)));
    let value = &report["value"];
    assert_eq!(value["measured"], 24, "{report:#}");
    assert!(value["help"].as_u64().unwrap() + value["harm"].as_u64().unwrap() <= 24);
    let unknown = report["unknown"].to_string();
    assert!(unknown.contains("this node has given none") && unknown.contains("left its contributor out"), "{unknown}");
    let people = said(node.home(), &["contribution", "report", &id[..8]]);
    assert!(people.contains("copies of") && people.contains("alice") && people.contains("unknown  "), "{people}");
    let missing = node.raw(reqwest::Method::GET, &format!("/v1/contributions/{}/report", "9".repeat(64)));
    refused("of none", missing, 404, "unknown-contribution", "there is no contribution").await;
}
