//! The trade of one epoch: questions asked and paid, epochs settled, pay and income claimed.

use anyhow::{Context as _, Result};
use futures::future::try_join_all;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::{Value, json};

use super::cast::Player;
use crate::api::{Client, Earnings};
use crate::data::{Contributor, Dataset, Record, to_jsonl};
use crate::network::Network;
use crate::scene::cli::{Cli, number};
use crate::scene::{runner, settled, until};

/// What an answer costs, in base units.
pub(super) const PRICE: u64 = 50_000;
/// What a contributor locks.
const BOND: u64 = 1_000_000;
/// The lowest score that a contribution may have.
const THRESHOLD: u32 = 6_500;
/// The datanet that everybody trades in.
pub(super) const DATANET: &str = "passages";
pub(super) const LICENCE: &str = "Apache-2.0 OR MIT";
/// The node with a public face, beside the first.
pub(super) const FACE: usize = 1;
/// Nodes whose answers honest people buy.
pub(super) const SERVING: usize = 2;
/// Questions in flight.
const AT_ONCE: usize = 3;

/// Opens a datanet at a price.
pub(super) async fn open(client: &Client, data: &Dataset, name: &str, owner: &str, price: u64) -> Result<String> {
    let datanet = json!({
        "name": name, "account": owner,
        "description": "Sentences of API documentation, with the part of the contract that they state",
        "schema": { "fields": [
            { "name": "text", "kind": "string", "role": "text", "required": true },
            { "name": "label", "kind": "string", "role": "label", "required": true, "allowed": data.labels },
        ]},
        "licence": LICENCE, "price": price, "accept_threshold": THRESHOLD,
        "committee_size": 3, "storage_quorum": 2, "min_bond": BOND, "holdout": to_jsonl(&data.holdout),
    });
    client.create_datanet(&datanet).await.with_context(|| format!("cannot open the datanet {name}"))
}

/// Gives somebody's records and waits for the verdict, which must be good; the contribution's id.
pub(super) async fn give(clients: &[Client], datanet: &str, who: &Player, what: &Contributor) -> Result<String> {
    let client = clients.get(who.node).context("no such node")?;
    let sent = client.contribute(datanet, &who.key, "application/x-ndjson", &who.key, what.to_jsonl()).await;
    let id = sent.with_context(|| format!("{} cannot contribute", who.name))?.id;
    let judged = settled(client, &id).await?;
    anyhow::ensure!(judged.state == crate::api::State::Final, "{} was refused: {:?}", who.name, judged.reason);
    Ok(id)
}

/// Asks these questions, in turns by each of these on his own node; how many answers were right.
pub(super) async fn ask(clients: &[Client], datanet: &str, who: &[&Player], questions: &[Record]) -> Result<usize> {
    let answers: Vec<bool> = stream::iter(questions.iter().zip(who.iter().cycle()))
        .map(|(question, player)| async move {
            let client = clients.get(player.node).context("no such node")?;
            let answer = client.ask(datanet, &question.text, &player.key).await;
            let answer = answer.with_context(|| format!("{} cannot ask {:?}", player.name, question.text))?;
            anyhow::Ok(answer.label.is_some() && answer.label == question.label)
        })
        .buffered(AT_ONCE)
        .try_collect()
        .await?;
    Ok(answers.into_iter().filter(|right| *right).count())
}

/// The same of a model that both nodes serve.
pub(super) async fn classify(clients: &[Client], model: &str, who: &[&Player], questions: &[Record]) -> Result<usize> {
    let answers: Vec<bool> = stream::iter(questions.iter().zip(who.iter().cycle()))
        .map(|(question, player)| async move {
            let client = clients.get(player.node).context("no such node")?;
            let answer = client.classify(model, &question.text, &player.key).await;
            let answer = answer.with_context(|| format!("{} cannot ask the model", player.name))?;
            anyhow::Ok(Some(&answer.label) == question.label.as_ref())
        })
        .buffered(AT_ONCE)
        .try_collect()
        .await?;
    Ok(answers.into_iter().filter(|right| *right).count())
}

/// Settles what these nodes have answered, and waits until nobody can challenge it.
pub(super) async fn settle(clients: &[Client], nodes: &[usize]) -> Result<()> {
    try_join_all(nodes.iter().filter_map(|node| clients.get(*node)).map(runner::settle)).await.map(drop)
}

/// Everybody claims what he has earned.
pub(super) async fn claim(clients: &[Client], players: &[&Player]) -> Result<u64> {
    let mut total = 0;
    for player in players {
        let client = clients.get(player.node).context("no such node")?;
        if all_earned(client, player).await?.claimable > 0 {
            total +=
                client.claim(&player.address).await.with_context(|| format!("{} cannot claim", player.name))?.total;
        }
    }
    Ok(total)
}

/// What somebody has earned, once his node has it all: an epoch is final for one node a block before it is for another.
pub(super) async fn all_earned(client: &Client, player: &Player) -> Result<Earnings> {
    let whole = async || {
        let earned = client.earnings(&player.address).await?;
        Ok((earned.pending == 0 && earned.missing.is_empty()).then_some(earned))
    };
    until("the node sees that every epoch is final", whole)
        .await
        .with_context(|| format!("{} cannot see what it has earned", player.name))
}

/// What an asset's claims brought.
pub(super) async fn claim_asset(cli: &Cli, asset: &str) -> Result<u64> {
    number(&cli.json(&["shares", "claim", asset]).await?, "total")
}

/// Whoever holds shares withdraws what they have earned, once it is divided.
pub(super) async fn withdraw(network: &Network, asset: &str, holders: &[&Player]) -> Result<()> {
    for holder in holders {
        let cli = Cli::of(network, holder.node)?;
        crate::scene::until("income is divided", async || {
            let shown: Value = cli.json(&["shares", "show", asset]).await?;
            Ok((shown["undivided"] == 0).then_some(()))
        })
        .await?;
        let held = cli.json(&["shares", "list", "--account", &holder.key]).await?;
        if held["held"].as_array().into_iter().flatten().any(|one| one["owed"].as_u64().unwrap_or_default() > 0) {
            cli.json(&["shares", "withdraw", asset, "--account", &holder.key]).await?;
        }
    }
    Ok(())
}
