//! What cannot be had, and what is not what it seems: neither may hold up or spoil what is good.

use datanet_config::Home;
use datanet_p2p::{Tag, TagKind};
use datanet_types::schema::{FieldRole, Schema};
use datanet_types::{BlobHash, ContributionId};
use reqwest::Method;
use serde_json::{Value, json};

use crate::corpus;
use crate::kit::{self, Api, TestNode, read};
use crate::revoked::give_final;

async fn ask(node: &Api) -> Option<Value> {
    let body = json!({ "datanet": "topics", "text": corpus::samples(0, 1)[0].0, "account": "bob" });
    let response = node.raw(Method::POST, "/v1/ask").json(&body).send().await.unwrap();
    match response.status().is_success() {
        true => Some(response.json().await.unwrap()),
        false => None,
    }
}

async fn verdict(node: &Api, answer: &Value) -> Value {
    let id = answer["receipt"]["id"].as_str().unwrap();
    read("verify", node.raw(Method::POST, &format!("/v1/receipts/{id}/verify"))).await
}

/// Puts bytes back into the store, as if somebody had brought them.
async fn bring_back(node: &TestNode, tag: &Tag, bytes: String) -> BlobHash {
    node.services().blobs.keep_bytes(tag, bytes.into_bytes()).await.unwrap()
}

#[tokio::test]
async fn a_final_contribution_that_nobody_has_freezes_neither_answers_nor_pay() {
    let Some(tools) = kit::tools_with_model().await else { return };
    let mut node = TestNode::spawn(tools).await;
    for name in ["alice", "carol", "bob"] {
        node.account(name, 10_000_000).await;
    }
    let holdout = corpus::jsonl(&corpus::samples(300, 45));
    let datanet = node.datanet("topics", &corpus::labelled(), holdout.clone()).await.parse().unwrap();
    let lost = give_final(&node, "carol", 30, 30).await;
    let kept = give_final(&node, "alice", 0, 30).await;
    let taken_back = give_final(&node, "alice", 60, 30).await;
    node.post("/v1/channels", json!({ "account": "bob", "deposit": 50_000 })).await;

    node.stop();
    let home = Home::new(node.home());
    for folder in [home.blobs(), home.index(), home.data().join("embeddings")] {
        std::fs::remove_dir_all(&folder).unwrap();
        std::fs::create_dir_all(&folder).unwrap();
    }
    node.start().await;
    let holdout = bring_back(&node, &TagKind::Holdout.tag("test"), holdout).await;
    node.services().blobs.keep(&TagKind::Holdout.tag(holdout), &holdout).await.unwrap();
    bring_back(&node, &TagKind::Contribution.tag(&kept), corpus::jsonl(&corpus::samples(0, 30))).await;
    node.post(&format!("/v1/contributions/{taken_back}/revoke"), Value::Null).await;

    let answer = kit::until("answers go on without it", async || {
        let answer = ask(&node).await?;
        (answer["receipt"]["missing"] == json!([lost])).then_some(answer)
    })
    .await;
    let credits = answer["receipt"]["credits"].as_array().unwrap();
    assert!(credits.iter().all(|credit| credit["contribution"] == json!(kept)) && !credits.is_empty(), "{answer:#}");
    let checked = verdict(&node, &answer).await;
    assert_eq!(checked["verdict"], "match", "{checked:#}");
    let settled = node.post("/v1/epochs/settle", Value::Null).await;
    assert!(settled["totals"]["fees"].as_u64() > Some(0), "what was answered is paid: {settled:#}");

    bring_back(&node, &TagKind::Contribution.tag(&lost), corpus::jsonl(&corpus::samples(30, 30))).await;
    let id: ContributionId = lost.parse().unwrap();
    let indexes = node.services().indexes;
    kit::until("the bytes are found and indexed", async || {
        indexes.open(&datanet).await.unwrap().contains(&id).then_some(())
    })
    .await;
    kit::until("the hole closes", async || indexes.snapshot(&datanet).await.unwrap().missing.is_empty().then_some(()))
        .await;
    let whole = ask(&node).await.unwrap();
    assert!(whole["receipt"]["missing"].is_null(), "{whole:#}");
    assert_eq!(verdict(&node, &whole).await["verdict"], "match");
    let old = verdict(&node, &answer).await;
    assert_eq!(old["verdict"], "incomplete", "{old:#}");
    assert!(old["details"].as_str().unwrap().contains(&id.to_string()), "{old:#}");
}

#[tokio::test]
async fn a_datanet_that_names_anothers_held_out_set_spoils_no_judgement_there() {
    let Some(tools) = kit::tools_with_model().await else { return };
    let node = TestNode::spawn(tools).await;
    for name in ["alice", "mallory"] {
        node.account(name, 10_000_000).await;
    }
    let holdout = corpus::jsonl(&corpus::samples(300, 45));
    // The same bytes, in which another field is the text.
    let mut twisted: Schema = corpus::labelled();
    for field in &mut twisted.fields {
        field.required = true;
        match field.field_role() {
            Some(FieldRole::Text) => (field.role, field.allowed) = (FieldRole::Label as i32, Vec::new()),
            Some(FieldRole::Label) => (field.role, field.allowed) = (FieldRole::Text as i32, Vec::new()),
            _ => {}
        }
    }
    node.datanet("twisted", &twisted, holdout.clone()).await;
    let body = corpus::jsonl(&corpus::samples(0, 12));
    let given = read("the bait", node.upload("twisted", "mallory", "application/x-ndjson", body)).await;
    let (_, bait) = node.follow(given["id"].as_str().unwrap()).await;
    assert!(bait["scores"].is_object(), "the bait was judged first: {bait:#}");

    node.datanet("topics", &corpus::labelled(), holdout).await;
    let honest = corpus::jsonl(&corpus::samples(100, 48));
    let given = read("an upload", node.upload("topics", "alice", "application/x-ndjson", honest)).await;
    let (_, view) = node.follow(given["id"].as_str().unwrap()).await;
    assert_eq!(view["state"], "final", "{view:#}");
}

#[tokio::test]
async fn what_nothing_wants_any_more_is_let_go_of_after_a_start() {
    let mut node = TestNode::spawn(kit::tools_without_model()).await;
    node.account("alice", 10_000_000).await;
    node.datanet("notes", &corpus::text_only(), corpus::jsonl_of_texts(&corpus::samples(300, 45))).await;
    let body = corpus::jsonl_of_texts(&corpus::samples(0, 5));
    let given = read("an upload", node.upload("notes", "alice", "application/x-ndjson", body)).await;
    let wanted = TagKind::Contribution.tag(given["id"].as_str().unwrap());
    let (checked, nonsense) = (TagKind::Checked.tag("something"), TagKind::Receipt.tag("no number"));
    // Its transaction may be on its way.
    let maybe = TagKind::Contribution.tag(ContributionId([7; 32]));
    for tag in [&checked, &nonsense, &maybe] {
        bring_back(&node, tag, format!("bytes under {tag}")).await;
    }
    node.restart(std::time::Duration::from_millis(500)).await;
    let kept = async |tag: &Tag| node.services().blobs.kept(tag).await.unwrap().is_some();
    kit::until("what was only checked is let go of", async || (!kept(&checked).await).then_some(())).await;
    kit::until("and what has no number", async || (!kept(&nonsense).await).then_some(())).await;
    assert!(kept(&wanted).await && kept(&maybe).await);
}
