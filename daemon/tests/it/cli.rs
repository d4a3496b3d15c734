//! The command line, as a person or a script uses it.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::kit::plain_node;

/// Runs `datanet` with nothing of this process' own settings.
fn datanet(home: &Path, args: &[&str]) -> Output {
    fed(home, args, Stdio::null())
}

/// The same with something to read.
pub fn fed(home: &Path, args: &[&str], stdin: Stdio) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_datanet"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"DATANET_")) {
        command.env_remove(name);
    }
    command.arg("--home").arg(home).args(args).stdin(stdin).output().unwrap()
}

/// Runs it with this typed into it: how it ended, what it said, and what it said beside that.
pub fn typed(home: &Path, args: &[&str], input: &str) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_datanet"));
    command.env_remove("DATANET_HOME").arg("--home").arg(home).args(args);
    let pipes = [Stdio::piped(), Stdio::piped(), Stdio::piped()];
    let [stdin, stdout, stderr] = pipes;
    let mut child = command.stdin(stdin).stdout(stdout).stderr(stderr).spawn().unwrap();
    // It may end before all is read.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Succeeds, with what people read.
pub fn said(home: &Path, args: &[&str]) -> String {
    let output = datanet(home, args);
    assert!(output.status.success(), "{args:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

/// Succeeds, with what is said beside it.
pub fn told(home: &Path, args: &[&str]) -> String {
    let output = datanet(home, args);
    assert!(output.status.success(), "{args:?}: {}", text(&output.stderr));
    text(&output.stderr)
}

/// Succeeds, with JSON.
pub fn json(home: &Path, args: &[&str]) -> Value {
    let output = datanet(home, &[args, &["--json"]].concat());
    assert!(output.status.success(), "{args:?}: {}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Fails with code 1 and says this.
pub fn fails(home: &Path, args: &[&str], says: &str) {
    let output = datanet(home, args);
    assert_eq!(output.status.code(), Some(1), "{args:?}: {}", text(&output.stdout));
    let error = text(&output.stderr);
    let is_told = error.lines().any(|line| line.starts_with("error: "));
    assert!(is_told && error.contains(says), "{args:?} should say {says:?}: {error}");
}

#[test]
fn init_makes_a_home_once() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("node");
    let first = json(&home, &["init", "--name", "anna", "--set", "api.listen=127.0.0.1:0"]);
    assert_eq!(first["chain_id"], "datanet-own");
    for file in ["token", "config", "genesis"] {
        assert!(Path::new(first[file].as_str().unwrap()).is_file(), "{file}");
    }
    assert_eq!(json(&home, &["init", "--name", "anna"]), first);
    let people = datanet(&home, &["init"]);
    assert!(text(&people.stdout).contains("next: datanet start"));
}

#[test]
fn errors_name_the_fix_and_end_with_one() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("node");
    fails(&home, &["status"], "start one with `datanet start`");
    fails(&home, &["start"], "run `datanet init` first");
    fails(&home, &["init", "--set", "api.lissten=1"], "api.lissten");
    fails(&home, &["init", "--set", "api.listen=nowhere"], "nowhere");
    fails(&home, &["init", "--genesis", "/does/not/exist"], "cannot read /does/not/exist");
    let output = datanet(&home, &["status", "--json"]);
    let error: Value = serde_json::from_slice(&output.stderr).unwrap();
    assert!(error["error"].as_str().unwrap().contains("no node runs in"), "{error}");
    assert_eq!(datanet(&home, &["dance"]).status.code(), Some(2), "what is no command is told by its own code");
}

#[test]
fn a_home_left_by_a_dead_node_is_told_from_a_running_one() {
    let dir = tempfile::tempdir().unwrap();
    json(dir.path(), &["init"]);
    let run = serde_json::json!({
        "pid": 1, "api": "http://127.0.0.1:9", "name": "gone", "node_key": "ab".repeat(32), "p2p": [],
        "comet_rpc": null, "comet_p2p": null, "comet_pid": null,
    });
    std::fs::write(dir.path().join("run.json"), run.to_string()).unwrap();
    fails(dir.path(), &["status"], "is it running?");
}

#[test]
fn completions_are_printed() {
    let output = datanet(Path::new("/nonexistent"), &["completions", "bash"]);
    assert!(output.status.success());
    assert!(text(&output.stdout).contains("_datanet()"));
}

#[tokio::test(flavor = "multi_thread")]
async fn queries_print_tables_for_people_and_json_for_programs() {
    let node = plain_node().await;
    let home = node.home();
    let status = json(home, &["status"]);
    assert_eq!(status["node_key"], node.get("/v1/status").await["node_key"]);
    let people = text(&datanet(home, &["status"]).stdout);
    assert!(people.contains("chain_id") && people.contains(crate::kit::CHAIN) && people.contains("solo"), "{people}");

    let keys = json(home, &["keys", "list"]);
    assert_eq!(keys, node.get("/v1/keys").await);
    assert!(text(&datanet(home, &["keys", "list"]).stdout).contains("alice"));
    assert_eq!(json(home, &["datanet", "show", "topics"])["name"], "topics");
    assert!(text(&datanet(home, &["datanet", "list"]).stdout).contains("notes"));
    assert_eq!(json(home, &["account", "alice"])["address"], keys["keys"][0]["address"]);
    let moved = json(home, &["transfer", "alice", "7base", "--yes"]);
    assert_eq!(json(home, &["tx", moved["tx"].as_str().unwrap()])["code"], 0);

    fails(home, &["keys", "add", "alice"], "choose another name");
    fails(home, &["datanet", "show", "nothing"], "no datanet nothing");
    fails(home, &["datanet", "show", "0a1b2c"], "no datanet is called \"0a1b2c\" or has an id that begins so");
    let topics = json(home, &["datanet", "show", "topics"])["id"].as_str().unwrap().to_owned();
    assert_eq!(json(home, &["datanet", "show", &topics[..8]])["name"], "topics");
    fails(home, &["model", "show", "nothing"], "`datanet model list` shows them");
    fails(home, &["jobs", "show", "nothing"], "`datanet jobs list` shows them");
    fails(home, &["transfer", "nobody", "7DNT", "--yes"], "`datanet keys list` shows them");
    fails(home, &["contribute", "notes", "/does/not/exist.jsonl"], "/does/not/exist.jsonl");
    fails(home, &["start", "--set", "consensus.engine=solo"], "another node runs in");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slip_of_the_finger_is_told_what_was_meant() {
    let node = plain_node().await;
    let home = node.home();
    fails(home, &["datanet", "show", "topcs"], "did you mean \"topics\"?");
    fails(home, &["account", "alcie"], "did you mean \"alice\"?");
    fails(home, &["transfer", "alice", "7DNT", "--yes", "--from", "nod"], "did you mean \"node\"?");
}

#[tokio::test(flavor = "multi_thread")]
async fn amounts_are_typed_and_told_in_dnt() {
    let node = plain_node().await;
    let home = node.home();
    let alice = json(home, &["account", "alice"])["address"].as_str().unwrap().to_owned();
    let before = node.balance(&alice).await;
    let told = said(home, &["transfer", "alice", "0.25DNT", "--yes"]);
    assert!(told.contains("sent 0.25 DNT from node"), "{told}");
    assert_eq!(node.balance(&alice).await, before + 250_000);
    for (typed, says) in [("1.5", "1.5 of what? write 1.5DNT"), ("7", "write 7DNT, or 7base for base units")] {
        let refused = datanet(home, &["transfer", "alice", typed, "--yes"]);
        assert_eq!(refused.status.code(), Some(2));
        assert!(text(&refused.stderr).contains(says), "{}", text(&refused.stderr));
    }
    let asked = "1 DNT are to go from node to alice (dn1";
    fails(home, &["transfer", "alice", "1DNT"], asked);
    fails(home, &["transfer", "alice", "1DNT"], "for a fee of 0.001 DNT. This can't be undone; add --yes");
    assert_eq!(node.balance(&alice).await, before + 250_000, "nothing moved");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_undone_wants_a_yes_where_nobody_can_be_asked() {
    let node = plain_node().await;
    let id = "5e".repeat(32);
    fails(node.home(), &["channel", "close", &id], "add --yes if it is meant");
    fails(node.home(), &["channel", "close", &id, "--yes"], "channel");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_datanet_asks_for_no_more_nodes_than_there_are() {
    let node = plain_node().await;
    let dir = tempfile::tempdir().unwrap();
    let holdout = dir.path().join("holdout.jsonl");
    let records: String = (0..20)
        .map(|n| format!("{{\"text\": \"the owl hunts at night {n}\", \"label\": \"{}\"}}\n", ["owl", "duck"][n % 2]))
        .collect();
    std::fs::write(&holdout, records).unwrap();
    let create = ["datanet", "create", "birds", "--labels", "owl,duck", "--holdout", holdout.to_str().unwrap()];
    let created = json(node.home(), &create);
    assert_eq!((&created["committee_size"], &created["storage_quorum"]), (&1.into(), &1.into()), "{created}");
    let shown = json(node.home(), &["datanet", "show", "birds"]);
    assert_eq!((&shown["committee_size"], &shown["storage_quorum"]), (&1.into(), &1.into()), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_contributed_by_its_ending() {
    let node = plain_node().await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("notes.txt");
    std::fs::write(&file, "The lighthouse keeper counted eleven ships.\n\nNone of them came back in spring.\n")
        .unwrap();
    let path = file.to_str().unwrap();
    let given = json(node.home(), &["contribute", "notes", path, "--account", "alice", "--no-wait"]);
    assert_eq!(given["records"], 2, "{given}");
    let other = dir.path().join("other.txt");
    std::fs::write(&other, "A heron stood in the reeds until the fog had lifted from the lake.\n").unwrap();
    let own = datanet(node.home(), &["contribute", "notes", other.to_str().unwrap(), "--no-wait"]);
    let told = text(&own.stderr);
    assert!(own.status.success() && told.contains("in the name of this node's own account dn1"), "{told}");
    let odd = dir.path().join("notes.docx");
    std::fs::write(&odd, "x").unwrap();
    fails(node.home(), &["contribute", "notes", odd.to_str().unwrap()], "jsonl");
    let folder = dir.path().join("many.jsonl");
    std::fs::create_dir(&folder).unwrap();
    fails(node.home(), &["contribute", "notes", folder.to_str().unwrap()], "this is a folder, and no data is in it");
    let sheet = dir.path().join("sheet.xlsx");
    std::fs::write(&sheet, "PK").unwrap();
    fails(node.home(), &["contribute", "notes", sheet.to_str().unwrap()], "save the sheet as CSV UTF-8");
    let bad = dir.path().join("bad.csv");
    std::fs::write(&bad, "text,label\nonly one column\n").unwrap();
    fails(node.home(), &["contribute", "topics", bad.to_str().unwrap()], "line 2");
}
