//! A parameter is changed by vote: put to it at the beginning, since a vote takes its time.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::Tour;
use crate::scene::until;

/// What a transaction is to cost at least.
const MIN_FEE: u64 = 1_100;
/// Nodes whose operators vote for it: three quarters of all stake.
const FOR: usize = 3;

impl Tour {
    pub(super) async fn propose(&mut self) -> Result<String> {
        let change = format!("min_fee={MIN_FEE}");
        let words = ["--title", "Dearer transactions", "--reason", "a tour wants to see a vote", "--yes"];
        self.cli(0)?.json(&[&["proposal", "submit", "params", &change][..], &words[..]].concat()).await?;
        for index in 0..FOR {
            self.cli(index)?.json(&["proposal", "vote", "1", "yes"]).await?;
        }
        let shown = self.cli(FOR)?.json(&["proposal", "show", "1"]).await?;
        ensure!(shown["status"] == "voting" && shown["passes"] == true, "{shown}");
        Ok(format!("{FOR} of 4 operators vote for {change}; it is not over yet"))
    }

    pub(super) async fn voted(&mut self) -> Result<String> {
        let client = self.client(FOR)?;
        let height = until("what was voted holds", async || {
            let held: Value = client.get("/v1/params").await?;
            Ok((held["params"]["min_fee"] == MIN_FEE).then(|| held["from"].clone()))
        })
        .await?;
        let shown = self.cli(FOR)?.json(&["proposal", "show", "1"]).await?;
        ensure!(shown["status"] == "done", "{shown}");
        Ok(format!(
            "from height {} on a transaction costs {MIN_FEE} base units at least, on every node",
            height.as_u64().context("no height")?
        ))
    }
}
