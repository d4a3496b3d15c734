//! Programs with tokens of their own: what they may do, in whose name, for how much, until when; and what is written down of it.

use std::time::Duration;

use futures::future::join_all;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::cli;
use crate::kit::{Api, TestNode, config, node_with_model, plain_node, read, refused, tools_without_model};
use crate::revoked::give_final;

const DNT: u64 = 1_000_000;

/// A program with a token.
struct Program<'a> {
    node: &'a Api,
    secret: String,
}

impl<'a> Program<'a> {
    async fn new(node: &'a Api, token: Value) -> Self {
        let created = node.post("/v1/tokens", token).await;
        Self { node, secret: created["secret"].as_str().unwrap().to_owned() }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.node.bare(method, path).bearer_auth(&self.secret)
    }

    fn post(&self, path: &str, body: Value) -> RequestBuilder {
        self.request(Method::POST, path).json(&body)
    }

    async fn current(&self) -> Value {
        read("the token", self.request(Method::GET, "/v1/tokens/current")).await
    }

    fn pay(&self, from: &str, amount: u64) -> RequestBuilder {
        self.post("/v1/transfers", json!({ "from": from, "to": "node", "amount": amount }))
    }
}

/// An account of the node's with that much.
async fn account(node: &Api, name: &str, amount: u64) -> String {
    let address = node.post("/v1/keys", json!({ "name": name })).await["address"].as_str().unwrap().to_owned();
    node.post("/v1/transfers", json!({ "from": "node", "to": address, "amount": amount })).await;
    address
}

#[tokio::test]
async fn a_token_that_reads_changes_nothing_by_any_route() {
    let node = plain_node().await;
    let reader = Program::new(&node, json!({ "name": "reader", "scopes": ["read"] })).await;
    let before = node.world().await;
    let openapi = read("/openapi.json", node.bare(Method::GET, "/openapi.json")).await;
    let (mut refusals, mut open) = (0, 0);
    for (path, methods) in openapi["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let scope = &operation["security"][0]["token"][0];
            if !path.starts_with("/v1/") || path.ends_with("/events") {
                continue;
            }
            let path = path.replace(['{', '}'], "");
            let method: Method = method.to_uppercase().parse().unwrap();
            let request = reader.request(method.clone(), &path).header("content-type", "application/json").body("{}");
            let response = request.send().await.unwrap();
            let (status, body) = (response.status(), response.text().await.unwrap());
            if scope == "read" || scope.is_null() {
                assert!(status != 401 && !body.contains("problem:scope"), "{method} {path}: {status} {body}");
                open += 1;
            } else {
                assert_eq!(status, 403, "{method} {path}: {body}");
                assert!(body.contains("problem:scope") && body.contains("datanet token create --scope"), "{body}");
                refusals += 1;
            }
        }
    }
    assert!(refusals > 50 && open > 25, "{refusals} refused, {open} open");
    // Slashes, and what some servers take for another method, open nothing.
    for path in ["//v1//keys/", "/v1/keys/"] {
        refused(path, reader.request(Method::GET, path), 403, "scope", "admin").await;
    }
    let overridden = reader.request(Method::GET, "/v1/transfers").header("x-http-method-override", "POST");
    assert_eq!(overridden.send().await.unwrap().status(), 405);
    assert_eq!(node.world().await, before);
    node.raw(Method::DELETE, "/v1/tokens/reader").send().await.unwrap();
}

#[tokio::test]
async fn a_token_acts_for_its_account_and_no_other_until_it_is_revoked() {
    let node = plain_node().await;
    let address = account(&node, "bound", 10 * DNT).await;
    let asked = json!({ "name": "bound", "scopes": ["spend", "contribute"], "accounts": ["bound"] });
    let program = Program::new(&node, asked.clone()).await;
    read("its own", program.pay("bound", 5)).await;
    for from in ["alice", "node"] {
        refused(from, program.pay(from, 5), 403, "foreign-account", &address).await;
    }
    let withdrawn =
        program.request(Method::POST, &format!("/v1/accounts/{}/rewards", address_of(&node, "alice").await));
    refused("by its address", withdrawn, 403, "foreign-account", "datanet token create --account").await;
    let upload = program
        .request(Method::POST, "/v1/datanets/topics/contributions")
        .header("content-type", "application/x-ndjson");
    refused("as the node, by default", upload.body("{}"), 403, "foreign-account", &address).await;
    // Neither keys nor tokens, by which it would be rid of its bounds.
    refused("a key", program.post("/v1/keys", json!({ "name": "mine" })), 403, "scope", "admin").await;
    refused("a token", program.post("/v1/tokens", asked), 403, "scope", "admin").await;

    let taken = node.raw(Method::POST, "/v1/tokens").json(&json!({ "name": "bound", "scopes": ["read"] }));
    refused("its name", taken, 409, "token-exists", "revoke it").await;
    let all = node.get("/v1/tokens").await;
    assert!(!all.to_string().contains(&program.secret));
    let revoked = read("revoke", node.raw(Method::DELETE, "/v1/tokens/bound")).await;
    assert_eq!(revoked["state"], "revoked");
    refused("revoked", program.pay("bound", 5), 401, "token-ended", "was revoked").await;
    let log = node.get("/v1/tokens/log?limit=1000").await;
    let events: Vec<&str> = log["entries"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|entry| entry["name"] == "bound")
        .map(|entry| entry["event"].as_str().unwrap())
        .collect();
    assert_eq!((events.first(), events.last()), (Some(&"revoked"), Some(&"created")), "{log:#}");
    assert!(events.contains(&"spent") && events.contains(&"refused"), "{log:#}");
}

async fn address_of(node: &Api, name: &str) -> String {
    let keys = node.get("/v1/keys").await;
    let key = keys["keys"].as_array().unwrap().iter().find(|key| key["name"] == name).unwrap().clone();
    key["address"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn guesses_and_halves_of_a_secret_open_nothing() {
    let node = plain_node().await;
    let program = Program::new(&node, json!({ "name": "guessed", "scopes": ["read"] })).await;
    let id = program.current().await["id"].as_str().unwrap().to_owned();
    for guess in
        [format!("dnt_{id}_"), format!("dnt_{id}_{}", "0".repeat(64)), format!("{}0", program.secret), id.clone()]
    {
        let request = node.bare(Method::GET, "/v1/status").bearer_auth(&guess);
        refused(&guess, request, 401, "token", "api-token").await;
    }
    let ended = node.raw(Method::DELETE, &format!("/v1/tokens/{id}"));
    read("by its id", ended).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_transfers_at_once_and_a_restart_spend_no_more_than_the_limit() {
    let mut node = TestNode::spawn_with(tools_without_model(), config()).await;
    let address = account(&node, "alice", 100 * DNT).await;
    let limit = json!({ "amount": DNT, "period": "total" });
    let token = json!({ "name": "agent", "scopes": ["spend"], "accounts": ["alice"], "limit": limit });
    let program = Program::new(&node, token).await;
    let (secret, before) = (program.secret.clone(), node.balance(&address).await);
    let round = async |program: &Program<'_>| {
        let sent = join_all((0..50).map(|_| program.pay("alice", DNT / 7).send())).await;
        let mut done = 0_u64;
        for response in sent {
            let response = response.unwrap();
            match response.status().as_u16() {
                200 => done += 1,
                402 => assert_eq!(response.json::<Value>().await.unwrap()["code"], "token-limit"),
                other => panic!("{other}: {}", response.text().await.unwrap()),
            }
        }
        done
    };
    let done = round(&program).await;
    assert!((1..=6).contains(&done), "{done} sevenths with their fees");
    let spent = before - node.balance(&address).await;
    assert!(spent <= DNT && spent >= done * (DNT / 7), "{spent}");
    refused("more than is left", program.pay("alice", DNT), 402, "token-limit", "datanet token create --limit").await;

    node.restart(Duration::from_millis(500)).await;
    let program = Program { node: &node, secret };
    let more = round(&program).await;
    let spent = before - node.balance(&address).await;
    assert!(spent <= DNT, "{done} and {more} took {spent}");
    let left = program.current().await["left"].as_u64().unwrap();
    assert!(left <= DNT - spent, "{left} of {spent}");
}

#[tokio::test]
async fn what_the_ledger_refuses_takes_nothing_of_the_limit() {
    let node = plain_node().await;
    account(&node, "poor", DNT).await;
    let limit = json!({ "amount": 5 * DNT, "period": "day" });
    let token = json!({ "name": "poor", "scopes": ["spend"], "accounts": ["poor"], "limit": limit });
    let program = Program::new(&node, token).await;
    refused("more than it has", program.pay("poor", 3 * DNT), 402, "insufficient-funds", "").await;
    let current = program.current().await;
    assert_eq!((&current["left"], &current["state"]), (&json!(5 * DNT), &json!("active")), "{current}");
    assert!(current["renews_at"].as_u64().unwrap().is_multiple_of(86_400));
    node.raw(Method::DELETE, "/v1/tokens/poor").send().await.unwrap();
}

#[tokio::test]
async fn an_answer_is_paid_by_the_tokens_account_within_its_limit() {
    let Some(node) = node_with_model().await else { return };
    give_final(&node, "alice", 420, 24).await;
    account(&node, "asker", 10 * DNT).await;
    let limit = json!({ "amount": 20_000, "period": "total" });
    let token = json!({ "name": "asker", "scopes": ["ask"], "accounts": ["asker"], "limit": limit });
    let program = Program::new(&node, token).await;
    let ask = |question: &str| program.post("/v1/ask", json!({ "datanet": "topics", "question": question }));
    refused("no channel yet", ask("soup?"), 402, "no-channel", "datanet channel open").await;
    let dear = program.post("/v1/channels", json!({ "account": "asker", "deposit": 50_000 }));
    refused("a dear channel", dear, 402, "token-limit", "its fee").await;
    // What it pays in is counted then, and not again when it is asked for.
    read("a channel", program.post("/v1/channels", json!({ "account": "asker", "deposit": 10_000 }))).await;
    let left = program.current().await["left"].as_u64().unwrap();
    assert!(left <= 10_000 - 1_000, "{left}");
    for n in 0..3 {
        let answer = read("an answer", ask(&format!("how long does soup number {n} cook?"))).await;
        assert_eq!(answer["fee"], 1_000);
    }
    assert_eq!(program.current().await["left"], left);
    // Another's channel is no way around: it is not lent to this token.
    let other = program.post("/v1/ask", json!({ "datanet": "topics", "question": "soup?", "account": "alice" }));
    refused("another pays", other, 403, "foreign-account", "datanet token create").await;
    // What the operator has paid in is counted when the token asks for it.
    node.post("/v1/channels", json!({ "account": "asker", "deposit": 1_000_000 })).await;
    let mut answered = 0_u64;
    loop {
        let response = ask(&format!("and soup number {answered} with salt?")).send().await.unwrap();
        if response.status() == 200 {
            answered += 1;
            continue;
        }
        let problem: Value = response.json().await.unwrap();
        assert_eq!(problem["code"], "token-limit", "{problem}");
        break;
    }
    assert!(answered <= left / 1_000 + 7, "{answered} answers of {left} and of what it has paid in");
    node.raw(Method::DELETE, "/v1/tokens/asker").send().await.unwrap();
}

#[tokio::test]
async fn a_token_is_made_listed_and_revoked_as_the_documentation_types_it() {
    let node = plain_node().await;
    let home = node.home();
    let secret = cli::json(
        home,
        &[
            "token",
            "create",
            "agent",
            "--scope",
            "read,contribute,ask",
            "--account",
            "alice",
            "--limit",
            "5DNT/day",
            "--expires",
            "30d",
        ],
    );
    assert_eq!(secret["token"]["scopes"], json!(["read", "ask", "contribute"]));
    let program = Program { node: &node, secret: secret["secret"].as_str().unwrap().to_owned() };
    read("the status", program.request(Method::GET, "/v1/status")).await;
    let listed = cli::said(home, &["token", "list"]);
    assert!(listed.contains("agent") && listed.contains("5 DNT (day)") && listed.contains("active"), "{listed}");
    cli::fails(home, &["token", "create", "agent", "--scope", "read"], "revoke it");
    cli::fails(home, &["token", "create", "--scope", "admin", "--account", "alice"], "bind nobody");
    cli::fails(home, &["token", "revoke", "nobody"], "datanet token list");
    assert!(cli::said(home, &["token", "revoke", "agent"]).contains("revoked"));
    refused("revoked", program.request(Method::GET, "/v1/status"), 401, "token-ended", "was revoked").await;
    let log = cli::said(home, &["token", "log"]);
    assert!(log.contains("created") && log.contains("revoked") && log.contains("by the operator"), "{log}");
}
