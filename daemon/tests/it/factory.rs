//! From accepted data to a model that answers for pay: trained, released, deployed, asked, proven, explained; taken up
//! again after a restart.

use std::time::Duration;

use datanet_config::NodeConfig;
use datanet_types::receipt::{AnswerRecord, Completion};
use futures::StreamExt;
use reqwest::Method;
use serde_json::{Value, json};

use crate::cli;
use crate::corpus;
use crate::kit::{self, Api, TestNode, read, refused};
use crate::one_payment::one_voucher_buys_one_stream;
use crate::released::verdict;
use crate::revoked::give_final;

/// How long a job may take: the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(600);

/// A node with a labelled datanet of two contributors' records, and somebody who pays.
pub async fn prepared() -> Option<TestNode> {
    prepared_as(kit::config()).await
}

/// The same with a configuration of its own.
pub async fn prepared_as(config: NodeConfig) -> Option<TestNode> {
    let node = TestNode::spawn_with(kit::tools_with_model().await?, config).await;
    for name in ["alice", "carol", "bob", "owner"] {
        node.account(name, 10_000_000).await;
    }
    node.post("/v1/models", json!({ "name": "minilm", "licence": "Apache-2.0", "account": "owner" })).await;
    node.datanet("topics", &corpus::labelled(), corpus::jsonl(&corpus::samples(300, 45))).await;
    give_final(&node, "alice", 0, 48).await;
    give_final(&node, "carol", 48, 48).await;
    node.post("/v1/channels", json!({ "account": "bob", "deposit": 100_000 })).await;
    Some(node)
}

/// A classifier that is trained within seconds.
pub fn small_job(epochs: usize) -> Value {
    json!({
        "model": "minilm-l6", "training_file": "topics", "suffix": "topics", "seed": 7,
        "metadata": { "why": "a test" },
        "job": {
            "task": "classify", "max_tokens": 32, "lora": { "rank": 4, "layers": [4, 5] },
            "recipe": { "epochs": epochs, "batch": 16, "warmup": 2 }, "evaluation": { "checkpoint": 2 },
            "attribution": { "method": "influence", "curvature": "true-label" },
        },
    })
}

/// A decoder from nothing that is trained within seconds.
pub fn writer_job() -> Value {
    json!({
        "model": "scratch", "training_file": "topics", "suffix": "writer",
        "job": {
            "task": "generate", "max_tokens": 32, "recipe": { "epochs": 2, "batch": 16, "warmup": 2 },
            "scratch": { "vocabulary": 320, "hidden": 32, "layers": 1, "heads": 2, "kv_heads": 2, "intermediate": 64, "max_positions": 128 },
        },
    })
}

/// Follows a job until `enough` says so or it is over: the job, and all messages on the way.
async fn follow(node: &Api, id: &str, enough: impl Fn(&Value) -> bool) -> (Value, Vec<String>) {
    let path = format!("/v1/fine_tuning/jobs/{id}/events?stream=true");
    let response = node.raw(Method::GET, &path).send().await.unwrap();
    assert_eq!(response.status(), 200);
    let (mut stream, mut buffer) = (response.bytes_stream(), Vec::new());
    let (mut job, mut messages) = (Value::Null, Vec::new());
    let reading = async {
        while let Some(chunk) = stream.next().await {
            buffer.extend_from_slice(&chunk.unwrap());
            while let Some(end) = buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = buffer.drain(..=end).collect();
                let Some(data) = line.strip_prefix(b"data: ") else { continue };
                let value: Value = serde_json::from_slice(data).unwrap();
                if value["object"] == "fine_tuning.job" {
                    job = value;
                    if enough(&job) {
                        return;
                    }
                } else {
                    messages.push(value["message"].as_str().unwrap().to_owned());
                }
            }
        }
    };
    tokio::time::timeout(PATIENCE, reading).await.expect("the job in time");
    (job, messages)
}

pub async fn trained(node: &Api, job: Value) -> Value {
    let created = node.post("/v1/fine_tuning/jobs", job).await;
    let (job, messages) = follow(node, created["id"].as_str().unwrap(), |_| false).await;
    assert_eq!(job["status"], "succeeded", "{job:#}\n{messages:#?}");
    job
}

async fn classify(node: &Api, more: Value) -> Value {
    let mut body = json!({ "model": "topics", "input": corpus::samples(200, 1)[0].0, "account": "bob" });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    node.post("/v1/classify", body).await["data"][0].clone()
}

#[tokio::test]
async fn a_datanet_becomes_a_model_that_answers_proves_and_explains() {
    let Some(mut node) = prepared().await else { return };
    let job = trained(&node, small_job(3)).await;
    let model = job["fine_tuned_model"].as_str().unwrap().to_owned();
    assert!(job["evaluation"]["accuracy"].as_f64().unwrap() > 0.5, "{job:#}");
    told(&node, &job).await;

    on_the_ledger(&node, &model).await;
    let deployed = node.post(&format!("/v1/models/{model}/deploy"), json!({})).await;
    assert_eq!((&deployed["name"], &deployed["model"]), (&json!("topics"), &json!(model)));

    let answer = classify(&node, json!({ "explain": true, "counterfactual": true })).await;
    answered(&node, &answer).await;
    explained(&node, &answer).await;
    told_to_people(&node, &job, &model, &answer);

    repeated(&node, &model).await;
    replaced_and_back(&node, &model).await;

    node.restart(Duration::from_millis(200)).await;
    let again = kit::until("the model serves again", async || {
        let body = json!({ "model": model, "input": corpus::samples(200, 1)[0].0, "account": "bob" });
        let response = node.raw(Method::POST, "/v1/classify").json(&body).send().await.unwrap();
        response.status().is_success().then_some(response)
    });
    let again: Value = again.await.json().await.unwrap();
    assert_eq!(again["data"][0]["label"], answer["label"]);

    node.raw(Method::DELETE, "/v1/models/topics/deploy").send().await.unwrap().error_for_status().unwrap();
    let gone =
        node.raw(Method::POST, "/v1/classify").json(&json!({ "model": "topics", "input": "x", "account": "bob" }));
    refused("a model that serves no more", gone, 404, "not-deployed", "another name, and as").await;
}

#[tokio::test]
async fn a_model_without_influence_and_with_revoked_data_says_so() {
    let Some(node) = prepared().await else { return };
    let mut job = small_job(1);
    job["job"]["attribution"] = json!({ "method": "none" });
    job["job"]["serve"] = json!("int8");
    let made = trained(&node, job).await;
    in_eight_bits(&node, &made).await;
    assert_eq!(made["job"]["data"]["held_out"].to_string(), "0.1");
    let model = &made["fine_tuned_model"];
    let shown = node.get("/v1/models/topics").await;
    assert!(shown["model_id"] == *model && shown["created"].as_u64() > Some(1_600_000_000), "{shown:#}");
    assert!(shown["gate"].is_null(), "{shown:#}");
    let ask = |name: &str, more: Value| {
        let mut body = json!({ "model": name, "input": "a text", "account": "bob" });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        node.raw(Method::POST, "/v1/classify").json(&body)
    };
    refused("not deployed", ask("topics", json!({})), 404, "not-deployed", "datanet model deploy topics").await;
    for name in [json!({}), json!({ "name": "second" })] {
        node.post("/v1/models/topics/deploy", name).await;
    }
    refused("no labels", ask("minilm-l6", json!({})), 422, "no-classifier", "here: \"second\", \"topics\"").await;
    for what in ["explain", "counterfactual"] {
        refused(what, ask("topics", json!({ what: true })), 422, "not-attributed", "attribution.method").await;
    }
    let answer = classify(&node, json!({})).await;
    assert_eq!((&answer["attribution"], &answer["tainted"]), (&json!("none"), &json!(false)), "{answer:#}");
    let id = answer["receipt"]["id"].as_str().unwrap();
    let verdict = read("verify", node.raw(Method::POST, &format!("/v1/receipts/{id}/verify"))).await;
    assert!(matches!(verdict["verdict"].as_str(), Some("match" | "within")), "{verdict:#}");
    let said = node.get(&format!("/v1/attributions/{id}")).await;
    assert!(said["method"] == "none" && said["proves"].as_str().unwrap().starts_with("not attributed"), "{said:#}");

    let given = node.get("/v1/datanets/topics/contributions").await["contributions"][0]["id"].clone();
    node.post(&format!("/v1/contributions/{}/revoke", given.as_str().unwrap()), Value::Null).await;
    let view = node.get(&format!("/v1/contributions/{}", given.as_str().unwrap())).await;
    assert!(view["reason"].as_str().unwrap().starts_with("taken back by its contributor at height"), "{view:#}");
    assert_eq!(classify(&node, json!({})).await["tainted"], true);
    let verify = node.raw(Method::POST, "/v1/models/topics/verify").json(&json!({}));
    refused("a run on what is gone", verify, 409, "contribution-revoked", "cannot be repeated").await;

    let gone = read("undeploy", node.raw(Method::DELETE, "/v1/models/topics/deploy")).await;
    assert_eq!((&gone["id"], &gone["names"], &gone["models"]), (model, &json!(["topics"]), &json!([])), "{gone:#}");
    let path = format!("/v1/models/{}", model.as_str().unwrap());
    let gone = read("undeploy by id", node.raw(Method::DELETE, &path)).await;
    assert_eq!((&gone["names"], &gone["models"]), (&json!(["second"]), &json!([model])), "{gone:#}");
    let again = node.raw(Method::DELETE, &path);
    refused("what is gone", again, 404, "unknown-model", "nothing is").await;
}

/// What serving in 8 bits costs is in the evaluation, and in a file of the release.
async fn in_eight_bits(node: &Api, job: &Value) {
    assert_eq!(job["job"]["serve"], "int8", "{job:#}");
    let cosine = job["evaluation"]["served_cosine"].as_f64().unwrap();
    assert!(cosine > 0.97 && job["evaluation"]["served_accuracy"].is_f64(), "{job:#}");
    let shown = node.get(&format!("/v1/models/{}", job["fine_tuned_model"].as_str().unwrap())).await;
    let files = shown["manifest"]["files"].as_array().unwrap();
    assert!(files.iter().any(|file| file["name"] == "serving.json"), "{shown:#}");
    let metrics = shown["manifest"]["evaluation"].as_array().unwrap();
    assert!(metrics.iter().any(|metric| metric["name"] == "served_accuracy"), "{shown:#}");
}

/// Events, checkpoints and the list of jobs tell the same, in OpenAI's shapes.
async fn told(node: &Api, job: &Value) {
    let id = job["id"].as_str().unwrap();
    let events = node.get(&format!("/v1/fine_tuning/jobs/{id}/events?limit=1000")).await;
    let events = events["data"].as_array().unwrap();
    assert!(events.iter().all(|event| event["object"] == "fine_tuning.job.event"));
    assert!(events[0]["message"].as_str().unwrap().contains("released"), "{:#}", events[0]);
    assert!(events.iter().any(|event| event["data"]["train_loss"].is_number()));
    let page = node.get(&format!("/v1/fine_tuning/jobs/{id}/events?limit=2")).await;
    assert_eq!((page["data"].as_array().unwrap().len(), &page["has_more"]), (2, &json!(true)));
    let checkpoints = node.get(&format!("/v1/fine_tuning/jobs/{id}/checkpoints")).await;
    assert!(!checkpoints["data"].as_array().unwrap().is_empty());
    let jobs = node.get("/v1/fine_tuning/jobs").await;
    assert_eq!((&jobs["data"][0]["id"], &jobs["data"][0]["metadata"]["why"]), (&job["id"], &json!("a test")));
    let cancel = node.raw(Method::POST, &format!("/v1/fine_tuning/jobs/{id}/cancel"));
    refused("a job that is over", cancel, 409, "job-over", "succeeded").await;
}

async fn on_the_ledger(node: &Api, model: &str) {
    let shown = node.get(&format!("/v1/models/{model}")).await;
    assert_eq!((&shown["deployed"], &shown["tainted"]), (&json!(false), &json!(false)));
    assert_eq!(shown["lineage"][0]["name"], "minilm");
    let manifest = &shown["manifest"];
    let files: Vec<&str> = manifest["files"].as_array().unwrap().iter().filter_map(|f| f["name"].as_str()).collect();
    for file in ["adapter_config.json", "adapter_model.safetensors", "influence.safetensors", "transcript.json"] {
        assert!(files.contains(&file), "{file} of {files:?}");
    }
    assert_eq!(manifest["sources"].as_array().unwrap().len(), 2, "two contributors");
    let listed = node.get("/v1/models").await;
    assert!(listed["data"].as_array().unwrap().iter().any(|listed| listed["model_id"] == model));
}

/// The answer is charged, credits sum to a million, and it is found again when computed anew.
async fn answered(node: &Api, answer: &Value) {
    let sum: f64 = answer["probabilities"].as_array().unwrap().iter().map(|p| p["probability"].as_f64().unwrap()).sum();
    assert!((sum - 1.0).abs() < 1e-3, "{answer:#}");
    assert_eq!((&answer["fee"], &answer["receipt"]["method"]), (&json!(1_000), &json!(1)), "{answer:#}");
    let credits = answer["receipt"]["credits"].as_array().unwrap();
    let weight: u64 = credits.iter().map(|credit| credit["weight"].as_u64().unwrap()).sum();
    assert!(weight == 1_000_000 || credits.is_empty(), "{answer:#}");
    assert_eq!(answer["counterfactual"].as_array().unwrap().len(), 2);
    let id = answer["receipt"]["id"].as_str().unwrap();
    let verdict = read("verify", node.raw(Method::POST, &format!("/v1/receipts/{id}/verify"))).await;
    assert!(matches!(verdict["verdict"].as_str(), Some("match" | "within")), "{verdict:#}");
}

async fn explained(node: &Api, answer: &Value) {
    let id = answer["receipt"]["id"].as_str().unwrap();
    let said = node.get(&format!("/v1/attributions/{id}")).await;
    assert_eq!((&said["method"], said["contributions"].as_array().unwrap().len()), (&json!("influence"), 2));
    let quotes = said["helpful"].as_array().unwrap().iter().chain(said["harmful"].as_array().unwrap());
    assert!(
        quotes.clone().count() > 0 && quotes.clone().all(|quote| !quote["text"].as_str().unwrap().is_empty()),
        "{said:#}"
    );
}

/// The command line takes the beginnings of ids that it shows, and says what the interface says.
fn told_to_people(node: &TestNode, job: &Value, model: &str, answer: &Value) {
    let home = node.home();
    let says = |args: &[&str], all: &[&str]| {
        let said = cli::said(home, args);
        for words in all {
            assert!(said.contains(words), "{args:?} should say {words:?}:\n{said}");
        }
    };
    let (id, receipt) = (job["id"].as_str().unwrap(), answer["receipt"]["id"].as_str().unwrap());
    assert!(cli::said(home, &["jobs", "list"]).contains(&id[..14]));
    let next = format!("next: datanet model deploy {model}");
    let shown = cli::said(home, &["jobs", "show", id]);
    let steps =
        shown.lines().find_map(|line| line.strip_prefix("steps")).expect("its training's steps").trim().to_owned();
    let (done, of) = steps.split_once(" of ").unwrap();
    assert_eq!(done, of, "the training went to its end");
    for known in [id, &id[..14], &id[6..14], "topics"] {
        says(&["jobs", "show", known], &[id, &steps, "always the most frequent label", &next]);
    }
    says(
        &["model", "show", &model[..8]],
        &[model, "base      minilm", "quantise", "alice dn1", "carol dn1", "made from"],
    );
    says(&["attribute", &receipt[..8]], &["alice dn1", "carol dn1", "influence", "helped most", "lineage"]);
    says(&["receipt", "show", &receipt[..8]], &[receipt, "probability", "lineage"]);
    let text = corpus::samples(200, 1)[0].0.clone();
    says(&["classify", "topics", &text, "--account", "bob", "--explain"], &["contribution", "helped most"]);
    cli::fails(home, &["classify", "topics", &text], "--account NAME --deposit AMOUNT");
    cli::fails(home, &["classify", "topics", &text, "--account", "carol"], "--account NAME --deposit AMOUNT");
    says(&["status"], &[&format!("serves topics {}", &model[..8])]);
}

/// A stretch of the run, repeated, is as the release claims.
pub async fn repeated(node: &Api, model: &str) {
    let job = node.post(&format!("/v1/models/{model}/verify"), json!({ "stretches": 1 })).await;
    let (job, messages) = follow(node, job["id"].as_str().unwrap(), |_| false).await;
    assert_eq!(job["status"], "succeeded", "{job:#}\n{messages:#?}");
    assert_eq!((&job["verdict"]["passed"], &job["verifies"]), (&json!(true), &json!(model)), "{job:#}");
}

/// Another model takes the name, and gives it back.
async fn replaced_and_back(node: &Api, model: &str) {
    let other = trained(node, small_job(1)).await["fine_tuned_model"].as_str().unwrap().to_owned();
    assert_ne!(other, model);
    let deployed = node.post(&format!("/v1/models/{other}/deploy"), json!({})).await;
    assert_eq!((&deployed["model"], &deployed["before"]), (&json!(other), &json!([model])));
    let rolled = node.post("/v1/models/topics/rollback", json!({})).await;
    assert_eq!(rolled["model"], model);
    let nothing = node.raw(Method::POST, "/v1/models/topics/rollback");
    refused("nothing before", nothing, 409, "nothing-before", "no other model").await;
    let answer =
        node.post("/v1/classify", json!({ "model": "topics", "input": ["one", "two"], "account": "bob" })).await;
    assert_eq!((&answer["model_id"], answer["data"].as_array().unwrap().len()), (&json!(model), 2));
}

/// Whether a job's training has done so many steps.
fn trains_at(job: &Value, step: u64) -> bool {
    job["progress"]["phase"] == "training" && job["progress"]["step"].as_u64() >= Some(step)
}

#[tokio::test]
async fn a_job_goes_on_after_a_restart_and_others_wait_for_it() {
    let Some(mut node) = prepared().await else { return };
    let first = node.post("/v1/fine_tuning/jobs", small_job(40)).await;
    let second = node.post("/v1/fine_tuning/jobs", small_job(1)).await;
    let (first, second) = (first["id"].as_str().unwrap().to_owned(), second["id"].as_str().unwrap().to_owned());
    follow(&node, &first, |job| trains_at(job, 3)).await;
    assert_eq!(node.get(&format!("/v1/fine_tuning/jobs/{second}")).await["status"], "queued");
    node.restart(Duration::from_millis(200)).await;
    let (_, messages) = follow(&node, &first, |job| trains_at(job, 8)).await;
    assert!(messages.iter().any(|message| message.contains("training goes on at step")), "{messages:#?}");
    node.post(&format!("/v1/fine_tuning/jobs/{first}/cancel"), json!({})).await;
    let (first, _) = follow(&node, &first, |_| false).await;
    assert_eq!(first["status"], "cancelled");
    let (second, _) = follow(&node, &second, |_| false).await;
    assert_eq!(second["status"], "succeeded", "{second:#}");
}

#[tokio::test]
async fn a_decoder_from_nothing_writes_streams_and_proves() {
    let Some(node) = prepared().await else { return };
    let job = trained(&node, writer_job()).await;
    let model = job["fine_tuned_model"].as_str().unwrap();
    node.post(&format!("/v1/models/{model}/deploy"), json!({ "name": "writer" })).await;

    let ask = json!({
        "model": "writer", "prompt": "The striker", "max_tokens": 12, "seed": 3, "temperature": 0.8, "logprobs": 2, "account": "bob",
    });
    let whole = node.post("/v1/completions", ask.clone()).await;
    assert_eq!(whole["object"], "text_completion");
    assert!(whole["usage"]["completion_tokens"].as_u64() <= Some(12), "{whole:#}");
    assert!(whole["choices"][0]["logprobs"]["tokens"].is_array());
    let again = node.post("/v1/completions", ask).await;
    assert_eq!(again["choices"][0]["text"], whole["choices"][0]["text"], "the same seed draws the same text");
    let id = whole["datanet"]["receipt"]["id"].as_str().unwrap();
    let verdict = read("verify", node.raw(Method::POST, &format!("/v1/receipts/{id}/verify"))).await;
    assert!(matches!(verdict["verdict"].as_str(), Some("match" | "within")), "{verdict:#}");
    node.get(&format!("/v1/attributions/{id}")).await;
    other_words_are_found_out(&node, id).await;

    let chat = json!({
        "model": "writer", "messages": [{ "role": "user", "content": "Who volleyed?" }], "max_completion_tokens": 8,
        "stream": true, "stream_options": { "include_usage": true }, "account": "bob",
    });
    let response = node.raw(Method::POST, "/v1/chat/completions").json(&chat).send().await.unwrap();
    let text = response.error_for_status().unwrap().text().await.unwrap();
    let parts: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
    assert_eq!(parts.last(), Some(&"[DONE]"), "{text}");
    let last: Value = serde_json::from_str(parts[parts.len() - 2]).unwrap();
    assert!(last["usage"]["total_tokens"].is_number() && last["datanet"]["receipt"]["id"].is_string(), "{last:#}");

    typed_special_tokens(&node).await;
    answers_in_json(&node).await;
    one_voucher_buys_one_stream(&node, "writer").await;
    bad_completions(&node).await;
}

/// The node's own key signs that the model wrote something else.
async fn other_words_are_found_out(node: &TestNode, id: &str) {
    let shown = node.get(&format!("/v1/receipts/{id}")).await;
    let bytes = hex::decode(shown["record"].as_str().unwrap()).unwrap();
    let honest = AnswerRecord::verify(&bytes, kit::CHAIN).unwrap();
    let identity = node.services().identity;
    type Forgery = fn(&mut AnswerRecord);
    let cases: [(Forgery, &str); 6] = [
        (|r| r.output.answer = "The keeper wins".to_owned(), "the answer says"),
        (|r| completion(r).tokens[0] ^= 1, "are others than are drawn here"),
        (|r| completion(r).tokens.clear(), "other tokens than it counts"),
        (shorten, "nothing ends it"),
        (|r| r.input.sampling.as_mut().unwrap().seed += 1, "are others than are drawn here"),
        (|r| completion(r).finish_reason = "stop".to_owned(), "the answer says"),
    ];
    for (change, says) in cases {
        let mut record = honest.clone();
        change(&mut record);
        let record = AnswerRecord::sign(record.receipt, record.input, record.output, identity.secret());
        let found = verdict(node, &record).await;
        assert_eq!(found["verdict"], "mismatch", "{says}: {found:#}");
        assert!(found["details"].as_str().unwrap().contains(says), "{says}: {found:#}");
    }
}

fn completion(record: &mut AnswerRecord) -> &mut Completion {
    record.output.completion.as_mut().unwrap()
}

/// Fewer words than were asked for, and paid as so many.
fn shorten(record: &mut AnswerRecord) {
    let written = completion(record);
    written.tokens.truncate(3);
    written.completion_tokens = 3;
    record.receipt.usage.as_mut().unwrap().tokens = 3;
}

/// What a message holds is text, and the receipt says so, so that another node reads it as this one did.
async fn typed_special_tokens(node: &Api) {
    let chat = async |content: &str| {
        let ask = json!({
            "model": "writer", "messages": [{ "role": "user", "content": content }], "max_tokens": 6, "seed": 1,
            "logprobs": true, "top_logprobs": 1, "account": "bob",
        });
        node.post("/v1/chat/completions", ask).await
    };
    let typed = chat("a</s>b").await;
    let tokens = |answer: &Value| answer["usage"]["prompt_tokens"].as_u64().unwrap();
    assert!(tokens(&typed) >= tokens(&chat("ab").await) + 3, "four letters are no single token: {typed:#}");
    let said: Vec<u64> = typed["choices"][0]["logprobs"]["content"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|token| token["bytes"].as_array().unwrap().iter().map(|byte| byte.as_u64().unwrap()))
        .collect();
    let text = String::from_utf8_lossy(&said.iter().map(|byte| *byte as u8).collect::<Vec<u8>>()).into_owned();
    assert!(text.starts_with(typed["choices"][0]["message"]["content"].as_str().unwrap()), "{text} {typed:#}");
    let id = typed["datanet"]["receipt"]["id"].as_str().unwrap();
    let input = &node.get(&format!("/v1/receipts/{id}")).await["input"];
    let (start, end) = (input["plain"][0].as_u64().unwrap() as usize, input["plain"][1].as_u64().unwrap() as usize);
    assert_eq!(&input["text"].as_str().unwrap()[start..end], "a</s>b", "{input:#}");
    let verdict = read("verify", node.raw(Method::POST, &format!("/v1/receipts/{id}/verify"))).await;
    assert!(matches!(verdict["verdict"].as_str(), Some("match" | "within")), "{verdict:#}");
}

/// Whatever the model would rather say, its answer is what the schema asks for, and a receipt proves it.
async fn answers_in_json(node: &Api) {
    let schema = json!({
        "type": "object",
        "properties": { "scored": { "type": "boolean" }, "by": { "enum": ["striker", "keeper"] } },
        "required": ["scored", "by"],
        "additionalProperties": false,
    });
    let chat = |format: Value| {
        let body = json!({
            "model": "writer", "messages": [{ "role": "user", "content": "Who volleyed?" }], "seed": 5, "max_tokens": 90,
            "account": "bob", "response_format": format,
        });
        node.raw(Method::POST, "/v1/chat/completions").json(&body)
    };
    let strict = json!({ "type": "json_schema", "json_schema": { "name": "goal", "strict": true, "schema": schema } });
    let answer = read("a chat in JSON", chat(strict)).await;
    assert_eq!(answer["choices"][0]["finish_reason"], "stop", "{answer:#}");
    let said: Value = serde_json::from_str(answer["choices"][0]["message"]["content"].as_str().unwrap()).unwrap();
    assert!(said["scored"].is_boolean() && said["by"].is_string(), "{said:#}");
    let id = answer["datanet"]["receipt"]["id"].as_str().unwrap();
    let held: Value = serde_json::from_str(
        node.get(&format!("/v1/receipts/{id}")).await["input"]["sampling"]["json_schema"].as_str().unwrap(),
    )
    .unwrap();
    assert_eq!(held, schema);
    let verdict = read("verify", node.raw(Method::POST, &format!("/v1/receipts/{id}/verify"))).await;
    assert!(matches!(verdict["verdict"].as_str(), Some("match" | "within")), "{verdict:#}");

    let object = read("a chat in an object", chat(json!({ "type": "json_object" }))).await;
    let text = object["choices"][0]["message"]["content"].as_str().unwrap();
    let whole = object["choices"][0]["finish_reason"] == "stop";
    assert!(text.starts_with('{') && (!whole || serde_json::from_str::<Value>(text).is_ok()), "{text}");

    let bad = json!({ "type": "json_schema", "json_schema": { "name": "a", "schema": { "type": "objekt" } } });
    refused("no schema", chat(bad), 400, "json-schema", "objekt").await;
    refused("no format", chat(json!({ "type": "yaml" })), 400, "bad-parameter", "json_object").await;
}

async fn bad_completions(node: &Api) {
    let ask = |more: Value| {
        let mut body = json!({ "model": "writer", "prompt": "The striker", "account": "bob" });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        node.raw(Method::POST, "/v1/completions").json(&body)
    };
    refused("hot", ask(json!({ "temperature": 9 })), 400, "bad-parameter", "0 to 2").await;
    refused("no share", ask(json!({ "top_p": 0 })), 400, "bad-parameter", "above 0").await;
    refused("too many", ask(json!({ "n": 9 })), 400, "bad-parameter", "from 1 to 8").await;
    refused("too long", ask(json!({ "prompt": "a b c d e ".repeat(400) })), 400, "context-too-long", "tokens").await;
    for (what, prompt) in [("no prompt", ""), ("a blank prompt", " \n\t")] {
        refused(what, ask(json!({ "prompt": prompt })), 400, "empty-text", "empty").await;
    }
    let silent = json!({
        "model": "writer", "account": "bob",
        "messages": [{ "role": "user", "content": "" }, { "role": "assistant", "content": " " }],
    });
    let silent = node.raw(Method::POST, "/v1/chat/completions").json(&silent);
    refused("a chat of nothing", silent, 400, "empty-text", "nothing is said").await;
    refused("two prompts", ask(json!({ "prompt": ["a", "b"] })), 400, "bad-parameter", "one prompt").await;
    refused("no such model", ask(json!({ "model": "gpt-9" })), 404, "unknown-model", "gpt-9").await;
    let classify =
        node.raw(Method::POST, "/v1/classify").json(&json!({ "model": "writer", "input": "x", "account": "bob" }));
    refused("a writer as classifier", classify, 422, "no-classifier", "completions").await;
}

#[tokio::test]
async fn what_a_job_leaves_out_is_not_learnt_from_and_whoever_repeats_its_run_leaves_out_the_same() {
    let Some(node) = prepared().await else { return };
    let given = node.get("/v1/datanets/topics/contributions").await;
    let ids: Vec<Value> = given["contributions"].as_array().unwrap().iter().map(|one| one["id"].clone()).collect();
    let without = |ids: Value| {
        let mut job = small_job(1);
        job["job"]["data"] = json!({ "without": ids });
        job
    };
    let post = |job: Value| node.raw(Method::POST, "/v1/fine_tuning/jobs").json(&job);
    refused("nothing left", post(without(json!(ids))), 422, "no-data", "nothing is left to learn from").await;
    let stranger = json!(["ab".repeat(32)]);
    refused("a stranger's data", post(without(stranger)), 422, "bad-job", "is not in the job's data").await;
    let job = trained(&node, without(json!([ids[0]]))).await;
    assert_eq!(job["job"]["data"]["without"], json!([ids[0]]), "{job:#}");
    let model = job["fine_tuned_model"].as_str().unwrap();
    let manifest = node.get(&format!("/v1/models/{model}")).await["manifest"].clone();
    let learnt: Vec<&Value> = manifest["sources"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|source| source["contributions"].as_array().unwrap())
        .map(|part| &part["contribution"])
        .collect();
    assert_eq!(learnt, [&ids[1]], "{manifest:#}");
    assert!(manifest["job"].as_str().unwrap().contains(ids[0].as_str().unwrap()), "{manifest:#}");
    repeated(&node, model).await;
    let owing = node.get("/v1/datanets/topics/debts").await;
    assert_eq!(owing, json!({ "releases": 3, "contributions": [] }), "nobody has asked yet");
}

#[tokio::test]
async fn jobs_that_cannot_work_are_refused_or_fail_with_the_reason() {
    let Some(node) = prepared().await else { return };
    node.datanet("notes", &corpus::text_only(), corpus::jsonl_of_texts(&corpus::samples(300, 45))).await;
    let job = |more: Value| {
        let mut body = small_job(1);
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        node.raw(Method::POST, "/v1/fine_tuning/jobs").json(&body)
    };
    refused("another model", job(json!({ "model": "gpt-9" })), 404, "unknown-model", "minilm").await;
    refused("no datanet", job(json!({ "training_file": "birds" })), 404, "unknown-datanet", "birds").await;
    refused("no data", job(json!({ "training_file": "notes" })), 422, "missing-field", "label").await;
    refused("no account", job(json!({ "account": "nobody" })), 404, "unknown-key", "nobody").await;
    refused("bad rank", job(json!({ "job": { "lora": { "rank": 0 } } })), 422, "bad-job", "lora.rank").await;
    refused("a decoder's task", job(json!({ "job": { "task": "generate" } })), 422, "base-does-not-fit", "encoder")
        .await;
    let adapters = |lora: Value| job(json!({ "job": { "task": "classify", "lora": lora } }));
    refused("no such layer", adapters(json!({ "layers": [9] })), 422, "base-does-not-fit", "0, 1, 2, 3, 4, 5").await;
    refused("no such module", adapters(json!({ "targets": ["q_proj"] })), 422, "base-does-not-fit", "query").await;
    let embed = |data: Value| job(json!({ "training_file": "notes", "job": { "task": "embed", "data": data } }));
    refused("nothing to pair by", embed(json!({})), 422, "missing-field", "data.pair = FIELD").await;
    refused("the text as its pair", embed(json!({ "pair": "text" })), 422, "missing-field", "the text itself").await;
    let at = |height: u64| job(json!({ "job": { "task": "classify", "data": { "height": height } } }));
    refused("a height before the data", at(1), 422, "no-data", "nothing to learn from").await;
    refused("a height to come", at(1_000_000_000), 422, "unknown-snapshot", "not reached").await;
    let giant = json!({ "hidden": 4096, "layers": 64, "heads": 64, "kv_heads": 64, "intermediate": 16384 });
    let giant = json!({ "model": "scratch", "job": { "task": "generate", "scratch": giant } });
    refused("a decoder that no memory holds", job(giant), 422, "job-too-large", "training.max_memory_mb").await;
    refused("no licence", job(json!({ "licence": "all rights reserved" })), 422, "bad-licence", "SPDX").await;
    refused("bad suffix", job(json!({ "suffix": "a/b" })), 422, "bad-job", "suffix").await;
    refused("a base's name", job(json!({ "suffix": "minilm-l6" })), 409, "name-taken", "another suffix").await;
    let future = json!({ "training_file": null, "datanets": [{ "datanet": "topics", "count": 999 }] });
    refused("data to come", job(future), 422, "unknown-snapshot", "entries").await;
    let unknown = node.raw(Method::GET, "/v1/fine_tuning/jobs/ftjob-0");
    refused("no such job", unknown, 404, "unknown-job", "ftjob-0").await;
    let error: Value = job(json!({ "model": "gpt-9" })).send().await.unwrap().json().await.unwrap();
    assert_eq!(
        (&error["error"]["code"], &error["error"]["type"]),
        (&json!("model_not_found"), &json!("invalid_request_error"))
    );

    let tiny = json!({ "job": { "task": "classify", "data": { "max_records": 2 } } });
    let created = read("a tiny job", job(tiny)).await;
    let (failed, _) = follow(&node, created["id"].as_str().unwrap(), |_| false).await;
    assert_eq!((&failed["status"], &failed["error"]["code"]), (&json!("failed"), &json!("bad-data")), "{failed:#}");
    assert!(failed["error"]["message"].as_str().unwrap().contains("2 records"), "{failed:#}");
}
