//! The main job, from contribution to pay, on a network of its own.
//!
//! [`run`] loads the data, starts the nodes, tells the story (`story`), and judges how it ended (`verdict`). Whatever
//! happens, Ctrl-C included, the network is taken down again unless it shall be kept.

mod answer;
mod classify;
mod contribute;
pub mod economy;
mod parties;
mod pay;
mod receipts;
mod report;
mod story;
mod train;
mod verdict;

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Result, bail, ensure};

use crate::data::Dataset;
use crate::network::{self, Network, NetworkOptions};
use crate::ui::Ui;
pub(crate) use contribute::ACCEPT_THRESHOLD;
pub use report::Report;

/// How to run the demo.
#[derive(Debug, Clone)]
pub struct DemoOptions {
    /// Nodes, 1 to 32. From four on, one is killed on the way.
    pub nodes: usize,
    /// Somebody else's data; otherwise the documentation of this build's crates.
    pub data: Option<PathBuf>,
    /// Print one JSON object as the last line of standard output; progress goes to standard error.
    pub json: bool,
    /// Leave the network running.
    pub keep: bool,
    /// Deals the data.
    pub seed: u64,
    /// Where the network's folder is made.
    pub root: PathBuf,
}

/// Runs the demo.
///
/// # Errors
/// When a step fails, or when the outcome is not what a user may expect: in words.
pub async fn run(options: &DemoOptions) -> Result<()> {
    let began = Instant::now();
    let ui = Ui::new(options.json);
    ui.line("Datanet: contribute, judge, store, search, answer, train, serve, attribute, pay\n");
    let data = load(options, &ui)?;
    let (tools, setup) = network::setup(&ui).await?;
    let mut network = fresh(options).await?;
    let told = tokio::select! {
        told = story::tell(&mut network, &data, &tools, &ui) => told,
        () = crate::signals::interrupted() => Err(anyhow::anyhow!("interrupted")),
    };
    let ended = finish(network, options, &ui, told.is_ok()).await;
    let mut report = told?;
    ended?;
    report.seconds.setup = setup;
    report.seconds.total = began.elapsed().as_secs_f64();
    let problems = verdict::problems(&report, &data);
    report.show(&ui, &problems);
    if options.json {
        crate::ui::print(serde_json::json!(report));
    }
    ensure!(problems.is_empty(), "the demo did not end as it should:\n  - {}", problems.join("\n  - "));
    Ok(())
}

fn load(options: &DemoOptions, ui: &Ui) -> Result<Dataset> {
    let step = ui.step("reading the data");
    let data = match &options.data {
        Some(folder) => Dataset::from_folder(folder, options.seed)?,
        None => Dataset::from_registry(options.seed)?,
    };
    let records: usize = data.contributors.iter().map(|c| c.records.len()).sum();
    step.done(format!(
        "{records} records of {} contributors, {} labels; {} held out, {} questions",
        data.contributors.len(),
        data.labels.len(),
        data.holdout.len(),
        data.questions.len()
    ));
    Ok(data)
}

/// A new network in the place of what an earlier demo may have left.
async fn fresh(options: &DemoOptions) -> Result<Network> {
    let dir = options.root.join("demo");
    if Network::exists(&dir) {
        let old = Network::open(&dir)?;
        if old.is_running() {
            bail!("a demo network still runs in {}: stop it with `cargo testnet down --name demo`", dir.display());
        }
        old.delete().await?;
    }
    Network::create(&NetworkOptions::new(dir, "demo", options.nodes)).await
}

/// Takes the network down. What a failed demo leaves on disk stays for a look at the logs.
async fn finish(mut network: Network, options: &DemoOptions, ui: &Ui, succeeded: bool) -> Result<()> {
    if options.keep {
        ui.line(format!(
            "\nThe network keeps running: `cargo testnet status --name demo`, in {}",
            network.dir().display()
        ));
        return Ok(());
    }
    let step = ui.step("stopping the network");
    if succeeded {
        network.delete().await?;
        step.done("nothing left behind");
    } else {
        network.down().await?;
        step.done(format!("logs are in {}", network.dir().display()));
    }
    Ok(())
}
