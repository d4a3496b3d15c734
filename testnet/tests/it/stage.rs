//! The network that all tests share, and its end.
//!
//! Tests of one binary run side by side and end in any order, and what is static is never dropped. So a small helper
//! process takes the network down: it waits for the end of its input, which the system closes when the tests end,
//! however they end. Homes and logs stay until the next run.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use datanet_testnet::network::{self, Network, NetworkOptions};
use datanet_testnet::ui::Ui;
use tokio::sync::Mutex;

/// Nodes: the fewest that go on without one of them.
pub const NODES: usize = 4;
/// The program whose processes are nodes.
const PROGRAM: &str = env!("CARGO_BIN_EXE_testnet");
/// The longest a scenario may take; each of its waits is shorter and says more.
const SCENARIO: Duration = Duration::from_secs(240);
/// Lines of each node's log shown when a scenario fails.
const LAST_LINES: usize = 12;
/// Networks below [`root`]: the shared one, and the node that joins it late.
const NETWORK: &str = "network";
pub const NEWCOMER: &str = "newcomer";

static STAGE: Mutex<Option<Stage>> = Mutex::const_new(None);

struct Stage {
    network: Network,
    _reaper: Child,
}

/// Where the networks of these tests live.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("it")
}

/// Runs a scenario on the shared network, all nodes of which run and agree. A failure shows the ends of the logs.
/// Without CometBFT or the model the test is skipped, loudly; in CI that is a failure.
pub fn play(scenario: impl AsyncFnOnce(&mut Network) -> Result<()>) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let mut stage = STAGE.lock().await;
        if let Err(error) = network::setup(&Ui::new(true)).await {
            if std::env::var_os("CI").is_some() {
                return Err(error.context("CI must have what real nodes need"));
            }
            eprintln!("\n*** SKIPPED: this machine lacks what real nodes need ***\n{error:#}\n");
            return Ok(());
        }
        if stage.is_none() {
            *stage = Some(set_up().await?);
        }
        // Stays where it is: what a panic would drop here, the next test still needs.
        let network = &mut stage.as_mut().context("there is no stage")?.network;
        let played = tokio::time::timeout(SCENARIO, async {
            network.up(|_| {}).await.context("the network does not come up")?;
            scenario(network).await
        });
        let late = |_| Err(anyhow!("the scenario takes longer than {} s", SCENARIO.as_secs()));
        let played = played.await.unwrap_or_else(late);
        played.map_err(|error| error.context(last_lines(network)))
    })
}

/// Fresh homes in the place of what an earlier run left.
async fn set_up() -> Result<Stage> {
    for name in [NEWCOMER, NETWORK] {
        let dir = root().join(name);
        if Network::exists(&dir) {
            let old = Network::open(&dir)?;
            if old.is_running() {
                bail!("another run of these tests uses {}: wait until it has ended", dir.display());
            }
            old.delete().await?;
        }
    }
    std::fs::create_dir_all(root())?;
    let reaper = reaper()?;
    let mut network = Network::create(&NetworkOptions::new(root().join(NETWORK), NETWORK, NODES)).await?;
    network.run_with(PROGRAM);
    Ok(Stage { network, _reaper: reaper })
}

/// A process that takes the networks down once its input ends.
fn reaper() -> Result<Child> {
    use std::os::unix::process::CommandExt as _;
    let script = r#"cat; for name in "$3" "$4"; do "$1" down --dir "$2" --name "$name"; done"#;
    Command::new("sh")
        .args(["-c", script, "reaper", PROGRAM])
        .arg(root())
        .args([NEWCOMER, NETWORK])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // A Ctrl-C at the terminal ends the tests, not the one who cleans up after them.
        .process_group(0)
        .spawn()
        .context("cannot start the process that cleans up")
}

/// The ends of all logs.
fn last_lines(network: &Network) -> String {
    let mut out = String::from("the scenario failed; the last lines of each log:");
    let newcomer = Network::open(&root().join(NEWCOMER)).ok();
    for node in network.nodes().iter().chain(newcomer.iter().flat_map(Network::nodes)) {
        for log in node.logs() {
            let text = std::fs::read(&log).unwrap_or_default();
            let text = String::from_utf8_lossy(&text);
            let lines: Vec<&str> = text.lines().collect();
            out.push_str(&format!("\n--- {}\n", log.display()));
            out.push_str(&lines[lines.len().saturating_sub(LAST_LINES)..].join("\n"));
        }
    }
    out
}
