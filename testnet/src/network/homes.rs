//! Making the homes of a network: keys and tokens, one genesis for all, ports and the addresses of the others.
//!
//! This is the one place that knows the daemon's types; everything else speaks HTTP and files.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use datanet::init::{InitOutcome, NetworkGenesis, describe, init_home, read_genesis, write_genesis};
use datanet_config::{Engine as OrderedBy, Home, NodeConfig, Overrides, Profile, Role};
use datanet_ledger::component::staking::GenesisValidator;
use datanet_ledger::component::{Genesis, GenesisAccount, Params};
use datanet_setup::{LineProgress, Progress, SetupOptions, Toolbox, ensure, progress_for};
use datanet_types::amount::DNT;
use libp2p::identity;

use super::{Engine, NetworkOptions, NodeEntry, ports};
use crate::ui::Ui;

/// What each node's account owns at the start.
const NODE_BALANCE: u64 = 1_000_000 * DNT;
/// What of it stands behind its validator.
const STAKE: u64 = 10_000 * DNT;
/// What an operator keeps of its delegators' rewards, in basis points.
const COMMISSION: u32 = 1_000;
/// Seconds for committing scores: several nodes share this machine's cores, and judging takes what it takes.
const COMMIT_SECONDS: u64 = 300;
/// Seconds for auditing an epoch that is challenged.
const AUDIT_SECONDS: u64 = 20;
/// Seconds in which an epoch can be challenged: long enough for the other nodes to look, short enough to be waited for.
const CHALLENGE_SECONDS: u64 = 5;
/// Time for storage nodes to attest a statement: they do within a few blocks, and a machine that is busy may take longer.
const STATEMENT_SECONDS: u64 = 60;
/// Seconds in which a verdict can be challenged.
const VERDICT_SECONDS: u64 = 10;
/// Seconds for revealing scores.
const REVEAL_SECONDS: u64 = 60;

/// Brings what this machine lacks (CometBFT, ONNX Runtime, the model); returns where it is and the seconds it took.
///
/// # Errors
/// Naming the command to type where something cannot be had.
pub async fn setup(ui: &Ui) -> Result<(Toolbox, f64)> {
    let began = Instant::now();
    let tools = ensure(&SetupOptions::from_env()?, progress(ui)).await?;
    Ok((tools, began.elapsed().as_secs_f64()))
}

/// Where setup says how far it is.
pub(crate) fn progress(ui: &Ui) -> Arc<dyn Progress> {
    if ui.is_for_programs() { Arc::new(LineProgress::default()) } else { progress_for(false) }
}

/// The ports of one node. They stay the same over restarts, so that others find it again.
struct Ports {
    api: u16,
    gossip: u16,
    blobs: u16,
    comet: u16,
}

/// Makes all homes below `dir`.
pub(super) async fn create(dir: &Path, chain_id: &str, options: &NetworkOptions) -> Result<Vec<NodeEntry>> {
    let homes: Vec<Home> = (0..options.nodes).map(|i| Home::new(dir.join(name(i)))).collect();
    let ports = ports::free(options.nodes * 4)?;
    let ports: Vec<Ports> =
        ports.chunks_exact(4).map(|p| Ports { api: p[0], gossip: p[1], blobs: p[2], comet: p[3] }).collect();
    let mut outcomes = Vec::new();
    for (i, home) in homes.iter().enumerate() {
        let config = own_config(i, &ports[i], options);
        outcomes.push(init_home(home, &config).with_context(|| format!("cannot make {}", home.root().display()))?);
    }
    let genesis = genesis(chain_id, &outcomes, &options.params)?;
    for (i, home) in homes.iter().enumerate() {
        write_genesis(home, &genesis)?;
        let config = introduced(own_config(i, &ports[i], options), i, &ports, &outcomes)?;
        std::fs::write(home.config(), config.to_toml())
            .with_context(|| format!("cannot write {}", home.config().display()))?;
    }
    let entry = |(i, (home, outcome)): (usize, (&Home, &InitOutcome))| NodeEntry {
        name: name(i),
        home: home.root().to_owned(),
        account: outcome.account.to_string(),
    };
    Ok(homes.iter().zip(&outcomes).enumerate().map(entry).collect())
}

/// Makes the home of one more node that follows the network of `others` without ordering it: their genesis, their
/// addresses. It keeps and serves data, but does not judge.
pub(super) fn create_newcomer(dir: &Path, name: &str, others: &[NodeEntry]) -> Result<NodeEntry> {
    let ports = ports::free(4)?;
    let ports = Ports { api: ports[0], gossip: ports[1], blobs: ports[2], comet: ports[3] };
    let options = NetworkOptions::new(dir, name, 1);
    let mut config = own_config(0, &ports, &options);
    name.clone_into(&mut config.node.name);
    config.node.roles = vec![Role::Storage, Role::Serving];
    for other in others {
        let home = Home::new(&other.home);
        let theirs = datanet_config::load(Some(&home.config()), std::iter::empty(), &Overrides::new())?;
        let gossip = theirs.p2p.listen.first().with_context(|| format!("{} listens nowhere", other.name))?;
        introduce(&mut config, gossip, theirs.consensus.p2p_listen, &describe(&home)?)?;
    }
    let first = others.first().context("there is nobody to follow")?;
    let home = Home::new(dir.join(name));
    let outcome = init_home(&home, &config)?;
    write_genesis(&home, &read_genesis(&Home::new(&first.home))?)?;
    Ok(NodeEntry { name: name.to_owned(), home: home.root().to_owned(), account: outcome.account.to_string() })
}

fn name(index: usize) -> String {
    format!("node{index}")
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// A node's configuration, as far as it does not depend on the others.
fn own_config(index: usize, ports: &Ports, options: &NetworkOptions) -> NodeConfig {
    let mut config = NodeConfig::default();
    config.node.name = name(index);
    config.api.listen = loopback(ports.api);
    config.p2p.listen = vec![quic(ports.gossip), format!("/ip4/127.0.0.1/tcp/{}", ports.gossip)];
    config.p2p.blob_bind = loopback(ports.blobs);
    config.consensus.profile = Profile::Local;
    config.consensus.p2p_listen = loopback(ports.comet);
    config.consensus.engine = match options.engine {
        Engine::Cometbft => OrderedBy::Cometbft,
        Engine::Solo => OrderedBy::Solo,
    };
    config.inference.threads = options.inference_threads;
    config.judging.automatic = options.automatic_judging;
    config
}

fn quic(port: u16) -> String {
    format!("/ip4/127.0.0.1/udp/{port}/quic-v1")
}

/// The same with the addresses of all other nodes.
fn introduced(mut config: NodeConfig, index: usize, ports: &[Ports], outcomes: &[InitOutcome]) -> Result<NodeConfig> {
    for (_, (ports, outcome)) in ports.iter().zip(outcomes).enumerate().filter(|(other, _)| *other != index) {
        introduce(&mut config, &quic(ports.gossip), loopback(ports.comet), outcome)?;
    }
    Ok(config)
}

/// Adds a node that gossips at `gossip` and orders blocks at `comet`.
fn introduce(config: &mut NodeConfig, gossip: &str, comet: SocketAddr, node: &InitOutcome) -> Result<()> {
    let key = identity::ed25519::PublicKey::try_from_bytes(&node.node_key.0)
        .with_context(|| format!("the node key {} is no ed25519 key", node.node_key))?;
    let peer = identity::PublicKey::from(key).to_peer_id();
    config.p2p.bootstrap.push(format!("{gossip}/p2p/{peer}"));
    config.consensus.persistent_peers.push(format!("{}@{comet}", node.comet_node_id));
    Ok(())
}

/// Every node orders blocks with the same stake and owns the same.
fn genesis(chain_id: &str, outcomes: &[InitOutcome], params: &Params) -> Result<NetworkGenesis> {
    let validator = |(i, outcome): (usize, &InitOutcome)| GenesisValidator {
        key: outcome.validator,
        beacon_key: outcome.beacon_key,
        operator: outcome.account,
        stake: STAKE,
        commission_bps: COMMISSION,
        name: name(i),
    };
    let account = |(i, outcome): (usize, &InitOutcome)| GenesisAccount {
        address: outcome.account,
        balance: NODE_BALANCE,
        name: Some(name(i)),
    };
    Ok(NetworkGenesis {
        chain_id: chain_id.to_owned(),
        genesis_time: SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .context("this machine's clock is before 1970")?
            .as_secs(),
        app_state: Genesis {
            params: params.clone(),
            accounts: outcomes.iter().enumerate().map(account).collect(),
            validators: outcomes.iter().enumerate().map(validator).collect(),
            authority: None,
        },
        continues: None,
    })
}

/// The numbers of a chain whose nodes share one machine.
pub(super) fn params() -> Params {
    Params {
        commit_seconds: COMMIT_SECONDS,
        reveal_seconds: REVEAL_SECONDS,
        challenge_seconds: CHALLENGE_SECONDS,
        statement_seconds: STATEMENT_SECONDS,
        verdict_challenge_seconds: VERDICT_SECONDS,
        audit_seconds: AUDIT_SECONDS,
        ..Params::default()
    }
}
