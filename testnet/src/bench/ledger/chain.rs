//! Four validators with real CometBFT, each with an application in a process of its own behind a Unix socket: the ledger, or CometBFT's
//! own `kvstore`. Homes, genesis and configuration are those of a testnet's nodes, made by the same code; only the application differs.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail};
use datanet::cometbft::{
    CometBft, CometGenesis, CometHandle, CometHome, CometSettings, CometSpec, CometValidator, ProxyApp,
};
use datanet::init::{InitOutcome, NetworkGenesis, init_home};
use datanet_config::{Home, NodeConfig};
use datanet_ledger::component::staking::GenesisValidator;
use datanet_ledger::component::{Genesis, GenesisAccount, Params};
use datanet_types::amount::DNT;
use futures::future::try_join_all;
use serde_json::json;
use tempfile::TempDir;
use tokio::net::UnixStream;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::cpu;
use crate::network::ports;

/// Validators: the fewest that go on without one of them.
pub(super) const VALIDATORS: usize = 4;
/// What the chain is called.
pub(super) const CHAIN: &str = "bench-ledger";
/// What stands behind each validator.
const STAKE: u64 = 10_000 * DNT;
/// How long an application may take to listen, and a CometBFT to answer.
const START: Duration = Duration::from_secs(30);
/// How often one looks whether a socket is there: there is no event to wait for.
const LOOK: Duration = Duration::from_millis(20);

/// What executes the blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Application {
    /// Ours.
    Ledger,
    /// CometBFT's own, of `abci-cli`.
    Kvstore,
}

/// The programs.
#[derive(Debug, Clone)]
pub(super) struct Programs {
    pub(super) cometbft: PathBuf,
    pub(super) abci_cli: PathBuf,
    /// This one, whose command `application` is the ledger.
    pub(super) testnet: PathBuf,
}

/// A chain that runs. Its files go with it.
pub(super) struct Chain {
    applications: Vec<Child>,
    comets: Vec<CometHandle>,
    stop: CancellationToken,
    _folder: TempDir,
}

impl Chain {
    /// Starts one below `root` and returns once every CometBFT answers. The ledger begins with money in `accounts`.
    pub(super) async fn start(
        programs: &Programs,
        root: &Path,
        application: Application,
        accounts: &[GenesisAccount],
    ) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("ledger-").tempdir_in(root)?;
        let homes: Vec<Home> = (0..VALIDATORS).map(|n| Home::new(folder.path().join(n.to_string()))).collect();
        let made = homes.iter().map(|home| Ok(init_home(home, &NodeConfig::default())?));
        let outcomes: Vec<InitOutcome> = made.collect::<Result<_>>()?;
        let genesis = genesis(application, &outcomes, accounts)?;
        let stop = CancellationToken::new();
        let mut chain = Self { applications: Vec::new(), comets: Vec::new(), stop, _folder: folder };
        for home in &homes {
            home.make_sockets()?;
            chain.applications.push(serve(programs, application, home)?);
        }
        for (home, child) in homes.iter().zip(&mut chain.applications) {
            listens(home, child).await?;
        }
        let specs = specs(programs, &homes, &outcomes, &genesis)?;
        chain.comets = try_join_all(specs.into_iter().map(|spec| CometBft::start(spec, chain.stop.clone()))).await?;
        Ok(chain)
    }

    /// The RPC sockets, one a validator.
    pub(super) fn sockets(&self) -> Vec<PathBuf> {
        self.comets.iter().map(|comet| comet.rpc().socket().to_owned()).collect()
    }

    /// Processor time so far of all applications and of all CometBFTs.
    pub(super) fn processor_time(&self) -> (Duration, Duration) {
        let applications = self.applications.iter().filter_map(|child| i32::try_from(child.id()?).ok());
        (cpu::of(applications), cpu::of(self.comets.iter().map(CometHandle::pid)))
    }

    /// Ends everything.
    pub(super) async fn stop(mut self) -> Result<()> {
        self.stop.cancel();
        for comet in &self.comets {
            comet.wait_exit().await;
        }
        for child in &mut self.applications {
            child.kill().await?;
        }
        Ok(())
    }
}

/// The ledger's, or the same with other validators' names and nothing to begin with.
fn genesis(application: Application, outcomes: &[InitOutcome], accounts: &[GenesisAccount]) -> Result<CometGenesis> {
    let operators = outcomes.iter().map(|one| GenesisAccount { address: one.account, balance: STAKE, name: None });
    let validator = |(n, one): (usize, &InitOutcome)| GenesisValidator {
        key: one.validator,
        beacon_key: one.beacon_key,
        operator: one.account,
        stake: STAKE,
        commission_bps: 0,
        name: n.to_string(),
    };
    let app_state = Genesis {
        params: Params::default(),
        accounts: operators.chain(accounts.iter().cloned()).collect(),
        validators: outcomes.iter().enumerate().map(validator).collect(),
        authority: None,
    };
    let genesis_time = SystemTime::now().duration_since(UNIX_EPOCH).context("this machine's clock is before 1970")?;
    let genesis =
        NetworkGenesis { chain_id: CHAIN.to_owned(), genesis_time: genesis_time.as_secs(), app_state, continues: None }
            .to_comet()?;
    Ok(match application {
        Application::Ledger => genesis,
        Application::Kvstore => {
            let validator = |(n, one): (usize, &InitOutcome)| CometValidator {
                public_key: one.validator.0,
                power: 10,
                name: n.to_string(),
            };
            let validators = outcomes.iter().enumerate().map(validator).collect();
            CometGenesis { validators, app_state: json!({}), ..genesis }
        }
    })
}

/// Starts an application on the socket of `home`.
fn serve(programs: &Programs, application: Application, home: &Home) -> Result<Child> {
    let program = match application {
        Application::Ledger => &programs.testnet,
        Application::Kvstore => &programs.abci_cli,
    };
    let mut command = Command::new(program);
    match application {
        Application::Ledger => command.arg("application").arg("--home").arg(home.root()),
        Application::Kvstore => command
            .args(["kvstore", "--log_level", "error", "--address"])
            .arg(format!("unix://{}", home.abci_socket().display()))
            .arg("--persist")
            .arg(home.data()),
    };
    // The ledger ends with its input.
    command.stdin(Stdio::piped()).stdout(Stdio::null()).process_group(0).kill_on_drop(true);
    command.spawn().with_context(|| format!("cannot start {}", program.display()))
}

async fn listens(home: &Home, child: &mut Child) -> Result<()> {
    let (socket, deadline) = (home.abci_socket(), Instant::now() + START);
    while UnixStream::connect(&socket).await.is_err() {
        if let Some(status) = child.try_wait()? {
            bail!("an application ended while it was starting ({status})");
        }
        if Instant::now() >= deadline {
            bail!("an application does not listen on {} after {} s", socket.display(), START.as_secs());
        }
        sleep(LOOK).await;
    }
    Ok(())
}

/// A CometBFT for each home, of which each knows all others.
fn specs(
    programs: &Programs,
    homes: &[Home],
    outcomes: &[InitOutcome],
    genesis: &CometGenesis,
) -> Result<Vec<CometSpec>> {
    let listen = ports::free(homes.len())?.into_iter().map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    let listen: Vec<SocketAddr> = listen.collect();
    let peer = |n: usize| format!("{}@{}", outcomes[n].comet_node_id, listen[n]).parse();
    let spec = |(n, home): (usize, &Home)| {
        let mut settings = CometSettings::local(n.to_string(), ProxyApp::Unix(home.abci_socket()));
        settings.p2p_listen = listen[n];
        let others = (0..homes.len()).filter(|other| *other != n).map(peer);
        settings.persistent_peers = others.collect::<Result<_, String>>().map_err(anyhow::Error::msg)?;
        let (rpc_socket, home) = (home.rpc_socket(), CometHome::open(home.cometbft())?);
        home.write_genesis(genesis)?;
        let program = programs.cometbft.clone();
        Ok(CometSpec { program, home, rpc_socket, settings, start_timeout: START, sleeps: false })
    };
    homes.iter().enumerate().map(spec).collect()
}
