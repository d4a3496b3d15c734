//! Transactions as anybody would make them who has a key and no node of his own.

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use datanet_types::{Action, SignedTx, SigningKey, TxBody};
use serde_json::{Value, json};

use super::until;
use crate::api::Client;

/// Blocks in which a transaction has to be taken in.
const PATIENCE: u64 = 200;
/// The most base units and the most gas for it: enough for any of those here, and what is not taken is not paid.
const FEE: u64 = 20_000;
const GAS: u64 = 4_000_000;

/// Sends a transaction and waits until it has done what it says: its height, and the id of what it opened.
///
/// # Errors
/// When it is refused, or in no block for long.
pub async fn done(client: &Client, chain: &str, key: &SigningKey, action: Action) -> Result<(u64, [u8; 32])> {
    let expiry = client.status().await?.height + PATIENCE;
    let nonce = u64::from_le_bytes(random()?);
    let (chain_id, account, gas_limit) = (chain.to_owned(), key.address(), GAS);
    let body = TxBody { chain_id, expiry, fee: FEE, nonce, account, gas_limit, tip: 0, action: Some(action) };
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

/// Random bytes.
///
/// # Errors
/// When the system gives none.
pub fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).context("the system gives no random bytes")?;
    Ok(bytes)
}
