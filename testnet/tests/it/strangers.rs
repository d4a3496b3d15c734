//! What strangers can do: send anything through CometBFT's RPC, which must end nobody. What they settle falsely is a step of the tour.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use datanet_api::RunFile;
use datanet_config::Home;
use datanet_testnet::scene::comet::exchange;
use serde_json::Value;

use crate::scene::{node, until};
use crate::stage::play;

/// The node whose socket is found.
const FOUND: usize = 2;

#[test]
fn questions_that_make_no_sense_get_a_code_and_the_network_goes_on() -> Result<()> {
    play(async |network| {
        let home = Home::new(network.nodes().get(FOUND).context("no such node")?.home());
        let run = RunFile::read(&home)?;
        let rpc = run.comet_rpc.as_deref().context("it runs no CometBFT")?;
        let long = "x".repeat(16_000);
        for question in [
            "height=-1",
            "path=\"/store/key\"&height=-9223372036854775808&prove=true",
            "path=\"/store/key\"&data=0xff&height=9223372036854775807&prove=true",
            "path=\"/store/key\"&data=0xff",
            "path=\"/store/key\"",
            "path=\"/no/such/path\"",
            // CometBFT passes this on as text that is none.
            "path=0xff",
            &format!("path=\"{long}\""),
        ] {
            let answer = get(rpc, &format!("abci_query?{question}")).await?;
            let response = &answer["result"]["response"];
            ensure!(response["code"].as_u64().is_some_and(|code| code > 0), "{question}: {answer}");
            ensure!(response["log"].as_str().is_some_and(|log| !log.is_empty()), "{question}: {answer}");
        }
        for transaction in ["check_tx?tx=0x00", "broadcast_tx_sync?tx=0xffffffff", "broadcast_tx_sync?tx=\"\""] {
            let answer = get(rpc, transaction).await?;
            let refused = answer["error"].is_object() || answer["result"]["code"].as_u64().is_some_and(|code| code > 0);
            ensure!(refused, "{transaction}: {answer}");
        }
        for index in 0..network.nodes().len() {
            let height = node(network, index)?.status().await?.height;
            until("the network goes on", async || {
                Ok((node(network, index)?.status().await?.height > height + 1).then_some(()))
            })
            .await?;
        }
        ensure!(RunFile::read(&home)? == run, "the node was started again");
        Ok(())
    })
}

/// The answer to a question as a browser would put it.
async fn get(rpc: &Path, path: &str) -> Result<Value> {
    let path = path.replace('"', "%22");
    exchange(rpc, &format!("GET /{path} HTTP/1.0\r\nHost: localhost\r\n\r\n")).await
}
