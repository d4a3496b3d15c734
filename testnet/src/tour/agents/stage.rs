//! The network of the tour, its datanet, and who asks there.

use anyhow::{Context as _, Result};
use datanet_api::RunFile;
use datanet_config::Home;
use datanet_ledger::component::Params;

use super::Tour;
use super::purse::Agent;
use crate::api::Client;
use crate::data::Record;
use crate::network::{Network, NetworkOptions};
use crate::scene::cli::Cli;
use crate::scene::passages::{Passages, SUBJECTS, passages, upload};
use crate::scene::{self, account, becomes_final, contribute, open_datanet, search, settings};
use crate::tour::TourOptions;
use crate::ui::Ui;

/// Nodes: the fewest that go on without one of them.
const NODES: usize = 4;
/// Nodes with a public face, beside the first, where the agents live.
pub(super) const FACES: [usize; 2] = [1, 2];
/// The datanet of the tour.
pub(super) const DATANET: &str = "tour-agents";
/// The subject of which nobody has given anything at first.
pub(super) const MISSING: &str = SUBJECTS[2];
/// Seconds in which a verdict can be doubted: a judge has to read, embed and judge in them.
const VERDICT_SECONDS: u64 = 60;
/// Seconds of a vote, and until it holds.
const VOTING_SECONDS: u64 = 20;
const TIMELOCK_SECONDS: u64 = 1;
/// Seconds over which income is divided among shares.
const INCOME_SECONDS: u64 = 2;

impl Tour {
    /// Makes the network and starts it.
    pub(super) async fn begin(options: &TourOptions, ui: Ui) -> Result<Self> {
        let dir = options.root.join("tour-agents");
        if Network::exists(&dir) {
            Network::open(&dir)?.delete().await?;
        }
        let made = NetworkOptions::new(&dir, "agents", NODES);
        let params = Params {
            verdict_challenge_seconds: VERDICT_SECONDS,
            voting_seconds: VOTING_SECONDS,
            timelock_seconds: TIMELOCK_SECONDS,
            income_seconds: INCOME_SECONDS,
            ..made.params.clone()
        };
        let mut network = Network::create(&NetworkOptions { params, ..made }).await?;
        if let Some(program) = &options.program {
            network.run_with(program);
        }
        for index in FACES {
            settings::set(&network, index, "public.listen", "127.0.0.1:0")?;
            settings::set(&network, index, "public.till", "till")?;
        }
        let step = ui.step(format!("starting {NODES} nodes"));
        match network.up(|text| step.say(text)).await {
            Ok(agreed) => {
                step.done(format!("all agree at height {}", agreed.height));
            }
            Err(error) => {
                step.failed("");
                network.down().await?;
                return Err(error);
            }
        }
        Ok(Self { network, ui, json: options.json, datanet: String::new(), agent: Agent::default(), buyer: None })
    }

    /// A datanet is opened, and somebody gives it two of its three subjects.
    pub(super) async fn open(&mut self) -> Result<String> {
        let client = self.client(0)?;
        let passages = passages();
        self.datanet = open_datanet(&client, DATANET, &passages, 3, 2).await?;
        account(&client, "giver").await?;
        let (_, given) = divided(&passages);
        let id = contribute(&client, &self.datanet, "giver", upload(&given)).await?;
        becomes_final(&client, &id).await?;
        for index in std::iter::once(0).chain(FACES) {
            search(&self.client(index)?, &self.datanet, "bees").await?;
        }
        Ok(format!("{} records of two subjects are accepted; of {MISSING} there are none", given.len()))
    }

    /// A client of node `index`.
    pub(super) fn client(&self, index: usize) -> Result<Client> {
        scene::node(&self.network, index)
    }

    /// The command on the home of node `index`.
    pub(super) fn cli(&self, index: usize) -> Result<Cli> {
        Cli::of(&self.network, index)
    }

    /// The address of a node's public face.
    pub(super) fn face(&self, index: usize) -> Result<String> {
        let home = Home::new(self.network.nodes().get(index).context("no such node")?.home());
        RunFile::read(&home)?.public.context("the node has no public face")
    }
}

/// What is given, divided into that of the missing subject and the rest.
pub(super) fn divided(passages: &Passages) -> (Vec<Record>, Vec<Record>) {
    passages.given.iter().cloned().partition(|record| record.label.as_deref() == Some(MISSING))
}
