//! Transactions as anybody would make them who has a key and no node of his own.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use datanet_types::{Action, Address, SignedTx, SigningKey, TxBody};
use serde_json::{Value, json};

use super::{comet, until};
use crate::api::Client;
use crate::network::Network;

/// Blocks in which a transaction has to be taken in.
const PATIENCE: u64 = 200;
/// The most base units and the most gas for it: enough for any of those here, and what is not taken is not paid.
const FEE: u64 = 20_000;
const GAS: u64 = 4_000_000;

/// What became of a transaction.
#[derive(Debug, Clone)]
pub enum Sent {
    /// It has done what it says, in the block of this height; the id of what it opened.
    Done(u64, [u8; 32]),
    /// It is in a block, for its fee, and has done nothing: the code and what the ledger says.
    Failed(String),
    /// It is in no block, and cost nothing: why not.
    Refused(String),
}

/// Sends a transaction and waits until it has done what it says: its height, and the id of what it opened.
///
/// # Errors
/// When it is refused, or in no block for long.
pub async fn done(client: &Client, chain: &str, key: &SigningKey, action: Action) -> Result<(u64, [u8; 32])> {
    match send(client, chain, key, key.address(), action).await? {
        Sent::Done(height, id) => Ok((height, id)),
        Sent::Failed(why) | Sent::Refused(why) => bail!("{why}"),
    }
}

/// Sends a transaction of `account` that `key` signs, and waits until it is in a block or refused.
///
/// # Errors
/// When the node does not answer, or it is in no block for long.
pub async fn send(client: &Client, chain: &str, key: &SigningKey, account: Address, action: Action) -> Result<Sent> {
    let signed = sign(client, chain, key, account, action).await?;
    match post(client, &signed).await? {
        Ok(hash) => {
            let found = until("the transaction is in a block", async || look(client, &hash, signed.id).await).await?;
            Ok(found)
        }
        Err(why) => Ok(Sent::Refused(why)),
    }
}

/// A transaction that is signed and not sent yet.
#[derive(Debug, Clone)]
pub struct Signed {
    bytes: Vec<u8>,
    /// The id of what it opens.
    pub id: [u8; 32],
}

/// Signs a transaction of `account` by `key`.
///
/// # Errors
/// When the node does not say how high it is.
pub async fn sign(client: &Client, chain: &str, key: &SigningKey, account: Address, action: Action) -> Result<Signed> {
    let expiry = client.status().await?.height + PATIENCE;
    let nonce = u64::from_le_bytes(random()?);
    let (chain_id, gas_limit) = (chain.to_owned(), GAS);
    let body = TxBody { chain_id, expiry, fee: FEE, nonce, account, gas_limit, tip: 0, action: Some(action) };
    let bytes = body.sign(key).to_bytes();
    let id = SignedTx::verify(&bytes, chain)?.id;
    Ok(Signed { bytes, id })
}

/// Sends it: its hash, or why it is not taken.
///
/// # Errors
/// When the node does not answer.
pub async fn post(client: &Client, signed: &Signed) -> Result<Result<String, String>> {
    let encoded = base64::engine::general_purpose::STANDARD.encode(&signed.bytes);
    match client.post::<Value>("/v1/tx", &json!({ "tx": encoded })).await {
        Ok(sent) => Ok(Ok(sent["hash"].as_str().context("no hash")?.to_owned())),
        Err(error) if error.status().is_some_and(|status| (400..500).contains(&status)) => Ok(Err(error.to_string())),
        Err(error) => Err(error.into()),
    }
}

/// Hands it to a node's CometBFT, as whoever is no user of that node does: what the node itself knows of it beforehand, by executing it on a copy, is passed over,
/// and the ledger decides. Its hash, or why it is not taken.
///
/// # Errors
/// When nobody answers.
pub async fn broadcast(home: &Path, signed: &Signed) -> Result<Result<String, String>> {
    let encoded = base64::engine::general_purpose::STANDARD.encode(&signed.bytes);
    let taken = comet::call(home, "broadcast_tx_sync", json!({ "tx": encoded })).await?;
    if taken["code"].as_u64().unwrap_or_default() != 0 {
        return Ok(Err(taken.to_string()));
    }
    Ok(Ok(taken["hash"].as_str().context("no hash")?.to_lowercase()))
}

/// [`send`], past the node: by its CometBFT.
///
/// # Errors
/// When nobody answers, or it is in no block for long.
pub async fn send_past(network: &Network, key: &SigningKey, account: Address, action: Action) -> Result<Sent> {
    let client = super::node(network, 0)?;
    let signed = sign(&client, network.chain_id(), key, account, action).await?;
    let home = network.nodes().first().context("no node")?.home();
    match broadcast(home, &signed).await? {
        Ok(hash) => until("the transaction is in a block", async || look(&client, &hash, signed.id).await).await,
        Err(why) => Ok(Sent::Refused(why)),
    }
}

/// What became of a transaction, once it is in a block.
///
/// # Errors
/// When the node does not answer.
pub async fn look(client: &Client, hash: &str, id: [u8; 32]) -> Result<Option<Sent>> {
    let tx = match client.get::<Value>(&format!("/v1/tx/{hash}")).await {
        Ok(tx) => tx,
        Err(error) if error.status() == Some(404) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let height = tx["height"].as_u64().context("no height")?;
    Ok(Some(if tx["code"] == 0 { Sent::Done(height, id) } else { Sent::Failed(tx.to_string()) }))
}

/// Random bytes.
///
/// # Errors
/// When the system gives none.
pub fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).context("the system gives no random bytes")?;
    Ok(bytes)
}
