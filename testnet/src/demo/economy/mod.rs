//! An economy of agents over several epochs: askers, a buyer, contributors, a curator, holders of shares, operators, and four who try to gain by what
//! they should not. Everything that moved is read from the blocks and held against what everybody has, to the last unit.

mod books;
mod cast;
mod cheats;
mod counting;
mod market;
mod report;
mod story;
mod svg;

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};

use crate::data::Dataset;
use crate::network::{self, Network, NetworkOptions};
use crate::scene::settings;
use crate::ui::Ui;

/// Nodes: the fewest that go on without one of them.
const NODES: usize = 4;
/// Seconds over which income is divided among shares.
const INCOME_SECONDS: u64 = 2;

/// How to run it.
#[derive(Debug, Clone)]
pub struct EconomyOptions {
    /// Where the network's folder is made.
    pub root: PathBuf,
    /// Print one JSON object as the last line of standard output; progress goes to standard error.
    pub json: bool,
    /// Leave the network running.
    pub keep: bool,
    /// Deals the data.
    pub seed: u64,
    /// Where the drawing goes.
    pub svg: PathBuf,
}

/// Runs it.
///
/// # Errors
/// When a step fails, when a base unit is unaccounted for, or when somebody gained by what he should not.
pub async fn run(options: &EconomyOptions) -> Result<()> {
    let ui = Ui::new(options.json);
    ui.line("An economy of agents: ask, answer, give, judge, share, and four who cheat\n");
    let data = Dataset::from_registry(options.seed)?;
    network::setup(&ui).await?;
    let dir = options.root.join("economy");
    if Network::exists(&dir) {
        Network::open(&dir)?.delete().await?;
    }
    let mut made = NetworkOptions::new(&dir, "economy", NODES);
    made.params.income_seconds = INCOME_SECONDS;
    let params = made.params.clone();
    let mut network = Network::create(&made).await?;
    settings::set(&network, market::FACE, "public.listen", "127.0.0.1:0")?;
    let told = tokio::select! {
        told = story::tell(&mut network, &data, &params, &ui) => told,
        () = crate::signals::interrupted() => Err(anyhow::anyhow!("interrupted")),
    };
    if options.keep {
        ui.line(format!("\nthe network runs on in {}", network.dir().display()));
    } else {
        let step = ui.step("stopping the network");
        network.down().await?;
        step.done("");
    }
    let report = told?;
    let drawn = svg::draw("What was paid for answers, and who had it", &report.flows);
    std::fs::write(&options.svg, drawn).with_context(|| format!("cannot write {}", options.svg.display()))?;
    report.show(&ui);
    ui.line(format!("\nDrawn     {}", options.svg.display()));
    if options.json {
        crate::ui::print(serde_json::json!(report));
    }
    ensure!(report.problems.is_empty(), "the economy does not add up:\n  - {}", report.problems.join("\n  - "));
    Ok(())
}
