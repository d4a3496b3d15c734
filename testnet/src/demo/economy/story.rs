//! The economy, step by step.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use datanet_ledger::component::Params;
use datanet_types::amount::DNT;
use datanet_types::epoch::EpochTotals;
use futures::future::try_join_all;
use serde_json::{Value, json};

use super::books::{Books, What};
use super::cast::{FUNDS, Part, Player, enter, seen};
use super::cheats::{self, Outcome};
use super::market::{self, DATANET, FACE, LICENCE, PRICE, SERVING};
use super::report::{Line, Report};
use super::svg::Flow;
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
struct Economy<'a> {
    network: &'a Network,
    clients: Vec<Client>,
    data: &'a Dataset,
    ui: &'a Ui,
    operators: Vec<Player>,
    askers: Vec<Player>,
    givers: Vec<Player>,
    holder: Player,
    greedy: Player,
    washer: Player,
    datanet: String,
    /// Contributions and who gave them.
    given: Vec<(String, String)>,
    /// The wash trader's own datanet.
    echo: String,
    /// The model that was trained, once it is.
    model: Option<String>,
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
        if self.clients[0].earnings(&finch).await?.claimable > 0 {
            total += self.clients[0].claim(&finch).await?.total;
        }
        total += market::claim_asset(&Cli::of(self.network, 0)?, &asset()).await?;
        market::withdraw(self.network, &asset(), &[&self.holder, &self.operators[0]]).await?;
        Ok(total)
    }

    fn everybody(&self) -> impl Iterator<Item = &Player> {
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

    /// Everything is counted.
    async fn count(
        &self,
        params: &Params,
        supply: u64,
        heron: &Runner,
        finch: &Runner,
        outcomes: Vec<(Option<Player>, Outcome)>,
    ) -> Result<Report> {
        let step = self.ui.step("counting");
        let client = &self.clients[0];
        for (id, _) in &self.given {
            until("its verdict is final", async || {
                Ok(client.contribution(id).await?.challenge_until.is_none().then_some(()))
            })
            .await?;
        }
        let agreed = self.network.agreement().await?;
        let home = self.network.nodes()[0].home();
        let mut books = Books::read(home, self.network.chain_id(), params, 1..=agreed.height).await?;
        for (id, who) in &self.given {
            let bond = number(&client.get(&format!("/v1/contributions/{id}")).await?, "bond")?;
            books.post(who, What::Bonds, bond.into());
        }
        let agent = |runner: &Runner| Player {
            name: runner.name.clone(),
            part: Part::Agent,
            node: 0,
            key: runner.name.clone(),
            address: runner.address.clone(),
            before: FUNDS,
        };
        let mut players: Vec<Player> = self.everybody().cloned().chain([agent(heron), agent(finch)]).collect();
        let (extra, outcomes): (Vec<Option<Player>>, Vec<Outcome>) = outcomes.into_iter().unzip();
        players.extend(extra.into_iter().flatten());
        let mut report = Report { supply_before: supply, transactions: books.transactions, ..Report::default() };
        for player in &players {
            report.lines.push(self.line(player, &books).await?);
        }
        report.cheats = self.own_cheats(&report.lines, heron)?.into_iter().chain(outcomes).collect();
        let epochs = self.epochs().await?;
        report.epochs = epochs.len();
        report.flows = self.flows(&players, &epochs, &books).await?;
        report.check_epochs(&epochs, books.claimed);
        let counted: Value = client.get("/v1/supply").await?;
        (report.supply_after, report.minted) = (number(&counted, "supply")?, number(&counted, "minted")?);
        report.check();
        step.done(format!("{} transactions in {} blocks, {} epochs", report.transactions, agreed.height, epochs.len()));
        Ok(report)
    }

    /// How somebody came to have what he has.
    async fn line(&self, player: &Player, books: &Books) -> Result<Line> {
        let client = self.clients.get(player.node).context("no such node")?;
        let channels = channels(client, &player.address).await?;
        let paid: u64 = channels.iter().map(|(_, _, charged)| charged).sum();
        let (after, moved) = (client.balance(&player.address).await?, books.of(&player.address));
        Ok(Line::new(player, after, paid, moved))
    }

    /// The greedy one and the wash trader, by their accounts.
    fn own_cheats(&self, lines: &[Line], heron: &Runner) -> Result<Vec<Outcome>> {
        let answers = heron.lines("answers.jsonl")?;
        let dear = answers.iter().filter(|answer| answer["seller"] == "greedy").count();
        ensure!(dear == 0, "the buyer paid ten times the price {dear} times");
        let outcome = |name: &str, who: &str, tried: &str, stopped_by: String| -> Result<Outcome> {
            let line = lines.iter().find(|line| line.name == name).with_context(|| format!("no {name}"))?;
            let (before, after, locked) = (FUNDS, line.after, line.locked);
            Ok(Outcome { who: who.into(), tried: tried.into(), before, after, locked, stopped_by })
        };
        Ok(vec![
            outcome(
                "greedy",
                "greedy seller",
                "the same answers for ten times the price",
                format!("{} answers bought, none of them there", answers.len()),
            )?,
            outcome(
                "washer",
                "wash trader",
                "asks and pays what its own records answer",
                "of each fee others have a part".to_owned(),
            )?,
        ])
    }

    /// Whose what an asset earns is.
    fn owner(&self, asset: &str) -> (usize, &'static str) {
        if asset.ends_with(&self.datanet) {
            (3, "share holders")
        } else if asset.ends_with(&self.echo) {
            (2, "wash trader")
        } else {
            (4, "model's owner")
        }
    }

    /// All epochs that were settled: the node's key and the totals.
    async fn epochs(&self) -> Result<Vec<(String, EpochTotals)>> {
        let mut all = Vec::new();
        for client in &self.clients {
            for epoch in client.own_epochs().await? {
                ensure!(epoch["status"] == "final", "an epoch is {}", epoch["status"]);
                let node = epoch["node"].as_str().context("an epoch without a node")?.to_owned();
                all.push((node, serde_json::from_value(epoch["totals"].clone())?));
            }
        }
        Ok(all)
    }

    /// Who paid whom for answers.
    async fn flows(&self, players: &[Player], epochs: &[(String, EpochTotals)], books: &Books) -> Result<Vec<Flow>> {
        let mut sums = BTreeMap::<(usize, usize, String, usize, String), u64>::new();
        let mut keys = Vec::new();
        for client in &self.clients {
            keys.push(client.status().await?.node_key);
        }
        let name = |key: &str| keys.iter().position(|own| own == key).map(|index| (index, format!("node{index}")));
        for player in players {
            let client = &self.clients[player.node];
            for (key, _, charged) in channels(client, &player.address).await? {
                let (index, node) = name(&key).context("a channel to nobody")?;
                let (rank, group) = payer(player);
                *sums.entry((0, rank, group.to_owned(), index, node)).or_default() += charged;
            }
            let earned: Value = client.get(&format!("/v1/accounts/{}/earnings", player.address)).await?;
            for line in earned["lines"].as_array().into_iter().flatten().filter(|line| line["role"] == "contributor") {
                let (index, node) = name(line["node"].as_str().unwrap_or_default()).context("pay of nobody")?;
                let (rank, group) = giver(player);
                *sums.entry((1, index, node, rank, group.to_owned())).or_default() += number(line, "amount")?;
            }
        }
        for (key, totals) in epochs {
            let (index, node) = name(key).context("an epoch of nobody")?;
            for (rank, group, amount) in [
                (5, "nodes", totals.split.node),
                (6, "judges", totals.split.validators),
                (7, "keepers", totals.split.storage),
                (8, "treasury", totals.treasury()),
            ] {
                *sums.entry((1, index, node.clone(), rank, group.to_owned())).or_default() += amount;
            }
        }
        for ((key, asset), amount) in &books.assets {
            let (index, node) = name(key).context("income of nobody")?;
            let (rank, group) = self.owner(asset);
            *sums.entry((1, index, node, rank, group.to_owned())).or_default() += amount;
        }
        let flow = |((stage, _, from, _, to), amount)| Flow { stage, from, to, amount };
        Ok(sums.into_iter().map(flow).filter(|flow: &Flow| flow.amount > 0).collect())
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

/// The channels that an account pays: node, deposit, charged.
async fn channels(client: &Client, address: &str) -> Result<Vec<(String, u64, u64)>> {
    let listed: Value = client.get(&format!("/v1/channels?account={address}")).await?;
    let all = listed["channels"].as_array().context("no channels")?;
    all.iter()
        .map(|one| Ok((crate::scene::cli::text(one, "node")?, number(one, "deposit")?, number(one, "charged")?)))
        .collect()
}

/// In which group somebody pays.
fn payer(player: &Player) -> (usize, &'static str) {
    match player.part {
        Part::Agent => (1, "buyer agent"),
        Part::Cheat => (2, "wash trader"),
        Part::Operator => (3, "colluding pair"),
        _ => (0, "askers"),
    }
}

/// In which group somebody is paid for data.
fn giver(player: &Player) -> (usize, &'static str) {
    match player.part {
        Part::Agent => (1, "curator agent"),
        Part::Cheat => (2, "wash trader"),
        _ => (0, "contributors"),
    }
}
