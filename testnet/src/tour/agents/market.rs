//! Shares in what the datanet earns: issued, sold through a pool, and paid.

use anyhow::{Context as _, Result, ensure};
use datanet_types::amount::display;
use serde_json::Value;

use super::Tour;
use super::stage::DATANET;
use crate::scene::cli::number;
use crate::scene::passages::passages;
use crate::scene::runner::settle;
use crate::scene::{PRICE, account, until};

const INVESTOR: &str = "investor";
/// Who asks, so that there is income.
const ASKER: &str = "reader";
const SHARES: u64 = 1_000_000;
const POOLED: u64 = 400_000;

impl Tour {
    /// The owner divides the datanet's income into shares and opens a pool; somebody buys there.
    pub(super) async fn shares(&mut self) -> Result<String> {
        let (cli, client, asset) = (self.cli(0)?, self.client(0)?, format!("datanet:{DATANET}"));
        account(&client, INVESTOR).await?;
        cli.json(&["shares", "issue", &asset, &SHARES.to_string(), "--yes"]).await?;
        cli.json(&["pool", "create", &asset, "--shares", &POOLED.to_string(), "--amount", "20DNT", "--yes"]).await?;
        let quote = cli.json(&["pool", "quote", &asset, "--buy", "5DNT"]).await?;
        cli.json(&["pool", "swap", &asset, "--buy", "5DNT", "--account", INVESTOR, "--yes"]).await?;
        let held = self.held().await?;
        let shares = number(&held, "shares")?;
        ensure!(shares == number(&quote, "take")?, "{quote} was quoted, and {held} is held");
        Ok(format!("{SHARES} shares, {POOLED} of them in a pool; {INVESTOR} bought {shares} for 5 DNT, as quoted"))
    }

    /// Answers are asked for and settled; what the datanet earned reaches who holds its shares.
    pub(super) async fn income(&mut self) -> Result<String> {
        let (cli, client, asset) = (self.cli(0)?, self.client(0)?, format!("datanet:{DATANET}"));
        account(&client, ASKER).await?;
        client.open_channel(ASKER, None, 20 * PRICE).await?;
        for question in passages().asked {
            client.ask(&self.datanet, &question.text, ASKER).await?;
        }
        settle(&client).await?;
        let claimed = cli.json(&["shares", "claim", &asset]).await?;
        let total = number(&claimed, "total")?;
        ensure!(total > 0, "the datanet earned nothing: {claimed}");
        let owed = until("income is divided", async || {
            let shown = cli.json(&["shares", "show", &asset]).await?;
            let owed = number(&self.held().await?, "owed")?;
            Ok((shown["undivided"] == 0 && owed > 0).then_some(owed))
        })
        .await?;
        let holder = client.key(INVESTOR).await?.address;
        let before = client.balance(&holder).await?;
        cli.json(&["shares", "withdraw", &asset, "--account", INVESTOR]).await?;
        let after = client.balance(&holder).await?;
        ensure!(after > before, "{before} before, {after} after {owed} were owed");
        Ok(format!(
            "{} came in for answers, {} of it for {INVESTOR}, who has withdrawn it",
            display(total),
            display(owed)
        ))
    }

    /// What the investor holds.
    async fn held(&self) -> Result<Value> {
        let held = self.cli(0)?.json(&["shares", "list", "--account", INVESTOR]).await?;
        held["held"].get(0).cloned().with_context(|| format!("{INVESTOR} holds nothing: {held}"))
    }
}
