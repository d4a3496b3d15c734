//! The supervision against the real program. Setup brings it; where it cannot, the tests say so loudly.

use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use datanet_setup::{Part, SetupOptions, SilentProgress, ensure_part};
use tokio_util::sync::CancellationToken;

use super::*;

/// The real program, or `None` with a loud word. In CI its absence is a failure.
async fn program() -> Option<PathBuf> {
    let options = SetupOptions::from_env().unwrap();
    match ensure_part(Part::Cometbft, &options, Arc::new(SilentProgress)).await {
        Ok(program) => Some(program),
        Err(error) if std::env::var_os("CI").is_some() => panic!("{error}"),
        Err(error) => {
            eprintln!("SKIPPED, because there is no CometBFT: {error}");
            None
        }
    }
}

fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

/// A chain of one validator with the built-in key-value store.
async fn spec(dir: &Path) -> Option<CometSpec> {
    let home = CometHome::open(dir).unwrap();
    let validator = CometValidator { public_key: home.validator_key().0, power: 10, name: "only".into() };
    home.write_genesis(&CometGenesis::new("test", now(), vec![validator], serde_json::json!({}))).unwrap();
    let mut settings = CometSettings::local("only", ProxyApp::Kvstore);
    settings.timing.create_empty_blocks = true;
    let (program, rpc_socket) = (program().await?, dir.join("rpc.sock"));
    Some(CometSpec { program, home, rpc_socket, settings, start_timeout: Duration::from_secs(30), sleeps: false })
}

async fn reach(rpc: &RpcClient, height: u64) -> RpcStatus {
    tokio::time::timeout(Duration::from_secs(30), async {
        loop {
            match rpc.status().await {
                Ok(status) if status.height >= height => return status,
                _ => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    })
    .await
    .unwrap()
}

#[tokio::test]
async fn a_chain_runs_takes_a_transaction_stops_and_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let Some(spec) = spec(dir.path()).await else { return };
    let node = CometBft::start(spec.clone(), CancellationToken::new()).await.unwrap();
    let status = reach(node.rpc(), 2).await;
    assert_eq!((status.chain_id.as_str(), status.voting_power), ("test", 10));
    assert_eq!(node.rpc().peers().await.unwrap(), vec![]);
    let outcome = node.rpc().broadcast_tx_sync(b"key=value").await.unwrap();
    assert_eq!((outcome.code, outcome.hash.len()), (0, 64));
    let again = node.rpc().broadcast_tx_sync(b"key=value").await.unwrap_err();
    assert!(matches!(again, RpcError::AlreadySubmitted), "{again}");
    let large = node.rpc().broadcast_tx_sync(&vec![b'x'; 1024 * 1024 + 1]).await.unwrap_err();
    assert!(matches!(large, RpcError::TooLarge { .. }), "{large}");

    let exit = node.stop().await.unwrap();
    assert!(exit.requested && !exit.killed, "{exit}");
    assert!(!spec.home.pid_path().exists() && !spec.rpc_socket.exists());
    let node = CometBft::start(spec, CancellationToken::new()).await.unwrap();
    // Built-in kvstore keeps nothing across a restart: CometBFT replays its blocks from the store.
    reach(node.rpc(), status.height + 1).await;
    node.stop().await.unwrap();
}

#[tokio::test]
async fn its_death_is_noticed_and_explained() {
    let dir = tempfile::tempdir().unwrap();
    let Some(spec) = spec(dir.path()).await else { return };
    let node = CometBft::start(spec, CancellationToken::new()).await.unwrap();
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(node.pid()), nix::sys::signal::Signal::SIGKILL).unwrap();
    let exit = node.wait_exit().await.unwrap();
    assert!(!exit.requested, "{exit}");
    assert!(exit.to_string().contains("SIGKILL"), "{exit}");
}

#[tokio::test]
async fn a_home_without_a_genesis_is_an_error_with_the_end_of_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let Some(mut spec) = spec(dir.path()).await else { return };
    std::fs::write(dir.path().join("config/genesis.json"), b"{").unwrap();
    spec.start_timeout = Duration::from_secs(20);
    let error = CometBft::start(spec, CancellationToken::new()).await.unwrap_err();
    assert!(matches!(&error, CometError::Died(exit) if !exit.last_lines.is_empty()), "{error}");
}

#[tokio::test]
async fn a_configured_port_in_use_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let Some(mut spec) = spec(dir.path()).await else { return };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = listener.local_addr().unwrap();
    spec.settings.p2p_listen = taken;
    let error = CometBft::start(spec, CancellationToken::new()).await.unwrap_err();
    assert!(matches!(error, CometError::PortTaken(port) if port == taken), "{error}");
}

/// The ports on which a process listens for TCP, by the system's own tables.
#[cfg(target_os = "linux")]
fn listens(pid: i32) -> Vec<u16> {
    let sockets: Vec<String> = std::fs::read_dir(format!("/proc/{pid}/fd"))
        .unwrap()
        .filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok())
        .filter_map(|link| Some(link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned()))
        .collect();
    assert!(!sockets.is_empty(), "it holds no sockets at all");
    let tables = ["tcp", "tcp6"].map(|table| std::fs::read_to_string(format!("/proc/{pid}/net/{table}")));
    let port = |line: &str| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let (local, state, inode) = (columns.get(1)?, columns.get(3)?, columns.get(9)?);
        let listens = *state == "0A" && sockets.iter().any(|socket| socket == inode);
        listens.then(|| u16::from_str_radix(local.rsplit_once(':').unwrap().1, 16).unwrap())
    };
    tables.iter().flatten().flat_map(|table| table.lines().filter_map(port)).collect()
}

#[tokio::test]
#[cfg(target_os = "linux")]
async fn nothing_of_it_can_be_reached_over_tcp_but_where_its_peers_connect() {
    let dir = tempfile::tempdir().unwrap();
    let Some(spec) = spec(dir.path()).await else { return };
    let node = CometBft::start(spec, CancellationToken::new()).await.unwrap();
    assert_eq!(listens(node.pid()), [node.p2p_addr().port()]);
    node.stop().await.unwrap();
}

#[tokio::test]
async fn a_socket_that_a_killed_one_has_left_is_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let Some(spec) = spec(dir.path()).await else { return };
    drop(UnixListener::bind(&spec.rpc_socket).unwrap());
    assert!(spec.rpc_socket.exists());
    let node = CometBft::start(spec, CancellationToken::new()).await.unwrap();
    reach(node.rpc(), 1).await;
    node.stop().await.unwrap();
}

#[tokio::test]
async fn what_lies_where_the_socket_belongs_and_is_none_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let Some(spec) = spec(dir.path()).await else { return };
    std::fs::create_dir(&spec.rpc_socket).unwrap();
    let socket = spec.rpc_socket.clone();
    let error = CometBft::start(spec, CancellationToken::new()).await.unwrap_err();
    assert!(matches!(&error, CometError::Io { path, .. } if *path == socket), "{error}");
}

/// No path is told to the peers: they refuse one in letters that are not ASCII, and split it at a comma.
#[tokio::test]
async fn nodes_whose_homes_have_long_and_odd_names_find_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let Some(program) = program().await else { return };
    let homes = ["käse, 奶酪", &"long".repeat(30)].map(|name| datanet_config::Home::new(dir.path().join(name)));
    let mut nodes: Vec<CometHandle> = Vec::new();
    let mut genesis = None;
    for home in &homes {
        home.create().unwrap();
        home.make_sockets().unwrap();
        let comet = CometHome::open(home.cometbft()).unwrap();
        let validator = CometValidator { public_key: comet.validator_key().0, power: 10, name: "first".into() };
        let genesis =
            genesis.get_or_insert_with(|| CometGenesis::new("test", now(), vec![validator], serde_json::json!({})));
        comet.write_genesis(genesis).unwrap();
        let mut settings = CometSettings::local("one", ProxyApp::Kvstore);
        settings.persistent_peers.extend(nodes.first().map(peer));
        let spec = CometSpec {
            program: program.clone(),
            home: comet,
            rpc_socket: home.rpc_socket(),
            settings,
            start_timeout: Duration::from_secs(30),
            sleeps: false,
        };
        nodes.push(CometBft::start(spec, CancellationToken::new()).await.unwrap());
    }
    assert_ne!(homes[1].sockets(), homes[1].root().join("sockets"), "its path is too short for this test");
    reach(nodes[1].rpc(), 1).await;
    assert_eq!(nodes[0].rpc().peers().await.unwrap(), [nodes[1].node_id()]);
    for node in nodes {
        node.stop().await.unwrap();
    }
    std::fs::remove_dir_all(homes[1].sockets()).unwrap();
}

fn peer(node: &CometHandle) -> CometPeer {
    format!("{}@{}", node.node_id(), node.p2p_addr()).parse().unwrap()
}

#[tokio::test]
async fn a_shutdown_while_it_waits_for_its_application_ends_it() {
    let dir = tempfile::tempdir().unwrap();
    let Some(mut spec) = spec(dir.path()).await else { return };
    // Nobody listens there: CometBFT tries again and again.
    spec.settings.proxy_app = ProxyApp::Unix(dir.path().join("nobody.sock"));
    let shutdown = CancellationToken::new();
    let stopper = shutdown.clone();
    let pid_path = spec.home.pid_path();
    let started = tokio::spawn(CometBft::start(spec, shutdown));
    while !pid_path.exists() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    stopper.cancel();
    let error = started.await.unwrap().unwrap_err();
    assert!(matches!(error, CometError::ShuttingDown), "{error}");
    assert!(!pid_path.exists());
}

#[tokio::test]
async fn what_a_killed_node_left_running_is_ended_before_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    let Some(spec) = spec(dir.path()).await else { return };
    // As a node that was killed leaves it: running, with a pid file, and here even with a log that goes on.
    let p2p = port::pick(spec.settings.p2p_listen).unwrap();
    spec.home.write_config(&template::render(&spec.settings, "rpc.sock", p2p)).unwrap();
    let mut command = Command::new(&spec.program);
    command.args(["start", "--home"]).arg(dir.path()).current_dir(dir.path()).stdout(Stdio::piped());
    let mut leftover = command.spawn().unwrap();
    std::fs::write(spec.home.pid_path(), leftover.id().to_string()).unwrap();
    let mut output = leftover.stdout.take().unwrap();
    // Somebody reads on and collects the process, as init does for an orphan.
    let drain = std::thread::spawn(move || std::io::copy(&mut output, &mut std::io::sink()));
    let collected = std::thread::spawn(move || leftover.wait().unwrap());
    // It has made its databases: killed while it makes them, CometBFT can't read them again.
    reach(&RpcClient::new(&spec.rpc_socket).unwrap(), 1).await;
    let node = CometBft::start(spec, CancellationToken::new()).await.unwrap();
    // Its home is free: the process has ended.
    collected.join().unwrap();
    drain.join().unwrap().unwrap();
    reach(node.rpc(), 1).await;
    node.stop().await.unwrap();
}

#[tokio::test]
async fn it_ends_by_itself_when_its_application_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let Some(mut spec) = spec(dir.path()).await else { return };
    let socket = dir.path().join("abci.sock");
    spec.settings.proxy_app = ProxyApp::Unix(socket.clone());
    let listener = tokio::net::UnixListener::bind(&socket).unwrap();
    let start = tokio::spawn(CometBft::start(spec, CancellationToken::new()));
    // It opens four connections, one of which is for consensus; we hang up as a process that dies does.
    let mut connections = Vec::new();
    while connections.len() < 4 {
        connections.push(listener.accept().await.unwrap());
    }
    drop((connections, listener));
    let hung_up = Instant::now();
    let error = start.await.unwrap().unwrap_err();
    assert!(matches!(error, CometError::Died(_)), "{error}");
    assert!(hung_up.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn nodes_of_a_production_network_may_share_an_address() {
    let dirs = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let Some(program) = program().await else { return };
    let homes = dirs.each_ref().map(|dir| CometHome::open(dir.path()).unwrap());
    let validator = CometValidator { public_key: homes[0].validator_key().0, power: 10, name: "first".into() };
    let genesis = CometGenesis::new("test", now(), vec![validator], serde_json::json!({}));
    let mut nodes: Vec<CometHandle> = Vec::new();
    for home in homes {
        home.write_genesis(&genesis).unwrap();
        let mut settings = CometSettings::production("one", ProxyApp::Kvstore);
        settings.p2p_listen = ([127, 0, 0, 1], 0).into();
        // Both others come to the first one, from the same address.
        settings.persistent_peers.extend(nodes.first().map(peer));
        let spec = CometSpec {
            program: program.clone(),
            rpc_socket: home.root().join("rpc.sock"),
            home,
            settings,
            start_timeout: Duration::from_secs(30),
            sleeps: false,
        };
        nodes.push(CometBft::start(spec, CancellationToken::new()).await.unwrap());
    }
    let both = async {
        while nodes[0].rpc().peers().await.unwrap().len() < 2 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), both).await.expect("both are connected");
    reach(nodes[2].rpc(), 1).await;
    assert_eq!(nodes[2].rpc().validators().await.unwrap(), 1);
    for node in nodes {
        node.stop().await.unwrap();
    }
}
