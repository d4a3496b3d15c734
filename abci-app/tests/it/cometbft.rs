//! The whole way with a real CometBFT: one validator, its own process, our socket.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use datanet_ledger::abci::AbciServer;
use datanet_ledger::app::CommittedBlock;
use datanet_ledger::component::params::versions;
use datanet_ledger::component::staking;
use datanet_ledger::component::{EngineParams, Params, beacon};
use datanet_ledger::export;
use datanet_ledger::{CommitInfo, LedgerHandle, code};
use datanet_types::action::SetParams;
use datanet_types::tx::tx_hash;
use datanet_types::{Action, ConsensusKey};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::broadcast::Receiver;
use tokio_util::sync::CancellationToken;

use crate::support::{BALANCE, CHAIN, Chain, FEE, address, beacon_secret, body, genesis, signed, transfer};

/// Longest wait for anything CometBFT does; a loaded machine is slow, a hung one should fail.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// The program; none, and that is said, where a test is to be skipped.
pub fn binary() -> Option<PathBuf> {
    let found = installed();
    if found.is_none() {
        assert!(std::env::var_os("CI").is_none(), "CometBFT is required in CI: run `datanet setup`");
        eprintln!("SKIPPED: no CometBFT v0.38.25 here; run `datanet setup`, or set DATANET_COMETBFT");
    }
    found
}

fn installed() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("DATANET_COMETBFT") {
        return Some(path.into());
    }
    let home = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache/datanet"));
    let cache = std::env::var_os("DATANET_CACHE").map(PathBuf::from).or_else(home)?;
    Some(cache.join("cometbft/v0.38.25/cometbft")).filter(|path| path.exists())
}

/// A CometBFT process, killed the hard way when dropped.
pub struct CometBft {
    child: Child,
    rpc: PathBuf,
}

impl CometBft {
    pub fn init(binary: &Path, home: &Path) {
        let init = Command::new(binary).args(["init", "--home"]).arg(home).output().unwrap();
        assert!(init.status.success(), "{}", String::from_utf8_lossy(&init.stderr));
        Self::begin_with(home, serde_json::from_slice(&genesis()).unwrap());
        let path = home.join("config/config.toml");
        let config = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, config.replace("timeout_commit = \"1s\"", "timeout_commit = \"100ms\"")).unwrap();
    }

    /// Puts the application's genesis into CometBFT's.
    pub fn begin_with(home: &Path, app_state: Value) {
        let path = home.join("config/genesis.json");
        let mut file: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        file["chain_id"] = CHAIN.into();
        let params: Params = serde_json::from_value(app_state["params"].clone()).unwrap();
        file["consensus_params"] = EngineParams::of(&params).to_comet();
        file["app_state"] = app_state;
        std::fs::write(&path, serde_json::to_vec_pretty(&file).unwrap()).unwrap();
    }

    /// The key that it signs with.
    pub fn validator(home: &Path) -> ConsensusKey {
        let file = std::fs::read(home.join("config/priv_validator_key.json")).unwrap();
        let file: Value = serde_json::from_slice(&file).unwrap();
        serde_json::from_value::<tendermint::PublicKey>(file["pub_key"].clone())
            .map(|key| ConsensusKey::from_slice(&key.to_bytes()).unwrap())
            .unwrap()
    }

    fn start(binary: &Path, home: &Path, proxy_app: &str) -> Self {
        Self::start_with(binary, home, proxy_app, &["--p2p.laddr", "tcp://127.0.0.1:0"])
    }

    pub fn start_with(binary: &Path, home: &Path, proxy_app: &str, args: &[&str]) -> Self {
        let rpc = home.join("rpc.sock");
        // A killed one has left it.
        let _ = std::fs::remove_file(&rpc);
        let log = std::fs::File::options().create(true).append(true).open(home.join("log")).unwrap();
        let child = Command::new(binary)
            .args(["start", "--home"])
            .arg(home)
            .args(["--proxy_app", proxy_app, "--rpc.laddr", &format!("unix://{}", rpc.display())])
            .arg("--consensus.create_empty_blocks=false")
            .args(args)
            .stdout(log)
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { child, rpc }
    }

    pub async fn call(&self, path: &str) -> Value {
        self.try_call(path).await.unwrap()
    }

    /// A GET as of HTTP/1.0: the answer ends with the connection.
    async fn try_call(&self, path: &str) -> std::io::Result<Value> {
        let mut stream = UnixStream::connect(&self.rpc).await?;
        stream.write_all(format!("GET /{path} HTTP/1.0\r\nHost: localhost\r\n\r\n").as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        let (_, body) = answer.split_once("\r\n\r\n").ok_or(std::io::ErrorKind::UnexpectedEof)?;
        Ok(serde_json::from_str(body)?)
    }

    pub async fn send(&self, tx: &Bytes) -> Value {
        let answer = self.call(&format!("broadcast_tx_sync?tx=0x{}", hex::encode(tx))).await;
        answer["result"].clone()
    }
}

impl Drop for CometBft {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn wait(ledger: &LedgerHandle, what: impl FnMut(&CommitInfo) -> bool) -> CommitInfo {
    let mut commits = ledger.commits();
    let info = tokio::time::timeout(PATIENCE, commits.wait_for(what)).await.expect("cometbft makes no blocks");
    info.unwrap().clone()
}

/// The first block from now on that has transactions.
async fn first_with_txs(events: &mut Receiver<Arc<CommittedBlock>>) -> Arc<CommittedBlock> {
    let included = async {
        loop {
            let block = events.recv().await.unwrap();
            if !block.txs.is_empty() {
                break block;
            }
        }
    };
    tokio::time::timeout(PATIENCE, included).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blocks_of_a_known_validator_begin_with_its_proof_are_executed_once_and_rest_when_nothing_happens() {
    let Some(binary) = binary() else { return };
    let chain = Chain::empty_of(1);
    let home = chain.dir.path().join("cometbft");
    CometBft::init(&binary, &home);
    let mut app_state: Value = serde_json::from_slice(&genesis()).unwrap();
    app_state["params"]["min_validator_stake"] = 1_000_000.into();
    app_state["validators"] = serde_json::json!([{
        "key": CometBft::validator(&home), "beacon_key": beacon_secret(1).key(), "operator": address(1),
        "stake": BALANCE / 2, "name": "only" }]);
    CometBft::begin_with(&home, app_state);
    let socket = chain.dir.path().join("abci/abci.sock");
    let server = AbciServer::spawn(chain.ledger.clone(), &socket, 0, CancellationToken::new()).await.unwrap();
    let node = CometBft::start(&binary, &home, &server.address());
    wait(&chain.ledger, |info| info.height >= 1).await;
    let before = beacon::value(&chain.ledger.reader(), CHAIN).unwrap();

    let mut events = chain.ledger.events();
    let tx = transfer(1, 2, 5, 1);
    assert_eq!(node.send(&tx).await["code"], 0);
    let block = first_with_txs(&mut events).await;
    assert_eq!(block.txs, [(tx_hash(&tx), code::OK)]);
    // The next one proves the root of that, and leaves it as it is: a chain on which nothing happens rests.
    let next = wait(&chain.ledger, |info| info.height > block.height).await;
    assert_eq!((next.app_hash, chain.ledger.app().executions()), (block.app_hash, next.height));
    assert_ne!(beacon::value(&chain.ledger.reader(), CHAIN).unwrap(), before);
    let block = node.call(&format!("block?height={}", block.height)).await;
    let txs = block["result"]["block"]["data"]["txs"].as_array().unwrap().len();
    assert_eq!(txs, 2, "the proof and the transfer: {block}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transfer_through_a_real_cometbft_survives_killing_it() {
    let Some(binary) = binary() else { return };
    let chain = Chain::empty();
    let home = chain.dir.path().join("cometbft");
    let socket = chain.dir.path().join("abci/abci.sock");
    CometBft::init(&binary, &home);
    let shutdown = CancellationToken::new();
    let server = AbciServer::spawn(chain.ledger.clone(), &socket, 0, shutdown.clone()).await.unwrap();
    let node = CometBft::start(&binary, &home, &server.address());
    wait(&chain.ledger, |info| info.height >= 1).await;

    let tx = transfer(1, 2, 5, 1);
    let mut events = chain.ledger.events();
    assert_eq!(node.send(&tx).await["code"], 0);
    assert_eq!(node.send(&transfer(1, 2, BALANCE * 2, 2)).await["code"], code::FUNDS.number());
    let block = first_with_txs(&mut events).await;
    assert_eq!(block.txs, [(tx_hash(&tx), code::OK)]);
    assert_eq!((chain.balance(1), chain.balance(2)), (BALANCE - 5 - FEE, BALANCE + 5));
    // CometBFT asks for one more block, which carries the app hash of ours.
    let before = wait(&chain.ledger, |info| info.height > block.height).await;
    let key = hex::encode(datanet_ledger::component::params::state_key::params());
    let answer = node.call(&format!("abci_query?path=\"/store/key\"&data=0x{key}&prove=true")).await;
    assert_eq!(answer["result"]["response"]["proofOps"]["ops"][0]["type"], "ics23:jmt");
    assert_eq!(chain.ledger.app().executions(), before.height, "a block was executed twice");
    drop(node);
    shutdown.cancel();
    server.join().await.unwrap();
    let chain = chain.reopen();
    assert_eq!(chain.ledger.info(), before);

    let server = AbciServer::spawn(chain.ledger.clone(), &socket, 0, CancellationToken::new()).await.unwrap();
    let node = CometBft::start(&binary, &home, &server.address());
    // Its RPC answers once the handshake has found both at the same height; then the chain goes on.
    let connected = async {
        while node.try_call("health").await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, connected).await.unwrap();
    assert_eq!(chain.ledger.info().app_hash, before.app_hash);
    assert_eq!(node.send(&tx).await["code"], code::REPLAYED.number());
    assert_eq!(node.send(&transfer(2, 3, 7, 3)).await["code"], 0);
    wait(&chain.ledger, |info| info.app_hash != before.app_hash).await;
    assert_eq!(chain.balance(3), BALANCE + 7);
}

/// A chain of one validator, with an authority whose word holds a second later.
fn authorised(home: &Path) -> Value {
    let mut app_state: Value = serde_json::from_slice(&genesis()).unwrap();
    app_state["params"]["min_validator_stake"] = 1_000_000.into();
    app_state["params"]["authority_delay_seconds"] = 1.into();
    app_state["authority"] = serde_json::json!(address(1));
    app_state["validators"] = serde_json::json!([{
        "key": CometBft::validator(home), "beacon_key": beacon_secret(1).key(), "operator": address(1),
        "stake": BALANCE / 2, "name": "only" }]);
    app_state
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cometbft_is_told_of_other_parameters_and_a_new_one_goes_on_from_an_export() {
    let Some(binary) = binary() else { return };
    let chain = Chain::empty_of(1);
    let (home, shutdown) = (chain.dir.path().join("cometbft"), CancellationToken::new());
    CometBft::init(&binary, &home);
    CometBft::begin_with(&home, authorised(&home));
    let socket = chain.dir.path().join("abci/abci.sock");
    let server = AbciServer::spawn(chain.ledger.clone(), &socket, 0, shutdown.clone()).await.unwrap();
    let node = CometBft::start(&binary, &home, &server.address());
    wait(&chain.ledger, |info| info.height >= 1).await;

    let changes = r#"{"max_block_bytes": 2097152, "evidence_blocks": 30000}"#.to_owned();
    let set = signed(1, &body(Action::SetParams(SetParams { changes }), 100, 1));
    assert_eq!(node.send(&set).await["code"], 0);
    let mut nonce = 2;
    while versions::number(&chain.ledger.reader()).unwrap() == 0 {
        let height = chain.ledger.info().height;
        assert_eq!(node.send(&transfer(2, 3, 1, nonce)).await["code"], 0);
        wait(&chain.ledger, |info| info.height > height).await;
        nonce += 1;
    }
    let told = wait(&chain.ledger, |info| info.height > 0).await;
    // They hold for the engine from the block after on.
    assert_eq!(node.send(&transfer(2, 3, 1, nonce)).await["code"], 0);
    let last = wait(&chain.ledger, |info| info.height > told.height + 1).await;
    let answer = node.call(&format!("consensus_params?height={}", told.height + 1)).await;
    let params = answer["result"]["consensus_params"].clone();
    assert_eq!(
        (&params["block"]["max_bytes"], &params["version"]["app"]),
        (&"2097152".into(), &"1".into()),
        "{answer}"
    );
    assert_eq!(params["evidence"]["max_age_num_blocks"], "30000");
    drop(node);
    shutdown.cancel();
    server.join().await.unwrap();

    let last = if chain.ledger.info().height > last.height { chain.ledger.info() } else { last };
    let mut file = Vec::new();
    export::export(&chain.ledger.reader(), &mut file).unwrap();
    let next = tempfile::tempdir().unwrap();
    let path = next.path().join("ledger.redb");
    export::import(&path, std::io::Cursor::new(file)).unwrap();
    let ledger = LedgerHandle::open_with(&path, Arc::new(beacon_secret(1))).unwrap();
    assert_eq!(ledger.info(), last);
    let new_home = next.path().join("cometbft");
    CometBft::init(&binary, &new_home);
    continue_from(&new_home, &home, &ledger);
    let socket = next.path().join("abci/abci.sock");
    let server = AbciServer::spawn(ledger.clone(), &socket, 0, CancellationToken::new()).await.unwrap();
    let node = CometBft::start(&binary, &new_home, &server.address());
    wait(&ledger, |info| info.height > last.height).await;
    let before = datanet_ledger::component::accounts::balance(&ledger.reader(), address(4)).unwrap();
    assert_eq!(node.send(&transfer(2, 4, 9, 999)).await["code"], 0);
    assert_eq!(
        node.send(&transfer(2, 3, 1, 2)).await["code"],
        code::REPLAYED.number(),
        "what was executed is remembered"
    );
    wait(&ledger, |info| info.height > last.height + 1).await;
    assert_eq!(datanet_ledger::component::accounts::balance(&ledger.reader(), address(4)).unwrap(), before + 9);
}

/// Makes the genesis of an engine that begins behind what `ledger` holds, with the validator of the former one.
fn continue_from(home: &Path, former: &Path, ledger: &LedgerHandle) {
    std::fs::copy(former.join("config/priv_validator_key.json"), home.join("config/priv_validator_key.json")).unwrap();
    let key: Value =
        serde_json::from_slice(&std::fs::read(home.join("config/priv_validator_key.json")).unwrap()).unwrap();
    let (reader, path) = (ledger.reader(), home.join("config/genesis.json"));
    let active = staking::active(&reader).unwrap().remove(0);
    let info = ledger.info();
    let mut file: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    file["chain_id"] = CHAIN.into();
    file["initial_height"] = (info.height + 1).to_string().into();
    file["app_hash"] = hex::encode_upper(info.app_hash).into();
    file["consensus_params"] = EngineParams::of(&versions::present(&reader).unwrap().params).to_comet();
    file["validators"] = serde_json::json!([{
        "address": key["address"], "pub_key": key["pub_key"], "power": active.power.to_string(), "name": "only" }]);
    std::fs::write(&path, serde_json::to_vec_pretty(&file).unwrap()).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_genesis_whose_engine_goes_by_other_parameters_is_refused() {
    let Some(binary) = binary() else { return };
    let chain = Chain::empty();
    let home = chain.dir.path().join("cometbft");
    CometBft::init(&binary, &home);
    let path = home.join("config/genesis.json");
    let mut file: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    file["consensus_params"]["evidence"]["max_age_num_blocks"] = "100000".into();
    std::fs::write(&path, serde_json::to_vec_pretty(&file).unwrap()).unwrap();
    let socket = chain.dir.path().join("abci/abci.sock");
    let server = AbciServer::spawn(chain.ledger.clone(), &socket, 0, CancellationToken::new()).await.unwrap();
    let _node = CometBft::start(&binary, &home, &server.address());
    let said = tokio::time::timeout(PATIENCE, server.join()).await.unwrap().unwrap_err().to_string();
    assert!(said.contains("evidence.max_age_num_blocks is 100000, and app_state.params make it 34560"), "{said}");
}

/// The ledger's file as it is now, which is what a death at this moment leaves.
fn image(chain: &Chain, name: &str) -> PathBuf {
    let path = chain.dir.path().join(name);
    std::fs::copy(chain.dir.path().join("ledger.redb"), &path).unwrap();
    path
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ledger_that_lacks_blocks_or_everything_is_given_them_by_a_real_cometbft() {
    let Some(binary) = binary() else { return };
    let chain = Chain::empty();
    let (home, socket) = (chain.dir.path().join("cometbft"), chain.dir.path().join("abci/abci.sock"));
    CometBft::init(&binary, &home);
    let shutdown = CancellationToken::new();
    let server = AbciServer::spawn(chain.ledger.clone(), &socket, 0, shutdown.clone()).await.unwrap();
    let node = CometBft::start(&binary, &home, &server.address());
    wait(&chain.ledger, |info| info.height >= 1).await;
    let mut images = vec![chain.dir.path().join("new.redb"), image(&chain, "first.redb")];
    for n in 1..4 {
        let mut events = chain.ledger.events();
        assert_eq!(node.send(&transfer(1, 2, 5, n)).await["code"], 0);
        let block = first_with_txs(&mut events).await;
        // With the block that proves it.
        wait(&chain.ledger, |info| info.height > block.height).await;
        images.push(image(&chain, &format!("after-{n}.redb")));
    }
    let before = chain.ledger.info();
    drop(node);
    shutdown.cancel();
    server.join().await.unwrap();

    for image in images {
        let ledger = LedgerHandle::open(&image).unwrap();
        let lacks = before.height - ledger.info().height;
        let shutdown = CancellationToken::new();
        let server = AbciServer::spawn(ledger.clone(), &socket, 0, shutdown.clone()).await.unwrap();
        let node = CometBft::start(&binary, &home, &server.address());
        let after = wait(&ledger, |info| info.height >= before.height).await;
        assert_eq!(after.app_hash, before.app_hash, "it lacked {lacks} blocks");
        for n in 1..4 {
            let hash = tx_hash(&transfer(1, 2, 5, n));
            assert_eq!(ledger.tx_result(&hash).unwrap(), chain.ledger.tx_result(&hash).unwrap());
        }
        drop(node);
        shutdown.cancel();
        server.join().await.unwrap();
    }
}
