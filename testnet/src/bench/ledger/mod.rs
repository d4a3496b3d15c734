//! The ledger under load: signed transfers, one by one, to four validators with real CometBFT, against CometBFT's own `kvstore` in the
//! ledger's place. And what things cost on it, in bytes: [`costs`].

mod chain;
mod costs;
mod cpu;
mod load;
mod txs;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use datanet_setup::{Part, SetupOptions, ensure_part};

use self::chain::{Application, Chain, Programs};
use self::load::Loaded;
use self::txs::People;
use super::{Measure, median};
use crate::signals::interrupted;
use crate::ui::Ui;

pub use costs::{Cost, print as print_costs, run as costs};

/// The ratio to reach.
const GOAL: f64 = 0.9;
/// Connections that a CometBFT takes, and one for looking on.
const MOST_CONNECTIONS: usize = chain::VALIDATORS * 60;
/// A file system in memory, so that what is measured is no disk.
const IN_MEMORY: &str = "/dev/shm";

/// What to measure.
#[derive(Debug, Clone)]
pub struct LedgerBench {
    /// Transactions a round.
    pub transfers: usize,
    /// Rounds of each side, in turn.
    pub rounds: usize,
    /// Connections, each with one transaction on its way.
    pub connections: usize,
    /// Where the chains are made; a file system in memory if there is one and nothing else is said.
    pub dir: Option<PathBuf>,
}

/// Medians over the rounds of one side.
#[derive(Default)]
struct Rounds {
    a_second: Vec<f64>,
    half_ms: Vec<f64>,
    nearly_all_ms: Vec<f64>,
}

/// Measures.
///
/// # Errors
/// When CometBFT or its `abci-cli` cannot be had, a chain does not come up, or a transaction is not committed.
pub async fn run(bench: &LedgerBench, json: bool) -> Result<Vec<Measure>> {
    let most = MOST_CONNECTIONS;
    ensure!((1..=most).contains(&bench.connections), "there can be 1 to {most} connections");
    ensure!(bench.transfers > 0 && bench.rounds > 0, "there is nothing to measure without transfers and rounds");
    let ui = Ui::new(json);
    let (programs, root) = (programs(&ui).await?, root(bench.dir.as_deref())?);
    let people = People::new();
    let (mut ours, mut peer) = (Rounds::default(), Rounds::default());
    for round in 1..=bench.rounds {
        for (application, of) in [(Application::Ledger, &mut ours), (Application::Kvstore, &mut peer)] {
            let title = format!("{application:?}, round {round} of {}", bench.rounds).to_lowercase();
            let step = ui.step(title);
            let said = tokio::select! {
                said = one_round(bench, &programs, &root, application, &people, of) => said?,
                () = interrupted() => anyhow::bail!("interrupted"),
            };
            step.done(said);
        }
    }
    let who = "kvstore of abci-cli behind a Unix socket";
    let ms =
        |what: &str, ours: Vec<f64>, peer: Vec<f64>| Measure::size(what, "ms", median(ours), median(peer), who, GOAL);
    Ok(vec![
        Measure::rate("transfers committed", "1/s", median(ours.a_second), median(peer.a_second), who, GOAL),
        ms("from sending to commit, median", ours.half_ms, peer.half_ms),
        ms("from sending to commit, 99th percentile", ours.nearly_all_ms, peer.nearly_all_ms),
    ])
}

/// A fresh chain under the load; says what it took.
async fn one_round(
    bench: &LedgerBench,
    programs: &Programs,
    root: &Path,
    application: Application,
    people: &People,
    of: &mut Rounds,
) -> Result<String> {
    let chain = Chain::start(programs, root, application, &people.accounts()).await?;
    let sockets = chain.sockets();
    begun(&sockets).await?;
    let txs = people.txs(application, bench.transfers, 0)?;
    let before = (chain.processor_time(), own_time());
    let loaded = load::run(&sockets, &txs, bench.connections).await?;
    let after = (chain.processor_time(), own_time());
    chain.stop().await?;
    let Loaded { took, latencies, blocks } = loaded;
    let a_second = txs.len() as f64 / took.as_secs_f64();
    let percentile = |share: f64| {
        let at = (latencies.len() as f64 * share) as usize;
        latencies.get(at.min(latencies.len() - 1)).map_or(f64::NAN, |latency| latency.as_secs_f64() * 1_000.0)
    };
    of.a_second.push(a_second);
    of.half_ms.push(percentile(0.5));
    of.nearly_all_ms.push(percentile(0.99));
    let each = |before: Duration, after: Duration| (after - before).as_secs_f64() * 1e6 / txs.len() as f64;
    let ((app, comet), own) = (before.0, before.1);
    let ((app_after, comet_after), own_after) = (after.0, after.1);
    Ok(format!(
        "{a_second:.0}/s in {blocks} blocks; processor time of a transfer, µs: applications {:.0}, CometBFTs {:.0}, load {:.0}",
        each(app, app_after),
        each(comet, comet_after),
        each(own, own_after)
    ))
}

/// Waits until every validator's application has committed a block.
async fn begun(sockets: &[PathBuf]) -> Result<()> {
    for socket in sockets {
        crate::scene::until("the chain has begun", async || Ok((load::height(socket).await? > 0).then_some(())))
            .await?;
    }
    Ok(())
}

fn own_time() -> Duration {
    cpu::of(i32::try_from(std::process::id()).into_iter())
}

async fn programs(ui: &Ui) -> Result<Programs> {
    let options = SetupOptions::from_env()?;
    let progress = crate::network::progress(ui);
    let cometbft = ensure_part(Part::Cometbft, &options, progress.clone()).await?;
    let abci_cli = ensure_part(Part::AbciCli, &options, progress).await?;
    let testnet = std::env::current_exe().context("cannot tell where this program is")?;
    Ok(Programs { cometbft, abci_cli, testnet })
}

fn root(dir: Option<&Path>) -> Result<PathBuf> {
    let shared = || Some(PathBuf::from(IN_MEMORY)).filter(|dir| tempfile::tempfile_in(dir).is_ok());
    let root = dir.map(Path::to_owned).or_else(shared).unwrap_or_else(std::env::temp_dir);
    std::fs::create_dir_all(&root).with_context(|| format!("cannot make {}", root.display()))?;
    Ok(std::path::absolute(root)?)
}
