//! A training that a stranger orders and pays by its steps: priced, held, trained, paid once, given, registered and repeated; or let go of.

use std::time::Duration;

use datanet::billing::repeat::Repeated;
use datanet_api::RunFile;
use datanet_config::{Home, NodeConfig};
use datanet_ledger::component::settlement;
use datanet_types::receipt::AnswerRecord;
use datanet_types::{ChannelId, NodeKey};
use reqwest::Method;
use serde_json::{Value, json};

use crate::crash::Process;
use crate::factory::{prepared_as, repeated};
use crate::kit::{self, Api, TestNode, read, refused, until};
use crate::payer::Payer;
use crate::released::verdict;

/// What the datanet asks for the whole, and this node for a step.
const PRICE: u64 = 1_000;
const STEP: u64 = 10;
/// Steps of one epoch of 96 records in batches of 16: six, and the same again for two halves.
const STEPS: u64 = 18;
/// Longer than an hour and what the node needs to settle.
const LASTS: u64 = 20_000;

/// What a dishonest node changes before it signs.
type Forge = fn(&mut AnswerRecord);

/// A node that sells trainings, with a public face.
fn selling() -> NodeConfig {
    let mut config = kit::config();
    config.public.listen = "127.0.0.1:0".to_owned();
    config.public.requests_per_minute = 60_000;
    config.public.answers_per_minute = 60_000;
    config.serving.training_orders = 2;
    config.serving.training_price = STEP;
    config.serving.training_steps = 40 * 18;
    config.serving.training_hours = 1;
    config
}

/// The face of a node, as one without a token sees it.
fn face(node: &TestNode) -> Api {
    let run = std::fs::read_to_string(Home::new(node.home()).run_file()).unwrap();
    let run: RunFile = serde_json::from_str(&run).unwrap();
    Api::new(run.public.expect("there is a public face"), String::new())
}

fn wish(epochs: u64, more: Value) -> Value {
    let mut wish = json!({
        "datanet": "topics", "base": "minilm-l6", "name": "bought",
        "job": {
            "task": "classify", "max_tokens": 32, "lora": { "rank": 4, "layers": [4, 5] },
            "recipe": { "epochs": epochs, "batch": 16, "warmup": 2 },
            "attribution": { "method": "influence", "curvature": "true-label" },
        },
    });
    wish.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    wish
}

fn most(epochs: u64) -> u64 {
    PRICE + epochs * STEPS * STEP
}

async fn this(node: &TestNode) -> NodeKey {
    serde_json::from_value(node.get("/v1/status").await["node_key"].clone()).unwrap()
}

async fn channel(node: &TestNode, payer: &Payer) -> ChannelId {
    payer.open(node, this(node).await, 50_000, LASTS).await
}

fn order(face: &Api, body: &Value) -> reqwest::RequestBuilder {
    face.bare(Method::POST, "/v1/trainings").json(body)
}

async fn training(face: &Api, id: &Value) -> Value {
    read("a training", face.raw(Method::GET, &format!("/v1/trainings/{}", id.as_str().unwrap()))).await
}

/// Waits until a training's payment is taken or let go of.
async fn over(face: &Api, id: &Value) -> Value {
    let wait = async {
        loop {
            let seen = training(face, id).await;
            if seen["payment"] != "held" {
                return seen;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(600), wait).await.expect("the training in time")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_has_a_model_trained_pays_its_steps_and_owns_it() {
    let Some(node) = prepared_as(selling()).await else { return };
    let (face, payer) = (face(&node), Payer::new(&node).await);
    let channel = channel(&node, &payer).await;

    let quoted = read("a price", face.bare(Method::POST, "/v1/trainings/quote").json(&wish(1, json!({})))).await;
    let quote = &quoted["quote"];
    assert_eq!((&quote["price"], &quote["kind"]), (&json!(most(1)), &json!("train")), "{quoted:#}");
    assert_eq!(quote["rate"], json!({ "answer": PRICE, "thousand": 0, "step": STEP }), "{quoted:#}");
    assert_eq!((&quoted["steps"], &quoted["seconds"]), (&json!(STEPS), &json!(3_600)), "{quoted:#}");

    let paid = |amount: u64, more: Value| {
        let mut body = wish(1, json!({ "voucher": payer.voucher(channel, amount) }));
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    refused("nothing pays", order(&face, &wish(1, json!({}))), 402, "payment-required", "voucher").await;
    let less = paid(most(1) - 1, json!({}));
    refused("too little", order(&face, &less), 402, "wrong-voucher-amount", &format!("sign for {}", most(1))).await;
    let short = payer.open(&node, this(&node).await, 50_000, 1_000).await;
    let early = wish(1, json!({ "voucher": payer.voucher(short, most(1)) }));
    refused("a short channel", order(&face, &early), 402, "channel-expired", "top-up").await;

    let body = paid(most(1), json!({ "quote": quote }));
    let ordered = read("an order", order(&face, &body)).await;
    assert_eq!(ordered["payment"], "held", "{ordered:#}");
    let id = &ordered["id"];
    let again = read("the same order", order(&face, &body)).await;
    assert_eq!(&again["id"], id, "the same voucher and request are the same training");
    let other = paid(most(1), json!({ "name": "other" }));
    refused("another training", order(&face, &other), 409, "answer-under-way", "another training").await;
    let file = |name: &str| face.bare(Method::GET, &format!("/v1/trainings/{}/file?name={name}", id.as_str().unwrap()));
    refused("a file before it is paid", file("transcript.json"), 402, "payment-required", "not paid").await;

    let done = over(&face, id).await;
    assert_eq!((&done["payment"], &done["status"]), (&json!("taken"), &json!("succeeded")), "{done:#}");
    let again = read("the same order, later", order(&face, &body)).await;
    assert_eq!(again["receipt"], done["receipt"], "paid once");
    refused("another training, later", order(&face, &other), 409, "voucher-spent", "another question").await;
    let transcript = file("transcript.json").send().await.unwrap().error_for_status().unwrap();
    let transcript: Value = serde_json::from_slice(&transcript.bytes().await.unwrap()).unwrap();
    assert_eq!(transcript["losses"].as_array().unwrap().len() as u64 * 3, STEPS);
    refused("no such file", file("../keys"), 404, "unknown-model", "it has").await;

    receipt(&node, &done).await;
    owned(&node, &done).await;
}

/// The receipt says what was taken, is checked by anyone, and pays by records; one that says something else is found out.
async fn receipt(node: &TestNode, done: &Value) {
    let id = done["receipt"].as_str().unwrap();
    let record = node.services().answers.answer_record(&id.parse().unwrap()).await.unwrap();
    let usage = record.receipt.usage.unwrap();
    assert_eq!((u64::from(usage.steps), record.receipt.fee), (STEPS, most(1)), "{usage:?}");
    assert_eq!(done["fee"], most(1));
    assert_eq!(record.receipt.credits.len(), 2);
    assert!(record.receipt.credits.iter().all(|credit| credit.weight.0 == 500_000), "48 records each");
    let checked = verdict(node, &record).await;
    assert_eq!(checked["verdict"], "match", "{checked:#}");
    assert!(checked["checks"].to_string().contains("the same 18 steps"), "{checked:#}");
    let shown = node.get(&format!("/v1/receipts/{id}")).await;
    assert_eq!(shown["attribution"], "training", "{shown:#}");

    let identity = node.services().identity;
    let forged = |change: fn(&mut AnswerRecord)| {
        let mut record = record.clone();
        change(&mut record);
        let receipt = &mut record.receipt;
        receipt.fee = receipt.usage.unwrap().fee();
        receipt.split = datanet_types::epoch::FeeShares::STANDARD.split(receipt.fee);
        AnswerRecord::sign(record.receipt, record.input, record.output, identity.secret())
    };
    let forgeries: [(Forge, &str); 3] = [
        (|r| r.receipt.usage.as_mut().unwrap().steps += 1, "19 steps were charged, and its job takes 18"),
        (|r| r.receipt.usage.as_mut().unwrap().rate.answer -= 1, "the least are"),
        (|r| r.receipt.model.0[0] ^= 1, "was adapted"),
    ];
    for (change, says) in forgeries {
        let found = verdict(node, &forged(change)).await;
        assert_eq!(found["verdict"], "mismatch", "{says}: {found:#}");
        assert!(found["details"].as_str().unwrap().contains(says), "{says}: {found:#}");
    }

    node.post("/v1/epochs/settle", Value::Null).await;
    let services = node.services();
    let key = services.identity.node_key();
    let epoch = settlement::epoch(&services.chain.reader().unwrap(), &key, 1).unwrap().unwrap();
    let again = services.billing.repeat(&epoch).await.unwrap();
    assert!(matches!(again, Repeated::Same(_)), "{again:?}");
}

/// Whoever bought it registers it, and anybody repeats its run.
async fn owned(node: &TestNode, done: &Value) {
    let body = json!({ "receipt": done["receipt"], "account": "bob" });
    let registered = node.post("/v1/models/bought", body).await;
    let model = registered["model"].as_str().unwrap();
    let shown = node.get(&format!("/v1/models/{model}")).await;
    let keys = node.get("/v1/keys").await;
    let bob = keys["keys"].as_array().unwrap().iter().find(|key| key["name"] == "bob").unwrap();
    assert_eq!((&shown["owner"], &shown["name"]), (&bob["address"], &json!("bought")), "{shown:#}");
    assert_eq!(shown["ledger"]["manifest"], done["manifest"], "{shown:#}");
    repeated(node, model).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_stranger_may_not_have_is_refused_before_anything_is_held() {
    let Some(node) = prepared_as(selling()).await else { return };
    let (face, payer) = (face(&node), Payer::new(&node).await);
    let quote = |wish: Value| face.bare(Method::POST, "/v1/trainings/quote").json(&wish);
    let with = |job: Value| {
        let mut wish = wish(1, json!({}));
        for (key, value) in job.as_object().unwrap() {
            wish["job"][key] = value.clone();
        }
        wish
    };
    refused("too many steps", quote(wish(41, json!({}))), 422, "job-too-large", "720").await;
    refused("no such base", quote(wish(1, json!({ "base": "gpt-9" }))), 404, "unknown-model", "minilm-l6").await;
    refused("no such data", quote(wish(1, json!({ "datanet": "fish" }))), 404, "unknown-datanet", "fish").await;
    refused("no such place", quote(wish(1, json!({ "count": 99 }))), 422, "unknown-snapshot", "entries").await;
    let audit = with(json!({ "attribution": { "method": "influence", "audit_subsets": 50 } }));
    refused("retrainings", quote(audit), 422, "bad-job", "audit_subsets").await;
    refused("a large batch", quote(with(json!({ "recipe": { "batch": 65 } }))), 422, "bad-job", "recipe.batch").await;
    let early = with(json!({ "evaluation": { "every": 1, "early_stop": 1 } }));
    refused("who knows how many", quote(early), 422, "bad-job", "early_stop").await;

    let mut ordered = Vec::new();
    for _ in 0..2 {
        let channel = channel(&node, &payer).await;
        let body = wish(40, json!({ "voucher": payer.voucher(channel, most(40)) }));
        ordered.push(read("an order", order(&face, &body)).await["id"].clone());
    }
    let channel = channel(&node, &payer).await;
    let body = wish(40, json!({ "voucher": payer.voucher(channel, most(40)) }));
    refused("one too many", order(&face, &body), 429, "too-many-jobs", "2 trainings").await;
    // The operator sees who has ordered them, and ends them: nothing is paid.
    let jobs = node.get("/v1/fine_tuning/jobs").await;
    assert!(jobs["data"][0]["metadata"]["ordered_by_channel"].is_string(), "{jobs:#}");
    for id in &ordered {
        node.post(&format!("/v1/fine_tuning/jobs/{}/cancel", id.as_str().unwrap()), Value::Null).await;
        let ended = over(&face, id).await;
        assert_eq!((&ended["payment"], &ended["receipt"]), (&json!("released"), &Value::Null), "{ended:#}");
    }
    let unknown = face.bare(Method::GET, "/v1/trainings/ftjob-000000000000000000000000");
    refused("somebody else's", unknown, 404, "unknown-job", "nobody has ordered").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_is_asked_back_ends_its_training_and_three_that_come_to_nothing_are_the_last() {
    let Some(node) = prepared_as(selling()).await else { return };
    let (face, payer) = (face(&node), Payer::new(&node).await);
    // An account of this very node takes its channel back at once, and does not wait for what takes hours.
    let opened = node.post("/v1/channels", json!({ "account": "node", "deposit": 50_000, "seconds": LASTS })).await;
    let id = opened["channel"].as_str().unwrap();
    let signed = node.post(&format!("/v1/channels/{id}/voucher"), json!({ "cumulative": most(40) })).await;
    let ordered = read("an order", order(&face, &wish(40, json!({ "voucher": signed })))).await["id"].clone();
    node.post(&format!("/v1/channels/{id}/close"), json!({})).await;
    let ended = over(&face, &ordered).await;
    assert_eq!((&ended["payment"], &ended["receipt"]), (&json!("released"), &Value::Null), "{ended:#}");

    let channel = channel(&node, &payer).await;
    let body = wish(40, json!({ "voucher": payer.voucher(channel, most(40)) }));
    for _ in 0..3 {
        let id = read("an order", order(&face, &body)).await["id"].clone();
        node.post(&format!("/v1/fine_tuning/jobs/{}/cancel", id.as_str().unwrap()), Value::Null).await;
        assert_eq!(over(&face, &id).await["payment"], "released");
    }
    refused("once more", order(&face, &body), 429, "too-many-jobs", "came to nothing").await;

    let other = |job: Value| {
        let mut wish = wish(1, json!({}));
        wish["job"].as_object_mut().unwrap().extend(job.as_object().unwrap().clone());
        face.bare(Method::POST, "/v1/trainings/quote").json(&wish)
    };
    let signs = json!({ "attribution": { "method": "influence", "curvature": "signs-64" } });
    refused("dear steps", other(signs), 422, "bad-job", "attribution.curvature").await;
    let data = json!({ "data": { "datanets": ["fish"] } });
    refused("other data", other(data), 422, "bad-job", "data.datanets").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_training_goes_on_after_a_restart_and_is_paid_once() {
    let Some(mut node) = prepared_as(selling()).await else { return };
    let payer = Payer::new(&node).await;
    let channel = channel(&node, &payer).await;
    let body = wish(6, json!({ "voucher": payer.voucher(channel, most(6)) }));
    let id = read("an order", order(&face(&node), &body)).await["id"].clone();
    until("it trains", async || {
        let seen = training(&face(&node), &id).await;
        (seen["progress"]["phase"] == "training" || seen["payment"] != "held").then_some(())
    })
    .await;
    node.restart(Duration::from_millis(200)).await;
    let face = face(&node);
    // What pays for it is good for nothing else meanwhile.
    let other = wish(1, json!({ "voucher": payer.voucher(channel, most(6)) }));
    let response = order(&face, &other).send().await.unwrap();
    assert!([402, 409].contains(&response.status().as_u16()), "{}", response.text().await.unwrap());
    let again = until("it is known again", async || {
        let response = order(&face, &body).send().await.unwrap();
        response.status().is_success().then_some(response)
    });
    let again: Value = again.await.json().await.unwrap();
    assert_eq!(again["id"], id);
    let done = over(&face, &id).await;
    assert_eq!((&done["payment"], &done["fee"]), (&json!("taken"), &json!(most(6))), "{done:#}");
    node.restart(Duration::from_millis(200)).await;
    let face = self::face(&node);
    let later = training(&face, &id).await;
    assert_eq!((&later["receipt"], &later["payment"]), (&done["receipt"], &json!("taken")));
    let issued = node.get("/v1/receipts").await;
    let paid = issued["receipts"].as_array().unwrap().iter().filter(|one| one["id"] == done["receipt"]).count();
    assert_eq!((paid, issued["receipts"].as_array().unwrap().len()), (1, 1), "{issued:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_step_of_its_end_a_training_is_paid_once() {
    if kit::tools_with_model().await.is_none() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let sets = [
        "consensus.block_interval_ms=20",
        "serving.training_orders=1",
        "serving.training_price=10",
        "serving.training_hours=1",
    ];
    let channel = {
        let node = Process::start_in(dir.path(), &sets, &[]).await;
        let api = node.api();
        api.given_topics().await;
        let new = json!({ "account": "alice", "deposit": 100 * PRICE, "seconds": LASTS });
        api.post("/v1/channels", new).await["channel"].as_str().unwrap().to_owned()
    };
    let mut fees = 0;
    let steps = ["trained", "recorded", "paid"];
    for step in steps {
        let mut node = Process::start_in(dir.path(), &sets, &[("DATANET_DIE_AT", step)]).await;
        let api = node.api();
        let quoted = api.post("/v1/trainings/quote", wish(1, json!({}))).await;
        let cumulative = fees + quoted["quote"]["price"].as_u64().unwrap();
        let voucher = api.post(&format!("/v1/channels/{channel}/voucher"), json!({ "cumulative": cumulative })).await;
        let body = wish(1, json!({ "voucher": voucher }));
        let id = api.post("/v1/trainings", body.clone()).await["id"].clone();
        node.has_ended().await;
        drop(node);

        let node = Process::start_in(dir.path(), &sets, &[]).await;
        let api = node.api();
        let done = over(api, &id).await;
        assert_eq!(done["payment"], "taken", "{step}: {done:#}");
        let again = api.post("/v1/trainings", body).await;
        assert_eq!((&again["id"], &again["receipt"]), (&id, &done["receipt"]), "{step}");
        fees += done["fee"].as_u64().unwrap();
    }
    let node = Process::start_in(dir.path(), &sets, &[]).await;
    let settled = node.api().post("/v1/epochs/settle", json!({})).await;
    assert_eq!((&settled["totals"]["fees"], &settled["totals"]["answers"]), (&json!(fees), &json!(steps.len())));
}
