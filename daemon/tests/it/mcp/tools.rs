//! Tools with bad arguments, which change nothing; and a life, from a contribution to what it earned.

use reqwest::Method;
use serde_json::{Value, json};

use super::agent::Agent;
use super::owners::program;
use crate::corpus;
use crate::kit::{Api, node_with_model, plain_node, until};

#[tokio::test]
async fn bad_arguments_are_refused_in_words_and_change_nothing() {
    let node = plain_node().await;
    let before = node.world().await;
    let agent = Agent::old(&node);
    let record = json!({ "text": "An owl.", "label": "space" });
    let many = vec![record.clone(); 2_001];
    let argument = "bad-argument";
    for (tool, arguments, code, says) in [
        ("search", json!({}), argument, "missing field `query`"),
        ("search", json!({ "query": 1 }), argument, "query: invalid type"),
        ("search", json!({ "query": "owl", "limit": 0 }), argument, "it takes 1 to 50"),
        ("search", json!({ "query": "owl", "limit": -1 }), argument, "limit"),
        ("search", json!({ "query": "owl", "limit": 1e300 }), argument, "limit"),
        ("search", json!({ "query": "owl", "max_price": 1 }), argument, "unknown field `max_price`"),
        ("search", json!({ "query": "x".repeat(8_193) }), argument, "at most 8192 are read"),
        ("search", json!({ "query": "\u{200b}" }), "empty-input", "is empty"),
        ("search", json!({ "query": "owl", "datanet": "nowhere" }), "unknown-datanet", "nowhere"),
        ("datanets", json!({ "limit": 101 }), argument, "it takes 1 to 100"),
        ("datanet", json!({ "datanet": "" }), argument, "1 to 256 bytes"),
        ("datanet", json!({ "datanet": "x".repeat(257) }), argument, "has 257"),
        ("datanet", json!({ "datanet": "../keys" }), "unknown-datanet", "../keys"),
        ("datanet", json!({ "datanet": "topics/close" }), "unknown-datanet", "topics/close"),
        ("datanet", json!({ "datanet": "topics?provenance=true" }), "unknown-datanet", "topics?"),
        ("receipt", json!({ "receipt": "check" }), argument, "is no id"),
        ("verify", json!({ "receipt": "..%2f..%2ftx" }), argument, "is no id"),
        ("follow", json!({ "contribution": "latest" }), argument, "is no id"),
        ("follow", json!({ "contribution": "ab", "wait_seconds": 301 }), argument, "at most 300"),
        ("ask", json!({ "datanet": "nowhere", "question": "owl?", "max_price": 1 }), "unknown-datanet", "nowhere"),
        ("ask", json!({ "datanet": "topics", "max_price": 1_000 }), "what-to-ask", "question"),
        (
            "ask",
            json!({ "datanet": "topics", "question": "o", "account": "mallory", "max_price": 1_000 }),
            "unknown-key",
            "mallory",
        ),
        ("classify", json!({ "model": "nothing", "passages": [], "max_price": 0 }), argument, "1 to 32"),
        ("classify", json!({ "model": "nothing", "passages": ["owl"], "max_price": 0 }), "unknown-model", "nothing"),
        ("contribute", json!({ "datanet": "topics", "records": [] }), argument, "1 to 2000"),
        ("contribute", json!({ "datanet": "topics", "records": many }), argument, "there are 2001"),
        ("contribute", json!({ "datanet": "topics", "records": ["owl"] }), argument, "records[0]"),
        ("balance", json!({ "account": "mallory" }), argument, "neither an address nor"),
        ("claim", json!({ "account": "\u{202e}mallory" }), argument, "\"mallory\""),
        ("channel_open", json!({ "deposit": -1 }), argument, "deposit"),
        ("deploy", json!({ "model": "nothing" }), "unknown-model", "nothing"),
        ("job", json!({ "job": "../jobs" }), "unknown-job", ""),
    ] {
        agent.refused(tool, arguments, code, says).await;
    }
    assert_eq!(node.world().await, before);
}

#[tokio::test]
async fn resources_have_one_spelling_and_lead_nowhere_else() {
    let node = plain_node().await;
    let agent = Agent::new(&node);
    let read = agent.result("resources/read", json!({ "uri": "datanet://datanets/topics" })).await;
    let text: Value = serde_json::from_str(read["contents"][0]["text"].as_str().unwrap()).unwrap();
    assert_eq!(text, agent.does("datanet", json!({ "datanet": "topics" })).await);
    for bad in [
        "datanet://datanets/",
        "datanet://datanets/../keys",
        "datanet://datanets/topics/",
        "datanet://datanets/%74opics",
        "datanet://datanets/topics?x",
        "datanet://keys/alice",
        "file:///etc/passwd",
        "ui://datanet/../answer.html",
        "",
    ] {
        let answer = agent.send("resources/read", json!({ "uri": bad })).await;
        assert_eq!(answer["error"]["code"], -32602, "{bad}: {answer}");
    }
}

#[tokio::test]
async fn an_agent_gives_records_buys_an_answer_and_sees_who_earned_by_it() {
    let Some(node) = node_with_model().await else { return };
    let agent = Agent::old(&node);
    let records: Vec<Value> =
        corpus::jsonl(&corpus::samples(90, 30)).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let giving = json!({ "datanet": "topics", "records": records, "account": "alice", "max_price": 10_000_000 });
    let given = agent.does("contribute", giving.clone()).await;
    assert_eq!(given["records"], 30);
    // A call that is repeated, since its answer was lost perhaps, gives nothing twice.
    assert_eq!(agent.does("contribute", giving).await, given);
    let followed = agent.does("follow", json!({ "contribution": given["contribution"], "wait_seconds": 150 })).await;
    assert_eq!((&followed["state"], &followed["settled"]), (&json!("final"), &json!(true)), "{followed:#}");

    agent.does("channel_open", json!({ "account": "alice", "deposit": 100_000, "max_price": 1_000_000 })).await;
    let left = agent.does("balance", json!({ "account": "alice" })).await["for_answers"]["units"].as_u64().unwrap();
    let asked = json!({ "datanet": "topics", "text": records[0]["text"], "account": "alice", "max_price": 1_000 });
    let bought = agent.does("ask", asked).await;
    assert_eq!(bought["fee"]["units"], 1_000);
    let paid: u64 =
        bought["paid"].as_array().unwrap().iter().map(|part| part["amount"]["units"].as_u64().unwrap()).sum();
    assert_eq!(paid, 1_000, "{bought:#}");
    let credited = bought["credits"].as_array().unwrap();
    assert!(credited.iter().any(|credit| credit["contribution"] == given["contribution"]), "{bought:#}");
    let after = agent.does("balance", json!({ "account": "alice" })).await["for_answers"]["units"].as_u64().unwrap();
    assert_eq!(left - after, 1_000);

    let listed = async |account| {
        let api = program(&node, account, &["read"]).await;
        Agent::old(&api).does("receipts", json!({})).await["receipts"].clone()
    };
    let own = listed("alice").await;
    assert_eq!((&own[0]["receipt"], &own[0]["fee"]["units"]), (&bought["receipt"], &json!(1_000)), "{own:#}");
    node.account("stranger-to-alice", 1_000_000).await;
    assert_eq!(listed("stranger-to-alice").await, json!([]), "what others have asked is theirs");

    let shown = agent.does("receipt", json!({ "receipt": bought["receipt"] })).await;
    assert_eq!(shown, bought);
    assert_eq!(agent.does("verify", json!({ "receipt": bought["receipt"] })).await["stands"], true);
    let explained = agent.does("attributions", json!({ "receipt": bought["receipt"] })).await;
    assert_eq!(explained["method"], "retrieval");
    node.post("/v1/epochs/settle", json!({})).await;
    let earned = agent.does("earnings", json!({ "account": "alice" })).await;
    assert!(
        earned["pending"]["units"].as_u64().unwrap() + earned["claimable"]["units"].as_u64().unwrap() > 0,
        "{earned:#}"
    );
    trains(&node).await;
}

/// Training is a job for those who ask, and a task for those who poll: to end the task ends the job.
async fn trains(node: &Api) {
    // The base must be on the ledger; another test may have put it there.
    let base = json!({ "name": "minilm", "licence": "Apache-2.0" });
    node.raw(Method::POST, "/v1/models").json(&base).send().await.unwrap();
    let (old, new) = (Agent::old(node), Agent::new(node));
    let wanted =
        json!({ "datanets": ["topics"], "model": "minilm-l6", "task": "classify", "epochs": 60, "name": "agents" });
    old.refused("train", json!({ "datanets": ["topics"], "model": "nothing" }), "unknown-model", "nothing").await;
    let ended = async |job: &Value| {
        until("the job ends", async || {
            let shown = old.does("job", json!({ "job": job })).await;
            (shown["status"] == "cancelled").then_some(())
        })
        .await;
    };
    let job = old.does("train", wanted.clone()).await["job"].clone();
    assert_eq!(old.does("jobs", json!({ "limit": 1 })).await["jobs"][0]["job"], job);
    old.does("job_cancel", json!({ "job": job })).await;
    ended(&job).await;

    let task = new.call("train", wanted).await;
    assert_eq!((&task["resultType"], &task["status"]), (&json!("task"), &json!("working")), "{task:#}");
    let job = old.does("jobs", json!({ "limit": 1 })).await["jobs"][0]["job"].clone();
    new.result("tasks/cancel", json!({ "taskId": task["taskId"] })).await;
    ended(&job).await;
    until("the task ends", async || {
        let state = new.result("tasks/get", json!({ "taskId": task["taskId"] })).await;
        (state["status"] == "cancelled").then_some(())
    })
    .await;
}
