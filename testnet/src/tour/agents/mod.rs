//! The economy of agents told in steps, on real nodes with real CometBFT, as people and programs use them: by commands, by HTTP, by
//! `datanet agent run`. An account that programs spend from within limits; a buyer, a curator and a judge at work; shares, a vote, and strangers who pay.

mod curator;
mod doors;
mod judge;
mod market;
mod purse;
mod stage;
mod trade;
mod vote;

use anyhow::{Result, ensure};
use serde_json::Value;

use super::{TourOptions, step_ended};
use crate::network::{self, Network};
use crate::scene::runner::Runner;
use crate::signals::interrupted;
use crate::ui::Ui;

/// Makes a network, tells the story of agents on it, and takes it down.
///
/// # Errors
/// When a step does not end as it should, or the network does not come up.
pub async fn run(options: &TourOptions) -> Result<()> {
    let ui = Ui::new(options.json);
    network::setup(&ui).await?;
    let mut tour = Tour::begin(options, ui).await?;
    let told = tokio::select! {
        told = tour.tell() => told,
        () = interrupted() => Err(anyhow::anyhow!("interrupted")),
    };
    if options.keep {
        tour.ui.line(format!("\nthe network runs on in {}", tour.network.dir().display()));
    } else {
        tour.network.down().await?;
    }
    told
}

/// The network of the tour, and what steps leave to later ones.
struct Tour {
    network: Network,
    ui: Ui,
    json: bool,
    /// The datanet that agents trade in.
    datanet: String,
    /// The agent of the first steps: its id and its account.
    agent: purse::Agent,
    /// Who bought answers, and rates who sold them.
    buyer: Option<Runner>,
}

impl Tour {
    /// All steps in order; the first that fails is the last.
    async fn tell(&mut self) -> Result<()> {
        self.step("datanet", async |tour| tour.open().await).await?;
        self.step("proposal", async |tour| tour.propose().await).await?;
        self.step("agent", async |tour| tour.register().await).await?;
        self.step("revoked", async |tour| tour.revoke_and_restore().await).await?;
        self.step("over budget", async |tour| tour.over_budget().await).await?;
        self.step("not granted", async |tour| tour.not_granted().await).await?;
        self.step("ten replicas", async |tour| tour.replicas().await).await?;
        self.step("buyer", async |tour| tour.buyer().await).await?;
        self.step("rating", async |tour| tour.rate().await).await?;
        self.step("curator", async |tour| tour.curator().await).await?;
        self.step("shares", async |tour| tour.shares().await).await?;
        self.step("income", async |tour| tour.income().await).await?;
        self.step("mcp", async |tour| tour.mcp().await).await?;
        self.step("x402", async |tour| tour.x402().await).await?;
        self.step("openai", async |tour| tour.openai().await).await?;
        self.step("vote", async |tour| tour.voted().await).await?;
        self.step("judge", async |tour| tour.judge().await).await?;
        self.step("agree", async |tour| tour.agree().await).await
    }

    /// One step: does it, and says how it ended.
    async fn step(&mut self, name: &str, act: impl AsyncFnOnce(&mut Self) -> Result<String>) -> Result<()> {
        let step = self.ui.step(name);
        let ended = act(self).await;
        step_ended(self.json, name, step, ended)
    }

    async fn agree(&mut self) -> Result<String> {
        let agreed = self.network.agreement().await?;
        let supply: Value = self.client(0)?.get("/v1/supply").await?;
        ensure!(supply["supply"] == supply["minted"], "money was made or lost: {supply}");
        Ok(format!("all nodes have the same state at height {}, and no base unit was made or lost", agreed.height))
    }
}
