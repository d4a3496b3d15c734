//! Whose turn it is, as the ledgers of a real network count it: four validators, of which powers change, one that comes and is never
//! there, so that rounds fail, and one that leaves.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, TcpListener};

use bytes::Bytes;
use datanet_ledger::LedgerHandle;
use datanet_ledger::abci::AbciServer;
use datanet_ledger::component::staking::{self, Turns};
use datanet_types::staking::{CreateValidator, Delegate, Undelegate};
use datanet_types::{Action, ConsensusAddress};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::cometbft::{CometBft, PATIENCE, binary};
use crate::support::{BALANCE, CHAIN, Chain, address, beacon_secret, body, genesis, key, signed, validator};

const VALIDATORS: u8 = 4;
/// Blocks that are looked at.
const BLOCKS: u64 = 40;

/// Validator `n` has `n` hundred DNT behind it.
fn stake(n: u8) -> u64 {
    u64::from(n) * BALANCE / 10
}

/// The whole network's genesis, for the homes in which `cometbft init` was.
fn app_state(homes: &[std::path::PathBuf]) -> Value {
    let mut app_state: Value = serde_json::from_slice(&genesis()).unwrap();
    app_state["params"]["min_validator_stake"] = 1_000_000.into();
    let first = |(n, home): (u8, &std::path::PathBuf)| {
        json!({ "key": CometBft::validator(home), "beacon_key": beacon_secret(n).key(), "operator": address(n),
                "stake": stake(n), "name": format!("validator {n}") })
    };
    app_state["validators"] = (1..).zip(homes).map(first).collect();
    app_state
}

fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

/// Starts all of them, each knowing the first.
fn start(binary: &std::path::Path, homes: &[std::path::PathBuf], servers: &[AbciServer]) -> Vec<CometBft> {
    let ports: Vec<u16> = homes.iter().map(|_| free_port()).collect();
    let said = std::process::Command::new(binary).args(["show-node-id", "--home"]).arg(&homes[0]).output().unwrap();
    let first = format!("{}@127.0.0.1:{}", String::from_utf8(said.stdout).unwrap().trim(), ports[0]);
    let started = homes.iter().zip(servers).zip(&ports).map(|((home, server), port)| {
        let path = home.join("config/config.toml");
        let config = std::fs::read_to_string(&path).unwrap();
        let config = config
            .replace("addr_book_strict = true", "addr_book_strict = false")
            .replace("allow_duplicate_ip = false", "allow_duplicate_ip = true")
            .replace("timeout_propose = \"3s\"", "timeout_propose = \"1s\"");
        std::fs::write(&path, config).unwrap();
        let listen = format!("tcp://127.0.0.1:{port}");
        let args = ["--p2p.laddr", &listen, "--p2p.persistent_peers", &first, "--consensus.create_empty_blocks=true"];
        CometBft::start_with(binary, home, &server.address(), &args)
    });
    started.collect()
}

/// One that has a fifth of all power and never runs.
fn absent() -> CreateValidator {
    let (secret, key) = (key(55), validator(5));
    CreateValidator {
        key,
        proof: secret.sign(&CreateValidator::sign_bytes(CHAIN, &address(5), &key)),
        amount: stake(2),
        commission_bps: 0,
        name: "absent".to_owned(),
        beacon_key: beacon_secret(5).key(),
        beacon_proof: beacon_secret(5).prove(&CreateValidator::beacon_input(CHAIN, &address(5), &key)),
    }
}

/// What changes at which height, and what for.
fn actions(addresses: &[ConsensusAddress]) -> Vec<(u8, Action)> {
    let delegate = |n: usize, amount| Action::Delegate(Delegate { validator: addresses[n], amount });
    let undelegate = |n: usize, amount| Action::Undelegate(Undelegate { validator: addresses[n], amount });
    vec![
        (6, delegate(3, 70_000_000)),
        (5, Action::CreateValidator(absent())),
        (7, delegate(0, 33_000_000)),
        (6, undelegate(3, 30_000_000)),
        (1, undelegate(0, stake(1))),
        (7, undelegate(0, 33_000_000)),
    ]
}

/// The count of each height, as it is committed.
async fn watch(ledger: LedgerHandle, until: u64) -> BTreeMap<u64, Turns> {
    let (mut commits, mut seen) = (ledger.commits(), BTreeMap::new());
    loop {
        let reader = ledger.reader();
        if let Some(turns) = staking::turns(&reader).unwrap() {
            seen.insert(reader.height(), turns);
        }
        if reader.height() >= until {
            return seen;
        }
        commits.changed().await.unwrap();
    }
}

fn named(header: &Value) -> ConsensusAddress {
    header["proposer_address"].as_str().unwrap().to_lowercase().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_ledgers_of_a_real_network_count_turns_as_its_cometbfts_do() {
    let Some(binary) = binary() else { return };
    let chains: Vec<Chain> = (1..=VALIDATORS).map(Chain::empty_of).collect();
    let homes: Vec<_> = chains.iter().map(|chain| chain.dir.path().join("cometbft")).collect();
    homes.iter().for_each(|home| CometBft::init(&binary, home));
    let app_state = app_state(&homes);
    CometBft::begin_with(&homes[0], app_state);
    let genesis = std::fs::read(homes[0].join("config/genesis.json")).unwrap();
    let mut genesis: Value = serde_json::from_slice(&genesis).unwrap();
    // The ledger names the validators.
    genesis["validators"] = json!([]);
    for home in &homes {
        std::fs::write(home.join("config/genesis.json"), serde_json::to_vec(&genesis).unwrap()).unwrap();
    }
    let shutdown = CancellationToken::new();
    let mut servers = Vec::new();
    for chain in &chains {
        let socket = chain.dir.path().join("abci/abci.sock");
        servers.push(AbciServer::spawn(chain.ledger.clone(), &socket, 0, shutdown.clone()).await.unwrap());
    }
    let nodes = start(&binary, &homes, &servers);
    let ledger = chains[2].ledger.clone();
    let watched = tokio::spawn(watch(ledger.clone(), BLOCKS + 1));
    let mut events = ledger.events();
    let addresses: Vec<_> = homes.iter().map(|home| CometBft::validator(home).address()).collect();
    let mut actions = actions(&addresses).into_iter();
    let mut nonce = 0;
    while ledger.info().height <= BLOCKS {
        let block = tokio::time::timeout(PATIENCE, events.recv()).await.expect("blocks are made").unwrap();
        assert!(block.events.iter().all(|event| event.kind != "staking.jailed"), "{:?}", block.events);
        if block.height % 5 == 0
            && let Some((who, action)) = actions.next()
        {
            nonce += 1;
            let tx: Bytes = signed(who, &body(action, block.height + 100, nonce));
            assert_eq!(nodes[2].send(&tx).await["code"], 0);
        }
    }
    let seen = tokio::time::timeout(PATIENCE, watched).await.unwrap().unwrap();
    assert_eq!(actions.len(), 0);
    let (mut later, mut sets) = (0, std::collections::BTreeSet::new());
    for height in 1..BLOCKS {
        let Some(Turns { now, .. }) = seen.get(&height) else { continue };
        let (block, next) = (
            nodes[2].call(&format!("block?height={height}")).await,
            nodes[2].call(&format!("block?height={}", height + 1)).await,
        );
        let round = next["result"]["block"]["last_commit"]["round"].as_u64().unwrap();
        let named = named(&block["result"]["block"]["header"]);
        assert!(
            now.had_turn(&named, u32::try_from(round).unwrap()),
            "height {height}, round {round}: {named} of {now:?}"
        );
        if round == 0 {
            assert_eq!(now.first(), named, "height {height}");
        }
        later += u32::from(round > 0);
        sets.insert(now.places().iter().map(|place| (place.validator, place.power)).collect::<Vec<_>>());
    }
    println!("a real network: {} heights, {later} of them decided in a later round, {} sets", seen.len(), sets.len());
    assert!(seen.len() as u64 > BLOCKS / 2 && later > 0 && sets.len() > 4, "{later} {}", sets.len());
    drop(nodes);
    shutdown.cancel();
}
