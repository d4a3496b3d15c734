//! Who takes part: each with an account of its own and money to begin with.

use anyhow::{Context as _, Result};
use datanet_types::amount::DNT;

use crate::api::Client;

/// What somebody is in the economy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Part {
    /// Asks and pays.
    Asker,
    /// A program that buys or gives.
    Agent,
    /// Gives data.
    Contributor,
    /// Holds shares.
    Holder,
    /// Runs a node, which judges, keeps and serves.
    Operator,
    /// Tries to gain by what it should not.
    Cheat,
}

impl Part {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Asker => "asker",
            Self::Agent => "agent",
            Self::Contributor => "contributor",
            Self::Holder => "share holder",
            Self::Operator => "node",
            Self::Cheat => "cheat",
        }
    }
}

/// Somebody who takes part.
#[derive(Debug, Clone)]
pub(super) struct Player {
    /// What it is called in tables; of most the name of the key as well.
    pub(super) name: String,
    pub(super) part: Part,
    /// The node that has its key.
    pub(super) node: usize,
    /// The key's name there.
    pub(super) key: String,
    pub(super) address: String,
    /// What it had when it was funded.
    pub(super) before: u64,
}

/// What everybody gets from its node.
pub(super) const FUNDS: u64 = 50 * DNT;

/// An account with money.
pub(super) async fn enter(clients: &[Client], name: &str, part: Part, node: usize) -> Result<Player> {
    let client = clients.get(node).context("no such node")?;
    let key = client.key(name).await.with_context(|| format!("cannot make a key for {name}"))?;
    client.transfer("node", &key.address, FUNDS).await.with_context(|| format!("cannot fund {name}"))?;
    seen(client, name, name, part, node, key.address).await
}

/// Somebody whose account is there.
pub(super) async fn seen(
    client: &Client,
    name: &str,
    key: &str,
    part: Part,
    node: usize,
    address: String,
) -> Result<Player> {
    let before = client.balance(&address).await?;
    Ok(Player { name: name.to_owned(), part, node, key: key.to_owned(), address, before })
}
