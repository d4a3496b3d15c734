//! A node that is killed, not stopped: nothing it has acknowledged is lost, nothing is left locked.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use datanet::init::api_token;
use datanet_config::Home;
use serde_json::{Value, json};

use crate::corpus;
use crate::kit::{self, Api, SUPPLY, read};

/// `datanet dev` in a process of its own; killed when dropped.
pub struct Process {
    child: Child,
    api: Api,
}

impl Process {
    /// One whose blocks come fast.
    pub async fn start(home: &Path) -> Self {
        Self::start_with(home, &["consensus.block_interval_ms=20"]).await
    }

    /// The same, which dies at this step of a purchase as if it were killed.
    pub async fn start_dying_at(home: &Path, step: &str) -> Self {
        Self::start_in(home, &["consensus.block_interval_ms=20"], &[("DATANET_DIE_AT", step)]).await
    }

    async fn start_with(home: &Path, sets: &[&str]) -> Self {
        Self::start_in(home, sets, &[]).await
    }

    /// One with these settings and variables.
    pub async fn start_in(home: &Path, sets: &[&str], variables: &[(&str, &str)]) -> Self {
        let run_file = Home::new(home).run_file();
        let before = std::fs::read(&run_file).ok();
        let mut command = Command::new(env!("CARGO_BIN_EXE_datanet"));
        command.arg("--home").arg(home).args([
            "dev",
            "--set",
            "api.listen=127.0.0.1:0",
            "--set",
            "inference.threads=1",
        ]);
        command.envs(variables.iter().copied());
        command.args(sets.iter().flat_map(|set| ["--set", set]));
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        // What a killed node left behind is not the new one's.
        let run: Value = kit::until("the node is up", async || {
            if let Some(status) = child.try_wait().unwrap() {
                let mut error = String::new();
                child.stderr.take().unwrap().read_to_string(&mut error).unwrap();
                panic!("the node ended with {status}: {error}");
            }
            let now = std::fs::read(&run_file).ok().filter(|now| before.as_ref() != Some(now))?;
            serde_json::from_slice(&now).ok()
        })
        .await;
        let token = api_token(&Home::new(home)).unwrap();
        let api = Api::new(run["api"].as_str().unwrap().to_owned(), token);
        kit::until("the node is registered", async || {
            let response = api.raw(reqwest::Method::GET, "/v1/status").send().await.ok()?;
            let status: Value = response.json().await.ok()?;
            status["roles"].as_array().filter(|roles| !roles.is_empty()).map(|_| ())
        })
        .await;
        Self { child, api }
    }

    /// Its interface.
    pub fn api(&self) -> &Api {
        &self.api
    }

    /// Waits until it has ended by itself.
    pub async fn has_ended(&mut self) {
        kit::until("the node has ended", async || self.child.try_wait().unwrap()).await;
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // SIGKILL: no handler runs.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn a_killed_node_finishes_what_it_had_acknowledged() {
    if kit::tools_with_model().await.is_none() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let body = corpus::jsonl(&corpus::samples(0, 30));
    let upload = |api: &Api| {
        api.upload("topics", "alice", "application/x-ndjson", body.clone()).header("idempotency-key", "only")
    };

    let node = Process::start(dir.path()).await;
    node.api.account("alice", 10_000_000).await;
    node.api.datanet("topics", &corpus::labelled(), corpus::jsonl(&corpus::samples(300, 45))).await;
    let given = read("the upload", upload(&node.api)).await;
    let id = given["id"].as_str().unwrap().to_owned();
    drop(node);

    let node = Process::start(dir.path()).await;
    assert_eq!(read("the upload, once more", upload(&node.api)).await, given);
    let (_, view) = node.api.follow(&id).await;
    assert_eq!(view["state"], "final", "{view:#}");
    node.api.post("/v1/channels", json!({ "account": "alice", "deposit": 9_000 })).await;
    let question = json!({ "datanet": "topics", "question": "how to fry an egg?", "account": "alice" });
    let ask = async |api: &Api| {
        let answer = kit::until("the index is filled", async || {
            let answer = api.post("/v1/ask", question.clone()).await;
            (answer["fee"] != 0).then_some(answer)
        });
        answer.await["receipt"].clone()
    };
    let receipt = ask(&node.api).await;
    drop(node);

    let node = Process::start(dir.path()).await;
    let verified = node.api.post(&format!("/v1/receipts/{}/verify", receipt["id"].as_str().unwrap()), json!({})).await;
    assert_eq!(verified["verdict"], "match", "{verified:#}");
    let next = ask(&node.api).await;
    assert!(next["sequence"].as_u64() > receipt["sequence"].as_u64(), "{next:#}");
    assert_eq!(next["cumulative"].as_u64().unwrap(), receipt["cumulative"].as_u64().unwrap() + 1_000);
    assert_eq!(node.api.post("/v1/epochs/settle", json!({})).await["totals"]["fees"], 2_000);
    let supply = node.api.get("/v1/supply").await;
    assert_eq!((&supply["supply"], &supply["minted"]), (&json!(SUPPLY), &json!(SUPPLY)));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_follows_a_node_that_is_killed_is_told_so_and_how_to_come_back() {
    if kit::tools_with_model().await.is_none() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    // Nobody judges, so that there is something to wait for.
    let sets = ["consensus.block_interval_ms=1000", "judging.automatic=false"];
    let node = Process::start_with(dir.path(), &sets).await;
    node.api.account("alice", 10_000_000).await;
    node.api.datanet("topics", &corpus::labelled(), corpus::jsonl(&corpus::samples(300, 45))).await;
    let file = dir.path().join("batch.jsonl");
    std::fs::write(&file, corpus::jsonl(&corpus::samples(0, 30))).unwrap();
    let mut follower = Command::new(env!("CARGO_BIN_EXE_datanet"));
    follower.arg("--home").arg(dir.path()).args(["contribute", "topics", file.to_str().unwrap(), "--account", "alice"]);
    let mut follower = follower.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(follower.stderr.take().unwrap()).lines().map(Result::unwrap);
    let cost = lines.next().unwrap();
    assert!(cost.starts_with("costs 0.101 DNT (0.1 DNT to its judges"), "what it costs is said first: {cost}");
    assert!(lines.any(|line| line.starts_with("judging: 0 of 1 judges committed")), "it follows");
    drop(node);
    let after: Vec<String> = lines.collect();
    assert_eq!(follower.wait().unwrap().code(), Some(1));
    assert!(after[0].starts_with("connection lost: the node does not answer"), "{after:?}");
    let last = after.last().unwrap();
    assert!(
        last.starts_with("error: connection lost: the node is gone") && last.contains("datanet contribution show ")
    );
}
