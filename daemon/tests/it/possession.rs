//! Who copies another's transaction has shown nothing: his copy is refused, and the one whom he copied is judged by himself.

use std::io::Cursor;

use datanet::init::own_params;
use datanet_data::corpus::{Limits, Summary, check};
use datanet_ledger::component::Params;
use datanet_types::action::Contribute;
use datanet_types::record::{Format, record_root};
use datanet_types::{Action, Address, BlobHash};
use serde_json::json;

use crate::corpus;
use crate::kit::{self, TestNode, read};
use crate::revoked::give_final;

fn summary(body: &str) -> Summary {
    check(Format::Jsonl, Cursor::new(body.to_owned()), &corpus::labelled(), Limits::default()).unwrap()
}

/// What gives these records, with the root that `by` makes of them.
fn contribute(node: &TestNode, datanet: &str, body: &str, by: &Address) -> Contribute {
    let summary = summary(body);
    Contribute {
        datanet: datanet.parse().unwrap(),
        blob: BlobHash(*blake3::hash(body.as_bytes()).as_bytes()),
        size: summary.bytes,
        format: Format::Jsonl as i32,
        records: summary.records,
        record_root: record_root(by, &summary.root),
        bond: 1_000,
        origin: node.services().identity.node_key(),
        attempt: 0,
    }
}

/// A node with a model, on which Alice and Carol have money and give to one datanet.
async fn world() -> Option<(TestNode, String)> {
    // What nobody keeps is refused before long.
    let params = Params { storing_seconds: 15, ..own_params() };
    let node = TestNode::spawn_on(kit::tools_with_model().await?, kit::config(), params).await;
    for name in ["alice", "carol"] {
        node.account(name, 10_000_000).await;
    }
    let datanet = node.datanet("topics", &corpus::labelled(), corpus::jsonl(&corpus::samples(300, 45))).await;
    Some((node, datanet))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copied_contribution_is_refused_and_the_original_is_not_taken_for_the_copy() {
    let Some((node, datanet)) = world().await else { return };
    let (body, services) = (corpus::jsonl(&corpus::samples(0, 30)), node.services());
    let plain_root = summary(&body).root;
    let (alice, carol) = (services.keyring.get("alice").unwrap(), services.keyring.get("carol").unwrap());
    // What everybody reads in Alice's transaction before it is in a block; Carol is there first.
    let copied = contribute(&node, &datanet, &body, &alice.address());
    let copy = copied.id(kit::CHAIN, &carol.address(), 0).to_string();
    node.execute(carol.secret(), Action::Contribute(copied)).await;
    let original = read("the upload", node.upload("topics", "alice", "application/x-ndjson", body)).await;
    assert_eq!(original["record_root"], record_root(&alice.address(), &plain_root).to_string());

    let (_, original) = node.follow(original["id"].as_str().unwrap()).await;
    let (_, copy) = node.follow(&copy).await;
    assert!(copy["seq"].as_u64() < original["seq"].as_u64(), "the copy came first");
    assert_eq!((&original["state"], &copy["state"]), (&json!("final"), &json!("refused")), "{original:#} {copy:#}");
    // No node keeps what is not what the ledger says; so it was not even judged, and nothing is said of the right root.
    assert!(copy["reason"].as_str().unwrap().starts_with("refused: not stored"), "{copy:#}");
    assert_eq!((&copy["attestations"], &copy["committee"]), (&json!(0), &json!([])));
    assert_eq!(copy["contributor"].as_str().unwrap().parse::<Address>().unwrap(), carol.address());
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_were_taken_back_are_refused_to_whoever_kept_their_bytes() {
    let Some((node, datanet)) = world().await else { return };
    let (body, services) = (corpus::jsonl(&corpus::samples(0, 30)), node.services());
    let alices = give_final(&node, "alice", 0, 30).await;
    // Carol kept them, and is no user of a node that tells her beforehand.
    let _kept = services.blobs.add_bytes(body.clone().into_bytes()).await.unwrap();
    node.post(&format!("/v1/contributions/{alices}/revoke"), json!(null)).await;
    let carol = services.keyring.get("carol").unwrap();
    let again = contribute(&node, &datanet, &body, &carol.address());
    let id = again.id(kit::CHAIN, &carol.address(), 0).to_string();
    node.execute(carol.secret(), Action::Contribute(again)).await;
    let (_, view) = node.follow(&id).await;
    assert_eq!(view["state"], "refused", "{view:#}");
    assert!(view["reason"].as_str().unwrap().starts_with("refused: not stored"), "{view:#}");
}
