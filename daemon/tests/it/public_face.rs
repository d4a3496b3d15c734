//! The public face from a stranger's side: what is there and what is not, what it costs to keep it busy, and an answer bought without a node.

use std::time::{Duration, Instant};

use datanet_api::RunFile;
use datanet_config::{Home, NodeConfig};
use datanet_types::action::OpenChannel;
use datanet_types::tx::TxBody;
use datanet_types::{Action, NodeKey, SigningKey};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::corpus;
use crate::kit::{self, Api, CHAIN, TestNode, config, read, refused, tools_with_model, tools_without_model, until};
use crate::payer::Payer;

/// A configuration with a public face that nobody is too quick for.
fn public_config() -> NodeConfig {
    let mut config = config();
    config.public.listen = "127.0.0.1:0".to_owned();
    config.public.requests_per_minute = 60_000;
    config.public.answers_per_minute = 60_000;
    config
}

/// The face of a node, as one without a token sees it.
fn face(node: &TestNode) -> Api {
    let run = std::fs::read_to_string(Home::new(node.home()).run_file()).unwrap();
    let run: RunFile = serde_json::from_str(&run).unwrap();
    Api::new(run.public.expect("there is a public face"), String::new())
}

/// Sends bytes as they are; all that comes back until the other side closes.
async fn raw(face: &Api, request: &str) -> String {
    let mut stream = TcpStream::connect(face.authority()).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let read = tokio::time::timeout(kit::PATIENCE, stream.read_to_end(&mut answer));
    let _ = read.await.expect("the face answers or closes");
    String::from_utf8_lossy(&answer).into_owned()
}

async fn get_raw(face: &Api, target: &str, headers: &str) -> String {
    let host = if headers.contains("Host:") { String::new() } else { format!("Host: {}\r\n", face.authority()) };
    raw(face, &format!("GET {target} HTTP/1.1\r\n{host}{headers}Connection: close\r\n\r\n")).await
}

#[tokio::test]
async fn there_is_none_unless_somebody_says_so() {
    let node = kit::plain_node().await;
    let run = std::fs::read_to_string(Home::new(node.home()).run_file()).unwrap();
    assert!(!run.contains("\"public\""), "{run}");
}

#[tokio::test]
async fn no_path_and_no_header_leads_to_what_is_the_operators() {
    let node = TestNode::spawn_with(tools_without_model(), public_config()).await;
    let face = face(&node);
    let token = format!("Authorization: Bearer {}\r\n", node.token());
    let tricks = [
        "/v1/keys",
        "//v1//keys",
        "/v1/keys/",
        "/v1/./keys",
        "/v1/datanets/../keys",
        "/v1/datanets/..%2fkeys",
        "/v1/%6beys",
        "/v1/keys%00",
        "/v1/keys;/datanets",
        "/v1/datanets/%2e%2e/keys",
        "/V1/keys",
        "/v1\\keys",
        "http://127.0.0.1/v1/keys",
        "/v1/keys?x=/v1/datanets",
        "/v1/status",
        "/v1/tokens",
        "/v1/tokens/current",
        "/v1/receipts",
        "/v1/channels",
        "/v1/accounts/node",
        "/v1/peers",
        "/metrics",
        "/health/ready",
        "/docs",
        "/docs/",
        "/v1/fine_tuning/jobs",
        "/v1/contributions/x/records",
        "/v1/datanets/x/records",
    ];
    for target in tricks {
        for headers in
            [String::new(), token.clone(), format!("X-Original-URL: /v1/keys\r\nX-Rewrite-URL: /v1/keys\r\n{token}")]
        {
            let answer = get_raw(&face, target, &headers).await;
            let status = answer.split(' ').nth(1).unwrap_or_default().to_owned();
            assert!(["400", "403", "404", "405"].contains(&status.as_str()), "{target}: {answer}");
            assert!(!answer.contains("public_key") && !answer.contains("contributions_held"), "{target}: {answer}");
        }
    }
    // What is there to be read takes nothing else.
    for (method, path) in
        [(Method::POST, "/v1/datanets"), (Method::DELETE, "/v1/models/x"), (Method::PUT, "/v1/params")]
    {
        let request = face.bare(method, path).bearer_auth(node.token()).json(&json!({}));
        assert_eq!(request.send().await.unwrap().status(), 405, "{path}");
    }
    // A second request in the body of the first is none.
    let smuggled = format!(
        "POST /v1/tx HTTP/1.1\r\nHost: {0}\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /v1/keys HTTP/1.1\r\nHost: {0}\r\n{token}Connection: close\r\n\r\n",
        face.authority()
    );
    assert!(!raw(&face, &smuggled).await.contains("public_key"));
    assert_eq!(read("the way in", face.bare(Method::GET, "/")).await["chain_id"], CHAIN);
    let description = read("what there is", face.bare(Method::GET, "/openapi.json")).await;
    assert!(description["paths"]["/v1/ask"].is_object() && description["paths"]["/v1/keys"].is_null());
}

#[tokio::test]
async fn foreign_names_and_pages_are_refused_and_answers_say_that_they_load_nothing() {
    let mut config = public_config();
    config.public.allowed_hosts = vec!["node.example".to_owned()];
    let node = TestNode::spawn_with(tools_without_model(), config).await;
    let face = face(&node);
    for (host, status) in
        [("node.example", "200"), ("evil.example", "403"), ("node.example.evil.example", "403"), ("", "403")]
    {
        let answer = get_raw(&face, "/v1/datanets", &format!("Host: {host}\r\n")).await;
        assert_eq!(answer.split(' ').nth(1), Some(status), "{host}: {answer}");
    }
    let page = face.bare(Method::GET, "/v1/datanets").header("origin", "https://evil.example");
    refused("a page", page, 403, "foreign-origin", "allowed_origins").await;
    for (api, path) in [(&face, "/v1/datanets"), (&face, "/nothing"), (&*node, "/health/live"), (&*node, "/metrics")] {
        let response = api.bare(Method::GET, path).send().await.unwrap();
        let policy = response.headers()["content-security-policy"].to_str().unwrap().to_owned();
        assert!(policy.starts_with("default-src 'none'"), "{path}: {policy}");
        assert_eq!(response.headers()["x-content-type-options"], "nosniff");
        let loaded =
            api.bare(Method::GET, path).header("sec-fetch-site", "cross-site").header("sec-fetch-mode", "no-cors");
        refused(path, loaded, 403, "foreign-origin", "other origins").await;
    }
    let docs = node.bare(Method::GET, "/docs/").send().await.unwrap();
    let policy = docs.headers()["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("script-src 'self'") && !policy.contains("script-src 'self' 'unsafe"), "{policy}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_sends_slowly_is_let_go_of_and_keeps_nobody_waiting() {
    let mut config = public_config();
    (config.public.header_seconds, config.public.body_seconds) = (1, 1);
    (config.public.max_requests, config.public.max_connections_per_address) = (2, 200);
    let node = TestNode::spawn_with(tools_without_model(), config).await;
    let face = face(&node);
    // Headers that never end, and connections on which nothing is said.
    let mut slow = Vec::new();
    for n in 0..100 {
        let mut stream = TcpStream::connect(face.authority()).await.unwrap();
        if n % 2 == 0 {
            stream.write_all(b"GET /v1/datanets HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ").await.unwrap();
        }
        slow.push(stream);
    }
    // Bodies that never end: more than there are places for requests.
    let mut bodies = Vec::new();
    for _ in 0..20 {
        let mut stream = TcpStream::connect(face.authority()).await.unwrap();
        let head = "POST /v1/tx HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/octet-stream\r\nContent-Length: 1000\r\n\r\nslow";
        stream.write_all(head.as_bytes()).await.unwrap();
        bodies.push(stream);
    }
    let started = Instant::now();
    read("others meanwhile", face.bare(Method::GET, "/v1/datanets")).await;
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    for mut stream in slow {
        let mut rest = Vec::new();
        let ended = tokio::time::timeout(kit::PATIENCE, stream.read_to_end(&mut rest)).await;
        ended.expect("a connection without a request is closed").ok();
    }
    for mut stream in bodies {
        let mut answer = Vec::new();
        let ended = tokio::time::timeout(kit::PATIENCE, stream.read_to_end(&mut answer)).await;
        ended.expect("a request without its body is refused").ok();
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("body-broke-off"), "{answer}");
    }
    let large =
        face.bare(Method::POST, "/v1/tx").header("content-type", "application/octet-stream").body(vec![0; 300_000]);
    refused("a large body", large, 413, "body-too-large", "262144").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_with_thousands_of_connections_keeps_no_other_out() {
    let mut config = public_config();
    config.public.max_connections_per_address = 8;
    config.public.max_connections = 64;
    config.public.header_seconds = 60;
    let node = TestNode::spawn_with(tools_without_model(), config).await;
    let face = face(&node);
    let mut held = Vec::new();
    for _ in 0..2_000 {
        // Those beyond the bound are closed at once, and the system takes them back.
        if let Ok(stream) = TcpStream::connect(face.authority()).await {
            held.push(stream);
        }
        if held.len() > 200 {
            held.remove(100);
        }
    }
    // Another address of this machine.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let mut other = socket.connect(face.authority().parse().unwrap()).await.unwrap();
    let request = format!("GET / HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", face.authority());
    other.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let read = tokio::time::timeout(kit::PATIENCE, other.read_to_string(&mut answer)).await;
    read.expect("an answer in time").unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    // The metrics are a second old at most.
    until("the bound is counted", async || {
        let text = node.bare(Method::GET, "/metrics").send().await.unwrap().text().await.unwrap();
        text.contains("datanet_public_connections_refused_total{reason=\"max_connections_per_address\"}").then_some(())
    })
    .await;
}

#[tokio::test]
async fn whoever_asks_too_often_is_told_when_to_ask_again_and_others_are_not() {
    let mut config = public_config();
    config.public.requests_per_minute = 6;
    config.public.trusted_proxies = vec!["127.0.0.1".parse().unwrap()];
    let node = TestNode::spawn_with(tools_without_model(), config).await;
    let face = face(&node);
    let from = |address: &str| face.bare(Method::GET, "/v1/datanets").header("x-forwarded-for", address.to_owned());
    let mut allowed = 0;
    let refusal = loop {
        let response = from("198.51.100.7").send().await.unwrap();
        if response.status() != 200 {
            break response;
        }
        allowed += 1;
        assert!(allowed < 100, "nothing is bounded");
    };
    assert_eq!(refusal.status(), 429);
    let wait: u64 = refusal.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    let problem: Value = refusal.json().await.unwrap();
    assert!(wait >= 1 && problem["code"] == "rate-limited", "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("public.requests_per_minute"), "{problem}");
    read("another address", from("198.51.100.8")).await;
    // What a caller says before what the proxy heard is no way around.
    assert_eq!(from("1.1.1.1, 198.51.100.7").send().await.unwrap().status(), 429);
}

/// A signed transaction of a stranger's.
async fn signed(face: &Api, key: &SigningKey, action: Action) -> datanet_types::SignedTx {
    let height = read("the height", face.bare(Method::GET, "/")).await["height"].as_u64().unwrap();
    let nonce = u64::from_le_bytes(kit::random());
    let (chain_id, expiry, account, gas_limit) = (CHAIN.into(), height + 100, key.address(), 4_000_000);
    TxBody { chain_id, expiry, fee: 20_000, nonce, account, gas_limit, tip: 0, action: Some(action) }.sign(key)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_buys_an_answer_with_nothing_but_the_public_face_and_a_key_of_his_own() {
    let Some(tools) = tools_with_model().await else { return };
    let mut config = public_config();
    // Who pays for the operator's own programs pays for no stranger.
    config.api.payer = "alice".to_owned();
    config.public.answers_per_minute = 30;
    let node = TestNode::spawn_with(tools, config).await;
    node.datanet("topics", &corpus::labelled(), corpus::jsonl(&corpus::samples(300, 45))).await;
    node.account("alice", 100_000_000).await;
    let given = crate::revoked::give_final(&node, "alice", 0, 24).await;
    node.post("/v1/channels", json!({ "account": "alice", "deposit": 1_000_000 })).await;
    let (face, payer) = (face(&node), Payer::new(&node).await);
    let alices = node.get("/v1/channels?account=alice").await;

    let this: NodeKey =
        serde_json::from_value(read("the node", face.bare(Method::GET, "/")).await["node"].clone()).unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let open = OpenChannel { node: this, deposit: 100_000, expires_at: now + 1_000, voucher_key: None };
    let tx = signed(&face, &payer.key, Action::OpenChannel(open)).await;
    let submit =
        face.bare(Method::POST, "/v1/tx").header("content-type", "application/octet-stream").body(tx.to_bytes());
    let hash = read("the opening", submit).await["hash"].as_str().unwrap().to_owned();
    until("the channel is open", async || {
        let response = face.bare(Method::GET, &format!("/v1/tx/{hash}")).send().await.unwrap();
        response.status().is_success().then_some(())
    })
    .await;
    let channel = datanet_types::SignedTx::verify(&tx.to_bytes(), CHAIN).unwrap().channel_id();

    let hits = read("a preview", face.bare(Method::GET, "/v1/search?q=soup&datanet=topics&mode=text")).await;
    for hit in hits["hits"].as_array().unwrap() {
        assert!(hit["text"].as_str().unwrap().chars().count() <= 161, "{hit}");
    }
    let too_many = face.bare(Method::GET, "/v1/search?q=soup&limit=21");
    refused("all of it", too_many, 400, "bad-query", "1 to 20").await;

    let ask = |extra: Value| {
        let mut body = json!({ "datanet": "topics", "question": "how do I thicken a soup?" });
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        face.bare(Method::POST, "/v1/ask").json(&body)
    };
    refused("nothing is paid", ask(json!({})), 402, "payment-required", "1000 base units").await;
    for account in ["alice", "node", "nobody"] {
        refused(account, ask(json!({ "account": account })), 403, "not-on-the-public-face", "voucher").await;
    }
    let answer = read("an answer", ask(json!({ "voucher": payer.voucher(channel, 1_000) }))).await;
    let again = read("the same", ask(json!({ "voucher": payer.voucher(channel, 1_000) }))).await;
    assert_eq!(answer["receipt"]["id"], again["receipt"]["id"]);
    let receipt = format!("/v1/receipts/{}", answer["receipt"]["id"].as_str().unwrap());
    let shown = read("the receipt", face.bare(Method::GET, &receipt)).await;
    assert_eq!(shown["input"]["text"], "how do I thicken a soup?");
    assert_eq!(node.get("/v1/channels?account=alice").await, alices, "nobody here has paid for a stranger");

    // What the operator denies is given out no more, here; at home it is.
    std::fs::write(Home::new(node.home()).denied(), format!("{given} # by order of a court\n")).unwrap();
    let view = format!("/v1/contributions/{given}");
    until("the list is read", async || {
        let response = face.bare(Method::GET, &view).send().await.unwrap();
        (response.status() == 403).then_some(())
    })
    .await;
    refused("the contribution", face.bare(Method::GET, &view), 403, "denied", "the operator").await;
    let hits = read("a preview", face.bare(Method::GET, "/v1/search?q=soup&datanet=topics&mode=text")).await;
    assert_eq!(hits["hits"], json!([]));
    assert!(!node.get("/v1/search?q=soup&datanet=topics&mode=text").await["hits"].as_array().unwrap().is_empty());
    let shown = read("the receipt", face.bare(Method::GET, &receipt)).await;
    assert!(shown["quotes"].as_array().unwrap().iter().all(Value::is_null), "{shown}");

    // A payer who asks without end is slowed down, wherever he is; forged vouchers of his slow down nobody.
    let forger = Payer::new(&node).await;
    for _ in 0..40 {
        refused("forged", ask(json!({ "voucher": forger.voucher(channel, 2_000) })), 402, "bad-voucher", "not signed")
            .await;
    }
    let mut asked = 0;
    loop {
        let response = ask(json!({ "voucher": payer.voucher(channel, 1_000) })).send().await.unwrap();
        if response.status() == 429 {
            assert_eq!(response.json::<Value>().await.unwrap()["code"], "rate-limited");
            break;
        }
        asked += 1;
        assert!(asked < 100, "nobody is slowed down");
    }
    assert!(asked >= 10, "what was forged has slowed him down: {asked}");
}
