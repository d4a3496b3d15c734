//! What anybody who reaches CometBFT's RPC can send: it comes to the ledger as it is, and must end nobody.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::scene::{node, until};
use crate::stage::play;

/// The node whose port is found.
const FOUND: usize = 2;

#[test]
fn questions_that_make_no_sense_get_a_code_and_the_network_goes_on() -> Result<()> {
    play(async |network| {
        let rpc = rpc_address(network.nodes().get(FOUND).context("no such node")?.home())?;
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
        ensure!(rpc_address(network.nodes()[FOUND].home())? == rpc, "the node was started again");
        Ok(())
    })
}

/// Where a node's CometBFT listens for its node.
fn rpc_address(home: &Path) -> Result<SocketAddr> {
    let path = home.join("cometbft/config/config.toml");
    let config: toml::Table = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?.parse()?;
    let address = config["rpc"]["laddr"].as_str().context("no rpc.laddr")?;
    Ok(address.trim_start_matches("tcp://").parse()?)
}

/// A GET as of HTTP/1.0: the answer ends with the connection.
async fn get(rpc: SocketAddr, path: &str) -> Result<Value> {
    let path = path.replace('"', "%22");
    let mut stream = TcpStream::connect(rpc).await.context("nobody listens there any more")?;
    stream.write_all(format!("GET /{path} HTTP/1.0\r\nHost: localhost\r\n\r\n").as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let (_, body) = answer.split_once("\r\n\r\n").with_context(|| format!("no answer to {path}: {answer}"))?;
    serde_json::from_str(body).with_context(|| format!("{path}: {body}"))
}
