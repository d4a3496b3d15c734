//! Keys: an account outlives the key that it began with.

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::Tour;
use super::data::{GIVER, HOME};

impl Tour {
    /// The giver's account gets another key; the former one speaks for it no more.
    pub(super) async fn rotate_key(&mut self) -> Result<String> {
        let client = self.client(HOME)?;
        let before = client.key(GIVER).await?.address;
        let rotated: Value = client.post(&format!("/v1/keys/{GIVER}/rotate"), &json!({})).await?;
        ensure!(rotated["address"] == *before && rotated["tx"].is_string(), "{rotated}");
        let keys: Value = client.get(&format!("/v1/accounts/{before}/keys")).await?;
        ensure!(keys["owners"][0] == rotated["public_key"], "{keys}");
        let own = client.status().await?.account;
        client.transfer(GIVER, &own, 1).await?;
        Ok("the account has another key and the same address, and the new key spends".to_owned())
    }
}
