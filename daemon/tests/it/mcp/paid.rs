//! Agents without a token, on the public face: ten tools, of which two are paid by x402.

use datanet_api::x402::{PaymentRequired, SettleResponse};
use serde_json::{Value, json};

use super::agent::Agent;
use crate::kit::{TestNode, tools_with_model, tools_without_model};
use crate::payer::Payer;
use crate::x402::{by_transfer, face, public_config, shop};

async fn asked(agent: &Agent<'_>, payment: Option<Value>) -> Value {
    let arguments = json!({ "datanet": "topics", "question": "how do I thicken a soup?" });
    let mut params = json!({ "name": "ask", "arguments": arguments });
    if let Some(payment) = payment {
        params["_meta"]["x402/payment"] = payment;
    }
    agent.result("tools/call", params).await
}

#[tokio::test]
async fn an_agent_without_a_token_has_what_everybody_may_have_and_is_told_what_the_rest_costs() {
    let node = TestNode::spawn_with(tools_without_model(), public_config()).await;
    shop(&node).await;
    let (face, payer) = (face(&node), Payer::new(&node).await);
    let had = node.balance(&payer.key.address().to_string()).await;
    for agent in [Agent::old(&face), Agent::new(&face)] {
        let listed = agent.result("tools/list", json!({})).await;
        let names: Vec<&str> =
            listed["tools"].as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap()).collect();
        let free =
            ["agent", "agents", "ask", "classify", "datanet", "datanets", "models", "receipt", "search", "sellers"];
        assert_eq!(names, free);
        let other = agent.send("tools/call", json!({ "name": "channel_open", "arguments": {} })).await;
        assert!(!other["error"].is_null(), "{other}");
        assert!(agent.does("datanets", json!({})).await.to_string().contains("topics"));
        let tricked = agent.call("datanet", json!({ "datanet": "../keys" })).await;
        assert_eq!(tricked["isError"], true, "{tricked}");

        let unpaid = asked(&agent, None).await;
        assert_eq!(unpaid["isError"], true, "{unpaid}");
        let required: PaymentRequired = serde_json::from_value(unpaid["structuredContent"].clone()).unwrap();
        assert_eq!(required.resource.url, "mcp://tool/ask");
        let text: Value = serde_json::from_str(unpaid["content"][0]["text"].as_str().unwrap()).unwrap();
        assert_eq!(text, unpaid["structuredContent"]);
        // It is taken, and what fails is not paid.
        let payment = by_transfer(&required, &payer.key, |_, _| {});
        let failed = asked(&agent, Some(json!(payment))).await;
        assert!(failed["isError"] == true && failed["_meta"]["datanet/problem"]["code"] == "no-model", "{failed}");
        let garbage = asked(&agent, Some(json!("%%%"))).await;
        assert_eq!(garbage["_meta"]["datanet/problem"]["code"], "bad-payment", "{garbage}");
    }
    assert_eq!(node.balance(&payer.key.address().to_string()).await, had);
}

#[tokio::test]
async fn an_agent_without_a_token_buys_an_answer() {
    let Some(tools) = tools_with_model().await else { return };
    let node = TestNode::spawn_with(tools, public_config()).await;
    let till = shop(&node).await;
    node.account("alice", 100_000_000).await;
    crate::revoked::give_final(&node, "alice", 0, 24).await;
    let (face, payer) = (face(&node), Payer::new(&node).await);
    let had = node.balance(&till).await;
    let agent = Agent::new(&face);
    let unpaid = asked(&agent, None).await;
    let required: PaymentRequired = serde_json::from_value(unpaid["structuredContent"].clone()).unwrap();
    let payment = by_transfer(&required, &payer.key, |_, _| {});
    for _ in 0..2 {
        let answer = asked(&agent, Some(json!(payment))).await;
        assert_ne!(answer["isError"], true, "{answer}");
        let settled: SettleResponse = serde_json::from_value(answer["_meta"]["x402/payment-response"].clone()).unwrap();
        assert!(settled.success && settled.payer == Some(payer.key.address().to_string()), "{settled:?}");
    }
    assert_eq!(node.balance(&till).await, had + 1_000, "paid once");
}
