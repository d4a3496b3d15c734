//! The ledger told in steps, each of them tried on real nodes and checked: who orders blocks and with what at stake, who judges, who is
//! paid, and what becomes of those who cheat.

pub mod agents;
mod data;
mod keys;
mod money;
mod staking;

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use datanet_ledger::component::Params;
use datanet_ledger::component::params::engine;
use serde_json::json;

use crate::api::Client;
use crate::network::{self, Network, NetworkOptions};
use crate::scene;
use crate::signals::interrupted;
use crate::ui::{Step, Ui, print};

/// Nodes that the network begins with: the fewest that go on without one of them.
const NODES: usize = 4;
/// Votes are counted over so many blocks.
const LIVENESS_WINDOW: u64 = 20;
/// Seconds in jail, at least.
const JAIL_SECONDS: u64 = 5;
/// Seconds that stake takes to leave; evidence counts for two thirds of them.
const UNBONDING_SECONDS: u64 = 3_600;
/// Seconds for which evidence against a validator counts: less than that.
const EVIDENCE_SECONDS: u64 = UNBONDING_SECONDS / 3 * 2;

/// What to do.
#[derive(Debug, Clone)]
pub struct TourOptions {
    /// Folder in which the network is made.
    pub root: PathBuf,
    /// One JSON object a step on standard output.
    pub json: bool,
    /// Leave the network running.
    pub keep: bool,
    /// What a node is a process of; this program if not told otherwise.
    pub program: Option<PathBuf>,
}

/// The network of the tour, and what steps leave to later ones.
struct Tour {
    network: Network,
    /// The fifth node, a network of its own.
    newcomer: Network,
    ui: Ui,
    json: bool,
    /// The datanet of the tour, once there is one.
    datanet: String,
    /// The contribution that was given first.
    contribution: String,
    /// A copy of it in another's name.
    copy: String,
}

/// Makes a network, tells the story of the ledger on it, and takes it down.
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
        tour.newcomer.down().await?;
        tour.network.down().await?;
    }
    told
}

impl Tour {
    async fn begin(options: &TourOptions, ui: Ui) -> Result<Self> {
        let (dir, beside) = (options.root.join("tour"), options.root.join("tour-newcomer"));
        for old in [&beside, &dir] {
            if Network::exists(old) {
                Network::open(old)?.delete().await?;
            }
        }
        let made = NetworkOptions::new(&dir, "tour", NODES);
        let params = Params {
            liveness_window: LIVENESS_WINDOW,
            jail_seconds: JAIL_SECONDS,
            unbonding_seconds: UNBONDING_SECONDS,
            evidence_seconds: EVIDENCE_SECONDS,
            evidence_blocks: EVIDENCE_SECONDS.div_ceil(engine::SLOWEST_BLOCK),
            challenge_seconds: money::CHALLENGE_SECONDS,
            ..made.params.clone()
        };
        let mut network = Network::create(&NetworkOptions { params, ..made }).await?;
        if let Some(program) = &options.program {
            network.run_with(program);
        }
        let step = ui.step(format!("starting {NODES} nodes"));
        let agreed = match network.up(|text| step.say(text)).await {
            Ok(agreed) => agreed,
            Err(error) => {
                step.failed("");
                network.down().await?;
                return Err(error);
            }
        };
        step.done(format!("all agree at height {}", agreed.height));
        let newcomer = network.newcomer(&beside, "newcomer")?;
        let (datanet, contribution, copy, json) = (String::new(), String::new(), String::new(), options.json);
        Ok(Self { network, newcomer, ui, json, datanet, contribution, copy })
    }

    /// All steps in order; the first that fails is the last.
    async fn tell(&mut self) -> Result<()> {
        self.step("join", async |tour| tour.join().await).await?;
        self.step("delegate", async |tour| tour.delegate().await).await?;
        self.step("contribute", async |tour| tour.contribute().await).await?;
        self.step("front-run", async |tour| tour.front_run().await).await?;
        self.step("judged", async |tour| tour.judged().await).await?;
        self.step("settle", async |tour| tour.settle().await).await?;
        self.step("false-settlement", async |tour| tour.false_settlement().await).await?;
        self.step("claim", async |tour| tour.claim().await).await?;
        self.step("rotate-key", async |tour| tour.rotate_key().await).await?;
        self.step("reward", async |tour| tour.reward().await).await?;
        self.step("leave", async |tour| tour.leave().await).await?;
        self.step("jail", async |tour| tour.jail().await).await?;
        self.step("slash", async |tour| tour.slash().await).await?;
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
        let supply: serde_json::Value = self.client(0)?.get("/v1/supply").await?;
        anyhow::ensure!(supply["supply"] == supply["minted"], "money was made or lost: {supply}");
        Ok(format!("all nodes have the same state at height {}, and no base unit was made or lost", agreed.height))
    }

    /// A client of node `index`.
    fn client(&self, index: usize) -> Result<Client> {
        scene::node(&self.network, index)
    }
}

/// Says how a step ended, and passes a failure on.
fn step_ended(json: bool, name: &str, step: Step, ended: Result<String>) -> Result<()> {
    let (ok, detail) = match &ended {
        Ok(detail) => (true, detail.clone()),
        Err(error) => (false, format!("{error:#}")),
    };
    let _seconds = if ok { step.done(&detail) } else { step.failed(&detail) };
    if json {
        print(json!({ "step": name, "ok": ok, "detail": detail }));
    }
    ended.map(drop).with_context(|| format!("step {name}"))
}
