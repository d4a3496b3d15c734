//! The economy, step by step.

use anyhow::{Context as _, Result, ensure};
use datanet_ledger::component::Params;
use datanet_types::amount::DNT;
use futures::future::try_join_all;
use serde_json::{Value, json};

use super::cast::{FUNDS, Part, Player, enter, seen};
use super::cheats::{self, Outcome};
use super::market::{self, DATANET, FACE, LICENCE, PRICE, SERVING};
use super::report::Report;
use crate::api::Client;
use crate::data::{Contributor, Dataset, Kind, Record};
use crate::demo::train::follow;
use crate::network::Network;
use crate::scene::cli::{Cli, number};
use crate::scene::runner::{Runner, Seller, Terms, buyer, curator, knows};
use crate::scene::{BASE, search, until};
use crate::ui::{Ui, dnt};

/// Contributors of the datanet that everybody trades in.
const CONTRIBUTORS: usize = 4;
/// Questions that askers ask in an epoch, and that the buyer gets.
const ASKED: usize = 40;
const BOUGHT: usize = 12;
/// What the greedy seller wants for the same.
const DEAR: u64 = 10 * PRICE;
/// The longest that a training may take.
const TRAINING: std::time::Duration = std::time::Duration::from_secs(300);
const SHARES: u64 = 1_000_000;
const POOLED: u64 = 400_000;
/// What agents may spend.
const BUYERS: Terms = Terms { funds: FUNDS, budget: 10 * DNT, each: 4 * PRICE };
const CURATORS: Terms = Terms { funds: FUNDS, budget: 10 * DNT, each: 3 * DNT };

/// All that the story is told with.
pub(super) struct Economy<'a> {
    pub(super) network: &'a Network,
    pub(super) clients: Vec<Client>,
    pub(super) data: &'a Dataset,
    pub(super) ui: &'a Ui,
    pub(super) operators: Vec<Player>,
    pub(super) askers: Vec<Player>,
    pub(super) givers: Vec<Player>,
    pub(super) holder: Player,
    pub(super) greedy: Player,
    pub(super) washer: Player,
    pub(super) datanet: String,
    /// Contributions and who gave them.
    pub(super) given: Vec<(String, String)>,
    /// The wash trader's own datanet.
    pub(super) echo: String,
    /// The model that was trained, once it is.
    pub(super) model: Option<String>,
}

/// Starts the nodes and does everything.
pub(super) async fn tell(network: &mut Network, data: &Dataset, params: &Params, ui: &Ui) -> Result<Report> {
    let step = ui.step(format!("starting {} nodes", network.nodes().len()));
    let agreed = network.up(|text| step.say(text)).await?;
    step.done(format!("all at height {}", agreed.height));
    let honest: Vec<&Contributor> = data.contributors.iter().filter(|one| one.kind == Kind::Honest).collect();
    ensure!(
        honest.len() >= CONTRIBUTORS + 3,
        "too few contributors in cargo's registry: build the whole workspace first"
    );
    let [material, dear, washed] = [0, 1, 2].map(|n| honest[CONTRIBUTORS + n]);

    let supply = network.clients()?[0].supply().await?;
    let mut economy = Economy::open(network, data, ui).await?;
    economy.fill(&honest[..CONTRIBUTORS], dear, washed).await?;
    economy.issue().await?;
    let heron = economy.hire_buyer().await?;
    economy.epoch(&heron, 0).await?;
    let finch = economy.curate(material).await?;
    economy.learn().await?;
    economy.epoch(&heron, 1).await?;
    let outcomes = economy.cheat(washed).await?;
    economy.count(params, supply, &heron, &finch, outcomes).await
}

impl<'a> Economy<'a> {
    async fn open(network: &'a Network, data: &'a Dataset, ui: &'a Ui) -> Result<Self> {
        let clients = network.clients()?;
        let step = ui.step("accounts and the datanet");
        let mut operators = Vec::new();
        for (index, node) in network.nodes().iter().enumerate() {
            let address = node.account().to_owned();
            operators.push(seen(&clients[index], node.name(), "node", Part::Operator, index, address).await?);
        }
        let askers =
            try_join_all((0..SERVING).map(|node| enter(&clients, ["ann", "bob"][node % 2], Part::Asker, node))).await?;
        let names = ["cleo", "dan", "eve", "finn"];
        let givers = (0..CONTRIBUTORS).map(|n| enter(&clients, names[n % 4], Part::Contributor, n % clients.len()));
        let givers = try_join_all(givers).await?;
        let holder = enter(&clients, "ivy", Part::Holder, 0).await?;
        let greedy = enter(&clients, "greedy", Part::Cheat, 0).await?;
        let washer = enter(&clients, "washer", Part::Cheat, 0).await?;
        let datanet = market::open(&clients[0], data, DATANET, "node", PRICE).await?;
        step.done(format!("{} accounts beside those of the nodes", askers.len() + givers.len() + 3));
        let (given, echo, model) = (Vec::new(), String::new(), None);
        Ok(Self {
            network,
            clients,
            data,
            ui,
            operators,
            askers,
            givers,
            holder,
            greedy,
            washer,
            datanet,
            given,
            echo,
            model,
        })
    }

    /// Contributors give; the greedy one and the wash trader open datanets of their own and give there.
    async fn fill(&mut self, honest: &[&Contributor], dear: &Contributor, washed: &Contributor) -> Result<()> {
        let step = self.ui.step("giving and judging");
        let client = &self.clients[0];
        let premium = market::open(client, self.data, "premium", &self.greedy.key, DEAR).await?;
        let echo = market::open(client, self.data, "echo-chamber", &self.washer.key, PRICE).await?;
        let honest = honest.iter().zip(&self.givers).map(|(what, who)| (self.datanet.as_str(), who, *what));
        let all: Vec<(&str, &Player, &Contributor)> =
            honest.chain([(premium.as_str(), &self.greedy, dear), (echo.as_str(), &self.washer, washed)]).collect();
        let ids = try_join_all(all.iter().map(|(datanet, who, what)| market::give(&self.clients, datanet, who, what)))
            .await?;
        self.given.extend(ids.iter().cloned().zip(all.iter().map(|(_, who, _)| who.address.clone())));
        self.echo = echo;
        step.done(format!("{} contributions accepted", ids.len()));
        for client in &self.clients {
            search(client, &self.datanet, "returns").await?;
        }
        search(&self.clients[0], "echo-chamber", "returns").await.map(drop)
    }

    /// The datanet's income is divided into shares, and somebody buys some.
    async fn issue(&mut self) -> Result<()> {
        let step = self.ui.step("shares and a pool");
        let (cli, asset) = (Cli::of(self.network, 0)?, asset());
        cli.json(&["shares", "issue", &asset, &SHARES.to_string(), "--yes"]).await?;
        cli.json(&["pool", "create", &asset, "--shares", &POOLED.to_string(), "--amount", "20DNT", "--yes"]).await?;
        cli.json(&["pool", "swap", &asset, "--buy", "5DNT", "--account", &self.holder.key, "--yes"]).await?;
        step.done(format!("{} bought some for 5 DNT", self.holder.name));
        Ok(())
    }

    /// A buyer with three sellers: two nodes at one price, and the greedy one.
    async fn hire_buyer(&self) -> Result<Runner> {
        let step = self.ui.step("the buyer");
        let runner = Runner::hire(self.network, 0, "heron", &["read", "search", "ask"], &BUYERS).await?;
        let own = [("node0", DATANET), ("greedy", "premium")];
        let mut sellers: Vec<Seller<'_>> =
            own.iter().map(|(name, datanet)| Seller { name, datanet, elsewhere: None }).collect();
        runner.told(&BUYERS, &buyer(4 * PRICE, &sellers))?;
        let deposit = 2 * BOUGHT as u64 * PRICE;
        self.clients[0].open_channel("heron", None, deposit).await?;
        let channel = runner.channel_to(&self.clients[FACE].status().await?.node_key, deposit).await?;
        knows(&self.clients[FACE], &runner.address, &channel).await?;
        let home = datanet_config::Home::new(self.network.nodes()[FACE].home());
        let face = datanet_api::RunFile::read(&home)?.public.context("no public face")?;
        sellers.push(Seller { name: "node1", datanet: DATANET, elsewhere: Some((face.as_str(), channel.as_str())) });
        runner.told(&BUYERS, &buyer(4 * PRICE, &sellers))?;
        for asker in &self.askers {
            self.clients[asker.node].open_channel(&asker.key, None, 2 * ASKED as u64 * PRICE).await?;
        }
        step.done("may ask two nodes at one price, and one that wants ten times as much");
        Ok(runner)
    }

    /// One epoch of honest trade: asked, settled, claimed.
    async fn epoch(&self, heron: &Runner, number: usize) -> Result<()> {
        let step = self.ui.step(format!("epoch {}", number + 1));
        let from = number * (ASKED + BOUGHT);
        let questions = self.data.questions.get(from..from + ASKED + BOUGHT).context("too few questions")?;
        let (asked, bought) = questions.split_at(ASKED);
        let askers: Vec<&Player> = self.askers.iter().collect();
        let (first, second) = asked.split_at(if self.model.is_some() { ASKED / 2 } else { ASKED });
        let mut right = market::ask(&self.clients, &self.datanet, &askers, first).await?;
        if let Some(model) = &self.model {
            right += market::classify(&self.clients, model, &askers, second).await?;
        }
        let before = std::fs::read_to_string(heron.at("questions.jsonl")).unwrap_or_default();
        heron.write("questions.jsonl", &(before + &lines(from, bought)))?;
        heron.run().await?;
        step.say("settling");
        market::settle(&self.clients, &(0..SERVING).collect::<Vec<_>>()).await?;
        let claimed = self.claim().await?;
        step.done(format!("{right} of {ASKED} right for askers; {} claimed", dnt(claimed)));
        Ok(())
    }

    /// Everybody claims, and holders of shares withdraw.
    async fn claim(&self) -> Result<u64> {
        let everybody: Vec<&Player> = self.everybody().collect();
        let mut total = market::claim(&self.clients, &everybody).await?;
        let finch = self.clients[0].key("finch").await?.address;
        let finch = Player {
            name: "finch".into(),
            part: Part::Agent,
            node: 0,
            key: "finch".into(),
            address: finch,
            before: FUNDS,
        };
        total += market::claim(&self.clients, &[&finch]).await?;
        total += market::claim_asset(&Cli::of(self.network, 0)?, &asset()).await?;
        market::withdraw(self.network, &asset(), &[&self.holder, &self.operators[0]]).await?;
        Ok(total)
    }

    pub(super) fn everybody(&self) -> impl Iterator<Item = &Player> {
        let rest = [&self.holder, &self.greedy, &self.washer];
        self.operators.iter().chain(&self.askers).chain(&self.givers).chain(rest)
    }

    /// A curator gives what is missing.
    async fn curate(&mut self, material: &Contributor) -> Result<Runner> {
        let step = self.ui.step("the curator");
        let scopes = ["read", "search", "ask", "contribute"];
        let runner = Runner::hire(self.network, 0, "finch", &scopes, &CURATORS).await?;
        runner.told(&CURATORS, &curator(DATANET, LICENCE, 64))?;
        runner.write("material/found.jsonl", &material.to_jsonl())?;
        let summary = runner.run().await?;
        let given: Value = self.clients[0].get(&format!("/v1/datanets/{}/contributions", self.datanet)).await?;
        let own =
            given["contributions"].as_array().into_iter().flatten().filter(|one| one["contributor"] == *runner.address);
        let ids: Vec<String> = own.filter_map(|one| one["id"].as_str().map(str::to_owned)).collect();
        ensure!(!ids.is_empty(), "the curator gave nothing: {summary}");
        for id in &ids {
            crate::scene::settled(&self.clients[0], id).await?;
            self.given.push((id.clone(), runner.address.clone()));
        }
        step.done(format!("{} contributions for {}", ids.len(), dnt(number(&summary, "spent")?)));
        Ok(runner)
    }

    /// A model is trained on what was accepted, and two nodes serve it: it has an owner, who is paid from now on.
    async fn learn(&mut self) -> Result<()> {
        let step = self.ui.step("training a model");
        let client = &self.clients[0];
        let job = client.create_job(&classifier(&self.datanet)).await?;
        let trained = tokio::time::timeout(TRAINING, follow(client, &job.id, &step)).await;
        let (job, steps) = trained.context("the training takes too long")??;
        let model = job.release.with_context(|| format!("{} ended as {}: {}", job.id, job.status, job.error))?;
        for client in self.clients.iter().take(SERVING) {
            until("the node serves the model", async || Ok(client.deploy(&model).await.map(Some)?)).await?;
        }
        step.done(format!("{steps} steps; {SERVING} nodes serve it"));
        self.model = Some(model);
        Ok(())
    }

    /// Those who cheat, one after the other.
    async fn cheat(&self, washed: &Contributor) -> Result<Vec<(Option<Player>, Outcome)>> {
        let step = self.ui.step("a wash trader");
        cheats::wash(&self.clients, "echo-chamber", &self.washer, washed).await?;
        self.claim().await?;
        step.done("asked what its own records answer");
        let step = self.ui.step("a colluding pair");
        let rest = self.data.questions.get(2 * (ASKED + BOUGHT)..).context("too few questions")?;
        let pair = cheats::circle(self.network, &self.datanet, &self.operators, rest).await?;
        self.claim().await?;
        step.done(&pair.stopped_by);
        let step = self.ui.step("one over its budget");
        let (player, spender) = cheats::overspend(self.network).await?;
        step.done(&spender.stopped_by);
        Ok(vec![(None, pair), (Some(player), spender)])
    }
}

/// A small classifier with the influence of its data.
fn classifier(datanet: &str) -> Value {
    json!({
        "model": BASE, "training_file": datanet, "suffix": "parts", "seed": 3,
        "job": {
            "task": "classify", "max_tokens": 128,
            "lora": { "rank": 4, "alpha": 8.0, "targets": ["query", "value"], "layers": [5] },
            "recipe": { "batch": 8, "epochs": 2, "warmup": 4 },
            "evaluation": { "checkpoint": 2 },
            "attribution": { "method": "influence", "curvature": "all" },
        },
    })
}

fn asset() -> String {
    format!("datanet:{DATANET}")
}

/// Questions as the buyer reads them.
fn lines(from: usize, questions: &[Record]) -> String {
    let line = |(n, one): (usize, &Record)| {
        format!("{}\n", json!({ "id": format!("q{}", from + n), "text": one.text, "label": one.label }))
    };
    questions.iter().enumerate().map(line).collect()
}
