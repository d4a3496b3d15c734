//! Agents as their owners run them: an account, a token with a limit, a spec in a folder, and `datanet agent run`.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use datanet_types::amount::DNT;
use serde_json::{Value, json};

use super::cli::{Cli, text};
use crate::api::Client;
use crate::network::Network;

/// What an agent may be told apart from its kind.
#[derive(Debug, Clone)]
pub struct Terms {
    /// What its account is given, in base units.
    pub funds: u64,
    /// What it may spend in all, by its token and by its spec.
    pub budget: u64,
    /// What one decision may cost.
    pub each: u64,
}

/// An agent in a folder of its own.
#[derive(Debug)]
pub struct Runner {
    /// Its name, which is that of its account.
    pub name: String,
    /// Its account's address.
    pub address: String,
    cli: Cli,
    dir: PathBuf,
}

impl Runner {
    /// Makes account and token on node `index`, and a folder for the spec. `scopes` are what its kind takes.
    ///
    /// # Errors
    /// When the node refuses, or the folder cannot be written.
    pub async fn hire(network: &Network, index: usize, name: &str, scopes: &[&str], terms: &Terms) -> Result<Self> {
        let (cli, client) = (Cli::of(network, index)?, super::node(network, index)?);
        let key = client.key(name).await?;
        client.transfer("node", &key.address, terms.funds).await?;
        let limit = json!({ "amount": terms.budget, "period": "day" });
        let token = json!({ "name": name, "scopes": scopes, "accounts": [name], "limit": limit });
        let made: Value = client.post("/v1/tokens", &token).await?;
        let dir = network.dir().join("agents").join(name);
        std::fs::create_dir_all(&dir)?;
        let runner = Self { name: name.to_owned(), address: key.address, cli, dir };
        runner.write(&format!("{name}.token"), &text(&made, "secret")?)?;
        Ok(runner)
    }

    /// Writes the spec: what all have, and the part of its kind.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn told(&self, terms: &Terms, part: &str) -> Result<()> {
        let (name, home) = (&self.name, self.cli.home());
        let Terms { budget, each, .. } = terms;
        let spec = format!(
            "name = {name:?}\naccount = {name:?}\n\n[node]\nhome = {home:?}\ntoken_file = \"{name}.token\"\n\n\
             [budget]\namount = \"{budget}base\"\nperiod = \"total\"\neach = \"{each}base\"\n\n{part}"
        );
        self.write(&format!("{name}.toml"), &spec)
    }

    /// A file beside the spec.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, name: &str, content: &str) -> Result<()> {
        let path = self.dir.join(name);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))
    }

    /// Where something beside the spec is.
    pub fn at(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    fn spec(&self) -> String {
        self.at(&format!("{}.toml", self.name)).display().to_string()
    }

    /// Runs it to its end; what it says of itself.
    ///
    /// # Errors
    /// When it fails, in its own words.
    pub async fn run(&self) -> Result<Value> {
        self.cli.agent(&["run", &self.spec()]).await
    }

    /// The key with which it signs vouchers for other nodes.
    ///
    /// # Errors
    /// When it has no key, in its own words.
    pub async fn voucher_key(&self) -> Result<String> {
        text(&self.cli.agent(&["key", &self.spec()]).await?, "voucher_key")
    }

    /// Opens a channel from its account to another node, of which the agent itself signs away.
    ///
    /// # Errors
    /// When that is refused.
    pub async fn channel_to(&self, node: &str, deposit: u64) -> Result<String> {
        let (key, deposit) = (self.voucher_key().await?, format!("{deposit}base"));
        let args = ["channel", "open", "--account", &self.name, "--node", node, "--deposit", &deposit];
        text(&self.cli.json(&[&args[..], &["--voucher-key", &key][..]].concat()).await?, "channel")
    }

    /// The lines of a file that it wrote.
    ///
    /// # Errors
    /// When there is no such file, or something in it that is no JSON.
    pub fn lines(&self, name: &str) -> Result<Vec<Value>> {
        lines(&self.at(name))
    }
}

/// The lines of a file of JSON Lines.
///
/// # Errors
/// When there is no such file, or something in it that is no JSON.
pub fn lines(path: &Path) -> Result<Vec<Value>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    text.lines().map(|line| serde_json::from_str(line).with_context(|| line.to_owned())).collect()
}

/// One that sells on the node of `client`, or at another node's public face.
#[derive(Debug)]
pub struct Seller<'a> {
    /// What it is called.
    pub name: &'a str,
    /// The datanet that is asked.
    pub datanet: &'a str,
    /// The other node's face, and the channel to it.
    pub elsewhere: Option<(&'a str, &'a str)>,
}

/// A buyer's part of a spec.
pub fn buyer(worth: u64, sellers: &[Seller<'_>]) -> String {
    let seller = |Seller { name, datanet, elsewhere }: &Seller<'_>| {
        let face = elsewhere.map(|(url, channel)| format!("url = {url:?}\nchannel = {channel:?}\n"));
        format!("[[buyer.sellers]]\nname = {name:?}\ndatanet = {datanet:?}\n{}", face.unwrap_or_default())
    };
    let sellers: String = sellers.iter().map(seller).collect();
    format!(
        "[buyer]\nquestions = \"questions.jsonl\"\nanswers = \"answers.jsonl\"\nworth = \"{worth}base\"\n\n{sellers}"
    )
}

/// A curator's part of a spec, whose material is in the folder `material`.
pub fn curator(datanet: &str, licence: &str, batch: usize) -> String {
    format!(
        "[material]\nfolders = [\"material\"]\n\n[curator]\ndatanet = {datanet:?}\nlicence = {licence:?}\nbatch = {batch}\nleast = 4\n\
         worth = \"{}base\"\n",
        5 * DNT
    )
}

/// A judge's part of a spec.
pub fn judge(datanet: &str) -> String {
    format!("[judge]\ndatanets = [{datanet:?}]\n")
}

/// Waits until a seller's node has the block with a channel that was opened elsewhere: it takes no voucher on one that it has not heard of.
///
/// # Errors
/// When it does not come to know it.
pub async fn knows(seller: &Client, payer: &str, channel: &str) -> Result<()> {
    super::until("the seller knows the channel", async || {
        let listed: Value = seller.get(&format!("/v1/channels?account={payer}")).await?;
        let found = listed["channels"].as_array().into_iter().flatten().any(|one| one["id"] == *channel);
        Ok(found.then_some(()))
    })
    .await
}

/// Settles what a node has answered, and waits until nobody can challenge any epoch of it.
///
/// # Errors
/// When it cannot, or an epoch is void.
pub async fn settle(client: &Client) -> Result<()> {
    client.settle().await?;
    super::until("its epochs are final", async || {
        let epochs = client.own_epochs().await?;
        anyhow::ensure!(!epochs.iter().any(|epoch| epoch["status"] == "void"), "an honest epoch is void: {epochs:?}");
        Ok(epochs.iter().all(|epoch| epoch["status"] == "final").then_some(()))
    })
    .await
}
