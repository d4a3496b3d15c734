//! What strangers can do: send anything through CometBFT's RPC, which must end nobody; and settle what is false, which must not be paid.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use datanet_api::RunFile;
use datanet_config::Home;
use datanet_testnet::api::Client;
use datanet_types::action::{OpenChannel, RegisterNode, SettleEpoch, role};
use datanet_types::amount::DNT;
use datanet_types::epoch::{EpochLeaf, EpochTotals, FeeShares};
use datanet_types::voucher::SignedVoucher;
use datanet_types::{Action, BlobHash, ChannelId, Digest, SignedTx, SigningKey, TxBody};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

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

/// A serving node that runs nowhere settles an epoch for itself and shows it to nobody.
#[test]
fn what_a_stranger_settles_and_shows_to_nobody_is_challenged_and_void_and_its_stake_pays() -> Result<()> {
    play(async |network| {
        let client = node(network, 1)?;
        let (stranger, serving) = (SigningKey::from_bytes(&random()?), SigningKey::from_bytes(&random()?));
        let (account, key) = (stranger.address().to_string(), serving.node_key());
        client.transfer("node", &account, 60 * DNT).await?;
        let chain = network.chain_id();
        let proof = serving.sign(&RegisterNode::sign_bytes(chain, &stranger.address(), &key));
        let (roles, stake, name) = (role::SERVING, 30 * DNT, "stranger".to_owned());
        let register = Action::RegisterNode(RegisterNode { node: key, proof, roles, stake, name });
        let height = done(&client, chain, &stranger, register).await?.0;
        let open = OpenChannel { node: key, deposit: 10 * DNT, expiry: height + 10_000 };
        let channel = ChannelId(done(&client, chain, &stranger, Action::OpenChannel(open)).await?.1);
        let fees = 8 * DNT;
        let leaf = EpochLeaf { account: stranger.address(), amount: FeeShares::STANDARD.split(fees).claimable() };
        let settle = SettleEpoch {
            node: key,
            epoch: 1,
            root: leaf.node(chain, &key, 1).digest,
            totals: EpochTotals { answers: 1, fees, split: FeeShares::STANDARD.split(fees), unearned: 0 },
            vouchers: vec![SignedVoucher::sign(chain, channel, fees, &stranger)],
            statement: BlobHash(random()?),
            accounts: 1,
            receipts: Digest(random()?),
        };
        done(&client, chain, &stranger, Action::SettleEpoch(settle)).await?;
        let before = client.balance(&account).await?;
        let path = format!("/v1/epochs/{key}-1");
        let epoch = until("the epoch is void", async || {
            let epoch: Value = client.get(&path).await?;
            ensure!(epoch["status"] != "final", "it was paid: {epoch}");
            Ok((epoch["status"] == "void").then_some(epoch))
        })
        .await?;
        ensure!(epoch["audit"]["phase"] == "unavailable", "{epoch}");
        ensure!(client.balance(&account).await? == before + fees, "the payer has not got it back");
        let left: Value = client.get(&format!("/v1/accounts/{account}")).await?;
        ensure!(left["stake"].as_u64() < Some(30 * DNT), "it lost nothing: {left}");
        network.agreement().await.context("after the audit")?;
        Ok(())
    })
}

/// Sends a transaction and waits until it has done what it says: its height, and the id of what it opened.
async fn done(client: &Client, chain: &str, key: &SigningKey, action: Action) -> Result<(u64, [u8; 32])> {
    let expiry = client.status().await?.height + 200;
    let body = TxBody {
        chain_id: chain.to_owned(),
        expiry,
        fee: 10_000,
        nonce: u64::from_le_bytes(random()?),
        action: Some(action),
    };
    let bytes = body.sign(key).to_bytes();
    let id = SignedTx::verify(&bytes, chain)?.id;
    let encoded = base64::engine::general_purpose::STANDARD.encode(bytes);
    let sent: Value = client.post("/v1/tx", &json!({ "tx": encoded })).await?;
    let path = format!("/v1/tx/{}", sent["hash"].as_str().context("no hash")?);
    let tx = until("the transaction is in a block", async || match client.get::<Value>(&path).await {
        Ok(tx) => Ok(Some(tx)),
        Err(error) if error.status() == Some(404) => Ok(None),
        Err(error) => Err(error.into()),
    })
    .await?;
    ensure!(tx["code"] == 0, "{tx}");
    Ok((tx["height"].as_u64().context("no height")?, id))
}

fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).context("the system gives no random bytes")?;
    Ok(bytes)
}

/// A GET as of HTTP/1.0: the answer ends with the connection.
async fn get(rpc: &Path, path: &str) -> Result<Value> {
    let path = path.replace('"', "%22");
    let mut stream = UnixStream::connect(rpc).await.context("nobody listens there any more")?;
    stream.write_all(format!("GET /{path} HTTP/1.0\r\nHost: localhost\r\n\r\n").as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let (_, body) = answer.split_once("\r\n\r\n").with_context(|| format!("no answer to {path}: {answer}"))?;
    serde_json::from_str(body).with_context(|| format!("{path}: {body}"))
}
