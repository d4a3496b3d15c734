//! Models on their way out of a node and back: exported, pulled, let go of; and texts of a file on their way in.

use std::path::Path;

use datanet_config::Home;
use datanet_inference::graph::adapter::{onnx_adapter, peft};
use datanet_inference::onnx::ModelProto;
use prost::Message as _;
use reqwest::Method;
use serde_json::{Value, json};

use crate::cli;
use crate::corpus;
use crate::factory::{prepared, small_job, trained, writer_job};
use crate::kit::{Api, TestNode, read, refused};

async fn probabilities(node: &Api, model: &str, text: &str) -> Vec<f64> {
    let answer = node.post("/v1/classify", json!({ "model": model, "input": text, "account": "bob" })).await;
    let all = answer["data"][0]["probabilities"].as_array().unwrap().iter();
    all.map(|one| one["probability"].as_f64().unwrap()).collect()
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn exported(node: &TestNode, model: &str, format: &str, to: &Path) -> Vec<String> {
    let to = to.to_str().unwrap();
    let value = cli::json(node.home(), &["model", "export", model, "--to", to, "--format", format]);
    assert_eq!((&value["format"], &value["folder"]), (&json!(format), &json!(to)));
    let bytes: u64 = value["files"].as_array().unwrap().iter().map(|file| file["bytes"].as_u64().unwrap()).sum();
    assert_eq!(value["bytes"], bytes);
    names(Path::new(to))
}

#[tokio::test]
async fn a_classifier_goes_out_in_every_form_that_it_has_and_comes_back() {
    let Some(node) = prepared().await else { return };
    let job = trained(&node, small_job(3)).await;
    let model = job["fine_tuned_model"].as_str().unwrap();
    let out = tempfile::tempdir().unwrap();
    let to = |name: &str| out.path().join(name);

    let files = exported(&node, "topics", "peft", &to("peft"));
    assert_eq!(
        files,
        ["README.md", "adapter_config.json", "adapter_model.safetensors", "labels.json", "tokenizer.json"]
    );
    let adapter = peft::read(&to("peft")).unwrap();
    let card = std::fs::read_to_string(to("peft").join("README.md")).unwrap();
    for says in [model, "minilm-l6", "CC0-1.0", "accuracy", "forward-replay", "PeftModel", "2 contributors"] {
        assert!(card.contains(says), "{says}: {card}");
    }

    let files = exported(&node, model, "onnx-adapter", &to("adapter"));
    assert_eq!(files, ["README.md", "adapter.onnx_adapter", "config.json", "model.onnx", "tokenizer.json"]);
    let inputs = |folder: &str| {
        let bytes = std::fs::read(to(folder).join("model.onnx")).unwrap();
        ModelProto::decode(bytes.as_slice()).unwrap().graph.unwrap().input.len()
    };
    let other = onnx_adapter::read(&std::fs::read(to("adapter").join("adapter.onnx_adapter")).unwrap()).unwrap();
    assert_eq!((other.modules.len(), inputs("adapter")), (adapter.modules.len(), 2 + 2 * adapter.modules.len()));

    let files = exported(&node, "topics", "onnx", &to("onnx"));
    assert_eq!(
        (files, inputs("onnx")),
        (["README.md", "config.json", "model.onnx", "tokenizer.json"].map(String::from).to_vec(), 2)
    );
    let models = node.services().models.folder().to_owned();
    std::fs::create_dir_all(&models).unwrap();
    std::fs::rename(to("onnx"), models.join("back")).unwrap();
    let imported = cli::json(node.home(), &["model", "import", "back", "--name", "again"]);
    let labels = node.get("/v1/models/topics").await["manifest"]["labels"].clone();
    assert_eq!(imported["labels"], labels, "{imported:#}");
    for name in ["topics", "again"] {
        node.post(&format!("/v1/models/{name}/deploy"), json!({})).await;
    }
    for (text, _) in corpus::samples(200, 3) {
        let [here, there] = [probabilities(&node, "topics", &text).await, probabilities(&node, "again", &text).await];
        assert!(here.iter().zip(&there).all(|(a, b)| (a - b).abs() < 1e-4), "{here:?} {there:?}");
    }
    assert_eq!(
        exported(&node, "again", "onnx", &to("again")),
        ["README.md", "config.json", "model.onnx", "tokenizer.json"]
    );
    refused_exports(&node, out.path()).await;
    of_a_file(&node, out.path());
}

/// What cannot be written is refused before anything is.
async fn refused_exports(node: &TestNode, out: &Path) {
    let before = names(out);
    let to = |name: &str| out.join(name).display().to_string();
    let fails = |args: &[&str], says: &str| cli::fails(node.home(), &[&["model", "export"], args].concat(), says);
    fails(&["topics", "--to", &to("x"), "--format", "transformers"], "export it as peft or onnx or onnx-adapter");
    fails(&["again", "--to", &to("x"), "--format", "peft"], "an ONNX file that was put up as it is");
    fails(&["topics", "--to", &to("peft")], "nothing is overwritten");
    fails(&["topics", "--to", &to("no/where")], "make it first");
    fails(&["topicz", "--to", &to("x")], "did you mean \"topics\"?");
    assert_eq!(names(out), before, "nothing is left behind");
    let get = |query: &str| node.raw(Method::GET, &format!("/v1/models/topics/export{query}"));
    refused("another form", get("?format=zip"), 400, "bad-query", "format").await;
    refused("no form", get(""), 400, "bad-query", "format").await;
    let response = get("?format=peft").send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "application/octet-stream");
    let length = response.content_length().unwrap();
    assert_eq!(response.bytes().await.unwrap().len() as u64, length);
}

/// Each text of a file is an answer with its receipt; what is refused is said where it stands.
fn of_a_file(node: &TestNode, out: &Path) {
    let text = corpus::samples(200, 1)[0].0.clone();
    let long = "word ".repeat(900);
    let file = out.join("texts.jsonl");
    let lines = [json!({ "text": text }).to_string(), "{\"text\"".to_owned(), json!({ "text": long }).to_string()];
    std::fs::write(&file, format!("{}\n\n{}\n", lines.join("\n"), json!(text))).unwrap();
    let path = file.to_str().unwrap();
    let run = |more: &[&str], input: &str| {
        cli::typed(node.home(), &[&["classify", "topics", "--account", "bob"], more].concat(), input)
    };
    let (code, rows, beside) = run(&["--file", path], "");
    let rows: Vec<Value> = rows.lines().map(|row| serde_json::from_str(row).unwrap()).collect();
    let at: Vec<u64> = rows.iter().map(|row| row["line"].as_u64().unwrap()).collect();
    assert_eq!((code, at), (Some(1), vec![1, 2, 3, 5]), "{rows:#?} {beside}");
    assert!(rows[0]["receipt"].is_string() && rows[0]["score"].as_f64() > Some(0.3), "{rows:#?}");
    assert_eq!((&rows[0]["label"], &rows[0]["fee"]), (&rows[3]["label"], &json!(1_000)));
    assert!(rows[1]["error"].as_str().unwrap().contains("no JSON"), "{rows:#?}");
    assert!(rows[2]["error"].as_str().unwrap().contains("tokens"), "{rows:#?}");
    for says in ["4 lines at 0.001", "2 classified, 2 refused", "2 of 4 lines were refused"] {
        assert!(beside.contains(says), "{says}: {beside}");
    }
    let (code, rows, beside) = run(&["--file", "-", "--format", "csv"], &format!("{text}\n"));
    assert_eq!(code, Some(0), "{beside}");
    let mut rows = rows.lines();
    assert_eq!(rows.next(), Some("line,text,label,score,receipt,error"));
    assert!(rows.next().unwrap().starts_with("1,") && rows.next().is_none());
    // What would meet every line ends it.
    let (code, rows, beside) =
        cli::typed(node.home(), &["classify", "topics", "--file", "-", "--account", "carol"], "one\ntwo\nthree\n");
    assert_eq!((code, rows.as_str()), (Some(1), ""), "{beside}");
    assert!(beside.contains("line 1 and what follows is not classified"), "{beside}");
}

#[tokio::test]
async fn files_are_fetched_and_let_go_of_unless_something_needs_them() {
    let Some(node) = prepared().await else { return };
    let model = trained(&node, small_job(1)).await["fine_tuned_model"].as_str().unwrap().to_owned();
    let folder = Home::new(node.home()).released().join(&model);
    let said = cli::said(node.home(), &["model", "pull", "topics"]);
    assert!(said.contains("all checked") && said.contains(&format!("datanet model deploy {model}")), "{said}");
    assert!(folder.is_dir() && !node.services().models.served.is_deployed(&model.parse().unwrap()));
    let events =
        node.raw(Method::POST, "/v1/models/topics/pull").json(&json!({ "stream": true })).send().await.unwrap();
    let events = events.text().await.unwrap();
    let events: Vec<Value> = events
        .lines()
        .filter_map(|line| line.strip_prefix("data:"))
        .map(|data| serde_json::from_str(data).unwrap())
        .collect();
    assert_eq!((&events[0]["files"], &events.last().unwrap()["base_here"]), (&json!(0), &json!(true)), "{events:#?}");
    refused(
        "nobody has it",
        node.raw(Method::POST, "/v1/models/nothing/pull").json(&json!({})),
        404,
        "unknown-model",
        "nothing",
    )
    .await;

    node.post("/v1/models/topics/deploy", json!({ "name": "seen" })).await;
    let rm = |model: &str| node.raw(Method::DELETE, &format!("/v1/models/{model}/files"));
    refused("deployed", rm("topics"), 409, "model-in-use", "answers as \"seen\"): `datanet model undeploy").await;
    cli::fails(node.home(), &["model", "rm", "seen"], "is deployed here");
    node.raw(Method::DELETE, "/v1/models/seen/deploy").send().await.unwrap().error_for_status().unwrap();

    let long = node.post("/v1/fine_tuning/jobs", small_job(40)).await["id"].as_str().unwrap().to_owned();
    let again = node.post(&format!("/v1/models/{model}/verify"), json!({})).await["id"].as_str().unwrap().to_owned();
    refused("a job needs it", rm("topics"), 409, "model-in-use", &format!("`datanet jobs cancel {again}`")).await;
    for job in [&long, &again] {
        node.post(&format!("/v1/fine_tuning/jobs/{job}/cancel"), json!({})).await;
    }
    crate::kit::until("no job needs it", async || {
        let jobs = node.get("/v1/fine_tuning/jobs").await;
        let over = |job: &Value| job["finished_at"].is_u64();
        jobs["data"].as_array().unwrap().iter().all(over).then_some(())
    })
    .await;
    cli::fails(node.home(), &["model", "rm", "topics"], "add --yes if it is meant");
    assert!(folder.is_dir());
    let removed = cli::json(node.home(), &["model", "rm", "topics", "--yes"]);
    let (bytes, later) = (removed["bytes"].as_u64().unwrap(), removed["bytes_later"].as_u64().unwrap());
    assert!(bytes > later && later > 0 && !folder.exists(), "{removed:#}");
    refused("what is gone", rm("topics"), 404, "unknown-model", "nothing of model").await;
    assert_eq!(node.get("/v1/models/topics").await["model_id"], json!(model), "the ledger keeps it");
}

#[tokio::test]
async fn a_decoder_from_nothing_goes_out_as_a_whole_model() {
    let Some(node) = prepared().await else { return };
    trained(&node, writer_job()).await;
    let out = tempfile::tempdir().unwrap();
    let files = exported(&node, "writer", "transformers", &out.path().join("whole"));
    assert_eq!(files, ["README.md", "config.json", "model.safetensors", "tokenizer.json"]);
    let files = exported(&node, "writer", "onnx", &out.path().join("onnx"));
    assert_eq!(files, ["README.md", "config.json", "model.onnx", "tokenizer.json"]);
    let to = out.path().join("x").display().to_string();
    let peft = ["model", "export", "writer", "--to", &to];
    cli::fails(node.home(), &peft, "export it as transformers or onnx");
    let shown = read("show", node.raw(Method::GET, "/v1/models/writer")).await;
    assert_eq!(shown["deployed"], false, "nothing is served for it");
}
