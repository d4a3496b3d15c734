//! A judge on its own account finds a verdict wrong: somebody gave wrong labels until the one careless judge was drawn, who accepts whatever there is.

use anyhow::{Context as _, Result, bail, ensure};
use datanet_types::amount::{DNT, display};
use serde_json::Value;

use super::Tour;
use crate::api::{Client, State};
use crate::data::Record;
use crate::scene::careless::Careless;
use crate::scene::cli::number;
use crate::scene::passages::{SUBJECTS, passages, upload};
use crate::scene::runner::{Runner, Terms, judge};
use crate::scene::{account, open_datanet, settings, until};

const JUDGE: &str = "raven";
const TERMS: Terms = Terms { funds: 20 * DNT, budget: 10 * DNT, each: 2 * DNT };
/// Where one seat judges.
const DATANET: &str = "tour-careless";
/// The node whose operator judges by hand.
const CARELESS: usize = 3;
/// Who gives wrong labels, on that node.
const CHEAT: &str = "cheat";
/// Contributions that are given at most, one after another: one in four is the careless judge's.
const MOST: usize = 40;

impl Tour {
    pub(super) async fn judge(&mut self) -> Result<String> {
        self.network.kill(CARELESS).await?;
        settings::set(&self.network, CARELESS, "judging.automatic", false)?;
        self.network.restart(CARELESS).await?;
        let client = self.client(0)?;
        let datanet = open_datanet(&client, DATANET, &passages(), 1, 2).await?;
        let scopes = ["read", "search", "ask", "contribute"];
        let runner = Runner::hire(&self.network, 0, JUDGE, &scopes, &TERMS).await?;
        runner.told(&TERMS, &judge(DATANET))?;
        let began = client.balance(&runner.address).await?;

        let (accepted, tries) = self.fish(&datanet).await?;
        until("the judge has challenged", async || {
            runner.run().await?;
            let view: Value = client.get(&format!("/v1/contributions/{accepted}")).await?;
            Ok((!view["challenge"].is_null()).then_some(()))
        })
        .await?;
        let outcome = until("a second committee has judged", async || {
            let view: Value = client.get(&format!("/v1/contributions/{accepted}")).await?;
            let outcome = view["challenge"]["outcome"].as_str().context("no outcome")?;
            Ok((outcome != "open").then(|| (outcome.to_owned(), view["state"].clone())))
        })
        .await?;
        ensure!(outcome == ("overturned".to_owned(), "revoked".into()), "the wrong verdict stands: {outcome:?}");
        let summary = runner.run().await?;
        ensure!(number(&summary, "pending")? == 0, "it has not learnt what came of it: {summary}");
        let ended = client.balance(&runner.address).await?;
        ensure!(ended > began, "the judge had {began} and has {ended}");
        Ok(format!(
            "of {tries} contributions with wrong labels a careless judge accepted one; challenged, judged again and overturned: {JUDGE} is {} richer",
            display(ended - began)
        ))
    }

    /// Gives wrong labels until something is accepted: which, and how many were given.
    async fn fish(&self, datanet: &str) -> Result<(String, usize)> {
        let (client, careless) = (self.client(CARELESS)?, Careless::of(&self.network, CARELESS)?);
        account(&client, CHEAT).await?;
        for number in 0..MOST {
            let (id, state) = give(&client, &careless, datanet, number).await?;
            if state == State::Final {
                return Ok((id, number + 1));
            }
        }
        bail!("the careless judge was never drawn in {MOST} contributions")
    }
}

/// Gives wrong labels in an order of their own, and stays with them until their verdict.
async fn give(client: &Client, careless: &Careless, datanet: &str, number: usize) -> Result<(String, State)> {
    let mut wrong: Vec<Record> = passages().given.iter().map(mislabelled).collect();
    let count = wrong.len();
    wrong.rotate_left(number % count);
    let name = format!("{CHEAT}/{number}");
    let sent = client.contribute(datanet, CHEAT, "application/x-ndjson", &name, upload(&wrong)).await?;
    let judged = careless.attend(client, &sent.id).await?;
    Ok((sent.id, judged.state))
}

/// The same sentence with the next subject's label.
fn mislabelled(record: &Record) -> Record {
    let own = SUBJECTS.iter().position(|subject| record.label.as_deref() == Some(*subject)).unwrap_or_default();
    let label = SUBJECTS.get((own + 1) % SUBJECTS.len()).map(|subject| (*subject).to_owned());
    Record { text: record.text.clone(), label }
}
