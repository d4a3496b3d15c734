//! The whole way with a real CometBFT: one validator, its own process, our socket.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use datanet_ledger::abci::AbciServer;
use datanet_ledger::app::CommittedBlock;
use datanet_ledger::component::beacon;
use datanet_ledger::{CommitInfo, LedgerHandle, code};
use datanet_types::ConsensusKey;
use datanet_types::tx::tx_hash;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::broadcast::Receiver;
use tokio_util::sync::CancellationToken;

use crate::support::{BALANCE, CHAIN, Chain, FEE, address, beacon_secret, genesis, transfer};

/// Longest wait for anything CometBFT does; a loaded machine is slow, a hung one should fail.
const PATIENCE: Duration = Duration::from_secs(120);

fn binary() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("DATANET_COMETBFT") {
        return Some(path.into());
    }
    let home = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache/datanet"));
    let cache = std::env::var_os("DATANET_CACHE").map(PathBuf::from).or_else(home)?;
    Some(cache.join("cometbft/v0.38.25/cometbft")).filter(|path| path.exists())
}

/// A CometBFT process, killed the hard way when dropped.
struct CometBft {
    child: Child,
    rpc: PathBuf,
}

impl CometBft {
    fn init(binary: &Path, home: &Path) {
        let init = Command::new(binary).args(["init", "--home"]).arg(home).output().unwrap();
        assert!(init.status.success(), "{}", String::from_utf8_lossy(&init.stderr));
        Self::begin_with(home, serde_json::from_slice(&genesis()).unwrap());
        let path = home.join("config/config.toml");
        let config = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, config.replace("timeout_commit = \"1s\"", "timeout_commit = \"100ms\"")).unwrap();
    }

    /// Puts the application's genesis into CometBFT's.
    fn begin_with(home: &Path, app_state: Value) {
        let path = home.join("config/genesis.json");
        let mut file: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        file["chain_id"] = CHAIN.into();
        file["app_state"] = app_state;
        std::fs::write(&path, serde_json::to_vec_pretty(&file).unwrap()).unwrap();
    }

    /// The key that it signs with.
    fn validator(home: &Path) -> ConsensusKey {
        let file = std::fs::read(home.join("config/priv_validator_key.json")).unwrap();
        let file: Value = serde_json::from_slice(&file).unwrap();
        serde_json::from_value::<tendermint::PublicKey>(file["pub_key"].clone())
            .map(|key| ConsensusKey::from_slice(&key.to_bytes()).unwrap())
            .unwrap()
    }

    fn start(binary: &Path, home: &Path, proxy_app: &str) -> Self {
        let rpc = home.join("rpc.sock");
        // A killed one has left it.
        let _ = std::fs::remove_file(&rpc);
        let log = std::fs::File::options().create(true).append(true).open(home.join("log")).unwrap();
        let child = Command::new(binary)
            .args(["start", "--home"])
            .arg(home)
            .args(["--proxy_app", proxy_app, "--rpc.laddr", &format!("unix://{}", rpc.display())])
            .args(["--p2p.laddr", "tcp://127.0.0.1:0", "--consensus.create_empty_blocks=false"])
            .stdout(log)
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { child, rpc }
    }

    async fn call(&self, path: &str) -> Value {
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

    async fn send(&self, tx: &Bytes) -> Value {
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
    let Some(binary) = binary() else {
        assert!(std::env::var_os("CI").is_none(), "CometBFT is required in CI: run `datanet setup`");
        eprintln!("SKIPPED: no CometBFT v0.38.25 here; run `datanet setup`, or set DATANET_COMETBFT");
        return;
    };
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
    let Some(binary) = binary() else {
        assert!(std::env::var_os("CI").is_none(), "CometBFT is required in CI: run `datanet setup`");
        eprintln!("SKIPPED: no CometBFT v0.38.25 here; run `datanet setup`, or set DATANET_COMETBFT");
        return;
    };
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
    assert_eq!(node.send(&transfer(1, 2, BALANCE * 2, 2)).await["code"], code::FUNDS);
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
    assert_eq!(node.send(&tx).await["code"], code::REPLAYED);
    assert_eq!(node.send(&transfer(2, 3, 7, 3)).await["code"], 0);
    wait(&chain.ledger, |info| info.app_hash != before.app_hash).await;
    assert_eq!(chain.balance(3), BALANCE + 7);
}

/// The ledger's file as it is now, which is what a death at this moment leaves.
fn image(chain: &Chain, name: &str) -> PathBuf {
    let path = chain.dir.path().join(name);
    std::fs::copy(chain.dir.path().join("ledger.redb"), &path).unwrap();
    path
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ledger_that_lacks_blocks_or_everything_is_given_them_by_a_real_cometbft() {
    let Some(binary) = binary() else {
        assert!(std::env::var_os("CI").is_none(), "CometBFT is required in CI: run `datanet setup`");
        eprintln!("SKIPPED: no CometBFT v0.38.25 here; run `datanet setup`, or set DATANET_COMETBFT");
        return;
    };
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
