//! What a node is for, from end to end: a contribution is given, judged, found, asked, proven, settled and paid; and all
//! of it is still there after a restart.

use std::time::Duration;

use datanet_types::action::{Claim, ClaimItem};
use datanet_types::receipt::AnswerRecord;
use datanet_types::sum_tree::SumProof;
use datanet_types::{Action, NodeKey, SigningKey};
use reqwest::Method;
use serde_json::{Value, json};

use crate::corpus;
use crate::kit::{self, Api, SUPPLY, TestNode, read, refused};
use crate::payer::Payer;

const JSONL: &str = "application/x-ndjson";
const PRICE: u64 = 1_000;

#[tokio::test]
async fn data_is_given_judged_asked_settled_and_paid_and_survives_a_restart() {
    let Some(tools) = kit::tools_with_model().await else { return };
    let mut node = TestNode::spawn(tools).await;
    let alice = node.account("alice", 10_000_000).await;
    let owner = node.account("owner", 10_000_000).await;
    node.account("bob", 10_000_000).await;
    node.post("/v1/models", json!({ "name": "minilm", "licence": "Apache-2.0", "account": "owner" })).await;
    node.datanet("topics", &corpus::labelled(), corpus::jsonl(&corpus::samples(300, 45))).await;

    let given = give(&node).await;
    let contribution = given["id"].as_str().unwrap().to_owned();
    judged(&node, &contribution).await;
    read_back(&node, &contribution).await;
    let found = search(&node, &contribution).await;

    let receipts = answers(&node).await;
    proofs(&node, &receipts[0]).await;
    settle(&node, &alice, &owner, receipts.len() as u64).await;
    claim(&node, &alice).await;
    conserved(&node).await;

    survives(&mut node, &contribution, &receipts[0], &found, &given).await;
    conserved(&node).await;
}

/// Alice gives thirty records; again with the same key is the same, with other bytes it is refused.
async fn give(node: &Api) -> Value {
    let body = corpus::jsonl(&corpus::samples(0, 30));
    let upload = |body: &str| node.upload("topics", "alice", JSONL, body.to_owned()).header("idempotency-key", "first");
    let given = read("the upload", upload(&body)).await;
    assert_eq!((given["records"].as_u64(), given["size"].as_u64()), (Some(30), Some(body.len() as u64)));
    assert_eq!(given["blob"], blake3::hash(body.as_bytes()).to_hex().as_str());
    assert_eq!(given["state"], "storing");
    assert_eq!(read("the same again", upload(&body)).await, given);
    let other = upload(&corpus::jsonl(&corpus::samples(30, 3)));
    refused("other bytes, same key", other, 422, "idempotency-key-reused", "use a new one").await;
    let twice = node.upload("topics", "alice", JSONL, body.clone());
    refused("the same bytes, no key", twice, 409, "already-contributed", given["id"].as_str().unwrap()).await;
    given
}

/// It becomes final, with scores and reasons.
async fn judged(node: &Api, contribution: &str) {
    let (states, view) = node.follow(contribution).await;
    assert_eq!(states.last().map(String::as_str), Some("final"), "{view:#}");
    let order = ["storing", "judging", "final"];
    assert!(states.is_sorted_by_key(|state| order.iter().position(|known| known == state)), "{states:?}");
    assert_eq!(node.get(&format!("/v1/contributions/{contribution}")).await, view);
    assert!(view["combined"].as_u64() >= view["threshold"].as_u64(), "{view:#}");
    for score in ["validity", "quality", "uniqueness", "usefulness"] {
        assert!((3_000..=10_000).contains(&view["scores"][score].as_u64().unwrap()), "{score}: {view:#}");
    }
    assert!(!view["reason"].as_str().unwrap().is_empty());
    assert_eq!(view["reports"].as_array().unwrap().len(), 1);
    assert_eq!((&view["committee"][0]["committed"], &view["committee"][0]["revealed"]), (&json!(true), &json!(true)));
    assert_eq!(view["attestations"], 1);
}

/// The records come back page by page, in canonical form.
async fn read_back(node: &Api, contribution: &str) {
    let page = node.get(&format!("/v1/contributions/{contribution}/records?offset=28&limit=5")).await;
    let expected: Vec<Value> =
        corpus::samples(28, 2).iter().map(|(text, label)| json!({ "text": text, "label": label })).collect();
    assert_eq!(page, json!({ "total": 30, "records": expected }));
    let beyond = node.get(&format!("/v1/contributions/{contribution}/records?offset=1000")).await;
    assert_eq!(beyond, json!({ "total": 30, "records": [] }));
    let list = node.get("/v1/datanets/topics/contributions?state=final").await;
    assert_eq!(list["contributions"].as_array().unwrap().len(), 1);
    let none = node.get("/v1/datanets/topics/contributions?state=refused").await;
    assert_eq!(none["contributions"], json!([]));
}

/// All three modes find the passage; semantic search does so by other words.
async fn search(node: &Api, contribution: &str) -> Vec<Value> {
    let (text, label) = &corpus::samples(0, 1)[0];
    let by_words = format!("/v1/search?datanet=topics&limit=5&q={}", text.replace(' ', "+").replace(['.', '\''], ""));
    kit::until("the contribution is indexed", async || {
        let hits = node.get(&format!("{by_words}&mode=text")).await;
        (!hits["hits"].as_array().unwrap().is_empty()).then_some(())
    })
    .await;
    let mut all = Vec::new();
    for mode in ["text", "semantic", "hybrid"] {
        let hits = node.get(&format!("{by_words}&mode={mode}")).await;
        let best = &hits["hits"][0];
        assert_eq!((&best["text"], &best["label"]), (&json!(text), &json!(label)), "{mode}: {hits:#}");
        assert_eq!((&best["contribution"], &best["record"]), (&json!(contribution), &json!(0)), "{mode}");
        assert!(hits["hits"].as_array().unwrap().len() <= 5);
        all.push(hits);
    }
    let meaning = node.get("/v1/search?q=soccer+match+goal+scored&mode=semantic&limit=1").await;
    assert_eq!(meaning["hits"][0]["label"], "football", "{meaning:#}");
    all
}

/// Answers paid by an account of the node and by vouchers signed elsewhere; their receipts.
async fn answers(node: &Api) -> Vec<Value> {
    node.post("/v1/channels", json!({ "account": "bob", "deposit": 20 * PRICE })).await;
    let passage = "A rocket left for the red planet carrying a small rover";
    let body = json!({ "datanet": "topics", "text": passage, "account": "bob" });
    let by_account = node.post("/v1/ask", body).await;
    let explained = node.get(&format!("/v1/attributions/{}", by_account["receipt"]["id"].as_str().unwrap())).await;
    let without = explained["without"].as_array().unwrap();
    assert_eq!(without.len(), explained["contributions"].as_array().unwrap().len(), "{explained:#}");
    assert!(
        !without.is_empty() && without.iter().all(|one| one["effect"].as_u64() <= Some(1_000_000)),
        "{explained:#}"
    );
    assert_eq!((&by_account["label"], &by_account["fee"]), (&json!("space"), &json!(PRICE)), "{by_account:#}");

    let this: NodeKey = serde_json::from_value(node.get("/v1/status").await["node_key"].clone()).unwrap();
    let payer = Payer::new(node).await;
    let channel = payer.open(node, this, 2 * PRICE + 500, 1_000).await;
    let ask = |cumulative: u64| {
        let voucher = payer.voucher(channel, cumulative);
        let body = json!({ "datanet": "topics", "question": "what do I do with lentils?", "voucher": voucher });
        node.raw(Method::POST, "/v1/ask").json(&body)
    };
    let first = read("a voucher", ask(PRICE)).await;
    assert!(!first["answer"].as_str().unwrap().is_empty());
    assert_eq!((&first["receipt"]["cumulative"], &first["receipt"]["channel"]), (&json!(PRICE), &json!(channel)));
    let again = read("the same voucher for the same question", ask(PRICE)).await;
    assert_eq!(again["receipt"]["id"], first["receipt"]["id"], "it is the same purchase");
    let second = read("the next voucher", ask(2 * PRICE)).await;
    refused("over the deposit", ask(3 * PRICE), 402, "channel-exhausted", "or open another").await;

    let answers = vec![by_account, first, second];
    for (at, answer) in answers.iter().enumerate() {
        consistent(answer);
        assert_eq!(answer["receipt"]["sequence"], at + 1);
    }
    let listed = node.get("/v1/receipts").await;
    assert_eq!(listed["receipts"].as_array().unwrap().len(), answers.len());
    assert_eq!(listed["receipts"][0]["id"], answers[2]["receipt"]["id"]);
    answers.into_iter().map(|answer| answer["receipt"].clone()).collect()
}

/// Weights and split of an answer sum up.
fn consistent(answer: &Value) {
    let sum = |values: Vec<&Value>| values.into_iter().map(|value| value.as_u64().unwrap()).sum::<u64>();
    let receipt = &answer["receipt"];
    let credits = receipt["credits"].as_array().unwrap();
    assert_eq!(sum(credits.iter().map(|credit| &credit["weight"]).collect()), 1_000_000, "{receipt:#}");
    assert_eq!(sum(receipt["split"].as_object().unwrap().values().collect()), receipt["fee"].as_u64().unwrap());
    let passages = answer["passages"].as_array().unwrap();
    assert!(!passages.is_empty() && passages.iter().all(|passage| passage["text"].is_string()), "{answer:#}");
}

/// A receipt can be shown and recomputed; any change to it is found.
async fn proofs(node: &Api, receipt: &Value) {
    let id = receipt["id"].as_str().unwrap();
    let shown = node.get(&format!("/v1/receipts/{id}")).await;
    assert_eq!(&shown["receipt"], receipt);
    matches(node, id).await;
    let bytes = hex::decode(shown["record"].as_str().unwrap()).unwrap();
    let check = async |bytes: Vec<u8>| {
        read("a check", node.raw(Method::POST, "/v1/receipts/check").body(bytes)).await["verdict"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert_eq!(check(bytes.clone()).await, "match");
    let record = AnswerRecord::verify(&bytes, kit::CHAIN).unwrap();
    let mut altered = record.clone();
    altered.output.answer.push('!');
    assert_eq!(check(altered.to_bytes()).await, "mismatch");
    let mut flipped = bytes.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    assert_eq!(check(flipped).await, "mismatch");
    let stranger = SigningKey::from_bytes(&kit::random());
    let mut receipt = record.receipt.clone();
    receipt.node = stranger.node_key();
    let signed_again = AnswerRecord::sign(receipt, record.input.clone(), altered.output.clone(), &stranger);
    assert_eq!(check(signed_again.to_bytes()).await, "mismatch");
    let empty = node.raw(Method::POST, "/v1/receipts/check").body("");
    refused("an empty check", empty, 422, "bad-receipt", "the body is empty").await;
    assert_eq!(check(b"no receipt".to_vec()).await, "mismatch");
}

async fn matches(node: &Api, receipt: &str) {
    let verified = node.post(&format!("/v1/receipts/{receipt}/verify"), json!({})).await;
    assert_eq!((&verified["verdict"], &verified["difference_ppm"]), (&json!("match"), &json!(0)), "{verified:#}");
    assert!(verified["checks"].as_array().unwrap().iter().all(|check| check["ok"] == true), "{verified:#}");
}

/// One transaction settles all answers, and says who earned what and why.
async fn settle(node: &Api, alice: &str, owner: &str, answers: u64) {
    let settled = node.post("/v1/epochs/settle", json!({})).await;
    let totals = &settled["totals"];
    assert_eq!(settled["epoch"], 1);
    assert_eq!((&totals["answers"], &totals["fees"]), (&json!(answers), &json!(answers * PRICE)), "{settled:#}");
    let again = node.raw(Method::POST, "/v1/epochs/settle");
    refused("nothing more", again, 409, "nothing-to-settle", "no paid answers").await;

    let earnings = node.get(&format!("/v1/accounts/{alice}/earnings")).await;
    assert!(earnings["earned"].as_u64().unwrap() > 0, "{earnings:#}");
    assert_eq!((&earnings["claimed"], &earnings["claimable"]), (&json!(0), &earnings["earned"]));
    let line = &earnings["lines"][0];
    assert_eq!((&line["role"], &line["answers"]), (&json!("contributor"), &json!(answers)), "{earnings:#}");
    assert!(line["why"].as_str().unwrap().contains("100 % of each on average"), "{line}");
    let owned = node.get(&format!("/v1/accounts/{owner}/earnings")).await;
    assert_eq!(owned["lines"][0]["role"], "owner", "{owned:#}");
}

/// A wrong proof pays nothing; the right one pays once.
async fn claim(node: &Api, alice: &str) {
    let claimable = node.get(&format!("/v1/accounts/{alice}/earnings")).await["claimable"].as_u64().unwrap();
    let this: NodeKey = serde_json::from_value(node.get("/v1/status").await["node_key"].clone()).unwrap();
    let thief = Payer::new(node).await;
    let proof = SumProof { index: 0, total: 1, siblings: Vec::new() };
    let items = vec![ClaimItem { node: this, epoch: 1, amount: claimable, proof }];
    let forged = Claim { account: thief.key.address(), items };
    let forged = node.sign(&thief.key, Action::Claim(forged)).await;
    refused("a wrong proof", node.send(&forged), 422, "transaction-refused", "its proof does not lead to the root")
        .await;

    let (before, fee) = (node.balance(alice).await, 1_000);
    let path = format!("/v1/accounts/{alice}/claim");
    let paid = node.post(&path, json!({})).await;
    assert_eq!((&paid["total"], paid["claims"].as_array().unwrap().len()), (&json!(claimable), 1));
    assert_eq!(node.balance(alice).await, before + claimable - fee);
    assert_eq!(node.post(&path, json!({})).await, json!({ "claims": [], "total": 0, "failed": [] }));
    let earnings = node.get(&format!("/v1/accounts/{alice}/earnings")).await;
    assert_eq!((&earnings["claimed"], &earnings["claimable"]), (&json!(claimable), &json!(0)));
}

async fn conserved(node: &Api) {
    let supply = node.get("/v1/supply").await;
    assert_eq!((&supply["supply"], &supply["minted"]), (&json!(SUPPLY), &json!(SUPPLY)));
}

/// Two restarts: ledger, receipts, index and promises are as they were.
async fn survives(node: &mut TestNode, contribution: &str, receipt: &Value, found: &[Value], given: &Value) {
    let world = node.world().await;
    node.restart(Duration::from_secs(3_600)).await;
    let first = node.get("/v1/status").await;
    node.restart(Duration::from_secs(3_600)).await;
    let second = node.get("/v1/status").await;
    assert_eq!((&first["height"], &first["app_hash"]), (&second["height"], &second["app_hash"]));
    assert_eq!(node.world().await, world);
    assert_eq!(search(node, contribution).await, found);
    matches(node, receipt["id"].as_str().unwrap()).await;
    let again = node
        .upload("topics", "alice", JSONL, corpus::jsonl(&corpus::samples(0, 30)))
        .header("idempotency-key", "first");
    assert_eq!(&read("the first upload, once more", again).await, given);
    let body = json!({ "datanet": "topics", "question": "who scored?", "account": "bob" });
    let next = node.post("/v1/ask", body).await;
    assert_eq!((&next["receipt"]["sequence"], &next["receipt"]["cumulative"]), (&json!(4), &json!(2 * PRICE)));
}
