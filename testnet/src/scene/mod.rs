//! What scenarios on a running network share: waiting for what will be, datanets, contributors with money.

pub mod careless;
pub mod cli;
pub mod comet;
pub mod ledger;
pub mod mcp;
pub mod passages;
pub mod runner;
pub mod settings;
pub mod x402;

use std::time::Duration;

use crate::api::{Client, Contribution, Key, State};
use crate::network::Network;
use anyhow::{Context as _, Result, bail, ensure};
use futures::StreamExt as _;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout_at};

use self::passages::{Passages, SUBJECTS, upload};

/// The longest wait for one thing: whoever failed to deliver a few times is not asked again for a minute, and then must have its turn.
pub const PATIENCE: Duration = Duration::from_secs(150);
/// The embedding model that every node has.
pub const BASE: &str = "minilm-l6";
/// What an answer costs, in base units.
pub const PRICE: u64 = 50_000;
/// What a contributor locks, in base units.
pub const BOND: u64 = 1_000_000;
/// What a new account gets, in base units.
const POCKET_MONEY: u64 = 100_000_000;
/// How often what cannot be awaited is looked at; a block takes longer.
const LOOK: Duration = Duration::from_millis(100);

/// Looks until there is something; an error is a look that saw nothing.
///
/// # Errors
/// When it has not come by then: what was waited for, and the last look.
pub async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Result<Option<T>>) -> Result<T> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let seen = match timeout_at(deadline, look()).await {
            Ok(Ok(Some(found))) => return Ok(found),
            Ok(Ok(None)) => "not yet".to_owned(),
            Ok(Err(error)) => format!("{error:#}"),
            Err(_) => "no answer".to_owned(),
        };
        if Instant::now() >= deadline {
            bail!("waited {} s until {what}; the last look: {seen}", PATIENCE.as_secs());
        }
        sleep(LOOK).await;
    }
}

/// What has been promised to this node on a channel.
///
/// # Errors
/// When the node does not answer, or has no such channel.
pub async fn promised(client: &Client, channel: &str) -> Result<u64> {
    let listed: Value = client.get("/v1/channels").await?;
    let all = listed["channels"].as_array().context("no channels")?;
    let found = all.iter().find(|c| c["id"] == channel).with_context(|| format!("channel {channel} is gone"))?;
    found["promised"].as_u64().context("a channel without what was promised")
}

/// A contribution once it is final or refused, told by the node's events.
///
/// # Errors
/// When the node does not answer or refuses, or what is waited for does not come.
pub async fn settled(client: &Client, id: &str) -> Result<Contribution> {
    let deadline = Instant::now() + PATIENCE;
    let mut last = None;
    let listening = async {
        let events = client.contribution_events(id).await?;
        let mut events = std::pin::pin!(events);
        while let Some(contribution) = events.next().await.transpose()? {
            if contribution.state.is_settled() {
                return Ok(contribution);
            }
            last = Some(contribution);
        }
        bail!("the events of contribution {id} ended before its verdict")
    };
    match timeout_at(deadline, listening).await {
        Ok(settled) => settled,
        Err(_) => bail!("no verdict on contribution {id} within {} s; it stands at {last:?}", PATIENCE.as_secs()),
    }
}

/// The same, which must end well.
///
/// # Errors
/// When the node does not answer or refuses, or what is waited for does not come.
pub async fn becomes_final(client: &Client, id: &str) -> Result<()> {
    let settled = settled(client, id).await?;
    ensure!(settled.state == State::Final, "contribution {id} was refused: {:?} {:?}", settled.reason, settled.scores);
    Ok(())
}

/// A client of node `index`.
///
/// # Errors
/// When there is no such node, or it does not run.
pub fn node(network: &Network, index: usize) -> Result<Client> {
    network.nodes().get(index).context("no such node")?.client()
}

/// Opens a datanet of classified sentences, which `judges` judge and `keepers` must keep.
///
/// # Errors
/// When the node does not answer or refuses, or what is waited for does not come.
pub async fn open_datanet(
    client: &Client,
    name: &str,
    passages: &Passages,
    judges: usize,
    keepers: usize,
) -> Result<String> {
    let datanet = json!({
        "name": name,
        "description": "Sentences with what they are about",
        "schema": { "fields": [
            { "name": "text", "kind": "string", "role": "text", "required": true },
            { "name": "label", "kind": "string", "role": "label", "required": true, "allowed": SUBJECTS },
        ]},
        "licence": "CC0-1.0",
        "price": PRICE,
        "accept_threshold": 5_000,
        "committee_size": judges,
        "storage_quorum": keepers,
        "min_bond": BOND,
        "holdout": upload(&passages.held_out),
    });
    client.create_datanet(&datanet).await.with_context(|| format!("cannot open the datanet {name}"))
}

/// Puts the embedding model on the ledger, unless another scenario has.
///
/// # Errors
/// When the node does not answer or refuses, or what is waited for does not come.
pub async fn register_base(client: &Client) -> Result<()> {
    let listed: Value = client.get("/v1/models").await?;
    let known = listed["data"].as_array().into_iter().flatten().find(|model| model["id"] == BASE);
    if known.is_none_or(|model| model["owner"].is_null()) {
        client.register_model(BASE, "Apache-2.0").await?;
    }
    Ok(())
}

/// An account on this node with some money.
///
/// # Errors
/// When the node does not answer or refuses, or what is waited for does not come.
pub async fn account(client: &Client, name: &str) -> Result<Key> {
    let key = client.key(name).await?;
    client.transfer("node", &key.address, POCKET_MONEY).await.with_context(|| format!("cannot fund {name}"))?;
    Ok(key)
}

/// Uploads `body` for an account of this node; returns the contribution's id, once the node has acknowledged it.
///
/// # Errors
/// When the node does not answer or refuses, or what is waited for does not come.
pub async fn contribute(client: &Client, datanet: &str, account: &str, body: String) -> Result<String> {
    let sent = client.contribute(datanet, account, "application/x-ndjson", &format!("{datanet}/{account}"), body).await;
    Ok(sent.with_context(|| format!("{account} cannot contribute"))?.id)
}

/// All records of a contribution as this node holds them.
///
/// # Errors
/// When the node does not answer or refuses, or what is waited for does not come.
pub async fn records(client: &Client, contribution: &str) -> Result<Vec<Value>> {
    let page: Value = client.get(&format!("/v1/contributions/{contribution}/records?limit=1000")).await?;
    page["records"].as_array().cloned().context("a page without records")
}

/// The very records that were uploaded, at this node.
///
/// # Errors
/// When the node does not answer or refuses, or what is waited for does not come.
pub async fn has(client: &Client, contribution: &str, uploaded: &str) -> Result<()> {
    let uploaded = uploaded.lines().map(serde_json::from_str).collect::<Result<Vec<Value>, _>>()?;
    let here = records(client, contribution).await?;
    ensure!(here == uploaded, "{} holds {} records of {contribution}, or others", client.base(), here.len());
    Ok(())
}

/// Searches a datanet at this node until there are hits, that is until what is final is indexed here.
///
/// # Errors
/// When the node does not answer or refuses, or what is waited for does not come.
pub async fn search(client: &Client, datanet: &str, words: &str) -> Result<Vec<Value>> {
    until(&format!("{} finds {words:?}", client.base()), async || {
        let path = format!("/v1/search?datanet={datanet}&limit=5&q={}", words.replace(' ', "+"));
        let found: Value = client.get(&path).await?;
        Ok(found["hits"].as_array().filter(|hits| !hits.is_empty()).cloned())
    })
    .await
}
