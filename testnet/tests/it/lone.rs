//! A node all by itself, killed at the moment it acknowledges: what it loses then, nobody can give back.

use anyhow::{Context as _, Result, ensure};
use datanet_testnet::network::Network;

use crate::passages::{passages, upload};
use crate::scene::{PRICE, account, becomes_final, contribute, has, node, open_datanet, promised, search};
use crate::stage::play_alone;

/// Contributions, each followed by death.
const DEATHS: usize = 3;

#[test]
fn what_a_lone_node_acknowledges_outlives_it() -> Result<()> {
    play_alone(async |network| {
        let passages = passages();
        let client = node(network, 0)?;
        let datanet = open_datanet(&client, "lone", &passages, 1, 1).await?;
        account(&client, "caller").await?;
        let channel = client.open_channel("caller", None, 4 * PRICE).await?;

        let mut given = Vec::new();
        for (death, records) in passages.given.chunks(passages.given.len() / DEATHS).enumerate() {
            let name = format!("contributor-{death}");
            let client = node(network, 0)?;
            account(&client, &name).await?;
            let id = contribute(&client, &datanet, &name, upload(records)).await?;
            die_and_come_back(network).await?;
            has(&node(network, 0)?, &id, &upload(records)).await.context("an acknowledged contribution is lost")?;
            given.push(id);
        }
        let client = node(network, 0)?;
        for id in &given {
            becomes_final(&client, id).await?;
        }
        search(&client, &datanet, "beekeeper").await?;

        let answer = client.ask(&datanet, &passages.asked[0].text, "caller").await?;
        die_and_come_back(network).await?;
        let client = node(network, 0)?;
        ensure!(promised(&client, &channel).await? == answer.fee, "the voucher is lost");
        let verdict =
            client.verify_receipt(&answer.receipt.id).await.context("the receipt of a paid answer is lost")?;
        ensure!(verdict.stands(), "the receipt does not stand any more: {}", verdict.details);
        Ok(())
    })
}

async fn die_and_come_back(network: &mut Network) -> Result<()> {
    network.kill(0).await?;
    network.restart(0).await
}
