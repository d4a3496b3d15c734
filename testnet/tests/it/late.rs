//! A node that comes when all is done, while the one that everything came from is gone.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use datanet_ledger::component::Params;
use datanet_testnet::api::Client;
use datanet_testnet::network::Network;
use datanet_types::amount::DNT;
use serde_json::Value;

use crate::passages::{passages, upload};
use crate::scene::{account, becomes_final, contribute, node, open_datanet, records, search, until};
use crate::stage::{NEWCOMER, play, root};

/// The node that everything comes from.
const ORIGIN: usize = 3;

#[test]
fn a_node_that_joins_late_gets_everything_although_its_origin_is_gone() -> Result<()> {
    play(async |network| {
        let (origin, other) = (node(network, ORIGIN)?, node(network, 0)?);
        let passages = passages();
        let datanet = open_datanet(&origin, "late", &passages, 3, 2).await?;
        account(&origin, "early").await?;
        account(&other, "also-early").await?;
        let (first, rest) = passages.given.split_at(15);
        let first = contribute(&origin, &datanet, "early", upload(first)).await?;
        let second = contribute(&other, &datanet, "also-early", upload(rest)).await?;
        for contribution in [&first, &second] {
            becomes_final(&other, contribution).await?;
        }
        let words = "the telescope saw a comet";
        let hits = all_hits(&other, &datanet, words, &[&first, &second]).await?;

        network.kill(ORIGIN).await?;
        let mut newcomer = network.newcomer(&root().join(NEWCOMER), NEWCOMER)?;
        let joined = join_and_compare(network, &mut newcomer, &datanet, words, &hits, &[&first, &second]).await;
        // Whatever happened: the others go on without it.
        newcomer.down().await?;
        joined?;
        network.restart(ORIGIN).await?;
        network.agreement().await.context("after the origin came back")?;
        Ok(())
    })
}

async fn join_and_compare(
    network: &Network,
    newcomer: &mut Network,
    datanet: &str,
    words: &str,
    hits: &[Value],
    contributions: &[&str],
) -> Result<()> {
    let other = node(network, 0)?;
    // Enough to register as one that keeps data.
    other.transfer("node", newcomer.nodes()[0].account(), Params::default().min_storage_stake + DNT).await?;
    newcomer.up(|_| {}).await.context("the newcomer does not come up")?;
    let client = node(newcomer, 0)?;
    let roles = client.status().await?.roles;
    ensure!(roles == ["storage", "serving"], "the newcomer has the roles {roles:?}");
    same_state(&other, &client).await?;
    ensure!(all_hits(&client, datanet, words, contributions).await? == hits, "the newcomer finds something else");
    for contribution in contributions {
        ensure!(
            records(&client, contribution).await? == records(&other, contribution).await?,
            "the newcomer holds other records of {contribution}"
        );
    }
    Ok(())
}

/// The hits once everything in `contributions` is indexed at this node.
async fn all_hits(client: &Client, datanet: &str, words: &str, contributions: &[&str]) -> Result<Vec<Value>> {
    for contribution in contributions {
        until(&format!("{} has indexed contribution {contribution}", client.base()), async || {
            let found: Value =
                client.get(&format!("/v1/search?datanet={datanet}&limit=100&mode=semantic&q=bees")).await?;
            let hits = found["hits"].as_array().context("an answer without hits")?;
            Ok(hits.iter().any(|hit| hit["contribution"] == **contribution).then_some(()))
        })
        .await?;
    }
    search(client, datanet, words).await
}

/// Two nodes have the same state at one height.
async fn same_state(a: &Client, b: &Client) -> Result<()> {
    let mut seen = [BTreeMap::new(), BTreeMap::new()];
    let (one, other) = until("two nodes are seen at one height", async || {
        let (here, there) = tokio::try_join!(a.status(), b.status())?;
        for (seen, status) in seen.iter_mut().zip([here, there]) {
            seen.insert(status.height, status.app_hash);
        }
        let [here, there] = &seen;
        Ok(here.iter().find_map(|(height, hash)| Some((hash.clone(), there.get(height)?.clone()))))
    })
    .await?;
    ensure!(one == other, "two nodes have the states {one} and {other} at one height");
    Ok(())
}
