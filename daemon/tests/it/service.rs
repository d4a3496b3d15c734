//! An agent that sells a composed skill at a real node: asked by callers of every kind, its suppliers on the receipt, killed at each step.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use datanet::agent::spec::Loaded;
use datanet::agent::{Summary, Told};
use datanet_api::RunFile;
use datanet_config::Home;
use datanet_types::receipt::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::corpus;
use crate::factory::{prepared, trained, writer_job};
use crate::kit::{self, Api, TestNode, is_problem};
use crate::revoked::give_final;

const DNT: u64 = 1_000_000;
/// Of an answer of the datanet, and of the agent.
const COST: u64 = 1_000;
const PRICE: u64 = 10_000;
const FLOOR_BPS: u64 = 2_500;

/// An agent on the ledger, with a key and a token on the node, and a spec in a folder of its own.
struct Shop {
    dir: TempDir,
    id: String,
    account: String,
}

/// A shop that works in this process.
struct Open {
    stop: CancellationToken,
    task: JoinHandle<anyhow::Result<Summary>>,
}

impl Open {
    async fn close(self) -> Summary {
        self.stop.cancel();
        self.task.await.unwrap().unwrap()
    }
}

impl Shop {
    /// One that sells what `parts` of the spec say, made from the datanet `topics`; the node's account owns it.
    async fn new(node: &Api, home: &Path, parts: &str) -> Self {
        let topics = node.get("/v1/datanets/topics").await["id"].as_str().unwrap().to_owned();
        let suppliers = json!([{ "asset": format!("datanet:{topics}"), "floor_bps": FLOOR_BPS }]);
        let new = json!({
            "name": "owl", "card": "0a".repeat(32), "suppliers": suppliers, "budget": 10 * DNT, "period_seconds": 86_400,
            "funds": 20 * DNT,
        });
        let agent = node.post("/v1/agents", new).await;
        let text = |name: &str| agent[name].as_str().unwrap().to_owned();
        let shop = Self { dir: tempfile::tempdir().unwrap(), id: text("id"), account: text("account") };
        node.post("/v1/keys", json!({ "name": "shop", "account": shop.account })).await;
        let actions = ["open_channel", "top_up_channel"];
        let grant = json!({ "key": "shop", "actions": actions, "budget": 10 * DNT, "period_seconds": 86_400, "lasts_seconds": 864_000 });
        node.post(&format!("/v1/agents/{}/keys", shop.id), grant).await;
        node.post("/v1/channels", json!({ "account": "shop", "deposit": DNT })).await;
        let token = json!({
            "name": "shop", "scopes": ["read", "search", "ask", "contribute"], "accounts": ["shop"],
            "limit": { "amount": 5 * DNT, "period": "day" },
        });
        let secret = node.post("/v1/tokens", token).await["secret"].as_str().unwrap().to_owned();
        std::fs::write(shop.dir.path().join("owl.token"), secret).unwrap();
        shop.says(home, parts);
        shop
    }

    fn spec(&self) -> PathBuf {
        self.dir.path().join("owl.toml")
    }

    fn says(&self, home: &Path, parts: &str) {
        let id = &self.id;
        let spec = format!(
            "name = \"owl\"\naccount = \"shop\"\n[node]\nhome = {home:?}\ntoken_file = \"owl.token\"\n[budget]\namount = \"1DNT\"\n\
             period = \"day\"\neach = \"0.01DNT\"\n[service]\nagent = \"{id}\"\nprice = \"{PRICE}base\"\ndescription = \"answers about topics\"\n{parts}\n"
        );
        std::fs::write(self.spec(), spec).unwrap();
    }

    /// Works in this process, as other programs may have it: a spec, a token to stop it by, and who is told.
    async fn open(&self, node: &Api) -> Open {
        let loaded = Loaded::read(&self.spec()).unwrap();
        let stop = CancellationToken::new();
        let asked = stop.clone();
        let task =
            tokio::spawn(
                async move { datanet::agent::run(&loaded, asked, Told::new(|line| println!("{line}"))).await },
            );
        self.is_open(node).await;
        Open { stop, task }
    }

    async fn is_open(&self, node: &Api) {
        kit::until("the agent sells", async || {
            let services = node.get("/v1/services").await;
            let sold = services["services"].as_array().unwrap().iter().any(|one| one["agent"] == self.id.as_str());
            sold.then_some(())
        })
        .await;
    }

    /// Works in a process of its own.
    fn process(&self, variables: &[(&str, &str)]) -> Child {
        let mut command = Command::new(env!("CARGO_BIN_EXE_datanet"));
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"DATANET_")) {
            command.env_remove(name);
        }
        command.args(["agent", "run", self.spec().to_str().unwrap()]).envs(variables.iter().copied());
        command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap()
    }

    fn path(&self) -> String {
        format!("/v1/agents/{}/ask", self.id)
    }

    async fn ask(&self, node: &Api, text: &str, account: &str) -> Value {
        node.post(&self.path(), json!({ "text": text, "account": account })).await
    }

    /// What it said of itself in `datanet agent status --json`.
    fn status(&self) -> Value {
        let output = Command::new(env!("CARGO_BIN_EXE_datanet"))
            .args(["agent", "status", self.spec().to_str().unwrap(), "--json"])
            .output()
            .unwrap();
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
    }
}

/// What the accounts have promised to this node.
async fn promised(node: &Api, account: &str) -> u64 {
    let channels = node.get(&format!("/v1/channels?account={account}")).await;
    channels["channels"].as_array().unwrap().iter().map(|channel| channel["promised"].as_u64().unwrap()).sum()
}

/// A datanet that answers, and a caller with a channel.
async fn market(node: &Api) {
    node.account("alice", 20 * DNT).await;
    node.datanet("topics", &corpus::labelled(), corpus::jsonl(&corpus::samples(300, 45))).await;
    give_final(node, "alice", 0, 30).await;
    node.post("/v1/channels", json!({ "account": "alice", "deposit": 10 * DNT })).await;
    let question = json!({ "datanet": "topics", "text": corpus::samples(0, 1)[0].0, "account": "alice" });
    kit::until("the index is filled", async || {
        let answer = node.post("/v1/ask", question.clone()).await;
        (answer["fee"] != 0).then_some(())
    })
    .await;
}

const SEARCH: &str = "datanet = \"topics\"\npassages = 3\ntemplate = \"Q: {question}\\nA: {answer}\"";

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_sells_what_it_bought_with_its_suppliers_on_the_receipt() {
    let Some(tools) = kit::tools_with_model().await else { return };
    let mut config = kit::config();
    config.public.listen = "127.0.0.1:0".to_owned();
    config.public.answers_per_minute = 60_000;
    let mut node = TestNode::spawn_with(tools, config).await;
    market(&node).await;
    let shop = Shop::new(&node, node.home(), SEARCH).await;
    let closed = node.raw(reqwest::Method::POST, &shop.path()).json(&json!({ "text": "?", "account": "alice" }));
    kit::refused("nobody sells", closed, 404, "not-sold", "sells nothing at this node now").await;
    let open = shop.open(&node).await;

    let (before, own) = (promised(&node, "alice").await, promised(&node, "shop").await);
    let answer = shop.ask(&node, "How long do lentils simmer?", "alice").await;
    let text = answer["answer"].as_str().unwrap();
    assert!(text.starts_with("Q: How long do lentils simmer?\nA: ") && text.len() > 40, "{text}");
    assert_eq!((&answer["fee"], promised(&node, "alice").await), (&json!(PRICE), before + PRICE));
    assert_eq!(promised(&node, "shop").await, own + COST);
    let sale = &answer["receipt"]["sale"];
    assert_eq!(
        (&sale["agent"], &sale["suppliers"][0]["fee"], &sale["depth"]),
        (&json!(shop.id), &json!(COST), &json!(2))
    );

    // Hop by hop: the agent's receipt names its supplier's, which names datanet, snapshot and contributions.
    let receipt = answer["receipt"]["id"].as_str().unwrap();
    let verified = node.post(&format!("/v1/receipts/{receipt}/verify"), json!({})).await;
    assert_eq!(verified["verdict"], "match", "{verified}");
    let supplier = sale["suppliers"][0]["receipt"].as_str().unwrap();
    let behind = node.get(&format!("/v1/receipts/{supplier}")).await["receipt"].clone();
    assert!(!behind["credits"].as_array().unwrap().is_empty() && behind["order"].is_string(), "{behind}");
    assert_eq!(node.post(&format!("/v1/receipts/{supplier}/verify"), json!({})).await["verdict"], "match");
    let explained = node.get(&format!("/v1/attributions/{receipt}")).await;
    assert_eq!(explained["method"], "composed", "{explained}");

    // By the same name the same again, for nothing; and at the quoted price.
    let quote = node.post("/v1/quotes", json!({ "agent": shop.id })).await["quote"].clone();
    let named = || {
        let body = json!({ "text": "What is whisked?", "account": "alice", "quote": quote });
        node.raw(reqwest::Method::POST, &shop.path()).header("Idempotency-Key", "order-7").json(&body)
    };
    let (first, second) = (kit::read("once", named()).await, kit::read("again", named()).await);
    assert_eq!(first, second);
    assert_eq!((promised(&node, "alice").await, promised(&node, "shop").await), (before + 2 * PRICE, own + 2 * COST));

    // Strangers are told the price, and what is sold.
    let run = std::fs::read_to_string(Home::new(node.home()).run_file()).unwrap();
    let public = serde_json::from_str::<RunFile>(&run).unwrap().public.unwrap();
    let stranger = datanet_api::loopback::client_builder().unwrap().build().unwrap();
    let unpaid = stranger.post(format!("{public}{}", shop.path())).json(&json!({ "text": "?" })).send().await.unwrap();
    assert!(unpaid.status() == 402 && unpaid.headers().contains_key("payment-required"), "{unpaid:?}");
    let sold = stranger.get(format!("{public}/.well-known/x402.json")).send().await.unwrap().text().await.unwrap();
    assert!(sold.contains(&shop.path()) && sold.contains("answers about topics"), "{sold}");

    let journal = shop.status();
    let sales = json!({ "sold": 2, "taken": 2 * PRICE, "cost": 2 * COST, "not_sold": 0, "lost": 0 });
    assert_eq!((&journal["sales"], &journal["spent"]), (&sales, &json!(2 * COST)), "{journal}");
    settles(&node, &shop, 2).await;
    let summary = open.close().await;
    assert_eq!((summary.pending, summary.spent), (0, 2 * COST));

    // What was bought is given again at whatever price it is sold now, and where nobody sells it any more.
    let token = std::fs::read_to_string(shop.dir.path().join("owl.token")).unwrap();
    let dearer = json!({ "price": 2 * PRICE, "anew": true, "wait_seconds": 0 });
    node.with_token(&token).post(&format!("/v1/agents/{}/calls", shop.id), dearer).await;
    assert_eq!(kit::read("at another price", named()).await, first);
    node.restart(std::time::Duration::from_millis(200)).await;
    let asked = |text: &str| {
        let body = json!({ "text": text, "account": "alice", "quote": quote });
        node.raw(reqwest::Method::POST, &shop.path()).header("Idempotency-Key", "order-7").json(&body)
    };
    assert_eq!(kit::read("nobody sells it", asked("What is whisked?")).await, first);
    kit::refused("another question", asked("What is baked?"), 404, "not-sold", "sells nothing").await;
}

/// The epoch is what its receipts give, and pays floors and the agent.
async fn settles(node: &Api, shop: &Shop, sold: u64) {
    let status = node.get("/v1/status").await;
    let key = status["node_key"].as_str().unwrap();
    let epoch = node.post("/v1/epochs/settle", json!({})).await["epoch"].as_u64().unwrap();
    let check = node.post(&format!("/v1/epochs/{key}-{epoch}/check"), json!({})).await;
    assert_eq!(check["finding"], "correct", "{check}");
    let earned = node.get(&format!("/v1/accounts/{}/earnings", shop.account)).await;
    // Four fifths of each fee are to be claimed; the floors are taken when they are.
    let all = sold * PRICE * 8 / 10;
    let text = earned.to_string();
    let answers = if sold == 1 { "1 answer".to_owned() } else { format!("{sold} answers") };
    assert!(
        text.contains(&format!("your agent sold {answers}")) && text.contains(&format!("\"amount\":{all}")),
        "{earned:#}"
    );
}

/// All three parts: what is found, a model that reads it, and words around what it writes.
const WRITTEN: &str = "datanet = \"topics\"\npassages = 2\nmodel = \"writer\"\nmax_tokens = 12\ninstructions = \"Be brief.\"\n\
                       template = \"{answer} ({question})\"";

/// What the accounts of these names have earned in a role.
async fn earned(node: &Api, names: &[&str], role: &str) -> u64 {
    let keys = node.get("/v1/keys").await;
    let mut sum = 0;
    for key in keys["keys"].as_array().unwrap().iter().filter(|key| names.contains(&key["name"].as_str().unwrap())) {
        let earnings = node.get(&format!("/v1/accounts/{}/earnings", key["address"].as_str().unwrap())).await;
        let lines = earnings["lines"].as_array().unwrap().iter().filter(|line| line["role"] == role);
        sum += lines.map(|line| line["amount"].as_u64().unwrap()).sum::<u64>();
    }
    sum
}

#[tokio::test(flavor = "multi_thread")]
async fn a_skill_of_search_model_and_template_names_both_suppliers_and_both_are_paid() {
    let Some(node) = prepared().await else { return };
    node.account("builder", 10 * DNT).await;
    let mut job = writer_job();
    job["account"] = json!("builder");
    // It has to read the owner's words, the question and what was found.
    job["job"]["scratch"]["max_positions"] = json!(2_048);
    let model = trained(&node, job).await["fine_tuned_model"].as_str().unwrap().to_owned();
    node.post(&format!("/v1/models/{model}/deploy"), json!({ "name": "writer" })).await;
    kit::until("the index is filled", async || {
        let hits = node.get("/v1/search?q=soccer+match+goal+scored&limit=1&datanet=topics").await;
        (!hits["hits"].as_array().unwrap().is_empty()).then_some(())
    })
    .await;
    let shop = Shop::new(&node, node.home(), WRITTEN).await;
    let open = shop.open(&node).await;

    let answer = shop.ask(&node, "Who volleyed?", "bob").await;
    assert!(answer["answer"].as_str().unwrap().ends_with(" (Who volleyed?)"), "{answer}");
    assert_eq!((promised(&node, "bob").await, promised(&node, "shop").await), (PRICE, 2 * COST));
    let sale = &answer["receipt"]["sale"];
    let suppliers = sale["suppliers"].as_array().unwrap();
    assert_eq!((suppliers.len(), &sale["depth"], &sale["agent"]), (2, &json!(2), &json!(shop.id)), "{sale:#}");

    // One is what was found, the other what the model wrote of it.
    let (mut found, mut written) = (Vec::new(), Vec::new());
    for one in suppliers {
        let view = node.get(&format!("/v1/receipts/{}", one["receipt"].as_str().unwrap())).await;
        assert_eq!((&one["fee"], &view["receipt"]["fee"]), (&json!(COST), &json!(COST)), "{view:#}");
        let of_records = view["receipt"]["method"] == Method::Retrieval as i32;
        if of_records { found.push(view) } else { written.push(view) }
    }
    let ([found], [written]) = (&found[..], &written[..]) else { panic!("{sale:#}") };
    assert_eq!(written["receipt"]["model"], json!(model), "{written:#}");
    assert_eq!(written["receipt"]["order"], found["receipt"]["order"]);
    assert!(!found["receipt"]["credits"].as_array().unwrap().is_empty(), "{found:#}");
    let read = written["input"]["text"].as_str().unwrap();
    for words in ["The owner says: Be brief.", "\"question\":\"Who volleyed?\"", "\"passages\":[\""] {
        assert!(read.contains(words), "{words}: {read}");
    }
    for id in suppliers.iter().map(|one| &one["receipt"]).chain([&answer["receipt"]["id"]]) {
        let verified = node.post(&format!("/v1/receipts/{}/verify", id.as_str().unwrap()), json!({})).await;
        assert!(matches!(verified["verdict"].as_str(), Some("match" | "within")), "{verified:#}");
    }

    settles(&node, &shop, 1).await;
    let channels = node.get("/v1/channels?account=shop").await;
    assert_eq!(channels["channels"][0]["charged"], 2 * COST, "{channels:#}");
    assert!(earned(&node, &["alice", "carol"], "contributor").await > 0, "who gave what was found");
    assert!(earned(&node, &["builder"], "owner").await > 0, "whose model wrote");
    assert_eq!(open.close().await.pending, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_each_step_it_buys_and_sells_each_answer_once() {
    let Some(tools) = kit::tools_with_model().await else { return };
    let node = TestNode::spawn(tools).await;
    market(&node).await;
    let shop = Shop::new(&node, node.home(), SEARCH).await;
    let (mut callers, mut suppliers) = (promised(&node, "alice").await, promised(&node, "shop").await);
    for step in ["agent-intended", "agent-acted", "agent-ended"] {
        let mut agent = shop.process(&[("DATANET_DIE_AT", step)]);
        shop.is_open(&node).await;
        let asked = {
            let (api, path) = (Api::clone(&node), shop.path());
            let body = json!({ "text": format!("How long do lentils simmer after {step}?"), "account": "alice" });
            tokio::spawn(async move { api.post(&path, body).await })
        };
        let died = tokio::task::spawn_blocking(move || agent.wait().unwrap()).await.unwrap();
        assert!(!died.success(), "{step}");
        // The next process is given the call again, under the same order.
        let open = shop.open(&node).await;
        let answer = asked.await.unwrap();
        (callers, suppliers) = (callers + PRICE, suppliers + COST);
        assert_eq!(answer["fee"], PRICE, "{step}: {answer}");
        assert_eq!(promised(&node, "alice").await, callers, "{step}: sold once");
        assert_eq!(promised(&node, "shop").await, suppliers, "{step}: bought once");
        let summary = open.close().await;
        assert_eq!(summary.pending, 0, "{step}");
    }
    assert_eq!(shop.status()["sales"]["sold"], 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_sale_is_told_so_and_costs_nobody_anything() {
    let Some(tools) = kit::tools_with_model().await else { return };
    let node = TestNode::spawn(tools).await;
    market(&node).await;
    let shop = Shop::new(&node, node.home(), SEARCH).await;
    let before = promised(&node, "alice").await;

    // At a loss it does not begin.
    let cheap = std::fs::read_to_string(shop.spec()).unwrap();
    std::fs::write(shop.spec(), cheap.replace(&format!("{PRICE}base"), "1100base")).unwrap();
    let loaded = Loaded::read(&shop.spec()).unwrap();
    let error = datanet::agent::run(&loaded, CancellationToken::new(), Told::new(|_| {})).await.unwrap_err();
    assert!(format!("{error:#}").contains("not sold at a loss"), "{error:#}");
    std::fs::write(shop.spec(), &cheap).unwrap();

    // Whoever has another token answers for nobody, and whoever answers for the agent makes nothing up.
    let token = std::fs::read_to_string(shop.dir.path().join("owl.token")).unwrap();
    let runner = node.with_token(&token);
    let calls = format!("/v1/agents/{}/calls", shop.id);
    let offer = |price: u64| json!({ "price": price, "anew": true, "wait_seconds": 30 });
    node.account("mallory", DNT).await;
    let foreign = json!({ "name": "mallory", "scopes": ["read", "ask", "contribute"], "accounts": ["mallory"] });
    let foreign = node.post("/v1/tokens", foreign).await["secret"].as_str().unwrap().to_owned();
    let foreign = node.with_token(&foreign).raw(reqwest::Method::POST, &calls).json(&offer(PRICE));
    kit::refused("another's agent", foreign, 403, "foreign-account", "acts for").await;
    let small = runner.raw(reqwest::Method::POST, &calls).json(&offer(1));
    kit::refused("too cheap", small, 422, "bad-field", "costs at least").await;

    let bought = json!({ "datanet": "topics", "question": "How long do lentils simmer?", "account": "alice" });
    let alices = node.post("/v1/ask", bought.clone()).await["receipt"]["id"].clone();
    let shops = json!({ "datanet": "topics", "question": "How long do lentils simmer?", "account": "shop" });
    let shops = runner.post("/v1/ask", shops).await["receipt"]["id"].clone();
    let told = async |said: Value, code: &str, says: &str| {
        let asked = {
            let (api, path) = (Api::clone(&node), shop.path());
            let body = json!({ "text": "what do owls eat?", "account": "alice" });
            tokio::spawn(async move {
                let response = api.raw(reqwest::Method::POST, &path).json(&body).send().await.unwrap();
                (response.status().as_u16(), response.text().await.unwrap())
            })
        };
        let call = kit::until("a call", async || {
            let called = runner.post(&calls, offer(PRICE)).await;
            called["call"]["order"].as_str().map(str::to_owned)
        })
        .await;
        let mut said = said;
        said["order"] = json!(call);
        let outcome = runner.post(&format!("/v1/agents/{}/answers", shop.id), said).await;
        assert!(outcome["receipt"].is_null() && outcome["why"].is_string(), "{outcome}");
        let (status, text) = asked.await.unwrap();
        is_problem(code, &text, status, code, says);
    };
    // The first offer begins to sell, so that there is somebody to ask.
    runner.post(&calls, json!({ "price": PRICE, "anew": true, "wait_seconds": 0 })).await;
    let answer = |suppliers: Value| json!({ "answer": "voles", "suppliers": suppliers });
    told(json!({ "refusal": "nothing was found" }), "agent-refused", "nothing was found").await;
    told(answer(json!([alices])), "bad-sale", "not bought for this answer").await;
    told(answer(json!([shops])), "bad-sale", "not bought for this answer").await;
    told(answer(json!([shops, shops])), "bad-sale", "twice").await;
    told(answer(json!(["0a".repeat(32)])), "bad-sale", "is not here").await;
    assert_eq!(promised(&node, "alice").await, before + COST, "nothing but what alice bought herself");
}
