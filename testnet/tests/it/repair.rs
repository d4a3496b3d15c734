//! A node that lost what it kept gets it back.

use anyhow::{Context as _, Result, ensure};
use datanet_config::Home;
use datanet_testnet::network::Network;
use serde_json::Value;

use crate::passages::{passages, upload};
use crate::scene::{account, becomes_final, contribute, has, node, open_datanet, search, until};
use crate::stage::play;

/// The node whose disk is lost.
const UNLUCKY: usize = 1;

#[test]
fn a_node_that_lost_its_blobs_and_its_index_gets_them_back() -> Result<()> {
    play(async |network| {
        let client = node(network, UNLUCKY)?;
        let passages = passages();
        let datanet = open_datanet(&client, "repair", &passages, 3, 2).await?;
        account(&client, "unlucky").await?;
        let given = upload(&passages.given);
        let contribution = contribute(&client, &datanet, "unlucky", given.clone()).await?;
        becomes_final(&client, &contribution).await?;
        let other = node(network, 0)?;
        let hits = search(&other, &datanet, "flour and water").await?;
        has(&other, &contribution, &given).await?;

        network.kill(UNLUCKY).await?;
        lose_data(network)?;
        network.restart(UNLUCKY).await?;
        let client = node(network, UNLUCKY)?;
        until("the bytes are back", async || Ok(Some(has(&client, &contribution, &given).await?))).await?;
        let found = search(&client, &datanet, "flour and water").await?;
        ensure!(found == hits, "it finds something else than before: {found:?}");
        // The judges may still be pausing for it, as for anybody who went away.
        until("it can say again why the contribution was accepted", async || {
            let page: Value = client.get(&format!("/v1/contributions/{contribution}")).await?;
            Ok(page["reports"].as_array().is_some_and(|reports| !reports.is_empty()).then_some(()))
        })
        .await
    })
}

/// Removes blobs, indexes and embeddings; ledger, keys and CometBFT's data stay.
fn lose_data(network: &Network) -> Result<()> {
    let home = Home::new(network.nodes()[UNLUCKY].home());
    for dir in [home.blobs(), home.index(), datanet::init::embeddings_dir(&home)] {
        std::fs::remove_dir_all(&dir).with_context(|| format!("cannot remove {}", dir.display()))?;
        std::fs::create_dir(&dir)?;
    }
    Ok(())
}
