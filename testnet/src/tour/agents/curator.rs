//! A curator finds what a datanet answers wrongly, gives what is missing, and is paid by the answers that rest on it.

use anyhow::{Context as _, Result, ensure};
use datanet_types::amount::{DNT, display};
use serde_json::Value;

use super::Tour;
use super::stage::{DATANET, MISSING, divided};
use crate::scene::cli::number;
use crate::scene::passages::{passages, upload};
use crate::scene::runner::{Runner, Terms, curator, settle};
use crate::scene::{PRICE, account, search, settled, until};

const CURATOR: &str = "finch";
/// Who asks about what was missing.
const ASKER: &str = "asker";
const TERMS: Terms = Terms { funds: 20 * DNT, budget: 5 * DNT, each: 2 * DNT };
const LICENCE: &str = "CC0-1.0";

impl Tour {
    pub(super) async fn curator(&mut self) -> Result<String> {
        let scopes = ["read", "search", "ask", "contribute"];
        let runner = Runner::hire(&self.network, 0, CURATOR, &scopes, &TERMS).await?;
        runner.told(&TERMS, &curator(DATANET, LICENCE, 40))?;
        let passages = passages();
        let (missing, _) = divided(&passages);
        runner.write("material/found.jsonl", &upload(&missing))?;
        let summary = runner.run().await?;
        ensure!(number(&summary, "done")? == 1, "{summary}");
        let client = self.client(0)?;
        let given: Value = client.get(&format!("/v1/datanets/{}/contributions", self.datanet)).await?;
        let own =
            given["contributions"].as_array().into_iter().flatten().find(|one| one["contributor"] == *runner.address);
        let own = own.with_context(|| format!("{CURATOR} gave nothing: {given}"))?;
        let id = own["id"].as_str().context("no id")?;
        let judged = settled(&client, id).await?;
        ensure!(judged.state.as_str() == "final", "it is {}: {:?}", judged.state.as_str(), judged.reason);

        account(&client, ASKER).await?;
        client.open_channel(ASKER, None, 40 * PRICE).await?;
        let questions: Vec<&str> = passages
            .asked
            .iter()
            .filter(|one| one.label.as_deref() == Some(MISSING))
            .map(|one| one.text.as_str())
            .collect();
        let first = questions.first().context("no question")?.trim_end_matches(['.', '?']);
        until("what was given is found", async || {
            let hits = search(&client, &self.datanet, first).await?;
            Ok(hits.iter().any(|hit| hit["contribution"] == *id).then_some(()))
        })
        .await?;
        let mut right = 0;
        for question in &questions {
            let answer = client.ask(&self.datanet, question, ASKER).await?;
            right += usize::from(answer.label.as_deref() == Some(MISSING));
        }
        ensure!(
            right == questions.len(),
            "{right} of {} questions about {MISSING} are answered rightly",
            questions.len()
        );
        settle(&client).await?;
        let earned = until("the curator has earned", async || {
            let earned = client.earnings(&runner.address).await?.claimable;
            Ok((earned > 0).then_some(earned))
        })
        .await?;
        let before = client.balance(&runner.address).await?;
        client.claim(&runner.address).await?;
        let after = client.balance(&runner.address).await?;
        ensure!(after > before, "{before} before the claim, {after} after");
        Ok(format!(
            "it gave {} records where the datanet was weak, which now answers about {MISSING}; {} earned and claimed",
            judged.records,
            display(earned)
        ))
    }
}
