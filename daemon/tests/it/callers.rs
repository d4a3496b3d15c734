//! Who may call, by which name, with which token, from which page; and by how many slashes.

use datanet_api::{Client, RunFile};
use datanet_config::Home;
use reqwest::{Method, StatusCode};

use crate::kit::{TestNode, config, plain_node, read, refused, tools_without_model};

/// A node that listens on all addresses and knows pages and names beside its own.
async fn open_node() -> TestNode {
    let mut config = config();
    config.api.listen = "0.0.0.0:0".parse().unwrap();
    config.api.allowed_hosts = ["node.lan", "2001:db8::5"].map(str::to_owned).to_vec();
    config.api.allowed_origins = ["http://localhost:5173", "app://notes.example"].map(str::to_owned).to_vec();
    TestNode::spawn_with(tools_without_model(), config).await
}

#[tokio::test]
async fn a_node_that_listens_everywhere_is_reached_by_its_own_programs() {
    let node = open_node().await;
    let home = Home::new(node.home());
    let run: RunFile = serde_json::from_str(&std::fs::read_to_string(home.run_file()).unwrap()).unwrap();
    assert!(run.api.starts_with("http://127.0.0.1:"), "{}", run.api);
    let status: serde_json::Value = Client::of(&home).unwrap().get("/v1/status").await.unwrap();
    assert_eq!(status["engine"], "solo");
    // All of 127.0.0.0/8 is listened on, and reached here by another address than run.json's.
    let by_another = format!("http://{}/health/live", node.authority().replace("127.0.0.1", "127.0.0.9"));
    assert_eq!(reqwest_client().get(by_another).send().await.unwrap().status(), 200);
    for (host, status) in [
        ("node.lan:1", 200),
        ("[2001:db8::5]:26680", 200),
        ("[2001:db8::6]", 403),
        ("0.0.0.0", 403),
        ("[::1]node.lan", 403),
        ("node.lan@evil.example", 403),
        ("node.lan.evil.example", 403),
    ] {
        let response = node.bare(Method::GET, "/health/live").header("host", host).send().await.unwrap();
        assert_eq!(response.status(), status, "{host}");
    }
}

fn reqwest_client() -> reqwest::Client {
    datanet_api::loopback::client_builder().unwrap().build().unwrap()
}

#[tokio::test]
async fn allowed_pages_may_send_the_headers_of_their_clients() {
    let node = open_node().await;
    let asked = "authorization,content-type,x-stainless-lang,x-client-of-tomorrow";
    let preflight = |origin: &'static str| {
        let request = node.bare(Method::OPTIONS, "/v1/chat/completions").header("origin", origin);
        let request = request.header("access-control-request-method", "POST");
        request.header("access-control-request-headers", asked)
    };
    for origin in ["http://localhost:5173", "app://notes.example"] {
        let answer = preflight(origin).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{origin}");
        let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(
            (header("access-control-allow-origin"), header("access-control-allow-headers")),
            (origin.into(), asked.into())
        );
        let live = node.bare(Method::GET, "/health/live").header("origin", origin).send().await.unwrap();
        assert_eq!(live.headers()["access-control-allow-origin"], origin);
    }
    for origin in ["http://localhost:5174", "app://notes.example.evil", "null", "notes.example"] {
        refused(origin, preflight(origin), 403, "foreign-origin", "api.allowed_origins").await;
    }
}

#[tokio::test]
async fn the_word_before_the_token_may_have_any_case_and_the_token_only_its_own() {
    let node = plain_node().await;
    let with = |value: String| node.bare(Method::GET, "/v1/status").header("authorization", value);
    for scheme in ["Bearer", "bearer", "BEARER"] {
        read(scheme, with(format!("{scheme} {}", node.token()))).await;
    }
    for wrong in [node.token().to_ascii_uppercase(), format!("{}x", node.token()), String::new(), " ".to_owned()] {
        refused(&wrong, with(format!("Bearer {wrong}")), 401, "token", "api-token").await;
    }
}

#[tokio::test]
async fn slashes_at_the_seams_of_an_address_say_nothing() {
    let node = plain_node().await;
    for path in ["//v1//models/", "/v1/models/", "///v1/models", "/v1//models?deployed=TRUE"] {
        assert_eq!(read(path, node.raw(Method::GET, path)).await["object"], "list", "{path}");
    }
    refused("no token", node.bare(Method::GET, "//v1//models/"), 401, "token", "missing").await;
    refused("no id", node.raw(Method::DELETE, "/v1/models//deploy"), 400, "bad-path", "an id").await;
    refused("twice", node.raw(Method::GET, "/v1/v1/models"), 404, "unknown-route", "twice").await;
    refused("left out", node.raw(Method::GET, "/models"), 404, "unknown-route", "ends in /v1").await;
}
