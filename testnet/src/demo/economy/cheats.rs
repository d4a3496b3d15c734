//! Four who try to gain by what they should not, and what they have afterwards.

use anyhow::{Context as _, Result, bail};
use datanet_types::action::OpenChannel;
use datanet_types::amount::DNT;
use datanet_types::{Action, Address, SigningKey};
use serde::Serialize;
use serde_json::{Value, json};

use super::cast::{FUNDS, Part, Player};
use super::market::{self, PRICE};
use crate::api::Client;
use crate::data::{Contributor, Record};
use crate::network::Network;
use crate::scene::cli::{Cli, number, text};
use crate::scene::ledger::{Sent, random, send_past};
use crate::scene::{runner, until};

/// What came of one who cheats.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Outcome {
    pub(super) who: String,
    pub(super) tried: String,
    /// Base units: what it had, what it has, and what of the difference lies somewhere in its name.
    pub(super) before: u64,
    pub(super) after: u64,
    pub(super) locked: u64,
    pub(super) stopped_by: String,
}

impl Outcome {
    /// What it has more than before; less than nothing if it lost.
    pub(super) fn gain(&self) -> i128 {
        i128::from(self.after) + i128::from(self.locked) - i128::from(self.before)
    }
}

/// Questions that the wash trader and each of the colluding pair ask.
const WASHED: usize = 10;
const CIRCLED: usize = 6;
/// The nodes of the pair.
pub(super) const PAIR: [usize; 2] = [2, 3];
/// What an agent's keys may spend, and what one of them tries.
const BUDGET: u64 = DNT;

/// The wash trader asks what its own records answer.
pub(super) async fn wash(clients: &[Client], datanet: &str, who: &Player, own: &Contributor) -> Result<()> {
    let client = clients.get(who.node).context("no such node")?;
    client.open_channel(&who.key, None, WASHED as u64 * PRICE).await?;
    market::ask(clients, datanet, &[who], own.records.get(..WASHED).context("too few records")?).await?;
    market::settle(clients, &[who.node]).await?;
    market::claim(clients, &[who]).await.map(drop)
}

/// Two operators ask each other's nodes, and each says of the other that it is perfect.
pub(super) async fn circle(
    network: &Network,
    datanet: &str,
    operators: &[Player],
    asked: &[Record],
) -> Result<Outcome> {
    let clients = network.clients()?;
    let pair: Vec<&Player> = PAIR.iter().filter_map(|index| operators.get(*index)).collect();
    let before = together(&clients, &pair).await?;
    let mut locked = 0;
    for (own, other) in [(0, 1), (1, 0)] {
        let (payer, seller) = (&clients[PAIR[own]], &clients[PAIR[other]]);
        let deposit = CIRCLED as u64 * PRICE;
        let channel = payer.open_channel("node", Some(&seller.status().await?.node_key), deposit).await?;
        runner::knows(seller, &pair.get(own).context("no pair")?.address, &channel).await?;
        let mut paid = 0;
        for question in asked.iter().take(CIRCLED) {
            let path = format!("/v1/channels/{channel}/voucher");
            let voucher: Value = payer.post(&path, &json!({ "cumulative": paid + PRICE })).await?;
            let question = json!({ "datanet": datanet, "text": question.text, "voucher": voucher });
            let answer: Value = seller.post("/v1/ask", &question).await?;
            paid += number(&answer, "fee")?;
        }
        locked += deposit - paid;
    }
    market::settle(&clients, &PAIR).await?;
    market::claim(&clients, &pair).await?;
    let mut scores = Vec::new();
    for (own, other) in [(0, 1), (1, 0)] {
        let cli = Cli::of(network, PAIR[own])?;
        let seller = clients[PAIR[other]].status().await?;
        let epoch = until("the epoch can be rated", async || {
            let open: Value = cli.json(&["sellers", "open", "node"]).await?;
            let found = open["open"].as_array().into_iter().flatten().find(|one| one["node"] == *seller.node_key);
            Ok(found.map(|one| format!("{}/{}", seller.node_key, one["epoch"])))
        })
        .await?;
        cli.json(&["sellers", "rate", &epoch, "100"]).await?;
        scores.push(cli.json(&["sellers", "show", &seller.account]).await?);
    }
    let counted: u64 = scores.iter().map(|shown| number(shown, "counted")).sum::<Result<u64>>()?;
    let rated: u64 = scores.iter().map(|shown| number(shown, "rated")).sum::<Result<u64>>()?;
    let after = together(&clients, &pair).await?;
    let stopped_by = format!(
        "every answer pays others; {} of ratings, of which {} count",
        crate::ui::dnt(rated),
        crate::ui::dnt(counted)
    );
    if counted > 0 {
        bail!("ratings that went in a circle count: {scores:?}");
    }
    let tried = "two nodes buy from each other and rate each other 100 %".to_owned();
    Ok(Outcome { who: "colluding pair".into(), tried, before, after, locked, stopped_by })
}

async fn together(clients: &[Client], players: &[&Player]) -> Result<u64> {
    let mut sum = 0;
    for player in players {
        sum += clients.get(player.node).context("no such node")?.balance(&player.address).await?;
    }
    Ok(sum)
}

/// A key of an agent tries to lock twice what all its keys may spend.
pub(super) async fn overspend(network: &Network) -> Result<(Player, Outcome)> {
    let (cli, client) = (Cli::of(network, 0)?, crate::scene::node(network, 0)?);
    let card = network.dir().join("spender.json");
    std::fs::write(&card, "{\"name\": \"spender\"}\n")?;
    let (card, funds, budget) = (card.display().to_string(), format!("{FUNDS}base"), format!("{BUDGET}base"));
    let limits = ["--card", &card, "--budget", &budget, "--per", "1h", "--funds", &funds, "--yes"];
    let made = cli.agent(&[&["register", "spender"][..], &limits[..]].concat()).await?;
    let (id, address) = (text(&made, "id")?, text(&made, "account")?);
    let key = SigningKey::from_bytes(&random()?);
    cli.agent(&["grant", &id, &key.public_key().to_string(), "--may", "open_channel", "--budget", &budget]).await?;
    let node = client.status().await?.node_key.parse()?;
    let expires_at = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_secs() + 3_600;
    let open = OpenChannel { node, deposit: 2 * BUDGET, expires_at, voucher_key: None };
    let account: Address = address.parse()?;
    let sent = send_past(network, &key, account, Action::OpenChannel(open)).await?;
    let (Sent::Failed(_) | Sent::Refused(_)) = sent else {
        bail!("a key of an agent spent more than its budget: {sent:?}")
    };
    let after = client.balance(&address).await?;
    let tried = format!(
        "a key locks {} of an agent's money, whose keys may spend {}",
        crate::ui::dnt(2 * BUDGET),
        crate::ui::dnt(BUDGET)
    );
    let stopped_by = "the ledger: past the node it was refused as well".to_owned();
    let player =
        Player { name: "spender".into(), part: Part::Cheat, node: 0, key: "spender".into(), address, before: FUNDS };
    Ok((player, Outcome { who: "over its budget".into(), tried, before: FUNDS, after, locked: 0, stopped_by }))
}
