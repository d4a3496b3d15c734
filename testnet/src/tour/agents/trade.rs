//! A buyer answers a stream of questions, each by the seller that is worth most, and says how good the sellers were.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use datanet_types::amount::{DNT, display};
use serde_json::{Value, json};

use super::Tour;
use super::stage::{DATANET, FACES};
use crate::scene::cli::{number, text};
use crate::scene::passages::passages;
use crate::scene::runner::{Runner, Seller, Terms, buyer, knows, settle};
use crate::scene::{PRICE, until};

/// The buyer.
const BUYER: &str = "heron";
/// What it may spend, and by one answer.
const TERMS: Terms = Terms { funds: 20 * DNT, budget: 2 * DNT, each: 2 * PRICE };
/// Held-out sentences that are asked beside those meant to be asked: sellers are told apart by answers whose truth is known.
const MORE: usize = 6;

impl Tour {
    /// Questions with a known truth, three sellers: the agent's own node and the public faces of two others.
    pub(super) async fn buyer(&mut self) -> Result<String> {
        let runner = Runner::hire(&self.network, 0, BUYER, &["read", "search", "ask"], &TERMS).await?;
        let part = [Seller { name: "node0", datanet: DATANET, elsewhere: None }];
        runner.told(&TERMS, &buyer(4 * PRICE, &part))?;
        self.client(0)?.open_channel(BUYER, None, 20 * PRICE).await?;
        let mut elsewhere = Vec::new();
        for index in FACES {
            let client = self.client(index)?;
            let channel = runner.channel_to(&client.status().await?.node_key, 20 * PRICE).await?;
            knows(&client, &runner.address, &channel).await?;
            elsewhere.push((format!("node{index}"), self.face(index)?, channel));
        }
        let others = elsewhere.iter().map(|(name, face, channel)| Seller {
            name,
            datanet: DATANET,
            elsewhere: Some((face.as_str(), channel.as_str())),
        });
        let sellers: Vec<Seller<'_>> = part.into_iter().chain(others).collect();
        let part = buyer(4 * PRICE, &sellers).replacen("[buyer]\n", "[buyer]\nrate = \"known\"\n", 1);
        runner.told(&TERMS, &part)?;
        let passages = passages();
        let asked = passages.asked.iter().chain(passages.held_out.iter().step_by(7).take(MORE));
        let line = |(n, record): (usize, &crate::data::Record)| {
            format!("{}\n", json!({ "id": format!("q{n}"), "text": record.text, "label": record.label }))
        };
        let questions: String = asked.enumerate().map(line).collect();
        runner.write("questions.jsonl", &questions)?;
        let summary = runner.run().await?;
        let answers = runner.lines("answers.jsonl")?;
        let count = questions.lines().count();
        ensure!(answers.len() == count && number(&summary, "done")? == count as u64, "{summary} {answers:?}");
        let by = by_seller(&answers);
        ensure!(by.len() > 1, "one seller alone was asked: {by:?}");
        let spent = number(&summary, "spent")?;
        ensure!(spent == count as u64 * PRICE, "{summary}");
        let tally: Vec<String> = by.iter().map(|(name, (asked, right))| format!("{name} {right} of {asked}")).collect();
        self.buyer = Some(runner);
        Ok(format!("{count} questions for {}; right answers: {}", display(spent), tally.join(", ")))
    }

    /// What was paid is settled; the buyer, run again, says how good it was, with the weight of what was paid, and says it once.
    pub(super) async fn rate(&mut self) -> Result<String> {
        let runner = self.buyer.as_ref().context("nobody has bought")?;
        let by = by_seller(&runner.lines("answers.jsonl")?);
        let cli = self.cli(0)?;
        let mut sold = Vec::new();
        for index in std::iter::once(0).chain(FACES) {
            let name = format!("node{index}");
            let Some((asked, right)) = by.get(&name) else { continue };
            let client = self.client(index)?;
            settle(&client).await?;
            let status = client.status().await?;
            until("the epoch can be rated", async || {
                let open: Value = cli.json(&["sellers", "open", BUYER]).await?;
                let mine = open["open"].as_array().into_iter().flatten().any(|one| one["node"] == *status.node_key);
                Ok(mine.then_some(()))
            })
            .await?;
            sold.push((name, status.account, *asked, *right));
        }
        let before = number(&runner.run().await?, "done")?;
        let mut said = Vec::new();
        for (name, seller, asked, right) in sold {
            let shown = cli.json(&["sellers", "show", &seller]).await?;
            let score = shown["score_bps"].as_u64().context("nothing counts of what was said")?;
            let own = (right * 10_000).checked_div(asked).unwrap_or_default();
            ensure!(score.abs_diff(own) <= 1 && number(&shown, "counted")? == asked * PRICE, "{shown}");
            said.push(format!("{name} {} %", own / 100));
        }
        ensure!(number(&runner.run().await?, "done")? == before, "something was said twice");
        Ok(format!("said by the buyer itself, with what was paid, and counted in full: {}", said.join(", ")))
    }
}

/// How many answers each seller gave, and how many of them were right.
fn by_seller(answers: &[Value]) -> BTreeMap<String, (u64, u64)> {
    let mut by = BTreeMap::<String, (u64, u64)>::new();
    for answer in answers {
        let Ok(seller) = text(answer, "seller") else { continue };
        let (asked, right) = by.entry(seller).or_default();
        *asked += 1;
        *right += u64::from(answer["right"] == true);
    }
    by
}
