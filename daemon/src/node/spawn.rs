//! Starting a node: stores, network, consensus, model, interface; each part only once what it needs is there.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use datanet_config::{ConsensusConfig, Engine as EngineKind, Home, NodeConfig, Profile};
use datanet_ledger::LedgerHandle;
use datanet_ledger::abci::AbciServer;
use datanet_ledger::component::migrations::Rules;
use datanet_ledger::solo::{SoloConfig, SoloEngine};
use datanet_p2p::{Network, NetworkConfig};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::lock::HomeLock;
use super::services::{Ground, compose};
use super::supervise::{Consensus, NodeHandle, Parts, stop_consensus};
use crate::chain::{Beginning, Chain, Engine};
use crate::cometbft::{CometBft, CometHandle, CometHome, CometPeer, CometSettings, CometSpec, CometTiming, ProxyApp};
use crate::embedder::Embedder;
use crate::init::{self, NetworkGenesis};
use crate::preflight;
use crate::upgrade::UpgradeNeeded;

/// What to start.
///
/// ```no_run
/// # async fn example(tools: datanet::Tools) -> anyhow::Result<()> {
/// use datanet::NodeOptions;
/// use datanet_config::{Home, NodeConfig};
///
/// let options = NodeOptions { home: Home::new("my-node"), config: NodeConfig::default(), tools, rules: Default::default() };
/// let node = datanet::spawn(options).await?;
/// println!("the interface is at {}", node.api_url());
/// node.stop().await
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct NodeOptions {
    /// A home that `init` has made.
    pub home: Home,
    /// The configuration, with environment and flags applied.
    pub config: NodeConfig,
    /// The programs and models it uses.
    pub tools: Tools,
    /// The ledger's rules that it knows: those of this code, unless another program is built around it.
    pub rules: Rules,
}

/// What a node uses that it does not contain. What is missing has its reason.
#[derive(Debug, Clone)]
pub struct Tools {
    /// The CometBFT executable; not needed with the solo engine.
    pub cometbft: Result<PathBuf, String>,
    /// ONNX Runtime and the model's folder.
    pub model: Result<(PathBuf, PathBuf), String>,
}

/// How long CometBFT may take to answer: it replays blocks first.
const COMET_START: Duration = Duration::from_secs(120);

/// Starts a node and returns once its interface listens. Every port may be 0 and is read back from the handle.
///
/// # Errors
/// When another node runs in the home, `init` has not made it, it has lost a store, an address is in use, or a store, the network or
/// consensus does not start. A missing model is no error: what needs it says so.
pub async fn spawn(options: NodeOptions) -> Result<NodeHandle> {
    spawn_until(options, CancellationToken::new()).await
}

/// The same, broken off in order when `asked` is cancelled before the node runs: it leaves nothing running.
///
/// # Errors
/// As [`spawn`]; with [`Stopped`] when it was broken off.
pub async fn spawn_until(options: NodeOptions, asked: CancellationToken) -> Result<NodeHandle> {
    let NodeOptions { home, config, tools, rules } = options;
    let lock = HomeLock::take(&home)?;
    let genesis = init::read_genesis(&home)?;
    let node_secret = init::node_secret(&home)?;
    let beacon = Arc::new(init::beacon_secret(&home)?);
    let token = init::api_token(&home)?;
    if let Some(warning) = preflight::stores::are_whole(&home, config.consensus.engine)? {
        tracing::warn!("{warning}");
    }
    clear_spool(&home)?;

    let listener = TcpListener::bind(config.api.listen)
        .await
        .with_context(|| format!("cannot listen on {} (api.listen); is another node running?", config.api.listen))?;
    let public = match config.public.address() {
        Some(address) => Some(
            TcpListener::bind(address)
                .await
                .with_context(|| format!("cannot listen on {address} (public.listen); is another node running?"))?,
        ),
        None => None,
    };
    let shutdown = CancellationToken::new();
    let consensus_stop = CancellationToken::new();
    let network_stop = CancellationToken::new();
    let ledger = LedgerHandle::open_knowing(&home.ledger(), beacon, knows(&config, rules))?;
    if let Some(outdated) = ledger.app().outdated()? {
        return Err(UpgradeNeeded { outdated, home: home.root().to_owned() }.into());
    }
    genesis.check_continued(&ledger.info())?;
    let (network, events) =
        Network::spawn(network_config(&home, &config, &genesis, node_secret.to_bytes()), network_stop).await?;
    let embedder = load_embedder(&config, &tools);
    let started = start_consensus(&home, &config, &genesis, &tools, &ledger, &consensus_stop, &asked).await;
    let (engine, consensus) = match started {
        Ok(started) => started,
        Err(error) => {
            network.shutdown().await;
            return Err(error);
        }
    };
    let Some(embedder) = asked.run_until_cancelled(embedder).await else {
        network.shutdown().await;
        stop_consensus(consensus, &consensus_stop).await;
        return Err(Stopped.into());
    };
    let embedder = embedder?;

    let runtime = tools
        .model
        .and_then(|(dylib, _)| datanet_inference::runtime::Runtime::init(&dylib).map_err(|error| error.to_string()));
    let begins = Beginning(genesis.genesis_time);
    if let Some(told) = begins.told() {
        tracing::warn!("{told}");
    }
    let chain = Chain::new(genesis.chain_id, ledger, engine, begins);
    let ground = Ground {
        home: home.clone(),
        config: config.clone(),
        secret: node_secret,
        chain,
        network,
        embedder,
        runtime,
        shutdown,
    };
    let composed = compose(ground)?;
    preflight::stores::mark(&home)?;
    NodeHandle::run(Parts { composed, home, config, lock, listener, public, token, events, consensus, consensus_stop })
        .await
}

/// The start was broken off because somebody asked for it.
#[derive(Debug, thiserror::Error)]
#[error("the node was stopped before it had started")]
pub struct Stopped;

/// The rules that this program knows, or acts as if it did.
fn knows(config: &NodeConfig, rules: Rules) -> Rules {
    match config.ledger.rehearse {
        0 => rules,
        version => {
            tracing::warn!(version, "an upgrade is rehearsed (ledger.rehearse): never on a network with others' money");
            version.into()
        }
    }
}

fn clear_spool(home: &Home) -> Result<()> {
    // What a crash left half uploaded was never acknowledged.
    let dir = init::spool_dir(home);
    match std::fs::remove_dir_all(&dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error).context("cannot clear the spool"),
        _ => std::fs::create_dir_all(&dir).context("cannot make the spool"),
    }
}

fn network_config(home: &Home, config: &NodeConfig, genesis: &NetworkGenesis, secret: [u8; 32]) -> NetworkConfig {
    let mut network = NetworkConfig::loopback(secret, home.blobs());
    network.network = genesis.chain_id.clone();
    network.listen = config.p2p.listen.clone();
    network.blob_bind = config.p2p.blob_bind;
    network.announce = config.p2p.announce.clone();
    network.bootstrap = config.p2p.bootstrap.clone();
    network.limits.max_incoming = config.p2p.max_connections;
    network
}

/// Loads the model beside everything else: it takes a second of pure computing.
async fn join_embedder(task: tokio::task::JoinHandle<Embedder>) -> Result<Embedder> {
    task.await.context("loading the model broke off")
}

fn load_embedder(config: &NodeConfig, tools: &Tools) -> impl Future<Output = Result<Embedder>> + use<> {
    let (config, model) = (config.inference.clone(), tools.model.clone());
    let task = tokio::task::spawn_blocking(move || match model {
        Ok((dylib, model_dir)) => {
            let model_dir = if config.model_dir.as_os_str().is_empty() { model_dir } else { config.model_dir.clone() };
            Embedder::load(&config, model_dir, dylib)
        }
        Err(reason) => Embedder::absent(reason),
    });
    join_embedder(task)
}

async fn start_consensus(
    home: &Home,
    config: &NodeConfig,
    genesis: &NetworkGenesis,
    tools: &Tools,
    ledger: &LedgerHandle,
    stop: &CancellationToken,
    asked: &CancellationToken,
) -> Result<(Engine, Consensus)> {
    match config.consensus.engine {
        EngineKind::Solo => {
            let solo =
                SoloEngine::spawn(ledger.clone(), solo_config(&config.consensus, genesis)?, stop.clone()).await?;
            Ok((Engine::Solo(solo.handle()), Consensus::Solo(solo)))
        }
        EngineKind::Cometbft => {
            let program = tools.cometbft.clone().map_err(anyhow::Error::msg)?;
            home.make_sockets()?;
            let (socket, keep) = (home.abci_socket(), config.ledger.keep_blocks);
            let abci = AbciServer::spawn(ledger.clone(), &socket, keep, stop.clone()).await?;
            let comet_home = CometHome::open(home.cometbft())?;
            comet_home.write_genesis(&genesis.to_comet()?)?;
            let settings = comet_settings(config, home)?;
            let sleeps = Beginning(genesis.genesis_time).is_in().is_some();
            let rpc_socket = home.rpc_socket();
            let spec =
                CometSpec { program, home: comet_home, rpc_socket, settings, start_timeout: COMET_START, sleeps };
            match start_cometbft(spec, asked).await {
                Ok(comet) => Ok((Engine::CometBft(comet.rpc().clone()), Consensus::CometBft { abci, comet })),
                Err(error) => {
                    stop.cancel();
                    let _ = abci.join().await;
                    Err(error)
                }
            }
        }
    }
}

async fn start_cometbft(spec: CometSpec, asked: &CancellationToken) -> Result<CometHandle> {
    // Its own token: it must outlive the parts that use it, and end before the application does.
    let stop = CancellationToken::new();
    let mut starting = std::pin::pin!(CometBft::start(spec, stop.clone()));
    tokio::select! {
        started = &mut starting => Ok(started?),
        () = asked.cancelled() => {
            stop.cancel();
            if let Ok(comet) = starting.await {
                comet.stop().await;
            }
            Err(Stopped.into())
        }
    }
}

/// How often an idle chain makes a block.
pub(super) fn empty_block_interval(consensus: &ConsensusConfig) -> Duration {
    let millis = consensus.empty_block_interval_ms;
    match (millis, consensus.engine, consensus.profile) {
        (1.., ..) => Duration::from_millis(millis),
        (0, EngineKind::Solo, _) => Duration::from_secs(1),
        (0, EngineKind::Cometbft, Profile::Local) => CometTiming::local().empty_blocks_interval,
        (0, EngineKind::Cometbft, Profile::Production) => CometTiming::production().empty_blocks_interval,
    }
}

fn solo_config(consensus: &ConsensusConfig, genesis: &NetworkGenesis) -> Result<SoloConfig> {
    let mut solo = SoloConfig::new(genesis.chain_id.clone(), serde_json::to_vec(&genesis.app_state)?);
    solo.begins_in = Beginning(genesis.genesis_time).is_in().unwrap_or_default();
    if consensus.block_interval_ms > 0 {
        solo.block_interval = Duration::from_millis(consensus.block_interval_ms);
    }
    if consensus.empty_block_interval_ms > 0 {
        solo.empty_block_interval = Some(Duration::from_millis(consensus.empty_block_interval_ms));
    }
    Ok(solo)
}

fn comet_settings(config: &NodeConfig, home: &Home) -> Result<CometSettings> {
    let consensus = &config.consensus;
    let proxy_app = ProxyApp::Unix(home.abci_socket());
    let name = config.node.name.clone();
    let mut settings = match consensus.profile {
        Profile::Local => CometSettings::local(name, proxy_app),
        Profile::Production => CometSettings::production(name, proxy_app),
    };
    settings.p2p_listen = consensus.p2p_listen;
    settings.external_address = Some(consensus.external_address.clone()).filter(|address| !address.is_empty());
    let peers: Result<Vec<CometPeer>, _> = consensus.persistent_peers.iter().map(|peer| peer.parse()).collect();
    settings.persistent_peers = peers.map_err(|error| anyhow::anyhow!("consensus.persistent_peers: {error}"))?;
    if consensus.block_interval_ms > 0 {
        settings.timing.commit = Duration::from_millis(consensus.block_interval_ms);
    }
    if consensus.empty_block_interval_ms > 0 {
        settings.timing.empty_blocks_interval = Duration::from_millis(consensus.empty_block_interval_ms);
    }
    Ok(settings)
}

/// The address by which this machine's programs reach a listener.
pub(super) fn local_url(address: SocketAddr) -> String {
    let ip = match address.ip() {
        // Where all interfaces are listened on, nobody is reached by that.
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    format!("http://{}", SocketAddr::new(ip, address.port()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_that_listens_everywhere_is_reached_over_loopback() {
        for (listened, reached) in [
            ("0.0.0.0:26680", "http://127.0.0.1:26680"),
            ("[::]:26680", "http://[::1]:26680"),
            ("192.0.2.7:1", "http://192.0.2.7:1"),
        ] {
            assert_eq!(local_url(listened.parse().unwrap()), reached);
        }
    }
}
