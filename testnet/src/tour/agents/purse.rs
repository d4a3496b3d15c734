//! An account that no key of its own controls, and what the keys that run it may not do.

use anyhow::{Context as _, Result, bail, ensure};
use datanet_types::action::{OpenChannel, Transfer};
use datanet_types::amount::{DNT, display};
use datanet_types::{Action, Address, SigningKey};
use futures::future::try_join_all;

use super::Tour;
use crate::scene::account;
use crate::scene::cli::{number, text};
use crate::scene::ledger::{Sent, Signed, broadcast, look, random, send, send_past, sign};

/// What all keys of an agent may spend in an hour.
const BUDGET: u64 = DNT;
/// What an agent is given.
const FUNDS: u64 = 20 * DNT;
/// Replicas of one agent, and what each tries to pay at the same moment.
const REPLICAS: usize = 10;
const EACH: u64 = 300_000;
/// Transfers that are sent after those of the replicas, one a block: what waits longer than they do is not taken.
const FENCES: usize = 3;

/// An agent on the ledger.
#[derive(Debug, Clone, Default)]
pub(super) struct Agent {
    id: String,
    account: String,
}

impl Agent {
    fn address(&self) -> Result<Address> {
        self.account.parse().with_context(|| format!("{:?} is no address", self.account))
    }
}

impl Tour {
    /// An owner makes an agent, gives it money, and lets a key run it within limits.
    pub(super) async fn register(&mut self) -> Result<String> {
        account(&self.client(0)?, "owner").await?;
        account(&self.client(0)?, "shop").await?;
        self.agent = self.new_agent("owl").await?;
        let cli = self.cli(0)?;
        cli.json(&["keys", "add", "runner", "--account", &self.agent.account]).await?;
        cli.refused(&pays("0.1DNT"), "does not speak for account").await?;
        self.grant("runner", &[]).await?;
        cli.json(&pays("0.1DNT")).await?;
        let shown = cli.agent(&["show", &self.agent.id]).await?;
        let left = number(&shown, "left")?;
        ensure!(left < BUDGET && number(&shown, "budget")? == BUDGET, "{shown}");
        Ok(format!(
            "owl has {} and may spend {} an hour, of which {} are left",
            display(FUNDS),
            display(BUDGET),
            display(left)
        ))
    }

    /// Its owner ends the key that runs it, and grants it again.
    pub(super) async fn revoke_and_restore(&mut self) -> Result<String> {
        let cli = self.cli(0)?;
        cli.agent(&["revoke", &self.agent.id, "runner", "--account", "owner"]).await?;
        cli.refused(&pays("0.1DNT"), "does not speak for account").await?;
        self.grant("runner", &[]).await?;
        cli.json(&pays("0.1DNT")).await?;
        Ok("the key that ran owl was refused from the block on in which it was ended, and pays again".to_owned())
    }

    /// A key signs for more than the budget, and no node is asked whether it may.
    pub(super) async fn over_budget(&mut self) -> Result<String> {
        let key = self.sub_key(&[]).await?;
        let before = self.client(0)?.balance(&self.agent.account).await?;
        let transfer = self.transfer(BUDGET + 1).await?;
        let paid = send_past(&self.network, &key, self.agent.address()?, transfer).await?;
        let (Sent::Failed(said) | Sent::Refused(said)) = paid else { bail!("more than the budget was paid: {paid:?}") };
        ensure!(said.contains("authority") && said.contains("left of its"), "{said}");
        let lost = before.saturating_sub(self.client(0)?.balance(&self.agent.account).await?);
        ensure!(lost < 10_000, "it has lost {lost}");
        Ok(format!(
            "a transfer of {}, handed to CometBFT past the nodes, is refused by the ledger",
            display(BUDGET + 1)
        ))
    }

    /// A key does what it was not granted, and deals with whom it was not let.
    pub(super) async fn not_granted(&mut self) -> Result<String> {
        let shop = self.client(0)?.key("shop").await?.address;
        let key = self.sub_key(&["--with", &shop]).await?;
        let node = self.client(0)?.status().await?.node_key.parse()?;
        let open = OpenChannel { node, deposit: 1_000, expires_at: u64::MAX / 2, voucher_key: None };
        let other = Transfer { to: self.client(0)?.key("owner").await?.address.parse()?, amount: 1_000 };
        let mut said = Vec::new();
        for action in [Action::OpenChannel(open), Action::Transfer(other)] {
            let sent = self.signed(&key, action).await?;
            let Sent::Refused(why) = sent else { bail!("what was not granted was in a block: {sent:?}") };
            said.push(why);
        }
        let sent = self.signed(&key, self.transfer(1_000).await?).await?;
        ensure!(matches!(sent, Sent::Done(..)), "what was granted was refused: {sent:?}");
        Ok(format!(
            "a key for transfers to the shop opens no channel and pays nobody else, for no fee ({} refusals)",
            said.len()
        ))
    }

    /// Ten processes with one key pay at the same moment, on four nodes.
    pub(super) async fn replicas(&mut self) -> Result<String> {
        self.agent = self.new_agent("ten").await?;
        let key = self.sub_key(&[]).await?;
        let (client, chain, address) = (self.client(0)?, self.network.chain_id(), self.agent.address()?);
        let before = client.balance(&self.agent.account).await?;
        let mut signed: Vec<Signed> = Vec::new();
        for _ in 0..REPLICAS {
            signed.push(sign(&client, chain, &key, address, self.transfer(EACH).await?).await?);
        }
        let nodes = self.network.nodes();
        let posts = signed.iter().enumerate().map(|(n, signed)| broadcast(nodes[n % nodes.len()].home(), signed));
        let hashes = try_join_all(posts).await?;
        let own = client.status().await?.account;
        for _ in 0..FENCES {
            client.transfer("shop", &own, 1).await?;
        }
        let mut paid = 0;
        for (hash, signed) in hashes.iter().zip(&signed) {
            let Ok(hash) = hash else { continue };
            paid += u64::from(matches!(look(&client, hash, signed.id).await?, Some(Sent::Done(..))));
        }
        let spent = before.saturating_sub(client.balance(&self.agent.account).await?);
        ensure!(paid > 0 && paid * EACH <= BUDGET && spent <= BUDGET, "{paid} of {REPLICAS} paid, {spent} in all");
        Ok(format!(
            "{REPLICAS} at once try to pay {} each: {paid} do, {} of {} are spent",
            display(EACH),
            display(spent),
            display(BUDGET)
        ))
    }

    async fn new_agent(&self, name: &str) -> Result<Agent> {
        let card = self.network.dir().join(format!("{name}.card.json"));
        std::fs::write(&card, format!("{{\"name\": {name:?}}}\n"))?;
        let (card, budget, funds) = (card.display().to_string(), format!("{BUDGET}base"), format!("{FUNDS}base"));
        let limits = ["--card", &card, "--budget", &budget, "--per", "1h", "--funds", &funds];
        let register = [&["register", name][..], &limits[..], &["--account", "owner", "--yes"][..]].concat();
        let made = self.cli(0)?.agent(&register).await?;
        Ok(Agent { id: text(&made, "id")?, account: text(&made, "account")? })
    }

    /// Lets a key of the node, or a public key, run the agent.
    async fn grant(&self, key: &str, more: &[&str]) -> Result<()> {
        let budget = format!("{BUDGET}base");
        let args = ["grant", &self.agent.id, key, "--may", "transfer", "--budget", &budget, "--account", "owner"];
        self.cli(0)?.agent(&[&args[..], more].concat()).await.map(drop)
    }

    /// A key that the node has not, and that runs the agent.
    async fn sub_key(&self, more: &[&str]) -> Result<SigningKey> {
        let key = SigningKey::from_bytes(&random()?);
        self.grant(&key.public_key().to_string(), more).await?;
        Ok(key)
    }

    /// A payment to the shop.
    async fn transfer(&self, amount: u64) -> Result<Action> {
        let to = self.client(0)?.key("shop").await?.address.parse()?;
        Ok(Action::Transfer(Transfer { to, amount }))
    }

    async fn signed(&self, key: &SigningKey, action: Action) -> Result<Sent> {
        send(&self.client(0)?, self.network.chain_id(), key, self.agent.address()?, action).await
    }
}

/// A payment by the key on the node that runs the agent.
fn pays(amount: &str) -> [&str; 6] {
    ["transfer", "shop", amount, "--from", "runner", "--yes"]
}
