//! An upgrade with two builds: a network votes for rules that its program does not know. It stops before their height, one node goes on as the program
//! that was staged, the others are started with it by hand, and what is stored is made over, everywhere alike.

use std::process::{Command, Output};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use datanet::upgrade::EXIT_UPGRADE;
use datanet_config::Home;
use datanet_ledger::LedgerHandle;
use datanet_ledger::component::{Params, migrations};
use datanet_ledger::store::Store;
use datanet_testnet::network::Network;
use futures::future::try_join_all;
use serde_json::{Value, json};
use sha2::Digest as _;

use crate::scene::{node, until};
use crate::stage::{NODES, PROGRAM, play_apart};

/// The build that comes next.
const NEXT: &str = env!("CARGO_BIN_EXE_datanet-next");
/// Seconds of the vote: its shortest is 4, and four accounts have to be asked in them on a busy machine.
const VOTING: u64 = 8;
/// Blocks from the vote to the upgrade: longer than vote and timelock, short enough to be waited for.
const BLOCKS: u64 = 30;
/// The longest that all of it may take.
const PATIENCE: Duration = Duration::from_secs(180);
/// The longest that a node takes to stop once the others do.
const STOPPING: Duration = Duration::from_secs(60);
/// The node for which a program is staged.
const STAGED: usize = 0;

#[test]
fn a_network_stops_before_rules_that_it_does_not_know_and_goes_on_as_the_next_build() -> Result<()> {
    play_apart(
        |params| Params { voting_seconds: VOTING, timelock_seconds: 1, ..params },
        PATIENCE,
        async |network| {
            let height = vote(network).await?;
            stage(network)?;
            let before = validators(network, STAGED).await?;

            // Whoever has nothing staged ends by itself, and says why.
            let mut behind = Vec::new();
            for index in (0..NODES).filter(|index| *index != STAGED) {
                match network.wait_ended(index, STOPPING).await {
                    Ok(status) => {
                        ensure!(status.code() == Some(EXIT_UPGRADE.into()), "node {index} ended with {status}");
                        let log = log(network, index)?;
                        for said in [format!("from height {height} on"), "Install a newer datanet".to_owned()] {
                            ensure!(log.contains(&said), "node {index} does not say {said:?}:\n{log}");
                        }
                    }
                    // It had not heard of the last block when the others stopped: nobody tells it until they are back.
                    Err(_) => behind.push(index),
                }
            }
            let stopped =
                (0..NODES).find(|index| *index != STAGED && !behind.contains(index)).context("no node has stopped")?;
            let again = network.restart(stopped).await.err().context("the old program went on")?.to_string();
            ensure!(again.contains("exit status: 10"), "started again it says: {again}");

            for index in behind {
                network.kill(index).await?;
            }
            network.run_with(NEXT);
            network.up(|_| {}).await.context("the network does not come up as the next build")?;
            for index in 0..NODES {
                let client = node(network, index)?;
                until("the network goes on", async || Ok((client.status().await?.height >= height).then_some(())))
                    .await?;
            }
            network.agreement().await.context("after the upgrade")?;
            is_swapped(network, height)?;
            for index in 0..NODES {
                let client = node(network, index)?;
                let upgrade: Value = client.get("/v1/upgrade").await?;
                let knows = [&upgrade["version"], &upgrade["knows"], &upgrade["planned"]];
                ensure!(knows == [&json!(2), &json!(2), &Value::Null], "node {index}: {upgrade}");
                let made_over: Vec<String> = before.iter().map(|name| format!("{name} of version 2")).collect();
                ensure!(
                    validators(network, index).await? == made_over,
                    "node {index} has not made over what is stored"
                );
            }
            // It goes on, and money moves.
            node(network, 1)?.transfer("node", network.nodes()[2].account(), 1_000_000).await?;
            network.agreement().await?;
            Ok(())
        },
    )
}

/// Has the upgrade voted by all; its height.
async fn vote(network: &Network) -> Result<u64> {
    let client = node(network, STAGED)?;
    let height = client.status().await?.height + BLOCKS;
    let sha256 = hex::encode(sha2::Sha256::digest(std::fs::read(NEXT)?));
    let change = json!({ "kind": "upgrade", "version": 2, "height": height, "binaries": { "x86_64-linux": sha256 } });
    let proposal = json!({ "title": "version 2", "reason": "names say what they are of", "change": change });
    let _: Value = client.post("/v1/proposals", &proposal).await?;
    // Together: the vote does not last.
    try_join_all((0..NODES).map(async |index| {
        let client = node(network, index)?;
        until("the proposal is seen", async || Ok(client.get::<Value>("/v1/proposals/1").await.ok())).await?;
        client.post::<Value>("/v1/proposals/1/vote", &json!({ "choice": "yes" })).await.map_err(anyhow::Error::from)
    }))
    .await?;
    until("it is planned", async || {
        let upgrade: Value = client.get("/v1/upgrade").await?;
        Ok((upgrade["planned"]["height"] == height).then_some(()))
    })
    .await?;
    Ok(height)
}

/// `datanet upgrade stage`, with the program that was voted, and with another.
fn stage(network: &Network) -> Result<()> {
    let home = network.nodes()[STAGED].home();
    let stage = |file: &str| -> Result<Output> {
        let mut command = Command::new(PROGRAM);
        Ok(command.arg("node").arg("--home").arg(home).args(["upgrade", "stage", file]).output()?)
    };
    let other = stage(PROGRAM)?;
    let told = String::from_utf8_lossy(&other.stderr).into_owned();
    ensure!(!other.status.success() && told.contains("none of those that were voted"), "another is staged: {told}");
    let staged = stage(NEXT)?;
    ensure!(staged.status.success(), "it is not staged: {}", String::from_utf8_lossy(&staged.stderr));
    Ok(())
}

/// The node with a staged program went on as that, and has the ledger as it was before.
fn is_swapped(network: &Network, height: u64) -> Result<()> {
    let said = log(network, STAGED)?;
    ensure!(said.contains("version 2 of the rules begins"), "it was not swapped:\n{said}");
    let home = Home::new(network.nodes()[STAGED].home());
    let folder = home.root().join("upgrade/2");
    let copy = folder.join("copy.redb");
    std::fs::copy(folder.join("ledger.redb.before"), &copy).context("there is no backup")?;
    let before = LedgerHandle::over(Store::open(&copy)?)?.reader();
    ensure!(before.height() + 1 == height, "the backup is of height {}, not before {height}", before.height());
    ensure!(migrations::version(&before)? == 1, "the backup is of other rules");
    Ok(())
}

fn log(network: &Network, index: usize) -> Result<String> {
    let path = network.nodes()[index].logs().into_iter().next().context("it has no log")?;
    Ok(String::from_utf8_lossy(&std::fs::read(path)?).into_owned())
}

/// The validators' names, as a node tells them.
async fn validators(network: &Network, index: usize) -> Result<Vec<String>> {
    let all: Value = node(network, index)?.get("/v1/validators").await?;
    let names = all["validators"].as_array().context("no validators")?.iter();
    let mut names: Vec<String> = names.filter_map(|one| one["name"].as_str().map(str::to_owned)).collect();
    names.sort_unstable();
    Ok(names)
}
