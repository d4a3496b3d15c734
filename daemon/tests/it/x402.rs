//! x402 from a stranger's side: a price, a payment, an answer; and what is tried with payments of one's own and of others. The reference clients
//! themselves are in `.ci/x402`.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use datanet_api::RunFile;
use datanet_api::x402::{
    PaymentPayload, PaymentRequired, REQUIRED_HEADER, RESPONSE_HEADER, Requirements, SettleResponse,
};
use datanet_config::{Home, NodeConfig};
use datanet_types::action::{OpenChannel, Transfer};
use datanet_types::quote::SignedQuote;
use datanet_types::tx::TxBody;
use datanet_types::voucher::SignedVoucher;
use datanet_types::{Action, ChannelId, SignedTx, SigningKey};
use futures::future::join_all;
use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};

use crate::corpus;
use crate::crash::Process;
use crate::kit::{self, Api, CHAIN, TestNode, config, read, refused, tools_with_model, tools_without_model};
use crate::payer::Payer;

const PRICE: u64 = 1_000;

pub fn public_config() -> NodeConfig {
    let mut config = config();
    config.public.listen = "127.0.0.1:0".to_owned();
    config.public.till = "till".to_owned();
    config.public.requests_per_minute = 60_000;
    config.public.answers_per_minute = 60_000;
    (config.public.max_connections_per_address, config.public.max_requests) = (500, 500);
    config
}

/// A node that sells answers, its till with a channel; the address of the till.
pub async fn shop(node: &TestNode) -> String {
    node.datanet("topics", &corpus::labelled(), corpus::jsonl(&corpus::samples(300, 45))).await;
    let till = node.account("till", 1_000_000).await;
    node.post("/v1/channels", json!({ "account": "till", "deposit": 500_000 })).await;
    till
}

pub fn face(node: &TestNode) -> Api {
    face_at(node.home())
}

fn face_at(home: &Path) -> Api {
    let run = std::fs::read_to_string(Home::new(home).run_file()).unwrap();
    let run: RunFile = serde_json::from_str(&run).unwrap();
    Api::new(run.public.expect("there is a public face"), String::new())
}

fn ask(face: &Api, question: &str) -> RequestBuilder {
    face.bare(Method::POST, "/v1/ask").json(&json!({ "datanet": "topics", "question": question }))
}

fn header<T: serde::de::DeserializeOwned>(response: &Response, name: &str) -> T {
    let text = response.headers().get(name).unwrap_or_else(|| panic!("no {name}: {response:?}"));
    serde_json::from_slice(&STANDARD.decode(text.as_bytes()).unwrap()).unwrap()
}

/// What a request is to cost.
pub async fn price(request: RequestBuilder) -> PaymentRequired {
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 402);
    header(&response, REQUIRED_HEADER)
}

fn way<'a>(required: &'a PaymentRequired, scheme: &str) -> &'a Requirements {
    required.accepts.iter().find(|way| way.scheme == scheme).unwrap_or_else(|| panic!("no {scheme}: {required:?}"))
}

fn payload(required: &PaymentRequired, scheme: &str, payload: Value) -> PaymentPayload {
    PaymentPayload {
        x402_version: 2,
        resource: Some(required.resource.clone()),
        accepted: way(required, scheme).clone(),
        payload,
        extensions: required.extensions.clone(),
    }
}

fn paid(request: RequestBuilder, payload: &PaymentPayload) -> RequestBuilder {
    request.header("payment-signature", STANDARD.encode(serde_json::to_vec(payload).unwrap()))
}

/// A transaction on the terms of a 402.
fn transaction(terms: &Value, key: &SigningKey, nonce: u64, action: Action) -> SignedTx {
    let number = |name: &str| terms[name].as_u64().unwrap();
    let (expiry, fee, gas_limit) = (number("expiry"), number("fee"), number("gasLimit"));
    let chain_id = terms["chainId"].as_str().unwrap().to_owned();
    TxBody { chain_id, expiry, fee, nonce, account: key.address(), gas_limit, tip: 0, action: Some(action) }.sign(key)
}

fn voucher(channel: ChannelId, cumulative: u64, key: &SigningKey) -> Value {
    let SignedVoucher { signature, .. } = SignedVoucher::sign(CHAIN, channel, cumulative, key);
    json!({ "channelId": channel, "maxClaimableAmount": cumulative.to_string(), "signature": signature })
}

fn by_voucher(required: &PaymentRequired, channel: ChannelId, cumulative: u64, key: &SigningKey) -> PaymentPayload {
    let signed = voucher(channel, cumulative, key);
    payload(required, "batch-settlement", json!({ "type": "voucher", "voucher": signed }))
}

/// A channel of so much, opened with the first answer.
fn by_deposit(required: &PaymentRequired, deposit: u64, key: &SigningKey) -> (PaymentPayload, ChannelId) {
    let way = way(required, "batch-settlement");
    let node = way.pay_to.parse().unwrap();
    let expires_at = way.extra["channelExpiresAt"].as_u64().unwrap();
    let open = OpenChannel { node, deposit, expires_at, voucher_key: None };
    let tx = transaction(&way.extra, key, u64::from_le_bytes(kit::random()), Action::OpenChannel(open)).to_bytes();
    let channel = SignedTx::verify(&tx, CHAIN).unwrap().channel_id();
    let signed = voucher(channel, PRICE, key);
    let sent = json!({ "type": "deposit", "transaction": STANDARD.encode(tx), "voucher": signed });
    (payload(required, "batch-settlement", sent), channel)
}

pub fn by_transfer(
    required: &PaymentRequired,
    key: &SigningKey,
    change: impl Fn(&mut Transfer, &mut u64),
) -> PaymentPayload {
    let way = way(required, "exact");
    let mut nonce = way.extra["nonce"].as_str().unwrap().parse().unwrap();
    let mut transfer = Transfer { to: way.pay_to.parse().unwrap(), amount: way.amount.parse().unwrap() };
    change(&mut transfer, &mut nonce);
    let tx = transaction(&way.extra, key, nonce, Action::Transfer(transfer)).to_bytes();
    payload(required, "exact", json!({ "transaction": STANDARD.encode(tx) }))
}

async fn promised(node: &Api, key: &SigningKey) -> u64 {
    let channels = node.get(&format!("/v1/channels?account={}", key.address())).await;
    channels["channels"].as_array().unwrap().iter().map(|one| one["promised"].as_u64().unwrap()).sum()
}

#[tokio::test]
async fn a_stranger_is_told_a_price_opens_a_channel_and_is_answered_in_one_request_each() {
    let Some(tools) = tools_with_model().await else { return };
    let node = TestNode::spawn_with(tools, public_config()).await;
    let till = shop(&node).await;
    node.account("alice", 100_000_000).await;
    crate::revoked::give_final(&node, "alice", 0, 24).await;
    let (face, payer) = (face(&node), Payer::new(&node).await);
    let question = "how do I thicken a soup?";

    let required = price(ask(&face, question)).await;
    assert_eq!(required.resource.url, format!("http://{}/v1/ask", face.authority()));
    assert_eq!(
        required.accepts.iter().map(|way| way.scheme.as_str()).collect::<Vec<_>>(),
        ["batch-settlement", "exact"]
    );
    assert!(required.accepts.iter().all(|way| way.amount == "1000" && way.network == format!("datanet:{CHAIN}")));
    let (first, channel) = by_deposit(&required, 50_000, &payer.key);
    let response = paid(ask(&face, question), &first).send().await.unwrap();
    assert_eq!(response.status(), 200, "{}", response.text().await.unwrap());
    let settled: SettleResponse = header(&response, RESPONSE_HEADER);
    let answer: Value = response.json().await.unwrap();
    assert!(settled.success && answer["receipt"]["id"] == settled.transaction, "{settled:?}");
    assert_eq!(settled.payer, Some(payer.key.address().to_string()));
    assert_eq!(settled.extra.unwrap()["channelState"]["chargedCumulativeAmount"], "1000");

    // The very same again, from as many as like: the same answer, paid once.
    let again = join_all((0..16).map(|_| paid(ask(&face, question), &first).send())).await;
    for response in again {
        let response = response.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.json::<Value>().await.unwrap()["receipt"]["id"], answer["receipt"]["id"]);
    }
    assert_eq!(promised(&node, &payer.key).await, PRICE);

    // One voucher on a hundred requests at once.
    let questions: Vec<String> = (0..100).map(|n| format!("how long does soup number {n} cook?")).collect();
    let prices = join_all(questions.iter().map(|question| price(ask(&face, question)))).await;
    let tries = prices.iter().zip(&questions).map(|(required, question)| {
        paid(ask(&face, question), &by_voucher(required, channel, 2 * PRICE, &payer.key)).send()
    });
    let served =
        join_all(tries).await.into_iter().filter(|response| response.as_ref().unwrap().status() == 200).count();
    assert_eq!(served, 1, "one voucher bought {served} of 100 answers");
    assert_eq!(promised(&node, &payer.key).await, 2 * PRICE);

    // A name for the payment: a client that signs anew for the same is given the same, and nothing of the new voucher is taken.
    let named = async |question: &str, cumulative: u64| {
        let required = price(ask(&face, question)).await;
        let mut payment = by_voucher(&required, channel, cumulative, &payer.key);
        payment.extensions["payment-identifier"]["info"]["id"] = json!("pay_0123456789abcdef");
        paid(ask(&face, question), &payment).send().await.unwrap()
    };
    let once: Value = named("what goes into a stew?", 3 * PRICE).await.json().await.unwrap();
    let twice: Value = named("what goes into a stew?", 4 * PRICE).await.json().await.unwrap();
    assert!(once["receipt"]["id"].is_string() && once["receipt"]["id"] == twice["receipt"]["id"], "{twice}");
    assert_eq!(promised(&node, &payer.key).await, 3 * PRICE);
    assert_eq!(named("what else?", 4 * PRICE).await.status(), 409);

    // Whoever has lost count is told how the channel stands; nobody else is.
    let required = price(ask(&face, "how is rice cooked?")).await;
    assert!(way(&required, "batch-settlement").extra.get("channelState").is_none());
    let wrong = paid(ask(&face, "how is rice cooked?"), &by_voucher(&required, channel, PRICE + 1, &payer.key));
    let told = price(wrong).await;
    assert_eq!(way(&told, "batch-settlement").extra["channelState"]["chargedCumulativeAmount"], "3000");
    let forged = SigningKey::from_bytes(&[9; 32]);
    let forged = paid(ask(&face, "how is rice cooked?"), &by_voucher(&required, channel, 4 * PRICE, &forged));
    assert!(way(&price(forged).await, "batch-settlement").extra.get("channelState").is_none());

    transfers_buy_one_answer_each(&node, &face, &till).await;
}

async fn transfers_buy_one_answer_each(node: &TestNode, face: &Api, till: &str) {
    let payer = Payer::new(node).await;
    let (question, address) = ("what thickens gravy?", payer.key.address().to_string());
    let had = node.balance(till).await;
    let required = price(ask(face, question)).await;
    let payment = by_transfer(&required, &payer.key, |_, _| {});
    // From sixteen at once: one transfer, one answer, given to all.
    let answers = join_all((0..16).map(|_| paid(ask(face, question), &payment).send())).await;
    let mut receipts = std::collections::BTreeSet::new();
    for response in answers {
        let response = response.unwrap();
        assert_eq!(response.status(), 200, "{}", response.text().await.unwrap());
        let settled: SettleResponse = header(&response, RESPONSE_HEADER);
        let tx = read("the transfer", face.bare(Method::GET, &format!("/v1/tx/{}", settled.transaction))).await;
        assert_eq!(tx["code"], 0, "{tx}");
        receipts.insert(response.json::<Value>().await.unwrap()["receipt"]["id"].to_string());
    }
    assert_eq!(receipts.len(), 1);
    assert_eq!(node.balance(till).await, had + PRICE);
    // It is in a block for everybody to see: nobody buys anything else with it.
    let other = price(ask(face, "what is stolen?")).await;
    let mut stolen = payment.clone();
    stolen.accepted = way(&other, "exact").clone();
    refused("another's transfer", paid(ask(face, "what is stolen?"), &stolen), 402, "bad-transfer", "another quote")
        .await;

    // What one answer costs, promised for twenty at once: one is under way at a time, and each that is answered is paid.
    let poor = SigningKey::from_bytes(&kit::random());
    let amount = way(&other, "exact").extra["fee"].as_u64().unwrap() + 2 * PRICE;
    node.post("/v1/transfers", json!({ "from": "node", "to": poor.address(), "amount": amount })).await;
    let had = node.balance(till).await;
    let questions: Vec<String> = (0..20).map(|n| format!("what is broth number {n}?")).collect();
    let prices = join_all(questions.iter().map(|question| price(ask(face, question)))).await;
    let tries = prices
        .iter()
        .zip(&questions)
        .map(|(required, question)| paid(ask(face, question), &by_transfer(required, &poor, |_, _| {})).send());
    let served =
        join_all(tries).await.into_iter().filter(|response| response.as_ref().unwrap().status() == 200).count();
    let earned = node.balance(till).await - had;
    println!("promised twenty transfers from what pays for few: {served} answers for {earned} base units");
    assert_eq!(earned, served as u64 * PRICE, "an answer was given unpaid, or paid and not given");
    assert!(node.balance(&address).await < 1_000_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_takes_vouchers_and_no_transfer_that_could_be_spent_elsewhere_meanwhile() {
    let node = TestNode::spawn_with(tools_without_model(), public_config()).await;
    let till = node.account("till", 1_000_000).await;
    node.post("/v1/channels", json!({ "account": "till", "deposit": 500_000 })).await;
    let new = json!({ "name": "owl", "card": "0a".repeat(32), "budget": 1_000_000, "period_seconds": 60 });
    let agent = node.post("/v1/agents", new).await["id"].as_str().unwrap().to_owned();
    node.post(&format!("/v1/agents/{agent}/calls"), json!({ "price": 10_000, "description": "owls" })).await;
    let (face, payer, path) = (face(&node), Payer::new(&node).await, format!("/v1/agents/{agent}/ask"));
    let ask = || face.bare(Method::POST, &path).json(&json!({ "text": "what do owls eat?" }));
    let mut required = price(ask()).await;
    assert_eq!(required.accepts.iter().map(|way| way.scheme.as_str()).collect::<Vec<_>>(), ["batch-settlement"]);
    let sold = read("what is sold", face.bare(Method::GET, "/.well-known/x402.json")).await;
    assert!(!sold.to_string().contains("\"exact\""), "{sold}");
    // Whoever makes one up is refused before anything is asked of the agent.
    let way = &mut required.accepts[0];
    let quote: SignedQuote = serde_json::from_value(way.extra["quote"].clone()).unwrap();
    way.extra["nonce"] = json!(datanet::billing::transfer::nonce_of(&quote, CHAIN).to_string());
    (way.scheme, way.pay_to) = ("exact".to_owned(), till);
    let made_up = by_transfer(&required, &payer.key, |_, _| {});
    refused("a transfer", paid(ask(), &made_up), 402, "bad-transfer", "pay by a voucher").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_dies_with_a_transfer_in_its_block_answers_for_it_once_it_is_back() {
    if tools_with_model().await.is_none() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let sets = ["consensus.block_interval_ms=20", "public.listen=127.0.0.1:0", "public.till=till"];
    let start = async |variables: &[(&str, &str)]| Process::start_in(dir.path(), &sets, variables).await;
    let searched = async |api: &Api| {
        kit::until("the index is filled", async || {
            let hits = api.get("/v1/search?q=lentils+soup+goal&datanet=topics&mode=text").await;
            (hits["hits"] != json!([])).then_some(())
        })
        .await;
    };
    let node = start(&[]).await;
    let api = node.api();
    api.given_topics().await;
    let till = api.account("till", 1_000_000).await;
    api.post("/v1/channels", json!({ "account": "till", "deposit": 500_000 })).await;
    let payer = Payer::new(api).await;
    drop(node);

    let mut node = start(&[("DATANET_DIE_AT", "collected")]).await;
    searched(node.api()).await;
    let (face, question, had) = (face_at(dir.path()), "how is rice cooked?", node.api().balance(&till).await);
    let required = price(ask(&face, question)).await;
    let payment = by_transfer(&required, &payer.key, |_, _| {});
    assert!(paid(ask(&face, question), &payment).send().await.is_err(), "it has died");
    node.has_ended().await;
    drop(node);

    let node = start(&[]).await;
    searched(node.api()).await;
    assert_eq!(node.api().balance(&till).await, had + PRICE, "it was paid");
    let face = face_at(dir.path());
    // The port is another, and so is the address: as of a client that asks at the node's own.
    let again = PaymentPayload { resource: None, ..payment };
    for _ in 0..2 {
        let answer = read("what was paid", paid(ask(&face, question), &again)).await;
        assert_eq!(answer["fee"], PRICE);
    }
    assert_eq!(node.api().balance(&till).await, had + PRICE, "once");
    refused("else", paid(ask(&face, "what else?"), &again), 402, "bad-quote", "another question").await;
}

#[tokio::test]
async fn what_fails_is_not_paid_and_what_is_not_for_this_node_is_refused_with_a_price() {
    // Without a model whatever is asked fails, once it is paid for.
    let node = TestNode::spawn_with(tools_without_model(), public_config()).await;
    let till = shop(&node).await;
    let (face, payer) = (face(&node), Payer::new(&node).await);
    let (question, address) = ("how is rice cooked?", payer.key.address().to_string());
    let (had, held) = (node.balance(&address).await, node.balance(&till).await);
    let required = price(ask(&face, question)).await;
    for _ in 0..3 {
        let payment = by_transfer(&required, &payer.key, |_, _| {});
        refused("no model", paid(ask(&face, question), &payment), 503, "no-model", "").await;
    }
    assert_eq!(
        (node.balance(&address).await, node.balance(&till).await),
        (had, held),
        "a transfer was sent for nothing"
    );

    let exact = |change: &dyn Fn(&mut Transfer, &mut u64)| by_transfer(&required, &payer.key, change);
    let refusals = [
        (exact(&|transfer, _| transfer.amount -= 1), "bad-transfer", "costs"),
        (exact(&|transfer, _| transfer.to = payer.key.address()), "bad-transfer", "is to be paid"),
        (exact(&|_, nonce| *nonce ^= 1), "bad-transfer", "another quote"),
    ];
    for (payment, code, says) in refusals {
        refused(says, paid(ask(&face, question), &payment), 402, code, says).await;
    }
    // In another's name, by a key that does not speak for it.
    let thief = SigningKey::from_bytes(&kit::random());
    let terms = &way(&required, "exact").extra;
    let transfer = Transfer { to: till.parse().unwrap(), amount: PRICE };
    let nonce = terms["nonce"].as_str().unwrap().parse().unwrap();
    let own = transaction(terms, &thief, nonce, Action::Transfer(transfer));
    let mut body: TxBody = prost::Message::decode(own.body.as_slice()).unwrap();
    body.account = payer.key.address();
    let forged = payload(&required, "exact", json!({ "transaction": STANDARD.encode(body.sign(&thief).to_bytes()) }));
    refused("in another's name", paid(ask(&face, question), &forged), 402, "bad-transfer", "").await;
    let pauper = SigningKey::from_bytes(&kit::random());
    let payment = by_transfer(&required, &pauper, |_, _| {});
    let response = paid(ask(&face, question), &payment).send().await.unwrap();
    assert_eq!(response.status(), 402, "{}", response.text().await.unwrap());

    let changed = |change: &dyn Fn(&mut PaymentPayload)| {
        let mut payment = exact(&|_, _| {});
        change(&mut payment);
        paid(ask(&face, question), &payment)
    };
    type Change<'a> = &'a dyn Fn(&mut PaymentPayload);
    let cases: [(&str, u16, Change); 9] = [
        ("other-payment", 402, &|p| p.accepted.network = "datanet:another".to_owned()),
        ("other-payment", 402, &|p| p.accepted.asset = "0xdead".to_owned()),
        ("other-payment", 402, &|p| p.accepted.scheme = "upto".to_owned()),
        ("other-payment", 402, &|p| p.accepted.amount = "1".to_owned()),
        ("other-payment", 402, &|p| p.resource.as_mut().unwrap().url = "http://169.254.169.254/latest".to_owned()),
        ("bad-quote", 402, &|p| p.accepted.extra["quote"]["expires_at"] = json!(9_999_999_999_u64)),
        ("bad-quote", 402, &|p| p.accepted.extra["quote"]["node"] = json!("00".repeat(32))),
        ("bad-payment", 400, &|p| p.x402_version = 1),
        ("bad-payment", 400, &|p| p.payload = json!({ "transaction": "%%%" })),
    ];
    for (code, status, change) in cases {
        let response = changed(change).send().await.unwrap();
        let priced = response.headers().contains_key(REQUIRED_HEADER);
        let (got, text) = (response.status().as_u16(), response.text().await.unwrap());
        assert_eq!((got, priced), (status, status == 402), "{code}: {text}");
        kit::is_problem(code, &text, status, code, "");
    }
    for broken in ["%%%", "e30=", "W10=", "A".repeat(25_000).as_str()] {
        let request = ask(&face, question).header("payment-signature", broken);
        refused("a broken header", request, 400, "bad-payment", "PAYMENT-SIGNATURE").await;
    }
    // For another question, and in the body as well.
    refused(
        "another question",
        paid(ask(&face, "what else?"), &exact(&|_, _| {})),
        402,
        "bad-quote",
        "another question",
    )
    .await;
    let both = json!({ "datanet": "topics", "question": question, "voucher": payer.voucher(ChannelId([1; 32]), 1) });
    let both = face.bare(Method::POST, "/v1/ask").json(&both);
    refused("two payments", paid(both, &exact(&|_, _| {})), 400, "two-payments", "not both").await;
    assert_eq!(node.balance(&address).await, had);
}

#[tokio::test]
async fn a_facilitator_takes_nothing_that_is_not_served_and_looking_costs_whoever_looks() {
    let mut config = public_config();
    config.public.requests_per_minute = 600;
    let node = TestNode::spawn_with(tools_without_model(), config).await;
    shop(&node).await;
    let (face, payer) = (face(&node), Payer::new(&node).await);
    let question = "how is rice cooked?";
    let had = node.balance(&payer.key.address().to_string()).await;
    let required = price(ask(&face, question)).await;
    let asked = |path: &str, payment: &PaymentPayload| {
        face.bare(Method::POST, path).json(&json!({
            "x402Version": 2, "paymentPayload": payment, "paymentRequirements": payment.accepted,
        }))
    };
    let supported = read("supported", face.bare(Method::GET, "/x402/supported")).await;
    assert_eq!(supported["kinds"].as_array().unwrap().len(), 2, "{supported}");
    let exact = by_transfer(&required, &payer.key, |_, _| {});
    let good = read("a transfer", asked("/x402/verify", &exact)).await;
    assert_eq!(good, json!({ "isValid": true, "payer": payer.key.address() }));
    let unserved = read("unserved", asked("/x402/settle", &exact)).await;
    assert!(unserved["success"] == false && unserved["errorReason"] == "not_served", "{unserved}");
    assert_eq!(node.balance(&payer.key.address().to_string()).await, had, "a transfer was taken for no answer");

    // A deposit is its payer's, and may be made before anything is asked.
    let (deposit, _) = by_deposit(&required, 50_000, &payer.key);
    assert_eq!(read("a deposit", asked("/x402/verify", &deposit)).await["isValid"], true);
    let made = read("a deposit", asked("/x402/settle", &deposit)).await;
    assert!(made["success"] == true && made["amount"] == "50000", "{made}");
    assert_eq!(promised(&node, &payer.key).await, 0);

    let mut less = exact.clone();
    less.accepted.amount = "1".to_owned();
    let bad = read("less", asked("/x402/verify", &less)).await;
    assert!(bad["isValid"] == false && bad["invalidReason"] == "other_payment", "{bad}");

    let manifest = read("what is sold", face.bare(Method::GET, "/.well-known/x402.json")).await;
    assert_eq!(manifest["items"][0]["accepts"][0]["amount"], "1000", "{manifest}");
    let listed = read("the same", face.bare(Method::GET, "/x402/discovery/resources?type=http&limit=1")).await;
    assert_eq!(listed["items"][0]["resource"], format!("http://{}/v1/ask", face.authority()));
    refused("too many", face.bare(Method::GET, "/x402/discovery/resources?limit=101"), 400, "bad-query", "1 to 100")
        .await;

    let mut looked = 0;
    loop {
        let response = asked("/x402/verify", &exact).send().await.unwrap();
        if response.status() == 429 {
            break;
        }
        looked += 1;
        assert!(looked < 100, "looking costs nothing");
    }
    println!("an address looks at {looked} payments at once before it waits");
}
