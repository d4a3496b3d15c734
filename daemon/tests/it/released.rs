//! Answers of a released model: charged, signed, settled and checked like any other, and forged ones caught.

use datanet::billing::repeat::Repeated;
use datanet_ledger::component::settlement;
use datanet_types::Ppm;
use datanet_types::amount::display;
use datanet_types::receipt::AnswerRecord;
use reqwest::Method;
use serde_json::{Value, json};

use crate::cli::{said, told};
use crate::corpus;
use crate::factory::{prepared, small_job, trained};
use crate::kit::{TestNode, read};

async fn answer(node: &TestNode) -> AnswerRecord {
    let body = json!({ "model": "topics", "input": corpus::samples(200, 1)[0].0, "account": "bob" });
    let answered = node.post("/v1/classify", body).await;
    let id = answered["data"][0]["receipt"]["id"].as_str().unwrap().parse().unwrap();
    node.services().answers.answer_record(&id).await.unwrap()
}

pub async fn verdict(node: &TestNode, record: &AnswerRecord) -> Value {
    read("a check", node.raw(Method::POST, "/v1/receipts/check").body(record.to_bytes())).await
}

async fn address(node: &TestNode, name: &str) -> String {
    let keys = node.get("/v1/keys").await;
    let found = keys["keys"].as_array().unwrap().iter().find(|key| key["name"] == name).unwrap();
    found["address"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_models_answers_are_paid_by_influence_and_checked_by_anyone() {
    let Some(node) = prepared().await else { return };
    node.account("builder", 10_000_000).await;
    let mut job = small_job(2);
    job["account"] = json!("builder");
    let made = trained(&node, job).await;
    node.post(&format!("/v1/models/{}/deploy", made["fine_tuned_model"].as_str().unwrap()), json!({})).await;

    let first = answer(&node).await;
    assert_eq!((first.receipt.fee, first.output.influence.len()), (1_000, 2));
    let weights: Ppm = first.receipt.credits.iter().map(|credit| credit.weight).sum();
    assert_eq!(weights, Ppm::ONE);
    let checked = verdict(&node, &first).await;
    assert!(matches!(checked["verdict"].as_str(), Some("match" | "within")), "{checked:#}");

    dishonest(&node, &first).await;
    paid(&node, &first).await;

    method_shows(&node, &first).await;
    let gone = first.output.influence[0].contribution;
    node.post(&format!("/v1/contributions/{gone}/revoke"), Value::Null).await;
    let second = answer(&node).await;
    taint_shows(&node, &second).await;
    assert!(second.output.influence.iter().all(|influence| influence.contribution != gone));
    assert!(second.receipt.credits.iter().all(|credit| credit.contribution != gone));
    assert_eq!(second.output.influence.len(), 1);
    node.post("/v1/epochs/settle", Value::Null).await;
    made_again(&node, 2, Some(1)).await;
    let checked = verdict(&node, &second).await;
    assert!(matches!(checked["verdict"].as_str(), Some("match" | "within")), "{checked:#}");
    let old = verdict(&node, &first).await;
    assert!(
        matches!(old["verdict"].as_str(), Some("match" | "within")),
        "what was revoked since may be missing: {old:#}"
    );
}

/// By which method the release values, and why, stands beside its receipts and in its explanations.
async fn method_shows(node: &TestNode, answer: &AnswerRecord) {
    let shown = node.get(&format!("/v1/receipts/{}", answer.id())).await;
    assert_eq!((&shown["attribution"], &shown["tainted"]), (&json!("influence"), &json!(false)), "{shown:#}");
    let gate = &shown["gate"];
    assert_eq!(gate["method"], "forward-replay", "{gate:#}");
    assert!(gate["why"].as_str().unwrap().starts_with("forward replay is what a job has"), "{gate:#}");
    let explained = node.get(&format!("/v1/attributions/{}", answer.id())).await;
    assert_eq!(&explained["gate"], gate);
    let proves = explained["proves"].as_str().unwrap();
    assert!(proves.ends_with("found by forward replay, which is carried along through every step of the training"));
    let people = said(node.home(), &["attribute", "latest"]);
    for words in ["expected share", "worth", "They differ because", "attribution by forward replay"] {
        assert!(people.contains(words), "{words:?}: {people}");
    }
}

/// Data behind the model was taken back: every answer says so, old receipts too.
async fn taint_shows(node: &TestNode, answer: &AnswerRecord) {
    let text = corpus::samples(200, 1)[0].0.clone();
    let shown = node.get(&format!("/v1/receipts/{}", answer.id())).await;
    let explained = node.get(&format!("/v1/attributions/{}", answer.id())).await;
    assert_eq!((&shown["tainted"], &explained["tainted"]), (&json!(true), &json!(true)));
    let classified = node.post("/v1/classify", json!({ "model": "topics", "input": text, "account": "bob" })).await;
    assert_eq!(classified["data"][0]["tainted"], true);
    let vectors = node.post("/v1/embeddings", json!({ "model": "topics", "input": text })).await;
    assert_eq!(vectors["datanet"]["tainted"], true, "{:#}", vectors["datanet"]);
    let own = node.post("/v1/embeddings", json!({ "input": text })).await;
    assert_eq!(own["datanet"]["tainted"], false);
    for args in [&["classify", "topics", &text, "--account", "bob"][..], &["embed", "--model", "topics", &text]] {
        let told = told(node.home(), args);
        assert!(told.contains("tainted: data behind this model was taken back since"), "{args:?}: {told}");
    }
}

/// The node's own key signs something else than what the model says.
async fn dishonest(node: &TestNode, honest: &AnswerRecord) {
    let identity = node.services().identity;
    let sign = |change: fn(&mut AnswerRecord)| {
        let mut record = honest.clone();
        change(&mut record);
        AnswerRecord::sign(record.receipt, record.input, record.output, identity.secret())
    };
    type Forgery = fn(&mut AnswerRecord);
    let cases: [(Forgery, &str); 5] = [
        (
            |r| {
                let other = r.output.scores.iter().find(|score| Some(&score.label) != r.output.label.as_ref());
                r.output.label = other.map(|score| score.label.clone());
            },
            "the answer says",
        ),
        (|r| r.output.scores[0].probability.0 += 20_000, "probabilities"),
        (|r| r.receipt.credits[0].weight.0 -= 1, "sum to one million"),
        (|r| r.receipt.height -= 1, "those of the model on the ledger"),
        (
            |r| {
                // All to one of the two that share it.
                let [first, second] = &mut r.output.influence[..] else { panic!("two contributions") };
                (first.worth, second.worth) = match first.worth > second.worth {
                    true => (0, first.worth),
                    false => (second.worth, 0),
                };
                let weights: std::collections::BTreeMap<_, _> =
                    datanet_types::receipt::influence_weights(&r.output.influence).into_iter().collect();
                let contributors: Vec<_> = r.receipt.credits.clone();
                r.receipt.credits.retain_mut(|credit| {
                    credit.weight = weights.get(&credit.contribution).copied().unwrap_or(Ppm::ZERO);
                    credit.weight > Ppm::ZERO
                });
                if r.receipt.credits.is_empty() {
                    r.receipt.credits = contributors;
                }
            },
            "of the weight lie elsewhere",
        ),
    ];
    for (change, says) in cases {
        let found = verdict(node, &sign(change)).await;
        assert_eq!(found["verdict"], "mismatch", "{says}: {found:#}");
        assert!(found["details"].as_str().unwrap().contains(says), "{says}: {found:#}");
    }
}

/// Whoever makes an epoch again from its receipts finds the same leaves and debts, after those of the epoch that it `carries`.
async fn made_again(node: &TestNode, number: u64, carries: Option<u64>) {
    let services = node.services();
    let key = services.identity.node_key();
    let epoch = settlement::epoch(&services.chain.reader().unwrap(), &key, number).unwrap().unwrap();
    assert_eq!(epoch.carries.map(|carried| carried.epoch), carries);
    let again = services.billing.repeat(&epoch).await.unwrap();
    assert!(matches!(again, Repeated::Same(_)), "{again:?}");
}

/// Contributors by weight, the builder as owner, the base model's owner and the datanet's by lineage.
async fn paid(node: &TestNode, record: &AnswerRecord) {
    node.post("/v1/epochs/settle", Value::Null).await;
    made_again(node, 1, None).await;
    let split = record.receipt.split;
    let floor = split.lineage / 4;
    let earned = async |account: &str, role: &str| -> u64 {
        let earnings = node.get(&format!("/v1/accounts/{}/earnings", address(node, account).await)).await;
        let lines = earnings["lines"].as_array().unwrap().iter();
        lines.filter(|line| line["role"] == role).map(|line| line["amount"].as_u64().unwrap()).sum()
    };
    let (base, datanet) = (earned("owner", "lineage").await, earned("node", "lineage").await);
    assert!(base >= floor && datanet >= floor, "{base} and {datanet} of {split:?}");
    assert_eq!(base + datanet, split.lineage / 2);
    assert_eq!(earned("builder", "owner").await, split.owner + split.lineage - base - datanet);
    assert_eq!(earned("alice", "contributor").await + earned("carol", "contributor").await, split.contributors);
    let claim = node.post(&format!("/v1/accounts/{}/claim", address(node, "owner").await), json!({})).await;
    // Less than the fee of claiming it: it stays until it is more.
    let reason = claim["failed"][0]["reason"].as_str().unwrap();
    assert!(
        claim["total"] == 0
            && reason.starts_with(&format!("all that is left is {}, and claiming costs", display(base))),
        "{claim:#}"
    );
    let supply = node.get("/v1/supply").await;
    assert_eq!(supply["supply"], supply["minted"]);
}
