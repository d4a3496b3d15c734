//! Who copies another's transaction has shown nothing: his copy is refused, and the one whom he copied is judged by himself.

use std::io::Cursor;

use datanet_data::corpus::{Limits, check};
use datanet_types::action::Contribute;
use datanet_types::record::{Format, record_root};
use datanet_types::{Action, Address, BlobHash};
use serde_json::json;

use crate::corpus;
use crate::kit::{self, TestNode, read};

#[tokio::test(flavor = "multi_thread")]
async fn a_copied_contribution_is_refused_and_the_original_is_not_taken_for_the_copy() {
    let Some(tools) = kit::tools_with_model().await else { return };
    let node = TestNode::spawn(tools).await;
    for name in ["alice", "carol"] {
        node.account(name, 10_000_000).await;
    }
    let datanet = node.datanet("topics", &corpus::labelled(), corpus::jsonl(&corpus::samples(300, 45))).await;
    let (body, services) = (corpus::jsonl(&corpus::samples(0, 30)), node.services());
    let summary = check(Format::Jsonl, Cursor::new(body.clone()), &corpus::labelled(), Limits::default()).unwrap();
    let (alice, carol) = (services.keyring.get("alice").unwrap(), services.keyring.get("carol").unwrap());
    // What everybody reads in Alice's transaction before it is in a block; Carol is there first.
    let copied = Contribute {
        datanet: datanet.parse().unwrap(),
        blob: BlobHash(*blake3::hash(body.as_bytes()).as_bytes()),
        size: summary.bytes,
        format: Format::Jsonl as i32,
        records: summary.records,
        record_root: record_root(&alice.address(), &summary.root),
        bond: 1_000,
        origin: services.identity.node_key(),
        attempt: 0,
    };
    let copy = copied.id(kit::CHAIN, &carol.address(), 0).to_string();
    node.execute(&carol, Action::Contribute(copied)).await;
    let original = read("the upload", node.upload("topics", "alice", "application/x-ndjson", body)).await;
    assert_eq!(original["record_root"], record_root(&alice.address(), &summary.root).to_string());

    let (_, original) = node.follow(original["id"].as_str().unwrap()).await;
    let (_, copy) = node.follow(&copy).await;
    assert!(copy["seq"].as_u64() < original["seq"].as_u64(), "the copy came first");
    assert_eq!((&original["state"], &copy["state"]), (&json!("final"), &json!("refused")), "{original:#} {copy:#}");
    let report = node.get(&format!("/v1/contributions/{}", copy["id"].as_str().unwrap())).await["reports"].to_string();
    assert!(report.contains("the record root on the ledger is not that of these bytes"), "{report}");
    // The reasons are no way to a root that would do.
    let would_do: [String; 2] = [summary.root.to_string(), record_root(&carol.address(), &summary.root).to_string()];
    assert!(would_do.iter().all(|root| !report.contains(root)), "{report}");
    assert_eq!(copy["contributor"].as_str().unwrap().parse::<Address>().unwrap(), carol.address());
}
