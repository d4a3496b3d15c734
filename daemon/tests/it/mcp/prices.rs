//! Nothing is paid that was not agreed to; what was agreed to is paid once.

use futures::future::join_all;
use serde_json::{Value, json};

use super::agent::{Agent, given, is_refusal};
use crate::kit::{Api, plain_node};

/// What opens a channel, which costs.
fn opening(deposit: u64) -> Value {
    json!({ "account": "alice", "deposit": deposit })
}

async fn channels(api: &Api) -> usize {
    api.get("/v1/channels").await["channels"].as_array().unwrap().len()
}

/// The same call again, with what its caller was given to bring back and what it says.
async fn again(agent: &Agent<'_>, tool: &str, arguments: Value, state: &Value, says: Option<Value>) -> Value {
    let mut params = json!({ "name": tool, "arguments": arguments, "requestState": state });
    if let Some(says) = says {
        params["inputResponses"] = json!({ "price": says });
    }
    agent.result("tools/call", params).await
}

fn yes() -> Option<Value> {
    Some(json!({ "action": "accept", "content": { "confirm": true } }))
}

#[tokio::test]
async fn who_cannot_be_asked_is_told_the_price_and_how_to_agree() {
    let node = plain_node().await;
    let before = channels(&node).await;
    for agent in [Agent::old(&node), Agent { capabilities: json!({}), ..Agent::new(&node) }] {
        agent.refused("channel_open", opening(20_000), "price-not-agreed", "call again with \"max_price\":").await;
        let mut low = opening(20_000);
        low["max_price"] = json!(20_000);
        agent.refused("channel_open", low, "too-dear", "more than max_price, which is 20000; nothing was paid").await;
        let words = json!({ "datanet": "topics", "question": "Which rover?", "account": "alice" });
        agent.refused("ask", words, "price-not-agreed", "0.001 DNT").await;
    }
    assert_eq!(channels(&node).await, before);
}

#[tokio::test]
async fn who_can_be_asked_is_asked_and_only_a_yes_pays_and_once() {
    let node = plain_node().await;
    let agent = Agent::new(&node);
    let before = channels(&node).await;
    let asked = agent.call("channel_open", opening(21_000)).await;
    assert_eq!(asked["resultType"], "input_required", "{asked:#}");
    let form = &asked["inputRequests"]["price"];
    assert_eq!(form["method"], "elicitation/create");
    assert!(form["params"]["message"].as_str().unwrap().contains("channel_open costs 0.0"), "{form}");
    let state = &asked["requestState"];

    for no in [
        json!({ "action": "decline" }),
        json!({ "action": "cancel" }),
        json!({ "action": "accept", "content": { "confirm": false } }),
    ] {
        let said = again(&agent, "channel_open", opening(21_000), state, Some(no.clone())).await;
        is_refusal(&no.to_string(), &said, "not-confirmed", "nothing was paid");
    }
    // What is no answer is asked again.
    for unclear in [
        None,
        Some(json!({ "action": "accept" })),
        Some(json!("yes")),
        Some(json!({ "action": "accept", "content": { "confirm": "true" } })),
    ] {
        let said = again(&agent, "channel_open", opening(21_000), state, unclear.clone()).await;
        assert_eq!(said["resultType"], "input_required", "{unclear:?}: {said:#}");
    }
    assert_eq!(channels(&node).await, before);

    // Sent by ten at once, it is good for one.
    let sent = join_all((0..10).map(|_| again(&agent, "channel_open", opening(21_000), state, yes()))).await;
    let (done, spent): (Vec<&Value>, Vec<&Value>) = sent.iter().partition(|result| result["isError"] != true);
    assert_eq!((done.len(), spent.len()), (1, 9), "{sent:#?}");
    given("channel_open", done[0]);
    spent.iter().for_each(|result| is_refusal("again", result, "confirmation-spent", "may have paid"));
    assert_eq!(channels(&node).await, before + 1);
}

#[tokio::test]
async fn a_confirmation_is_for_one_call_of_one_caller_and_cannot_be_made_up() {
    let node = plain_node().await;
    let agent = Agent::new(&node);
    let before = channels(&node).await;
    let asked = agent.call("channel_open", opening(22_000)).await;
    let state = asked["requestState"].as_str().unwrap().to_owned();
    let bad = "bad-confirmation";
    // More money, another payer, another tool.
    for arguments in [opening(2_200_000), json!({ "account": "node", "deposit": 22_000 }), json!({ "deposit": 22_000 })]
    {
        let said = again(&agent, "channel_open", arguments.clone(), &json!(state), yes()).await;
        is_refusal(&arguments.to_string(), &said, bad, "was not given for this call");
    }
    let ask = json!({ "datanet": "topics", "question": "Which rover?", "account": "alice" });
    is_refusal("ask", &again(&agent, "ask", ask, &json!(state), yes()).await, bad, "not given for this call");
    // Changed, cut, empty, of another codec.
    let mut changed = state.clone().into_bytes();
    let middle = changed.len() / 2;
    changed[middle] = if changed[middle] == b'A' { b'B' } else { b'A' };
    for made_up in [
        String::from_utf8(changed).unwrap(),
        state[..state.len() - 4].to_owned(),
        String::new(),
        "rs1.e30.e30".to_owned(),
    ] {
        let said = again(&agent, "channel_open", opening(22_000), &json!(made_up), yes()).await;
        is_refusal(&made_up, &said, bad, "call again without it");
    }
    // A free call does not care for one, but for what it is.
    assert_eq!(channels(&node).await, before);
    // The very call that it was given for is still good.
    given("channel_open", &again(&agent, "channel_open", opening(22_000), &json!(state), yes()).await);
    assert_eq!(channels(&node).await, before + 1);
}
