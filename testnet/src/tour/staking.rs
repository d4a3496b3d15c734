//! Who orders blocks: one joins, others stake on it and earn, one leaves, one is away, one signs two histories.

use anyhow::{Context as _, Result, ensure};
use datanet_config::Home;
use datanet_types::amount::{DNT, display};
use serde_json::{Value, json};

use super::Tour;
use crate::api::Client;
use crate::scene::{comet, node, until};

/// What the newcomer stakes, in base units.
const STAKE: u64 = 5_000 * DNT;
/// What somebody else stakes on it.
const DELEGATED: u64 = 1_000 * DNT;
/// The node that leaves and comes back.
const LEAVING: usize = 2;
/// The node that is away.
const AWAY: usize = 3;

impl Tour {
    /// A fifth node follows the chain, gets money, and orders blocks from then on.
    pub(super) async fn join(&mut self) -> Result<String> {
        let account = self.newcomer.nodes()[0].account().to_owned();
        self.client(0)?.transfer("node", &account, STAKE + 2_000 * DNT).await?;
        self.newcomer.up(|_| {}).await.context("the newcomer does not come up")?;
        let client = node(&self.newcomer, 0)?;
        client.post::<Value>("/v1/validators", &json!({ "amount": STAKE, "commission_bps": 500 })).await?;
        let validator = self.validator("newcomer").await?;
        ensure!(validator["status"] == "active" && validator["power"] == STAKE / DNT, "{validator}");
        self.votes(&validator["id"], true).await?;
        Ok(format!("a fifth validator joined with {}, and its votes count", display(STAKE)))
    }

    /// Somebody stakes on it; its power grows.
    pub(super) async fn delegate(&mut self) -> Result<String> {
        let client = self.client(1)?;
        let validator = self.validator("newcomer").await?;
        let path = format!("/v1/validators/{}/delegate", text(&validator["id"])?);
        client.post::<Value>(&path, &json!({ "amount": DELEGATED })).await?;
        let power = (STAKE + DELEGATED) / DNT;
        until("its power has grown", async || Ok((self.validator("newcomer").await?["power"] == power).then_some(())))
            .await?;
        Ok(format!("{} more stand behind it; its power is {power}", display(DELEGATED)))
    }

    /// What a stake has earned by now is paid.
    pub(super) async fn reward(&mut self) -> Result<String> {
        let client = self.client(1)?;
        let account = client.status().await?.account;
        until("the stake on the newcomer has earned something", async || {
            let held: Value = client.get(&format!("/v1/accounts/{account}/delegations")).await?;
            let earned = held["delegations"].as_array().into_iter().flatten().filter_map(|one| one["earned"].as_u64());
            // Fees pay the proposer, and transactions make fees: this one waits for the newcomer's turn.
            let (own, other) = (self.client(0)?, client.status().await?.account);
            own.transfer("node", &other, 1).await?;
            Ok((earned.sum::<u64>() > 0).then_some(()))
        })
        .await?;
        let paid: Value = client.post(&format!("/v1/accounts/{account}/rewards"), &json!({})).await?;
        let amount = paid["amount"].as_u64().context("no amount")?;
        ensure!(amount > 0 && paid["tx"].is_string(), "{paid}");
        Ok(format!("stakes have earned {} out of the fees of their validators' blocks", display(amount)))
    }

    /// A first one takes its stake back and orders no more; it comes back with part of it.
    pub(super) async fn leave(&mut self) -> Result<String> {
        let client = self.client(LEAVING)?;
        let validator = self.validator(&format!("node{LEAVING}")).await?;
        let (id, stake) = (text(&validator["id"])?, validator["stake"].as_u64().context("no stake")?);
        client.post::<Value>(&format!("/v1/validators/{id}/undelegate"), &json!({ "amount": stake })).await?;
        self.is(&format!("node{LEAVING}"), "waiting").await?;
        self.votes(&validator["id"], false).await?;
        let account = client.status().await?.account;
        let held: Value = client.get(&format!("/v1/accounts/{account}/delegations")).await?;
        ensure!(held["unbonding"][0]["amount"] == stake, "it is not on its way: {held}");
        client.post::<Value>(&format!("/v1/validators/{id}/delegate"), &json!({ "amount": stake / 2 })).await?;
        self.is(&format!("node{LEAVING}"), "active").await?;
        self.votes(&validator["id"], true).await?;
        Ok(format!("{} are on their way back; it left the set, and came back with half as much", display(stake)))
    }

    /// One is killed, misses too many votes and is sent off; it comes back, serves its time and is let in again.
    pub(super) async fn jail(&mut self) -> Result<String> {
        let name = format!("node{AWAY}");
        let before = self.validator(&name).await?["stake"].as_u64().context("no stake")?;
        self.network.kill(AWAY).await?;
        self.is(&name, "jailed").await?;
        self.network.restart(AWAY).await?;
        let jailed = self.validator(&name).await?;
        let (id, client) = (text(&jailed["id"])?, self.client(AWAY)?);
        until("its time is over", async || {
            match client.post::<Value>(&format!("/v1/validators/{id}/unjail"), &json!({})).await {
                Ok(_) => Ok(Some(())),
                Err(error) if error.status() == Some(422) => Ok(None),
                Err(error) => Err(error.into()),
            }
        })
        .await?;
        self.is(&name, "active").await?;
        self.votes(&jailed["id"], true).await?;
        let lost = before.saturating_sub(jailed["stake"].as_u64().context("no stake")?);
        ensure!(lost > 0, "it lost nothing: {jailed}");
        Ok(format!("who was away lost {} and its seat, and has it again", display(lost)))
    }

    /// Somebody has two votes of the newcomer for different blocks of one height. The engine takes them for evidence.
    pub(super) async fn slash(&mut self) -> Result<String> {
        let validator = self.validator("newcomer").await?;
        let id = text(&validator["id"])?.to_owned();
        let secret = datanet::init::validator_secrets(&Home::new(self.newcomer.nodes()[0].home()))?.consensus;
        let home = self.network.nodes()[0].home();
        let height = self.client(0)?.status().await?.height.saturating_sub(1);
        let evidence = comet::two_votes(home, self.network.chain_id(), height, &secret).await?;
        comet::call(home, "broadcast_evidence", json!({ "evidence": evidence })).await.context("it is no evidence")?;
        self.is("newcomer", "tombstoned").await?;
        let after = self.validator("newcomer").await?;
        let stake = |validator: &Value| validator["stake"].as_u64().context("no stake");
        let (before, left) = (stake(&validator)?, stake(&after)?);
        ensure!(before - left == before.div_ceil(20), "of {before} base units {left} are left");
        let delegator = self.client(1)?.status().await?.account;
        let held: Value = self.client(1)?.get(&format!("/v1/accounts/{delegator}/delegations")).await?;
        let mine = held["delegations"].as_array().into_iter().flatten().find(|one| one["validator"] == *id);
        let worth = mine.and_then(|one| one["amount"].as_u64()).context("no stake on it")?;
        ensure!((DELEGATED / 20 * 19 - 1..DELEGATED).contains(&worth), "the delegator has {worth} left");
        let (client, path) = (self.client(1)?, format!("/v1/validators/{id}/delegate"));
        let again = client.post::<Value>(&path, &json!({ "amount": DNT })).await;
        ensure!(again.is_err(), "it can be staked on again");
        self.votes(&validator["id"], false).await?;
        Ok(format!(
            "two votes for one height cost {} of all that stood behind it, and it never comes back",
            display(before - left)
        ))
    }

    /// The validator of that name, as the first node knows it.
    async fn validator(&self, name: &str) -> Result<Value> {
        let listed: Value = self.client(0)?.get("/v1/validators").await?;
        let found = listed["validators"].as_array().into_iter().flatten().find(|one| one["name"] == name);
        found.cloned().with_context(|| format!("no validator is called {name}: {listed}"))
    }

    /// Waits until it is so.
    async fn is(&self, name: &str, status: &str) -> Result<()> {
        until(&format!("validator {name} is {status}"), async || {
            Ok((self.validator(name).await?["status"] == status).then_some(()))
        })
        .await
    }

    /// Waits until a validator's signature is among those of a block, or it is no more among those who could sign.
    async fn votes(&self, id: &Value, wanted: bool) -> Result<()> {
        let (home, address) = (self.network.nodes()[0].home(), text(id)?.to_uppercase());
        let client: Client = self.client(0)?;
        let what = if wanted { "its votes are in a block" } else { "it is no validator of the engine's" };
        until(what, async || {
            let height = client.status().await?.height;
            if wanted {
                let commit = comet::call(home, "commit", json!({ "height": height.to_string() })).await?;
                let votes = commit["signed_header"]["commit"]["signatures"].as_array().cloned().unwrap_or_default();
                return Ok(votes.iter().any(|vote| vote["validator_address"] == *address).then_some(()));
            }
            let set =
                comet::call(home, "validators", json!({ "height": height.to_string(), "per_page": "100" })).await?;
            let there = set["validators"].as_array().into_iter().flatten().any(|one| one["address"] == *address);
            Ok((!there).then_some(()))
        })
        .await
    }
}

fn text(value: &Value) -> Result<&str> {
    value.as_str().with_context(|| format!("{value} is no text"))
}
