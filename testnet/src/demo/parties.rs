//! Who takes part: an account for each contributor and two callers, spread over the nodes, with money to begin with.

use anyhow::{Context as _, Result};
use futures::future::try_join_all;

use crate::api::{Client, Key};
use crate::data::Dataset;

/// What every account gets from its node: bonds and fees for a day of this.
const ALLOWANCE: u64 = 20_000_000;

/// An account in the keyring of a node.
#[derive(Debug, Clone)]
pub(super) struct Party {
    /// The contributor's or caller's name.
    pub name: String,
    /// The node that holds its key.
    pub node: usize,
    /// Its key there.
    pub key: Key,
}

/// An account for each contributor, round robin over the nodes.
pub(super) async fn contributors(clients: &[Client], data: &Dataset) -> Result<Vec<Party>> {
    let wanted =
        data.contributors.iter().enumerate().map(|(i, c)| (c.name.clone(), key_name(i, &c.name), i % clients.len()));
    open(clients, wanted.collect()).await
}

/// A caller on each of the serving nodes: it pays from a channel with the node it asks.
pub(super) async fn callers(clients: &[Client], serving: usize) -> Result<Vec<Party>> {
    open(clients, (0..serving).map(|node| (format!("caller {node}"), "caller".to_owned(), node)).collect()).await
}

async fn open(clients: &[Client], wanted: Vec<(String, String, usize)>) -> Result<Vec<Party>> {
    try_join_all(wanted.into_iter().map(|(name, key_name, node)| async move {
        let client = &clients[node];
        let key = client.key(&key_name).await.with_context(|| format!("cannot make a key for {name}"))?;
        client.transfer("node", &key.address, ALLOWANCE).await.with_context(|| format!("cannot fund {name}"))?;
        Ok(Party { name, node, key })
    }))
    .await
}

/// A keyring name: letters, digits and hyphens, different for each contributor.
fn key_name(index: usize, name: &str) -> String {
    let plain: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).take(40).collect();
    format!("c{index:02}-{}", plain.trim_matches('-')).trim_end_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_folder_name_gives_a_key_name() {
        assert_eq!(key_name(3, "Ann & Bob"), "c03-ann---bob");
        assert_eq!(key_name(12, "日本"), "c12");
    }
}
