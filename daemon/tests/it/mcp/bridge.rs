//! `datanet mcp`: protocol on standard output and nothing else.

use serde_json::{Value, json};

use super::agent::{NEW, OLD};
use crate::cli::typed;
use crate::kit::{TestNode, plain_node};

fn lines(messages: &[Value]) -> String {
    messages.iter().map(|message| format!("{message}\n")).collect()
}

fn read(output: &str) -> Vec<Value> {
    output.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line}"))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bridge_speaks_both_revisions_and_nothing_but_protocol() {
    let node = plain_node().await;
    let client = json!({ "name": "test", "version": "1" });
    let old = lines(&[
        json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize",
            "params": { "protocolVersion": OLD, "capabilities": {}, "clientInfo": client } }),
        json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }),
        json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" }),
        json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": { "name": "status", "arguments": {} } }),
    ]);
    let (code, output, errors) = typed(node.home(), &["mcp"], &old);
    assert_eq!(code, Some(0), "{errors}");
    let answers = read(&output);
    let of = |id: u64| {
        answers.iter().find(|answer| answer["id"] == id).unwrap_or_else(|| panic!("no answer to {id}: {output}"))
    };
    assert_eq!(answers.len(), 3, "{output}");
    assert_eq!(of(0)["result"]["protocolVersion"], OLD);
    assert!(of(1)["result"]["tools"].as_array().unwrap().len() > 20);
    assert_eq!(of(2)["result"]["structuredContent"]["chain"], crate::kit::CHAIN);

    let meta = json!({ "io.modelcontextprotocol/protocolVersion": NEW, "io.modelcontextprotocol/clientInfo": client,
        "io.modelcontextprotocol/clientCapabilities": {} });
    let new = lines(&[
        json!({ "jsonrpc": "2.0", "id": 0, "method": "server/discover", "params": { "_meta": meta } }),
        json!({ "jsonrpc": "2.0", "id": "a", "method": "tools/call",
            "params": { "name": "datanets", "arguments": {}, "_meta": meta } }),
        json!({ "jsonrpc": "2.0", "id": "b", "method": "tools/call",
            "params": { "name": "datanet", "arguments": { "datanet": "nowhere" }, "_meta": meta } }),
    ]);
    let (code, output, errors) = typed(node.home(), &["mcp"], &new);
    assert_eq!(code, Some(0), "{errors}");
    let answers = read(&output);
    assert!(answers[0]["result"]["supportedVersions"].as_array().unwrap().contains(&json!(NEW)), "{output}");
    let of = |id: &str| {
        answers.iter().find(|answer| answer["id"] == id).unwrap_or_else(|| panic!("no answer to {id}: {output}"))
    };
    assert!(!of("a")["result"]["structuredContent"]["datanets"].as_array().unwrap().is_empty());
    assert_eq!(of("b")["result"]["isError"], true);
}

#[test]
fn without_a_node_it_says_how_to_start_one_and_not_where_protocol_belongs() {
    let home = TestNode::new_home();
    let (code, output, errors) = typed(home.path(), &["mcp"], "");
    assert_ne!(code, Some(0));
    assert!(output.is_empty(), "{output}");
    assert!(errors.contains("`datanet start`"), "{errors}");
}
