//! Long work: progress for those who wait, tasks for those who poll, and an end for those who call off.

use serde_json::json;

use super::agent::{Agent, messages};
use crate::corpus;
use crate::kit::{Api, plain_node, read, until};

/// A contribution that stays as it is: without a model nobody judges it.
async fn unjudged(api: &Api, from: usize) -> String {
    let upload = api.upload("topics", "alice", "application/x-ndjson", corpus::jsonl(&corpus::samples(from, 5)));
    read("the upload", upload).await["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn who_polls_tasks_gets_one_that_only_its_owner_sees_and_that_ends_when_it_is_called_off() {
    let node = plain_node().await;
    let contribution = unjudged(&node, 120).await;
    let agent = Agent::new(&node);
    let following = json!({ "contribution": contribution, "wait_seconds": 300 });
    let task = agent.call("follow", following.clone()).await;
    assert_eq!((&task["resultType"], &task["status"]), (&json!("task"), &json!("working")), "{task:#}");
    let id = json!({ "taskId": task["taskId"] });
    let state = agent.result("tasks/get", id.clone()).await;
    assert_eq!(state["status"], "working", "{state:#}");
    for (method, params) in [("tasks/get", json!({ "taskId": "guess" })), ("tasks/cancel", json!({ "taskId": "../1" }))]
    {
        let answer = agent.send(method, params).await;
        assert!(answer["error"]["message"].as_str().unwrap().contains("no task"), "{answer}");
    }
    agent.result("tasks/cancel", id.clone()).await;
    until("the task ends", async || {
        (agent.result("tasks/get", id.clone()).await["status"] == "cancelled").then_some(())
    })
    .await;

    // Who has not said that it polls is never given a task.
    let plain = Agent { capabilities: json!({}), ..Agent::new(&node) };
    let answer = plain.call("follow", json!({ "contribution": contribution, "wait_seconds": 1 })).await;
    assert_eq!(answer["structuredContent"]["settled"], false, "{answer:#}");
    assert_eq!(plain.send("tasks/get", id).await["error"]["code"], -32021);
}

#[tokio::test]
async fn who_waits_is_told_how_far_it_is_before_the_answer() {
    let node = plain_node().await;
    let contribution = unjudged(&node, 130).await;
    let arguments = json!({ "contribution": contribution, "wait_seconds": 2 });
    let params = json!({ "name": "follow", "arguments": arguments, "_meta": { "progressToken": "p" } });
    for agent in [Agent::old(&node), Agent { capabilities: json!({}), ..Agent::new(&node) }] {
        let mut told = messages(agent.request("tools/call", params.clone()).send().await.unwrap()).await;
        let answer = told.pop().unwrap();
        assert_eq!(answer["result"]["structuredContent"]["contribution"], contribution.as_str(), "{answer:#}");
        assert!(!told.is_empty(), "{} tells nothing on the way", agent.revision);
        for progress in told {
            assert_eq!(progress["method"], "notifications/progress", "{progress}");
            assert_eq!(progress["params"]["progressToken"], "p", "{progress}");
            assert!(progress["params"]["message"].as_str().unwrap().contains("keep it"), "{progress}");
        }
    }
}
