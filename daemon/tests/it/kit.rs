//! Nodes to test: in this process, each on a thread and a runtime of its own, so that tests can share one.

use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use datanet::http::Services;
use datanet::init::{init_home, own_genesis, own_params, write_genesis};
use datanet::{NodeOptions, Tools};
use datanet_config::{Engine, Home, NodeConfig};
use datanet_ledger::component::Params;
use datanet_setup::{self as setup, Part, SetupOptions};
use datanet_types::schema::Schema;
use datanet_types::tx::TxBody;
use datanet_types::{Action, SignedTx, SigningKey};
use futures::StreamExt;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::{Mutex, OwnedMutexGuard, oneshot};

use crate::corpus;

/// Id of every chain here.
pub const CHAIN: &str = "datanet-it";
/// All money at genesis, in base units.
pub const SUPPLY: u64 = 1_000_000_000_000;
/// The largest upload that these nodes take, in bytes: more than waits between connection and checker, so that which
/// of two refusals comes first does not hang on timing.
pub const MAX_UPLOAD: u64 = 16 * 1024 * 1024;
/// The largest body of any other request, in bytes.
pub const MAX_BODY: u64 = 256 * 1024;
/// How long anything may take: generous, since the machine may be busy.
pub const PATIENCE: Duration = Duration::from_secs(150);

/// The interface of a node.
#[derive(Clone)]
pub struct Api {
    base: String,
    token: String,
    http: reqwest::Client,
}

impl Api {
    /// The node at `base`.
    pub fn new(base: String, token: String) -> Self {
        // Tests have a runtime each and may share a node: a connection that one of them left idle ends with its runtime.
        let http = datanet_api::loopback::client_builder().unwrap().pool_max_idle_per_host(0);
        Self { base, token, http: http.build().unwrap() }
    }

    /// Host and port.
    pub fn authority(&self) -> &str {
        self.base.strip_prefix("http://").unwrap()
    }

    /// The token.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// The same node, for whoever has another token.
    pub fn with_token(&self, token: &str) -> Self {
        Self { token: token.to_owned(), ..self.clone() }
    }

    /// A request without the token.
    pub fn bare(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base))
    }

    /// A request with the token.
    pub fn raw(&self, method: Method, path: &str) -> RequestBuilder {
        self.bare(method, path).bearer_auth(&self.token)
    }

    /// GET, as JSON; anything but success fails the test.
    pub async fn get(&self, path: &str) -> Value {
        read(path, self.raw(Method::GET, path)).await
    }

    /// POST of JSON; anything but success fails the test.
    pub async fn post(&self, path: &str, body: Value) -> Value {
        read(path, self.raw(Method::POST, path).json(&body)).await
    }

    /// An upload, not yet sent.
    pub fn upload(
        &self,
        datanet: &str,
        account: &str,
        media_type: &str,
        body: impl Into<reqwest::Body>,
    ) -> RequestBuilder {
        self.raw(Method::POST, &format!("/v1/datanets/{datanet}/contributions?account={account}"))
            .header("content-type", media_type)
            .body(body)
    }

    /// A new account with that much money.
    pub async fn account(&self, name: &str, amount: u64) -> String {
        let address = self.post("/v1/keys", json!({ "name": name })).await["address"].as_str().unwrap().to_owned();
        self.post("/v1/transfers", json!({ "from": "node", "to": address, "amount": amount })).await;
        address
    }

    /// Opens a datanet that one node can serve.
    pub async fn datanet(&self, name: &str, schema: &Schema, holdout: String) -> String {
        let body = new_datanet(name, schema, holdout);
        self.post("/v1/datanets", body).await["id"].as_str().unwrap().to_owned()
    }

    /// A datanet of sentences about topics, and what alice gave to it, which is final.
    pub async fn given_topics(&self) {
        self.account("alice", 10_000_000).await;
        self.datanet("topics", &corpus::labelled(), corpus::jsonl(&corpus::samples(300, 45))).await;
        let upload = self.upload("topics", "alice", "application/x-ndjson", corpus::jsonl(&corpus::samples(0, 30)));
        let given = read("the upload", upload).await;
        assert_eq!(self.follow(given["id"].as_str().unwrap()).await.1["state"], "final");
    }

    /// Sends a transaction of `key`.
    pub fn send(&self, tx: &SignedTx) -> RequestBuilder {
        self.raw(Method::POST, "/v1/tx").header("content-type", "application/octet-stream").body(tx.to_bytes())
    }

    /// A transaction that is good if its action is.
    pub async fn sign(&self, key: &SigningKey, action: Action) -> SignedTx {
        self.body(key, action).await.sign(key)
    }

    /// The same, not yet signed.
    pub async fn body(&self, key: &SigningKey, action: Action) -> TxBody {
        let height = self.get("/v1/status").await["height"].as_u64().unwrap();
        let nonce = u64::from_le_bytes(random());
        let (chain_id, expiry, account, gas_limit) = (CHAIN.into(), height + 100, key.address(), 4_000_000);
        TxBody { chain_id, expiry, fee: 20_000, nonce, account, gas_limit, tip: 0, action: Some(action) }
    }

    /// Sends a transaction and waits until it has done what it says.
    pub async fn execute(&self, key: &SigningKey, action: Action) -> SignedTx {
        let tx = self.sign(key, action).await;
        let hash = read("/v1/tx", self.send(&tx)).await["hash"].as_str().unwrap().to_owned();
        let path = format!("/v1/tx/{hash}");
        let done = until("the transaction is in a block", async || {
            let response = self.raw(Method::GET, &path).send().await.unwrap();
            response.status().is_success().then_some(response)
        });
        let done: Value = done.await.json().await.unwrap();
        assert_eq!(done["code"], 0, "{done}");
        tx
    }

    /// Follows a contribution by its events until it is final or refused: all states in order, and the last view.
    pub async fn follow(&self, contribution: &str) -> (Vec<String>, Value) {
        let path = format!("/v1/contributions/{contribution}/events");
        let response = self.raw(Method::GET, &path).send().await.unwrap();
        assert_eq!(response.status(), 200);
        let (mut stream, mut text) = (response.bytes_stream(), String::new());
        let read = async {
            while let Some(chunk) = stream.next().await {
                text.push_str(std::str::from_utf8(&chunk.unwrap()).unwrap());
            }
        };
        tokio::time::timeout(PATIENCE, read).await.expect("a verdict in time");
        let views: Vec<Value> = text
            .lines()
            .filter_map(|line| line.strip_prefix("data: "))
            .map(|data| serde_json::from_str(data).unwrap())
            .collect();
        let states = views.iter().map(|view| view["state"].as_str().unwrap().to_owned()).collect();
        (states, views.last().expect("at least one event").clone())
    }

    /// Everything that a refused request must leave as it is.
    pub async fn world(&self) -> Value {
        let (keys, datanets) = (self.get("/v1/keys").await, self.get("/v1/datanets").await);
        let mut contributions = Vec::new();
        for datanet in datanets["datanets"].as_array().unwrap() {
            let id = datanet["id"].as_str().unwrap();
            contributions.push(self.get(&format!("/v1/datanets/{id}/contributions")).await);
        }
        let mut accounts = Vec::new();
        for key in keys["keys"].as_array().unwrap() {
            accounts.push(self.get(&format!("/v1/accounts/{}", key["address"].as_str().unwrap())).await);
        }
        let supply = self.get("/v1/supply").await;
        json!({
            "supply": supply["supply"], "minted": supply["minted"], "keys": keys, "accounts": accounts,
            "datanets": datanets, "contributions": contributions, "channels": self.get("/v1/channels").await,
            "receipts": self.get("/v1/receipts").await,
            "held": self.get("/v1/status").await["contributions_held"],
        })
    }

    /// Base units of an account.
    pub async fn balance(&self, address: &str) -> u64 {
        self.get(&format!("/v1/accounts/{address}")).await["balance"].as_u64().unwrap()
    }
}

/// A datanet that one node can serve, as the interface takes it.
pub fn new_datanet(name: &str, schema: &Schema, holdout: String) -> Value {
    json!({
        "name": name, "description": "for tests", "schema": schema, "licence": "CC0-1.0", "price": 1_000,
        "accept_threshold": 3_000, "committee_size": 1, "storage_quorum": 1, "min_bond": 100, "holdout": holdout,
    })
}

/// Sends and reads JSON; anything but success fails the test.
pub async fn read(what: &str, request: RequestBuilder) -> Value {
    let response = request.send().await.unwrap();
    let (status, text) = (response.status(), response.text().await.unwrap());
    assert!(status.is_success(), "{what}: {status} {text}");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{what}: {error} in {text}"))
}

/// Sends and expects a problem: its status, its code, and words of its detail.
pub async fn refused(what: &str, request: RequestBuilder, status: u16, code: &str, says: &str) {
    let response = request.send().await.unwrap_or_else(|error| panic!("{what}: {error:?}"));
    let media_type = response.headers().get("content-type").map(|value| value.to_str().unwrap().to_owned());
    let (got, text) = (response.status().as_u16(), response.text().await.unwrap());
    assert_eq!(got, status, "{what}: {text}");
    assert_eq!(media_type.as_deref(), Some("application/problem+json"), "{what}: {text}");
    is_problem(what, &text, status, code, says);
}

/// Checks the body of a problem.
pub fn is_problem(what: &str, text: &str, status: u16, code: &str, says: &str) {
    let problem: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{what}: {error} in {text}"));
    assert_eq!(problem["code"], code, "{what}: {text}");
    assert_eq!(problem["status"], status, "{what}: {text}");
    assert_eq!(problem["type"], format!("urn:datanet:problem:{code}"), "{what}");
    assert!(!problem["title"].as_str().unwrap().is_empty(), "{what}");
    assert!(problem["detail"].as_str().unwrap().contains(says), "{what} should say {says:?}: {text}");
}

/// Asks again until there is an answer.
pub async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < deadline, "timed out: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Random bytes.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).unwrap();
    bytes
}

/// ONNX Runtime and the model. `None`, said loudly, where they can't be had; in CI that fails.
pub async fn tools_with_model() -> Option<Tools> {
    let options = SetupOptions::from_env().unwrap();
    let part = async |part: Part| setup::ensure_part(part, &options, Arc::new(setup::SilentProgress)).await;
    match (part(Part::Onnxruntime).await, part(Part::Model).await) {
        (Ok(runtime), Ok(model)) => Some(Tools { model: Ok((runtime, model)), ..tools_without_model() }),
        (Err(error), _) | (_, Err(error)) => {
            assert!(std::env::var_os("CI").is_none(), "in CI the model is required: {error}");
            // Past the capture of tests that pass: a skip that nobody sees is a lie.
            let _ = writeln!(std::io::stderr(), "SKIPPED: a test needs the model, which can't be had: {error}");
            None
        }
    }
}

/// What a node on a bare machine has.
pub fn tools_without_model() -> Tools {
    Tools { cometbft: Err("not needed here".into()), model: Err("it was left out of this test".into()) }
}

/// A running node, stopped in order when dropped.
pub struct TestNode {
    home: TempDir,
    config: NodeConfig,
    tools: Tools,
    running: Option<(oneshot::Sender<()>, JoinHandle<anyhow::Result<()>>)>,
    services: Option<Services>,
    api: Api,
}

impl std::ops::Deref for TestNode {
    type Target = Api;

    fn deref(&self) -> &Api {
        &self.api
    }
}

impl TestNode {
    /// A node alone in a new home.
    pub async fn spawn(tools: Tools) -> Self {
        Self::spawn_with(tools, config()).await
    }

    /// The same with a configuration of its own.
    pub async fn spawn_with(tools: Tools, config: NodeConfig) -> Self {
        Self::spawn_on(tools, config, own_params()).await
    }

    /// The same on a chain with these numbers.
    pub async fn spawn_on(tools: Tools, config: NodeConfig, params: Params) -> Self {
        let home = Self::new_home();
        prepare_on(home.path(), &config, params);
        Self::spawn_in(tools, config, home).await
    }

    /// A folder for a home.
    pub fn new_home() -> TempDir {
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        tempfile::Builder::new().permissions(private).tempdir().unwrap()
    }

    /// A node in a home that is there.
    pub async fn spawn_in(tools: Tools, config: NodeConfig, home: TempDir) -> Self {
        let api = Api::new(String::new(), String::new());
        let mut node = Self { home, config, tools, running: None, services: None, api };
        node.start().await;
        node
    }

    /// Starts it and waits until it is on the ledger.
    pub async fn start(&mut self) {
        let options = NodeOptions {
            home: Home::new(self.home.path()),
            config: self.config.clone(),
            tools: self.tools.clone(),
            rules: Default::default(),
        };
        let (ready, started) = oneshot::channel();
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || run(options, ready, stopped));
        let (base, token, services) = started.await.expect("the node starts");
        self.services = Some(services);
        self.running = Some((stop, thread));
        self.api = Api::new(base, token);
        let api = &self.api;
        until("the node is registered", async || {
            let response = api.raw(Method::GET, "/v1/status").send().await.unwrap();
            let status: Value = response.json().await.unwrap();
            status["roles"].as_array().is_some_and(|roles| !roles.is_empty()).then_some(())
        })
        .await;
    }

    /// Stops it in order.
    pub fn stop(&mut self) {
        // Its stores close with the last that holds it.
        self.services = None;
        if let Some((stop, thread)) = self.running.take() {
            let _ = stop.send(());
            thread.join().expect("the node's thread does not panic").expect("the node stops in order");
        }
    }

    /// Stops it and starts it in the same home; `idle` is how often it then makes a block without transactions.
    pub async fn restart(&mut self, idle: Duration) {
        self.stop();
        self.config.consensus.empty_block_interval_ms = u64::try_from(idle.as_millis()).unwrap();
        self.start().await;
    }

    /// Its inside: for what has no interface.
    pub fn services(&self) -> Services {
        self.services.clone().expect("the node runs")
    }

    /// Its home.
    pub fn home(&self) -> &Path {
        self.home.path()
    }
}

impl Drop for TestNode {
    fn drop(&mut self) {
        self.services = None;
        // A test that failed has said why; the node's end must not hide it.
        if let Some((stop, thread)) = self.running.take() {
            let _ = stop.send(());
            let _ = thread.join();
        }
    }
}

/// A quick node on free ports of loopback.
pub fn config() -> NodeConfig {
    let mut config = NodeConfig::default();
    config.node.name = "it".into();
    config.consensus.engine = Engine::Solo;
    config.consensus.block_interval_ms = 20;
    config.consensus.empty_block_interval_ms = 500;
    config.api.listen = "127.0.0.1:0".parse().unwrap();
    config.api.max_upload_bytes = MAX_UPLOAD;
    config.api.max_body_bytes = MAX_BODY;
    config.inference.threads = 1;
    config
}

/// Makes a home with a network of its own, with these numbers.
pub fn prepare_on(home: &Path, config: &NodeConfig, params: Params) {
    let home = Home::new(home);
    let outcome = init_home(&home, config).unwrap();
    // What is asserted of money follows from sizes alone; `services` and the testnet pay for gas.
    let params = Params { gas_price: 0, ..params };
    write_genesis(&home, &own_genesis(CHAIN, &outcome, "it", params, 1_700_000_000)).unwrap();
}

fn run(
    options: NodeOptions,
    ready: oneshot::Sender<(String, String, Services)>,
    stopped: oneshot::Receiver<()>,
) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let ended = runtime.block_on(async {
        let node = datanet::spawn(options).await?;
        let _ = ready.send((node.api_url(), node.token().to_owned(), node.services().clone()));
        tokio::select! {
            ended = node.wait() => ended,
            _ = stopped => node.stop().await,
        }
    });
    runtime.shutdown_timeout(Duration::from_secs(10));
    ended
}

/// A node that all tests of a kind share, one after the other: started by the first, stopped with the last.
pub struct Shared(Mutex<Weak<Mutex<TestNode>>>);

impl Shared {
    /// Not started.
    pub const fn new() -> Self {
        Self(Mutex::const_new(Weak::new()))
    }

    /// The node, for this test alone as long as the guard lives.
    pub async fn take(&self, tools: Tools, prepare: impl AsyncFnOnce(&Api)) -> OwnedMutexGuard<TestNode> {
        let mut current = self.0.lock().await;
        let node = match current.upgrade() {
            Some(node) => node,
            None => {
                let node = TestNode::spawn(tools).await;
                prepare(&node).await;
                let node = Arc::new(Mutex::new(node));
                *current = Arc::downgrade(&node);
                node
            }
        };
        drop(current);
        node.lock_owned().await
    }
}

static WITHOUT_MODEL: Shared = Shared::new();
static WITH_MODEL: Shared = Shared::new();

/// A node without a model, that has the datanets `topics` (labelled) and `notes` (text only) and the account `alice`.
pub async fn plain_node() -> OwnedMutexGuard<TestNode> {
    WITHOUT_MODEL.take(tools_without_model(), populate).await
}

/// The same with a model, if there is one.
pub async fn node_with_model() -> Option<OwnedMutexGuard<TestNode>> {
    Some(WITH_MODEL.take(tools_with_model().await?, populate).await)
}

async fn populate(api: &Api) {
    api.datanet("topics", &corpus::labelled(), corpus::jsonl(&corpus::samples(300, 45))).await;
    let notes = corpus::jsonl_of_texts(&corpus::samples(300, 45));
    api.datanet("notes", &corpus::text_only(), notes).await;
    api.account("alice", 100_000_000).await;
}

/// Bytes as `gzip` packs them.
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}
