//! Offering transactions one by one, and seeing each of them committed.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use datanet::cometbft::{RpcClient, RpcError};
use futures::future::try_join_all;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::scene::comet::call_on;

/// How often the application is asked for its height; a block takes much longer.
const LOOK: Duration = Duration::from_millis(10);
/// How long one waits where too many transactions wait already.
const FULL: Duration = Duration::from_millis(20);
/// The longest that all transactions together may take.
const PATIENCE: Duration = Duration::from_secs(300);

/// What became of a load.
pub(super) struct Loaded {
    /// From the first transaction's sending to the last one's commit.
    pub(super) took: Duration,
    /// From each transaction's sending to its commit, shortest first.
    pub(super) latencies: Vec<Duration>,
    /// Blocks that hold them.
    pub(super) blocks: usize,
}

/// Sends `txs` over so many connections, spread over all validators, each of which waits for CheckTx before it sends the next; returns
/// once all are committed.
pub(super) async fn run(sockets: &[PathBuf], txs: &[Bytes], connections: usize) -> Result<Loaded> {
    let first = sockets.first().context("no validator to send to")?;
    let (next, from) = (AtomicUsize::new(0), height(first).await?);
    let sending = try_join_all((0..connections).map(|n| send(&sockets[n % sockets.len()], txs, &next)));
    let both = futures::future::try_join(sending, follow(first, from, txs));
    let (sent, committed) = timeout(PATIENCE, both).await.context("the transactions are not committed in time")??;
    let sent: HashMap<usize, Instant> = sent.into_iter().flatten().collect();
    let began = sent.values().min().copied().context("nothing was sent")?;
    let ended = committed.at.iter().max().copied().context("nothing was committed")?;
    let mut latencies = Vec::with_capacity(txs.len());
    for (n, at) in committed.at.iter().enumerate() {
        latencies.push(at.duration_since(*sent.get(&n).context("committed and not sent")?));
    }
    latencies.sort_unstable();
    Ok(Loaded { took: ended.duration_since(began), latencies, blocks: committed.blocks })
}

/// The last height that the application has committed.
pub(super) async fn height(socket: &Path) -> Result<u64> {
    let info = call_on(socket, "abci_info", json!({})).await?;
    // Before the first block it is left out.
    info["response"]["last_block_height"].as_str().map_or(Ok(0), |height| Ok(height.parse()?))
}

/// One connection: takes the next transaction, sends it, waits for the answer.
async fn send(socket: &Path, txs: &[Bytes], next: &AtomicUsize) -> Result<Vec<(usize, Instant)>> {
    let rpc = RpcClient::new(socket)?;
    let mut sent = Vec::new();
    loop {
        let n = next.fetch_add(1, Ordering::Relaxed);
        let Some(tx) = txs.get(n) else { return Ok(sent) };
        sent.push((n, Instant::now()));
        let outcome = loop {
            match rpc.broadcast_tx_sync(tx).await {
                Err(RpcError::MempoolFull) => sleep(FULL).await,
                outcome => break outcome?,
            }
        };
        ensure!(outcome.code == 0, "a transaction was refused: {} (code {})", outcome.log, outcome.code);
    }
}

struct Committed {
    /// When each transaction was seen to be.
    at: Vec<Instant>,
    blocks: usize,
}

/// Watches the blocks behind `from` until every one of `txs` is in exactly one of them and succeeded.
async fn follow(socket: &Path, mut from: u64, txs: &[Bytes]) -> Result<Committed> {
    let mut waiting: HashMap<String, usize> = txs.iter().enumerate().map(|(n, tx)| (BASE64.encode(tx), n)).collect();
    let mut at = vec![None; txs.len()];
    let mut blocks = 0;
    while !waiting.is_empty() {
        let (height, now) = (height(socket).await?, Instant::now());
        while from < height {
            from += 1;
            let mut holds = false;
            for tx in succeeded(socket, from).await? {
                if let Some(n) = waiting.remove(&tx) {
                    (at[n], holds) = (Some(now), true);
                }
            }
            blocks += usize::from(holds);
        }
        sleep(LOOK).await;
    }
    let at = at.into_iter().collect::<Option<Vec<_>>>().context("a transaction was sent twice")?;
    Ok(Committed { at, blocks })
}

/// The transactions of a block, in base64; each must have done what it says.
async fn succeeded(socket: &Path, height: u64) -> Result<Vec<String>> {
    let at = json!({ "height": height.to_string() });
    let block = call_on(socket, "block", at.clone()).await?;
    let txs: Vec<String> = serde_json::from_value(block["block"]["data"]["txs"].clone())?;
    if txs.is_empty() {
        return Ok(txs);
    }
    let results = call_on(socket, "block_results", at).await?;
    let failed = results["txs_results"].as_array().context("no results")?.iter().find(|one| code(one) != Some(0));
    if let Some(failed) = failed {
        bail!("a transaction failed in block {height}: {failed}");
    }
    Ok(txs)
}

fn code(result: &Value) -> Option<u64> {
    result["code"].as_u64()
}
