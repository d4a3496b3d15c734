//! The interface about itself: its description, its pages, its metrics, its health.

use std::collections::BTreeSet;

use datanet_api::{
    Problem, accounts, channels, contributions, datanets, fine_tuning, keys, models, proposals, receipts, shares,
    status,
};
use reqwest::Method;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::kit::{Api, plain_node, read};

/// What clients rely on.
const CONTRACT: &[&str] = &[
    "get /v1/status",
    "get /health/live",
    "get /health/ready",
    "get /metrics",
    "get /v1/keys",
    "post /v1/keys",
    "post /v1/transfers",
    "post /v1/datanets",
    "get /v1/datanets",
    "get /v1/datanets/{id}",
    "post /v1/datanets/{id}/contributions",
    "get /v1/datanets/{id}/contributions",
    "get /v1/contributions/{id}",
    "get /v1/contributions/{id}/events",
    "get /v1/contributions/{id}/records",
    "post /v1/contributions/{id}/revoke",
    "get /v1/datanets/{id}/history",
    "get /v1/datanets/{id}/debts",
    "get /v1/search",
    "post /v1/embeddings",
    "get /v1/models",
    "post /v1/models",
    "get /v1/models/{id}",
    "delete /v1/models/{id}",
    "post /v1/models/{id}/deploy",
    "delete /v1/models/{id}/deploy",
    "post /v1/models/{id}/rollback",
    "post /v1/models/{id}/verify",
    "get /v1/models/{id}/export",
    "post /v1/models/{id}/pull",
    "delete /v1/models/{id}/files",
    "post /v1/classify",
    "post /v1/chat/completions",
    "post /v1/completions",
    "get /v1/attributions/{receipt}",
    "post /v1/fine_tuning/jobs",
    "get /v1/fine_tuning/jobs",
    "get /v1/fine_tuning/jobs/{id}",
    "post /v1/fine_tuning/jobs/{id}/cancel",
    "get /v1/fine_tuning/jobs/{id}/events",
    "get /v1/fine_tuning/jobs/{id}/checkpoints",
    "post /v1/channels",
    "get /v1/channels",
    "post /v1/channels/{id}/top-up",
    "post /v1/channels/{id}/close",
    "post /v1/channels/{id}/statement",
    "post /v1/ask",
    "get /v1/receipts",
    "get /v1/receipts/{id}",
    "post /v1/receipts/{id}/verify",
    "post /v1/receipts/check",
    "post /v1/epochs/settle",
    "get /v1/accounts/{address}",
    "get /v1/accounts/{address}/earnings",
    "post /v1/accounts/{address}/claim",
    "post /v1/tx",
    "get /v1/tx/{hash}",
    "get /v1/peers",
    "get /v1/supply",
];

#[tokio::test]
async fn the_description_lists_the_whole_contract() {
    let node = plain_node().await;
    let openapi = read("/openapi.json", node.bare(Method::GET, "/openapi.json")).await;
    let paths = openapi["paths"].as_object().unwrap();
    let listed: BTreeSet<String> = paths
        .iter()
        .flat_map(|(path, methods)| methods.as_object().unwrap().keys().map(move |method| format!("{method} {path}")))
        .collect();
    for route in CONTRACT {
        assert!(listed.contains(*route), "{route} is missing");
    }
    for (path, methods) in paths {
        for (method, operation) in methods.as_object().unwrap() {
            let said = operation["summary"].as_str().or(operation["description"].as_str()).unwrap_or_default();
            assert!(!said.is_empty(), "{method} {path} says nothing of itself");
        }
    }
    for (path, methods) in paths {
        let somewhere = path.replace(['{', '}'], "");
        for method in methods.as_object().unwrap().keys() {
            let method: Method = method.to_uppercase().parse().unwrap();
            let status = node.bare(method.clone(), &somewhere).send().await.unwrap().status().as_u16();
            // Behind the token nobody without it learns more; before it there is an answer.
            let expected = if path.starts_with("/v1/") { &[401][..] } else { &[200, 503] };
            assert!(expected.contains(&status), "{method} {path}: {status}");
        }
    }
}

/// What the node writes at `path` is read as a `T`, which is written the same again.
async fn same<T: Serialize + DeserializeOwned>(node: &Api, path: &str) {
    let text = node.raw(Method::GET, path).send().await.unwrap().text().await.unwrap();
    let value: T = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error} in {text}"));
    assert_eq!(serde_json::to_string(&value).unwrap(), text, "{path}");
}

#[tokio::test]
async fn the_wires_types_are_what_the_node_writes() {
    let node = plain_node().await;
    same::<status::NodeStatus>(&node, "/v1/status").await;
    same::<status::Peers>(&node, "/v1/peers").await;
    same::<keys::Keys>(&node, "/v1/keys").await;
    same::<accounts::Supply>(&node, "/v1/supply").await;
    same::<datanets::Datanets>(&node, "/v1/datanets").await;
    same::<datanets::DatanetView>(&node, "/v1/datanets/topics").await;
    same::<datanets::History>(&node, "/v1/datanets/topics/history").await;
    same::<datanets::Debts>(&node, "/v1/datanets/topics/debts").await;
    same::<contributions::Contributions>(&node, "/v1/datanets/topics/contributions").await;
    same::<models::ModelList>(&node, "/v1/models").await;
    same::<fine_tuning::Page<fine_tuning::FineTuningJob>>(&node, "/v1/fine_tuning/jobs").await;
    same::<receipts::IssuedReceipts>(&node, "/v1/receipts").await;
    same::<proposals::Proposals>(&node, "/v1/proposals").await;
    same::<proposals::UpgradeView>(&node, "/v1/upgrade").await;
    same::<channels::Channels>(&node, "/v1/channels").await;
    same::<shares::AllShares>(&node, "/v1/shares").await;
    same::<shares::Pools>(&node, "/v1/pools").await;
    same::<Problem>(&node, "/v1/datanets/nowhere").await;
    let account = node.get("/v1/status").await["account"].as_str().unwrap().to_owned();
    same::<accounts::AccountView>(&node, &format!("/v1/accounts/{account}")).await;
    same::<shares::HeldShares>(&node, &format!("/v1/accounts/{account}/shares")).await;
    same::<accounts::Earnings>(&node, &format!("/v1/accounts/{account}/earnings")).await;
}

#[tokio::test]
async fn the_pages_are_there_without_a_token() {
    let node = plain_node().await;
    let docs = node.bare(Method::GET, "/docs").send().await.unwrap();
    assert!(docs.status().is_success());
    assert!(docs.headers()["content-type"].to_str().unwrap().starts_with("text/html"));
    assert!(docs.text().await.unwrap().contains("<html"));
}

#[tokio::test]
async fn the_first_page_says_what_this_is_and_nothing_that_is_private() {
    let node = plain_node().await;
    let page = node.bare(Method::GET, "/").send().await.unwrap();
    assert!(page.status().is_success());
    let headers = page.headers().clone();
    let said = |name: &str| headers[name].to_str().unwrap();
    assert!(said("content-type").starts_with("text/html") && said("cache-control") == "no-store");
    let policy = said("content-security-policy");
    assert!(policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
    let page = page.text().await.unwrap();
    for shown in [crate::kit::CHAIN, "/openapi.json", "href=\"/docs\"", "datanet --help", env!("CARGO_PKG_VERSION")] {
        assert!(page.contains(shown), "{shown}: {page}");
    }
    let status = node.get("/v1/status").await;
    let token = std::fs::read_to_string(datanet_config::Home::new(node.home()).api_token()).unwrap();
    for hidden in [token.trim(), status["account"].as_str().unwrap(), node.home().to_str().unwrap()] {
        assert!(!page.contains(hidden), "{hidden}");
    }
    let json = read("as JSON", node.bare(Method::GET, "/").header("accept", "application/json")).await;
    assert_eq!((&json["name"], &json["chain_id"]), (&"datanet".into(), &status["chain_id"]), "{json}");
    assert!(json["height"].as_u64().unwrap() >= status["height"].as_u64().unwrap() && json["ready"].is_boolean());
    for (header, value) in [("host", "evil.example"), ("origin", "https://evil.example")] {
        let refused = node.bare(Method::GET, "/").header(header, value).send().await.unwrap();
        assert_eq!(refused.status(), 403, "{header}");
    }
    assert_eq!(node.bare(Method::POST, "/").send().await.unwrap().status(), 405);
    assert_eq!(node.bare(Method::HEAD, "//").send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn the_node_is_healthy_and_counts_what_it_does() {
    let node = plain_node().await;
    assert_eq!(read("live", node.bare(Method::GET, "/health/live")).await["status"], "ok");
    node.get("/v1/datanets/topics").await;
    let response = node.bare(Method::GET, "/metrics").send().await.unwrap();
    assert!(response.headers()["content-type"].to_str().unwrap().starts_with("application/openmetrics-text"));
    let text = response.text().await.unwrap();
    assert!(text.ends_with("# EOF\n"));
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (name, value) = line.rsplit_once(' ').unwrap();
        assert!(name.starts_with("datanet_") && value.parse::<f64>().is_ok(), "{line}");
    }
    let route = "datanet_http_requests_total{method=\"GET\",route=\"/v1/datanets/{id}\",status=\"200\"}";
    assert!(text.contains(route), "{text}");
    let height = text.lines().find_map(|line| line.strip_prefix("datanet_height ")).unwrap();
    assert!(height.parse::<u64>().unwrap() > 0);
}

#[tokio::test]
async fn the_status_says_what_the_node_is() {
    let node = plain_node().await;
    let status = node.get("/v1/status").await;
    for field in [
        "name",
        "version",
        "chain_id",
        "height",
        "app_hash",
        "catching_up",
        "engine",
        "node_key",
        "account",
        "roles",
        "peers",
        "consensus_peers",
        "p2p",
        "model",
        "uptime_seconds",
        "stopped",
    ] {
        assert!(!status[field].is_null(), "{field}: {status:#}");
    }
    assert_eq!((status["engine"].as_str(), status["chain_id"].as_str()), (Some("solo"), Some(crate::kit::CHAIN)));
    assert_eq!(node.get("/v1/peers").await["peers"], serde_json::json!([]));
}
