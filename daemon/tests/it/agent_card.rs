//! The card by which agents elsewhere find a node: what it says is there, and its signature is checked by code that shares nothing with what signed it
//! but ed25519.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use datanet_config::{Home, Role};
use ed25519_dalek::{Signature, VerifyingKey};
use reqwest::Method;
use serde_json::{Value, json};

use crate::corpus;
use crate::kit::{TestNode, new_datanet, random, read, tools_with_model, tools_without_model};
use crate::x402::{face, public_config};

const PATH: &str = "/.well-known/agent-card.json";

/// RFC 8785 for what has no numbers, written from the RFC: fields by UTF-16, no white space, the shortest escapes.
fn canonical(value: &Value, out: &mut String) {
    match value {
        Value::String(text) => string(text, out),
        Value::Array(items) => {
            out.push('[');
            for (place, item) in items.iter().enumerate() {
                if place > 0 {
                    out.push(',');
                }
                canonical(item, out);
            }
            out.push(']');
        }
        Value::Object(fields) => {
            let mut names: Vec<(Vec<u16>, &String)> =
                fields.keys().map(|name| (name.encode_utf16().collect(), name)).collect();
            names.sort_unstable();
            out.push('{');
            for (place, (_, name)) in names.into_iter().enumerate() {
                if place > 0 {
                    out.push(',');
                }
                string(name, out);
                out.push(':');
                canonical(&fields[name], out);
            }
            out.push('}');
        }
        Value::Bool(_) | Value::Null => out.push_str(&value.to_string()),
        Value::Number(number) => panic!("a card has no numbers: {number}"),
    }
}

fn string(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c < ' ' => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
}

/// Whose card it is, if one of its signatures stands: the key in hex.
fn signer(card: &Value) -> Option<String> {
    let bytes = |text: &Value| URL_SAFE_NO_PAD.decode(text.as_str()?).ok();
    let mut said = card.clone();
    let signatures = said.as_object_mut()?.remove("signatures")?;
    let signature = &signatures[0];
    let header: Value = serde_json::from_slice(&bytes(&signature["protected"])?).ok()?;
    assert_eq!((&header["alg"], &header["typ"]), (&json!("EdDSA"), &json!("JOSE")));
    let jwk = header["kid"].as_str()?.strip_prefix("did:jwk:")?.strip_suffix("#0")?;
    let jwk: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(jwk).ok()?).ok()?;
    assert_eq!((&jwk["kty"], &jwk["crv"]), (&json!("OKP"), &json!("Ed25519")));
    let key: [u8; 32] = bytes(&jwk["x"])?.try_into().ok()?;
    let mut payload = String::new();
    canonical(&said, &mut payload);
    let signed = format!("{}.{}", signature["protected"].as_str()?, URL_SAFE_NO_PAD.encode(payload));
    let made = Signature::from_slice(&bytes(&signature["signature"])?).ok()?;
    VerifyingKey::from_bytes(&key).ok()?.verify_strict(signed.as_bytes(), &made).ok()?;
    Some(hex::encode(key))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nodes_card_is_signed_by_its_key_and_claims_nothing_that_is_not_there() {
    let mut config = public_config();
    config.public.url = "https://node.example".to_owned();
    let node = TestNode::spawn_with(tools_without_model(), config).await;
    let mut new = new_datanet("birds", &corpus::labelled(), corpus::jsonl(&corpus::samples(300, 9)));
    new["description"] = json!("Owls\u{202e} and\nothers.");
    node.post("/v1/datanets", new).await;
    let face = face(&node);
    let card = read("the card", face.bare(Method::GET, PATH)).await;
    let key = read("the way in", face.bare(Method::GET, "/")).await["node"].as_str().unwrap().to_owned();
    assert_eq!(signer(&card).as_deref(), Some(key.as_str()), "{card:#}");
    assert!(card["name"].as_str().unwrap().contains(&key[..12]));

    // No A2A is spoken here, and without a model nothing is asked.
    assert_eq!(card["supportedInterfaces"], json!([]));
    // But for what an agent sells.
    let card_of = "0a".repeat(32);
    let agent = node
        .post("/v1/agents", json!({ "name": "owl", "card": card_of, "budget": 1_000_000, "period_seconds": 60 }))
        .await;
    let selling = json!({ "price": 500_000, "description": "Which owl it is,\nby its call." });
    node.post(&format!("/v1/agents/{}/calls", agent["id"].as_str().unwrap()), selling).await;
    let card = read("the card", face.bare(Method::GET, PATH)).await;
    assert_eq!(signer(&card).as_deref(), Some(key.as_str()));
    let skill = &card["skills"][1];
    assert_eq!(
        (&skill["id"], &skill["name"]),
        (&json!(format!("agent:{}", agent["id"].as_str().unwrap())), &json!("Ask owl"))
    );
    let about = skill["description"].as_str().unwrap();
    assert!(about.starts_with("Which owl it is, by its call. An answer costs 0.5 DNT: POST /v1/agents/"), "{about}");
    let skills: Vec<&str> = card["skills"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect();
    assert_eq!((skills.len(), skills[0]), (2, "search"));
    // What is spoken is there.
    let mut addresses = 0;
    for extension in card["capabilities"]["extensions"].as_array().unwrap() {
        for (name, value) in extension["params"].as_object().unwrap() {
            let Some(path) = value.as_str().unwrap().strip_prefix("https://node.example") else { continue };
            let method = if path == "/mcp" { Method::POST } else { Method::GET };
            let status = face.bare(method, path).send().await.unwrap().status();
            assert!(status != 404 && status != 405, "{name}: {path} gives {status}");
            addresses += 1;
        }
    }
    assert!(addresses >= 5, "{card:#}");

    // Whatever is changed breaks it: a word, a price, an address, a signature of another card.
    for (place, value) in [
        ("/name", json!("another")),
        ("/skills/0/description", json!("for nothing")),
        ("/capabilities/extensions/0/params/url", json!("https://evil.example/mcp")),
        ("/supportedInterfaces", json!([{ "url": "https://evil.example", "protocolBinding": "JSONRPC" }])),
        ("/signatures/0/signature", json!(URL_SAFE_NO_PAD.encode([0; 64]))),
    ] {
        let mut changed = card.clone();
        *changed.pointer_mut(place).unwrap() = value;
        assert_eq!(signer(&changed), None, "{place}");
    }
    let mut more = card.clone();
    more["iconUrl"] = json!("https://evil.example/icon.png");
    assert_eq!(signer(&more), None, "a field more");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_names_what_answers_and_nothing_that_is_not_given_out() {
    let Some(tools) = tools_with_model().await else { return };
    let node = TestNode::spawn_with(tools, public_config()).await;
    let mut new = new_datanet("birds", &corpus::labelled(), corpus::jsonl(&corpus::samples(300, 9)));
    new["description"] = json!("Owls\u{202e} and\nothers.");
    let id = node.post("/v1/datanets", new).await["id"].as_str().unwrap().to_owned();
    let face = face(&node);
    let card = read("the card", face.bare(Method::GET, PATH)).await;
    assert!(signer(&card).is_some());
    let skill = &card["skills"][1];
    assert_eq!((&skill["id"], &skill["name"]), (&json!(format!("ask:{id}")), &json!("Ask birds")), "{card:#}");
    let about = skill["description"].as_str().unwrap();
    assert!(about.starts_with("Owls and others. An answer costs "), "{about}");
    // What is not given out is not on it.
    std::fs::write(node.home().join("denied"), format!("{id}\n")).unwrap();
    crate::kit::until("it is denied", async || {
        let card = read("the card", face.bare(Method::GET, PATH)).await;
        (card["skills"].as_array().unwrap().len() == 1).then_some(())
    })
    .await;
}

/// A node that is registered for a registered agent's account, by a key that the agent's owner has let do so; and the agent as it was made.
async fn an_agents_node() -> (TestNode, Value) {
    let mut config = public_config();
    config.public.url = "https://node.example".to_owned();
    config.node.roles = vec![Role::Serving];
    let mut node = TestNode::spawn_with(tools_without_model(), config).await;
    node.account("principal", 20_000_000).await;
    let new = json!({
        "account": "principal", "name": "owl", "card": "0a".repeat(32), "budget": 5_000_000, "period_seconds": 86_400,
        "funds": 5_000_000,
    });
    let agent = node.post("/v1/agents", new).await;
    node.post("/v1/keys", json!({ "name": "runner", "account": agent["account"] })).await;
    let grant = json!({
        "account": "principal", "key": "runner", "actions": ["register_node"], "budget": 5_000_000, "period_seconds": 86_400,
        "lasts_seconds": 864_000,
    });
    node.post(&format!("/v1/agents/{}/keys", agent["id"].as_str().unwrap()), grant).await;
    node.stop();
    // Another node begins in the same home: of a key of its own, and acting for the agent's account.
    let home = Home::new(node.home());
    let runner = std::fs::read_to_string(home.keys().join("runner.json")).unwrap();
    std::fs::write(home.keys().join("node.json"), runner.replace("\"runner\"", "\"node\"")).unwrap();
    std::fs::write(node.home().join("node-key"), hex::encode(random::<32>())).unwrap();
    node.start().await;
    (node, agent)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agents_node_says_whose_it_is_as_the_ledger_has_it_and_no_word_of_that_can_be_changed() {
    let (node, agent) = an_agents_node().await;
    let (face, id) = (face(&node), agent["id"].as_str().unwrap());
    let sells = async |price: u64| {
        let selling = json!({ "price": price, "description": "Which owl it is." });
        node.post(&format!("/v1/agents/{id}/calls"), selling).await;
        read("the card", face.bare(Method::GET, PATH)).await
    };
    let card = sells(500_000).await;
    let key = read("the way in", face.bare(Method::GET, "/")).await["node"].as_str().unwrap().to_owned();
    assert_eq!(signer(&card).as_deref(), Some(key.as_str()), "{card:#}");

    // What is said of the agent is what the node serves of it, and so is the price.
    let shown = read("the agent", face.bare(Method::GET, &format!("/v1/agents/{id}"))).await;
    let extensions = card["capabilities"]["extensions"].as_array().unwrap();
    let place = extensions.iter().position(|one| one["uri"] == "urn:datanet:agent").unwrap();
    let params = &extensions[place]["params"];
    for name in ["id", "account", "owner", "card"] {
        assert_eq!(params[name], shown[name], "{name}: {params:#}");
    }
    assert_eq!((&card["name"], &shown["account"]), (&json!("owl"), &agent["account"]));
    let path = params["said"].as_str().unwrap().strip_prefix("https://node.example").unwrap();
    assert_eq!(read("what is said of it", face.bare(Method::GET, path)).await["agent"], shown["id"]);
    let priced = async |card: &Value, price: u64, words: &str| {
        let services = read("what is sold", face.bare(Method::GET, "/v1/services")).await;
        assert_eq!((&services["services"][0]["agent"], &services["services"][0]["price"]), (&json!(id), &json!(price)));
        let skills = card["skills"].as_array().unwrap();
        let skill = skills.iter().find(|one| one["id"] == format!("agent:{id}")).unwrap();
        assert!(skill["description"].as_str().unwrap().contains(words), "{skill:#}");
    };
    priced(&card, 500_000, "An answer costs 0.5 DNT").await;
    let dearer = sells(600_000).await;
    priced(&dearer, 600_000, "An answer costs 0.6 DNT").await;
    assert!(signer(&dearer).is_some() && dearer["signatures"] != card["signatures"]);

    // The signature holds each word of it, that it is there, and whose card it stands on.
    for name in ["id", "account", "owner", "card", "said"] {
        let mut changed = card.clone();
        changed["capabilities"]["extensions"][place]["params"][name] = json!("0b".repeat(32));
        assert_eq!(signer(&changed), None, "{name}");
    }
    let mut without = card.clone();
    without["capabilities"]["extensions"].as_array_mut().unwrap().remove(place);
    assert_eq!(signer(&without), None, "without it");
    let mut swapped = dearer.clone();
    swapped["skills"] = card["skills"].clone();
    assert_eq!(signer(&swapped), None, "another card's prices");
}
