//! What an operator sets in a node's configuration while the node is down.

use anyhow::{Context as _, Result};
use datanet_config::Home;
use toml::Value;

use crate::network::Network;

/// Sets what stands at `path` (`public.listen`) in the configuration of node `index`: it holds from the node's next start on.
///
/// # Errors
/// When there is no such node, or its configuration cannot be read or written.
pub fn set(network: &Network, index: usize, path: &str, value: impl Into<Value>) -> Result<()> {
    let file = Home::new(network.nodes().get(index).context("no such node")?.home()).config();
    let mut whole: toml::Table = std::fs::read_to_string(&file)?.parse().context("a configuration that is no TOML")?;
    let (part, key) = path.split_once('.').context("a setting is PART.KEY")?;
    let part = whole.entry(part).or_insert_with(|| Value::Table(toml::Table::new()));
    part.as_table_mut().with_context(|| format!("{path} is no setting"))?.insert(key.to_owned(), value.into());
    std::fs::write(&file, toml::to_string(&whole)?).with_context(|| format!("cannot write {}", file.display()))
}
