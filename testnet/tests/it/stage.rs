//! The network that tests share, the node that one has for itself, and their end.
//!
//! Tests of one binary run side by side and end in any order, and what is static is never dropped. So a small helper
//! process takes each network down: it waits for the end of its input, which the system closes when the tests end,
//! however they end. Homes and logs stay until the next run.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use datanet_ledger::component::Params;
use datanet_testnet::network::{self, Engine, Network, NetworkOptions};
use datanet_testnet::ui::Ui;
use tokio::sync::Mutex;

use crate::scene::until;

/// Nodes: the fewest that go on without one of them.
pub const NODES: usize = 4;
/// The program whose processes are nodes.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_testnet");
/// The longest a scenario may take; each of its waits is shorter and says more.
const SCENARIO: Duration = Duration::from_secs(480);
/// Lines of each node's log shown when a scenario fails.
const LAST_LINES: usize = 20;
/// Networks below [`root`]: the shared one, the node that joins it late, and a node all by itself.
const NETWORK: &str = "network";
pub const NEWCOMER: &str = "newcomer";
const LONE: &str = "lone";
const APART: &str = "apart";

/// The shared network, once a test has asked for it. Held while a scenario runs: they take turns.
static SHARED: Mutex<Option<Stage>> = Mutex::const_new(None);

/// A network and the process that takes it down once this is dropped or the tests end.
struct Stage {
    network: Network,
    _reaper: Child,
}

/// Where the networks of these tests live.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("it")
}

/// Runs a scenario on the shared network, all nodes of which run and agree.
pub fn play(scenario: impl AsyncFnOnce(&mut Network) -> Result<()>) -> Result<()> {
    on_stage(async |shared| {
        if shared.is_none() {
            *shared = Some(set_up(NetworkOptions::new(root().join(NETWORK), NETWORK, NODES)).await?);
        }
        // Stays where it is: what a panic would drop here, the next test still needs.
        perform(&mut shared.as_mut().context("there is no stage")?.network, SCENARIO, scenario).await
    })
}

/// Runs a scenario on a node all by itself, which orders its own blocks, so that nobody else has what it loses.
pub fn play_alone(scenario: impl AsyncFnOnce(&mut Network) -> Result<()>) -> Result<()> {
    let options = NetworkOptions { engine: Engine::Solo, ..NetworkOptions::new(root().join(LONE), LONE, 1) };
    play_on(options, SCENARIO, scenario)
}

/// Runs a scenario on a network of its own, whose nodes judge nothing by themselves, with these numbers of the chain.
pub fn play_apart(
    params: impl FnOnce(Params) -> Params,
    patience: Duration,
    scenario: impl AsyncFnOnce(&mut Network) -> Result<()>,
) -> Result<()> {
    let options = NetworkOptions::new(root().join(APART), APART, NODES);
    let params = params(options.params.clone());
    play_on(NetworkOptions { automatic_judging: false, params, ..options }, patience, scenario)
}

fn play_on(
    options: NetworkOptions,
    patience: Duration,
    scenario: impl AsyncFnOnce(&mut Network) -> Result<()>,
) -> Result<()> {
    on_stage(async |_| {
        let mut stage = set_up(options).await?;
        let played = perform(&mut stage.network, patience, scenario).await;
        stage.network.down().await?;
        played
    })
}

/// Runs a scenario that brings its own stage.
pub fn with_tools(scenario: impl AsyncFnOnce() -> Result<()>) -> Result<()> {
    with_tools_in(SCENARIO, scenario)
}

/// The same, for one that may take longer.
pub fn with_tools_in(patience: Duration, scenario: impl AsyncFnOnce() -> Result<()>) -> Result<()> {
    let late = |_| Err(anyhow!("the scenario takes longer than {} s", patience.as_secs()));
    on_stage(async |_| tokio::time::timeout(patience, scenario()).await.unwrap_or_else(late))
}

/// Waits for the stage. Without CometBFT or the model the test is skipped, loudly; in CI that is a failure.
fn on_stage(act: impl AsyncFnOnce(&mut Option<Stage>) -> Result<()>) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let mut shared = SHARED.lock().await;
        match network::setup(&Ui::new(true)).await {
            Ok(_) => act(&mut shared).await,
            Err(error) if std::env::var_os("CI").is_some() => Err(error.context("CI must have what real nodes need")),
            Err(error) => {
                eprintln!("\n*** SKIPPED: this machine lacks what real nodes need ***\n{error:#}\n");
                Ok(())
            }
        }
    })
}

/// Runs a scenario in bounded time; a failure shows the ends of the logs.
async fn perform(
    network: &mut Network,
    patience: Duration,
    scenario: impl AsyncFnOnce(&mut Network) -> Result<()>,
) -> Result<()> {
    let played = tokio::time::timeout(patience, async {
        network.up(|_| {}).await.context("the network does not come up")?;
        scenario(network).await
    });
    let late = |_| Err(anyhow!("the scenario takes longer than {} s", patience.as_secs()));
    played.await.unwrap_or_else(late).inspect_err(|_| show_logs(network))
}

/// Fresh homes in the place of what an earlier run left.
async fn set_up(options: NetworkOptions) -> Result<Stage> {
    let name = options.name.as_str();
    let stale = if name == NETWORK { [NEWCOMER, NETWORK].as_slice() } else { &[name] };
    for name in stale {
        let dir = root().join(name);
        if Network::exists(&dir) {
            let old = Network::open(&dir)?;
            until(&format!("the run of these tests that uses {} has ended", dir.display()), async || {
                Ok((!old.is_running()).then_some(()))
            })
            .await?;
            old.delete().await?;
        }
    }
    let reaper = reaper(stale)?;
    let mut network = Network::create(&options).await?;
    network.run_with(PROGRAM);
    Ok(Stage { network, _reaper: reaper })
}

/// A process that takes these networks down once its input ends.
fn reaper(names: &[&str]) -> Result<Child> {
    use std::os::unix::process::CommandExt as _;
    let script =
        r#"cat; program=$1; root=$2; shift 2; for name; do "$program" down --dir "$root" --name "$name"; done"#;
    Command::new("sh")
        .args(["-c", script, "reaper", PROGRAM])
        .arg(root())
        .args(names)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // A Ctrl-C at the terminal ends the tests, not the one who cleans up after them.
        .process_group(0)
        .spawn()
        .context("cannot start the process that cleans up")
}

/// Shows the ends of the nodes' logs.
fn show_logs(network: &Network) {
    let newcomer = Network::open(&root().join(NEWCOMER)).ok();
    for node in network.nodes().iter().chain(newcomer.iter().flat_map(Network::nodes)) {
        let Some(log) = node.logs().into_iter().next() else { continue };
        let text = std::fs::read(&log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        let last = lines[lines.len().saturating_sub(LAST_LINES)..].join("\n");
        eprintln!("--- the last lines of {}\n{last}", log.display());
    }
}
