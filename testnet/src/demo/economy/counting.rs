//! Everything is counted: how everybody came to have what he has, and who paid whom for answers.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use datanet_ledger::component::Params;
use datanet_types::epoch::EpochTotals;
use serde_json::Value;

use super::books::{Books, What};
use super::cast::{FUNDS, Part, Player};
use super::cheats::Outcome;
use super::market;
use super::report::{Line, Report};
use super::story::Economy;
use super::svg::Flow;
use crate::api::Client;
use crate::scene::cli::number;
use crate::scene::runner::Runner;
use crate::scene::until;

impl Economy<'_> {
    /// Everything is counted.
    pub(super) async fn count(
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
            let left = market::all_earned(&self.clients[player.node], player).await?.claimable;
            report.check_claimed(&player.name, left, params.min_fee);
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
