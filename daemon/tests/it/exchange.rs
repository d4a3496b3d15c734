//! Records taken out and given again, and data as others lay it out.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use reqwest::Method;
use serde_json::{Value, json};

use crate::cli::{self, fails, fed, said};
use crate::corpus;
use crate::kit::{Api, gzip, node_with_model, plain_node, read, refused};

const JSONL: &str = "application/x-ndjson";

/// Gives `count` samples from `first` on; the contribution once it is final.
async fn final_in(node: &Api, datanet: &str, first: usize, count: usize) -> Value {
    let body = corpus::jsonl(&corpus::samples(first, count));
    let given = read("the upload", node.upload(datanet, "alice", JSONL, body)).await;
    let (_, view) = node.follow(given["id"].as_str().unwrap()).await;
    assert_eq!(view["state"], "final", "{view:#}");
    view
}

/// How many contributions a datanet was ever given.
async fn given_to(node: &Api, datanet: &str) -> u64 {
    node.get(&format!("/v1/datanets/{datanet}")).await["contributions"].as_u64().unwrap()
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_taken_out_and_given_again_is_the_same_records_in_every_format() {
    let Some(node) = node_with_model().await else { return };
    let home = node.home();
    let held_out = corpus::jsonl(&corpus::samples(300, 45));
    node.datanet("source", &corpus::labelled(), held_out.clone()).await;
    node.datanet("sink", &corpus::labelled(), held_out).await;
    let dir = tempfile::tempdir().unwrap();
    let set = dir.path().join("set");
    fails(home, &["export", "source", "--to", path(&set), "--format", "hf"], "no final records yet");
    let kept = final_in(&node, "source", 210, 24).await;
    let taken_back = final_in(&node, "source", 240, 24).await;
    let taken_back = taken_back["id"].as_str().unwrap();
    read("revoke", node.raw(Method::POST, &format!("/v1/contributions/{taken_back}/revoke"))).await;

    for ending in ["jsonl", "csv", "parquet"] {
        let file = dir.path().join(format!("out.{ending}"));
        let told = cli::json(home, &["export", "source", "--to", path(&file)]);
        assert_eq!((&told["records"], &told["format"]), (&json!(24), &json!(ending)), "{told}");
        fails(home, &["export", "source", "--to", path(&file)], "--overwrite replaces it");
        said(home, &["export", "source", "--to", path(&file), "--overwrite"]);
        let again = cli::json(home, &["contribute", "sink", path(&file), "--account", "alice", "--no-wait"]);
        assert_eq!(again["record_root"], kept["record_root"], "{ending}");
    }
    let text = fs::read_to_string(dir.path().join("out.jsonl")).unwrap();
    assert!(!text.contains(taken_back) && text.contains(kept["contributor"].as_str().unwrap()), "{text}");
    let bare = dir.path().join("bare.jsonl");
    said(home, &["export", "source", "--to", path(&bare), "--no-provenance"]);
    assert!(!fs::read_to_string(&bare).unwrap().contains("_datanet_"));

    let told = cli::json(home, &["export", "source", "--to", path(&set), "--format", "hf"]);
    assert_eq!((&told["records"], &told["held_out"]), (&json!(24), &json!(45)), "{told}");
    let croissant: Value = serde_json::from_slice(&fs::read(set.join("croissant.json")).unwrap()).unwrap();
    assert_eq!(croissant["conformsTo"], "http://mlcommons.org/croissant/1.1");
    let derived = croissant["prov:wasDerivedFrom"].as_array().unwrap();
    assert_eq!(derived.len(), 1);
    assert!(derived[0]["@id"].as_str().unwrap().ends_with(kept["id"].as_str().unwrap()));
    let again = cli::json(home, &["contribute", "sink", path(&set), "--account", "alice", "--no-wait"]);
    assert_eq!(again["record_root"], kept["record_root"], "a folder");
    let created = cli::json(home, &["datanet", "create", "copy", "--from", path(&set)]);
    assert!(created["taken"].to_string().contains("45 records"), "{created}");
    let (source, copy) = (node.get("/v1/datanets/source").await, node.get("/v1/datanets/copy").await);
    assert_eq!((&copy["licence"], &copy["holdout"]), (&source["licence"], &source["holdout"]));
    let fields = |datanet: &Value| -> Vec<(Value, Value, Value)> {
        let all = datanet["schema"]["fields"].as_array().unwrap().iter();
        all.map(|field| (field["name"].clone(), field["role"].clone(), field["allowed"].clone())).collect()
    };
    assert_eq!(fields(&copy), fields(&source));
    let left: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_str().unwrap().contains("partial")), "{left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn records_stream_with_where_they_are_from_and_the_held_out_set_beside_them() {
    let node = plain_node().await;
    let response = node.raw(Method::GET, "/v1/datanets/topics/records?provenance=1").send().await.unwrap();
    assert_eq!(response.headers()["datanet-records"], "0");
    assert_eq!(
        (response.headers()["content-type"].clone(), response.text().await.unwrap()),
        (JSONL.parse().unwrap(), String::new())
    );
    let held_out = node.raw(Method::GET, "/v1/datanets/topics/holdout").send().await.unwrap().text().await.unwrap();
    assert_eq!(held_out.lines().count(), 45);
    refused("no such", node.raw(Method::GET, "/v1/datanets/nothing/records"), 404, "unknown-datanet", "nothing").await;
    refused(
        "a slip",
        node.raw(Method::GET, "/v1/datanets/topics/records?provenence=1"),
        400,
        "bad-query",
        "provenance",
    )
    .await;
    let bare = node.bare(Method::GET, "/v1/datanets/topics/records");
    refused("a stranger", bare, 401, "token", "").await;
}

#[tokio::test]
async fn columns_are_mapped_over_http_and_only_fields_are_kept() {
    let node = plain_node().await;
    let csv = "id,body,class\n1,The lock is taken before the queue is read.,async\n2,A borrowed slice outlives the call.,memory\n";
    let labels: Vec<String> = corpus::labelled().fields[1].allowed.clone();
    let csv = csv.replace("async", &labels[0]).replace("memory", &labels[1]);
    let send = |query: &str, media_type: &str, body: Vec<u8>| {
        let url = format!("/v1/datanets/topics/contributions?account=alice&{query}");
        node.raw(Method::POST, &url).header("content-type", media_type).body(body)
    };
    let mapped = "map=text=body,label=class&ignore=id";
    let given = read("mapped", send(mapped, "text/csv", csv.clone().into_bytes())).await;
    let shown = node.get(&format!("/v1/contributions/{}", given["id"].as_str().unwrap())).await;
    assert_eq!((&shown["format"], &shown["records"]), (&json!("jsonl"), &json!(2)));
    let records = node.get(&format!("/v1/contributions/{}/records", given["id"].as_str().unwrap())).await;
    assert_eq!(
        records["records"][0],
        json!({ "label": labels[0], "text": "The lock is taken before the queue is read." })
    );
    let parquet = corpus::parquet(&corpus::samples(400, 4));
    let before = given_to(&node, "topics").await;
    let no_column = send("map=text=sentence&ignore=*", "application/vnd.apache.parquet", parquet);
    refused("no such column", no_column, 422, "bad-records", "\"sentence\" is not there").await;
    for (query, code, says) in [
        ("map=text", "bad-query", "FIELD=COLUMN"),
        ("map=text=a,label=a", "bad-query", "mapped twice"),
        ("map=body=text", "bad-records", "no field \"body\""),
        ("ignore=class", "bad-records", "is not in the schema"),
    ] {
        let status = if code == "bad-query" { 400 } else { 422 };
        refused(query, send(query, "text/csv", csv.clone().into_bytes()), status, code, says).await;
    }
    assert_eq!(given_to(&node, "topics").await, before, "a refusal changes nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn data_comes_from_standard_input_packed_or_mapped() {
    let node = plain_node().await;
    let home = node.home();
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    };
    let lines = |first: usize| corpus::jsonl_of_texts(&corpus::samples(first, 3)).into_bytes();
    let plain = file("a.jsonl", &lines(500));
    let piped = |args: &[&str], from: &Path| fed(home, args, Stdio::from(fs::File::open(from).unwrap()));
    let give = ["contribute", "notes", "-", "--format", "jsonl", "--account", "alice", "--no-wait", "--json"];
    let done = piped(&give, &plain);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert_eq!(serde_json::from_slice::<Value>(&done.stdout).unwrap()["records"], 3);
    let unnamed = piped(&["contribute", "notes", "-"], &plain);
    assert!(String::from_utf8_lossy(&unnamed.stderr).contains("--format jsonl, csv, parquet, markdown or text"));
    let packed = file("b.jsonl.gz", &gzip(&lines(510)));
    let given = cli::json(home, &["contribute", "notes", path(&packed), "--account", "alice", "--no-wait"]);
    assert_eq!(given["records"], 3, "{given}");
    let cut = file("c.jsonl.gz", &gzip(&lines(520))[..40]);
    fails(home, &["contribute", "notes", path(&cut), "--account", "alice"], "not whole gzip data");
    let csv = file("d.csv", b"nr;sentence\n7;The tide had left a line of shells along the harbour wall.\n");
    let map = [
        "contribute",
        "notes",
        path(&csv),
        "--map",
        "text=sentence",
        "--ignore",
        "nr",
        "--account",
        "alice",
        "--no-wait",
    ];
    assert_eq!(cli::json(home, &map)["records"], 1);
    fails(home, &["contribute", "notes", path(&csv), "--map", "text=phrase"], "there are \"nr\", \"sentence\"");
    fails(home, &["contribute", "notes", path(&csv), "--split", "test"], "is a file");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_tells_everything_and_gives_nothing() {
    let node = plain_node().await;
    let home = node.home();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("bad.jsonl");
    let good = corpus::jsonl_of_texts(&corpus::samples(530, 2));
    fs::write(&file, format!("{good}{{\"texts\": \"x\"}}\n{good}no\n{{\"text\": \"Too short.\"}}\n")).unwrap();
    let before = given_to(&node, "notes").await;
    let done = fed(home, &["contribute", "notes", path(&file), "--dry-run", "--json"], Stdio::null());
    let told: Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(done.status.code(), Some(1));
    assert_eq!((&told["good"], &told["records"], &told["fitting"]), (&json!(false), &json!(7), &json!(5)), "{told}");
    assert_eq!((&told["copies"]["count"], &told["too_short"]["count"]), (&json!(2), &json!(1)), "{told}");
    let kinds: Vec<&str> =
        told["problems"].as_array().unwrap().iter().map(|one| one["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["unknown-field", "not-an-object"]);
    assert_eq!(told["problems"][0]["first"][0]["line"], 3);
    assert_eq!((&told["bond"], &told["fees"]["review"]), (&json!(100), &json!(100_000)), "{told}");
    fails(home, &["contribute", "notes", path(&file), "--dry-run"], "2 problems keep it from being given");
    fs::write(&file, good).unwrap();
    let fine = said(home, &["contribute", "notes", path(&file), "--dry-run"]);
    assert!(fine.contains("nothing is wrong with it") && fine.contains("0.1 DNT to its judges"), "{fine}");
    assert_eq!(given_to(&node, "notes").await, before, "nothing was given");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_of_hugging_face_opens_a_datanet_and_fills_it() {
    let node = plain_node().await;
    let home = node.home();
    let dir = tempfile::tempdir().unwrap();
    let card = "---\nlicense: cc-by-sa-4.0\npretty_name: Birds\nconfigs:\n- config_name: en\n  default: true\n  data_files:\n  - split: train\n    path: en/train-*\n  - split: validation\n    path: en/val.jsonl\n- config_name: far\n  data_files: https://example.org/x.csv\n- config_name: up\n  data_files: ../x.csv\ndataset_info:\n- config_name: en\n  features:\n  - name: sentence\n    dtype: string\n  - name: kind\n    dtype:\n      class_label:\n        names: {'0': owl, '1': duck}\n  - name: idx\n    dtype: int32\n---\n\nSentences about birds.\n";
    fs::create_dir(dir.path().join("en")).unwrap();
    fs::write(dir.path().join("README.md"), card).unwrap();
    let lines = |from: usize, to: usize| -> String {
        (from..to)
            .map(|n| format!("{{\"sentence\":\"bird number {n} hunts at night\",\"kind\":{},\"idx\":{n}}}\n", n % 2))
            .collect()
    };
    fs::write(dir.path().join("en/train-1.jsonl"), lines(0, 4)).unwrap();
    fs::write(dir.path().join("en/train-2.jsonl.gz"), gzip(lines(4, 9).as_bytes())).unwrap();
    fs::write(dir.path().join("en/val.jsonl"), lines(20, 40)).unwrap();
    let folder = path(dir.path());
    let created = cli::json(home, &["datanet", "create", "flock", "--from", folder]);
    assert!(created["taken"].to_string().contains("20 records, from the split \\\"validation\\\""), "{created}");
    let shown = node.get("/v1/datanets/flock").await;
    assert_eq!((&shown["licence"], &shown["description"]), (&json!("CC-BY-SA-4.0"), &json!("Sentences about birds.")));
    let roles: Vec<_> = shown["schema"]["fields"]
        .as_array()
        .unwrap()
        .iter()
        .map(|field| (field["name"].clone(), field["role"].clone()))
        .collect();
    assert_eq!(json!(roles), json!([["sentence", "text"], ["kind", "label"], ["idx", "data"]]));
    let given = cli::json(home, &["contribute", "flock", folder, "--account", "alice", "--no-wait"]);
    assert_eq!(given["records"], 9, "{given}");
    let records = node.get(&format!("/v1/contributions/{}/records", given["id"].as_str().unwrap())).await;
    assert_eq!(records["records"][1], json!({ "idx": 1, "kind": "duck", "sentence": "bird number 1 hunts at night" }));

    fails(
        home,
        &["contribute", "flock", folder, "--split", "test"],
        "no split \"test\"; it has \"train\", \"validation\"",
    );
    fails(
        home,
        &["contribute", "flock", folder, "--config", "fr"],
        "no configuration \"fr\"; it has \"en\", \"far\", \"up\"",
    );
    fails(home, &["contribute", "flock", folder, "--config", "far"], "nothing is fetched");
    fails(home, &["contribute", "flock", folder, "--config", "up"], "leads out of the folder");
    fails(home, &["contribute", "topics", folder], "the data is under CC-BY-SA-4.0");
    fails(home, &["contribute", "topics", folder, "--licence", "CC0-1.0"], "en/train-1.jsonl: record 0");
    let dry = fed(home, &["contribute", "topics", folder, "--dry-run", "--json"], Stdio::null());
    let told: Value = serde_json::from_slice(&dry.stdout).unwrap();
    let kinds = told["problems"].to_string();
    assert!(kinds.contains("\"licence\"") && kinds.contains("unknown-field"), "{told}");
}
