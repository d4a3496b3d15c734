//! Processes killed without warning: what was acknowledged survives, the others go on, and a node says why it ended.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use datanet_testnet::api::Client;
use datanet_testnet::network::Network;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tokio::sync::mpsc;

use crate::passages::{passages, upload};
use crate::scene::{PRICE, account, becomes_final, contribute, has, node, open_datanet, promised, search, until};
use crate::stage::play;

/// The node that is killed.
const VICTIM: usize = 2;
/// How long a node may take to end once its CometBFT is gone.
const END: Duration = Duration::from_secs(40);

#[test]
fn a_node_killed_while_judging_loses_nothing_that_it_acknowledged() -> Result<()> {
    play(async |network| {
        let victim = node(network, VICTIM)?;
        let passages = passages();
        let datanet = open_datanet(&victim, "crash", &passages, 3, 2).await?;
        account(&victim, "steady").await?;
        account(&victim, "hasty").await?;
        let (first, rest) = passages.given.split_at(20);
        let first = contribute(&victim, &datanet, "steady", upload(first)).await?;
        becomes_final(&victim, &first).await?;
        search(&victim, &datanet, "beekeeper").await?;
        let channel = victim.open_channel("steady", None, 4 * PRICE).await?;
        let answer = victim.ask(&datanet, &passages.asked[0].text, "steady").await?;
        ensure!(answer.fee == PRICE, "the answer was free");

        // Acknowledged, and an upload half way, at the moment of death.
        let second = contribute(&victim, &datanet, "hasty", upload(rest)).await?;
        let half = HalfAnUpload::begin(network, &datanet).await?;
        kill_process(network, VICTIM, "pid")?;
        half.fails().await?;
        network.wait_ended(VICTIM, END).await?;
        let survivor = node(network, 0)?;
        others_go_on(&survivor).await?;

        network.restart(VICTIM).await?;
        let victim = node(network, VICTIM)?;
        network.agreement().await.context("after the node came back")?;
        becomes_final(&survivor, &second).await?;
        becomes_final(&victim, &second).await?;
        has(&victim, &second, &upload(rest)).await?;
        ensure!(given_by(&victim, &datanet, "node").await? == 0, "half an upload became a contribution");

        // The receipt still stands, here and elsewhere, and the voucher still counts.
        let receipt = &answer.receipt.id;
        for (who, client) in [("the node itself", &victim), ("another node", &survivor)] {
            // The other may not have found the node that came back yet.
            let what = format!("{who} verifies the receipt");
            let verdict = until(&what, async || Ok(Some(client.verify_receipt(receipt).await?))).await?;
            ensure!(verdict.stands(), "{who} finds it wrong: {}", verdict.details);
        }
        ensure!(promised(&victim, &channel).await? == PRICE, "the voucher is forgotten");
        let next = victim.ask(&datanet, &passages.asked[1].text, "steady").await?;
        ensure!(
            next.fee == PRICE && promised(&victim, &channel).await? == 2 * PRICE,
            "the next voucher does not follow"
        );
        Ok(())
    })
}

#[test]
fn a_node_whose_cometbft_is_killed_ends_in_order_says_why_and_starts_again() -> Result<()> {
    play(async |network| {
        kill_process(network, VICTIM, "comet_pid")?;
        let ended = network.wait_ended(VICTIM, END).await?;
        ensure!(ended.code().is_some_and(|code| code != 0), "it ended with {ended}");
        let node_at = network.nodes()[VICTIM].home().to_owned();
        ensure!(!node_at.join("run.json").exists(), "it left its run.json behind, so it did not end in order");
        let log = network.nodes()[VICTIM].logs().into_iter().next().context("no log")?;
        let log = std::fs::read_to_string(log)?;
        let last = log.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
        ensure!(last.contains("CometBFT ended"), "it does not say why it ended, but: {last}");

        others_go_on(&node(network, 0)?).await?;
        network.restart(VICTIM).await?;
        network.agreement().await.context("after the node came back")?;
        Ok(())
    })
}

/// SIGKILL to one process of a node, which its run.json names by `field`.
pub(crate) fn kill_process(network: &Network, index: usize, field: &str) -> Result<()> {
    let run: Value = serde_json::from_slice(&std::fs::read(network.nodes()[index].home().join("run.json"))?)?;
    let pid = run[field].as_i64().with_context(|| format!("run.json does not name the {field}"))?;
    Ok(kill(Pid::from_raw(i32::try_from(pid)?), Signal::SIGKILL)?)
}

/// Three of four are more than two thirds: a transaction still gets into a block.
async fn others_go_on(client: &Client) -> Result<()> {
    let height = client.status().await?.height;
    account(client, "survivor").await.context("the others do not go on")?;
    until("the others have made more blocks", async || Ok((client.status().await?.height > height).then_some(()))).await
}

/// How many contributions this node's account `name` has on the ledger.
async fn given_by(client: &Client, datanet: &str, name: &str) -> Result<usize> {
    let address = client.key(name).await?.address;
    let page: Value = client.get(&format!("/v1/datanets/{datanet}/contributions")).await?;
    let all = page["contributions"].as_array().context("no contributions")?;
    Ok(all.iter().filter(|contribution| contribution["contributor"] == address.as_str()).count())
}

/// An upload whose end never comes.
struct HalfAnUpload {
    /// Open as long as the body goes on.
    _body: mpsc::Sender<Result<Bytes, std::io::Error>>,
    upload: tokio::task::JoinHandle<Result<(), datanet_testnet::api::ApiError>>,
}

impl HalfAnUpload {
    /// Sends good records as the node's own account, until the node has read some of them.
    async fn begin(network: &Network, datanet: &str) -> Result<Self> {
        let client = node(network, VICTIM)?;
        let (body, chunks) = mpsc::channel(1);
        let stream = futures::stream::unfold(chunks, async |mut chunks| {
            let chunk = mpsc::Receiver::recv(&mut chunks).await?;
            Some((chunk, chunks))
        });
        let datanet = datanet.to_owned();
        let upload = tokio::spawn(async move {
            let body = reqwest::Body::wrap_stream(stream);
            client.contribute(&datanet, "node", "application/x-ndjson", "half", body).await.map(|_| ())
        });
        let records = Bytes::from(upload_of_many());
        // Each send waits until the one before was taken: what is buffered on the way is far less than this.
        for _ in 0..8 {
            body.send(Ok(records.clone())).await.context("the node refuses the first half of an upload")?;
        }
        Ok(Self { _body: body, upload })
    }

    async fn fails(self) -> Result<()> {
        ensure!(self.upload.await?.is_err(), "half an upload was acknowledged");
        Ok(())
    }
}

/// A megabyte of records.
fn upload_of_many() -> String {
    let records = passages().given;
    upload(&records).repeat(250)
}
