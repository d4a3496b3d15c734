//! Answers of a released model: charged, signed, settled and checked like any other, whoever computes them.

use datanet::error::ServiceResult;
use datanet::node::Core;
use datanet::serving::model::{ModelAnswers, terms};
use datanet::serving::payment::Payment;
use datanet_ledger::component::models::Model;
use datanet_types::action::RegisterModel;
use datanet_types::receipt::{AnswerRecord, AskInput, AskOutput, LabelScore, Method};
use datanet_types::release::{DataSnapshot, RELEASE_VERSION, Release, ReleaseFile, Source, SourcePart};
use datanet_types::{Action, ModelId};
use futures::FutureExt;
use futures::future::BoxFuture;
use reqwest::Method as Http;
use serde_json::{Value, json};

use crate::corpus;
use crate::kit::{self, TestNode, read};
use crate::payer::Payer;
use crate::revoked::give_final;

/// A model small enough for a test: it counts letters, and each column's value is a count too.
struct Letters(Release);

impl ModelAnswers for Letters {
    fn output<'a>(
        &'a self,
        core: &'a Core,
        model: &'a Model,
        input: &'a AskInput,
        method: Method,
    ) -> BoxFuture<'a, ServiceResult<AskOutput>> {
        async move {
            assert_eq!((model.id, method), (self.0.id(), Method::Influence));
            let count = |letter: char| input.text.chars().filter(|c| *c == letter).count();
            let (es, all) = (count('e'), input.text.chars().count().max(1));
            let score = u64::try_from(es * 1_000_000 / all).unwrap();
            let values = [i64::try_from(count('a')).unwrap() * 1_000, 2_000 - i64::try_from(es).unwrap()];
            let revoked = core.revoked_of(&self.0)?;
            let earned =
                self.0.contributions().copied().zip(values.map(|value| u64::try_from(value).unwrap_or(0))).collect();
            let scores = [("space", score), ("cooking", 1_000_000 - score)];
            Ok(AskOutput {
                label: Some("cooking".into()),
                answer: "cooking".into(),
                scores: scores.map(|(label, probability)| LabelScore { label: label.to_owned(), probability }).to_vec(),
                influence: self.0.spread(&values, &earned, |id| revoked.contains(id)),
                ..AskOutput::default()
            })
        }
        .boxed()
    }
}

fn release(core: &Core, snapshot: DataSnapshot, base: ModelId, contributions: &[String]) -> Release {
    let source = |id: &String| {
        let contribution = id.parse().unwrap();
        let (record, _) = core.contribution_and_datanet(&contribution).unwrap();
        Source { contributor: record.contributor, contributions: vec![SourcePart { contribution, records: 30 }] }
    };
    let file = core.data_snapshot(&snapshot.datanet, None).unwrap().digest.0;
    Release {
        version: RELEASE_VERSION,
        name: "letters".into(),
        base: Some(base),
        files: vec![ReleaseFile { name: "job.json".into(), blob: datanet_types::BlobHash(file), size: 1 }],
        labels: vec!["space".into(), "cooking".into()],
        snapshots: vec![snapshot],
        sources: contributions.iter().map(source).collect(),
        licence: "MIT".into(),
        ..Release::default()
    }
}

async fn answer(core: &Core, model: &Model, text: &str) -> AnswerRecord {
    let input = AskInput { text: text.into(), classify: true, ..AskInput::default() };
    let reader = core.chain.reader().unwrap();
    let terms = terms(&reader, model).unwrap();
    let payment = Payment::Account(Box::new(core.keyring.get("bob").unwrap()));
    let checked = core.check_payment(payment, terms.price).unwrap();
    let output = core.model_output(model, &input, Method::Influence).await.unwrap();
    let release = core.read_bytes(&Release::blob_of(&model.id), 1 << 20).await.unwrap();
    let release = Release::verify(&release, &model.id).unwrap();
    let receipt = core.model_receipt(model, &terms, Method::Influence, release.credits(&output.influence)).unwrap();
    core.charge_answer(receipt, input, output, checked).await.unwrap()
}

async fn verdict(node: &TestNode, record: &AnswerRecord) -> Value {
    read("a check", node.raw(Http::POST, "/v1/receipts/check").body(record.to_bytes())).await
}

#[tokio::test]
async fn a_models_answers_are_paid_by_influence_and_checked_by_anyone() {
    let Some(tools) = kit::tools_with_model().await else { return };
    let node = TestNode::spawn(tools).await;
    let alice = node.account("alice", 10_000_000).await;
    let carol = node.account("carol", 10_000_000).await;
    let base_owner = node.account("owner", 10_000_000).await;
    node.account("bob", 10_000_000).await;
    node.post("/v1/models", json!({ "name": "minilm", "licence": "Apache-2.0", "account": "owner" })).await;
    let datanet = node.datanet("topics", &corpus::labelled(), corpus::jsonl(&corpus::samples(300, 45))).await;
    let given = [give_final(&node, "alice", 0, 30).await, give_final(&node, "carol", 30, 30).await];
    node.post("/v1/channels", json!({ "account": "bob", "deposit": 20_000 })).await;

    let core = node.core();
    let base = ModelId(core.models.info().unwrap().id);
    let snapshot = core.data_snapshot(&datanet.parse().unwrap(), None).unwrap();
    let release = release(&core, snapshot, base, &given);
    let builder = Payer::new(&node).await;
    core.keep_bytes("release/test", release.to_bytes()).await.unwrap();
    let action = RegisterModel {
        model: release.id(),
        name: release.name.clone(),
        licence: release.licence.clone(),
        parents: vec![base],
        datanets: vec![snapshot.datanet],
        snapshots: vec![snapshot],
        release: true,
        ..RegisterModel::default()
    };
    node.execute(&builder.key, Action::RegisterModel(action)).await;
    core.serve_models(std::sync::Arc::new(Letters(release.clone())));
    let model = core.registered_model(&release.id()).unwrap();

    let first = answer(&core, &model, "a rare pear").await;
    assert_eq!((first.receipt.fee, first.receipt.credits.len()), (1_000, 2));
    let weights: u64 = first.receipt.credits.iter().map(|credit| credit.weight).sum();
    assert_eq!(weights, 1_000_000);
    let checked = verdict(&node, &first).await;
    assert_eq!(checked["verdict"], "match", "{checked:#}");

    dishonest(&node, &first).await;
    paid(&node, &first, [&alice, &carol, &base_owner, &builder.key.address().to_string()]).await;

    node.post(&format!("/v1/contributions/{}/revoke", given[0]), Value::Null).await;
    let second = answer(&core, &model, "a rare pear").await;
    assert_eq!((second.output.influence.len(), second.receipt.credits.len()), (1, 1));
    assert_eq!(second.receipt.credits[0].contribution.to_string(), given[1]);
    assert_eq!(verdict(&node, &second).await["verdict"], "match");
    let old = verdict(&node, &first).await;
    assert_eq!(old["verdict"], "within", "what was revoked since may be missing: {old:#}");
    assert!(core.model_on_ledger(&model.id).unwrap().unwrap().tainted);
}

/// The node's own key signs something else than what the model says.
async fn dishonest(node: &TestNode, honest: &AnswerRecord) {
    let key = &node.core().node_secret;
    let sign = |change: fn(&mut AnswerRecord)| {
        let mut record = honest.clone();
        change(&mut record);
        AnswerRecord::sign(record.receipt, record.input, record.output, key)
    };
    type Forgery = fn(&mut AnswerRecord);
    let cases: [(Forgery, &str); 5] = [
        (|r| r.output.label = Some("space".into()), "the answer says"),
        (|r| r.output.scores[0].probability += 20_000, "probabilities"),
        (|r| r.receipt.credits[0].weight -= 1, "sum to one million"),
        (|r| r.receipt.height -= 1, "those of the model on the ledger"),
        (
            |r| {
                r.output.influence[0].earned *= 3;
                let weights = datanet_types::receipt::influence_weights(&r.output.influence);
                for (credit, (_, weight)) in r.receipt.credits.iter_mut().zip(weights) {
                    credit.weight = weight;
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

/// Contributors by weight, the builder as owner, the base model's owner by lineage; and everybody can claim it.
async fn paid(node: &TestNode, record: &AnswerRecord, [alice, carol, base_owner, builder]: [&str; 4]) {
    node.post("/v1/epochs/settle", Value::Null).await;
    let split = record.receipt.split;
    let floor = split.lineage / 4;
    let earned = async |account: &str, role: &str| -> u64 {
        let earnings = node.get(&format!("/v1/accounts/{account}/earnings")).await;
        let lines = earnings["lines"].as_array().unwrap().iter();
        lines.filter(|line| line["role"] == role).map(|line| line["amount"].as_u64().unwrap()).sum()
    };
    assert_eq!(earned(base_owner, "lineage").await, floor);
    assert_eq!(earned(builder, "owner").await, split.owner + split.lineage - floor);
    assert_eq!(earned(alice, "contributor").await + earned(carol, "contributor").await, split.contributors);
    let claim = node.post(&format!("/v1/accounts/{base_owner}/claim"), json!({})).await;
    assert_eq!(claim["total"], floor);
    let supply = node.get("/v1/supply").await;
    assert_eq!(supply["supply"], supply["minted"]);
}
