//! What must be so on all nodes at the end.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use datanet_testnet::network::Network;
use datanet_types::BeaconProof;
use datanet_types::tx::{TxHash, tx_hash};
use serde_json::{Value, json};

use crate::scene::comet::call;

/// Headers that CometBFT gives in one answer.
const PAGE: u64 = 20;

/// A transaction in a block: its height and what came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InBlock {
    pub height: u64,
    pub code: u64,
}

/// All nodes have the same block, and so the same app hash, at every height up to `height`, and no transaction was done twice; those
/// that were done.
pub async fn one_chain(network: &Network, height: u64) -> Result<BTreeMap<TxHash, InBlock>> {
    let mut first: Option<Vec<Value>> = None;
    for node in network.nodes() {
        let headers = headers(node.home(), height).await?;
        match &first {
            None => first = Some(headers),
            Some(first) => {
                for (ours, theirs) in first.iter().zip(&headers) {
                    ensure!(ours == theirs, "two blocks of one height: {ours} and {theirs}");
                }
                ensure!(first.len() == headers.len(), "{} lacks blocks", node.name());
            }
        }
    }
    let home = network.nodes().first().context("no nodes")?.home();
    let mut done = BTreeMap::new();
    for height in 1..=height {
        for (hash, code) in txs(home, height).await? {
            let before = done.insert(hash, InBlock { height, code });
            ensure!(before.is_none(), "transaction {hash} is in block {height} and was in {before:?}");
        }
    }
    Ok(done)
}

/// Block ids and app hashes from the first block on.
async fn headers(home: &Path, height: u64) -> Result<Vec<Value>> {
    let mut headers = Vec::new();
    for from in (1..=height).step_by(PAGE as usize) {
        let to = (from + PAGE - 1).min(height);
        let page = json!({ "minHeight": from.to_string(), "maxHeight": to.to_string() });
        let page = call(home, "blockchain", page).await?;
        let metas = page["block_metas"].as_array().context("no blocks")?;
        ensure!(metas.len() as u64 == to - from + 1, "blocks {from} to {to} are not all there");
        // Newest first.
        headers.extend(metas.iter().rev().map(|meta| json!([meta["block_id"], meta["header"]["app_hash"]])));
    }
    Ok(headers)
}

/// The transactions of a block that somebody sent, with their codes.
async fn txs(home: &Path, height: u64) -> Result<Vec<(TxHash, u64)>> {
    let at = json!({ "height": height.to_string() });
    let block = call(home, "block", at.clone()).await?;
    let txs: Vec<String> = serde_json::from_value(block["block"]["data"]["txs"].clone())?;
    if txs.is_empty() {
        return Ok(Vec::new());
    }
    let results = call(home, "block_results", at).await?;
    let results = results["txs_results"].as_array().context("no results")?;
    ensure!(results.len() == txs.len(), "block {height} has {} transactions and {} results", txs.len(), results.len());
    let mut all = Vec::with_capacity(txs.len());
    for (tx, result) in txs.iter().zip(results) {
        let bytes = BASE64.decode(tx)?;
        if BeaconProof::from_tx(&bytes).is_none() {
            all.push((tx_hash(&bytes), result["code"].as_u64().context("no code")?));
        }
    }
    Ok(all)
}
